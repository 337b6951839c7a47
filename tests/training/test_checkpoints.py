"""Looking into checkpoints, initializing from them, and the `checkpoint` file."""

import numpy as np
import pytest

import evergraph as tf


@pytest.fixture
def saved(tmp_path):
    """A checkpoint of a few variables: its name."""
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.Variable([1.0, 2.0], name="a")
        with tf.variable_scope("scope"):
            tf.get_variable("b", initializer=tf.constant([[3, 4]]))
            tf.get_variable("p", initializer=tf.range(6.0), partitioner=tf.fixed_size_partitioner(2))
        tf.Variable(b"text", name="s")
        sess.run(tf.global_variables_initializer())
        return tf.train.Saver().save(sess, str(tmp_path / "m"), write_meta_graph=False)


def test_reader_lists_and_reads(saved, tmp_path):
    reader = tf.train.NewCheckpointReader(saved)
    assert reader.get_variable_to_shape_map() == {"a": [2], "scope/b": [1, 2], "scope/p": [6], "s": []}
    assert reader.get_variable_to_dtype_map() == {
        "a": tf.float32, "scope/b": tf.int32, "scope/p": tf.float32, "s": tf.string
    }  # fmt: skip
    assert reader.has_tensor("a") and not reader.has_tensor("b")
    assert reader.get_tensor("s") == b"text"
    assert reader.get_tensor("scope/p").tolist() == list(range(6))
    value = reader.get_tensor("a")
    value += 1  # it is the caller's own
    assert reader.debug_string() == (
        b"a (DT_FLOAT) [2]\ns (DT_STRING) []\nscope/b (DT_INT32) [1,2]\nscope/p (DT_FLOAT) [6]\n"
    )
    with pytest.raises(tf.errors.NotFoundError, match=r"Key scope/c not found in checkpoint .*there are scope/"):
        reader.get_tensor("scope/c")
    assert tf.train.list_variables(str(tmp_path)) == [("a", [2]), ("s", []), ("scope/b", [1, 2]), ("scope/p", [6])]
    assert tf.train.load_variable(str(tmp_path), "scope/b:0").tolist() == [[3, 4]]
    with pytest.raises(tf.errors.NotFoundError, match="Failed to find any matching files for /no/such"):
        tf.train.load_checkpoint("/no/such")
    with pytest.raises(ValueError, match="Couldn't find 'checkpoint' file"):
        tf.train.load_checkpoint(str(tmp_path.parent))


@pytest.mark.parametrize("use_resource", [False, True])
def test_variables_are_initialized_from_a_checkpoint(saved, use_resource):
    with tf.Graph().as_default(), tf.Session() as sess:
        with tf.variable_scope("mine", use_resource=use_resource):
            a = tf.get_variable("a", [2])
            b = tf.get_variable("x/b", [1, 2], tf.int32)
            p = tf.get_variable("x/p", [6], partitioner=tf.fixed_size_partitioner(3))
        tf.train.init_from_checkpoint(saved, {"a": a, "scope/": "mine/x/"})
        sess.run(tf.global_variables_initializer())
        assert sess.run(a).tolist() == [1, 2] and sess.run(b).tolist() == [[3, 4]]
        assert sess.run(tf.convert_to_tensor(p)).tolist() == list(range(6))
        with pytest.raises(ValueError, match="Tensor c is not found in"):
            tf.train.init_from_checkpoint(saved, {"c": a})
        with pytest.raises(ValueError, match=r"Shape of variable mine/a:0 \(\(2,\)\) doesn't match"):
            tf.train.init_from_checkpoint(saved, {"scope/b": a})
        with pytest.raises(ValueError, match="should map to scope only"):
            tf.train.init_from_checkpoint(saved, {"scope": "mine/"})


def test_warm_start_renames_and_follows_vocabularies(tmp_path):
    (tmp_path / "old").write_text("apple\nbanana\ncherry\n")
    (tmp_path / "new").write_text("cherry\ndate\napple\n")
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.get_variable("words", initializer=tf.constant([[1.0], [2.0], [3.0]]))
        tf.get_variable("before", initializer=tf.constant([7.0]))
        sess.run(tf.global_variables_initializer())
        path = tf.train.Saver().save(sess, str(tmp_path / "m"))
    with tf.Graph().as_default(), tf.Session() as sess:
        words = tf.get_variable("words", [4, 1], partitioner=tf.fixed_size_partitioner(2))
        after = tf.get_variable("after", [1])
        info = tf.train.VocabInfo(
            str(tmp_path / "new"), 3, 1, str(tmp_path / "old"), backup_initializer=tf.ones_initializer()
        )
        tf.train.warm_start(path, var_name_to_vocab_info={"words": info}, var_name_to_prev_var_name={"after": "before"})
        sess.run(tf.global_variables_initializer())
        assert sess.run(tf.convert_to_tensor(words)).tolist() == [[3.0], [1.0], [1.0], [1.0]]
        assert sess.run(after) == [7.0]
        with pytest.raises(ValueError, match="var_name_to_prev_var_name that were not used: {'nothing'}"):
            tf.train.warm_start(path, "after", var_name_to_prev_var_name={"after": "before", "nothing": "x"})
    with pytest.raises(ValueError, match="The only supported values for the axis argument are 0 and 1"):
        tf.train.VocabInfo("a", 1, 0, "b", axis=2)


