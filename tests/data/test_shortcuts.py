"""Ways that take fewer steps give the same as those that do not: records parsed ahead, rows gathered by number."""

import numpy as np
import pytest

import evergraph as tf
from evergraph.ops.datasets.parse_ahead import ParseAhead
from evergraph.ops.datasets.rows import RowNumbers

Dataset = tf.data.Dataset
FEATURES = {
    "label": tf.FixedLenFeature([], tf.int64, default_value=-1),
    "x": tf.FixedLenFeature([2], tf.float32),
    "name": tf.FixedLenFeature([], tf.string),
}


def records(count, broken=()):
    made = []
    for i in range(count):
        example = tf.train.Example()
        feature = example.features.feature
        if i % 3:
            feature["label"].int64_list.value.append(i)
        feature["x"].float_list.value.extend([i] if i in broken else [i, i / 2])
        feature["name"].bytes_list.value.append(b"record %d" % i)
        made.append(example.SerializeToString())
    return made


def outcomes(make, fused):
    """What a dataset gives, step by step."""
    options = tf.data.Options()
    options.experimental_optimization.map_and_batch_fusion = fused
    with tf.Graph().as_default():
        element = tf.data.make_one_shot_iterator(make().with_options(options)).get_next()
        found = []
        with tf.Session() as session:
            while len(found) < 20:
                try:
                    found.append(session.run(element))
                except tf.errors.OutOfRangeError:
                    return found
                except tf.errors.OpError as error:
                    found.append(type(error))
    return found


def assert_same(a, b):
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        if isinstance(x, type) or isinstance(y, type):
            assert x is y
        else:
            tf.nest.map_structure(np.testing.assert_array_equal, x, y)


@pytest.fixture
def parsed_ahead(monkeypatch):
    """How many batches were parsed ahead."""
    counted = []
    parse = ParseAhead.parsed
    monkeypatch.setattr(ParseAhead, "parsed", lambda self, elements: counted.append(0) or parse(self, elements))
    return counted


def features_as_they_are(serialized):
    return tf.parse_single_example(serialized, FEATURES)


def features_and_more(serialized):
    found = tf.parse_single_example(serialized, FEATURES)
    return tf.reduce_sum(found["x"]), found["name"] + "!", found["label"]


@pytest.mark.parametrize("function", [features_as_they_are, features_and_more])
@pytest.mark.parametrize("drops", [False, True])
def test_records_parsed_ahead(function, drops, parsed_ahead):
    def make():
        return Dataset.from_tensor_slices(records(10)).map(function).batch(4, drop_remainder=drops)

    ahead = outcomes(make, True)
    assert len(parsed_ahead) == (2 if drops else 3)
    assert_same(ahead, outcomes(make, False))
    assert len(parsed_ahead) == (2 if drops else 3)


def test_a_broken_record_fails_its_batch_alone():
    def make():
        return Dataset.from_tensor_slices(records(10, broken=[5])).map(features_and_more).batch(4)

    found = outcomes(make, True)
    assert found[1] is tf.errors.InvalidArgumentError
    assert found[0][1].tolist() == [b"record %d!" % i for i in range(4)]
    assert found[2][1].tolist() == [b"record 8!", b"record 9!"]


def test_functions_with_a_state_are_not_parsed_ahead(parsed_ahead):
    def make():
        def function(s):
            return tf.parse_single_example(s, FEATURES)["x"] + tf.random_uniform([], seed=3)

        return Dataset.from_tensor_slices(records(4)).map(function).batch(2)

    assert_same(outcomes(make, True), outcomes(make, False))
    assert not parsed_ahead


@pytest.mark.parametrize(
    "transform",
    [
        lambda d: d,
        lambda d: d.shuffle(4, seed=2),
        lambda d: d.shuffle(50, seed=2).repeat(3),
        lambda d: d.skip(1).shuffle(3, seed=2).take(9).repeat(2).prefetch(2),
        lambda d: d.shard(3, 1).repeat(4).shuffle(5, seed=1),
    ],
    ids=["plain", "shuffle", "repeat", "everything", "shard"],
)
def test_rows_gathered_by_number(transform, monkeypatch):
    arrays = (np.arange(36, dtype=np.float32).reshape(12, 3), np.array([b"%d" % i for i in range(12)]), np.arange(12))
    asked = []
    iterator = RowNumbers.iterator
    monkeypatch.setattr(RowNumbers, "iterator", lambda self, *args: asked.append(0) or iterator(self, *args))
    by_number = outcomes(lambda: transform(Dataset.from_tensor_slices(arrays)).batch(5), True)
    assert asked
    del asked[:]
    one_by_one = outcomes(lambda: transform(Dataset.from_tensor_slices(arrays)).padded_batch(5, ([3], [], [])), True)
    assert not asked
    assert_same(by_number, one_by_one)
