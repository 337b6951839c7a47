"""Functions of files, images, tables and words, computed for blocks of elements: as if called one by one."""

import threading

import numpy as np
import pytest
from data.test_shortcuts import Dataset, assert_same, one_by_one, outcomes

import evergraph as tf
from evergraph.ops.datasets import many as together_module
from evergraph.ops.datasets import mapping
from evergraph.runtime.stacked import Stacked


@pytest.fixture
def seen(monkeypatch):
    """How many elements were computed together, call by call."""
    counts = []
    call = Stacked.__call__

    def counted(self, columns, values, n, *state):
        made = call(self, columns, values, n, *state)
        counts.append(n)
        return made

    monkeypatch.setattr(Stacked, "__call__", counted)
    return counts


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Twenty images, two of a size, and one that is none."""
    folder = tmp_path_factory.mktemp("images")
    paths = []
    with tf.Graph().as_default(), tf.Session() as session:
        pixels = tf.placeholder(tf.uint8, [None, None, 3])
        encoded = tf.image.encode_png(pixels)
        for i in range(20):
            values = np.random.RandomState(i).randint(0, 256, (4 + i // 2, 6, 3))
            paths.append(str(folder / f"{i}.png"))
            (folder / f"{i}.png").write_bytes(session.run(encoded, {pixels: values}))
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    return paths, str(folder / "broken.png")


def scaled(path, *rest):
    image = tf.image.decode_png(tf.read_file(path), channels=3)
    image = tf.image.resize_images(tf.image.convert_image_dtype(image, tf.float32), [5, 4])
    return (tf.image.flip_left_right(image) * 2.0, *rest)


@pytest.mark.parametrize("calls", [None, 1, 4])
@pytest.mark.parametrize("batched", [False, True])
def test_images_of_different_sizes(images, calls, batched, seen):
    paths, broken = images
    names = [*paths[:9], broken, *paths[9:], "/no/such/file", *paths]

    def make():
        dataset = Dataset.from_tensor_slices((names, np.arange(len(names)))).map(scaled, calls)
        return dataset.batch(8) if batched else dataset

    found = outcomes(make)
    assert max(seen) >= 4
    assert found.count(tf.errors.NotFoundError) == 1 and tf.errors.InvalidArgumentError in found
    assert_same(found, one_by_one(make))


def test_images_that_keep_their_sizes(images, seen):
    def make():
        return Dataset.from_tensor_slices(images[0]).map(
            lambda p: tf.cast(tf.image.decode_png(tf.read_file(p)) // 2 + 1, tf.int32) * 3, 2
        )

    found = outcomes(make)
    assert [f.shape[0] for f in found] == [4 + i // 2 for i in range(20)] and max(seen) >= 4
    assert_same(found, one_by_one(make))


def test_blocks_that_turn_out_no_good(images, monkeypatch):
    monkeypatch.setattr(mapping, "many", lambda *args: Refused(args[0]))

    class Refused(together_module.Many):
        gave_up = True
        is_complete = True
        draws = False

        def __init__(self, captured):
            self.block = 4

    paths, _ = images
    found = outcomes(lambda: Dataset.from_tensor_slices(paths).map(scaled, 4))
    assert len(found) == 20


def words_of_lines(lines):
    table = tf.contrib.lookup.index_table_from_tensor(["a", "b", "c"], num_oov_buckets=2)
    dataset = Dataset.from_tensor_slices(lines).map(lambda s: tf.string_split([s]).values)
    dataset = dataset.map(lambda w: w[:4]).filter(lambda w: tf.size(w) > 0)
    return dataset.map(table.lookup).map(lambda i: (i + 1, tf.size(i), tf.concat([[9], tf.cast(i, tf.int32)], 0)))


def test_words_looked_up_in_a_table(seen):
    lines = ["a b", "", "c c x a b a", "b", "y", "a a"] * 6

    def run(together):
        with tf.Graph().as_default(), pytest.MonkeyPatch.context() as patch:
            if not together:
                patch.setattr(mapping, "many", lambda *_: None)
            dataset = words_of_lines(lines).padded_batch(5, ([None], [], [None]))
            iterator = tf.data.make_initializable_iterator(dataset)
            element, found = iterator.get_next(), []
            with tf.Session() as session:
                session.run([tf.tables_initializer(), iterator.initializer])
                with pytest.raises(tf.errors.OutOfRangeError):
                    while True:
                        found.append(session.run(element))
            return found

    assert_same(run(True), run(False))
    assert len(seen) > 8


def test_sparse_features_as_they_are(seen):
    def example(i):
        made = tf.train.Example()
        made.features.feature["n"].int64_list.value.extend(range(i % 4))
        made.features.feature["y"].int64_list.value.append(i)
        return made.SerializeToString()

    def make():
        features = {"n": tf.VarLenFeature(tf.int64), "y": tf.FixedLenFeature([], tf.int64)}
        dataset = Dataset.from_tensor_slices([example(i) for i in range(30)])
        return dataset.map(lambda s: tf.parse_single_example(s, features)).batch(7)

    found = outcomes(make)
    assert max(seen) >= 7
    for a, b in zip(found, one_by_one(make), strict=True):
        for x, y in zip((*a["n"], a["y"]), (*b["n"], b["y"]), strict=True):
            np.testing.assert_array_equal(x, y)


def made_dense(kinds):
    """A dataset of two maps: the second one is given sparse tensors."""

    def example(i):
        made = tf.train.Example()
        made.features.feature["n"].int64_list.value.extend(range(i % 4))
        made.features.feature["s"].bytes_list.value.extend([b"x" * k for k in range(i % 3)])
        return made.SerializeToString()

    features = {key: tf.VarLenFeature(kind) for key, kind in kinds.items()}
    dataset = Dataset.from_tensor_slices([example(i) for i in range(30)])
    dataset = dataset.map(lambda s: tf.parse_single_example(s, features))
    dataset = dataset.map(lambda e: (e["n"], tf.sparse_tensor_to_dense(e["n"]), tf.sparse_tensor_to_dense(e["s"], "-")))
    return dataset.map(lambda sparse, n, s: (tf.sparse_tensor_to_dense(sparse), n + 1, s, tf.size(s)))


def test_sparse_features_of_an_earlier_map_made_dense(seen):
    def make():
        dataset = made_dense({"n": tf.int64, "s": tf.string})
        return dataset.padded_batch(7, ([None], [5], [None], []), (np.int64(-1), np.int64(0), "?", np.int32(0)))

    found = outcomes(make)
    assert max(seen) >= 7
    assert_same(found, one_by_one(make))
    assert found[0][0].tolist() == [[-1] * 3, [0, -1, -1], [0, 1, -1], [0, 1, 2], [-1] * 3, [0, -1, -1], [0, 1, -1]]
    assert found[0][2].tolist()[:3] == [[b"?", b"?"], [b"", b"?"], [b"", b"x"]]


@pytest.mark.parametrize("place", ["last", "gap", "longer", "matrix"])
def test_sparse_tensors_that_are_no_lists_made_dense(place):
    def tensor(i):
        indices = {"last": [[i]], "gap": [[0], [2 + i]], "longer": [[0]], "matrix": [[0, i]]}[place]
        return tf.SparseTensor(indices, [i + 5] * len(indices), [50] * len(indices[0]))

    def make():
        return Dataset.range(20).map(tensor).map(tf.sparse.to_dense).map(lambda x: (x, tf.shape(x)))

    assert_same(outcomes(make), one_by_one(make))


@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("columns", [None, [0, 3]])
def test_rows_of_csv_files(tmp_path, header, columns):
    rows = [f"{i},{i / 4},w{i},{i % 2}" for i in range(40)]
    rows[9] = '9,1e3,"quoted, ""twice""",1'
    rows[17] = "17,,,"
    rows[25] = "25,x,w,1"
    rows[30] = "30,1.5"
    rows[35] = "35,1e-40,w35,1"
    rows[36] = "36,1.000000059604644775390626,w36,0"  # a little above the middle of two numbers
    path = tmp_path / "rows.csv"
    path.write_text("\n".join([*["a,b,c,d"] * header, *rows]) + "\n")
    types = [tf.int32, [0.5], ["none"], [7]]
    defaults = types if columns is None else [types[c] for c in columns]

    def make():
        return tf.data.experimental.CsvDataset(str(path), defaults, header=header, select_cols=columns)

    def plain():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("evergraph.ops.datasets.csv._CsvRows._add_plain", lambda *_: False)
            return outcomes(make)

    found = outcomes(make)
    assert len(found) == 40
    for a, b in zip(found, plain(), strict=True):
        assert a is b or a == b and [type(x) for x in a] == [type(x) for x in b]
    if columns is None:
        assert found[9] == (9, 1000.0, b'quoted, "twice"', 1) and found[17] == (17, 0.5, b"none", 7)
        assert found[35][1] == 0 and found[36][1] == np.float32(1 + 2**-23)
        assert found[25] is found[30] is tf.errors.InvalidArgumentError


