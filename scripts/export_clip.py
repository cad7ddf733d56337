#!/usr/bin/env python3
"""Exports a CLIP or SigLIP checkpoint to a model folder that imgsearch reads.

SOURCE is one of
  open_clip:NAME/TAG        a model of open_clip with published weights, as
                            `open_clip.list_pretrained()` names them
  open_clip:NAME/FILE.pt    the same with weights of your own (fine-tuned)
  open_clip:NAME            the same with random weights, to try things out
  open_clip:FOLDER          a folder with open_clip_config.json, weights and, if
                            it is not CLIP's, the tokenizer
  open_clip:hf-hub:ORG/NAME such a folder on Hugging Face
  hf:NAME or hf:FOLDER      a CLIPModel or SiglipModel of Hugging Face's

OUT gets image.onnx, text.onnx, tokenizer.json and model.json. Batches may be of
any size, and texts of any length where the model does not need them filled up.
Every tower that is written is run in ONNX Runtime and compared with the
checkpoint in PyTorch; the worst cosine is printed, and one below 0.9999 for 32
bits is an error. For 16 and 8 bits it is the drift, and up to you.

It needs Python 3.9 or newer with torch (2.1 or newer; the CPU is enough), onnx
and onnxruntime, and open_clip_torch or transformers:
  python3 -m pip install torch open_clip_torch transformers onnx onnxruntime
"""

import argparse
import copy
import hashlib
import inspect
import json
import os
import shutil
import sys
import tempfile
import warnings

sys.dont_write_bytecode = True  # a clone stays as it was

import quantize

EXAMPLES = """examples:
  scripts/export_clip.py open_clip:ViT-B-32/laion2b_s34b_b79k ~/clip
  scripts/export_clip.py hf:google/siglip-base-patch16-224 ~/siglip --text int8
  scripts/export_clip.py hf:./fine-tuned ~/mine --image int8 --photos ~/Photos
  imgsearch index --model ~/clip ~/Photos
"""

OPSET = 17
# What 32-bit towers must reach; 1e-4 off is what summing in another order makes, not an error of the export.
LEAST_COSINE = 0.9999


class Checkpoint:
    """A model in PyTorch, and all that model.json has to say about it.

    `image` and `text` are modules from pixels and token ids to embeddings;
    `preprocess` and `text_rules` are fields of model.json; `write_tokenizer`
    writes tokenizer.json into a folder; `tokenize` is the reference's own, and
    `end_is_pad` says that it fills texts up with the token that ends them.
    """

    def __init__(self, name, image, text, preprocess, text_rules, tokenize, write_tokenizer, end_is_pad, scale, bias):
        self.name, self.image, self.text = name, image.eval(), text.eval()
        self.preprocess, self.text_rules = preprocess, text_rules
        self.tokenize, self.write_tokenizer = tokenize, write_tokenizer
        self.end_is_pad, self.scale, self.bias = end_is_pad, scale, bias


class Failure(Exception):
    pass


# --- open_clip ----------------------------------------------------------------


def from_open_clip(spec):
    import open_clip

    if os.path.isfile(os.path.join(spec, "open_clip_config.json")):
        name, weights = "local-dir:" + spec, None
    elif spec.startswith("hf-hub:"):
        name, weights = spec, None
    else:
        name, _, weights = spec.partition("/")
    model, _, _ = open_clip.create_model_and_transforms(name, pretrained=weights or None)
    config = open_clip.get_model_config(name)
    return open_clip_checkpoint(spec, model, config["text_cfg"], open_clip.get_tokenizer(name))


