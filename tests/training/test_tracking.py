"""`tf.train.Checkpoint`: objects saved by their names in other objects."""

from pathlib import Path

import numpy as np
import pytest

import evergraph as tf

RECORDED = str(Path(__file__).parents[1] / "formats" / "data" / "checkpoints" / "objects")


@pytest.fixture
def sess():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


class Model(tf.contrib.checkpoint.Checkpointable):
    def __init__(self, name):
        self.kernel = tf.get_variable(name + "/k", initializer=tf.constant([1.0, 2.0]), use_resource=True)
        self.layers = [tf.Variable(3.0, name=name + "/l0"), {"bias": tf.Variable(4.0, name=name + "/l1")}]
        self.name = name


def test_objects_round_trip_under_other_names(sess, tmp_path):
    model = Model("one")
    optimizer = tf.train.AdamOptimizer(0.1)
    step = optimizer.minimize(tf.reduce_sum(model.kernel**2))
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer)
    sess.run(tf.global_variables_initializer())
    sess.run(step)
    path = checkpoint.save(str(tmp_path / "ckpt"), session=sess)
    assert path.endswith("ckpt-1") and tf.train.latest_checkpoint(str(tmp_path)) == path
    saved = sess.run(
        [model.kernel, model.layers, optimizer.get_slot(model.kernel, "m"), optimizer._get_beta_accumulators()]
    )
    names = [name for name, _ in tf.train.list_variables(path)]
    assert "model/layers/1/bias/.ATTRIBUTES/VARIABLE_VALUE" in names
    assert "model/kernel/.OPTIMIZER_SLOT/optimizer/m/.ATTRIBUTES/VARIABLE_VALUE" in names
    with tf.Graph().as_default(), tf.Session() as other:
        model, optimizer = Model("two"), tf.train.AdamOptimizer(0.5)
        checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer)
        status = checkpoint.restore(path)
        optimizer.minimize(tf.reduce_sum(model.kernel**2))  # its slots are found although they are made now
        status.assert_consumed().run_restore_ops(other)
        restored = other.run(
            [model.kernel, model.layers, optimizer.get_slot(model.kernel, "m"), optimizer._get_beta_accumulators()]
        )
        assert repr(restored) == repr(saved)
        assert other.run(checkpoint.save_counter) == 1
        assert checkpoint.save(str(tmp_path / "ckpt"), session=other).endswith("ckpt-2")


def test_what_does_not_match_is_said(sess, tmp_path):
    a, b = tf.Variable(1.0, name="a"), tf.Variable(2.0, name="b")
    sess.run(tf.global_variables_initializer())
    path = tf.train.Checkpoint(a=a, b=b).save(str(tmp_path / "c"), session=sess)
    fewer = tf.train.Checkpoint(a=a).restore(path)
    fewer.assert_existing_objects_matched().assert_nontrivial_match()
    with pytest.raises(AssertionError, match=r"Unresolved object in checkpoint \(root\)\.b"):
        fewer.assert_consumed()
    more = tf.train.Checkpoint(a=a, c=tf.Variable(3.0, name="c")).restore(path)
    with pytest.raises(AssertionError, match="Some Python objects were not bound"):
        more.assert_existing_objects_matched()
    other = tf.train.Checkpoint(x=a)
    with pytest.raises(AssertionError, match="No checkpoint specified"):
        other.restore(None).assert_consumed()
    more.initialize_or_restore(sess)
    assert sess.run(["a:0", "c:0"]) == [1.0, 3.0]
    with pytest.raises(ValueError, match="expecting a trackable object"):
        tf.train.Checkpoint(x=3)
    with pytest.raises(tf.errors.NotFoundError):
        other.restore("/no/such")


