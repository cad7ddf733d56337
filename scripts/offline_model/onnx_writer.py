"""Writes ONNX files with nothing but the standard library.

A `Graph` collects weights and nodes as encoded protobuf and serialises them
as one ModelProto. The field numbers are those of onnx.proto (IR version 8).
Nothing is checked here: class_matrix.py and ONNX Runtime load the result.
"""

import struct

IR_VERSION = 8
OPSET = 17  # the first with LayerNormalization

FLOAT, INT64, FLOAT16 = 1, 7, 10  # TensorProto.DataType

# Weights of at least this many values are stored as f16 and cast to f32 when
# the model is loaded: half the file, the same arithmetic. Biases stay f32.
F16_FROM = 4096


# Protobuf wire format

def varint(number):
    """Encodes an integer; a negative one as its 64-bit two's complement."""
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def integer(field, value):
    return varint(field << 3) + varint(value)


def float32(field, value):
    return varint(field << 3 | 5) + struct.pack("<f", value)


def nested(field, *parts):
    """A length-delimited field: a message, string or byte string."""
    parts = [part.encode() if isinstance(part, str) else part for part in parts]
    return b"".join([varint(field << 3 | 2), varint(sum(map(len, parts))), *parts])


# Messages

def tensor(name, data_type, shape, raw):
    """TensorProto: dims = 1, data_type = 2, name = 8, raw_data = 9."""
    dims = b"".join(integer(1, n) for n in shape)
    return dims + integer(2, data_type) + nested(8, name) + nested(9, raw)


def attribute(name, value):
    """AttributeProto: name = 1, f = 2, i = 3, ints = 8, type = 20."""
    if isinstance(value, float):
        kind, body = 1, float32(2, value)
    elif isinstance(value, int):
        kind, body = 2, integer(3, value)
    else:
        kind, body = 7, b"".join(integer(8, n) for n in value)
    return nested(1, name) + body + integer(20, kind)


def node(op_type, name, inputs, output, attributes):
    """NodeProto: input = 1, output = 2, name = 3, op_type = 4, attribute = 5."""
    return b"".join(
        [nested(1, x) for x in inputs]
        + [nested(2, output), nested(3, name), nested(4, op_type)]
        + [nested(5, attribute(key, value)) for key, value in attributes.items()]
    )


def value_info(name, element, shape):
    """ValueInfoProto of a tensor; a string in `shape` names a free dimension."""
    dims = [nested(1, nested(2, n) if isinstance(n, str) else integer(1, n)) for n in shape]
    tensor_type = integer(1, element) + nested(2, *dims)
    return nested(1, name) + nested(2, nested(1, tensor_type))


class Graph:
    """A graph under construction. Its methods return the names of values."""

    def __init__(self):
        self._casts, self._nodes, self._initializers = [], [], []
        self._constants = {}

    def weight(self, name, shape, values):
        """Adds a weight; `values` is flat, row-major, and converted in pieces."""
        if len(values) < F16_FROM:
            self._initializers.append(nested(5, tensor(name, FLOAT, shape, pack("f", values))))
            return name
        return self.weight_f16(name, shape, pack("e", values))

    def weight_f16(self, name, shape, raw):
        """Adds a weight that already is little-endian f16 bytes."""
        stored = name + ".f16"
        self._initializers.append(nested(5, tensor(stored, FLOAT16, shape, raw)))
        self._casts.append(nested(1, node("Cast", name + ".cast", [stored], name, {"to": FLOAT})))
        return name

    def scalar(self, value):
        """A constant of rank 0: a float is f32, an int is i64."""
        if isinstance(value, float):
            return self._constant(FLOAT, (), struct.pack("<f", value), value)
        return self._constant(INT64, (), struct.pack("<q", value), value)

    def ints(self, *values):
        """A constant i64 vector: axes, shapes, bounds."""
        return self._constant(INT64, (len(values),), pack("q", values), values)

    def _constant(self, data_type, shape, raw, shown):
        # Equal constants are shared.
        name = "const_{}".format(shown).replace(" ", "")
        if name not in self._constants:
            self._constants[name] = True
            self._initializers.append(nested(5, tensor(name, data_type, shape, raw)))
        return name

    def op(self, op_type, *inputs, output=None, **attributes):
        """Adds a node and returns the name of its output."""
        name = "{}_{}".format(op_type, len(self._nodes))
        output = output or name + "_out"
        self._nodes.append(nested(1, node(op_type, name, inputs, output, attributes)))
        return output

    def model(self, name, inputs, outputs):
        """The whole as ModelProto bytes; inputs and outputs are `value_info`s."""
        graph = nested(
            7,  # ModelProto.graph
            *self._casts,
            *self._nodes,
            nested(2, name),
            *self._initializers,
            *[nested(11, x) for x in inputs],
            *[nested(12, x) for x in outputs],
        )
        opset = nested(8, integer(2, OPSET))
        return integer(1, IR_VERSION) + nested(2, "imgsearch") + graph + opset


def pack(code, values, chunk=1 << 16):
    """Packs numbers little-endian: `code` is struct's e (f16), f (f32) or q (i64).

    Halves are rounded to nearest, ties to even; too large a number raises.
    """
    whole = struct.Struct("<{}{}".format(chunk, code))
    out = bytearray()
    for start in range(0, len(values), chunk):
        part = values[start : start + chunk]
        if len(part) == chunk:
            out += whole.pack(*part)
        else:
            out += struct.pack("<{}{}".format(len(part), code), *part)
    return bytes(out)
