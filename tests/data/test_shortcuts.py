"""Ways that take fewer steps give the same as those that do not: elements computed together, rows taken by number."""

import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import evergraph as tf
from evergraph.ops.datasets import fused as fusion
from evergraph.ops.datasets import many as together_module
from evergraph.ops.datasets import mapping, order
from evergraph.ops.datasets.iterators import NamedIterator
from evergraph.ops.datasets.many import Many
from evergraph.ops.datasets.rows import RowNumbers
from evergraph.runtime.stacked import Stacked

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


def outcomes(make, fused=True):
    """What a dataset gives, step by step."""
    options = tf.data.Options()
    options.experimental_optimization.map_and_batch_fusion = fused
    with tf.Graph().as_default():
        element = tf.data.make_one_shot_iterator(make().with_options(options)).get_next()
        found = []
        with tf.Session() as session:
            while len(found) < 60:
                try:
                    found.append(session.run(element))
                except tf.errors.OutOfRangeError:
                    return found
                except tf.errors.OpError as error:
                    found.append(type(error))
    return found


def one_by_one(make, fused=True):
    """What it gives when functions are called element by element."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapping, "many", lambda *_: None)
        patch.setattr(fusion, "many", lambda *_: None)
        return outcomes(make, fused)


def assert_same(a, b):
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        if isinstance(x, type) or isinstance(y, type):
            assert x is y
        else:
            tf.nest.map_structure(np.testing.assert_array_equal, x, y)


@pytest.fixture
def together(monkeypatch):
    """How many elements were computed together, block by block."""
    counted = []
    compute = Many._computed
    monkeypatch.setattr(Many, "_computed", lambda self, columns, n: counted.append(n) or compute(self, columns, n))
    return counted


def features_as_they_are(serialized):
    return tf.parse_single_example(serialized, FEATURES)


def features_and_more(serialized):
    found = tf.parse_single_example(serialized, FEATURES)
    return tf.reduce_sum(found["x"]), found["name"] + "!", found["label"]


@pytest.mark.parametrize("function", [features_as_they_are, features_and_more])
@pytest.mark.parametrize("drops", [False, True])
@pytest.mark.parametrize("fused", [False, True])
def test_records_parsed_together(function, drops, fused, together):
    def make():
        return Dataset.from_tensor_slices(records(10)).map(function).batch(5, drop_remainder=drops)

    ahead = outcomes(make, fused)
    assert together[0] == 5
    assert_same(ahead, one_by_one(make, fused))


@pytest.mark.parametrize("function", [features_as_they_are, features_and_more])
@pytest.mark.parametrize("fused", [False, True])
def test_a_broken_record_fails_its_batch_alone(function, fused):
    def make():
        return Dataset.from_tensor_slices(records(15, broken=[6])).map(function).batch(5)

    found = outcomes(make, fused)
    assert any(one is tf.errors.InvalidArgumentError for one in found)
    assert_same(found, one_by_one(make, fused))


def test_a_broken_record_fails_alone_without_a_batch():
    def make():
        return Dataset.from_tensor_slices(records(40, broken=[6, 7, 30])).map(features_as_they_are)

    found = outcomes(make)
    assert [i for i, one in enumerate(found) if isinstance(one, type)] == [6, 7, 30]
    assert_same(found, one_by_one(make))


def test_what_has_a_state_is_called_once_for_each_element(together):
    def make():
        def function(s):
            x = tf.parse_single_example(s, FEATURES)["x"] + tf.random_uniform([], seed=3)
            return tf.check_numerics(tf.where(tf.reduce_sum(x) < 10, x, x / 0.0), "too large")

        return Dataset.from_tensor_slices(records(12)).map(function).batch(4)

    found = outcomes(make)
    assert together
    assert any(one is tf.errors.InvalidArgumentError for one in found)
    assert_same(found, one_by_one(make))


def test_elements_of_several_shapes_are_computed_one_by_one():
    def make():
        lengths = Dataset.range(12).map(lambda i: tf.fill([tf.cast(i, tf.int32)], i))
        return lengths.map(lambda x: x * 2).padded_batch(4, [None])

    assert_same(outcomes(make), one_by_one(make))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Dataset.range(50).map(lambda i: i * 2 + 1).filter(lambda i: tf.equal(i % 3, 0)),
        lambda: Dataset.range(50).map(lambda i: i * 2 + 1).filter(lambda i: tf.equal(i % 3, 0)).batch(4),
        lambda: Dataset.range(50).filter(lambda i: i > 100).batch(4),
        lambda: Dataset.range(50).map(lambda i: 7 // (i - 20)).filter(lambda i: i > -9).batch(4),
        lambda: Dataset.range(9).map(lambda i: (i, tf.constant("same"))).shuffle(3, seed=1).repeat(3).batch(5),
        lambda: Dataset.from_tensor_slices(np.arange(60.0).reshape(20, 3)).map(tf.square).shuffle(8, seed=4),
        lambda: Dataset.from_tensor_slices(np.arange(60.0).reshape(20, 3)).shuffle(8, seed=4).map(tf.square).batch(3),
        lambda: (
            Dataset.from_tensor_slices(["1,a", "2,b", ",c", "x,d", "5,e"] * 3)
            .map(lambda line: tf.decode_csv(line, [[7], [""]]))
            .batch(2)
        ),
        lambda: Dataset.range(30).map(lambda i: i + 1).cache().repeat(2).take(44).skip(3).shard(2, 1).batch(4),
        lambda: Dataset.range(5).flat_map(lambda i: Dataset.range(i, i + 9).map(lambda j: j * i)).batch(6),
        lambda: Dataset.range(20).map(lambda i: i * i).prefetch(2).batch(3).prefetch(1),
    ],
)
def test_blocks_give_what_single_elements_give(make):
    assert_same(outcomes(make), one_by_one(make))
    assert_same(outcomes(make, False), one_by_one(make, False))


@pytest.mark.parametrize("size", [1, 4, 30, 100])
def test_the_order_of_a_shuffle_is_the_same_in_batches(size):
    single = outcomes(lambda: Dataset.range(30).shuffle(size, seed=5))
    batches = outcomes(lambda: Dataset.range(30).shuffle(size, seed=5).batch(7))
    assert np.concatenate(batches).tolist() == single
    assert sorted(single) == list(range(30))


def test_an_error_below_a_shuffle_costs_no_other_element():
    def make():
        return (
            Dataset.range(30).map(lambda i: tf.check_numerics(1.0 / tf.cast(i - 9, tf.float32), "")).shuffle(5, seed=1)
        )

    single, batches = outcomes(make), outcomes(lambda: make().batch(1))
    assert len(single) == 30 and single.count(tf.errors.InvalidArgumentError) == 1
    assert_same(batches, [one if isinstance(one, type) else np.array([one]) for one in single])


def test_effects_of_a_function_come_when_its_elements_are_asked_for():
    seen = []

    def make():
        return Dataset.range(20).map(lambda i: tf.py_func(lambda x: seen.append(int(x)) or x, [i], tf.int64))

    element = tf.data.make_one_shot_iterator(make().filter(lambda x: tf.constant(True))).get_next()
    batch = tf.data.make_one_shot_iterator(make().batch(3)).get_next()
    with tf.Session() as session:
        session.run(element)
        assert seen == [0]
        session.run(batch)
        assert seen == [0, 0, 1, 2]


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
    by_number = outcomes(lambda: transform(Dataset.from_tensor_slices(arrays)).batch(5))
    assert asked
    del asked[:]
    one_after_another = outcomes(lambda: transform(Dataset.from_tensor_slices(arrays)).padded_batch(5, ([3], [], [])))
    assert not asked
    assert_same(by_number, one_after_another)


def test_rows_gathered_by_number_go_through_a_function_together(together):
    arrays = (np.arange(36, dtype=np.uint8).reshape(12, 3), np.arange(12))

    def make():
        rows = Dataset.from_tensor_slices(arrays).shuffle(5, seed=2)
        return rows.map(lambda x, y: (tf.cast(x, tf.float32) / 255, tf.one_hot(y, 12))).batch(5)

    found = outcomes(make)
    assert together == [5, 5, 2]
    assert_same(found, one_by_one(make))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Dataset.from_tensor_slices(records(10)).map(features_as_they_are).batch(5),
        lambda: Dataset.from_tensor_slices(records(10)).batch(10).map(lambda s: tf.parse_example(s, FEATURES)),
        lambda: Dataset.from_tensor_slices(np.ones((9, 3), np.float32)).shuffle(3).batch(4),
        lambda: Dataset.from_tensor_slices(np.ones((9, 3), np.uint8)).map(lambda x: tf.cast(x, tf.float32)).batch(4),
        lambda: Dataset.range(9).map(lambda x: tf.fill([3], x)).batch(4),
        lambda: Dataset.range(9).map(lambda x: x + 1).shuffle(4).padded_batch(4, []),
    ],
)
def test_batches_start_at_multiples_of_64_bytes(make, monkeypatch):
    given = []
    give = NamedIterator.next
    monkeypatch.setattr(NamedIterator, "next", lambda self, run: given.append(give(self, run)) or given[-1])
    assert outcomes(make)
    arrays = [a for element in given for a in element or () if a.dtype != object]
    assert arrays and not any(a.ctypes.data % 64 for a in arrays)


@pytest.mark.parametrize("size", [5, 9])
def test_large_elements_are_computed_a_few_at_a_time(size, monkeypatch):
    seen = []
    call = Stacked.__call__
    monkeypatch.setattr(
        Stacked, "__call__", lambda self, c, values, n, *state: seen.append(n) or call(self, c, values, n)
    )
    monkeypatch.setattr(together_module, "_MOST_BYTES_TOGETHER", 1)

    def make():
        def function(s):
            found = tf.parse_single_example(s, FEATURES)
            return found["x"] * 2.0, found["name"], tf.string_split([found["name"]], "").values[-1:]

        return Dataset.from_tensor_slices(records(23)).map(function).batch(size)

    found = outcomes(make)
    assert seen[0] == size and max(seen[1:]) == 4
    assert_same(found, one_by_one(make))


class TestPrefetch:
    def test_elements_and_errors_keep_their_order(self):
        def make():
            return Dataset.range(30).map(lambda i: tf.check_numerics(1.0 / tf.cast(i - 9, tf.float32), "")).prefetch(3)

        assert_same(outcomes(make), one_by_one(make))

    def test_whoever_asks_for_elements_at_once_makes_them(self, monkeypatch):
        makers = []
        make = order._Buffer.make
        monkeypatch.setattr(
            order._Buffer, "make", lambda self, *args: makers.append(threading.current_thread()) or make(self, *args)
        )
        monkeypatch.setattr(order, "_AT_ONCE", 1e9)
        assert outcomes(lambda: Dataset.range(40).prefetch(2)) == list(range(40))
        assert threading.main_thread() in makers

    def test_a_source_that_may_wait_is_left_to_the_thread(self, monkeypatch):
        makers = []
        make = order._Buffer.make
        monkeypatch.setattr(
            order._Buffer, "make", lambda self, *args: makers.append(threading.current_thread()) or make(self, *args)
        )

        def waits():
            return Dataset.range(9).map(lambda i: tf.py_func(lambda x: x, [i], tf.int64)).prefetch(2)

        assert outcomes(waits) == list(range(9))
        assert threading.main_thread() not in makers

    def test_a_program_may_end_while_threads_are_at_work(self):
        program = """
            import numpy as np
            import evergraph as tf
            function = lambda i: tf.py_func(lambda x: np.ones([500, 500]).sum() + x, [i], tf.double)
            endless = tf.data.Dataset.range(9).repeat().map(function, num_parallel_calls=3).batch(4).prefetch(2)
            element = tf.data.make_one_shot_iterator(endless).get_next()
            print(tf.Session().run(element)[0])
        """
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "250000.0", "")
