#!/usr/bin/env python3
"""Exports a checkpoint of the CLIP or SigLIP family to a model folder that imgsearch reads.

SOURCE is one of
  open_clip:NAME/TAG        a model of open_clip with published weights, as
                            `open_clip.list_pretrained()` names them
  open_clip:NAME/FILE.pt    the same with your own (fine-tuned) weights
  open_clip:NAME            the same with random weights, to try things out
  open_clip:FOLDER          a folder with open_clip_config.json, weights and, if
                            it is not CLIP's, the tokenizer
  open_clip:hf-hub:ORG/NAME such a folder on Hugging Face
  hf:NAME or hf:FOLDER      a CLIPModel, MetaClip2Model or SiglipModel of
                            Hugging Face

OUT gets image.onnx, text.onnx, tokenizer.json and model.json. Batches can have any
size, and texts any length unless the model needs padding. Every tower is run in
ONNX Runtime and compared with the checkpoint in PyTorch. The worst cosine is
printed; with 32 bits, less than 0.9999 is an error. With 16 and 8 bits you decide
how much loss to accept.

It needs Python 3.9 or newer with torch (2.1 or newer; the CPU is enough), onnx
and onnxruntime, and open_clip_torch or transformers:
  python3 -m pip install torch open_clip_torch transformers onnx onnxruntime
"""

import argparse
import json
import os
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True  # a clone stays as it was

import quantize
from clip_export import Failure
from clip_export.checkpoints import from_hugging_face, from_open_clip
from clip_export.towers import Photos, compare, export, image_inputs, text_inputs, to_half
from packages import sha256

EXAMPLES = """examples:
  scripts/export_clip.py open_clip:ViT-B-32/laion2b_s34b_b79k ~/clip
  scripts/export_clip.py hf:google/siglip-base-patch16-224 ~/siglip --text int8
  scripts/export_clip.py hf:./fine-tuned ~/mine --image int8 --photos ~/Photos
  imgsearch index --model ~/clip ~/Photos
"""

# The least cosine of 32-bit towers. A difference of 1e-4 comes from another order of additions, not from an error.
LEAST_COSINE = 0.9999


def write(checkpoint, folder, image="fp32", text="fp32", photos=None):
    """Writes all files of the model into `folder`, and prints the check of each tower."""
    pictures, texts = [image_inputs(checkpoint, count) for count in (1, 3)], text_inputs(checkpoint)
    length = {} if checkpoint.text_rules["padded"] else {1: "length"}
    towers = [
        ("image", "pixels", {0: "batch"}, checkpoint.image, [(batch, batch) for batch in pictures], image),
        ("text", "ids", {0: "batch", **length}, checkpoint.text, texts, text),
    ]
    for name, given, axes, module, batches, precision in towers:
        path = os.path.join(folder, name + ".onnx")
        export(module, batches[-1][0], path, given, axes)
        least = compare(module, path, batches)
        report(name, "fp32", least)
        if least < LEAST_COSINE:
            raise Failure("the {} tower in ONNX differs from the checkpoint: cosine {:.6f}".format(name, least))
        if precision != "fp32":
            calibration = Photos(photos, checkpoint.preprocess) if photos and name == "image" else None
            to_half(path) if precision == "fp16" else quantize.to_int8(path, path, calibration)
            kind = precision + (", static" if calibration else ", dynamic" if precision == "int8" else "")
            report(name, kind, compare(module, path, batches))
    checkpoint.write_tokenizer(folder)
    write_config(checkpoint, folder, texts[-1][1])


def report(tower, precision, least):
    print("{:5} {:14} least cosine to PyTorch {:.6f}".format(tower, precision, least), flush=True)


def write_config(checkpoint, folder, ids):
    import torch

    with torch.no_grad():
        dim = checkpoint.text(ids).shape[-1]
    files = ["image.onnx", "text.onnx", "tokenizer.json"]
    config = {
        "format": 1,
        "name": checkpoint.name,
        "embed_dim": dim,
        "image": {"file": "image.onnx", **checkpoint.preprocess},
        "text": {"file": "text.onnx", "tokenizer": "tokenizer.json", **checkpoint.text_rules},
        "logit_scale": checkpoint.scale,
        "logit_bias": checkpoint.bias,
        "sha256": {name: sha256(os.path.join(folder, name)) for name in files},
    }
    with open(os.path.join(folder, "model.json"), "w", encoding="utf-8") as file:
        json.dump(config, file, indent=2)
        file.write("\n")


def load(source):
    kind, _, name = source.partition(":")
    readers = {"open_clip": from_open_clip, "hf": from_hugging_face}
    if kind not in readers or not name:
        raise Failure("SOURCE must start with open_clip: or hf:, but is {!r}".format(source))
    return readers[kind](name)


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/export_clip.py", description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    precisions = ["fp32", "fp16", "int8"]
    parser.add_argument("source", metavar="SOURCE", help="the checkpoint, see above")
    parser.add_argument("out", metavar="OUT", help="the folder to write; it must not exist")
    parser.add_argument("--image", choices=precisions, default="fp32", help="precision of the image tower (default: fp32)")
    parser.add_argument("--text", choices=precisions, default="fp32", help="precision of the text tower (default: fp32)")
    parser.add_argument("--photos", metavar="DIR", help="pictures to calibrate an int8 image tower with (static)")
    parser.add_argument("--name", help="the model's name (default: SOURCE without its kind)")
    args = parser.parse_args()
    out = os.path.abspath(args.out)
    try:
        if os.path.lexists(out):
            raise Failure("{} exists".format(out))
        checkpoint = load(args.source)
        checkpoint.name = args.name or checkpoint.name
        os.makedirs(os.path.dirname(out), exist_ok=True)
        # Atomic: the folder gets its name only after everything in it was checked.
        stage = tempfile.mkdtemp(prefix=".export-", dir=os.path.dirname(out))
        try:
            write(checkpoint, stage, args.image, args.text, args.photos)
            os.chmod(stage, 0o755)
            os.rename(stage, out)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    except (Failure, ImportError, OSError, RuntimeError) as failure:
        print("error: {}".format(failure), file=sys.stderr)
        if isinstance(failure, ImportError):
            print("hint: see `scripts/export_clip.py --help` for the packages it needs", file=sys.stderr)
        return 2
    print("wrote {}".format(out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
