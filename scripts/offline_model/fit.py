#!/usr/bin/env python3
"""Fits the offline model to captioned photos of your own. README.md says when that helps.

    image = unit(unit(softmax(logits / 1.8) · A) + features · R + r)

R and r are fitted again, starting from those that ship, by the symmetric
contrastive loss of CLIP (Radford et al. 2021): in a batch, each photo should be
nearest to its own caption, and each caption to its own photo. The text tower
stays as it is. Every fifth photo is left out of the fit; recall on those
decides whether the result is written.

    scripts/offline_model/fit.py PHOTOS captions.jsonl --out MODEL

captions.jsonl has a line {"file": NAME, "captions": [TEXT, ...]} per photo.
It needs Python 3.10 or newer with pip: numpy, onnxruntime, tokenizers and
Pillow go to a virtual environment in your cache folder, and the two packages
that the model is built from are downloaded (106 MB).
"""

import argparse
import json
import math
import os
import sys
import tempfile

sys.dont_write_bytecode = True  # a clone stays as it was
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import environment  # noqa: E402

environment.enter("fit", ["numpy==2.4.6", "onnxruntime==1.32.0", "tokenizers==0.23.2", "pillow==13.0.0"])

import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
from PIL import Image, ImageOps  # noqa: E402

import packages  # noqa: E402
from offline_model import build, sources  # noqa: E402
from offline_model.graphs import EMBED_DIM, FEATURES, IMAGE_SIZE, EfficientNetLite2  # noqa: E402
from offline_model.onnx_writer import FLOAT, Graph, value_info  # noqa: E402
from offline_model.sentences import Sentences, unit  # noqa: E402
from offline_model.weights import read_pth  # noqa: E402
from packages import Failure, say  # noqa: E402

# The settings that the shipped R was fitted with (README.md).
TEMPERATURE, BATCH, EPOCHS, LEARNING_RATE, WEIGHT_DECAY, DROPOUT = 0.1, 750, 12, 1e-3, 0.05, 0.3

# With fewer photos, recall is too noisy to judge the fit.
FEWEST_PHOTOS = 50


def softmax(rows):
    exps = np.exp(rows - rows.max(1, keepdims=True))
    return exps / exps.sum(1, keepdims=True)


def shipped(name, *counts):
    """The matrices of a shipped file, as f32."""
    parts = build.split_rows(build.read(name), *counts)
    return [np.frombuffer(part, "<f2").astype(np.float32).reshape(-1, EMBED_DIM) for part in parts]


class Network:
    """EfficientNet-Lite2: photos to class logits and to the features that R maps."""

    def __init__(self, weights):
        graph = Graph()
        logits, features = EfficientNetLite2(graph, read_pth(weights)).logits_and_features("pixel_values")
        graph.op("Identity", logits, output="logits")
        graph.op("Identity", features, output="features")
        model = graph.model(
            "features",
            [value_info("pixel_values", FLOAT, ["batch", 3, IMAGE_SIZE, IMAGE_SIZE])],
            [value_info("logits", FLOAT, ["batch", build.CLASSES]), value_info("features", FLOAT, ["batch", FEATURES])],
        )
        self.session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])

    def __call__(self, paths):
        results = [self.session.run(["logits", "features"], {"pixel_values": pixels(path)[None]}) for path in paths]
        return [np.concatenate(part) for part in zip(*results)]


def pixels(path):
    """A photo, preprocessed as imgsearch does it: upright, RGB, squashed, (value - 127) / 128."""
    with Image.open(path) as photo:
        rgb = ImageOps.exif_transpose(photo).convert("RGB").resize((IMAGE_SIZE, IMAGE_SIZE), Image.BICUBIC)
    return ((np.asarray(rgb, np.float32) - 127) / 128).transpose(2, 0, 1)


class Adam:
    """Kingma & Ba 2015, with decoupled weight decay."""

    def __init__(self, weights):
        self.weights, self.steps = weights, 0
        self.mean = [np.zeros_like(w) for w in weights]
        self.square = [np.zeros_like(w) for w in weights]

    def step(self, gradients, rate):
        self.steps += 1
        for w, g, mean, square in zip(self.weights, gradients, self.mean, self.square):
            mean += 0.1 * (g - mean)
            square += 0.001 * (g * g - square)
            corrected = mean / (1 - 0.9**self.steps)
            spread = np.sqrt(square / (1 - 0.999**self.steps)) + 1e-8
            w -= rate * (corrected / spread + WEIGHT_DECAY * w)


def contrastive_gradient(images, texts):
    """The gradient of CLIP's loss by `images` [n,d], which are not yet of unit length; `texts` are."""
    length = np.linalg.norm(images, axis=1, keepdims=True)
    units = images / length
    scores = units @ texts.T / TEMPERATURE
    own = np.eye(len(scores), dtype=np.float32)
    by_scores = ((softmax(scores) - own) + (softmax(scores.T) - own).T) / (2 * len(scores))
    by_units = by_scores @ texts / TEMPERATURE
    return (by_units - units * (units * by_units).sum(1, keepdims=True)) / length


