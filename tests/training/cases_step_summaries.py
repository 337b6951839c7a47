"""Summaries of `tf.compat.v2.summary` and `tf.contrib.summary`, recorded with TensorFlow 1.15. Python 3.7 reads this.

`run` gives what the op gives, the ops that were built, and what is in the event file.
"""

import glob
import os

import numpy as np

WAVES = np.sin(np.arange(20, dtype=np.float32)).reshape(2, 5, 2)


def in_scope(tf, build):
    with tf.name_scope("outer"):
        build()
        return build()


def recorded_if(tf, condition, build):
    with tf.compat.v2.summary.record_if(condition):
        return build()


def with_step(tf, step, build):
    tf.compat.v2.summary.experimental.set_step(step)
    made = build()
    tf.compat.v2.summary.experimental.set_step(None)
    return made


CASES = {
    "scalar": lambda tf, s: s.scalar("loss", tf.constant(2.5), step=3),
    "number": lambda tf, s: s.scalar("loss", 4, step=tf.constant(3, tf.int64), description="**x**"),
    "histogram": lambda tf, s: s.histogram("h", tf.constant(np.arange(20.0).reshape(4, 5) ** 2), step=1),
    "histogram_of_one_value": lambda tf, s: s.histogram("h", tf.constant([1, 1, 1]), step=1, buckets=4),
    "histogram_of_nothing": lambda tf, s: s.histogram("h", tf.zeros([0]), step=1, buckets=4),
    "image": lambda tf, s: s.image("im", tf.constant(np.arange(8.0, dtype=np.float32).reshape(2, 2, 1, 2) / 8), step=1),
    "one_image": lambda tf, s: s.image("im", tf.constant([[[[9], [200]]]] * 2, tf.uint8), step=1, max_outputs=1),
    "no_image": lambda tf, s: s.image("im", tf.zeros([0, 1, 1, 3]), step=1),
    "audio": lambda tf, s: s.audio("a", tf.constant(WAVES), 8000, step=1),
    "text": lambda tf, s: s.text("t", tf.constant(["a", "b"]), step=1),
    "write": lambda tf, s: in_scope(tf, lambda: s.write("tag", tf.constant([1, 2]), step=5, name="w")),
    "scope": lambda tf, s: in_scope(tf, lambda: s.scalar("lo ss", tf.constant(1.0), step=1)),
    "raw": lambda tf, s: s.experimental.write_raw_pb(tf.constant([b"\n\x08\n\x01z\x15\x00\x00\x00@"]), step=2),
    "not_recorded": lambda tf, s: recorded_if(tf, False, lambda: s.scalar("x", tf.constant(1.0), step=1)),
    "perhaps": lambda tf, s: recorded_if(
        tf, tf.placeholder_with_default(True, []), lambda: s.scalar("x", tf.constant(1.0), step=1)
    ),
    "step_set": lambda tf, s: with_step(tf, 9, lambda: s.scalar("x", tf.constant(1.0))),
}


def always(tf, *builds):
    with tf.contrib.summary.always_record_summaries():
        return [build() for build in builds]


def every(tf, n, step, build):
    with tf.contrib.summary.record_summaries_every_n_global_steps(n, global_step=step):
        return build()


def event(tf):
    return tf.Event(step=7, summary=tf.Summary(value=[tf.Summary.Value(tag="z", simple_value=2.0)]))


# Of `tf.contrib.summary`; the global step is there.
CONTRIB = {
    "contrib_scalar": lambda tf, s: always(tf, lambda: s.scalar("loss", tf.constant(2.5))),
    "contrib_family": lambda tf, s: always(
        tf,
        lambda: in_scope(tf, lambda: s.scalar("loss", 2.5, family="fam", step=4)),
        lambda: s.scalar("loss", 2.5, family="fam", step=tf.constant(5, tf.int64)),
    ),
    "contrib_all": lambda tf, s: always(
        tf,
        lambda: s.generic("g", tf.constant([1, 2])),
        lambda: s.generic("g2", tf.constant(["a"]), metadata=tf.SummaryMetadata(display_name="x")),
        lambda: s.histogram("h", tf.constant([1.0, 2.0, 3.0])),
        lambda: s.image("i", tf.zeros([1, 2, 2, 3])),
        lambda: s.audio("a", tf.zeros([1, 10]), 100.0, 1),
    ),
    "contrib_graph": lambda tf, s: always(tf, lambda: s.graph(tf.constant(b""), step=1)),
    "contrib_import": lambda tf, s: always(tf, lambda: s.import_event(tf.constant(event(tf).SerializeToString()))),
    "contrib_every": lambda tf, s: every(tf, 2, None, lambda: s.scalar("x", 1.0)),
    "contrib_every_step": lambda tf, s: every(
        tf, 3, tf.Variable(4, dtype=tf.int64), lambda: s.scalar("x", 1.0, step=8)
    ),
    "contrib_default": lambda tf, s: [s.scalar("x", 1.0), s.should_record_summaries()],
}


def run(tf, name, folder):
    old = name in CONTRIB
    summary = tf.contrib.summary if old else tf.compat.v2.summary
    with tf.Graph().as_default() as graph, tf.Session() as session:
        if old:
            tf.train.get_or_create_global_step()
        writer = summary.create_file_writer(folder)
        with writer.as_default():
            made = (CONTRIB if old else CASES)[name](tf, summary)
        session.run([writer.init(), tf.global_variables_initializer()])
        value = repr(session.run(made)).replace("np.", "")
        session.run(writer.flush())
        ops = [[op.name, op.type] for op in graph.get_operations()]
        session.run(writer.close())
    events = []
    for path in glob.glob(os.path.join(folder, "*")):
        for event in tf.train.summary_iterator(path):
            for v in event.summary.value:
                kept = v.tensor if v.HasField("tensor") else None
                what = v.simple_value if kept is None else str(tf.make_ndarray(kept).tolist())
                events.append([event.step, v.tag, what, v.metadata.SerializeToString().decode("latin1")])
    return {"value": value, "ops": ops, "events": sorted(events, key=lambda entry: (entry[0], entry[1]))}
