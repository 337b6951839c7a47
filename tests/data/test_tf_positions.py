"""Positions of iterators that TensorFlow 1.15 saved: what comes after them is what came there."""

import json
from pathlib import Path

import numpy as np
import pytest
from data import position_pipelines as known

import evergraph as tf
from evergraph.formats.bundle import BundleWriter
from evergraph.formats.variants import StoredVariant

RECORDED = json.loads(Path(__file__).with_name("recorded_positions.json").read_text())


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(1)
        yield graph


class Restored:
    """An iterator, brought to a position through a checkpoint."""

    def __init__(self, dataset, folder):
        self.iterator = tf.data.make_initializable_iterator(dataset)
        self.element = self.iterator.get_next()
        saveable = tf.data.experimental.make_saveable_from_iterator(self.iterator)
        self.name = saveable.specs[0].name
        self.saver = tf.train.Saver([saveable])
        self.prefix = str(folder / "position")

    def go(self, sess, state, kind="tensorflow::Iterator"):
        metadata = "".join("@@" + key for key, _ in state).encode()
        tensors = [np.array(b"", object) if value is None else np.array(value) for _, value in state]
        array = np.empty((), object)
        array[()] = StoredVariant(kind, metadata, tensors)
        with BundleWriter(self.prefix) as writer:
            writer.add(self.name, array, tf.variant)
        self.saver.restore(sess, self.prefix)

    def rest(self, sess):
        found = []
        try:
            while True:
                value = np.asarray(sess.run(self.element))
                found.append(value.item().decode() if value.dtype.kind in "OS" else value.tolist())
        except tf.errors.OutOfRangeError:
            return found


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_elements_after_a_position_are_tensorflows(tmp_path, name):
    known.write_files(tf, str(tmp_path))
    restored = Restored(known.pipelines(tf, str(tmp_path))[name](), tmp_path)
    with tf.Session() as sess:
        sess.run(restored.iterator.initializer)
        for count, position in RECORDED[name].items():
            restored.go(sess, position["state"])
            assert restored.rest(sess) == position["rest"], count


def test_iterator_has_to_be_initialized(tmp_path):
    restored = Restored(tf.data.Dataset.range(5), tmp_path)
    with tf.Session() as sess, pytest.raises(tf.errors.FailedPreconditionError, match="has not been initialized"):
        restored.go(sess, [["Iterator::Model::Range:next", 3]])


@pytest.mark.parametrize(
    "state, text",
    [
        ([["Iterator::Model::TensorSlice:i", 3]], r"nothing of Iterator::Range in it"),
        ([["Iterator::Model::Range:next", None]], r"there is no 'Iterator::Model::Range:next' in it"),
        ([["Iterator::Model::Range:next", 3]], r"3 is no number of its range"),
        ([], "nothing of Iterator::Range"),
    ],
)
def test_position_of_another_pipeline_is_refused(tmp_path, state, text):
    restored = Restored(tf.data.Dataset.range(0, 10, 2), tmp_path)
    with tf.Session() as sess:
        sess.run(restored.iterator.initializer)
        sess.run(restored.element)
        with pytest.raises(tf.errors.InvalidArgumentError, match=text):
            restored.go(sess, state)
        assert restored.rest(sess) == [2, 4, 6, 8]  # it is where it was


def test_datasets_that_do_not_tell_are_refused(tmp_path):
    restored = Restored(tf.data.Dataset.range(9).window(3).flat_map(lambda w: w), tmp_path)
    with tf.Session() as sess:
        sess.run(restored.iterator.initializer)
        with pytest.raises(tf.errors.InvalidArgumentError, match="Start the iterator anew"):
            restored.go(sess, [["Iterator::Model::FlatMap::Window::Range:next", 3], ["Iterator::Model::FlatMap:x", 1]])


def test_damaged_position_is_refused(tmp_path):
    restored = Restored(tf.data.Dataset.range(5), tmp_path)
    with tf.Session() as sess:
        sess.run(restored.iterator.initializer)
        with pytest.raises(tf.errors.InvalidArgumentError, match="damaged position"):
            restored.go(sess, [["Iterator::Model::Range:next@@one more", 3]])
