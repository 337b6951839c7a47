"""SavedModels of objects: TensorFlow 2's are loaded, ours are read back as objects and as graphs."""

import contextlib
import inspect
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evergraph as tf
from evergraph.formats import messages
from evergraph.training.saved_model import structures

pytestmark = pytest.mark.usefixtures("graph")

OF_TF2 = str(Path(__file__).with_name("recordings") / "objects_of_tf2")


def initialize(sess):
    sess.run([tf.global_variables_initializer(), tf.tables_initializer()])


def test_module_of_tensorflow_2_is_loaded(sess):
    model = tf.saved_model.load_v2(OF_TF2)
    y = model(tf.ones([1, 3]))
    assert y.shape.as_list() == [None, 2]
    looked_up = model.look_up(tf.constant(["two", "three"]))
    x = tf.constant([1.0, 2.0])
    scaled, training = model.scaled(x), model.scaled(x, True, by=2.0)
    (gradient,) = tf.gradients(y, model.w)
    initialize(sess)
    np.testing.assert_array_equal(sess.run(y), [[21.0, 33.0]])
    assert sess.run(looked_up)["ids"].tolist() == [1, -1]
    assert sess.run(scaled)["y"].tolist() == [3.0, 6.0]
    assert [p.tolist() for p in sess.run([training["y"], scaled["parts"][1][0]])] == [[2.0, 4.0], [2.0, 3.0]]
    np.testing.assert_array_equal(sess.run(gradient), np.full([3, 2], 3.0))
    assert [sess.run(model.count()) for _ in range(2)] == [4.0, 5.0]
    assert [v.op.name for v in tf.trainable_variables()] == ["w", "bias"]
    assert sess.run(model.listed[0]) == 5.0 and list(model.named) == ["bias"]


def test_signatures_take_tensors_by_keyword(sess):
    signatures = tf.saved_model.load_v2(OF_TF2, tags=["serve"]).signatures
    assert sorted(signatures) == ["look_up", "serving_default"]
    y = signatures["serving_default"](x=[[1.0, 1.0, 1.0]])
    initialize(sess)
    assert sess.run(y)["output_0"].tolist() == [[21.0, 33.0]]
    with pytest.raises(TypeError, match=r"takes \['x'\]; missing: \['x'\], not known: \['z'\]"):
        signatures["serving_default"](z=[[1.0]])
    with pytest.raises(TypeError, match=r"the argument 'x' of the signature is TensorSpec"):
        signatures["serving_default"](x=[[1.0]])


def test_arguments_that_no_function_takes_are_named_with_those_there_are():
    model = tf.saved_model.load_v2(OF_TF2)
    with pytest.raises(ValueError, match=r"(?s)Could not find matching function.*Option 1: .*shape=\(\?, 3\)"):
        model(tf.ones([1, 4]))
    with pytest.raises(TypeError, match="'x' is missing"):
        model.scaled()
    with pytest.raises(ValueError, match="incompatible argument"):
        tf.saved_model.load_v2(OF_TF2, tags=["train"])


def test_loaded_functions_have_the_arguments_of_the_saved_ones():
    model = tf.saved_model.load_v2(OF_TF2)
    assert str(inspect.signature(model.scaled)) == "(x, training=False, by=2.0)"
    assert str(inspect.signature(model.look_up)) == "(words)"


def test_two_loads_do_not_meet(sess):
    first, second = tf.saved_model.load_v2(OF_TF2), tf.saved_model.load_v2(OF_TF2)
    total = first.count()
    initialize(sess)
    assert sess.run(total) == 4.0
    assert sess.run([first.listed[0], second.listed[0]]) == [4.0, 3.0]


class Scale(tf.Module):
    def __init__(self):
        super().__init__()
        self.by = tf.get_variable("by", initializer=np.float32([2, 3]), use_resource=True)
        self.inner = [tf.Module(), {"count": tf.get_variable("count", initializer=7, use_resource=True)}]
        self.one = tf.constant(1.0)

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, "rows")])
    def __call__(self, x):
        return x * self.by + self.one

    @tf.function
    def times(self, x, n=2.0):
        return {"all": x * n, "kept": self.by.assign(self.by * n)}


def saved(sess, folder, **kwargs):
    model = Scale()
    model.times(tf.ones([2]))
    sess.run(tf.global_variables_initializer())
    with sess.as_default():
        tf.saved_model.save(model, folder, **kwargs)


def test_saved_object_comes_back(sess, tmp_path):
    saved(sess, str(tmp_path / "m"))
    with tf.Graph().as_default(), tf.Session() as other:
        model = tf.saved_model.load_v2(str(tmp_path / "m"))
        y, signed = model(tf.ones([1, 2])), model.signatures["serving_default"](rows=tf.ones([1, 2]))
        times = model.times(tf.ones([2]))
        other.run(tf.global_variables_initializer())
        assert other.run([y, signed["output_0"]])[1].tolist() == [[3.0, 4.0]]
        assert other.run(y).tolist() == [[3.0, 4.0]]
        assert [v.tolist() for v in other.run([times["all"], times["kept"]])] == [[2.0, 2.0], [4.0, 6.0]]
        assert other.run(model.inner[1]["count"]) == 7
        with other.as_default():
            tf.saved_model.save(model, str(tmp_path / "again"))
    with tf.Graph().as_default(), tf.Session() as third:
        y = tf.saved_model.load_v2(str(tmp_path / "again"))(tf.ones([1, 2]))
        third.run(tf.global_variables_initializer())
        assert third.run(y).tolist() == [[5.0, 7.0]]


