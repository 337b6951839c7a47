"""Restoring over values: variable by variable, and not at all where anything is wrong."""

import numpy as np
import pytest

import evergraph as tf
from evergraph.formats.bundle import BundleWriter, data_name
from evergraph.runtime import restoring


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch):
    monkeypatch.setattr(restoring, "LARGE", 1)
    with tf.Graph().as_default():
        yield


@pytest.fixture
def verified(monkeypatch):
    """The tensors whose checksums are compared before anything is stored."""
    found = []
    real = restoring.BundleReader.verify
    monkeypatch.setattr(restoring.BundleReader, "verify", lambda self, *a: (found.append(a[0]), real(self, *a)))
    return found


def model():
    a = tf.get_variable("a", initializer=np.arange(6, dtype=np.float32).reshape(2, 3))
    b = tf.get_variable("b", initializer=np.arange(4), use_resource=True)
    c = tf.get_variable(
        "c", [4, 2], initializer=tf.ones_initializer(), partitioner=tf.fixed_size_partitioner(2), dtype=tf.bfloat16
    )
    return [a, b, *c]


@pytest.mark.parametrize("sharded", [False, True])
def test_values_of_a_checkpoint_replace_those_there(tmp_path, verified, sharded):
    variables = model()
    saver = tf.train.Saver(sharded=sharded)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        expected = sess.run(variables)
        path = saver.save(sess, str(tmp_path / "m"))
        sess.run([tf.assign(v, tf.zeros_like(v)) for v in variables])
        assert not any(v.any() for v in sess.run(variables))
        saver.restore(sess, path)
        for got, wanted in zip(sess.run(variables), expected, strict=True):
            np.testing.assert_array_equal(got, wanted)
        assert verified == ["a", "b", "c", "c"]
        sess.run([tf.assign_add(v, tf.ones_like(v)) for v in variables])  # what was read can be written to
        np.testing.assert_array_equal(sess.run(variables[0]), expected[0] + 1)


def test_damaged_checkpoint_changes_nothing(tmp_path):
    variables = model()
    saver = tf.train.Saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        path = saver.save(sess, str(tmp_path / "m"))
        sess.run([tf.assign(v, tf.zeros_like(v)) for v in variables])
        data = bytearray((tmp_path / "m.data-00000-of-00001").read_bytes())
        data[-1] ^= 1
        (tmp_path / "m.data-00000-of-00001").write_bytes(data)
        with pytest.raises(tf.errors.DataLossError, match=r"checksum does not match: tensor 'c'"):
            saver.restore(sess, path)
        assert not any(v.any() for v in sess.run(variables))


@pytest.mark.parametrize(
    "values, error, text",
    [
        ({"a": np.ones([3, 2], np.float32)}, tf.errors.InvalidArgumentError, "shape"),
        ({"a": np.ones([2, 3])}, tf.errors.InvalidArgumentError, "dtype"),
        ({}, tf.errors.NotFoundError, "Key a not found"),
    ],
)
def test_checkpoint_that_does_not_fit_is_refused_as_ever(tmp_path, values, error, text):
    a = tf.get_variable("a", initializer=np.zeros([2, 3], np.float32))
    b = tf.get_variable("b", initializer=np.zeros(2, np.float32))
    saver = tf.train.Saver()
    prefix = str(tmp_path / "m")
    with BundleWriter(prefix) as writer:
        for name, value in {"b": np.ones(2, np.float32), **values}.items():
            writer.add(name, value)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        with pytest.raises(error, match=text):
            saver.restore(sess, prefix)
        assert not any(v.any() for v in sess.run([a, b]))


def test_other_ops_among_those_that_restore_are_run(tmp_path, verified):
    v = tf.get_variable("v", initializer=np.arange(6.0))
    w = tf.get_variable("w", initializer=np.zeros([2, 3]))
    saver = tf.train.Saver([v])
    other = tf.train.Saver({"v": w}, reshape=True)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        path = saver.save(sess, str(tmp_path / "m"))
        other.restore(sess, path)
        np.testing.assert_array_equal(sess.run(w), np.arange(6.0).reshape(2, 3))
        assert not verified


def test_missing_data_file_is_named(tmp_path):
    v = tf.get_variable("v", initializer=np.zeros(3))
    saver = tf.train.Saver()
    with tf.Session() as sess:
        sess.run(v.initializer)
        path = saver.save(sess, str(tmp_path / "m"))
        (tmp_path / data_name("m", 0, 1)).unlink()
        with pytest.raises(tf.errors.NotFoundError, match=r"m\.data-00000-of-00001"):
            saver.restore(sess, path)