def test_state_file_is_read_and_written(saved, tmp_path):
    directory = str(tmp_path)
    tf.train.update_checkpoint_state(
        directory, saved, [directory + "/x", saved], all_model_checkpoint_timestamps=[1.0, 2.0]
    )
    state = tf.train.get_checkpoint_state(directory)
    assert state.model_checkpoint_path == saved
    assert list(state.all_model_checkpoint_paths) == [directory + "/x", saved]
    assert list(state.all_model_checkpoint_timestamps) == [1.0, 2.0]
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "m"')
    assert tf.train.latest_checkpoint(directory) == saved
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "gone"')
    assert tf.train.latest_checkpoint(directory) is None
    (tmp_path / "checkpoint").write_text("junk {")
    assert tf.train.get_checkpoint_state(directory) is None
    (tmp_path / "checkpoint").write_text("")
    with pytest.raises(ValueError, match="Invalid checkpoint state loaded from"):
        tf.train.get_checkpoint_state(directory)
    with pytest.raises(ValueError, match="must match checkpoint paths"):
        tf.train.update_checkpoint_state(directory, saved, all_model_checkpoint_timestamps=[1.0, 2.0])
    with pytest.raises(RuntimeError, match="conflicts with path used for checkpoint state"):
        tf.train.update_checkpoint_state(directory, directory + "/checkpoint")
    assert len(tf.train.get_checkpoint_mtimes([saved, "/no/such"])) == 1
    tf.train.remove_checkpoint(saved)
    assert not tf.train.checkpoint_exists(saved)


def test_checkpoints_come_as_they_are_written(saved, tmp_path):
    found = tf.train.checkpoints_iterator(str(tmp_path), timeout=0)
    assert next(found) == saved
    assert list(found) == []
    asked = []
    assert (
        list(
            tf.train.checkpoints_iterator(
                str(tmp_path / "none"), timeout=0, timeout_fn=lambda: asked.append(1) or len(asked) > 2
            )
        )
        == []
    )
    assert len(asked) == 3


def test_record_files(tmp_path):
    path = str(tmp_path / "r")
    for options in None, "GZIP", tf.python_io.TFRecordOptions(tf.python_io.TFRecordCompressionType.ZLIB):
        with tf.python_io.TFRecordWriter(path, options) as writer:
            writer.write(b"one")
            writer.write("zw\u00f6lf")
        read = tf.python_io.tf_record_iterator(
            path, tf.python_io.TFRecordOptions(options) if options == "GZIP" else options
        )
        assert list(read) == [b"one", "zw\u00f6lf".encode()]
        with pytest.raises(tf.errors.FailedPreconditionError):
            writer.write(b"more")
    with pytest.raises(tf.errors.NotFoundError):
        next(tf.python_io.tf_record_iterator("/no/such"))
    with pytest.raises(ValueError, match='Not a valid compression_type: "BZ2"'):
        tf.io.TFRecordOptions("BZ2")


def test_matrices_are_remapped(tmp_path):
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.Variable(np.arange(12, dtype=np.float32).reshape(4, 3), name="m")
        sess.run(tf.global_variables_initializer())
        path = tf.train.Saver().save(sess, str(tmp_path / "m"))
        for at_once in -1, 1, 2:
            out = tf.raw_ops.LoadAndRemapMatrix(
                ckpt_path=path,
                old_tensor_name="m",
                row_remapping=np.array([3, -1, 0], np.int64),
                col_remapping=np.array([2, -1], np.int64),
                initializing_values=np.array([10.0, 20.0, 30.0, 40.0], np.float32),
                num_rows=3,
                num_cols=2,
                max_rows_in_memory=at_once,
            )
            assert sess.run(out).tolist() == [[11, 10], [20, 30], [2, 40]]
