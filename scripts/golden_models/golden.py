"""The reference code's results for all inputs."""

import os

import numpy as np
import torch

from .inputs import TEXTS, seen
from .layouts import write_json
from .models import scale


def golden(folder, image, text, prepared, tokens, specials, length):
    """Writes `golden.json`: the reference's vectors and token ids for every picture and text."""
    with torch.no_grad():
        images = image(seen(prepared)).numpy()
        vectors = text(tokens).numpy()
    for what, rows in (("pictures", images), ("texts", vectors)):
        cosines = rows @ rows.T
        median = float(np.median(cosines))
        print("{:20} {:8} median cosine {:.3f}".format(os.path.basename(folder), what, median), flush=True)
        if median > 0.998 and not scale.full:
            raise SystemExit("these {} are too similar to show an error".format(what))
    rows = [[int(number) for number in row] for row in tokens]
    pad = rows[TEXTS.index("")][-1]
    trimmed = [trim(row, pad) for row in rows]
    write_json(os.path.join(folder, "golden.json"), {
        "special_ids": sorted(specials),
        "images": [[round(float(x), 4) for x in row] for row in images],
        "texts": [[round(float(x), 4) for x in row] for row in vectors],
        "tokens": trimmed,
        "context_length": length,
    })


def specials_of(tokenizer):
    """The ids that no text may produce. The unknown token is not one of them, even if the tokenizer lists it."""
    unknown = tokenizer.unk_token_id
    return set(tokenizer.all_special_ids) - ({unknown} - {tokenizer.eos_token_id})


def trim(row, pad):
    """The row with at most one padding token at its end."""
    end = len(row)
    while end > 1 and row[end - 1] == pad and row[end - 2] == pad:
        end -= 1
    return row[:end]
