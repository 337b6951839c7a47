"""Files that Evergraph writes, read by TensorFlow itself, in the Python named by an environment variable.

EVERGRAPH_TF1_PYTHON=... EVERGRAPH_TF2_PYTHON=... python -m pytest tests/interop
"""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from formats import checkpoint_values as known

import evergraph as tf
from evergraph.formats.bundle import BundleReader, BundleWriter

PYTHONS = [os.environ.get(name) for name in ("EVERGRAPH_TF1_PYTHON", "EVERGRAPH_TF2_PYTHON")]


@pytest.mark.skipif(
    not any(PYTHONS), reason="needs a Python with TensorFlow: EVERGRAPH_TF1_PYTHON, EVERGRAPH_TF2_PYTHON"
)
def test_tensorflow_reads_what_evergraph_writes(tmp_path):
    folder = str(tmp_path)
    write_checkpoints(folder)
    write_program(folder)
    write_objects(folder)
    write_saved_objects(folder)
    write_saved_tables(folder)
    write_events(folder)
    write_records(folder)
    reader = Path(__file__).with_name("read_files.py")
    for python in filter(None, PYTHONS):
        done = subprocess.run([python, str(reader), folder], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr[-4000:]
        assert done.stdout.count("ok") == 8


VALUES = {}


def write_checkpoints(folder):
    arrays = known.values() | known.strings()
    with BundleWriter(folder + "/all.ckpt") as writer:
        for name, array in arrays.items():
            writer.add(name, array)
            hexadecimal = [text.hex() for text in array.ravel().tolist()] if array.dtype == object else None
            VALUES["all|" + name] = array if hexadecimal is None else np.array(hexadecimal)
    with tf.Graph().as_default(), tf.Session() as sess:
        parts = [
            tf.get_variable(k, initializer=tf.constant(v), partitioner=tf.fixed_size_partitioner(*known.PARTS[k]))
            for k, v in known.partitioned().items()
        ]
        sess.run(tf.global_variables_initializer())
        tf.train.Saver(parts).save(sess, folder + "/parts.ckpt", write_meta_graph=False)
        tf.train.Saver(parts, sharded=True).save(sess, folder + "/sharded.ckpt", write_meta_graph=False)
        tf.train.Saver(parts, write_version=tf.train.SaverDef.V1).save(sess, folder + "/x.v1", write_meta_graph=False)
    for name in "parts", "sharded", "v1":
        VALUES.update({f"{name}|{key}": value for key, value in known.partitioned().items()})


def write_program(folder):
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None, 2], name="x")
        w = tf.Variable([[0.1, 0.2], [0.3, 0.4]], name="w")
        tenth = tf.constant_initializer(0.1)
        parts = tf.get_variable("parts", [2, 2], initializer=tenth, partitioner=tf.fixed_size_partitioner(2))
        r = tf.get_variable("r", initializer=tf.constant([0.5, -0.5]), use_resource=True)
        y = tf.matmul(tf.matmul(x, w), parts) + r
        y = tf.cond(tf.reduce_sum(x) > 0, lambda: tf.tanh(y), lambda: y, name="choice")
        y = tf.while_loop(lambda i, z: i < 3, lambda i, z: (i + 1, z * 1.5), [0, y], name="loop")[1]
        y = tf.identity(y, name="y")
        loss = tf.reduce_sum(y**2, name="loss")
        (gradient,) = tf.gradients(loss, x)
        sess.run(tf.global_variables_initializer())
        tf.train.Saver().save(sess, folder + "/program.ckpt")
        feeds = {x: [[1.0, 2.0]]}
        np.savez(
            folder + "/outputs.npz",
            **{"y:0": sess.run(y, feeds), "loss:0": sess.run(loss, feeds), "gradient:0": sess.run(gradient, feeds)},
        )
        tf.saved_model.simple_save(sess, folder + "/saved_model", {"x": x}, {"y": y})
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None], name="x")
        w = tf.get_variable("w", initializer=3.0, use_resource=True)
        y = tf.while_loop(lambda i, z: i < 2, lambda i, z: (i + 1, z * w), [0, x])[1]
        sess.run(tf.global_variables_initializer())
        tf.saved_model.simple_save(sess, folder + "/graph_of_resources", {"x": x}, {"y": y})


