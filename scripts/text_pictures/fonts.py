"""Fonts from Debian packages, unpacked into the user's cache folder."""

import os
import subprocess
import tempfile

from PIL import ImageFont

import environment
from packages import DebianPackage, fetch, sha256

# package -> its size, then for each font its name here, its path in the package, and its sha256.
PACKAGES = {
    "fonts-dejavu-core": (1067728, {
        "sans": ("usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", 
                 "abdc775b21b1bc470d50c97e790d276f2054b7504e56e5bd3e64f48d68582322"),
        "bold": ("usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf", 
                 "0d977336a6d5fba34eab8e3199eb218327161b5143749f802982c2bc34df0c96"),
        "mono": ("usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf", 
                 "0f5db4f1749979d961019838b160bec74abdf7f9eca69553fe1aa856bbff49a4"),
        "serif": ("usr/share/fonts/truetype/dejavu/DejaVuSerif.ttf", 
                 "13e61509f5c81d7c3132810f4f903e3523df89c802bf6e0674621e8f659cdfe1"),
    }),
    "fonts-comic-neue": (360376, {
        "script": ("usr/share/fonts/opentype/comic-neue/ComicNeue-Regular.otf", 
                 "2728ee8f303e31934e62bf27b044fd7657b0613412d51f7444db1078cc3a7cb2"),
    }),
    "fonts-wqy-microhei": (1605712, {
        "cjk": ("usr/share/fonts/truetype/wqy/wqy-microhei.ttc", 
                 "2420e8078af796b19a3f6ef13de527a1a91c1e7171eea115926c614ced1009b3"),
    }),
}
FOLDER = os.path.join(environment.CACHE, "text-fonts")


def path(name):
    """The file of a font, downloaded when first needed."""
    for package, (size, fonts) in PACKAGES.items():
        if name in fonts:
            inside, digest = fonts[name]
            file = os.path.join(FOLDER, inside)
            if not os.path.exists(file):
                os.makedirs(FOLDER, exist_ok=True)
                with tempfile.TemporaryDirectory() as stage:
                    subprocess.run(["dpkg-deb", "-x", fetch(DebianPackage(package, size), stage), FOLDER], check=True)
            if sha256(file) != digest:
                raise SystemExit("{} has another sha256 than the pinned one: {}".format(file, sha256(file)))
            return file
    raise KeyError(name)


def font(name, size):
    return ImageFont.truetype(path(name), size)
