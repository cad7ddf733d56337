"""Downloads pinned packages through their own clients, and installs folders.

Shared by the scripts that download something. It guarantees that a pinned package is
used only after its sha256 was verified, and that installation is atomic.
Standard library only.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

# What `imgsearch setup` installs, which explains its lines itself.
PINS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "src", "setup", "pins.txt")

STAGING_PREFIX = ".imgsearch-staging-"


class Failure(Exception):
    """An error, with a separate hint on what to do next."""

    def __init__(self, message, hint):
        super().__init__(message)
        self.hint = hint


class PipPackage:
    """One file on PyPI. `tags` (platform, Python) select one of several wheels."""

    def __init__(self, name, version, size, sha256, tags=None):
        self.name, self.version, self.size, self.sha256, self.tags = name, version, size, sha256, tags

    def __str__(self):
        return "{} {}".format(self.name, self.version)

    def command(self, folder):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary=:all:", "--dest", folder]
        if self.tags:
            platform, python = self.tags
            command += ["--platform", platform, "--implementation", "cp", "--python-version", python]
        return command + ["{}=={}".format(self.name, self.version)]


class DebianPackage:
    """The .deb in the distribution's current release, verified by apt.

    Releases differ, so it is its contents that the caller has to check.
    """

    sha256 = None

    def __init__(self, name, size):
        self.name, self.size = name, size

    def __str__(self):
        return "{} (Debian)".format(self.name)

    def command(self, _folder):
        return ["apt-get", "download", "--quiet=2", self.name]  # into the current folder


def pinned(name):
    """The package of this name in the list of `imgsearch setup`."""
    with open(PINS, encoding="utf-8") as file:
        wheels = [line.split() for line in file if line.startswith("wheel {} ".format(name))]
    (_, name, version, size, digest, _), = wheels
    return PipPackage(name, version, int(size), digest)


def fetch(package, folder):
    """Downloads `package` into a new folder in `folder`, and returns the path."""
    say("{}: downloading {}".format(package, megabytes(package.size)))
    folder = tempfile.mkdtemp(dir=folder)
    result = subprocess.run(
        package.command(folder), cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    files = os.listdir(folder)
    if result.returncode != 0 or len(files) != 1:
        raise Failure(
            "could not download {}:\n{}".format(package, indent(result.stderr)),
            "check the network connection (and proxy settings) and run this again",
        )
    path = os.path.join(folder, files[0])
    found = package.sha256 and sha256(path)
    if found != package.sha256:
        raise Failure(
            "{} has the wrong checksum\n  expected {}\n  found    {}".format(files[0], package.sha256, found),
            "the download is damaged or not the original: empty the client's cache "
            "(`{} -m pip cache purge`) and any PIP_FIND_LINKS folder, and run this again".format(
                os.path.basename(sys.executable)
            ),
        )
    return path


def data_folder():
    """The data folder that the `directories` crate uses for the application imgsearch."""
    home = os.path.expanduser("~")
    if os.name == "nt":
        roaming = os.environ.get("APPDATA") or os.path.join(home, "AppData", "Roaming")
        return os.path.join(roaming, "imgsearch", "data")
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Application Support", "imgsearch")
    xdg = os.environ.get("XDG_DATA_HOME", "")
    # The XDG specification says to ignore relative paths.
    return os.path.join(xdg if os.path.isabs(xdg) else os.path.join(home, ".local", "share"), "imgsearch")


def require_python(version):
    if sys.version_info < version:
        raise Failure(
            "Python {}.{} or newer is needed, this is {}".format(*version, sys.version.split()[0]),
            "install a newer python3 and run this with it",
        )


def require_pip():
    """Checks for pip, which is a separate package on some systems."""
    command = [sys.executable, "-m", "pip", "--version"]
    if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
        return
    raise Failure(
        "pip, which downloads the packages, is missing for {}".format(sys.executable),
        "Debian, Ubuntu: sudo apt-get install python3-pip; Fedora: sudo dnf install python3-pip; "
        "macOS and others: python3 -m ensurepip --user",
    )


@contextlib.contextmanager
def locked(folder):
    """Locks `folder` for this process; a second run waits for the first.

    The lock goes with the process, so a killed run leaves none behind.
    """
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, ".imgsearch-lock"), "a+b") as file:
        if not try_lock(file):
            say("another run is at work in {}; waiting for it".format(folder))
            lock(file)
        yield


if os.name == "nt":
    import msvcrt
    import time

    def try_lock(file):
        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            return True
        except OSError:
            return False

    def lock(file):
        while not try_lock(file):
            time.sleep(0.2)
else:
    import fcntl

    def try_lock(file):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            return False

    def lock(file):
        fcntl.flock(file, fcntl.LOCK_EX)


@contextlib.contextmanager
def staging(folder):
    """A temporary folder beside the target, so that a rename can move it there.

    Under the lock of `folder`, what is found here is of runs that were killed.
    """
    for name in os.listdir(folder):
        if name.startswith(STAGING_PREFIX):
            shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
    path = tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=folder)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def install_folder(built, target, stage):
    """Moves the folder `built` to `target`, durably; an older one goes to `stage`.

    Between the two renames there is no target: that is "not installed", never
    a mixture of old and new.
    """
    for name in os.listdir(built):
        os.chmod(os.path.join(built, name), 0o644)
        sync(os.path.join(built, name))
    os.chmod(built, 0o755)
    sync(built)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.lexists(target):
        os.rename(target, tempfile.mkdtemp(dir=stage) + "/old")
    os.rename(built, target)
    sync(os.path.dirname(target))


def sync(path):
    """Flushes a file or folder to the disk; Windows cannot do it for folders."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()


def say(line):
    print(line, flush=True)


def megabytes(size):
    return "{:.1f} MB".format(size / 1e6)


def indent(output):
    """The last lines of a client's stderr."""
    lines = output.decode(errors="replace").strip().splitlines()[-5:]
    return "\n".join("  " + line for line in lines) or "  (it said nothing)"


def run(main):
    """Runs `main` and exits: with its code, 2 after a failure, 130 when interrupted."""
    try:
        sys.exit(main())
    except Failure as failure:
        print("error: {}\nhint: {}".format(failure, failure.hint), file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print("error: {}\nhint: check disk space and permissions, and run this again".format(error), file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; run this again to continue", file=sys.stderr)
        sys.exit(130)
