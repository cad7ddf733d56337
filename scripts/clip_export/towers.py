"""Towers: PyTorch modules that can be exported to ONNX, compared with the checkpoint, and quantised."""

import copy
import inspect
import os
import warnings

from . import Failure

OPSET = 17


def towers():
    """Defines the modules. They need torch, which is slow to import, so only an export calls this."""
    import torch
    from torch.nn import functional

    class Tower(torch.nn.Module):
        """The model's method `features`, applied to pixels or token ids and scaled to unit length."""

        def __init__(self, model, features):
            super().__init__()
            self.model, self.features = model, features

        def forward(self, x):
            return functional.normalize(features(self.model, self.features, x), dim=-1)

    class ShortTexts(torch.nn.Module):
        """open_clip's causal text tower for texts without padding, which open_clip's own code requires. In a `CLIP` the
        tower is the model itself, in a `CustomTextCLIP` its `text`."""

        def __init__(self, tower):
            super().__init__()
            self.tower = tower
            self.pool = getattr(tower, "text_pool_type", None) or tower.pool_type
            self.end = getattr(tower, "text_eos_id", None) or getattr(tower, "eos_id", None)

        def forward(self, ids):
            from open_clip.transformer import text_global_pool

            tower, length = self.tower, ids.shape[1]
            x = tower.token_embedding(ids) + tower.positional_embedding[:length]
            x = tower.transformer(x, attn_mask=tower.attn_mask[:length, :length])
            x = text_global_pool(tower.ln_final(x), ids, self.pool, eos_token_id=self.end)
            projection = tower.text_projection
            if projection is not None:
                x = projection(x) if isinstance(projection, torch.nn.Linear) else x @ projection
            return functional.normalize(x, dim=-1)

    class Attention(torch.nn.Module):
        """PyTorch's attention written out. The exporter would fix the original to the length of the example."""

        def __init__(self, fused):
            super().__init__()
            self.fused = fused

        def forward(self, query, key, value, need_weights=False, attn_mask=None):
            fused, heads = self.fused, self.fused.num_heads
            weights, biases = fused.in_proj_weight.chunk(3), fused.in_proj_bias.chunk(3)
            parts = [x if fused.batch_first else x.transpose(0, 1) for x in (query, key, value)]
            parts = [functional.linear(*part) for part in zip(parts, weights, biases)]
            q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in parts)
            scores = q @ k.transpose(-1, -2) * fused.head_dim**-0.5
            if attn_mask is not None and attn_mask.dtype == torch.bool:
                scores = scores.masked_fill(attn_mask, float("-inf"))
            elif attn_mask is not None:
                scores = scores + attn_mask
            x = fused.out_proj((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
            return (x if fused.batch_first else x.transpose(0, 1)), None

    return Tower, ShortTexts, Attention


def features(model, name, x):
    """What a model makes of pixels or token ids, which transformers 5 puts into an object."""
    made = getattr(model, name)(x)
    return getattr(made, "pooler_output", made)


def export(module, example, path, given, axes):
    """Writes one tower in 32 bits."""
    import torch

    options = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about sizes it takes for constants; compare() would show it
        torch.onnx.export(
            exportable(module), (example,), path, input_names=[given], output_names=["embedding"],
            opset_version=OPSET, dynamic_axes={given: axes, "embedding": {0: "batch"}}, **options,
        )


def exportable(module):
    """A copy without the modules that the exporter would fix to the length of the example."""
    import torch

    _, short_texts, attention = towers()

    def replace(module):
        for name, child in module.named_children():
            if isinstance(child, torch.nn.MultiheadAttention) and child.in_proj_bias is not None:
                setattr(module, name, attention(child))
            else:
                replace(child)

    copied = copy.deepcopy(module)
    replace(copied)
    if getattr(module, "features", None) != "encode_text":
        return copied
    tower = copied.model if hasattr(copied.model, "token_embedding") else copied.model.text
    is_causal = getattr(tower, "attn_mask", None) is not None and getattr(tower, "cls_emb", None) is None
    return short_texts(tower) if is_causal else copied


def image_inputs(checkpoint, count):
    import torch

    height, width = checkpoint.preprocess["image_size"]
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(count))


def text_inputs(checkpoint):
    """Pairs of token ids: as imgsearch passes them to the exported tower, and padded, as the checkpoint expects them."""
    ids = checkpoint.tokenize(["a dog", "a photo of a red bicycle that leans on a wall of bricks", "", "two  cats\tand 3!"])
    if checkpoint.text_rules["padded"]:
        return [(ids[:1], ids[:1]), (ids, ids)]
    filled = (ids == checkpoint.text_rules["pad_id"]).flip(1).int().cumprod(1).sum(1)
    lengths = ids.shape[1] - filled + int(checkpoint.end_is_pad)
    return [(row[None, :length], row[None]) for row, length in zip(ids, lengths)] + [(ids, ids)]


def compare(module, path, batches):
    """The lowest cosine between a tower's vectors from ONNX Runtime and from PyTorch."""
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name, least = session.get_inputs()[0].name, 1.0
    for given, asked in batches:
        with torch.no_grad():
            expected = module(asked).numpy()
        try:
            found = session.run(None, {name: given.numpy()})[0].astype("float32")
        except Exception as error:  # of a type that ONNX Runtime does not export
            raise Failure("ONNX Runtime cannot run the {} of shape {}: {}".format(name, tuple(given.shape), error))
        cosines = (expected * found).sum(-1) / ((expected**2).sum(-1) * (found**2).sum(-1)) ** 0.5
        least = min(least, float(cosines.min()))
    return least


def to_half(path):
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(path), keep_io_types=True), path)


class Photos:
    """Preprocessed pictures for calibration, in the form of onnxruntime's CalibrationDataReader."""

    def __init__(self, folder, preprocess, most=64):
        names = sorted(os.listdir(folder))
        paths = [os.path.join(folder, name) for name in names if name.lower().endswith((".jpg", ".jpeg", ".png"))]
        if len(paths) < 8:
            raise Failure("{} has {} pictures (.jpg, .png); 8 or more are needed".format(folder, len(paths)))
        self.paths, self.preprocess = iter(paths[:most]), preprocess

    def get_next(self):
        path = next(self.paths, None)
        return None if path is None else {"pixels": prepared(path, self.preprocess)}


def prepared(path, preprocess):
    """One picture, preprocessed with Pillow. Crop and squash only approximate the reference."""
    import numpy as np
    from PIL import Image, ImageOps

    height, width = preprocess["image_size"]
    picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    resample = Image.Resampling.BILINEAR if preprocess["interpolation"] == "bilinear" else Image.Resampling.BICUBIC
    fit = {"shortest": ImageOps.fit, "squash": Image.Image.resize}.get(preprocess["resize_mode"], ImageOps.pad)
    pixels = np.asarray(fit(picture, (width, height), resample), "float32") / 255
    return ((pixels - preprocess["mean"]) / preprocess["std"]).transpose(2, 0, 1)[None].astype("float32")
