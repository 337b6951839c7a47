"""A traced run becomes a Chrome trace."""

import json

import evergraph as tf
from evergraph.runtime.timeline import Timeline


def test_a_trace_names_the_ops_their_times_and_what_they_take():
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.constant([[1.0, 2.0]], name="x")
        y = tf.matmul(x, x, transpose_b=True, name="y")
        z = tf.negative(y, name="z")
        metadata = tf.RunMetadata()
        options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
        assert session.run(z, options=options, run_metadata=metadata).tolist() == [[-5.0]]
    events = json.loads(Timeline(metadata.step_stats).generate_chrome_trace_format())["traceEvents"]
    assert events[0]["ph"] == "M" and events[0]["args"]["name"].endswith("CPU:0 Compute")
    ops = {event["args"]["name"]: event for event in events if event["ph"] == "X"}
    assert ops["y"]["name"] == "MatMul" and ops["y"]["args"]["input0"] == "x"
    assert ops["z"]["args"]["input0"] == "y"
    assert ops["y"]["ts"] <= ops["z"]["ts"] and ops["y"]["dur"] >= 1
    assert {event["ph"] for event in events} == {"M", "X", "s", "t"}
    without = json.loads(Timeline(metadata.step_stats).generate_chrome_trace_format(show_dataflow=False))
    assert {event["ph"] for event in without["traceEvents"]} == {"M", "X"}


def test_a_trace_tells_shapes_and_bytes():
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder_with_default([[1.0, 2.0]], [None, 2], name="x")
        v = tf.Variable(tf.zeros([2, 3]), name="v")
        y = tf.matmul(x, v, name="y")
        same = tf.identity(y, name="same")
        session.run(v.initializer)
        metadata = tf.RunMetadata()
        options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
        session.run([same, tf.assign_add(v, tf.ones([2, 3]), name="add")], None, options, metadata)
    (device,) = metadata.step_stats.dev_stats
    stats = {node.node_name: node for node in device.node_stats}
    made = stats["y"].output[0].tensor_description
    assert [d.size for d in made.shape.dim] == [1, 3]
    assert made.allocation_description.requested_bytes == stats["y"].memory[0].total_bytes == 12
    assert stats["same"].output[0].tensor_description.allocation_description.requested_bytes == 12
    assert stats["same"].memory[0].total_bytes == 0  # handed on
    assert [d.size for d in stats["add"].output[0].tensor_description.shape.dim] == [2, 3]
