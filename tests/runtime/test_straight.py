"""Bodies written out as Python functions give what their plans give."""

import numpy as np
import pytest

import evergraph as tf
from evergraph.framework.function_graph import FunctionGraph
from evergraph.runtime.executor import run_plan
from evergraph.runtime.functions import plan_of
from evergraph.runtime.state import State
from evergraph.runtime.straight import can_be_straight, stays_interpreted, straight


def body_of(function, *kinds):
    body = FunctionGraph("body", tf.Graph())
    with body.as_default():
        arguments = [body.argument(kind, None) for kind in kinds]
        results = function(*arguments)
        body.finish([tf.convert_to_tensor(r) for r in (results if isinstance(results, list) else [results])])
    return body


FUNCTIONS = {
    "numbers": (lambda x, y: [x * 2 + tf.cast(y[0], tf.float32), x > 1.0, y], (tf.float32, tf.int32)),
    "constant": (lambda x: [tf.constant([1, 2]), x], (tf.float32,)),
    "lists": (lambda x, y: tf.concat([x, x, tf.cast(y, tf.float32)], 0), (tf.float32, tf.int32)),
    "several outputs": (lambda x, y: tf.split(x, 2) + tf.unstack(tf.stack([y, y]), num=2), (tf.float32, tf.int32)),
    "strings": (lambda x, y: [tf.string_join([tf.as_string(y), "!"]), tf.shape(x)], (tf.float32, tf.int32)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_body_written_out(name):
    function, kinds = FUNCTIONS[name]
    body = body_of(function, *kinds)
    plan = plan_of(body)
    assert can_be_straight(plan)
    values = {tf.float32: np.float32([1.0, 2.0, 3.0, 4.0]), tf.int32: np.int32([3, 4])}
    given = [values[k] for k in kinds]
    expected = run_plan(plan, State(), given)
    assert stays_interpreted(plan)
    written = straight(plan, len(body.results))
    for _ in range(2):
        for ours, theirs in zip(written(given), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype


def test_an_error_names_its_op():
    body = body_of(lambda x: tf.check_numerics(tf.sqrt(x) + 1.0, "negative", name="check"), tf.float32)
    written = straight(plan_of(body), 1)
    assert written([np.float32(4.0)]) == [3.0]
    with pytest.raises(tf.errors.InvalidArgumentError, match="negative") as found:
        written([np.float32(-1.0)])
    assert found.value.op.name == "check"
    assert written([np.float32(1.0)]) == [2.0]


def test_bodies_with_a_state_stay_plans():
    assert not can_be_straight(plan_of(body_of(lambda x: x + tf.random_uniform([], seed=1), tf.float32)))
    loop = body_of(lambda x: tf.while_loop(lambda v: v < 9.0, lambda v: v * 2.0, [x]), tf.float32)
    assert not can_be_straight(plan_of(loop))
