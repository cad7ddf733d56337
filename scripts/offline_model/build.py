"""Builds the offline model's folder from the weights of its two packages.

    image = unit(softmax(logits / 1.8) · A)      logits: EfficientNet-Lite2
    text  = unit(unit(MiniLM(text)) - mean)

A and mean are data of our own (classes.f16); README.md says where they come
from. The same inputs give the same bytes everywhere, so that set-up pins the
results: there is no floating-point work here but IEEE double + - * / sqrt.
"""

import hashlib
import json
import os
import shutil

from .graphs import EMBED_DIM, IMAGE_SIZE, EfficientNetLite2, MiniLm, unit
from .onnx_writer import FLOAT, INT64, Graph, value_info
from .weights import Safetensors, read_pth

HERE = os.path.dirname(os.path.abspath(__file__))
CLASSES = 1000

# Softer than the classifier's own 1: the next best classes carry meaning too
# (COCO captions: 2 beats 1, all classes beat the best 10).
TEMPERATURE = 1.8

CONTEXT_LENGTH = 64


def build(out, image_weights, text_weights, tokenizer):
    """Writes every file of the model into the folder `out`.

    `image_weights` is the bytes of the `.pth`, `text_weights` those of the
    safetensors, `tokenizer` those of tokenizer.json, which is kept as it is.
    """
    matrix, mean = read_classes(os.path.join(HERE, "classes.f16"))
    files = {
        "image.onnx": image_encoder(read_pth(image_weights), matrix),
        "text.onnx": text_encoder(Safetensors(text_weights), mean),
        "tokenizer.json": tokenizer,
    }
    for name, data in files.items():
        write(out, name, data)
    write(out, "model.json", describe(files))
    shutil.copyfile(os.path.join(HERE, "LICENSES"), os.path.join(out, "LICENSES"))


def read_classes(path):
    """The class matrix A and the query mean, both as little-endian f16 bytes."""
    with open(path, "rb") as file:
        data = file.read()
    assert len(data) == 2 * (CLASSES + 1) * EMBED_DIM, path
    end_of_matrix = 2 * CLASSES * EMBED_DIM
    return data[:end_of_matrix], data[end_of_matrix:]


def image_encoder(weights, matrix):
    graph = Graph()
    logits = EfficientNetLite2(graph, weights).logits("pixel_values")
    softened = graph.op("Mul", logits, graph.scalar(1 / TEMPERATURE))
    probabilities = graph.op("Softmax", softened, axis=1)
    mixed = graph.op("MatMul", probabilities, graph.weight_f16("classes", (CLASSES, EMBED_DIM), matrix))
    unit(graph, mixed, output="image_embeds")
    return graph.model(
        "image",
        [value_info("pixel_values", FLOAT, ["batch", 3, IMAGE_SIZE, IMAGE_SIZE])],
        [value_info("image_embeds", FLOAT, ["batch", EMBED_DIM])],
    )


def text_encoder(weights, mean):
    graph = Graph()
    sentences = unit(graph, MiniLm(graph, weights).sentences("input_ids"))
    centred = graph.op("Sub", sentences, graph.weight_f16("query_mean", (EMBED_DIM,), mean))
    unit(graph, centred, output="text_embeds")
    return graph.model(
        "text",
        [value_info("input_ids", INT64, ["batch", "length"])],
        [value_info("text_embeds", FLOAT, ["batch", EMBED_DIM])],
    )


def describe(files):
    """model.json: what the program needs to know to run the two encoders."""
    model = {
        "format": 1,
        "name": "offline-lite2-minilm",
        "family": "offline",
        "embed_dim": EMBED_DIM,
        "license": "Apache-2.0",
        "description": "EfficientNet-Lite2 whose ImageNet class probabilities are mixed into the "
        "sentence space of all-MiniLM-L6-v2. Good at kinds of things, animals and places; weak at "
        "colours, attributes, small objects and languages other than English.",
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