def test_a_private_pool_limits_the_threads():
    def run(threads, at_once=1):
        barrier = threading.Barrier(at_once)

        def ident(i):
            if i < at_once:
                barrier.wait(60)
            return np.int64(threading.get_ident())

        with tf.Graph().as_default():
            dataset = Dataset.range(60).map(lambda i: tf.py_func(ident, [i], tf.int64), 16)
            options = tf.data.Options()
            options.experimental_threading.private_threadpool_size = threads
            element = tf.data.make_one_shot_iterator(dataset.with_options(options)).get_next()
            with tf.Session() as session:
                return {session.run(element) for _ in range(60)}

    assert len(run(1)) == 1
    assert len(run(3)) <= 3
    assert len(run(0, at_once=4)) >= 4


def test_statistics():
    with tf.Graph().as_default():
        aggregator = tf.data.experimental.StatsAggregator()
        dataset = Dataset.range(40).map(lambda i: i * 2, 2).filter(lambda i: tf.equal(i % 3, 0))
        dataset = dataset.apply(tf.data.experimental.latency_stats("latency")).prefetch(1)
        dataset = dataset.apply(tf.data.experimental.bytes_produced_stats("bytes"))
        options = tf.data.Options()
        options.experimental_stats.aggregator = aggregator
        options.experimental_stats.prefix = "train"
        iterator = tf.data.make_initializable_iterator(dataset.with_options(options))
        element, summary = iterator.get_next(), aggregator.get_summary()
        with tf.Session() as session:
            session.run(iterator.initializer)
            for i in range(5):
                assert session.run(element) == 6 * i
            values = {v.tag: v for v in tf.Summary.FromString(session.run(summary)).value}
    assert values["train::bytes"].histo.num == 5 and values["train::bytes"].histo.sum == 40
    assert values["train::latency"].histo.num >= 5
    assert values["train::FilterDataset/_6::filtered_elements"].simple_value >= 5
    assert values["train::FilterDataset/_6::dropped_elements"].simple_value >= 8
    assert values["train::PrefetchDataset/_10::buffer_capacity"].simple_value == 1
    assert values["train::PrefetchDataset/_10::buffer_utilization"].histo.max <= 1
    assert values["train::ParallelMapDataset/_5::execution_time"].histo.num >= 5


def test_what_a_dataset_is_made_of():
    with tf.Graph().as_default(), tf.Session() as session:
        text = session.run(Dataset.range(10).batch(2)._as_serialized_graph())
        assert [n.op for n in tf.GraphDef.FromString(text).node if n.op.endswith("DatasetV2")] == ["BatchDatasetV2"]
        random = Dataset.range(10).map(lambda _: tf.random_uniform(()))
        with pytest.raises(tf.errors.FailedPreconditionError):
            session.run(random._as_serialized_graph())


@pytest.mark.parametrize(
    "make", [lambda d: d.take([1, 2]), lambda d: d.skip([1]), lambda d: d.repeat([1]), lambda d: d.batch([2])]
)
def test_counts_are_scalars(make):
    with tf.Graph().as_default(), pytest.raises(ValueError, match="Shape must be rank 0 but is rank 1"):
        make(Dataset.range(3))
