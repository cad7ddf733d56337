"""Shared by scripts/bench/index, cold and serve: the model, rclip's data folder, the build, and timing. Standard
library only.

The model is a CLIP ViT-B/32 of 256 pixels with random weights (scripts/random_clip), which rclip and imgsearch run from
the very same files.
"""

import gzip
import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RCLIP = "rclip==3.3.0"
RCLIP_MODEL = "ViT-B-32-256-datacomp_s34b_b86k"  # the folder rclip looks for its model in
RCLIP_DIM = 512
IMAGE_SIZE = 256
TOWERS = ("visual.onnx", "textual.onnx")

# In a separate process, because a new program starts with the memory of its parent.
QUANTIZE = """
import sys
sys.path[:0] = [sys.argv[1]]
import quantize
quantize.to_int8(*sys.argv[2:], types=[*quantize.PRODUCTS, "Gather"])
"""


def make_models(work, quantised=TOWERS):
    """The folders of the fp32 model, and of the same one with these towers quantised (dynamic, per channel)."""
    fp32, int8 = work / "fp32", work / "int8"
    if not (fp32 / "model.json").exists():
        subprocess.run([ROOT / "scripts/random_clip", fp32, "--image-size", str(IMAGE_SIZE)], check=True)
    if not (int8 / "model.json").exists():
        int8.mkdir(exist_ok=True)
        model = json.loads((fp32 / "model.json").read_text())
        model["name"] += "-int8"
        for name in {*TOWERS, "tokenizer.json"} - {*quantised}:
            link(fp32 / name, int8 / name)
        for tower in quantised:
            (int8 / tower).unlink(missing_ok=True)  # may be a link to the other
            command = [sys.executable, "-B", "-c", QUANTIZE, ROOT / "scripts", fp32 / tower, int8 / tower]
            subprocess.run(command, check=True)
            model["sha256"][tower] = hashlib.sha256((int8 / tower).read_bytes()).hexdigest()
        (int8 / "model.json").write_text(json.dumps(model, indent=2))
    return fp32, int8


def rclip_command(data, model, *args):
    """`rclip` with its data in `data`, where it finds the model it would otherwise download; and its environment."""
    for folder in (RCLIP_MODEL, "tokenizer"):
        (data / folder).mkdir(parents=True, exist_ok=True)
    for name in TOWERS:
        link(model / name, data / RCLIP_MODEL / name)
    merges = json.loads((model / "tokenizer.json").read_text())["model"]["merges"]
    merges = (merge if isinstance(merge, str) else " ".join(merge) for merge in merges)
    with gzip.open(data / "tokenizer" / "bpe_simple_vocab_16e6.txt.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(["# merges", *merges, ""]))
    return [Path(sys.executable).parent / "rclip", *args], {"RCLIP_DATADIR": str(data)}


FILL_RCLIP = """
import sys
from pathlib import Path
import numpy as np
from rclip.db import DB
database, folder, photos = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
db, random = DB(database), np.random.default_rng(1)
for number in range(photos):
    vector = random.standard_normal({dim}, dtype=np.float32)
    vector /= np.linalg.norm(vector)
    path = "{{}}/2024/08-summer/IMG_{{:08}}.jpg".format(folder, number)
    db.upsert_image({{"filepath": path, "modified_at": 1.7e9, "size": 3000000, "vector": vector.tobytes(),
                     "hash": "{{:064x}}".format(number)}}, commit=False)
db.close()
"""


def fill_rclip(database, folder, photos):
    """Fills rclip's database by its own code, with random unit vectors."""
    if database.exists():
        with sqlite3.connect(database) as connection:
            if connection.execute("SELECT COUNT(*) FROM images").fetchone()[0] == photos:
                return
        database.unlink()
    subprocess.run([sys.executable, "-c", FILL_RCLIP.format(dim=RCLIP_DIM), database, folder, str(photos)], check=True)


def link(target, name):
    name.unlink(missing_ok=True)
    name.symlink_to(target)


def build(example):
    """Builds imgsearch and one of its examples, like a user would."""
    command = ["cargo", "build", "--release", "--quiet", "--locked", "--bin", "imgsearch", "--example", example]
    subprocess.run(command, cwd=ROOT, check=True)
    release = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    return release / "imgsearch", release / "examples" / example


class Run:
    """Runs a process and returns its output and cost: `answer`, `seconds`, `cpu_seconds` and `peak_mb`."""

    def __init__(self, command, cwd=None, env=None):
        with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as complaint:
            begin = time.monotonic()
            process = subprocess.Popen(
                list(map(str, command)), cwd=cwd, env={**os.environ, **(env or {})}, stdout=answer, stderr=complaint,
            )
            _, status, usage = os.wait4(process.pid, 0)
            self.seconds = time.monotonic() - begin
            process.returncode = os.waitstatus_to_exitcode(status)
            answer.seek(0)
            complaint.seek(0)
            self.answer = answer.read()
            if process.returncode != 0:
                sys.exit("{} failed:\n{}".format(command[0], complaint.read().decode(errors="replace")))
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        self.peak_mb = usage.ru_maxrss / 1024