@pytest.fixture
def nothing_is_large(monkeypatch):
    monkeypatch.setattr(restoring, "LARGE", 1 << 30)


@pytest.fixture
def runs(monkeypatch):
    """What sessions run."""
    found = []
    real = tf.Session.run
    monkeypatch.setattr(tf.Session, "run", lambda self, *a, **k: (found.append(a[0]), real(self, *a, **k))[1])
    return found


@pytest.mark.parametrize("sharded", [False, True])
def test_new_session_takes_values_without_a_run(tmp_path, nothing_is_large, runs, sharded):
    variables = [*model(), tf.Variable(np.ones(5000))]
    saver = tf.train.Saver(sharded=sharded)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        expected = sess.run(variables)
        path = saver.save(sess, str(tmp_path / "m"))
    with tf.Session() as sess:
        runs.clear()
        saver.restore(sess, path)
        assert not runs
        for got, wanted in zip(sess.run(variables), expected, strict=True):
            np.testing.assert_array_equal(got, wanted)
        sess.run([tf.assign_add(v, tf.ones_like(v)) for v in variables])
        sess.run(tf.scatter_update(variables[-1], [0], [7.0]))
        saver.restore(sess, path)
        for got, wanted in zip(sess.run(variables), expected, strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_one_tensor_that_does_not_fit_leaves_all_as_they_are(tmp_path, nothing_is_large):
    a = tf.get_variable("a", initializer=np.zeros(3, np.float32))
    b = tf.get_variable("b", initializer=np.zeros([2, 3], np.float32))
    saver = tf.train.Saver()
    prefix = str(tmp_path / "m")
    with BundleWriter(prefix) as writer:
        writer.add("a", np.ones(3, np.float32))
        writer.add("b", np.ones([3, 2], np.float32))
    with tf.Session() as sess:
        with pytest.raises(tf.errors.InvalidArgumentError, match="shape"):
            saver.restore(sess, prefix)
        assert sess.run(tf.report_uninitialized_variables()).tolist() == [b"a", b"b"]
        sess.run(tf.global_variables_initializer())
        with pytest.raises(tf.errors.InvalidArgumentError, match="shape"):
            saver.restore(sess, prefix)
        assert not any(v.any() for v in sess.run([a, b]))


def test_variables_of_any_shape_and_edited_graphs_are_run(tmp_path, nothing_is_large, runs):
    v = tf.Variable(np.zeros(3), validate_shape=False, shape=None)
    w = tf.Variable(np.zeros(2))
    saver, second = tf.train.Saver([w]), tf.train.Saver([v])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        path, other = saver.save(sess, str(tmp_path / "w")), second.save(sess, str(tmp_path / "v"))
        saver.restore(sess, path)
        runs.clear()
        second.restore(sess, other)
        assert runs
        runs.clear()
        counted = tf.Variable(0)
        sess.run(counted.initializer)
        restore = tf.get_default_graph().get_operation_by_name(saver.saver_def.restore_op_name)
        restore._add_control_input(tf.assign_add(counted, 1).op)
        saver.restore(sess, path)
        assert sess.run(counted) == 1


def test_devices_that_are_not_there_are_refused_as_ever(tmp_path, nothing_is_large):
    v = tf.get_variable("v", initializer=np.zeros(3))
    saver = tf.train.Saver()
    with tf.Session() as sess:
        sess.run(v.initializer)
        path = saver.save(sess, str(tmp_path / "m"))
    with tf.Graph().as_default(), tf.device("/gpu:31"):
        tf.get_variable("v", [3], tf.float64)
        saver = tf.train.Saver()
        with tf.Session() as sess, pytest.raises(tf.errors.InvalidArgumentError, match="Cannot assign a device"):
            saver.restore(sess, path)
        with tf.Session(config=tf.ConfigProto(allow_soft_placement=True)) as sess:
            saver.restore(sess, path)


def test_name_that_is_fed_elsewhere_is_not_where_the_op_reads(tmp_path, nothing_is_large):
    v = tf.get_variable("v", initializer=np.ones(3))
    saver = tf.train.Saver()
    elsewhere = tf.constant("nowhere", name="elsewhere")
    with tf.Session() as sess:
        sess.run(v.initializer)
        path = saver.save(sess, str(tmp_path / "m"))
        saver.restore(sess, path)
        saver.saver_def.filename_tensor_name = elsewhere.name
        with pytest.raises(tf.errors.NotFoundError):
            saver.restore(sess, path)
