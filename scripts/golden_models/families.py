"""The model families, each in the layouts it is published in."""

import os
import shutil
import tempfile

import onnx
import open_clip
import torch
import transformers

import export_clip
from clip_export.checkpoints import open_clip_checkpoint

from .golden import golden, specials_of, trim
from .inputs import SPECIAL, TEXTS, seen
from .layouts import Towers, clip_tokenizer_files, immich, raw, saved_tokenizer, to_onnx, transformers_layout, write_json
from .models import HALF, OPENAI, UNIT, open_clip_model, preprocess, shaken, scale
from .vocabularies import PLAIN, train_pieces, write_clip_merges


def clip_models(out, vocabulary):
    with tempfile.TemporaryDirectory() as scratch:
        bpe = write_clip_merges(scratch, vocabulary)
        tokenizer = open_clip.SimpleTokenizer(bpe_path=bpe)
        size, specials = tokenizer.vocab_size, set(tokenizer.all_special_ids)
        prepared = preprocess("shortest", "bicubic", OPENAI)
        model, cfg = open_clip_model(vocab_size=size)
        model.visual.preprocess_cfg = {**prepared, "size": scale.side}
        ids, towers = tokenizer(TEXTS), Towers(model)
        if vocabulary:
            rows = [trim([int(number) for number in row], 0) for row in ids]
            write_json(os.path.join(out, "clip_tokens.json"), rows[:len(TEXTS) - len(SPECIAL)])
        finish = lambda folder, towers, prepared, ids: golden(folder, towers.image, towers.text, prepared, ids, specials, 77)

        folder = os.path.join(out, "clip-immich")
        immich(folder, towers, cfg, prepared, ids, clip_tokenizer_files)
        finish(folder, towers, prepared, ids)

        folder = os.path.join(out, "clip-rclip")
        os.makedirs(folder)
        axes = {"input": {0: "batch"}, "output": {0: "batch"}}
        to_onnx(raw(towers.image), (torch.zeros(2, 3, scale.side, scale.side),), os.path.join(folder, "visual.onnx"), (["input"], ["output"]), axes)
        to_onnx(raw(towers.text), (ids[:2],), os.path.join(folder, "textual.onnx"), (["input"], ["output"]), axes)
        finish(folder, towers, prepared, ids)

        folder = os.path.join(out, "clip-open_clip")
        os.makedirs(folder)
        axes = lambda name: {name: {0: "batch"}, "embedding": {0: "batch"}}
        path = os.path.join(folder, "visual.onnx")
        to_onnx(towers.image, (torch.zeros(2, 3, scale.side, scale.side),), path, (["pixel_values"], ["embedding"]), axes("pixel_values"))
        onnx.save(onnx.load(path), path, save_as_external_data=True, location="visual.onnx.data", size_threshold=256)
        to_onnx(towers.text, (ids[:2],), os.path.join(folder, "text.onnx"), (["input_ids"], ["embedding"]), axes("input_ids"))
        write_json(os.path.join(folder, "open_clip_config.json"), {"model_cfg": cfg, "preprocess_cfg": {**prepared, "size": scale.side}})
        write_json(os.path.join(folder, "model_config.json"), {"logit_scale": 100.0, "pad_id": 1, "tokenizer_needs_lowercase": False})
        clip_tokenizer_files(folder)
        finish(folder, towers, prepared, ids)

        vision = {"image_size": scale.side, "layers": [1, 1, 1, 1], "width": 2, "patch_size": None}
        vision = open_clip.get_model_config("RN50")["vision_cfg"] if scale.full else vision
        resnet = open_clip_model(vision, 4, 0.5, vocab_size=size)[0]
        # Batch normalisation needs the usual statistics, or all pictures get similar vectors. The mean of one pass is as
        # good as a moving average. The small model was made without this.
        norms = [module for module in resnet.modules() if isinstance(module, torch.nn.BatchNorm2d)]
        if scale.full:
            for norm in norms:
                norm.momentum = None
        with torch.no_grad():
            for _ in range(1 if scale.full else 40):
                resnet.train().visual(seen(prepared))
        for name, model, text_cfg in [
            ("clip-own", model, cfg["text_cfg"]),
            ("resnet-own", resnet.eval(), cfg["text_cfg"]),
        ]:
            model.visual.preprocess_cfg = {**prepared, "size": scale.side}
            folder = os.path.join(out, name)
            os.makedirs(folder)
            checkpoint = open_clip_checkpoint(name, model, text_cfg, tokenizer)
            export_clip.write(checkpoint, folder)
            finish(folder, Towers(model), prepared, ids)

        prepared = preprocess("shortest", "bilinear", UNIT)
        # MobileCLIP's own image tower, FastViT, is only made at full size.
        vision = open_clip.get_model_config("MobileCLIP-S1")["vision_cfg"] if scale.full else None
        if scale.full:
            vision["image_size"] = scale.side
        model, cfg = open_clip_model(vision, 3, 2.2, vocab_size=size, no_causal_mask=True)
        folder = os.path.join(out, "mobileclip-immich-u8")
        immich(folder, Towers(model), cfg, prepared, ids, clip_tokenizer_files, new=True)
        finish(folder, Towers(model), prepared, ids)
        shutil.copy(bpe, os.path.join(out, "bpe_simple_vocab_16e6.txt.gz"))
        hugging_face_clip(out, scratch, tokenizer)


