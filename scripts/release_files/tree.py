"""The folder of a release: what is in the archive, and in the Debian package under other names.

  imgsearch                   the program
  runtime/, models/offline/,  what `imgsearch setup` installs, in the same layout;
  text/, places.tsv           the program finds it beside itself
  completions/, man/          for shells and for man
  licences/                   of imgsearch, of everything it is made of, and of what is beside it
  README.md, CHANGELOG.md

libheif is left out. The wheel that set-up takes it from is linked to x265, which is GPL: who passes that on has to offer its
source, too. So the Debian package recommends the system's libheif, and everybody else runs `imgsearch setup heif`.
"""

import os
import shutil
import subprocess

from packages import say

from . import licences

# What set-up puts into the folder.
PARTS = ["runtime", "offline", "text", "places"]
SHELLS = {"bash": "imgsearch.bash", "zsh": "_imgsearch", "fish": "imgsearch.fish", "powershell": "_imgsearch.ps1", "elvish": "imgsearch.elv"}


def make(root, program, packages, folder):
    """Fills `folder`, which must not exist. `packages` is a folder of packages that were downloaded before, or None."""
    os.makedirs(folder)
    shutil.copy(program, os.path.join(folder, "imgsearch"))
    program = os.path.join(folder, "imgsearch")
    given = ["--from", packages] if packages else []
    subprocess.run([program, "setup", "--data", folder, *given, *PARTS], check=True)
    os.remove(os.path.join(folder, ".imgsearch-lock"))
    shutil.rmtree(os.path.join(folder, ".setup"), ignore_errors=True)
    os.mkdir(os.path.join(folder, "completions"))
    for shell, name in SHELLS.items():
        script = subprocess.run([program, "completions", shell], check=True, stdout=subprocess.PIPE).stdout
        with open(os.path.join(folder, "completions", name), "wb") as file:
            file.write(script)
    subprocess.run([program, "man", "--out", os.path.join(folder, "man")], check=True)
    for name in ["README.md", "CHANGELOG.md"]:
        shutil.copy(os.path.join(root, name), folder)
    licences.collect(root, os.path.join(folder, "licences"))


def sizes(folder):
    """Prints the size of each entry of a folder."""
    for name in sorted(os.listdir(folder)):
        say("  {:>9}  {}".format("{:.1f} MB".format(size(os.path.join(folder, name)) / 1e6), name))


def size(path):
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names)