def fit(features, before, captions, seed=0):
    """R and r as changes to add to those that made `before` (image vectors, not of unit length).

    `captions` holds one matrix of unit vectors per photo.
    """
    random = np.random.default_rng(seed)
    mean, spread = features.mean(0), features.std(0) + 1e-3
    # Scales inputs to unit variance and so that a step of Adam moves a vector by the same share for any FEATURES.
    scale = 4 / math.sqrt(FEATURES) / spread
    inputs = ((features - mean) * scale).astype(np.float32)
    matrix, offset = np.zeros((FEATURES, EMBED_DIM), np.float32), np.zeros(EMBED_DIM, np.float32)
    optimiser = Adam([matrix, offset])
    batch = min(BATCH, len(features))
    steps = EPOCHS * (len(features) // batch)
    for step in range(steps):
        chosen = random.choice(len(features), batch, replace=False)
        texts = np.stack([captions[i][random.integers(len(captions[i]))] for i in chosen])
        seen = inputs[chosen] * (random.random((batch, FEATURES)) > DROPOUT) / (1 - DROPOUT)
        seen = seen.astype(np.float32)
        gradient = contrastive_gradient(before[chosen] + seen @ matrix + offset, texts)
        rate = LEARNING_RATE * (1 + math.cos(math.pi * step / steps)) / 2
        optimiser.step([seen.T @ gradient, gradient.sum(0)], rate)
    matrix = matrix * scale[:, None]
    return matrix, offset - mean @ matrix


def recall(images, captions):
    """How often a caption finds its photo among the first 1, 5 and 10 of all photos, in per cent."""
    texts = np.concatenate(captions)
    own = np.repeat(np.arange(len(captions)), [len(rows) for rows in captions])
    scores = texts @ unit(images).T
    ranks = (scores > scores[np.arange(len(own)), own][:, None]).sum(1)
    return [100 * float((ranks < k).mean()) for k in (1, 5, 10)]


def read_captions(folder, path):
    """[(photo's path, captions)] of the photos that are there and have captions."""
    with open(path, encoding="utf-8-sig") as lines:
        rows = [json.loads(line) for line in lines if line.strip()]
    pairs = [(os.path.join(folder, row["file"]), [text for text in row["captions"] if text.strip()]) for row in rows]
    return [(photo, texts) for photo, texts in pairs if texts and os.path.isfile(photo)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", metavar="PHOTOS", help="the folder of the photos")
    parser.add_argument("captions", metavar="CAPTIONS", help="captions.jsonl")
    parser.add_argument("--out", metavar="MODEL", required=True, help="the folder for the fitted model; must not exist")
    parser.add_argument("--name", default="offline-fitted", help="the model's name (default: %(default)s)")
    args = parser.parse_args()
    if os.path.exists(args.out):
        raise Failure("{} exists already".format(args.out), "name another folder with --out")
    pairs = read_captions(args.photos, args.captions)
    if len(pairs) < FEWEST_PHOTOS:
        message = "found {} captioned photos in {}, a fit needs at least {}"
        raise Failure(message.format(len(pairs), args.photos, FEWEST_PHOTOS), "caption more photos")
    with tempfile.TemporaryDirectory() as folder:
        found = sources.read(folder)
    residual = fitted_residual(found, pairs)
    os.makedirs(args.out)
    build.build(args.out, found, residual, args.name)
    say("wrote {0}: use it with `imgsearch index --model {0} ...`".format(args.out))


def fitted_residual(found, pairs):
    """The bytes of a residual.f16 that was fitted to `pairs`, if it helps the photos that were left out."""
    say("reading {} photos and their captions".format(len(pairs)))
    logits, features = Network(found.image)([photo for photo, _ in pairs])
    matrix, mean = shipped("classes.f16", build.CLASSES, 1)
    residual, offset = shipped("residual.f16", FEATURES, 1)
    (text_map,) = shipped("text_map.f16", EMBED_DIM)
    sentences = Sentences(found)
    captions = [unit((sentences(texts) - mean) @ text_map) for _, texts in pairs]
    before = unit(softmax(logits / build.TEMPERATURE) @ matrix) + features @ residual + offset

    left_out = np.arange(len(pairs)) % 5 == 4
    used = [rows for rows, out in zip(captions, left_out) if not out]
    unused = [rows for rows, out in zip(captions, left_out) if out]
    change, change_offset = fit(features[~left_out], before[~left_out], used)
    after = before + features @ change + change_offset
    old, new = recall(before[left_out], unused), recall(after[left_out], unused)
    say("R@1/5/10 of {} photos left out of the fit".format(len(unused)))
    for name, score in (("before", old), ("after", new)):
        say("  {:6} {:.1f} / {:.1f} / {:.1f}".format(name, *score))
    if sum(new) <= sum(old):
        raise Failure("the fit does not help photos outside it, so no model is written", "caption more photos")
    return np.vstack([residual + change, offset + change_offset]).astype("<f2").tobytes()


if __name__ == "__main__":
    packages.run(main)
