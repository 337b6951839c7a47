"""Graphs written with their collections, read back, frozen and cut."""

import numpy as np
import pytest

import evergraph as tf


def test_program_goes_on_from_its_files(tmp_path):
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None, 2], name="x")
        w = tf.Variable([[1.0], [2.0]], name="w")
        parts = tf.get_variable("p", [2, 1], partitioner=tf.fixed_size_partitioner(2))
        y = tf.add(tf.matmul(x, w), tf.reduce_sum(parts), name="y")
        tf.add_to_collection("train_op", tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_sum(y)))
        tf.add_to_collection("notes", "text")
        tf.add_to_collection("numbers", 3)
        tf.add_to_collection("floats", 0.5)
        sess.run(tf.global_variables_initializer())
        path = tf.train.Saver().save(sess, str(tmp_path / "m"), global_step=1)
        expected = sess.run(y, {x: [[1.0, 1.0]]})
    for scope in None, "imported":
        with tf.Graph().as_default(), tf.Session() as sess:
            saver = tf.train.import_meta_graph(path + ".meta", import_scope=scope)
            saver.restore(sess, path)
            prefix = f"{scope}/" if scope else ""
            feeds = {prefix + "x:0": [[1.0, 1.0]]}
            assert sess.run(prefix + "y:0", feeds) == expected
            names = [v.op.name for v in tf.trainable_variables()]
            assert names == [prefix + n for n in ("w", "p/part_0", "p/part_1")]
            assert tf.trainable_variables()[1]._get_save_slice_info().full_name == prefix + "p"
            sess.run(tf.get_collection("train_op"), feeds)
            assert sess.run(prefix + "y:0", feeds) < expected
            assert tf.get_collection("numbers") == [3] and tf.get_collection("floats") == [0.5]
            again = saver.save(sess, str(tmp_path / "again"))
        assert tf.train.checkpoint_exists(again)


def test_gradients_go_through_imported_branches_and_loops():
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [], name="x")
        y = tf.cond(x > 1, lambda: tf.while_loop(lambda i: i < 10, lambda i: i * x, [x]), lambda: x * 3)
        tf.identity(y, name="y")
        message = tf.train.export_meta_graph()
    with tf.Graph().as_default() as graph, tf.Session() as sess:
        tf.train.import_meta_graph(message)
        x, y = graph.get_tensor_by_name("x:0"), graph.get_tensor_by_name("y:0")
        (gradient,) = tf.gradients(y, x)
        assert sess.run([y, gradient], {x: 2.0}) == [16.0, 32.0]
        assert sess.run([y, gradient], {x: 0.5}) == [1.5, 3.0]
        assert len(tf.get_collection(tf.GraphKeys.COND_CONTEXT)) == 2


def test_scope_is_exported_with_its_unbound_inputs(tmp_path):
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.constant([[1.0, 2.0]], name="x")
        with tf.variable_scope("layer"):
            w = tf.get_variable("w", initializer=tf.constant([[3.0], [4.0]]))
            tf.matmul(x, w, name="y")
        message = tf.train.export_meta_graph(export_scope="layer")
        assert "$unbound_inputs_x" in message.collection_def["unbound_inputs"].bytes_list.value[0].decode()
        with tf.Graph().as_default(), pytest.raises(ValueError, match=r"unbound inputs: \$unbound_inputs_x"):
            tf.train.import_meta_graph(message)
        sess.run(tf.global_variables_initializer())
    with tf.Graph().as_default(), tf.Session() as sess:
        other = tf.constant([[10.0, 20.0]])
        tf.train.import_meta_graph(message, import_scope="new", input_map={"$unbound_inputs_x": other})
        sess.run(tf.global_variables_initializer())
        assert sess.run("new/y:0") == [[110.0]]


def test_scope_is_copied():
    from evergraph.training.meta_graph import copy_scoped_meta_graph

    with tf.Graph().as_default(), tf.Session() as sess:
        with tf.variable_scope("layer"):
            w = tf.get_variable("w", initializer=tf.constant([[3.0], [4.0]]))
            tf.reduce_sum(w, name="y")
        copied = copy_scoped_meta_graph("layer", "copy")
        assert list(copied) == ["w:0"] and copied["w:0"].op.name == "copy/w"
        sess.run(tf.global_variables_initializer())
        assert sess.run("copy/y:0") == 7.0
        with pytest.raises(ValueError, match="need to be different"):
            copy_scoped_meta_graph("layer", "layer")


