"""The graphs of the two encoders: EfficientNet-Lite2 and all-MiniLM-L6-v2.

Each function adds nodes to a `Graph` and returns the name of its result.
"""

import math

from .onnx_writer import FLOAT

# EfficientNet-Lite2 at its native resolution. (repeats, stride of the first)
# per stage; kernels and widths are read off the weights.
IMAGE_SIZE = 260
STAGES = [(1, 1), (3, 2), (3, 2), (4, 2), (4, 1), (5, 2), (1, 1)]
BATCH_NORM_EPSILON = 1e-3

# A typical colour for each colour word, as (red, green, blue): black, white, gray, red,
# green, blue, yellow, orange, purple, pink, brown.
COLOURS = [
    (0, 0, 0), (255, 255, 255), (128, 128, 128), (200, 20, 20), (30, 140, 40), (30, 60, 200),
    (240, 220, 30), (250, 140, 20), (120, 40, 150), (250, 150, 190), (110, 70, 30),
]
COLOUR_SHARPNESS = 8.0

# The features that R maps: the head's 1280 channels, those of stages 5, 4 and 2
# (208, 120 and 48), and how much of the photo has each colour.
FEATURE_STAGES = [5, 4, 2]
FEATURES = 1280 + 208 + 120 + 48 + len(COLOURS)

# all-MiniLM-L6-v2, a BERT of 6 layers
EMBED_DIM, LAYERS, HEADS, HEAD_DIM = 384, 6, 12, 32
LAYER_NORM_EPSILON = 1e-12
MASKED = -1e4  # added to the attention logits of padding


def unit(graph, x, output=None):
    """Rows scaled to unit length."""
    norm = graph.op("ReduceL2", x, axes=[1], keepdims=1)
    return graph.op("Div", x, graph.op("Max", norm, graph.scalar(1e-12)), output=output)


