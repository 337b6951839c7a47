"""What a model gives when it is exported, as signatures."""

import pytest

import evergraph as tf
from evergraph.training.saved_model.export_outputs import EvalOutput, TrainOutput

export = tf.estimator.export


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        yield


@pytest.fixture
def x():
    return tf.placeholder(tf.float32, [None, 3], name="x")


@pytest.fixture
def examples():
    return {"examples": tf.placeholder(tf.string, [None], name="examples")}


def test_outputs_that_can_be_served_say_how(x, examples):
    labels = tf.placeholder(tf.string, [None, 3], name="labels")
    for output, method, names in (
        (export.ClassificationOutput(scores=x), "classify", {"scores": "x:0"}),
        (export.ClassificationOutput(x, labels), "classify", {"scores": "x:0", "classes": "labels:0"}),
        (export.RegressionOutput(x), "regress", {"outputs": "x:0"}),
        (export.PredictOutput(x), "predict", {"output": "x:0"}),
        (export.PredictOutput({("a", "b"): x}), "predict", {"a/b": "x:0"}),
    ):
        made = output.as_signature_def(examples)
        assert made.method_name == "tensorflow/serving/" + method
        assert {key: info.name for key, info in made.outputs.items()} == names


def test_outputs_of_another_type_are_refused(x, examples):
    for make, text in (
        (lambda: export.ClassificationOutput(), "At least one of scores and classes"),
        (lambda: export.ClassificationOutput(classes=x), "classes must be a string Tensor"),
        (lambda: export.RegressionOutput(1.0), "value must be a float32 Tensor"),
        (lambda: export.PredictOutput({3: x}), "key must be a string; got 3"),
        (lambda: export.RegressionOutput(x).as_signature_def({"x": x}), "must be a single string Tensor"),
    ):
        with pytest.raises(ValueError, match=text):
            make()


@pytest.mark.parametrize("kind, key", [(TrainOutput, "supervised/training"), (EvalOutput, "supervised/eval")])
def test_steps_give_losses_predictions_and_metrics(x, kind, key):
    value, update = tf.constant(0.5), tf.no_op()
    made = kind(tf.constant(1.0), {"p": x, "predictions_of_x": x}, {"m": (value, update)}).as_signature_def({"x": x})
    assert made.method_name == f"tensorflow/{key}"
    assert sorted(made.outputs) == [
        "loss", "metrics/m/update_op", "metrics/m/value", "predictions/p", "predictions_of_x",
    ]  # fmt: skip
    waiting = tf.get_default_graph().as_graph_element(made.outputs["metrics/m/update_op"].name)
    assert waiting.op.control_inputs == [update]
