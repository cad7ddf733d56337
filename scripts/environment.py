"""A separate virtual environment for each script that needs packages.

It is in the user's cache folder and is made when first needed. Its name depends on
the pinned packages, so other pins make a new one.
Standard library only.
"""

import hashlib
import os
import subprocess
import sys
import venv

CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "imgsearch")


def enter(name, pinned):
    """Restarts the calling script with the packages `pinned`, unless it already runs with them."""
    digest = hashlib.sha256(" ".join(pinned).encode()).hexdigest()[:8]
    folder = os.path.join(CACHE, "{}-{}".format(name, digest))
    python = os.path.join(folder, "bin", "python")
    if os.path.abspath(sys.executable) == python:
        return
    if not os.path.exists(os.path.join(folder, "complete")):
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet"] + pinned, check=True)
        open(os.path.join(folder, "complete"), "w").close()
    os.execv(python, [python, "-B"] + sys.argv)
