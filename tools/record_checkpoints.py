"""Record checkpoints, TFRecords and event files of TensorFlow 1.15.5, for the tests of `evergraph.formats`.

Run by a Python that has TensorFlow 1.15.5 (Python 3.7 or earlier), which the tests themselves never need:

    python tools/record_checkpoints.py

Writes, under tests/formats/data/checkpoints/, files whose contents tests/formats/checkpoint_values.py knows:

    v1, v2                     one checkpoint of each format with all types that it holds
    parts_v1, parts_v2         variables in parts
    shards_v1-..., shards_v2   the variables of two devices, a data file for each
    objects                    an object-based checkpoint
    records, records.gz, records.zlib
"""

import glob
import os
import shutil
import sys

import numpy as np
import tensorflow as tf

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = os.path.join(ROOT, "tests", "formats", "data", "checkpoints")
sys.path.insert(0, os.path.join(ROOT, "tests", "formats"))

import checkpoint_values as known  # noqa: E402

V1, V2 = tf.train.SaverDef.V1, tf.train.SaverDef.V2


def save(name, variables, **kwargs):
    saver = tf.train.Saver(variables, **kwargs)
    with tf.Session(config=tf.ConfigProto(device_count={"CPU": 2})) as sess:
        sess.run(tf.global_variables_initializer())
        saver.save(sess, os.path.join(OUT, name), write_meta_graph=False, write_state=False)


def variables(values):
    return {name: tf.Variable(value, name=name) for name, value in values.items()}


def record_whole():
    for version, name in (V1, "v1"), (V2, "v2"):
        with tf.Graph().as_default():
            made = variables(known.values())
            if version == V2:
                made.update(variables(known.strings()))
            bits = known.bfloat16_bits().astype(np.uint32) << 16
            made["bfloat16"] = tf.Variable(tf.cast(bits.view(np.float32), tf.bfloat16), name="bfloat16")
            if version == V1:  # its messages have no field for these
                for other in "bfloat16", "numbers/uint16", "numbers/float16", "numbers/complex128":
                    made.pop(other)
            save(name, made, write_version=version)


def record_parts():
    for version, name in (V1, "parts_v1"), (V2, "parts_v2"):
        with tf.Graph().as_default():
            parts = []
            for key, value in known.partitioned().items():
                count, axis = known.PARTS[key]
                partitioner = tf.fixed_size_partitioner(count, axis)
                parts.append(tf.get_variable(key, initializer=tf.constant(value), partitioner=partitioner))
            save(name, parts, write_version=version)


def record_shards():
    for version, name in (V1, "shards_v1"), (V2, "shards_v2"):
        with tf.Graph().as_default():
            made = {}
            for i, (key, value) in enumerate(sorted(known.partitioned().items())):
                with tf.device("/cpu:%d" % i):
                    made[key] = tf.Variable(value, name=key)
            save(name, made, sharded=True, write_version=version)


def record_objects():
    with tf.Graph().as_default(), tf.Session() as sess:
        v = tf.Variable([1.0, 2.0], name="v")
        optimizer = tf.train.MomentumOptimizer(0.1, 0.9)
        step = optimizer.minimize(tf.reduce_sum(v * v))
        checkpoint = tf.train.Checkpoint(v=v, optimizer=optimizer)
        sess.run(tf.global_variables_initializer())
        sess.run(step)
        checkpoint.write(os.path.join(OUT, "objects"), session=sess)


def record_records():
    kinds = {"records": "", "records.gz": "GZIP", "records.zlib": "ZLIB"}
    for name, kind in kinds.items():
        with tf.python_io.TFRecordWriter(os.path.join(OUT, name), tf.python_io.TFRecordOptions(kind)) as writer:
            for record in known.records():
                writer.write(record)


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    record_whole()
    record_parts()
    record_shards()
    record_objects()
    record_records()
    print({os.path.basename(p): os.path.getsize(p) for p in sorted(glob.glob(OUT + "/*"))})


if __name__ == "__main__":
    main()