def hugging_face_clip(out, scratch, simple):
    """The same vocabulary as `vocab.json` and `merges.txt`, in Hugging Face's tokenizer."""
    names = {simple.all_special_ids[0]: "<|startoftext|>", simple.all_special_ids[1]: "<|endoftext|>"}
    write_json(os.path.join(scratch, "vocab.json"), {names.get(number, token): number for token, number in simple.encoder.items()})
    with open(os.path.join(scratch, "merges.txt"), "w", encoding="utf-8") as file:
        file.write("#version: 0.2\n" + "\n".join(" ".join(pair) for pair in simple.bpe_ranks) + "\n")
    tokenizer = transformers.CLIPTokenizerFast(os.path.join(scratch, "vocab.json"), os.path.join(scratch, "merges.txt"))
    small = {} if scale.full else {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.CLIPConfig(
        text_config={**small, "vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id, "bos_token_id": tokenizer.bos_token_id},
        vision_config={**small, "image_size": scale.side, "patch_size": 32 if scale.full else 8}, projection_dim=scale.dim, attn_implementation="eager",
    )
    model = shaken(transformers.CLIPModel(config))
    processor = {
        "image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": scale.side}, "crop_size": {"height": scale.side, "width": scale.side},
        "do_center_crop": True, "resample": 3, "do_normalize": True, "image_mean": OPENAI["mean"], "image_std": OPENAI["std"],
        "rescale_factor": 1 / 255,
    }
    cleaned = [simple.clean_fn(text) for text in TEXTS]
    ids = tokenizer(cleaned, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
    folder = os.path.join(out, "clip-transformers")
    os.makedirs(folder)
    transformers_layout(folder, model, processor, tokenizer)
    towers = Towers(model, "get_image_features", "get_text_features")
    golden(folder, towers.image, towers.text, preprocess("shortest", "bicubic", OPENAI), ids, specials_of(tokenizer), 77)


def siglip_models(out):
    with tempfile.TemporaryDirectory() as scratch:
        t5 = train_pieces(scratch, "unigram", {"pad_id": -1, "eos_id": 1, "unk_id": 2, "bos_id": -1, "control_symbols": "<reserved>"}, **PLAIN)
        tokenizer = transformers.SiglipTokenizer(t5, model_max_length=64)
        hugging_face_siglip(
            out, "siglip-transformers", tokenizer, "canonicalize", "bicubic",
        )
    with tempfile.TemporaryDirectory() as scratch:
        gemma = train_pieces(
            scratch, "bpe", {"pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3}, byte_fallback=True, add_dummy_prefix=False,
            remove_extra_whitespaces=False, **PLAIN,
        )
        tokenizer = transformers.GemmaTokenizerFast(gemma, add_bos_token=False, add_eos_token=True, padding_side="right")
        hugging_face_siglip(out, "siglip2-transformers", tokenizer, "lower", "bilinear")


def hugging_face_siglip(out, name, tokenizer, clean, interpolation):
    small = {"hidden_size": scale.dim, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    small, dim = ({}, 768) if scale.full else (small, scale.dim)
    config = transformers.SiglipConfig(
        text_config={**small, "vocab_size": len(tokenizer), "max_position_embeddings": 64, "projection_size": dim},
        vision_config={**small, "image_size": scale.side, "patch_size": 16 if scale.full else 8}, attn_implementation="eager",
    )
    # The vector comes from the last token, always padding, which sees the text only through attention.
    model = shaken(transformers.SiglipModel(config), 5, 0.55)
    processor = {
        "image_processor_type": "SiglipImageProcessor", "size": {"height": scale.side, "width": scale.side}, "resample": 3 if interpolation == "bicubic" else 2,
        "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "rescale_factor": 1 / 255,
    }
    cleaned = [open_clip.tokenizer.get_clean_fn(clean)(text) for text in TEXTS]
    ids = tokenizer(cleaned, padding="max_length", max_length=64, truncation=True, return_tensors="pt").input_ids
    folder = os.path.join(out, name)
    os.makedirs(folder)
    transformers_layout(folder, model, processor, tokenizer)
    towers = Towers(model, "get_image_features", "get_text_features")
    golden(folder, towers.image, towers.text, preprocess("squash", interpolation, HALF), ids, specials_of(tokenizer), 64)


def multilingual_models(out):
    ids = {"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1}
    with tempfile.TemporaryDirectory() as scratch:
        tokenizer = transformers.XLMRobertaTokenizerFast(train_pieces(scratch, "unigram", ids, **PLAIN))
        xlm_roberta(out, "xlm-roberta-immich", tokenizer, "xlm-roberta-base", scratch)
        m_clip(out, tokenizer)
    with tempfile.TemporaryDirectory() as scratch:
        tokenizer = transformers.NllbTokenizerFast(train_pieces(scratch, "bpe", ids, **PLAIN), src_lang="eng_Latn")
        xlm_roberta(out, "nllb-immich", tokenizer, "facebook/nllb-200-distilled-600M", scratch)


def encoder_config(tokenizer):
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    return transformers.XLMRobertaConfig(
        vocab_size=len(tokenizer), max_position_embeddings=90, pad_token_id=tokenizer.pad_token_id,
        attn_implementation="eager", **({} if scale.full else small),
    )


def xlm_roberta(out, name, tokenizer, published, scratch):
    """open_clip's model with a Hugging Face encoder. NLLB's tokenizer is tried with XLM-R's encoder too."""
    local = os.path.join(scratch, name)
    encoder_config(tokenizer).save_pretrained(local)
    tokenizer.save_pretrained(local)
    names = {"hf_model_name": local, "hf_tokenizer_name": local, "hf_pooler_type": "mean_pooler"}
    model, cfg = open_clip_model(strength=3, hf_model_pretrained=False, hf_proj_type="mlp", **names)
    prepared = preprocess("shortest", "bicubic", OPENAI)
    ids = open_clip.tokenizer.HFTokenizer(local, context_length=77)(TEXTS)
    cfg["text_cfg"] = {**names, "hf_model_name": published, "hf_tokenizer_name": published}
    folder, towers = os.path.join(out, name), Towers(model)
    immich(folder, towers, cfg, prepared, ids, saved_tokenizer(tokenizer))
    golden(folder, towers.image, towers.text, prepared, ids, specials_of(tokenizer), 77)


class MClip(torch.nn.Module):
    """M-CLIP: a Hugging Face encoder, the mean over the unmasked tokens, and a projection."""

    def __init__(self, config):
        super().__init__()
        self.encoder = transformers.XLMRobertaModel(config)
        self.projection = torch.nn.Linear(config.hidden_size, scale.dim)

    def forward(self, ids, mask):
        states = self.encoder(input_ids=ids, attention_mask=mask)[0]
        mean = (states * mask.unsqueeze(2)).sum(1) / mask.sum(1)[:, None]
        return torch.nn.functional.normalize(self.projection(mean), dim=-1)


def m_clip(out, tokenizer):
    model, cfg = open_clip_model(strength=3, contrast=1)
    towers = Towers(model)
    towers.text = shaken(MClip(encoder_config(tokenizer)))
    cleaned = [open_clip.tokenizer.get_clean_fn("whitespace")(text) for text in TEXTS]
    ids = tokenizer(cleaned, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
    mask = (ids != tokenizer.pad_token_id).long()
    prepared, folder = preprocess("shortest", "bicubic", OPENAI), os.path.join(out, "mclip-immich")
    immich(folder, towers, cfg, prepared, ids, saved_tokenizer(tokenizer), mask=mask)
    golden(folder, towers.image, lambda ids: towers.text(ids, mask), prepared, ids, specials_of(tokenizer), 77)
