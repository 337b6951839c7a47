"""Graphs whose constants pass what a message can hold, tried with a low limit."""

import os
import subprocess
import sys

import numpy as np
import pytest

import evergraph as tf
from evergraph.formats import large_constants

BIG = np.arange(40_000, dtype=np.float32).reshape(200, 200)


@pytest.fixture(autouse=True)
def low_limit(monkeypatch):
    monkeypatch.setattr(large_constants, "LIMIT", 200_000)


@pytest.fixture
def graph():
    with tf.Graph().as_default() as made:
        big = tf.constant(BIG, name="big")
        again = tf.constant(BIG.astype(np.float16).view(np.uint16), name="half")
        small = tf.constant([1.0, 2.0], name="small")
        tf.add(tf.reduce_sum(big) + tf.reduce_sum(tf.cast(again, tf.float32)), small, name="y")
        yield made


EXPECTED = BIG.sum() + BIG.astype(np.float16).view(np.uint16).astype(np.float32).sum() + np.array([1, 2], np.float32)


def value_of_y(graph):
    with tf.Session(graph=graph) as sess:
        return sess.run("y:0")


def test_message_of_such_a_graph_is_small_and_imports_in_the_same_process(graph):
    message = graph.as_graph_def()
    assert message.ByteSize() < 2_000
    with tf.Graph().as_default() as other:
        tf.import_graph_def(type(message).FromString(message.SerializeToString()), name="")
    assert np.allclose(value_of_y(other), EXPECTED)
    assert other.get_operation_by_name("big").get_attr("value").tensor_content == BIG.tobytes()
    assert large_constants.MARK not in other.get_operation_by_name("big").node_def.attr


def test_message_of_a_smaller_graph_is_as_ever(graph, monkeypatch):
    monkeypatch.setattr(large_constants, "LIMIT", 10**9)
    assert graph.as_graph_def().node[0].attr["value"].tensor.tensor_content == BIG.tobytes()


@pytest.mark.parametrize("as_text", [False, True])
def test_meta_graph_file_is_read_by_another_process_where_it_was_moved_to(graph, tmp_path, as_text):
    (tmp_path / "a").mkdir()
    tf.train.export_meta_graph(str(tmp_path / "a" / "m.meta"), as_text=as_text)
    assert os.path.getsize(tmp_path / "a" / "m.meta") < 10_000 + 30_000 * as_text
    (tmp_path / "a").rename(tmp_path / "b")
    program = (
        "import sys, evergraph as tf\n"
        "tf.train.import_meta_graph(sys.argv[1])\n"
        "with tf.Session() as sess: print(sess.run('y:0').tolist())"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "b" / "m.meta")], capture_output=True, text=True, check=True
    )
    assert np.allclose(eval(printed.stdout), EXPECTED)


def test_written_graph_imports_after_plain_parsing(graph, tmp_path):
    path = tf.train.write_graph(graph, str(tmp_path), "g.pb", as_text=False)
    with open(path, "rb") as file:
        message = tf.GraphDef.FromString(file.read())
    with tf.Graph().as_default() as other:
        tf.import_graph_def(message, name="")
    assert np.allclose(value_of_y(other), EXPECTED)
    tf.train.write_graph(message, str(tmp_path / "again"), "g.pbtxt")  # what was read is written anew
    assert (tmp_path / "again" / "g.pbtxt.constants.index").exists()
    for name in os.listdir(tmp_path):
        if ".constants" in name:
            os.remove(tmp_path / name)
    with tf.Graph().as_default(), pytest.raises(ValueError, match=r"'big' of shape \[200, 200\] is not in .*constants"):
        tf.import_graph_def(message, name="")


def test_saved_model_holds_variables_and_large_constants(graph, tmp_path):
    with tf.Session() as sess:
        v = tf.Variable(3.0, name="v")
        y = tf.multiply(graph.get_tensor_by_name("y:0"), v, name="z")
        sess.run(v.initializer)
        folder = str(tmp_path / "model")
        tf.saved_model.simple_save(sess, folder, {"s": graph.get_tensor_by_name("small:0")}, {"z": y})
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.saved_model.load(sess, ["serve"], folder)
        assert np.allclose(sess.run("z:0"), EXPECTED * 3)


def test_frozen_variables_are_kept_apart(tmp_path):
    with tf.Graph().as_default(), tf.Session() as sess:
        v = tf.get_variable("v", initializer=np.concatenate([BIG, BIG]))
        tf.reduce_sum(v, name="sum")
        sess.run(v.initializer)
        frozen = tf.graph_util.convert_variables_to_constants(sess, sess.graph_def, ["sum"])
    assert frozen.ByteSize() < 2_000
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.import_graph_def(frozen, name="")
        assert np.allclose(sess.run("sum:0"), 2 * BIG.sum())


def test_value_that_is_gone_is_explained(graph):
    message = graph.as_graph_def()
    message.node[0].attr[large_constants.MARK].s = b"elsewhere-0@"
    with tf.Graph().as_default(), pytest.raises(ValueError, match="Write the graph with tf.train.write_graph"):
        tf.import_graph_def(message)
    message.node[0].attr[large_constants.MARK].s = b"\xff@\xfe"
    with tf.Graph().as_default(), pytest.raises(ValueError, match="'big'"):
        tf.import_graph_def(message)


def test_message_that_is_too_large_is_refused_with_its_size(tmp_path, monkeypatch):
    monkeypatch.setattr(large_constants, "MESSAGE_LIMIT", 1_000)
    message = tf.GraphDef()
    message.node.add(name="n" * 2_000, op="NoOp")
    with pytest.raises(ValueError, match="GraphDef of 20.. bytes cannot be written"):
        tf.train.write_graph(message, str(tmp_path), "g.pb", as_text=False)
    assert not os.listdir(tmp_path)
