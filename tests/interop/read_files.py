"""Run by a Python that has TensorFlow 1.15 or 2: reads a folder of files and writes what it saw.

python read_files.py FOLDER: for `values.npz` of what is in each checkpoint, fails at the first difference.
"""

import glob
import os
import sys

import numpy as np
import tensorflow

tf = tensorflow.compat.v1
tf.disable_eager_execution()
FOLDER = sys.argv[1]


def bits(array):
    return array.shape, array.tobytes()


def check_checkpoints():
    values = dict(np.load(os.path.join(FOLDER, "values.npz")))
    for prefix in sorted(glob.glob(os.path.join(FOLDER, "*.ckpt.index"))):
        name = os.path.basename(prefix)[: -len(".ckpt.index")]
        reader = tf.train.NewCheckpointReader(prefix[: -len(".index")])
        expected = {k.split("|", 1)[1]: v for k, v in values.items() if k.startswith(name + "|")}
        shapes = reader.get_variable_to_shape_map()
        names = set(shapes) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
        assert not expected or set(expected) == names, (name, sorted(names))
        for key, value in expected.items():
            seen = np.asarray(reader.get_tensor(key))
            if value.dtype.kind == "U":  # strings, in hexadecimal
                assert [text.hex() for text in seen.ravel().tolist()] == value.ravel().tolist(), (name, key)
            else:
                assert bits(seen) == bits(value), (name, key)
    for path in glob.glob(os.path.join(FOLDER, "*.v1")):
        expected = {k.split("|", 1)[1]: v for k, v in values.items() if k.startswith("v1|")}
        with tf.Graph().as_default(), tf.Session() as sess:  # NewCheckpointReader has no parts in this format
            for key, value in expected.items():
                seen = tf.raw_ops.RestoreV2(
                    prefix=path, tensor_names=[key], shape_and_slices=[""], dtypes=[tf.as_dtype(value.dtype)]
                )
                assert np.array_equal(sess.run(seen)[0], value), key


def check_graph():
    """The saved program goes on here: graph, variables, gradients through its loop."""
    with tf.Graph().as_default() as graph, tf.Session() as sess:
        saver = tf.train.import_meta_graph(os.path.join(FOLDER, "program.ckpt.meta"))
        saver.restore(sess, os.path.join(FOLDER, "program.ckpt"))
        outputs = np.load(os.path.join(FOLDER, "outputs.npz"))
        for name in "y:0", "loss:0":
            np.testing.assert_allclose(sess.run(name, {"x:0": [[1.0, 2.0]]}), outputs[name], rtol=1e-6)
        loss = graph.get_tensor_by_name("loss:0")
        (gradient,) = tf.gradients(loss, graph.get_tensor_by_name("x:0"))
        np.testing.assert_allclose(sess.run(gradient, {"x:0": [[1.0, 2.0]]}), outputs["gradient:0"], rtol=1e-5)
        assert [v.op.name for v in tf.trainable_variables()] == ["w", "parts/part_0", "parts/part_1", "r"]


def check_saved_model():
    with tf.Graph().as_default(), tf.Session() as sess:
        meta = tf.saved_model.load(sess, ["serve"], os.path.join(FOLDER, "saved_model"))
        signature = meta.signature_def["serving_default"]
        value = sess.run(signature.outputs["y"].name, {signature.inputs["x"].name: [[1.0, 2.0]]})
        np.testing.assert_allclose(value, np.load(os.path.join(FOLDER, "outputs.npz"))["y:0"], rtol=1e-6)


def check_objects():
    with tf.Graph().as_default(), tf.Session() as sess:
        v = tf.get_variable("another_name", shape=[2], use_resource=True)
        optimizer = tf.train.MomentumOptimizer(0.1, 0.9)
        optimizer.minimize(tf.reduce_sum(v * v))
        checkpoint = tf.train.Checkpoint(v=v, optimizer=optimizer)
        checkpoint.listed = [tf.get_variable("l", shape=[])]
        checkpoint.restore(os.path.join(FOLDER, "objects.ckpt")).assert_consumed().run_restore_ops(sess)
        values = np.load(os.path.join(FOLDER, "values.npz"))
        slot = optimizer.get_slot(v, "momentum")
        np.testing.assert_array_equal(sess.run(v), values["objects|v/.ATTRIBUTES/VARIABLE_VALUE"])
        assert (
            sess.run(slot).tolist()
            == values["objects|v/.OPTIMIZER_SLOT/optimizer/momentum/.ATTRIBUTES/VARIABLE_VALUE"].tolist()
        )