def open_clip_checkpoint(name, model, text_cfg, tokenizer):
    cfg = model.visual.preprocess_cfg
    size = cfg["size"] if isinstance(cfg["size"], (list, tuple)) else [cfg["size"]] * 2
    preprocess = {
        "image_size": list(size),
        "resize_mode": cfg["resize_mode"],
        "interpolation": "bilinear" if cfg["interpolation"] == "bilinear" else "bicubic",
        "mean": list(cfg["mean"]),
        "std": list(cfg["std"]),
        "fill_color": cfg.get("fill_color", 0),
    }
    hugging_face = getattr(tokenizer, "tokenizer", None)
    causal = not text_cfg.get("no_causal_mask") and not text_cfg.get("embed_cls")
    ends = text_cfg.get("pool_type", "argmax") in ("argmax", "eos")
    if getattr(tokenizer, "strip_sep_token", False):
        raise Failure("the tokenizer replaces its separators (strip_sep_token), which model.json cannot say")
    rules = {
        "context_length": tokenizer.context_length,
        "clean": (text_cfg.get("tokenizer_kwargs") or {}).get("clean", "whitespace" if hugging_face else "lower"),
        # A Hugging Face encoder masks what fills a text up; CLIP's never looks there.
        "padded": not ("hf_model_name" in text_cfg or (causal and ends and hugging_face is None)),
        "pad_id": hugging_face.pad_token_id if hugging_face else 0,
    }
    bias, tower = getattr(model, "logit_bias", None), towers()[0]
    return Checkpoint(
        name, tower(model, "encode_image"), tower(model, "encode_text"), preprocess, rules, tokenizer,
        lambda folder: write_tokenizer(tokenizer, folder), False,
        float(model.logit_scale.exp()), None if bias is None else float(bias),
    )


def towers():
    """The modules, defined late: torch is imported only once something is to be exported."""
    import torch
    from torch.nn import functional

    class Tower(torch.nn.Module):
        """What `features` of the model makes of pixels or token ids, as a unit vector."""

        def __init__(self, model, features):
            super().__init__()
            self.model, self.features = model, features

        def forward(self, x):
            return functional.normalize(getattr(self.model, self.features)(x), dim=-1)

    class ShortTexts(torch.nn.Module):
        """open_clip's causal text towers, which want every text filled up, for texts as long as they are. Of a `CLIP` they
        are part of the model itself, of a `CustomTextCLIP` its `text`."""

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
        """PyTorch's attention written out: as it is, it would be exported with the example's length built in."""

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


def write_tokenizer(tokenizer, folder):
    """tokenizer.json of an open_clip tokenizer: Hugging Face's own, or CLIP's in that form."""
    path = os.path.join(folder, "tokenizer.json")
    if hasattr(tokenizer, "tokenizer"):
        write_fast_tokenizer(tokenizer.tokenizer, path)
        return
    start, end = sorted(tokenizer.all_special_ids)[-2:]
    merges = [list(pair) for pair in tokenizer.bpe_ranks]
    # open_clip spells its two special tokens otherwise than Hugging Face; their ids are the same.
    vocabulary = {token: number for token, number in tokenizer.encoder.items() if number not in (start, end)}
    specials = {"<|startoftext|>": start, "<|endoftext|>": end}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(clip_tokenizer({**vocabulary, **specials}, merges, specials), file, ensure_ascii=False)


def clip_tokenizer(vocabulary, merges, specials):
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    (start, start_id), (end, end_id) = specials.items()
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": number, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True}
            for token, number in specials.items()
        ],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Removed", "invert": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
        ]},
        "post_processor": {"type": "RobertaProcessing", "sep": [end, end_id], "cls": [start, start_id],
                           "trim_offsets": False, "add_prefix_space": False},
        "decoder": None,
        "model": {"type": "BPE", "dropout": None, "unk_token": end, "continuing_subword_prefix": "",
                  "end_of_word_suffix": "</w>", "fuse_unk": False, "byte_fallback": False,
                  "vocab": vocabulary, "merges": [" ".join(pair) for pair in merges]},
    }


