"""`tf.train.Saver`: what it writes, keeps, restores, and says when it cannot."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import evergraph as tf

RECORDED = Path(__file__).parents[1] / "formats" / "data" / "checkpoints"


@pytest.fixture
def sess():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


def initialized(sess, **values):
    """Variables of the given names and values."""
    made = [tf.Variable(value, name=name) for name, value in values.items()]
    sess.run(tf.global_variables_initializer())
    return made


@pytest.mark.parametrize("version", [tf.train.SaverDef.V1, tf.train.SaverDef.V2])
@pytest.mark.parametrize("sharded", [False, True])
def test_all_kinds_of_variables_round_trip(sess, tmp_path, version, sharded):
    a = tf.Variable([[1.0, 2.0]], name="a")
    b = tf.get_variable("b", initializer=tf.constant(3), use_resource=True)
    parts = tf.get_variable("p", initializer=tf.range(10.0), partitioner=tf.fixed_size_partitioner(3))
    text = tf.Variable([b"x", b""] if version == 2 else [1, 2], name="text")
    sess.run(tf.global_variables_initializer())
    saver = tf.train.Saver(write_version=version, sharded=sharded)
    path = saver.save(sess, str(tmp_path / "m"), global_step=3)
    before = sess.run([a, b, list(parts), text])
    with tf.Session() as other:
        saver.restore(other, path)
        after = other.run([a, b, list(parts), text])
    assert repr(after) == repr(before)
    assert tf.train.latest_checkpoint(str(tmp_path)) == path


def test_parts_of_another_number_are_restored_from_a_partitioned_variable(sess, tmp_path):
    def build(count):
        partitioner = tf.fixed_size_partitioner(count) if count else None
        return tf.get_variable("p", initializer=tf.range(10.0), partitioner=partitioner)

    build(3)
    sess.run(tf.global_variables_initializer())
    path = tf.train.Saver().save(sess, str(tmp_path / "m"))
    for count in 0, 1, 4:
        with tf.Graph().as_default(), tf.Session() as other:
            whole = tf.convert_to_tensor(build(count))
            tf.train.Saver().restore(other, path)
            assert other.run(whole).tolist() == list(range(10))


def test_names_and_choice_of_variables_can_be_given(sess, tmp_path):
    a, b = initialized(sess, a=1.0, b=2.0)
    path = tf.train.Saver({"x": a}).save(sess, str(tmp_path / "m"))
    assert tf.train.list_variables(path) == [("x", [])]
    tf.train.Saver({"x": b}).restore(sess, path)
    assert sess.run([a, b]) == [1.0, 1.0]


def test_recorded_checkpoints_are_restored(sess):
    table = tf.get_variable("table", [7, 2])
    wide = tf.get_variable("wide", [2, 5], tf.int32)
    saver = tf.train.Saver()
    for name in "parts_v1", "parts_v2", "shards_v1-?????-of-00002", "shards_v2":
        saver.restore(sess, str(RECORDED / name))
        assert sess.run(table).tolist() == np.arange(14).reshape(7, 2).tolist()
        assert sess.run(wide).tolist() == np.arange(10).reshape(2, 5).tolist()


def test_old_checkpoints_are_deleted(sess, tmp_path):
    initialized(sess, a=1.0)
    saver = tf.train.Saver(max_to_keep=2)
    paths = [saver.save(sess, str(tmp_path / "m"), global_step=i) for i in range(4)]
    assert saver.last_checkpoints == paths[2:]
    assert {p.name for p in tmp_path.iterdir()} == {
        "checkpoint", *(f"m-{i}.{end}" for i in (2, 3) for end in ("index", "meta", "data-00000-of-00001"))
    }  # fmt: skip
    state = tf.train.get_checkpoint_state(str(tmp_path))
    assert list(state.all_model_checkpoint_paths) == paths[2:]
    other = tf.train.Saver(max_to_keep=2)
    other.recover_last_checkpoints([*state.all_model_checkpoint_paths, "/no/such"])
    other.save(sess, str(tmp_path / "m"), global_step=4)
    assert not tf.train.checkpoint_exists(paths[2]) and tf.train.checkpoint_exists(paths[3])


def test_one_checkpoint_an_hour_is_kept_for_good(sess, tmp_path, monkeypatch):
    now = [time.time()]
    monkeypatch.setattr(time, "time", lambda: now[0])
    initialized(sess, a=1.0)
    saver = tf.train.Saver(max_to_keep=1, keep_checkpoint_every_n_hours=1)
    paths = []
    for step in range(5):
        now[0] += 45 * 60
        paths.append(saver.save(sess, str(tmp_path / "m"), global_step=step))
    assert [i for i, path in enumerate(paths) if tf.train.checkpoint_exists(path)] == [1, 2, 4]


def test_step_numbers_and_relative_paths(sess, tmp_path):
    (step,) = initialized(sess, step=7)
    saver = tf.train.Saver(pad_step_number=True, save_relative_paths=True)
    path = saver.save(sess, str(tmp_path / "m"), global_step=step)
    assert path.endswith("m-00000007")
    assert 'model_checkpoint_path: "m-00000007"' in (tmp_path / "checkpoint").read_text()
    moved = tmp_path.rename(tmp_path.with_name(tmp_path.name + "_moved"))
    assert tf.train.latest_checkpoint(str(moved)) == str(moved / "m-00000007")


def test_everything_that_is_missing_is_said_at_once(sess, tmp_path):
    initialized(sess, weights=1.0, bias=2.0, other=3.0)
    path = tf.train.Saver().save(sess, str(tmp_path / "m"))
    with tf.Graph().as_default(), tf.Session() as new:
        tf.Variable(0.0, name="weight")
        tf.Variable(0.0, name="bias_1")
        tf.Variable(0.0, name="other")
        with pytest.raises(tf.errors.NotFoundError) as caught:
            tf.train.Saver().restore(new, path)
    message = str(caught.value)
    assert "Key bias_1 not found in checkpoint" in message
    assert "2 of 3 tensors to restore are not in it" in message
    assert "weight (there are weights" in message and "bias_1 (there are bias" in message
    assert "2 that it has are not restored: bias, weights" in message
    assert "save/RestoreV2" in message and path in message


def test_everything_that_differs_is_said_at_once(sess, tmp_path):
    initialized(sess, a=np.zeros([2, 3], np.float32), b=np.zeros([4], np.float32), c=1.0)
    path = tf.train.Saver().save(sess, str(tmp_path / "m"))
    with tf.Graph().as_default(), tf.Session() as new:
        for name, shape in ("a", [3, 2]), ("b", [5]), ("c", []):
            tf.get_variable(name, shape, use_resource=name == "b")
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            tf.train.Saver().restore(new, path)
    message = str(caught.value)
    assert "2 shape(s) differ" in message
    assert "a: [2,3] in the checkpoint, [3,2] here" in message and "b: [4] in the checkpoint, [5] here" in message
    with tf.Graph().as_default(), tf.Session() as new:
        tf.get_variable("a", [2, 3], tf.int32)
        with pytest.raises(
            tf.errors.InvalidArgumentError, match="expected dtype int32 does not equal original dtype float"
        ):
            tf.train.Saver().restore(new, path)


def test_reshape_takes_another_shape_of_as_many_elements(sess, tmp_path):
    initialized(sess, a=np.arange(6.0).reshape(2, 3))
    path = tf.train.Saver().save(sess, str(tmp_path / "m"))
    with tf.Graph().as_default(), tf.Session() as new:
        a = tf.get_variable("a", [3, 2], tf.float64)
        tf.train.Saver(reshape=True).restore(new, path)
        assert new.run(a).tolist() == [[0, 1], [2, 3], [4, 5]]


def test_a_failed_restore_changes_nothing(sess, tmp_path):
    a, b = initialized(sess, a=1.0, b=np.arange(1000.0))
    saver = tf.train.Saver()
    path = saver.save(sess, str(tmp_path / "m"))
    sess.run([a.assign(5.0), b.assign(np.zeros(1000))])
    data = Path(path + ".data-00000-of-00001")
    raw = bytearray(data.read_bytes())
    raw[500] ^= 1
    data.write_bytes(raw)
    with pytest.raises(tf.errors.DataLossError, match=r"m\.data-00000-of-00001: checksum does not match: tensor 'b'"):
        saver.restore(sess, path)
    assert sess.run(a) == 5.0 and sess.run(tf.reduce_sum(b)) == 0
    data.unlink()
    with pytest.raises(tf.errors.NotFoundError, match="data-00000-of-00001"):
        saver.restore(sess, path)


def test_wrong_arguments(sess, tmp_path):
    with pytest.raises(ValueError, match="No variables to save"):
        tf.train.Saver()
    empty = tf.train.Saver(allow_empty=True)
    tf.constant(0)
    assert empty.save(sess, str(tmp_path / "m")) is None
    (a,) = initialized(sess, a=1.0)
    saver = tf.train.Saver()
    with pytest.raises(TypeError, match="'sess' must be a Session"):
        saver.save(None, str(tmp_path / "m"))
    with pytest.raises(ValueError, match="collides with 'save_path'"):
        saver.save(sess, str(tmp_path / "checkpoint"))
    with pytest.raises(ValueError, match="must not contain path components"):
        saver.save(sess, str(tmp_path / "m"), latest_filename="a/b")
    with pytest.raises(ValueError, match="Parent directory of .* doesn't exist, can't save"):
        saver.save(sess, "/no/such/folder/m")
    with pytest.raises(ValueError, match="The passed save_path is not a valid checkpoint: /no/such"):
        saver.restore(sess, "/no/such")
    with pytest.raises(ValueError, match="Can't load save_path when it is None"):
        saver.restore(sess, None)
    with pytest.raises(ValueError, match="will be restored with two names"):
        tf.train.Saver({"x": a, "y": a})
    with pytest.raises(ValueError, match="At least two variables have the same name: a"):
        tf.train.Saver([a, a])
    with pytest.raises(TypeError, match="Not a variable"):
        tf.train.Saver({"x": tf.constant(1.0)})
    with pytest.raises(RuntimeError, match="should be called before save if defer_build"):
        tf.train.Saver(defer_build=True).save(sess, "m")


def test_uninitialized_variables_cannot_be_saved(sess, tmp_path):
    tf.Variable(1.0, name="a")
    with pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized value a"):
        tf.train.Saver().save(sess, str(tmp_path / "m"))
    assert not list(tmp_path.iterdir())


def test_saves_and_restores_compile_nothing_and_values_settle_where_they_are_used(tmp_path):
    """Values of the host would be copied at every run."""
    program = """
import sys, numpy as np, evergraph as tf
v = tf.get_variable("v", initializer=np.arange(250_000, dtype=np.float32).reshape(500, 500))
parts = tf.get_variable("p", initializer=tf.ones([100_000]), partitioner=tf.fixed_size_partitioner(4))
y = tf.reduce_sum(tf.matmul(v, v))
saver = tf.train.Saver()
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for _ in range(3):
        path = saver.save(sess, sys.argv[1])
    for _ in range(3):
        saver.restore(sess, path)
    assert "jax" not in sys.modules
    values = [sess.run(y) for _ in range(3)]
    assert np.allclose(values, values[0])
    assert type(sess._state.variables["v"]) is not np.ndarray
    saver.restore(sess, path)
    assert np.allclose(sess.run(y), values[0])
    assert type(sess._state.variables["v"]) is not np.ndarray
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "m")], check=True)
