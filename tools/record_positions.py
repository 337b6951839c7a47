"""Record the positions of iterators that TensorFlow 1.15.5 saves, for the tests of restoring them.

Run by a Python that has TensorFlow 1.15.5 (Python 3.7 or earlier), which the tests themselves never need:

    python tools/record_positions.py

Writes tests/data/recorded_positions.json: for each pipeline of tests/data/position_pipelines.py, and each number of
elements before the position, the names and integers of the position, and the elements that come after it.
"""

import json
import os
import sys
import tempfile

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "data"))

import position_pipelines as known  # noqa: E402


def state_of(handle, sess):
    """The names and values of a position: it is printed as a message, by an op that takes any tensor."""
    variant = tf.raw_ops.SerializeIterator(resource_handle=handle)
    proto = tensor_pb2.TensorProto.FromString(sess.run(tf.io.serialize_tensor(variant)))
    data = bytearray(proto.tensor_content)
    while data.pop(0) >= 0x80:  # a length, seven bits a byte
        pass
    stored = tensor_pb2.VariantTensorDataProto.FromString(bytes(data))
    keys = stored.metadata.decode().split("@@")[1:]
    values = [
        np.asarray(tf.make_ndarray(t)) if t.dtype != tf.variant.as_datatype_enum else None for t in stored.tensors
    ]
    return [
        [k, v.item() if v is not None and v.dtype.kind in "iu" and not v.ndim else None] for k, v in zip(keys, values)
    ]


def rest(element, sess):
    found = []
    while True:
        try:
            value = np.asarray(sess.run(element))
        except tf.errors.OutOfRangeError:
            return found
        found.append(value.item().decode() if value.dtype.kind in "OS" else value.tolist())


def main():
    folder = tempfile.mkdtemp()
    known.write_files(tf, folder)
    found = {}
    for name, make in known.pipelines(tf, folder).items():
        with tf.Graph().as_default(), tf.Session() as sess:
            tf.set_random_seed(1)
            iterator = tf.data.make_initializable_iterator(make())
            element = iterator.get_next()
            sess.run(iterator.initializer)
            whole = rest(element, sess)
            found[name] = {}
            for count in sorted({min(n, len(whole)) for n in known.COUNTS}):
                sess.run(iterator.initializer)
                for _ in range(count):
                    sess.run(element)
                found[name][count] = {"state": state_of(iterator._iterator_resource, sess), "rest": rest(element, sess)}
    with open(os.path.join(ROOT, "tests", "data", "recorded_positions.json"), "w") as file:
        file.write("{\n")
        rows = ["{}: {}".format(json.dumps(name), json.dumps(positions)) for name, positions in found.items()]
        file.write(",\n".join(rows) + "\n}\n")


main()