def write_objects(folder):
    with tf.Graph().as_default(), tf.Session() as sess:
        v = tf.get_variable("v", initializer=tf.constant([1.0, 2.0]), use_resource=True)
        optimizer = tf.train.MomentumOptimizer(0.1, 0.9)
        step = optimizer.minimize(tf.reduce_sum(v * v))
        checkpoint = tf.train.Checkpoint(v=v, optimizer=optimizer)
        checkpoint.listed = [tf.Variable(3.0)]
        sess.run(tf.global_variables_initializer())
        sess.run(step)
        assert checkpoint.save_counter is not None
        sess.run(checkpoint.save_counter.initializer)
        checkpoint.write(folder + "/objects.ckpt", session=sess)
    with BundleReader(folder + "/objects.ckpt") as reader:
        for name in reader.names():
            if name != "_CHECKPOINTABLE_OBJECT_GRAPH":
                VALUES["objects|" + name] = reader.read(name)
    np.savez(folder + "/values.npz", **VALUES)


def write_saved_objects(folder):
    class Model(tf.Module):
        def __init__(self):
            super().__init__()
            self.by = tf.get_variable("by", initializer=np.float32([2, 3]), use_resource=True)
            self.inner = tf.train.Checkpoint(scaled=tf.function(lambda x, n=5.0: {"y": x * n}))

        @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, "rows")])
        def __call__(self, x):
            return x * self.by + 1.0

    with tf.Graph().as_default(), tf.Session() as sess:
        model = Model()
        model.inner.scaled(tf.ones([2]))
        sess.run(tf.global_variables_initializer())
        with sess.as_default():
            tf.saved_model.save(model, folder + "/saved_object")


def write_saved_tables(folder):
    class Tables(tf.Module):
        def __init__(self, words):
            super().__init__()
            whole, number = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
            of_file = tf.lookup.TextFileInitializer(words, tf.string, whole, tf.int64, number)
            self.table = tf.lookup.StaticHashTable(of_file, -1)
            pairs = tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([0, 1], tf.int64))
            self.numbered = tf.lookup.StaticVocabularyTable(pairs, 2)
            self.plain = tf.contrib.lookup.HashTable(pairs, -1)
            self.asset = tf.saved_model.Asset(words)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "words")])
        def look_up(self, words):
            found = {"table": self.table, "numbered": self.numbered, "plain": self.plain}
            return {
                "text": tf.read_file(self.asset.asset_path),
                **{key: table.lookup(words) for key, table in found.items()},
            }

    words = folder + "/words.txt"
    Path(words).write_text("one\ntwo\n")
    with tf.Graph().as_default():
        model = Tables(words)
        model.plus = tf.function(lambda x: x + 1).get_concrete_function(tf.TensorSpec([], tf.int32, "x"))
        tf.saved_model.save(model, folder + "/saved_tables", signatures=model.look_up)
    with tf.Graph().as_default():  # and once more, of what was loaded
        model = tf.saved_model.load_v2(folder + "/saved_tables")
        tf.saved_model.save(model, folder + "/saved_tables_again", signatures=model.look_up)
    Path(words).unlink()
    with tf.Graph().as_default(), tf.Session() as sess:  # a graph that was loaded as an object
        loaded = tf.saved_model.load_v2(folder + "/graph_of_resources")
        sess.run(tf.global_variables_initializer())
        with sess.as_default():
            tf.saved_model.save(loaded, folder + "/saved_graph", signatures=loaded.signatures)


def write_events(folder):
    with tf.Graph().as_default() as graph, tf.Session() as sess:
        tf.summary.scalar("loss", 0.5)
        tf.summary.histogram("weights", tf.constant([1.0, -2.0]))
        tf.summary.image("picture", tf.zeros([1, 4, 4, 3]), max_outputs=1)
        tf.summary.audio("sound", tf.zeros([1, 100]), 8000.0, max_outputs=1)
        tf.summary.text("words", tf.constant("hello"))
        merged = tf.summary.merge_all()
        with tf.summary.FileWriter(folder, graph) as writer:
            for step in range(3):
                writer.add_summary(sess.run(merged), step)


def write_records(folder):
    for name, kind in (("records", ""), ("records.gz", "GZIP"), ("records.zlib", "ZLIB")):
        with tf.python_io.TFRecordWriter(folder + "/" + name, tf.python_io.TFRecordOptions(kind)) as writer:
            for record in (b"", b"one", b"x" * 100000):
                writer.write(record)
