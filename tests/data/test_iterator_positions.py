"""Positions of iterators in checkpoints: in a new session and graph, what comes next is what would have come next."""

import numpy as np
import pytest

import evergraph as tf
from evergraph.formats import variants
from evergraph.formats.bundle import BundleReader, BundleWriter


def chained(folder):
    return (
        tf.data.Dataset.range(50).map(lambda x: x * 2, num_parallel_calls=2).shuffle(10).repeat(2).batch(3).prefetch(2)
    )


def zipped(folder):
    numbers = tf.data.Dataset.from_tensor_slices({"a": np.arange(9), "b": [b"%d" % i for i in range(9)]})
    return tf.data.Dataset.zip((numbers, tf.data.Dataset.range(100).filter(lambda x: tf.equal(x % 3, 0)))).repeat()


def nested(folder):
    offset = tf.constant(7, tf.int64)
    made = tf.data.Dataset.range(1, 8).flat_map(lambda n: tf.data.Dataset.range(n).map(lambda x: x + n * 10 + offset))
    return made.apply(tf.data.experimental.shuffle_and_repeat(5, 3)).window(2).flat_map(lambda w: w.batch(2))


def interleaved(folder):
    with tf.python_io.TFRecordWriter(str(folder / "r")) as writer:
        for i in range(20):
            writer.write(b"%d" % i)
    names = tf.data.Dataset.from_tensors(str(folder / "r")).repeat(3)
    return names.interleave(tf.data.TFRecordDataset, cycle_length=2, block_length=3)


def rewritten(folder):
    """Rewriting takes away what does nothing, and makes one op of shuffle and repeat."""
    return (
        tf.data.Dataset.range(10).take(-1).skip(0).shuffle(7, seed=3).repeat().map(lambda x: x + 1).batch(2).repeat(1)
    )


def shown(values):
    return repr(values)


def iterator_of(make, folder):
    iterator = tf.data.make_initializable_iterator(make(folder))
    saver = tf.train.Saver([tf.data.experimental.make_saveable_from_iterator(iterator)])
    return iterator, iterator.get_next(), saver


@pytest.mark.parametrize("given", [0, 5, 11])
@pytest.mark.parametrize("make", [chained, zipped, nested, interleaved, rewritten], ids=lambda f: f.__name__)
def test_position_is_restored_in_a_new_session(tmp_path, make, given):
    with tf.Graph().as_default(), tf.Session() as sess:
        iterator, element, saver = iterator_of(make, tmp_path)
        sess.run(iterator.initializer)
        for _ in range(given):
            sess.run(element)
        path = saver.save(sess, str(tmp_path / "m"), write_meta_graph=False)
        expected = [shown(sess.run(element)) for _ in range(8)]
        saver.restore(sess, path)  # back, in the same session
        assert [shown(sess.run(element)) for _ in range(8)] == expected
    with tf.Graph().as_default(), tf.Session() as sess:
        iterator, element, saver = iterator_of(make, tmp_path)
        saver.restore(sess, path)  # not initialised
        assert [shown(sess.run(element)) for _ in range(8)] == expected
        sess.run(iterator.initializer)
        saver.restore(sess, path)
        assert [shown(sess.run(element)) for _ in range(8)] == expected


def test_end_and_failed_elements_are_kept(tmp_path):
    def make(folder):
        return tf.data.Dataset.range(4).map(lambda x: tf.check_numerics(1.0 / tf.cast(x - 1, tf.float32), "bad"))

    with tf.Graph().as_default(), tf.Session() as sess:
        iterator, element, saver = iterator_of(make, tmp_path)
        sess.run(iterator.initializer)
        assert sess.run(element) == -1
        with pytest.raises(tf.errors.InvalidArgumentError):
            sess.run(element)
        behind_failure = saver.save(sess, str(tmp_path / "a"), write_meta_graph=False)
        assert sess.run([element])[0] == 1 and sess.run(element) == 0.5
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(element)
        at_end = saver.save(sess, str(tmp_path / "b"), write_meta_graph=False)
        saver.restore(sess, behind_failure)
        assert sess.run(element) == 1
        saver.restore(sess, at_end)
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(element)


def test_dataset_is_the_one_that_was_saved_with_what_was_fed(tmp_path):
    with tf.Graph().as_default(), tf.Session() as sess:
        limit = tf.placeholder(tf.int64, [])
        iterator = tf.data.make_initializable_iterator(tf.data.Dataset.range(limit))
        element = iterator.get_next()
        saver = tf.train.Saver([tf.data.experimental.make_saveable_from_iterator(iterator)])
        sess.run(iterator.initializer, {limit: 3})
        sess.run(element)
        path = saver.save(sess, str(tmp_path / "m"), write_meta_graph=False)
        sess.run(iterator.initializer, {limit: 100})
        saver.restore(sess, path)
        assert [int(sess.run(element)) for _ in range(2)] == [1, 2]
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(element)