def test_devices_savers_and_defaults_can_be_left_out(tmp_path):
    with tf.Graph().as_default():
        with tf.device("/cpu:0"):
            tf.Variable(1.0, name="v")
        tf.train.Saver(name="first")
        kept = tf.train.Saver(name="second")
        message = kept.export_meta_graph(
            str(tmp_path / "g.pbtxt"), as_text=True, clear_devices=True, clear_extraneous_savers=True,
            strip_default_attrs=True, save_debug_info=True,
        )  # fmt: skip
        assert all(not node.device for node in message.graph_def.node)
        assert not [n for n in message.graph_def.node if n.name.startswith("first/")]
        assert message.meta_info_def.stripped_default_attrs
        (variable,) = [n for n in message.graph_def.node if n.name == "v"]
        assert "container" not in variable.attr and "dtype" in variable.attr
        assert message.meta_info_def.tensorflow_version == "1.15.5"
        assert {op.name for op in message.meta_info_def.stripped_op_list.op} >= {"VariableV2", "SaveV2", "Assign"}
    assert (tmp_path / "g.debug").exists()
    with tf.Graph().as_default():
        tf.train.import_meta_graph(str(tmp_path / "g.pbtxt"))
        assert tf.global_variables()[0].op.get_attr("container") == b""
    with pytest.raises(OSError, match=r"no_such\.meta does not exist"):
        tf.train.import_meta_graph("no_such.meta")
    (tmp_path / "junk").write_text("junk {")
    with pytest.raises(OSError, match="Cannot parse file"):
        tf.train.import_meta_graph(str(tmp_path / "junk"))


def test_collections_of_unknown_things_are_left_out_with_a_warning(caplog):
    with tf.Graph().as_default():
        tf.add_to_collection("odd", object())
        tf.add_to_collection("mixed", "text")
        tf.add_to_collection("mixed", 3)
        message = tf.train.export_meta_graph()
    assert not message.collection_def
    assert "Issue encountered when serializing odd" in caplog.text


def test_variables_become_constants(tmp_path):
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.int32, [None], name="x")
        a = tf.get_variable("a", initializer=tf.constant([[1.0], [2.0], [3.0]]))
        b = tf.get_variable("b", initializer=tf.constant([[1.0], [2.0], [3.0]]), use_resource=True)
        y = tf.add(tf.nn.embedding_lookup(a, x) + b, tf.nn.embedding_lookup(b, x), name="y")
        sess.run(tf.global_variables_initializer())
        expected = sess.run(y, {x: [0, 2, 1]})
        frozen = tf.graph_util.convert_variables_to_constants(sess, sess.graph_def, ["y"])
        partly = tf.graph_util.convert_variables_to_constants(
            sess, sess.graph_def, ["y"], variable_names_blacklist=["a"]
        )
        kinds = {node.op for node in frozen.node}
        assert not kinds & {"VariableV2", "VarHandleOp", "ReadVariableOp", "ResourceGather"}
        assert {n.name for n in partly.node if n.op == "VariableV2"} == {"a"}
        tf.train.write_graph(frozen, str(tmp_path), "frozen.pb", as_text=False)
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.import_graph_def(tf.GraphDef.FromString((tmp_path / "frozen.pb").read_bytes()), name="")
        np.testing.assert_array_equal(sess.run("y:0", {"x:0": [0, 2, 1]}), expected)


def test_graph_is_frozen_from_files(tmp_path):
    from evergraph.training.freeze_graph import freeze_graph

    folder = str(tmp_path)
    with tf.Graph().as_default(), tf.Session() as sess:
        v = tf.Variable([1.0, 2.0], name="v")
        tf.multiply(v, 2.0, name="y")
        sess.run(tf.global_variables_initializer())
        path = tf.train.Saver().save(sess, folder + "/m")
        tf.train.write_graph(sess.graph, folder, "graph.pbtxt")
    with tf.Graph().as_default():
        freeze_graph(
            folder + "/graph.pbtxt",
            "",
            False,
            path,
            "y",
            "save/restore_all",
            "save/Const:0",
            folder + "/out.pb",
            True,
            "",
        )
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.import_graph_def(tf.GraphDef.FromString((tmp_path / "out.pb").read_bytes()))
        assert sess.run("import/y:0").tolist() == [2.0, 4.0]
    with tf.Graph().as_default(), pytest.raises(ValueError, match="doesn't exist"):
        freeze_graph(folder + "/graph.pbtxt", "", False, folder + "/no", "y", "", "", "", True, "")


def test_parts_of_graphs():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [3], name="x")
        y = tf.identity(tf.check_numerics(tf.exp(x, name="e"), "", name="checked"), name="i")
        tf.negative(y, name="out")
        tf.constant(1, name="apart")
    message = graph.as_graph_def()
    assert [n.name for n in tf.graph_util.extract_sub_graph(message, ["out"]).node] == ["x", "e", "checked", "i", "out"]
    with pytest.raises(AssertionError, match="nothing is not in graph"):
        tf.graph_util.extract_sub_graph(message, ["nothing"])
    with pytest.raises(TypeError, match="dest_nodes must be a list"):
        tf.graph_util.extract_sub_graph(message, "out")
    with pytest.raises(TypeError, match="must be a graph_pb2.GraphDef proto"):
        tf.graph_util.extract_sub_graph("out", ["out"])
    trimmed = tf.graph_util.remove_training_nodes(message, protected_nodes=["i"])
    assert [n.name for n in trimmed.node] == ["x", "e", "i", "out", "apart"]
    assert tf.graph_util.tensor_shape_from_node_def_name(graph, "x").as_list() == [3]
    assert tf.graph_util.must_run_on_cpu(graph.get_operation_by_name("apart"))
    assert not tf.graph_util.must_run_on_cpu(graph.get_operation_by_name("x"))
