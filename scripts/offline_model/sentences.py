"""Sentence vectors of all-MiniLM-L6-v2, for class_matrix.py and fit.py. Needs numpy, onnxruntime and tokenizers."""

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from .graphs import EMBED_DIM, MiniLm
from .onnx_writer import FLOAT, INT64, Graph, value_info
from .weights import Safetensors


def unit(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9)


class Sentences:
    """A list of n strings to their sentence vectors [n,384], of unit length. Each string is embedded once."""

    def __init__(self, sources):
        graph = Graph()
        graph.op("Identity", MiniLm(graph, Safetensors(sources.text)).sentences("input_ids"), output="sentences")
        model = graph.model(
            "sentences",
            [value_info("input_ids", INT64, ["n", "length"])],
            [value_info("sentences", FLOAT, ["n", EMBED_DIM])],
        )
        self.session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_buffer(sources.tokenizer)
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(64)
        self.known = {}

    def __call__(self, texts):
        new = sorted({t for t in texts if t not in self.known}, key=lambda t: (len(t), t))
        for start in range(0, len(new), 64):
            batch = new[start : start + 64]
            self.known.update(zip(batch, self.encode(batch)))
        return unit(np.stack([self.known[t] for t in texts]))

    def encode(self, texts):
        ids = [self.tokenizer.encode(t).ids for t in texts]
        padded = np.zeros((len(ids), max(map(len, ids))), np.int64)
        for row, tokens in zip(padded, ids):
            row[: len(tokens)] = tokens
        return self.session.run(None, {"input_ids": padded})[0]

    def mean(self, lists):
        return unit(np.stack([self(texts).mean(0) for texts in lists]))