def test_ops_are_tensorflows(tmp_path):
    with tf.Graph().as_default() as graph:
        iterator_of(lambda folder: tf.data.Dataset.range(3), tmp_path)
        names = [(op.name, op.type) for op in graph.get_operations()]
    assert [n for n in names if "erialize" in n[1]] == [
        ("SerializeIterator", "SerializeIterator"),
        ("save/DeserializeIterator", "DeserializeIterator"),
    ]


def test_what_cannot_be_saved_is_refused(tmp_path):
    with tf.Graph().as_default(), tf.Session() as sess:
        iterator, _, saver = iterator_of(
            lambda folder: tf.data.Dataset.range(3).map(lambda x: tf.random_uniform([]) + 1), tmp_path
        )
        with pytest.raises(tf.errors.FailedPreconditionError, match="has not been initialized"):
            saver.save(sess, str(tmp_path / "m"))
        sess.run(iterator.initializer)
        with pytest.raises(tf.errors.FailedPreconditionError, match="stateful op 'random_uniform"):
            saver.save(sess, str(tmp_path / "m"))
    with tf.Graph().as_default(), tf.Session() as sess:
        iterator, _, saver = iterator_of(
            lambda folder: tf.data.Dataset.from_generator(lambda: iter([1]), tf.int32), tmp_path
        )
        sess.run(iterator.initializer)
        with pytest.raises(tf.errors.FailedPreconditionError):
            saver.save(sess, str(tmp_path / "m"))


@pytest.mark.parametrize(
    "variant",
    [
        variants.StoredVariant("another::Iterator", b"@@x", [np.array(1)]),
        variants.StoredVariant("evergraph.Iterator", b"", [np.array(1)]),
        variants.StoredVariant("evergraph.Iterator", b"\xff\xff", [np.array(1)]),
        variants.StoredVariant("evergraph.Iterator", tf.GraphDef(node=[tf.NodeDef(op="ReadFile")]).SerializeToString()),
        variants.StoredVariant(
            "evergraph.Iterator",
            tf.GraphDef(node=[tf.NodeDef(op="RangeDataset")]).SerializeToString(),
            [np.array(2)],
        ),
    ],
)
def test_damaged_and_foreign_positions_are_refused(tmp_path, variant):
    array = np.empty((), object)
    array[()] = variant
    with BundleWriter(str(tmp_path / "m")) as writer:
        writer.add("IteratorV2:0-state", array, tf.variant)
    with tf.Graph().as_default(), tf.Session() as sess:
        _, _, saver = iterator_of(lambda folder: tf.data.Dataset.range(3), tmp_path)
        with pytest.raises((tf.errors.InvalidArgumentError, tf.errors.DataLossError)):
            saver.restore(sess, str(tmp_path / "m"))


def test_variants_of_tensorflow_are_read_and_written_with_the_same_bytes(tmp_path):
    array = np.empty(2, object)
    array[:] = [variants.StoredVariant("t", b"m", [np.arange(3), np.array(b"x", object)]), variants.StoredVariant("")]
    with BundleWriter(str(tmp_path / "m")) as writer:
        writer.add("v", array, tf.variant)
    with BundleReader(str(tmp_path / "m")) as reader:
        assert reader.dtype("v") == tf.variant
        found = reader.read("v")
    assert [v.type_name for v in found] == ["t", ""] and found[0].metadata == b"m"
    assert found[0].tensors[0].tolist() == [0, 1, 2]
    data = (tmp_path / "m.data-00000-of-00001").read_bytes()
    for at in range(len(data)):
        with pytest.raises(ValueError):  # every byte is behind a checksum or a length
            wrong = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            _, crc = variants.decoded(wrong, 2)
            raise ValueError if crc != variants.decoded(data, 2)[1] else AssertionError


class Estimator:
    """What the hook wants to know of one."""

    class _config:
        num_worker_replicas, save_checkpoints_secs, save_checkpoints_steps = 1, None, 100

    def __init__(self, model_dir):
        self.model_dir = model_dir


def test_hook_goes_on_where_training_stopped(tmp_path):
    seen = []
    for _ in range(2):
        with tf.Graph().as_default():
            iterator = tf.data.make_initializable_iterator(tf.data.Dataset.range(100))
            step = tf.train.get_or_create_global_step()
            tf.add_to_collection(tf.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
            fetches = iterator.get_next(), tf.assign_add(step, 1)
            hooks = [
                tf.data.experimental.CheckpointInputPipelineHook(Estimator(str(tmp_path))),
                tf.train.CheckpointSaverHook(str(tmp_path), save_steps=100, saver=tf.train.Saver()),
            ]
            creator = tf.train.ChiefSessionCreator(checkpoint_dir=str(tmp_path))
            with tf.train.MonitoredSession(creator, hooks) as sess:
                seen += [int(sess.run(fetches)[0]) for _ in range(4)]
    assert seen == list(range(8))
    assert (tmp_path / "checkpoint_input").exists() and (tmp_path / "input.ckpt-8.index").exists()
