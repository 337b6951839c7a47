"""What a session does as its `ConfigProto`, and a run as its `RunOptions`, say."""

import warnings

import pytest

import evergraph as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def test_shapes_are_in_the_graph_def_if_asked_for():
    tf.constant([[1, 2]])
    asked = tf.ConfigProto(graph_options=tf.GraphOptions(infer_shapes=True))
    assert "_output_shapes" in tf.Session(config=asked).graph_def.node[0].attr
    assert "_output_shapes" not in tf.Session().graph_def.node[0].attr


def test_part_of_the_graph_that_was_run_is_given_if_asked_for():
    a = tf.constant(1, name="a")
    tf.constant(2, name="unused")
    metadata = tf.RunMetadata()
    with tf.Session() as sess:
        sess.run(a + 1, options=tf.RunOptions(output_partition_graphs=True), run_metadata=metadata)
        (part,) = metadata.partition_graphs
        assert [node.name for node in part.node] == ["a", "add/y", "add"]
        sess.run(a, run_metadata=metadata)
        assert not metadata.partition_graphs


def test_limit_of_a_server_holds_for_its_sessions():
    server = tf.train.Server.create_local_server(config=tf.ConfigProto(operation_timeout_in_ms=50))
    element = tf.FIFOQueue(1, tf.float32).dequeue()
    with tf.Session(server.target) as sess, pytest.raises(tf.errors.DeadlineExceededError):
        sess.run(element)


def test_second_interactive_session_is_warned_of(monkeypatch):
    monkeypatch.setattr(tf.InteractiveSession, "_active_session_count", 0)
    first = tf.InteractiveSession()
    with pytest.warns(UserWarning, match="An interactive session is already active"):
        second = tf.InteractiveSession()
    second.close()
    second.close()
    first.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tf.InteractiveSession().close()


def test_options_of_a_callable_are_those_of_its_runs():
    from evergraph.formats import messages

    y = tf.add(tf.placeholder(tf.float32, [], name="x"), 1.0, name="y")
    options = messages.CallableOptions(feed=["x:0"], fetch=[y.name])
    options.run_options.trace_level = tf.RunOptions.FULL_TRACE
    metadata = tf.RunMetadata()
    with tf.Session() as sess:
        assert sess._make_callable_from_options(options)(1.0, run_metadata=metadata) == [2.0]
    assert len(metadata.step_stats.dev_stats) == 1


@pytest.mark.parametrize("level", [tf.RunOptions.NO_TRACE, tf.RunOptions.FULL_TRACE])
def test_close_in_the_middle_of_a_run_with_options_cancels_it(level):
    v = tf.Variable(1.0)
    sess = tf.Session()
    sess.run(v.initializer)
    with tf.control_dependencies([tf.py_func(sess.close, [], [])]):
        doubled = v * 2.0
    with pytest.raises(tf.errors.CancelledError, match="closed"):
        sess.run(doubled, options=tf.RunOptions(trace_level=level), run_metadata=tf.RunMetadata())
