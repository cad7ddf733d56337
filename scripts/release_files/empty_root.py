"""Tests a release in an empty Debian: no Rust, no Python, no network.

The system is made by debootstrap, once, and copied for each test. It runs as root, because of chroot.
"""

import os
import shutil
import subprocess

from packages import Failure, say

from . import tree

SCRIPT = """set -eu
export HOME=/home/me
for tool in python3 cargo rustc cc curl wget; do
    ! command -v $tool >/dev/null || { echo "error: this root has $tool"; exit 1; }
done
! (exec 3<>/dev/tcp/1.1.1.1/53) 2>/dev/null || { echo "error: this root has a network"; exit 1; }
"""

USE = """
imgsearch --version
# HEIC needs libheif, which is not in the release; everything else works.
imgsearch doctor || true
imgsearch doctor | grep -q '^ok .*ONNX Runtime'
imgsearch doctor | grep -q '^ok .*model'
imgsearch index /photos
found=$(imgsearch query "mountains and hills" -n 1 --format paths)
echo "found: $found"
case "$found" in /photos/page*.jpg) ;; *) exit 1 ;; esac
imgsearch query "a picture" --near Lisbon,5 -n 1 >/dev/null 2>&1 || test $? = 1
imgsearch text /photos/sign-german.jpg | grep -q "17. Juni"
imgsearch setup {parts} | grep -q '^everything is installed'
imgsearch setup --check {parts}
""".replace("{parts}", " ".join(tree.PARTS))

ARCHIVE = """
mkdir -p /opt /usr/local/bin
tar -xzf /release/archive.tar.gz -C /opt
ln -s /opt/imgsearch-*/imgsearch /usr/local/bin/imgsearch
{use}
rm -r /opt/imgsearch-* /usr/local/bin/imgsearch
"""

PACKAGE = """
find /usr /etc | sort > /tmp/before
dpkg -i /release/package.deb
{use}
test -s /usr/share/man/man1/imgsearch-query.1.gz
dpkg --purge imgsearch
find /usr /etc | sort > /tmp/after
diff /tmp/before /tmp/after && echo "nothing is left"
"""


def base(folder):
    """An empty Debian of the release that this machine has, in `folder`."""
    if os.path.exists(os.path.join(folder, "complete")):
        return os.path.join(folder, "root")
    if not shutil.which("debootstrap"):
        raise Failure("debootstrap is missing", "sudo apt-get install debootstrap, or leave the test out with --no-test")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    # The archive and the release that this machine's apt uses.
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"]
    address, release = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[:2]
    say("making an empty {} in {}".format(release, folder))
    command = ["debootstrap", "--variant=minbase", release, os.path.join(folder, "root"), address]
    with open(os.path.join(folder, "log"), "w", encoding="utf-8") as log:
        if subprocess.run(command, stdout=log, stderr=log).returncode != 0:
            raise Failure("debootstrap failed", "its log is {}".format(log.name))
    open(os.path.join(folder, "complete"), "w").close()
    return os.path.join(folder, "root")


def test(root, folder, photos, what, file):
    """Installs `file`, an archive or a package, in a copy of `root`; indexes, queries and uninstalls."""
    copy = os.path.join(folder, "root")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    subprocess.run(["cp", "-a", root, copy], check=True)
    for name in ["photos", "release", "home/me"]:
        os.makedirs(os.path.join(copy, name))
    for photo in photos:
        shutil.copy(photo, os.path.join(copy, "photos"))
    shutil.copyfile(file, os.path.join(copy, "release", "package.deb" if what == "deb" else "archive.tar.gz"))
    steps = (PACKAGE if what == "deb" else ARCHIVE).format(use=USE)
    say("testing {} in an empty system without network".format(os.path.basename(file)))
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc=" + os.path.join(copy, "proc")]
    command += ["chroot", copy, "/usr/bin/env", "-i", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "/bin/bash", "-c", SCRIPT + steps]
    failed = subprocess.run(command, stdin=subprocess.DEVNULL).returncode != 0
    shutil.rmtree(folder, ignore_errors=True)
    if failed:
        raise Failure("{} does not work in an empty system".format(os.path.basename(file)), "the last line above says where it stopped")
