"""RapidOCR as the reference: its boxes and texts for a picture."""

import os

MODELS = ["PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx"]
SIDE, LARGE_SIDE, SMALL = 640, 1280, 14
LEAST = 0.6


def engine(side=SIDE, threads=1, **more):
    """RapidOCR with the detector's longer side at most `side`, as we use it; `side=None` for its own defaults."""
    from rapidocr import RapidOCR

    params = {"Global.log_level": "error", "Global.text_score": LEAST, "EngineConfig.onnxruntime.intra_op_num_threads": threads,
              "EngineConfig.onnxruntime.inter_op_num_threads": 1, **more}
    if side:
        params.update({"Det.limit_type": "max", "Det.limit_side_len": side})
    return RapidOCR(params=params)


def check_models(sha256, pins):
    """Checks that RapidOCR runs the pinned models."""
    import rapidocr

    folder = os.path.join(os.path.dirname(rapidocr.__file__), "models")
    for name in MODELS:
        if sha256(os.path.join(folder, name)) != pins[name][1]:
            raise SystemExit("{} is not the pinned one".format(name))


def lines(engine, path):
    """The lines in a picture: text, confidence, and four corners in pixels."""
    import numpy
    from PIL import Image, ImageOps

    # By itself it would take a palette's numbers for shades of grey.
    found = engine(numpy.ascontiguousarray(numpy.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))[..., ::-1]))
    if found.boxes is None:
        return []
    return [{"text": text, "confidence": round(float(score), 4), "corners": [[float(x), float(y)] for x, y in box]}
            for text, score, box in zip(found.txts, found.scores, found.boxes)]


def has_small_text(lines, size):
    """Whether the median line is lower than `SMALL` pixels of the detector's input."""
    scale = min(1.0, SIDE / max(size))
    heights = []
    for line in lines:
        (x0, y0), (x1, y1), _, (x3, y3) = line["corners"]
        heights.append(min(((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5, ((x3 - x0) ** 2 + (y3 - y0) ** 2) ** 0.5) * scale)
    heights.sort()
    return bool(heights) and heights[len(heights) // 2] < SMALL and max(size) > SIDE
