"""Writes tokenizer.json for the tokenizers of checkpoints."""

import json
import os


def write_tokenizer(tokenizer, folder):
    """Writes tokenizer.json of an open_clip tokenizer: Hugging Face's own, or CLIP's converted."""
    path = os.path.join(folder, "tokenizer.json")
    if hasattr(tokenizer, "tokenizer"):
        write_fast_tokenizer(tokenizer.tokenizer, path)
        return
    start, end = sorted(tokenizer.all_special_ids)[-2:]
    merges = [list(pair) for pair in tokenizer.bpe_ranks]
    # open_clip and Hugging Face spell the two special tokens differently; the ids are the same.
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
    """Saves a fast tokenizer as it is, and converts a slow one if transformers knows how."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        backend = converted(tokenizer)
    backend.save(path)


def converted(tokenizer):
    from transformers.convert_slow_tokenizer import T5Converter, convert_slow_tokenizer

    if type(tokenizer).__name__ != "SiglipTokenizer":
        return convert_slow_tokenizer(tokenizer)
    # SigLIP's tokenizer has no converter; it is T5's without the extra tokens.
    tokenizer._extra_ids = 0
    return T5Converter(tokenizer).converted()