def test_recorded_checkpoint_is_restored_and_read_by_name(sess):
    v = tf.Variable([0.0, 0.0], name="v")
    optimizer = tf.train.MomentumOptimizer(0.1, 0.9)
    optimizer.minimize(tf.reduce_sum(v * v))
    tf.train.Checkpoint(v=v, optimizer=optimizer).restore(RECORDED).run_restore_ops(sess)
    np.testing.assert_allclose(sess.run(v), [0.8, 1.6])
    np.testing.assert_allclose(sess.run(optimizer.get_slot(v, "momentum")), [2.0, 4.0])
    sess.run(v.assign([0.0, 0.0]))
    tf.train.Saver([v]).restore(sess, RECORDED)
    np.testing.assert_allclose(sess.run(v), [0.8, 1.6])
    with pytest.raises(tf.errors.NotFoundError, match="Existing variables not in the checkpoint: w"):
        tf.train.Saver([tf.Variable(0.0, name="w")]).restore(sess, RECORDED)


def test_checkpoint_of_a_saver_is_restored_by_name(sess, tmp_path):
    v = tf.Variable(5.0, name="v")
    sess.run(tf.global_variables_initializer())
    path = tf.train.Saver().save(sess, str(tmp_path / "m"))
    sess.run(v.assign(0.0))
    checkpoint = tf.train.Checkpoint(anything=v)
    status = checkpoint.restore(path)
    with pytest.raises(AssertionError, match="Object not restored: save_counter"):
        status.assert_consumed()


def test_python_values_are_saved_too(sess, tmp_path):
    class State(tf.train.experimental.PythonState):
        value = "first"

        def serialize(self):
            return self.value

        def deserialize(self, string_value):
            self.value = string_value.decode()

    state = State()
    checkpoint = tf.train.Checkpoint(state=state)
    path = checkpoint.save(str(tmp_path / "c"), session=sess)
    state.value = "second"
    checkpoint.restore(path).run_restore_ops(sess)
    assert state.value == "first"


def test_manager_keeps_the_newest(sess, tmp_path):
    v = tf.Variable(0, name="v")
    checkpoint = tf.train.Checkpoint(v=v)
    sess.run(v.initializer)
    manager = tf.train.CheckpointManager(checkpoint, str(tmp_path), max_to_keep=2)
    assert manager.latest_checkpoint is None
    with sess.as_default():
        paths = [manager.save() for _ in range(3)]
        assert manager.checkpoints == paths[1:] and manager.latest_checkpoint == paths[2]
        assert not tf.train.checkpoint_exists(paths[0])
        again = tf.train.CheckpointManager(checkpoint, str(tmp_path), max_to_keep=2)
        assert again.checkpoints == paths[1:]
        last = again.save(checkpoint_number=10)
        assert last.endswith("ckpt-10") and again.checkpoints == [paths[2], last]
    with pytest.raises(ValueError, match="Expected a positive integer"):
        tf.train.CheckpointManager(checkpoint, str(tmp_path), max_to_keep=0)


@pytest.mark.parametrize("dense", [False, True])
def test_tables_are_restored_with_both_their_keys_and_values(tmp_path, dense):
    def made():
        if dense:
            return tf.contrib.lookup.MutableDenseHashTable(
                tf.int64, tf.int64, -1, empty_key=0, deleted_key=-1, checkpoint=True
            )
        return tf.contrib.lookup.MutableHashTable(tf.int64, tf.int64, -1, checkpoint=True)

    keys = np.array([11, 12, 13])
    with tf.Graph().as_default(), tf.Session() as sess:
        table = made()
        checkpoint = tf.train.Checkpoint(table=table)
        sess.run([table.insert(keys[:2], np.array([1, 2])), checkpoint.save_counter.initializer])
        prefix = checkpoint.save(str(tmp_path / "tables"), session=sess)
    with tf.Graph().as_default(), tf.Session() as sess:
        table = made()
        status = tf.train.Checkpoint(table=table).restore(prefix)
        status.assert_consumed().run_restore_ops(sess)
        assert sess.run(table.lookup(keys)).tolist() == [1, 2, -1]
        assert sess.run(table.size()) == 2
