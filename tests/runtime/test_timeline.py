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
