"""The Debian package, made with dpkg-deb."""

import gzip
import os
import re
import shutil
import subprocess

ARCHITECTURES = {"linux-x86_64": "amd64", "linux-aarch64": "arm64"}

CONTROL = """Package: imgsearch
Version: {version}
Architecture: {architecture}
Maintainer: {maintainer}
Installed-Size: {size}
Depends: libc6 (>= {libc}), libgcc-s1, libstdc++6
Recommends: ca-certificates, libheif1
Suggests: libheif-plugin-libde265
Section: graphics
Priority: optional
Description: find your own photos by what they show
 imgsearch indexes the photos on this computer and finds them by a description, by
 similar photos, and by date and place. Everything stays on this computer.
"""
MAINTAINER = "imgsearch contributors <imgsearch@localhost>"


def make(tree, version, platform, folder, out):
    """Builds the package `out` from the folder of a release. `folder` is where it is put together."""
    place = lambda *parts: os.path.join(folder, *parts)
    copy(os.path.join(tree, "imgsearch"), place("usr/bin/imgsearch"), 0o755)
    for name in ["runtime", "models", "text"]:
        shutil.copytree(os.path.join(tree, name), place("usr/lib/imgsearch", name))
    copy(os.path.join(tree, "places.tsv"), place("usr/lib/imgsearch/places.tsv"))
    completions = os.path.join(tree, "completions")
    copy(os.path.join(completions, "imgsearch.bash"), place("usr/share/bash-completion/completions/imgsearch"))
    copy(os.path.join(completions, "_imgsearch"), place("usr/share/zsh/vendor-completions/_imgsearch"))
    copy(os.path.join(completions, "imgsearch.fish"), place("usr/share/fish/vendor_completions.d/imgsearch.fish"))
    for page in sorted(os.listdir(os.path.join(tree, "man"))):
        compress(os.path.join(tree, "man", page), place("usr/share/man/man1", page + ".gz"))
    doc = place("usr/share/doc/imgsearch")
    shutil.copytree(os.path.join(tree, "licences"), os.path.join(doc, "licences"))
    compress(os.path.join(tree, "CHANGELOG.md"), os.path.join(doc, "changelog.gz"))
    with open(os.path.join(doc, "copyright"), "w", encoding="utf-8") as file:
        file.write("imgsearch is licensed under MIT or Apache-2.0; see the folder licences for everything that is in it.\n")
    for where, _, names in os.walk(folder):
        os.chmod(where, 0o755)
        for name in names:
            os.chmod(os.path.join(where, name), 0o755 if name == "imgsearch" and where.endswith("bin") else 0o644)
    size = sum(os.path.getsize(os.path.join(where, name)) for where, _, names in os.walk(folder) for name in names)
    os.mkdir(place("DEBIAN"))
    with open(place("DEBIAN/control"), "w", encoding="utf-8") as file:
        file.write(CONTROL.format(version=version, architecture=ARCHITECTURES[platform], maintainer=MAINTAINER,
                                  size=-(-size // 1024), libc=needed_libc(os.path.join(tree, "imgsearch"))))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zxz", "--build", folder, out], check=True, stdout=subprocess.DEVNULL)


def needed_libc(program):
    """The newest version of glibc that the program's symbols name."""
    command = ["readelf", "--version-info", "--wide", program]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    versions = re.findall(r"GLIBC_(\d+)\.(\d+)", text)
    return "{}.{}".format(*max((int(major), int(minor)) for major, minor in versions))


def copy(source, target, mode=0o644):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copyfile(source, target)
    os.chmod(target, mode)


def compress(source, target):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(source, "rb") as file, open(target, "wb") as out:
        with gzip.GzipFile("", "wb", 9, out, mtime=0) as packed:
            shutil.copyfileobj(file, packed)
