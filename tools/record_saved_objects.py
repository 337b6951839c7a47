"""Record a SavedModel of TensorFlow 2, for the tests of `tf.saved_model.load_v2`.

Run by a Python that has TensorFlow 2, which the tests themselves never need:

    python tools/record_saved_objects.py

Writes tests/training/recordings/objects_of_tf2: a module with variables in a list and a dict, a table, an asset,
functions with defaults and several signatures.
"""

import os
import shutil

import tensorflow as tf

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = os.path.join(ROOT, "tests", "training", "recordings", "objects_of_tf2")


class Model(tf.Module):
    def __init__(self, words):
        super().__init__()
        self.w = tf.Variable(tf.reshape(tf.range(6.0), [3, 2]), name="w")
        self.listed = [tf.Variable(3.0, name="scale", trainable=False)]
        self.named = {"bias": tf.Variable([1.0, 2.0], name="bias")}
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(words, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64,
                                          tf.lookup.TextFileIndex.LINE_NUMBER), -1)  # fmt: skip
        self.three = tf.constant(3.0)

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
    def __call__(self, x):
        return tf.nn.relu(x @ self.w + self.named["bias"]) * self.listed[0]

    @tf.function
    def scaled(self, x, training=False, by=2.0):
        return {"y": x * (by if training else self.three), "parts": (x, [x + 1.0])}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def look_up(self, words):
        return {"ids": self.table.lookup(words)}

    @tf.function(input_signature=[])
    def count(self):
        self.listed[0].assign_add(1.0)
        return self.listed[0].read_value()


def main():
    words = os.path.join("/tmp", "words.txt")
    with open(words, "w") as file:
        file.write("one\ntwo\n")
    model = Model(words)
    model.scaled(tf.constant([1.0, 2.0]))
    model.scaled(tf.constant([1.0, 2.0]), training=True)
    shutil.rmtree(OUT, ignore_errors=True)
    tf.saved_model.save(model, OUT, signatures={"serving_default": model.__call__, "look_up": model.look_up})


main()
