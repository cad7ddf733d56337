"""Model folders in the layouts of Immich, rclip, open_clip_inference and transformers.js."""

import json
import os

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

from clip_export.tokenizer_json import write_fast_tokenizer
from clip_export.towers import exportable, features, towers

from .models import scale


def to_onnx(module, example, path, names, axes):
    module = exportable(module)
    with torch.no_grad():
        torch.onnx.export(
            module, example, path, input_names=names[0], output_names=names[1], opset_version=17, dynamic_axes=axes,
            dynamo=False,
        )


def ids_to_int32(path, names=("text",)):
    """Immich's text towers take i32; a cast at the input has the same effect as their export."""
    model = onnx.load(path)
    for given in [value for value in model.graph.input if value.name in names]:
        for node in model.graph.node:
            node.input[:] = [name + "_i64" if name == given.name else name for name in node.input]
        model.graph.node.insert(0, helper.make_node("Cast", [given.name], [given.name + "_i64"], to=TensorProto.INT64))
        given.type.tensor_type.elem_type = TensorProto.INT32
    onnx.save(model, path)


def to_bytes(path, numbers):
    """Immich's new image towers: u8 [batch, height, width, 3] in, f16 out, normalised inside."""
    model = onnx.load(path)
    given, made = model.graph.input[0], model.graph.output[0]
    for node in model.graph.node:
        node.input[:] = ["planes" if name == given.name else name for name in node.input]
        node.output[:] = ["wide" if name == made.name else name for name in node.output]
    mean = np.array(numbers["mean"], "float32").reshape(1, 3, 1, 1)
    std = np.array(numbers["std"], "float32").reshape(1, 3, 1, 1)
    for name, value in {"max": np.float32(255), "mean": mean, "std": std}.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value), "pixel_" + name))
    before = [
        helper.make_node("Cast", [given.name], ["p0"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["p0"], ["p1"], perm=[0, 3, 1, 2]),
        helper.make_node("Div", ["p1", "pixel_max"], ["p2"]),
        helper.make_node("Sub", ["p2", "pixel_mean"], ["p3"]),
        helper.make_node("Div", ["p3", "pixel_std"], ["planes"]),
    ]
    for at, node in enumerate(before):
        model.graph.node.insert(at, node)
    model.graph.node.append(helper.make_node("Cast", ["wide"], [made.name], to=TensorProto.FLOAT16))
    given.CopyFrom(helper.make_tensor_value_info(given.name, TensorProto.UINT8, ["batch", scale.side, scale.side, 3]))
    made.CopyFrom(helper.make_tensor_value_info(made.name, TensorProto.FLOAT16, ["batch", scale.dim]))
    onnx.checker.check_model(model)
    onnx.save(model, path)


def write_json(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")


class Towers:
    """A model's two towers, which output unit vectors. `raw` removes the normalisation."""

    def __init__(self, model, image="encode_image", text="encode_text"):
        tower = towers()[0]
        self.image, self.text = tower(model, image), tower(model, text)


def immich(folder, towers, cfg, prepared, ids, tokenizer_files, mask=None, new=False):
    visual, textual = os.path.join(folder, "visual"), os.path.join(folder, "textual")
    os.makedirs(visual)
    os.makedirs(textual)
    axes = {"image": {0: "batch"}, "image_embedding": {0: "batch"}} if new else None
    path = os.path.join(visual, "model.onnx")
    to_onnx(towers.image, (torch.zeros(1, 3, scale.side, scale.side),), path, (["image"], ["image_embedding" if new else "embedding"]), axes)
    if new:
        to_bytes(path, prepared)
    names = ["text"] if mask is None else ["input_ids", "attention_mask"]
    path = os.path.join(textual, "model.onnx")
    to_onnx(towers.text, (ids[:1],) if mask is None else (ids[:1], mask[:1]), path, (names, ["embedding"]), None)
    ids_to_int32(path, names)
    write_json(os.path.join(folder, "config.json"), cfg)
    saved = {key: value for key, value in prepared.items() if key != "image_size"}
    write_json(os.path.join(visual, "preprocess_cfg.json"), {"size": prepared["image_size"], "mode": "RGB", **saved})
    tokenizer_files(textual)


def clip_tokenizer_files(folder):
    tokens = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
    write_json(os.path.join(folder, "tokenizer_config.json"), {**tokens, "tokenizer_class": "CLIPTokenizer"})


def saved_tokenizer(tokenizer):
    """Writes tokenizer.json and tokenizer_config.json of a Hugging Face tokenizer."""

    def write(folder):
        write_fast_tokenizer(tokenizer, os.path.join(folder, "tokenizer.json"))
        names = {name: str(getattr(tokenizer, name)) for name in ("pad_token", "eos_token", "bos_token") if getattr(tokenizer, name)}
        write_json(os.path.join(folder, "tokenizer_config.json"), {**names, "tokenizer_class": type(tokenizer).__name__})

    return write


def raw(module):
    """The tower without normalisation, as rclip and Hugging Face have it."""

    class Raw(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = module

        def forward(self, x):
            return features(self.inner.model, self.inner.features, x)

    return Raw()


def transformers_layout(folder, model, processor, tokenizer):
    """Like Hugging Face's exporter: all sizes free, token states beside the embedding, no normalisation."""
    is_clip = model.config.model_type in ("clip", "metaclip_2")

    class Vision(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, pixels):
            out = self.model.vision_model(pixel_values=pixels)
            pooled = self.model.visual_projection(out.pooler_output) if is_clip else out.pooler_output
            return out.last_hidden_state, pooled

    class Text(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, ids):
            out = self.model.text_model(input_ids=ids)
            pooled = self.model.text_projection(out.pooler_output) if is_clip else out.pooler_output
            return out.last_hidden_state, pooled

    os.makedirs(os.path.join(folder, "onnx"))
    length = model.config.text_config.max_position_embeddings
    vision = dict(enumerate(["batch_size", "num_channels", "height", "width"]))
    pooled = ("image_embeds", "text_embeds") if is_clip else ("pooler_output",) * 2
    with torch.no_grad():
        for name, module, example, given, axes, made in [
            ("vision_model", Vision(), torch.zeros(2, 3, scale.side, scale.side), "pixel_values", vision, pooled[0]),
            ("text_model", Text(), torch.ones(2, length, dtype=torch.long), "input_ids", {0: "batch_size", 1: "sequence_length"}, pooled[1]),
        ]:
            torch.onnx.export(
                module.eval(), (example,), os.path.join(folder, "onnx", name + ".onnx"), input_names=[given],
                output_names=["last_hidden_state", made], opset_version=17, dynamo=False,
                dynamic_axes={given: axes, "last_hidden_state": {0: "batch_size", 1: "n"}, made: {0: "batch_size"}},
            )
    config = {"model_type": model.config.model_type, "text_config": {"max_position_embeddings": length}}
    write_json(os.path.join(folder, "config.json"), {**config, **({"projection_dim": scale.dim} if is_clip else {})})
    write_json(os.path.join(folder, "preprocessor_config.json"), processor)
    saved_tokenizer(tokenizer)(folder)
