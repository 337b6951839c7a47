"""A graph as readable text: one line an op, in creation order, then the collections.

    name = Type(input, other:1, ^control) @/device:CPU:0 {attr=value, ...} -> float32[2,?], int32[]

The recorder prints TensorFlow's graphs with it and the test prints Evergraph's, so it uses only what both offer:
`op.name`, `op.type`, `op.inputs`, `op.control_inputs`, `op.device`, `op.node_def.attr` (fields of `AttrValue`
messages) and `out.get_shape()`. It runs on Python 3.7.

What a graph means is printed, not how it is stored: control inputs are a set and come sorted, and a tensor reads the
same whether its values were packed into bytes or listed.
"""

import hashlib
import re

import numpy as np

# DataType in types.proto: the number, the name, and how NumPy and the `TensorProto` hold its elements.
_TYPES = {
    1: ("float32", np.float32, "float_val"),
    2: ("float64", np.float64, "double_val"),
    3: ("int32", np.int32, "int_val"),
    4: ("uint8", np.uint8, "int_val"),
    5: ("int16", np.int16, "int_val"),
    6: ("int8", np.int8, "int_val"),
    7: ("string", object, "string_val"),
    8: ("complex64", np.complex64, "scomplex_val"),
    9: ("int64", np.int64, "int64_val"),
    10: ("bool", np.bool_, "bool_val"),
    14: ("bfloat16", np.uint16, "half_val"),
    17: ("uint16", np.uint16, "int_val"),
    18: ("complex128", np.complex128, "dcomplex_val"),
    19: ("float16", np.float16, "half_val"),
    20: ("resource", None, None),
    21: ("variant", None, None),
    22: ("uint32", np.uint32, "uint32_val"),
    23: ("uint64", np.uint64, "uint64_val"),
}
_REF = 100  # a reference type's number is its value type's plus this
_VALUES_SHOWN = 16  # a larger tensor is shown as a hash of its bytes
_LISTS = ("s", "i", "f", "b", "type", "shape", "tensor", "func")
# Some names hold a number that counts what the process did before: not a property of the graph.
_COUNTED_PARTS = re.compile(r"_(true|false|cond|body|branch\d+)_\d+$")  # of If, Case and While
_PROCESS_COUNTERS = re.compile(r"(CustomGradient-|pyfunc_|hash_table_(?=\w{8}-))[-\w]+")


def graph_lines(graph):
    """Print `graph`: a list of lines, without line ends."""
    lines = [op_line(op) for op in graph.get_operations()]
    lines += _part_lines(graph)
    return lines + [_collection_line(graph, key) for key in sorted(graph.get_all_collection_keys())]


def _part_lines(graph):
    """Print the parts of branches and loops: how many arguments and results each has, and the types of its ops."""
    if not any(op.type in ("If", "StatelessIf", "Case", "While") for op in graph.get_operations()):
        return []
    lines = []
    for function in graph.as_graph_def().library.function:
        signature = function.signature
        name = _COUNTED_PARTS.sub(r"_\1_#", signature.name)
        types = ", ".join(node.op for node in function.node_def)
        lines.append(f"{name}: {len(signature.input_arg)} -> {len(signature.output_arg)} {{{types}}}")
    return sorted(lines)


def op_line(op):
    """Print one op with its inputs, device, attributes and outputs."""
    inputs = [_tensor_name(tensor) for tensor in op.inputs]
    inputs += sorted("^" + control.name for control in op.control_inputs)
    device = " @" + op.device if op.device else ""
    attributes = op.node_def.attr
    shown = ", ".join(f"{key}={attribute_text(attributes[key])}" for key in sorted(attributes))
    outputs = ", ".join(out.dtype.name + _static_shape(out.get_shape()) for out in op.outputs)
    return f"{op.name} = {op.type}({', '.join(inputs)}){device} {{{shown}}} -> {outputs}".rstrip()


def attribute_text(value):
    """Print an `AttrValue`."""
    kind = value.WhichOneof("value")
    if kind is None:
        return "none"
    if kind == "list":
        filled = [name for name in _LISTS if len(getattr(value.list, name))]
        return "[" + ", ".join(_item_text(name, item) for name in filled for item in getattr(value.list, name)) + "]"
    return _item_text(kind, getattr(value, kind))


def _item_text(kind, item):
    if kind == "s":
        return _string_text(item)
    if kind == "f":
        return str(np.float32(item))
    if kind == "type":
        return _type_name(item)
    if kind == "shape":
        return _shape_text(item)
    if kind == "tensor":
        return tensor_text(item)
    if kind == "func":
        return "func " + _COUNTED_PARTS.sub(r"_\1_#", item.name)
    return str(item)


def tensor_text(proto):
    """Print a `TensorProto`: dtype, shape, and the values or their hash."""
    name, storage, field = _TYPES[proto.dtype]
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    count = int(np.prod(shape, dtype=np.int64))
    head = name + _shape_text(proto.tensor_shape)
    if storage is None:
        return head
    if storage is object:
        values = _repeat_last(list(proto.string_val), count, b"")
        if count > _VALUES_SHOWN:
            return head + " sha256:" + _digest(b"".join(b"%d:%s" % (len(value), value) for value in values))
        return head + "<" + " ".join(_string_text(value) for value in values) + ">"
    array = _numbers(proto, storage, field, count)
    if count > _VALUES_SHOWN:
        return head + " sha256:" + _digest(array.tobytes())
    return head + "<" + " ".join(_number_text(value) for value in array) + ">"


def _number_text(value):
    """A number as text, the same under every release of NumPy."""
    if isinstance(value, np.floating) and np.isfinite(value):
        plain = value == 0 or 1e-4 <= abs(float(value)) < 1e16
        return np.format_float_positional(value, trim="0") if plain else str(value)
    return str(value)


def _numbers(proto, storage, field, count):
    if proto.tensor_content:
        return np.frombuffer(proto.tensor_content, dtype=storage)
    values = list(getattr(proto, field))
    if field == "half_val":
        return np.array(_repeat_last(values, count, 0), dtype=np.uint16).view(storage)
    if field in ("scomplex_val", "dcomplex_val"):
        values = [complex(real, imaginary) for real, imaginary in zip(values[::2], values[1::2])]
    return np.array(_repeat_last(values, count, 0), dtype=storage)


def _repeat_last(values, count, default):
    """A `TensorProto` may leave out the end of its values: the last one given is repeated."""
    return values + [values[-1] if values else default] * (count - len(values))


def _digest(content):
    return hashlib.sha256(content).hexdigest()[:16]


def _string_text(content):
    """Print bytes in quotes, ASCII only."""
    return _PROCESS_COUNTERS.sub(r"\1#", repr(bytes(content))[1:])


def _type_name(number):
    return _TYPES[number][0] if number < _REF else _TYPES[number - _REF][0] + "_ref"


def _shape_text(proto):
    if proto.unknown_rank:
        return "[unknown]"
    return "[" + ",".join("?" if dim.size < 0 else str(dim.size) for dim in proto.dim) + "]"


def _static_shape(shape):
    if shape.ndims is None:
        return "[unknown]"
    return "[" + ",".join("?" if size is None else str(size) for size in shape.as_list()) + "]"


def _tensor_name(tensor):
    return tensor.name[:-2] if tensor.name.endswith(":0") else tensor.name


def _collection_line(graph, key):
    items = [getattr(item, "name", None) or repr(item) for item in graph.get_collection(key)]
    return f"collection {key}: {', '.join(items)}"
