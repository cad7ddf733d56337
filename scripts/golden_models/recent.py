"""The models of 2025: PE-Core, MobileCLIP 2 and MetaCLIP 2, as open_clip and transformers configure them."""

import functools
import os
import tempfile
from unittest import mock

import open_clip
import timm
import torch
import transformers

import export_clip
from clip_export.checkpoints import open_clip_checkpoint

from .golden import golden, specials_of
from .inputs import TEXTS, seen
from .layouts import Towers, transformers_layout
from .models import HALF, OPENAI, UNIT, preprocess, scale, shaken
from .vocabularies import PLAIN, train_pieces, write_clip_merges

# open_clip hands timm no sizes; trunks of these models are given them while they are made.
PE_CORE = {
    "img_size": 32, "patch_size": 8, "embed_dim": 16, "depth": 1, "num_heads": 2, "ref_feat_shape": (4, 4),
    "mlp_ratio": 2.0, "attn_pool_num_heads": 2, "attn_pool_mlp_ratio": 2.0,
}
FASTVIT = {"layers": (1, 1, 1, 1), "embed_dims": (4, 4, 8, 32), "mlp_ratios": (1, 1, 1, 1)}


def recent_models(out):
    torch.manual_seed(4)  # whatever was made before
    with tempfile.TemporaryDirectory() as scratch:
        bpe = write_clip_merges(scratch, None)
        pe_core(out, bpe)
        mobileclip2(out, bpe)
    with tempfile.TemporaryDirectory() as scratch:
        ids = {"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1}
        tokenizer = transformers.XLMRobertaTokenizerFast(train_pieces(scratch, "unigram", ids, **PLAIN))
        metaclip2(out, tokenizer, scratch)
        hugging_face_metaclip2(out, tokenizer)


def configured(name, trunk, vocabulary, strength=1.5, contrast=0.9):
    """open_clip's model of this name: as it is configured, but small."""
    config = open_clip.get_model_config(name)
    kind = open_clip.CustomTextCLIP if config.pop("custom_text", False) else open_clip.CLIP
    config["text_cfg"]["vocab_size"] = vocabulary
    if not scale.full:
        config["embed_dim"] = scale.dim
        config["text_cfg"].update(width=8, heads=2, layers=1)
        tiny = {"image_size": scale.side} if trunk else {"image_size": scale.side, "layers": 1, "width": 8, "head_width": 4, "patch_size": 8}
        config["vision_cfg"].update(tiny)
    sizes = {} if scale.full else trunk
    with mock.patch.object(timm, "create_model", functools.partial(timm.create_model, **sizes)):
        model = kind(**config)
    return shaken(model, strength, contrast), config["text_cfg"]


def exported(out, name, model, text_cfg, tokenizer, prepared, specials):
    """Written by scripts/export_clip.py, with what open_clip makes of the inputs."""
    model.visual.preprocess_cfg = {**prepared, "size": prepared["image_size"][0]}
    folder = os.path.join(out, name)
    os.makedirs(folder)
    export_clip.write(open_clip_checkpoint(name, model, text_cfg, tokenizer), folder)
    towers = Towers(model)
    golden(folder, towers.image, towers.text, prepared, tokenizer(TEXTS), specials, tokenizer.context_length)


def pe_core(out, bpe):
    tokenizer = open_clip.SimpleTokenizer(bpe_path=bpe, context_length=32)
    model, text_cfg = configured("PE-Core-T-16-384", PE_CORE, tokenizer.vocab_size)
    prepared = preprocess("squash", "bilinear", HALF)
    exported(out, "pe-core-own", model, text_cfg, tokenizer, prepared, set(tokenizer.all_special_ids))


def mobileclip2(out, bpe):
    tokenizer = open_clip.SimpleTokenizer(bpe_path=bpe)
    model, text_cfg = configured("MobileCLIP2-S0", FASTVIT, tokenizer.vocab_size, strength=3)
    prepared = {**preprocess("shortest", "bilinear", UNIT), "image_size": [max(scale.side, 64)] * 2}
    # Its batch normalisation has to know what is usual, or all pictures come out alike. With less than the usual variance
    # it would make much of a resizer's last bit.
    norms = [module for module in model.visual.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None
    with torch.no_grad():
        model.train().visual(seen(prepared))
        for norm in norms:
            norm.running_var.mul_(1 if scale.full else 1.2)
    exported(out, "mobileclip2-own", model.eval(), text_cfg, tokenizer, prepared, set(tokenizer.all_special_ids))


def metaclip2(out, hugging_face, scratch):
    local = os.path.join(scratch, "xlm-v-base")
    hugging_face.save_pretrained(local)
    tokenizer = open_clip.tokenizer.HFTokenizer(local, context_length=77)
    model, text_cfg = configured("ViT-H-14-worldwide-quickgelu", {}, len(hugging_face))
    prepared = preprocess("shortest", "bicubic", OPENAI)
    exported(out, "metaclip2-own", model, text_cfg, tokenizer, prepared, specials_of(hugging_face))


def hugging_face_metaclip2(out, tokenizer):
    small = {} if scale.full else {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {name: getattr(tokenizer, name) for name in ("eos_token_id", "bos_token_id", "pad_token_id")}
    config = transformers.MetaClip2Config(
        text_config={**small, **ends, "vocab_size": len(tokenizer)},
        vision_config={**small, "image_size": scale.side, "patch_size": 32 if scale.full else 8},
        projection_dim=scale.dim, attn_implementation="eager",
    )
    model = shaken(transformers.MetaClip2Model(config))
    processor = {
        "image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": scale.side}, "do_center_crop": True,
        "crop_size": {"height": scale.side, "width": scale.side}, "resample": 3, "rescale_factor": 1 / 255,
        "do_normalize": True, "image_mean": OPENAI["mean"], "image_std": OPENAI["std"],
    }
    cleaned = [open_clip.tokenizer.get_clean_fn("whitespace")(text) for text in TEXTS]
    ids = tokenizer(cleaned, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
    folder = os.path.join(out, "metaclip2-transformers")
    os.makedirs(folder)
    transformers_layout(folder, model, processor, tokenizer)
    towers = Towers(model, "get_image_features", "get_text_features")
    prepared = preprocess("shortest", "bicubic", OPENAI)
    golden(folder, towers.image, towers.text, prepared, ids, specials_of(tokenizer), 77)
