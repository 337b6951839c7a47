"""Record what TensorFlow 1.15.5 writes, for the tests of `evergraph.formats`.

Run by a Python that has TensorFlow 1.15.5 (Python 3.7 or earlier), which the tests themselves never need:

    python tools/record_formats.py

Writes, under tests/formats/data/:

    tensors.jsonl    arrays, as Python literals, with the bytes of `tf.make_tensor_proto` of each
    messages.jsonl   for every message that Evergraph defines, the bytes and the text of some with all fields set
    programs.jsonl   messages of a small training program: its graph, meta graph, events and run metadata
"""

import base64
import glob
import importlib
import json
import os
import tempfile

import numpy as np
import tensorflow as tf
from google.protobuf import descriptor_pb2, symbol_database, text_format
from google.protobuf.descriptor import FieldDescriptor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DATA = os.path.join(ROOT, "tests", "formats", "data")

NUMBERS = [1, [1, 0], [], [[1], [2]], [[1, 2, 3], [4, 5, 6]]]
SHAPES = [(1, [2, 2]), ([1, 2], [4]), ([1, 2], [1, 2]), (1, [1]), ([], [0, 3]), ([], [2])]
FLOATS = [0.1, [-0.0, 1e30, float("inf"), float("-inf"), 1e-40]]
NUMBER_TYPES = "int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64 complex64 complex128"


def tensor_cases():
    """(type, value, shape or None)"""
    for name in NUMBER_TYPES.split() + ["bfloat16"]:
        for value in NUMBERS:
            yield name, value, None
        for value, shape in SHAPES:
            yield name, value, shape
    for name in "float32", "float64", "complex64", "complex128":
        for value in FLOATS:
            yield name, value, None
    for name in "complex64", "complex128":
        yield name, [1 - 2j, 0.5j], None
    for name in "int8", "int16", "int32", "int64":
        yield name, [-1, -128, 127], None
        yield name, -3, [2]
    for name in "qint8", "quint8", "qint16", "quint16", "qint32":
        yield name, [1, 2], None
    for name in "qint8", "quint8", "qint32":  # TF 1.15 fails to write a single element of the other two
        yield name, 1, None
        yield name, 1, [3]
    for value in True, [True, False], [[True], [False]], []:
        yield "bool", value, None
    yield "bool", True, [3]
    for value in b"a", [b"a", b"", b"\x00\xff"], ["\u00e9\u65e5"], [], [[b"a"], [b"b"]]:
        yield "string", value, None
    yield "string", b"a", [3]
    yield "string", [b"a", b"b"], [3]


def record_tensors():
    for name, value, shape in tensor_cases():
        dtype = tf.as_dtype(name)
        argument = value
        if dtype.is_quantized:
            argument = np.array(value).astype(dtype.as_numpy_dtype)
        proto = tf.make_tensor_proto(argument, dtype=dtype, shape=shape)
        yield {"dtype": name, "value": repr(value).replace("inf", "1e999"), "shape": shape, "bytes": encoded(proto)}


def record_messages():
    """Some of every message that messages.binpb defines, together setting every field and every choice of a oneof."""
    package = os.path.dirname(importlib.import_module("tensorflow_core").__file__)
    for path in sorted(glob.glob(os.path.join(package, "**", "*_pb2.py"), recursive=True)):
        importlib.import_module("tensorflow." + os.path.relpath(path, package)[:-3].replace(os.sep, "."))
    with open(os.path.join(ROOT, "src", "evergraph", "formats", "messages.binpb"), "rb") as file:
        ours = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    names = []
    for file in ours.file:
        for message in file.message_type:
            if file.package.startswith("tensorflow"):
                names += nested_names(file.package + "." + message.name, message)
    for name in sorted(names):
        cls = symbol_database.Default().GetSymbol(name)
        choices = max([len(oneof.fields) for oneof in cls.DESCRIPTOR.oneofs] or [1])
        for choice in range(choices):
            message = cls()
            fill(message, choice, depth=1)
            yield {"type": name, "bytes": encoded(message), "text": text_format.MessageToString(message)}