def write_fast_tokenizer(tokenizer, path):
    """Of Hugging Face's two kinds of tokenizers one is a tokenizer.json; the other is converted where that is known."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        backend = converted(tokenizer)
    backend.save(path)


def converted(tokenizer):
    from transformers.convert_slow_tokenizer import T5Converter, convert_slow_tokenizer

    if type(tokenizer).__name__ != "SiglipTokenizer":
        return convert_slow_tokenizer(tokenizer)
    # SigLIP's is T5's without the extra tokens, and has no converter of its own.
    tokenizer._extra_ids = 0
    return T5Converter(tokenizer).converted()


# --- Hugging Face -------------------------------------------------------------


def from_hugging_face(name):
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(name, attn_implementation="eager")
    processor = AutoImageProcessor.from_pretrained(name, use_fast=False).to_dict()
    return hugging_face_checkpoint(name, model, processor, AutoTokenizer.from_pretrained(name))


def hugging_face_checkpoint(name, model, processor, tokenizer):
    config = model.config
    kind = (config.model_type, type(tokenizer).__name__.removesuffix("Fast"))
    rules = {
        ("clip", "CLIPTokenizer"): {"clean": "lower", "padded": False},
        ("siglip", "SiglipTokenizer"): {"clean": "canonicalize", "padded": True},
        # SigLIP 2: trained on text in lower case, which its tokenizer does not see to.
        ("siglip", "GemmaTokenizer"): {"clean": "lower", "padded": True},
    }.get(kind)
    if rules is None:
        raise Failure("{} with {} is not known; CLIPModel and SiglipModel are".format(*kind))
    rules = {"context_length": config.text_config.max_position_embeddings, "pad_id": tokenizer.pad_token_id, **rules}
    bias, tower = getattr(model, "logit_bias", None), towers()[0]

    def tokenize(texts):
        return tokenizer(
            texts, padding="max_length", max_length=rules["context_length"], truncation=True, return_tensors="pt"
        ).input_ids

    return Checkpoint(
        name, tower(model, "get_image_features"), tower(model, "get_text_features"), preprocess_of(processor), rules,
        tokenize, lambda folder: write_fast_tokenizer(tokenizer, os.path.join(folder, "tokenizer.json")),
        tokenizer.pad_token_id == tokenizer.eos_token_id, float(model.logit_scale.exp()), None if bias is None else float(bias),
    )


def preprocess_of(processor):
    """preprocess of a Hugging Face image processor, if it is one that model.json can say."""
    size, crop = processor["size"], processor.get("crop_size")
    crops = processor.get("do_center_crop", False)
    if "shortest_edge" in size:
        sides, mode = [size["shortest_edge"]] * 2, "shortest"
    else:
        sides, mode = [size["height"], size["width"]], "squash"
    if mode == "shortest" and not crops or crops and [crop["height"], crop["width"]] != sides:
        raise Failure("the image processor's size {} and crop {} do not go together".format(size, crop))
    normalises = processor.get("do_normalize", True)
    return {
        "image_size": sides,
        "resize_mode": mode,
        "interpolation": {2: "bilinear", 3: "bicubic"}[int(processor["resample"])],
        "mean": list(processor["image_mean"]) if normalises else [0.0] * 3,
        "std": list(processor["image_std"]) if normalises else [1.0] * 3,
    }


# --- towers -------------------------------------------------------------------


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
    """A copy without what the exporter would build the example's length into."""
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
    """Texts as the loader hands them over, each with what the checkpoint is to be asked: the text filled up."""
    ids = checkpoint.tokenize(["a dog", "a photo of a red bicycle that leans on a wall of bricks", "", "two  cats\tand 3!"])
    if checkpoint.text_rules["padded"]:
        return [(ids[:1], ids[:1]), (ids, ids)]
    filled = (ids == checkpoint.text_rules["pad_id"]).flip(1).int().cumprod(1).sum(1)
    lengths = ids.shape[1] - filled + int(checkpoint.end_is_pad)
    return [(row[None, :length], row[None]) for row, length in zip(ids, lengths)] + [(ids, ids)]


def compare(module, path, batches):
    """The least cosine between a tower in ONNX Runtime and in PyTorch."""
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
    """Pictures to calibrate with, prepared as the model wants them; what onnxruntime calls a CalibrationDataReader."""

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
    """One picture as the model wants it, with Pillow; cut and squashed only approximately as the reference does."""
    import numpy as np
    from PIL import Image, ImageOps

    height, width = preprocess["image_size"]
    picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    resample = Image.Resampling.BILINEAR if preprocess["interpolation"] == "bilinear" else Image.Resampling.BICUBIC
    fit = {"shortest": ImageOps.fit, "squash": Image.Image.resize}.get(preprocess["resize_mode"], ImageOps.pad)
    pixels = np.asarray(fit(picture, (width, height), resample), "float32") / 255
    return ((pixels - preprocess["mean"]) / preprocess["std"]).transpose(2, 0, 1)[None].astype("float32")


# --- the folder ---------------------------------------------------------------


