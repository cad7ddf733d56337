"""The input of a model for a picture: open_clip's transform, with Pillow."""

import numpy as np
import pillow_heif
import pillow_jxl  # noqa: F401, registers itself
from PIL import Image, ImageOps

pillow_heif.register_heif_opener()

SIZE = 56
MODES = [("shortest", "bicubic"), ("squash", "bicubic"), ("longest", "bicubic"), ("shortest", "bilinear")]
FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def centre(picture):
    """torchvision's CenterCrop; for pictures that are too small, open_clip's CenterCropOrPad."""
    width, height = picture.size
    if width < SIZE or height < SIZE:
        padded = Image.new("RGB", (max(width, SIZE), max(height, SIZE)), 0)
        padded.paste(picture, (max(SIZE - width, 0) // 2, max(SIZE - height, 0) // 2))
        picture, (width, height) = padded, padded.size
    left, top = int(round((width - SIZE) / 2.0)), int(round((height - SIZE) / 2.0))
    return picture.crop((left, top, left + SIZE, top + SIZE))


def seen(picture, mode, interpolation):
    width, height = picture.size
    if mode == "squash":
        size = (SIZE, SIZE)
    elif mode == "shortest":  # torchvision's Resize(SIZE)
        short, long = min(width, height), int(SIZE * max(width, height) / min(width, height))
        size = (SIZE, long) if short == width else (long, SIZE)
    else:  # open_clip's ResizeKeepRatio(longest=1); it fails where a side becomes 0
        ratio = max(width / SIZE, height / SIZE)
        size = (max(round(width / ratio), 1), max(round(height / ratio), 1))
    return centre(picture.resize(size, FILTERS[interpolation]))


def as_people_see_it(picture):
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I;16"):  # Pillow would clip it
        return Image.fromarray(((np.asarray(picture).astype(np.uint32) + 128) // 257).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return picture.convert("RGB")


def reference(path):
    with Image.open(path) as picture:
        upright = as_people_see_it(picture)
    squares = Image.new("RGB", (SIZE, SIZE * len(MODES)))
    for i, (mode, interpolation) in enumerate(MODES):
        squares.paste(seen(upright, mode, interpolation), (0, i * SIZE))
    return squares
