"""Quantises towers to 8 bits, for scripts/export_clip.py and the benches. Needs onnx and onnxruntime."""

import os

PRODUCTS = ("MatMul", "Gemm")


def to_int8(path, quantised, calibration=None, types=PRODUCTS):
    """Writes the tower at `path` with the weights of `types` and of its patches quantised to 8 bits per channel.

    With `calibration`, a CalibrationDataReader of onnxruntime, activations are quantised in advance (static), otherwise at
    run time (dynamic).
    """
    import onnx
    from onnxruntime import quantization as q
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = str(quantised) + ".prepared"
    quant_pre_process(str(path), prepared, skip_symbolic_shape=True)
    onnx.save(patches_by_product(onnx.load(prepared)), prepared)
    how = {"op_types_to_quantize": list(types), "per_channel": True, "weight_type": q.QuantType.QInt8}
    if calibration is None:
        q.quantize_dynamic(prepared, str(quantised), **how)
    else:
        how.update(quant_format=q.QuantFormat.QDQ, activation_type=q.QuantType.QUInt8)
        q.quantize_static(prepared, str(quantised), calibration, **how)
    os.remove(prepared)


def patches_by_product(model):
    """`model`, in which the convolution over patches of the picture that neither overlap nor leave gaps, with which a
    vision transformer begins, is a product of matrices.

    The numbers are the same. ONNX Runtime's convolution of 8 bits is slower than its one of 32, its product is four
    times as fast: of ViT-B/32 in 8 bits this saves a twelfth.
    """
    import numpy as np
    from onnx import helper, numpy_helper

    graph = model.graph
    shapes = {value.name: value.type.tensor_type.shape.dim for value in graph.input}
    weights = {tensor.name: tensor for tensor in graph.initializer}

    def constant(name, array):
        graph.initializer.append(numpy_helper.from_array(array, name))
        return name

    def shape(name, *sizes):
        return constant(name, np.array(sizes, "int64"))

    nodes, replaced = [], set()
    for node in graph.node:
        patches = patches_of(node, weights, shapes)
        if patches is None:
            nodes.append(node)
            continue
        kernel, (rows, columns) = patches
        width, colours, height, breadth = kernel.shape
        (pixels, weight, *bias), (output,) = node.input, node.output
        replaced.add(weight)

        def add(operator, *inputs, to=None, **attributes):
            to = to or "{}/patches{}".format(output, len(nodes))
            nodes.append(helper.make_node(operator, inputs, [to], **attributes))
            return to

        x = add("Reshape", pixels, shape(output + "/grid", -1, colours, rows, height, columns, breadth))
        x = add("Transpose", x, perm=[0, 2, 4, 1, 3, 5])
        x = add("Reshape", x, shape(output + "/rows", -1, rows * columns, colours * height * breadth))
        x = add("MatMul", x, constant(output + "/matrix", kernel.reshape(width, -1).T.copy()))
        x = add("Add", x, *bias) if any(bias) else x
        x = add("Transpose", x, perm=[0, 2, 1])
        add("Reshape", x, shape(output + "/map", -1, width, rows, columns), to=output)
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    for tensor in [weights[name] for name in replaced if name not in used]:
        graph.initializer.remove(tensor)
    return model


def patches_of(node, weights, shapes):
    """The kernel of a convolution over patches, and how many rows and columns of them there are."""
    from onnx import helper, numpy_helper

    if node.op_type != "Conv" or node.input[1] not in weights or node.input[0] not in shapes:
        return None
    given = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    kernel = numpy_helper.to_array(weights[node.input[1]])
    sizes = [dim.dim_value for dim in shapes[node.input[0]]][2:]
    patch = list(kernel.shape[2:])
    is_plain = (
        len(patch) == len(sizes) == 2
        and min(patch) > 1
        and given.get("strides") == patch
        and given.get("group", 1) == 1
        and given.get("auto_pad", b"NOTSET") == b"NOTSET"
        and not any(given.get("pads", []))
        and set(given.get("dilations", [1])) == {1}
    )
    if not is_plain or not all(size and size % part == 0 for size, part in zip(sizes, patch)):
        return None
    return kernel, [size // part for size, part in zip(sizes, patch)]