def write(checkpoint, folder, image="fp32", text="fp32", photos=None):
    """Writes all files of the model into `folder`; what is printed is the check of each tower."""
    pictures, texts = [image_inputs(checkpoint, count) for count in (1, 3)], text_inputs(checkpoint)
    length = {} if checkpoint.text_rules["padded"] else {1: "length"}
    towers = [
        ("image", "pixels", {0: "batch"}, checkpoint.image, [(batch, batch) for batch in pictures], image),
        ("text", "ids", {0: "batch", **length}, checkpoint.text, texts, text),
    ]
    for name, given, axes, module, batches, precision in towers:
        path = os.path.join(folder, name + ".onnx")
        export(module, batches[-1][0], path, given, axes)
        least = compare(module, path, batches)
        report(name, "fp32", least)
        if least < LEAST_COSINE:
            raise Failure("the {} tower in ONNX differs from the checkpoint: cosine {:.6f}".format(name, least))
        if precision != "fp32":
            calibration = Photos(photos, checkpoint.preprocess) if photos and name == "image" else None
            to_half(path) if precision == "fp16" else quantize.to_int8(path, path, calibration)
            kind = precision + (", static" if calibration else ", dynamic" if precision == "int8" else "")
            report(name, kind, compare(module, path, batches))
    checkpoint.write_tokenizer(folder)
    write_config(checkpoint, folder, texts[-1][1])


def report(tower, precision, least):
    print("{:5} {:14} least cosine to PyTorch {:.6f}".format(tower, precision, least), flush=True)


def write_config(checkpoint, folder, ids):
    import torch

    with torch.no_grad():
        dim = checkpoint.text(ids).shape[-1]
    files = ["image.onnx", "text.onnx", "tokenizer.json"]
    config = {
        "format": 1,
        "name": checkpoint.name,
        "embed_dim": dim,
        "image": {"file": "image.onnx", **checkpoint.preprocess},
        "text": {"file": "text.onnx", "tokenizer": "tokenizer.json", **checkpoint.text_rules},
        "logit_scale": checkpoint.scale,
        "logit_bias": checkpoint.bias,
        "sha256": {name: sha256(os.path.join(folder, name)) for name in files},
    }
    with open(os.path.join(folder, "model.json"), "w", encoding="utf-8") as file:
        json.dump(config, file, indent=2)
        file.write("\n")


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()


def load(source):
    kind, _, name = source.partition(":")
    readers = {"open_clip": from_open_clip, "hf": from_hugging_face}
    if kind not in readers or not name:
        raise Failure("SOURCE is {!r}, and must begin with open_clip: or hf:".format(source))
    return readers[kind](name)


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/export_clip.py", description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    precisions = ["fp32", "fp16", "int8"]
    parser.add_argument("source", metavar="SOURCE", help="the checkpoint, see above")
    parser.add_argument("out", metavar="OUT", help="the folder to write; it must not exist")
    parser.add_argument("--image", choices=precisions, default="fp32", help="precision of the image tower (default: fp32)")
    parser.add_argument("--text", choices=precisions, default="fp32", help="precision of the text tower (default: fp32)")
    parser.add_argument("--photos", metavar="DIR", help="pictures to calibrate an int8 image tower with (static)")
    parser.add_argument("--name", help="the model's name (default: SOURCE without its kind)")
    args = parser.parse_args()
    out = os.path.abspath(args.out)
    try:
        if os.path.lexists(out):
            raise Failure("{} exists".format(out))
        checkpoint = load(args.source)
        checkpoint.name = args.name or checkpoint.name
        os.makedirs(os.path.dirname(out), exist_ok=True)
        # Whole or not at all: the folder appears under its name when everything in it was checked.
        stage = tempfile.mkdtemp(prefix=".export-", dir=os.path.dirname(out))
        try:
            write(checkpoint, stage, args.image, args.text, args.photos)
            os.chmod(stage, 0o755)
            os.rename(stage, out)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    except (Failure, ImportError, OSError, RuntimeError) as failure:
        print("error: {}".format(failure), file=sys.stderr)
        if isinstance(failure, ImportError):
            print("hint: see `scripts/export_clip.py --help` for the packages it needs", file=sys.stderr)
        return 2
    print("wrote {}".format(out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
