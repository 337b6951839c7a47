"""Side effects on tensors of a graph that is built already."""

from collections import namedtuple

import numpy as np
import pytest

import evergraph as tf
from evergraph.ops.old_graphs.subscriptions import is_subscription, subscribe


@pytest.fixture(autouse=True)
def _own_graph():
    with tf.Graph().as_default():
        yield


class Seen(list):
    """A side effect that notes the values."""

    def __call__(self, t):
        return [tf.py_func(lambda x: self.append(x.tolist()) or x, [t], t.dtype)]


def test_what_reads_a_tensor_afterwards_waits_for_the_side_effect():
    seen = Seen()
    a = tf.constant(1)
    b = a + 1
    with tf.control_dependencies([a]):
        c = tf.constant(5)
    passed = subscribe(a, seen)
    assert is_subscription(passed)
    assert not is_subscription(b)
    assert (passed.op.name, b.op.inputs[0]) == ("Const/subscription/Identity", passed)
    with tf.Session() as session:
        assert session.run(b) == 2
        assert session.run(c) == 5
    assert seen == [1, 1]


def test_a_second_subscription_keeps_the_tensor():
    first, second = Seen(), Seen()
    a = tf.constant(1)
    b = a + 1
    passed = subscribe(a, first)
    assert subscribe(a, second) is passed
    assert subscribe(passed, [second]) is passed
    with tf.Session() as session:
        session.run(b)
    assert (first, second) == ([1], [1, 1])


def test_structures_and_outputs_of_one_op():
    pair = namedtuple("pair", "x y")
    seen = Seen()
    parts = tf.split(tf.constant([1, 2]), 2)
    with tf.control_dependencies([parts[0]]):
        waiting = tf.constant(0)
    found = subscribe(pair(parts[0], {"part": [parts[1]]}), seen)
    assert isinstance(found, pair)
    assert all(map(is_subscription, [found.x, *found.y["part"]]))
    with tf.Session() as session:
        session.run(waiting)
    assert sorted(seen) == [[1], [2]]
    with pytest.raises(TypeError, match="invalid type"):
        subscribe("a", seen)


def test_inside_of_a_branch():
    seen = Seen()
    inner = []

    def branch():
        inner.append(tf.constant(3) * 2)
        return inner[0] + 1

    pred = tf.placeholder(tf.bool, [])
    y = tf.cond(pred, branch, lambda: tf.constant(0))
    subscribe(inner[0], seen)
    with tf.Session() as session:
        assert session.run(y, {pred: False}) == 0
        assert seen == []
        assert session.run(y, {pred: True}) == 7
    assert np.array_equal(seen, [6])


def test_an_op_that_takes_a_tensor_twice_waits_at_both():
    x = tf.constant(3)
    square = x * x
    subscribe(x, Seen())
    assert all(is_subscription(t) for t in square.op.inputs)