def check_saved_objects():
    """The functions of a saved object, as functions of Python: loaded in TensorFlow 1.15's graph mode, and in 2's."""
    load = tf.saved_model.load_v2 if hasattr(tf.saved_model, "load_v2") else tensorflow.saved_model.load
    path = os.path.join(FOLDER, "saved_object")
    with tf.Graph().as_default(), tf.Session() as sess:
        model = load(path)
        y = model(tf.ones([1, 2]))
        signed = model.signatures["serving_default"](rows=tf.ones([1, 2]))["output_0"]
        scaled = model.inner.scaled(tf.ones([2]))
        (gradient,) = tf.gradients(y, model.by)
        sess.run(tf.global_variables_initializer())
        for value in sess.run([y, signed]):
            np.testing.assert_array_equal(value, [[3.0, 4.0]])
        np.testing.assert_array_equal(sess.run(scaled)["y"], [5.0, 5.0])
        np.testing.assert_array_equal(sess.run(gradient), [1.0, 1.0])


def check_saved_tables():
    """Tables and files of saved objects, once those are no longer where they were; and a graph loaded as an object."""
    load = tf.saved_model.load_v2 if hasattr(tf.saved_model, "load_v2") else tensorflow.saved_model.load
    expected = {"table": [1, -1, -1], "numbered": [3, 0, 3], "plain": [-1, 0, -1]}
    words = ["two", "a", "?"]
    for name in "saved_tables", "saved_tables_again":
        path = os.path.join(FOLDER, name)
        with tf.Graph().as_default(), tf.Session() as sess:
            model = load(path)
            found = model.look_up(tf.constant(words))
            plus = model.plus(x=tf.constant(3))
            sess.run(tf.tables_initializer())
            values, three = sess.run([found, plus])
            assert values.pop("text") == b"one\ntwo\n" and three == 4
            assert {key: value.tolist() for key, value in values.items()} == expected
        with tf.Graph().as_default(), tf.Session() as sess:
            signature = tf.saved_model.load(sess, ["serve"], path).signature_def["serving_default"]
            names = {key: signature.outputs[key].name for key in expected}
            values = sess.run(names, {signature.inputs["words"].name: words})
            assert {key: value.tolist() for key, value in values.items()} == expected
    with tf.Graph().as_default(), tf.Session() as sess:
        model = load(os.path.join(FOLDER, "saved_graph"))
        y = model.signatures["serving_default"](x=tf.constant([1.0, 2.0]))["y"]
        sess.run(tf.global_variables_initializer())
        np.testing.assert_array_equal(sess.run(y), [9.0, 18.0])


def check_events():
    (path,) = glob.glob(os.path.join(FOLDER, "events.out.tfevents.*"))
    events = list(tf.train.summary_iterator(path))
    assert events[0].file_version == "brain.Event:2"
    assert [e.step for e in events if e.HasField("summary")] == [0, 1, 2]
    tags = [v.tag for v in events[-1].summary.value]
    assert tags == ["loss", "weights", "picture/image", "sound/audio", "words"], tags
    graphs = [tf.GraphDef.FromString(e.graph_def) for e in events if e.HasField("graph_def")]
    assert len(graphs) == 1 and len(graphs[0].node) > 5


def check_records():
    for name, kind in (("records", ""), ("records.gz", "GZIP"), ("records.zlib", "ZLIB")):
        options = tf.python_io.TFRecordOptions(kind)
        assert list(tf.python_io.tf_record_iterator(os.path.join(FOLDER, name), options)) == [
            b"",
            b"one",
            b"x" * 100000,
        ]


if __name__ == "__main__":
    tf.logging.set_verbosity(tf.logging.ERROR)
    for check in (
        check_checkpoints, check_graph, check_saved_model, check_objects, check_saved_objects, check_saved_tables,
        check_events, check_records,
    ):  # fmt: skip
        check()
        print("ok", check.__name__)
