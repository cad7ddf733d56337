"""Checkpoints of open_clip and Hugging Face, and their settings for model.json."""

import os
import sys

from . import Failure
from .tokenizer_json import write_fast_tokenizer, write_tokenizer
from .towers import towers


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


def from_open_clip(spec):
    import open_clip

    if os.path.isfile(os.path.join(spec, "open_clip_config.json")):
        name, weights = "local-dir:" + spec, None
    elif spec.startswith("hf-hub:"):
        name, weights = spec, None
    else:
        name, _, weights = spec.partition("/")
    model, _, _ = open_clip.create_model_and_transforms(name, pretrained=weights or None)
    if weights not in open_clip.list_pretrained_tags_by_model(name):
        warn_of_preprocess(name, model.visual.preprocess_cfg)
    config = open_clip.get_model_config(name)
    return open_clip_checkpoint(spec, model, config["text_cfg"], open_clip.get_tokenizer(name))


def warn_of_preprocess(name, assumed):
    """Of weights in a file open_clip cannot know how pictures are prepared, and does as CLIP does."""
    import open_clip

    for tag in open_clip.list_pretrained_tags_by_model(name):
        published = open_clip.get_pretrained_cfg(name, tag)
        fields = [field for field in ("resize_mode", "interpolation", "mean", "std") if published[field] != assumed[field]]
        if fields:
            said = ", ".join("{} {} instead of {}".format(field, published[field], assumed[field]) for field in fields)
            print("warning: the published weights {} of {} have {}; if yours were trained like that, change `image` in "
                  "model.json".format(tag, name, said), file=sys.stderr)


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
    # The greatest id ends a text of CLIP's tokenizer alone.
    ends = text_cfg.get("pool_type", "argmax") in (("eos",) if hugging_face else ("argmax", "eos"))
    if getattr(tokenizer, "strip_sep_token", False):
        raise Failure("the tokenizer replaces its separators (strip_sep_token), which model.json cannot express")
    rules = {
        "context_length": tokenizer.context_length,
        "clean": (text_cfg.get("tokenizer_kwargs") or {}).get("clean", "whitespace" if hugging_face else "lower"),
        # A Hugging Face encoder masks the padding; causal attention that is read at the end never reaches it.
        "padded": not ("hf_model_name" in text_cfg or (causal and ends)),
        "pad_id": hugging_face.pad_token_id if hugging_face else 0,
    }
    bias, tower = getattr(model, "logit_bias", None), towers()[0]
    return Checkpoint(
        name, tower(model, "encode_image"), tower(model, "encode_text"), preprocess, rules, tokenizer,
        lambda folder: write_tokenizer(tokenizer, folder), False,
        model.logit_scale.exp().item(), None if bias is None else bias.item(),
    )


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
        ("metaclip_2", "XLMRobertaTokenizer"): {"clean": "whitespace", "padded": False},
        ("siglip", "SiglipTokenizer"): {"clean": "canonicalize", "padded": True},
        # SigLIP 2 was trained on lower-case text, but its tokenizer does not lower-case.
        ("siglip", "GemmaTokenizer"): {"clean": "lower", "padded": True},
    }.get(kind)
    if rules is None:
        raise Failure("{} with {} is not known; CLIPModel, MetaClip2Model and SiglipModel are".format(*kind))
    rules = {"context_length": config.text_config.max_position_embeddings, "pad_id": tokenizer.pad_token_id, **rules}
    bias, tower = getattr(model, "logit_bias", None), towers()[0]

    def tokenize(texts):
        return tokenizer(
            texts, padding="max_length", max_length=rules["context_length"], truncation=True, return_tensors="pt"
        ).input_ids

    return Checkpoint(
        name, tower(model, "get_image_features"), tower(model, "get_text_features"), preprocess_of(processor), rules,
        tokenize, lambda folder: write_fast_tokenizer(tokenizer, os.path.join(folder, "tokenizer.json")),
        tokenizer.pad_token_id == tokenizer.eos_token_id, model.logit_scale.exp().item(), None if bias is None else bias.item(),
    )


def preprocess_of(processor):
    """model.json's `preprocess` for a Hugging Face image processor, if model.json can express it."""
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
