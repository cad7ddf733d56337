"""Builds the offline model's folder from the weights of its two packages.

    image = unit(unit(softmax(logits / 1.8) · A) + features · R + r)
    text  = unit((unit(MiniLM(text)) - mean) · M)

EfficientNet-Lite2 gives the logits and the features. A and mean (classes.f16),
R and r (residual.f16) and M (text_map.f16) are our own; README.md says where
they come from. The same inputs give the same bytes on every machine, so set-up
pins the results: the only floating-point work here is IEEE double + - * / sqrt.
"""

import hashlib
import json
import os
import shutil

from .graphs import EMBED_DIM, FEATURES, IMAGE_SIZE, EfficientNetLite2, MiniLm, unit
from .onnx_writer import FLOAT, INT64, Graph, value_info
from .weights import Safetensors, read_pth

# Libraries store this name. Change it whenever the vectors change.
NAME = "offline-lite2-minilm-v2"

HERE = os.path.dirname(os.path.abspath(__file__))
CLASSES = 1000

# Above the classifier's own 1, because the next best classes carry meaning too
# (COCO captions: 2 beats 1, all classes beat the best 10).
TEMPERATURE = 1.8

CONTEXT_LENGTH = 64


def build(out, sources, residual=None, name=NAME):
    """Writes every file of the model into the folder `out`.

    `sources` are as sources.read returns them. `residual` is the bytes of R and
    r, by default those of residual.f16.
    """
    matrix, mean = split_rows(read("classes.f16"), CLASSES, 1)
    residual, offset = split_rows(residual or read("residual.f16"), FEATURES, 1)
    (text_map,) = split_rows(read("text_map.f16"), EMBED_DIM)
    files = {
        "image.onnx": image_encoder(read_pth(sources.image), matrix, residual, offset),
        "text.onnx": text_encoder(Safetensors(sources.text), mean, text_map),
        "tokenizer.json": sources.tokenizer,
    }
    for file, data in files.items():
        write(out, file, data)
    write(out, "model.json", describe(name, files))
    shutil.copyfile(os.path.join(HERE, "LICENSES"), os.path.join(out, "LICENSES"))


def read(name):
    with open(os.path.join(HERE, name), "rb") as file:
        return file.read()


def split_rows(data, *counts):
    """Splits rows of EMBED_DIM half-precision numbers into consecutive matrices of `counts` rows each."""
    row = 2 * EMBED_DIM
    assert len(data) == row * sum(counts), "expected {} rows, found {} bytes".format(sum(counts), len(data))
    parts, start = [], 0
    for count in counts:
        parts.append(data[start : start + row * count])
        start += row * count
    return parts


def image_encoder(weights, matrix, residual, offset):
    graph = Graph()
    logits, features = EfficientNetLite2(graph, weights).logits_and_features("pixel_values")
    softened = graph.op("Mul", logits, graph.scalar(1 / TEMPERATURE))
    probabilities = graph.op("Softmax", softened, axis=1)
    mixed = graph.op("MatMul", probabilities, graph.weight_f16("classes", (CLASSES, EMBED_DIM), matrix))
    fitted = graph.op(
        "Gemm",
        features,
        graph.weight_f16("residual", (FEATURES, EMBED_DIM), residual),
        graph.weight_f16("residual_offset", (EMBED_DIM,), offset),
    )
    unit(graph, graph.op("Add", unit(graph, mixed), fitted), output="image_embeds")
    return graph.model(
        "image",
        [value_info("pixel_values", FLOAT, ["batch", 3, IMAGE_SIZE, IMAGE_SIZE])],
        [value_info("image_embeds", FLOAT, ["batch", EMBED_DIM])],
    )


def text_encoder(weights, mean, text_map):
    graph = Graph()
    sentences = unit(graph, MiniLm(graph, weights).sentences("input_ids"))
    centred = graph.op("Sub", sentences, graph.weight_f16("query_mean", (EMBED_DIM,), mean))
    mapped = graph.op("MatMul", centred, graph.weight_f16("text_map", (EMBED_DIM, EMBED_DIM), text_map))
    unit(graph, mapped, output="text_embeds")
    return graph.model(
        "text",
        [value_info("input_ids", INT64, ["batch", "length"])],
        [value_info("text_embeds", FLOAT, ["batch", EMBED_DIM])],
    )


def describe(name, files):
    """model.json: what the program needs to know to run the two encoders."""
    model = {
        "format": 1,
        "name": name,
        "family": "offline",
        "embed_dim": EMBED_DIM,
        "license": "Apache-2.0",
        "description": "EfficientNet-Lite2, fitted into the sentence space of all-MiniLM-L6-v2. Good at kinds of "
        "things, animals, food, places and activities; weak at the colours of things, attributes, small objects, "
        "text in pictures and languages other than English.",
        "image": {
            "file": "image.onnx",
            "image_size": [IMAGE_SIZE, IMAGE_SIZE],
            "resize_mode": "squash",
            "interpolation": "bicubic",
            "mean": [127 / 255] * 3,
            "std": [128 / 255] * 3,
        },
        "text": {
            "file": "text.onnx",
            "tokenizer": "tokenizer.json",
            "context_length": CONTEXT_LENGTH,
            "pad_id": 0,
        },
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    return (json.dumps(model, indent=2) + "\n").encode()


def write(folder, name, data):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)
