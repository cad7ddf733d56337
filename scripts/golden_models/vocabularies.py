"""Small vocabularies, trained on the texts."""

import gzip
import os
import shutil

import open_clip
import sentencepiece

from .inputs import TEXTS


def train_clip_merges(count):
    """CLIP's byte-pair encoding, trained on the texts: pairs of symbols, most frequent first."""
    encoder = open_clip.tokenizer.bytes_to_unicode()
    tokenizer = open_clip.SimpleTokenizer()
    words = {}
    for text in TEXTS:
        for word in tokenizer.pat.findall(tokenizer.clean_fn(text)):
            symbols = [encoder[byte] for byte in word.encode()]
            key = tuple(symbols[:-1] + [symbols[-1] + "</w>"])
            words[key] = words.get(key, 0) + 1
    merges = []
    while len(merges) < count:
        pairs = {}
        for word, times in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] = pairs.get(pair, 0) + times
        best = max(sorted(pairs), key=pairs.get)
        merges.append(best)
        joined = {}
        for word, times in words.items():
            symbols = list(word)
            at = 0
            while at < len(symbols) - 1:
                if (symbols[at], symbols[at + 1]) == best:
                    symbols[at:at + 2] = [symbols[at] + symbols[at + 1]]
                at += 1
            key = tuple(symbols)
            joined[key] = joined.get(key, 0) + times
        words = joined
    return merges


def write_clip_merges(folder, vocabulary):
    """Writes a file like bpe_simple_vocab_16e6.txt. Without `vocabulary`, the merges are trained on the texts."""
    path = os.path.join(folder, "bpe.txt.gz")
    if vocabulary:
        shutil.copy(vocabulary, path)
    else:
        lines = ["#version: trained by scripts/model_goldens"] + [" ".join(pair) for pair in train_clip_merges(250)]
        with open(path, "wb") as file:
            file.write(gzip.compress("\n".join(lines).encode(), mtime=0))
    return path


# Without the table of Unicode normalisation, which is 300 kB.
PLAIN = {"normalization_rule_name": "identity"}


def train_pieces(folder, kind, specials, **options):
    """A SentencePiece model, trained on the texts."""
    corpus = os.path.join(folder, "corpus.txt")
    with open(corpus, "w", encoding="utf-8") as file:
        file.write("\n".join(text.lower().replace("\n", " ") for text in TEXTS if text.strip()) + "\n")
    prefix = os.path.join(folder, kind)
    sentencepiece.SentencePieceTrainer.train(
        input=corpus, model_prefix=prefix, model_type=kind, vocab_size=500, character_coverage=0.98,
        hard_vocab_limit=False, num_threads=1, minloglevel=2, **specials, **options,
    )
    return prefix + ".model"
