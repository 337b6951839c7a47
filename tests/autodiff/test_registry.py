"""Which function differentiates an op: `RegisterGradient`, `NotDifferentiable`, `gradient_override_map`."""

import itertools

import pytest

import evergraph as tf

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as g:
        yield g


@pytest.fixture
def name():
    """A name that nobody registered: the registry belongs to the process."""
    return f"TestGradient{next(_numbers)}"


def test_overridden_op_uses_the_registered_function(graph, name):
    @tf.RegisterGradient(name)
    def doubled(op, grad):
        assert op.type == "Exp"
        return tf.add(grad, grad, name="doubled")

    x = tf.placeholder(tf.float32)
    with graph.gradient_override_map({"Exp": name}):
        y = tf.exp(x)
    assert tf.gradients(y, x)[0].op.name == "gradients/Exp_grad/doubled"
    assert tf.gradients(tf.exp(x), x)[0].op.name == "gradients_1/Exp_1_grad/mul"


def test_op_can_be_overridden_by_the_rule_of_another_type(graph):
    x = tf.placeholder(tf.float32)
    with graph.gradient_override_map({"Ceil": "Identity"}):
        y = tf.ceil(x)
    assert tf.gradients(y, x)[0].op.name == "gradients/Fill"


def test_override_by_an_unknown_name_is_an_error_when_differentiated(graph, name):
    x = tf.placeholder(tf.float32)
    with graph.gradient_override_map({"Exp": name}):
        y = tf.exp(x)
    with pytest.raises(LookupError, match=r"No gradient defined for operation 'Exp' \(op type: Exp\)"):
        tf.gradients(y, x)


def test_override_by_not_differentiable_stops_gradients(graph, name):
    tf.NotDifferentiable(name)
    x = tf.placeholder(tf.float32)
    with graph.gradient_override_map({"Exp": name}):
        y = tf.exp(x)
    assert tf.gradients(y, x) == [None]


def test_name_is_registered_once(name):
    tf.RegisterGradient(name)(lambda op, grad: grad)
    with pytest.raises(KeyError, match=f"Registering two gradient with name '{name}'"):
        tf.RegisterGradient(name)(lambda op, grad: grad)
    with pytest.raises(KeyError):
        tf.NotDifferentiable(name)


@pytest.mark.parametrize("op_type", ["MatMul", "Shape"])
def test_type_that_has_a_gradient_or_none_by_declaration_is_taken(op_type):
    with pytest.raises(KeyError):
        tf.RegisterGradient(op_type)(lambda op, grad: grad)


def test_names_are_strings():
    with pytest.raises(TypeError, match="op_type must be a string"):
        tf.RegisterGradient(3)
    with pytest.raises(TypeError, match="op_type must be a string"):
        tf.NoGradient(3)


def test_function_on_the_op_itself_comes_first(graph, name):
    x = tf.placeholder(tf.float32)
    with graph.gradient_override_map({"Exp": name}):
        y = tf.exp(x)
    y.op._gradient_function = lambda op, grad: [tf.identity(grad, name="own")]
    assert tf.gradients(y, x)[0].op.name == "gradients/Exp_grad/own"