def nested_names(full_name, message):
    yield full_name
    for nested in message.nested_type:
        if not nested.options.map_entry:
            for name in nested_names(full_name + "." + nested.name, nested):
                yield name


def fill(message, choice, depth):
    """Set every field, to a value that depends on its number; of each oneof, the member that `choice` says."""
    for field in message.DESCRIPTOR.fields:
        oneof = field.containing_oneof
        if oneof and oneof.fields[choice % len(oneof.fields)] is not field:
            continue
        repeated = field.label == FieldDescriptor.LABEL_REPEATED
        value = getattr(message, field.name)
        if field.message_type and field.message_type.GetOptions().map_entry:
            key, entry = field.message_type.fields
            if entry.message_type:
                inner = value[scalar(key)]
                if depth:
                    fill(inner, choice, depth - 1)
            else:
                value[scalar(key)] = scalar(entry)
        elif field.message_type:
            inner = value.add() if repeated else value
            inner.SetInParent()
            if depth:
                fill(inner, choice, depth - 1)
        elif repeated:
            value.extend([scalar(field), scalar(field)])
        else:
            setattr(message, field.name, scalar(field))


def scalar(field):
    if field.enum_type:
        return field.enum_type.values[-1].number
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return True
    if field.cpp_type in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return field.number + 0.5
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b"\x00\xff%d" % field.number
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return "%s %d" % (field.name, field.number)
    if field.cpp_type in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64):
        return -field.number
    return field.number + (1 << 31)


def record_programs():
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        tf.compat.v1.set_random_seed(1)
        x = tf.compat.v1.placeholder(tf.float32, [None, 3], name="x")
        weight = tf.compat.v1.get_variable("weight", [3, 2])
        y = tf.while_loop(lambda i, _: i < 3, lambda i, v: [i + 1, tf.tanh(v)], [0, tf.matmul(x, weight)])[1]
        y = tf.cond(tf.reduce_sum(y) > 0, lambda: y * 2, lambda: y)
        loss = tf.reduce_mean(tf.square(function(y)))
        train = tf.compat.v1.train.GradientDescentOptimizer(0.1).minimize(loss)
        tf.compat.v1.train.Saver()
        summary = tf.compat.v1.summary.merge(
            [tf.compat.v1.summary.scalar("loss", loss), tf.compat.v1.summary.histogram("weight", weight)]
        )
        session.run(tf.compat.v1.global_variables_initializer())
        metadata = tf.compat.v1.RunMetadata()
        options = tf.compat.v1.RunOptions(trace_level=tf.compat.v1.RunOptions.FULL_TRACE)
        _, summary = session.run([train, summary], {x: [[1, 2, 3]]}, options=options, run_metadata=metadata)
        for message in graph.as_graph_def(), tf.compat.v1.train.export_meta_graph(), metadata:
            yield program(message)
        with tempfile.TemporaryDirectory() as directory:
            with tf.compat.v1.summary.FileWriter(directory) as writer:
                writer.add_summary(summary, 7)
                writer.add_session_log(tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START), 7)
            for event in tf.compat.v1.train.summary_iterator(glob.glob(os.path.join(directory, "*"))[0]):
                event.wall_time = 1.5
                yield program(event)


def function(y):
    from tensorflow.python.framework import function as functions

    return functions.Defun(tf.float32, func_name="halve")(lambda v: v / 2)(y)


def program(message):
    return {"type": message.DESCRIPTOR.full_name, "bytes": encoded(message)}


def encoded(message):
    return base64.b64encode(message.SerializeToString(deterministic=True)).decode()


def main():
    assert tf.__version__ == "1.15.5", tf.__version__
    if not os.path.isdir(DATA):
        os.makedirs(DATA)
    for name, records in [
        ("tensors", record_tensors()),
        ("messages", record_messages()),
        ("programs", record_programs()),
    ]:
        with open(os.path.join(DATA, name + ".jsonl"), "w") as file:
            for record in records:
                file.write(json.dumps(record, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