class EfficientNetLite2:
    """Builds the image classifier; weight names are those of the `.pth` file."""

    def __init__(self, graph, weights):
        self.graph, self.weights = graph, weights

    def logits_and_features(self, pixels):
        """Pixels [n,3,260,260] to logits [n,1000] and features [n,FEATURES].

        A feature is the mean of a channel over the photo. Those of the head are
        never negative; their square root is taken, which fits better.
        """
        stages = []
        x, size = self.conv(pixels, IMAGE_SIZE, "_conv_stem", "_bn0", stride=2)
        index = 0
        for repeats, stride in STAGES:
            for repeat in range(repeats):
                x, size = self.block(x, size, index, 1 if repeat else stride, residual=repeat > 0)
                index += 1
            stages.append(x)
        x, size = self.conv(x, size, "_conv_head", "_bn1")
        x = self.average(x)
        logits = self.graph.op("Gemm", x, self.weight("_fc.weight"), self.weight("_fc.bias"), transB=1)
        seen = [self.graph.op("Sqrt", x)] + [self.average(stages[stage]) for stage in FEATURE_STAGES]
        return logits, self.graph.op("Concat", *seen, self.colours(pixels), axis=1)

    def colours(self, pixels):
        """The square root of each colour's share of the photo [n,11].

        Each 5 x 5 block of pixels p is shared out among the colours c by
        softmax(-8 |p - c|²). The term |p|² is the same for all colours, so the
        softmax needs only 16 p·c - 8 |c|²: a convolution over single blocks.
        """
        colours = [[(v - 127) / 128 for v in colour] for colour in COLOURS]
        weight = [2 * COLOUR_SHARPNESS * v for colour in colours for v in colour]
        bias = [-COLOUR_SHARPNESS * sum(v * v for v in colour) for colour in colours]
        blocks = self.graph.op("AveragePool", pixels, kernel_shape=[5, 5], strides=[5, 5])
        nearness = self.graph.op(
            "Conv", blocks,
            self.graph.weight("colours.weight", (len(COLOURS), 3, 1, 1), weight),
            self.graph.weight("colours.bias", (len(COLOURS),), bias),
            kernel_shape=[1, 1],
        )
        return self.graph.op("Sqrt", self.average(self.graph.op("Softmax", nearness, axis=1)))

    def average(self, x):
        """Maps [n,c,h,w] to the mean of each channel [n,c]."""
        return self.graph.op("Flatten", self.graph.op("GlobalAveragePool", x), axis=1)

    def block(self, x, size, index, stride, residual):
        """An inverted bottleneck: expand, depthwise, project."""
        prefix = "_blocks.{}.".format(index)
        shortcut = x
        if prefix + "_expand_conv.weight" in self.weights:
            x, size = self.conv(x, size, prefix + "_expand_conv", prefix + "_bn0")
        x, size = self.conv(x, size, prefix + "_depthwise_conv", prefix + "_bn1", stride, depthwise=True)
        x, size = self.conv(x, size, prefix + "_project_conv", prefix + "_bn2", relu6=False)
        return (self.graph.op("Add", x, shortcut) if residual else x), size

    def conv(self, x, size, name, norm, stride=1, depthwise=False, relu6=True):
        """A convolution with its batch norm folded in; returns (value, its size).

        TensorFlow's "SAME" padding is written out, which is why the input
        size is fixed: an odd pixel of padding goes to the right and bottom.
        """
        shape = self.weights[name + ".weight"].shape
        kernel = shape[2]
        out_size = -(-size // stride)
        pad = max((out_size - 1) * stride + kernel - size, 0)
        weight, bias = self.fold(name + ".weight", norm)
        x = self.graph.op(
            "Conv", x, weight, bias,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[pad // 2, pad // 2, pad - pad // 2, pad - pad // 2],
            group=shape[0] if depthwise else 1,
        )
        if relu6:
            x = self.graph.op("Clip", x, self.graph.scalar(0.0), self.graph.scalar(6.0))
        return x, out_size

    def fold(self, name, norm):
        """Adds the weight and bias of a convolution followed by a batch norm."""
        gain, shift, mean, variance = (
            self.weights[norm + part].values
            for part in (".weight", ".bias", ".running_mean", ".running_var")
        )
        scales = [g / math.sqrt(v + BATCH_NORM_EPSILON) for g, v in zip(gain, variance)]
        bias = [b - m * s for b, m, s in zip(shift, mean, scales)]
        weight = self.weights[name]
        per_channel = len(weight.values) // len(scales)
        folded = [v * scales[i // per_channel] for i, v in enumerate(weight.values)]
        bias_name = name[: -len("weight")] + "bias"
        return self.graph.weight(name, weight.shape, folded), self.graph.weight(bias_name, (len(bias),), bias)

    def weight(self, name):
        tensor = self.weights[name]
        return self.graph.weight(name, tensor.shape, tensor.values)


class MiniLm:
    """Builds the sentence encoder; weight names are those of the safetensors."""

    def __init__(self, graph, weights):
        self.graph, self.weights = graph, weights

    def sentences(self, input_ids):
        """Token ids [n,length], 0 = padding, to mean-pooled vectors [n,384]."""
        op, ints, scalar = self.graph.op, self.graph.ints, self.graph.scalar
        mask = op("Cast", op("Not", op("Equal", input_ids, scalar(0))), to=FLOAT)
        masked = op("Mul", op("Sub", scalar(1.0), mask), scalar(MASKED))
        bias = op("Unsqueeze", masked, ints(1, 2))
        x = self.embeddings(input_ids)
        for index in range(LAYERS):
            x = self.layer(x, bias, "encoder.layer.{}.".format(index))
        mask = op("Unsqueeze", mask, ints(2))
        total = op("ReduceSum", op("Mul", x, mask), ints(1), keepdims=0)
        return op("Div", total, op("ReduceSum", mask, ints(1), keepdims=0))

    def embeddings(self, input_ids):
        """Word plus position embeddings. All text is of token type 0."""
        op, ints = self.graph.op, self.graph.ints
        position = self.weights["embeddings.position_embeddings.weight"]
        token_type = self.weights["embeddings.token_type_embeddings.weight"].values
        summed = [v + token_type[i % EMBED_DIM] for i, v in enumerate(position.values)]
        table = self.graph.weight("embeddings.position", position.shape, summed)
        length = op("Slice", op("Shape", input_ids), ints(1), ints(2))
        positions = op("Slice", table, ints(0), length, ints(0))
        words = op("Gather", self.weight("embeddings.word_embeddings.weight"), input_ids, axis=0)
        return self.layer_norm(op("Add", words, positions), "embeddings.LayerNorm")

    def layer(self, x, bias, prefix):
        op = self.graph.op
        attended = self.linear(self.attention(x, bias, prefix), prefix + "attention.output.dense")
        x = self.layer_norm(op("Add", x, attended), prefix + "attention.output.LayerNorm")
        hidden = self.gelu(self.linear(x, prefix + "intermediate.dense"))
        hidden = self.linear(hidden, prefix + "output.dense")
        return self.layer_norm(op("Add", x, hidden), prefix + "output.LayerNorm")

    def attention(self, x, bias, prefix):
        op, ints = self.graph.op, self.graph.ints

        def heads(part, perm):
            y = self.linear(x, prefix + "attention.self." + part)
            return op("Transpose", op("Reshape", y, ints(0, 0, HEADS, HEAD_DIM)), perm=perm)

        query = heads("query", [0, 2, 1, 3])
        key = heads("key", [0, 2, 3, 1])
        value = heads("value", [0, 2, 1, 3])
        logits = op("Mul", op("MatMul", query, key), self.graph.scalar(1 / math.sqrt(HEAD_DIM)))
        attention = op("Softmax", op("Add", logits, bias), axis=-1)
        y = op("Transpose", op("MatMul", attention, value), perm=[0, 2, 1, 3])
        return op("Reshape", y, ints(0, 0, EMBED_DIM))

    def gelu(self, x):
        """The exact one: x (1 + erf(x / sqrt 2)) / 2."""
        op, scalar = self.graph.op, self.graph.scalar
        erf = op("Erf", op("Mul", x, scalar(1 / math.sqrt(2))))
        return op("Mul", op("Mul", x, op("Add", erf, scalar(1.0))), scalar(0.5))

    def linear(self, x, name):
        """x Wᵀ + b, with W stored transposed so that loading has no work left."""
        weight = self.weights[name + ".weight"]
        matrix = self.graph.weight(name + ".weight", weight.shape[::-1], weight.transposed())
        return self.graph.op("Add", self.graph.op("MatMul", x, matrix), self.weight(name + ".bias"))

    def layer_norm(self, x, name):
        return self.graph.op(
            "LayerNormalization", x, self.weight(name + ".weight"), self.weight(name + ".bias"),
            axis=-1, epsilon=LAYER_NORM_EPSILON,
        )

    def weight(self, name):
        tensor = self.weights[name]
        return self.graph.weight(name, tensor.shape, tensor.values)
