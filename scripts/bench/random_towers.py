"""Image towers with random weights, for scripts/bench/cuda: useless for searching, but they compute what the real ones do.

All matrices of a tower are pieces of one block of random numbers, which is a file beside the graph. So a tower is 32 MB on
the disk, whatever its size in memory, and is made in seconds. Standard library only.
"""

import hashlib
import json
import random
import struct
import sys
from array import array
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from offline_model.onnx_writer import FLOAT, FLOAT16, IR_VERSION, OPSET, integer, nested, node, value_info

BLOCK = 8 << 20  # numbers; the largest matrix of the towers below has 5 million
STEP = 4096  # pieces begin at multiples of this
STD = 0.02  # as most transformers are initialised
EXTERNAL = 1  # TensorProto.DataLocation
INT64 = 7


class Shape:
    """The architecture of a vision transformer."""

    def __init__(self, name, image_size, patch, width, layers, heads, mlp, embed_dim, is_siglip=False):
        self.name, self.image_size, self.patch, self.width = name, image_size, patch, width
        self.layers, self.heads, self.mlp, self.embed_dim = layers, heads, mlp, embed_dim
        # SigLIP has no class token; a last layer of attention collects the others.
        self.is_siglip = is_siglip

    @property
    def patches(self):
        return (self.image_size // self.patch) ** 2


SHAPES = [
    Shape("ViT-B-32", 224, 32, 768, 12, 12, 3072, 512),
    Shape("ViT-L-14", 224, 14, 1024, 24, 16, 4096, 768),
    Shape("SigLIP2-So400m-14-378", 378, 14, 1152, 27, 16, 4304, 1152, is_siglip=True),
]
SMALL = Shape("ViT-small", 64, 16, 64, 2, 2, 128, 32)  # to try the bench


def block():
    """The random numbers, uniform with the standard deviation STD, and ones behind them. Always the same."""
    numbers = array("h", random.Random(1).randbytes(2 * BLOCK))
    scale = STD * 12**0.5 / 65536
    values = array("f", [number * scale for number in numbers])
    values.extend([1.0] * (2 * STEP))
    return values


class Tower:
    """A graph under construction, with 16-bit or 32-bit weights. Methods return the names of values."""

    def __init__(self, shape, is_half):
        self.shape, self.is_half = shape, is_half
        self.kind, self.bytes = (FLOAT16, 2) if is_half else (FLOAT, 4)
        self.nodes, self.initializers, self.constants, self.weights = [], [], set(), 0

    def op(self, op_type, *inputs, output=None, **attributes):
        name = "{}_{}".format(op_type, len(self.nodes))
        output = output or name + "_out"
        self.nodes.append(nested(1, node(op_type, name, inputs, output, attributes)))
        return output

    def at(self, shape, offset):
        """A weight that is the piece of the block from this number on."""
        size = 1
        for dim in shape:
            size *= dim
        name = "weight_{}".format(self.weights)
        self.weights += 1
        where = {"location": "weights.bin", "offset": offset * self.bytes, "length": size * self.bytes}
        entries = b"".join(nested(13, nested(1, key), nested(2, str(value))) for key, value in where.items())
        dims = b"".join(integer(1, dim) for dim in shape)
        tensor = dims + integer(2, self.kind) + nested(8, name) + entries + integer(14, EXTERNAL)
        self.initializers.append(nested(5, tensor))
        return name

    def weight(self, *shape):
        """A random weight, another piece for each."""
        size = 1
        for dim in shape:
            size *= dim
        last = (BLOCK - size) // STEP
        return self.at(shape, self.weights * 977 % (last + 1) * STEP)

    def ones(self, *shape):
        return self.at(shape, BLOCK)

    def constant(self, kind, shape, raw, shown):
        name = "const_{}".format(shown).replace(" ", "")
        if name not in self.constants:
            self.constants.add(name)
            dims = b"".join(integer(1, dim) for dim in shape)
            self.initializers.append(nested(5, dims + integer(2, kind) + nested(8, name) + nested(9, raw)))
        return name

    def scalar(self, value):
        return self.constant(self.kind, (), struct.pack("<e" if self.is_half else "<f", value), value)

    def ints(self, *values):
        return self.constant(INT64, (len(values),), struct.pack("<{}q".format(len(values)), *values), values)

    def index(self, value):
        return self.constant(INT64, (), struct.pack("<q", value), "index{}".format(value))

    # --- layers ---------------------------------------------------------------

    def linear(self, x, width, to):
        return self.op("Add", self.op("MatMul", x, self.weight(width, to)), self.weight(to))

    def norm(self, x):
        width = self.shape.width
        return self.op("LayerNormalization", x, self.ones(width), self.weight(width), axis=-1, epsilon=1e-5)

    def activation(self, x):
        if not self.shape.is_siglip:  # CLIP's
            return self.op("Mul", x, self.op("Sigmoid", self.op("Mul", x, self.scalar(1.702))))
        cube = self.op("Mul", self.op("Mul", x, x), x)
        inner = self.op("Add", x, self.op("Mul", cube, self.scalar(0.044715)))
        tanh = self.op("Tanh", self.op("Mul", inner, self.scalar((2 / 3.141592653589793) ** 0.5)))
        return self.op("Mul", self.op("Mul", x, self.scalar(0.5)), self.op("Add", tanh, self.scalar(1.0)))

    def attention(self, of, to):
        """The attention of the tokens `of` to the tokens `to`."""
        width, heads = self.shape.width, self.shape.heads
        dim = width // heads

        def part(x, perm):
            return self.op("Transpose", self.op("Reshape", self.linear(x, width, width), self.ints(0, 0, heads, dim)), perm=perm)

        query = self.op("Mul", part(of, [0, 2, 1, 3]), self.scalar(dim**-0.5))
        logits = self.op("MatMul", query, part(to, [0, 2, 3, 1]))
        y = self.op("MatMul", self.op("Softmax", logits, axis=-1), part(to, [0, 2, 1, 3]))
        y = self.op("Reshape", self.op("Transpose", y, perm=[0, 2, 1, 3]), self.ints(0, 0, width))
        return self.linear(y, width, width)

    def mlp(self, x):
        hidden = self.activation(self.linear(x, self.shape.width, self.shape.mlp))
        return self.linear(hidden, self.shape.mlp, self.shape.width)

    def repeated(self, x):
        """`x` of one row, for each picture of the batch."""
        batch = self.op("Slice", self.op("Shape", "pixels"), self.ints(0), self.ints(1))
        return self.op("Expand", x, self.op("Concat", batch, self.ints(1, self.shape.width), axis=0))

    def build(self):
        """The model as ModelProto bytes: `pixels` f32 [batch,3,size,size] -> `output` f32 [batch,embed_dim]."""
        shape = self.shape
        width, patch, size = shape.width, shape.patch, shape.image_size
        x = self.op("Cast", "pixels", to=FLOAT16) if self.is_half else "pixels"
        x = self.op("Conv", x, self.weight(width, 3, patch, patch), kernel_shape=[patch, patch], strides=[patch, patch])
        x = self.op("Transpose", self.op("Reshape", x, self.ints(0, width, shape.patches)), perm=[0, 2, 1])
        tokens = shape.patches
        if not shape.is_siglip:
            x = self.op("Concat", self.repeated(self.weight(1, 1, width)), x, axis=1)
            tokens += 1
        x = self.op("Add", x, self.weight(1, tokens, width))
        for _ in range(shape.layers):
            y = self.norm(x)
            x = self.op("Add", x, self.attention(y, y))
            x = self.op("Add", x, self.mlp(self.norm(x)))
        if shape.is_siglip:
            probe = self.repeated(self.weight(1, 1, width))
            pooled = self.attention(probe, self.norm(x))
            x = self.op("Add", pooled, self.mlp(self.norm(pooled)))
            x = self.op("Gather", x, self.index(0), axis=1)
        else:
            x = self.norm(self.op("Gather", x, self.index(0), axis=1))
        x = self.op("MatMul", x, self.weight(width, shape.embed_dim))
        self.op("Cast", x, to=FLOAT, output="output")
        graph = nested(
            7, *self.nodes, nested(2, shape.name), *self.initializers,
            nested(11, value_info("pixels", FLOAT, ["batch", 3, size, size])),
            nested(12, value_info("output", FLOAT, ["batch", shape.embed_dim])),
        )
        return integer(1, IR_VERSION) + nested(2, "imgsearch") + graph + nested(8, integer(2, OPSET))


def write(folder, shape, is_half, values):
    """Writes a model folder. Its text tower is empty, because nothing here embeds texts."""
    folder.mkdir(parents=True)
    weights = struct.pack("<{}e".format(len(values)), *values) if is_half else values.tobytes()
    files = {"image.onnx": Tower(shape, is_half).build(), "weights.bin": weights, "text.onnx": b"", "tokenizer.json": b""}
    description = {
        "format": 1,
        "name": folder.name,
        "embed_dim": shape.embed_dim,
        "image": {"file": "image.onnx", "data": ["weights.bin"], "image_size": [shape.image_size] * 2,
                  "resize_mode": "shortest", "interpolation": "bicubic", "mean": [0.5] * 3, "std": [0.5] * 3},
        "text": {"file": "text.onnx", "tokenizer": "tokenizer.json", "context_length": 77},
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    files["model.json"] = json.dumps(description, indent=2).encode()
    for name, content in files.items():
        (folder / name).write_bytes(content)
