"""The licences of imgsearch, of all crates that are built into it, and of what is beside it."""

import json
import os
import platform
import shutil
import subprocess

from packages import Failure

NAMES = ("LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE")

PLACES = """places.tsv has the names of towns of GeoNames (geonames.org), licensed under CC BY 4.0
(https://creativecommons.org/licenses/by/4.0/), with other columns and in another order.
"""

TEXT = """The folder text has PP-OCRv6 small by PaddleOCR (github.com/PaddlePaddle/PaddleOCR), licensed under Apache 2.0, as
RapidOCR packages it (github.com/RapidAI/RapidOCR, Apache 2.0), unchanged. The licence and where each model comes from are
in that folder: LICENSE and MODEL_LICENSES.md.
"""


def collect(root, out):
    """Copies all licence texts to `out`: imgsearch's own, and a folder for each crate. `crates.txt` lists them all. What
    set-up installed has its own licences beside it, except the names of towns.
    """
    os.makedirs(out)
    for name in ["LICENSE-MIT", "LICENSE-APACHE"]:
        shutil.copy(os.path.join(root, name), out)
    for name, text in [("places.txt", PLACES), ("text.txt", TEXT)]:
        with open(os.path.join(out, name), "w", encoding="utf-8") as file:
            file.write(text)
    lines = []
    for package in crates(root):
        name = "{} {}".format(package["name"], package["version"])
        if not package["license"] and not package["license_file"]:
            raise Failure("{} names no licence".format(name), "look at its repository")
        lines.append("{}: {}, {}".format(name, package["license"] or package["license_file"], package["repository"]))
        source = os.path.dirname(package["manifest_path"])
        texts = [entry for entry in os.listdir(source) if entry.upper().startswith(NAMES)]
        target = os.path.join(out, "crates", name.replace(" ", "-"))
        for text in texts:
            path = os.path.join(source, text)
            if os.path.isfile(path):
                os.makedirs(target, exist_ok=True)
                shutil.copyfile(path, os.path.join(target, text))
    with open(os.path.join(out, "crates.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(sorted(lines)) + "\n")


def crates(root):
    """The crates from registries that this platform's build uses."""
    host = subprocess.run(["rustc", "-vV"], check=True, stdout=subprocess.PIPE, text=True).stdout
    host = next(line.split(": ")[1] for line in host.splitlines() if line.startswith("host: "))
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", host]
    metadata = json.loads(subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE).stdout)
    return [package for package in metadata["packages"] if package["source"]]


def platform_name():
    """As in src/setup/pins.txt: linux-x86_64."""
    system = {"Darwin": "macos"}.get(platform.system(), platform.system().lower())
    machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    return "{}-{}".format(system, machine)