def test_saved_object_is_a_graph_with_signatures_too(sess, tmp_path):
    saved(sess, str(tmp_path / "m"))
    with tf.Graph().as_default(), tf.Session() as other:
        found = tf.saved_model.load(other, ["serve"], str(tmp_path / "m")).signature_def["serving_default"]
        assert list(found.inputs) == ["rows"] and found.method_name == "tensorflow/serving/predict"
        y = other.run(found.outputs["output_0"].name, {found.inputs["rows"].name: [[1.0, 2.0]]})
        assert y.tolist() == [[3.0, 7.0]]


def test_what_cannot_be_saved_is_refused(sess, tmp_path):
    model = tf.train.Checkpoint()
    untracked = tf.get_variable("untracked", initializer=1.0, use_resource=True)
    model.f = tf.function(lambda x: x * untracked, input_signature=[tf.TensorSpec([], tf.float32)])
    with pytest.raises(AssertionError, match="untracked object"):
        tf.saved_model.save(model, str(tmp_path / "m"))
    held = tf.placeholder(tf.float32, [], name="held")
    model.f = tf.function(lambda x: x * held, input_signature=[tf.TensorSpec([], tf.float32)])
    with pytest.raises(ValueError, match=r"symbolic Tensor .*held.* not a simple constant"):
        tf.saved_model.save(model, str(tmp_path / "m"))
    model.f = tf.function(lambda x: {"a": x, "b": (x,)}, input_signature=[tf.TensorSpec([], tf.float32)])
    with pytest.raises(ValueError, match="dictionary containing non-Tensor value"):
        tf.saved_model.save(model, str(tmp_path / "m"))
    with pytest.raises(ValueError, match="Expected a TensorFlow function"):
        tf.saved_model.save(model, str(tmp_path / "m"), signatures=lambda x: x)
    with pytest.raises(ValueError, match="Expected a Trackable object"):
        tf.saved_model.save(3, str(tmp_path / "m"))
    model = tf.train.Checkpoint(v=tf.Variable(1.0, use_resource=False))
    with sess.as_default(), pytest.raises(ValueError, match="use_resource=True"):
        tf.saved_model.save(model, str(tmp_path / "m"))

    @tf.function
    def inside():
        tf.saved_model.save(model, str(tmp_path / "m"))

    with pytest.raises(AssertionError, match=r"tf\.function"):
        inside()
    assert not (tmp_path / "m").exists()


def test_structures_come_back():
    spec = tf.TensorSpec([None, 3], tf.float32, "x")
    value = ((spec, True, None, [1, 2.5, "a"]), {"d": tf.int32, "r": tf.RaggedTensorSpec([2, None], tf.int64)})
    assert repr(structures.decoded(structures.encoded(value))) == repr(value)
    with pytest.raises(structures.NotEncodableError, match="No encoder"):
        structures.encoded([object()])
    with pytest.raises(structures.NotEncodableError, match="not known here"):
        structures.decoded(messages.StructuredValue())


def test_ragged_tensors_have_infos():
    ragged = tf.ragged.placeholder(tf.int32, 1)
    info = tf.saved_model.build_tensor_info(ragged)
    found = tf.saved_model.get_tensor_from_tensor_info(info)
    assert found.flat_values is ragged.flat_values and found.row_splits is ragged.row_splits


def changed(tmp_path, change):
    """The recorded SavedModel with a change to its message."""
    shutil.copytree(OF_TF2, tmp_path / "m")
    path = tmp_path / "m" / "saved_model.pb"
    message = messages.SavedModel.FromString(path.read_bytes())
    change(message.meta_graphs[0].object_graph_def)
    path.write_bytes(message.SerializeToString())
    return str(tmp_path / "m")


def test_objects_that_refer_to_nothing_are_refused(tmp_path):
    def change(objects):
        objects.nodes[0].children[0].node_id = 1000

    with pytest.raises(tf.errors.DataLossError, match="m: damaged objects: IndexError"):
        tf.saved_model.load_v2(changed(tmp_path, change))


def test_function_with_a_signature_of_the_future_is_refused_when_it_is_called(tmp_path, sess):
    def change(objects):
        for saved in objects.concrete_functions.values():
            for value in saved.canonicalized_input_signature.tuple_value.values[0].tuple_value.values:
                if value.tensor_spec_value.dtype == int(tf.string):
                    value.type_spec_value.type_spec_class_name = "FutureSpec"

    model = tf.saved_model.load_v2(changed(tmp_path, change))
    with pytest.raises(ValueError, match="'FutureSpec' are not known here"):
        model.look_up(tf.constant(["one"]))
    y = model(tf.ones([1, 3]))
    initialize(sess)
    assert sess.run(y).tolist() == [[21.0, 33.0]]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 7)), min_size=1, max_size=3))
def test_changed_models_are_loaded_or_refused(tmp_path_factory, changes):
    folder = tmp_path_factory.mktemp("changed") / "m"
    shutil.copytree(OF_TF2, folder)
    data = bytearray((folder / "saved_model.pb").read_bytes())
    for at, bit in changes:
        data[at % len(data)] ^= 1 << bit
    (folder / "saved_model.pb").write_bytes(data)
    with tf.Graph().as_default(), contextlib.suppress(tf.errors.OpError, ValueError, OSError):
        tf.saved_model.load_v2(str(folder))
