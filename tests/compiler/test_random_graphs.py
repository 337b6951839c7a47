"""Random programs with variables, control edges, branches and loops come to the same in each of three ways.

    tokens        op by op as values arrive, each op seeing the writes before it (runtime/dataflow.py)
    interpreted   in stages, with guards and regions, through the NumPy kernels
    compiled      the same stages as XLA programs

The first shares no plan with the other two.
"""

import numpy as np
import pytest
from evergraph.python.ops import list_ops
from hypothesis import given, settings
from hypothesis import strategies as st

import evergraph as tf
from evergraph.compiler import plan
from evergraph.compiler.regions import Unstructured
from evergraph.runtime import executor

WRITES = ("assign", "assign_add", "branch_write", "loop_write")
VARIABLES = 3
RUNS = 4

steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["mix", "assign", "assign_add", "read", "branch", "branch_write", "loop", "loop_write", "list", "slice"]
        ),
        st.integers(0, 99),
        st.integers(0, 99),
        st.integers(0, 99),
        st.booleans(),
    ),
    min_size=2,
    max_size=9,
)


def build(recipe, kinds):
    """The graph that `recipe` describes; gives the placeholder and what to fetch."""
    x = tf.placeholder(tf.float64, [2], name="x")
    variables = [
        tf.Variable(np.array([i + 1.0, -i]), name=f"v{i}", use_resource=kinds[i % len(kinds)], dtype=tf.float64)
        for i in range(VARIABLES)
    ]
    tensors, ops = [x, tf.constant([0.5, -0.25], tf.float64)], []
    last_write = {}  # writes to one variable wait for each other: their order is then no matter of how values arrive
    for kind, a, b, c, waits in recipe:
        left, right = tensors[a % len(tensors)], tensors[b % len(tensors)]
        variable = variables[c % VARIABLES]
        before = [ops[(a + b) % len(ops)]] if waits and ops else []
        if kind in WRITES and variable in last_write:
            before.append(last_write[variable])
        with tf.control_dependencies(before):
            if kind == "mix":
                made = tf.sin(left) * 0.5 + right * 0.25
            elif kind == "assign":
                made = variable.assign(left * 0.5)
            elif kind == "assign_add":
                made = variable.assign_add(right * 0.125)
            elif kind == "read":
                made = variable * 1.0
            elif kind == "branch":
                made = tf.cond(left[0] > right[1], lambda: left * 2.0, lambda: tf.cos(right))  # noqa: B023
            elif kind == "branch_write":
                made = tf.cond(
                    tf.reduce_sum(left) > 0.1,
                    lambda: tf.identity(variable.assign_add(left * 0.25)),  # noqa: B023
                    lambda: right + 0.5,  # noqa: B023
                )
            elif kind == "loop_write":

                def turn(i, s):
                    written = tf.cond(
                        s[0] > 0.0,
                        lambda: tf.identity(variable.assign_add(s * 0.25)),  # noqa: B023
                        lambda: tf.identity(variable.assign(s * 0.5 + 0.125)),  # noqa: B023
                    )
                    return i + 1, tf.tanh(s) - written * 0.5

                _, made = tf.while_loop(lambda i, s: i < c % 4, turn, [0, left])  # noqa: B023
            elif kind == "list":
                given = list_ops.tensor_list_from_tensor(tf.stack([left, right]), [2])
                kept = list_ops.tensor_list_reserve([2], 2, tf.float64)

                def keep(i, kept):
                    item = list_ops.tensor_list_get_item(given, i, tf.float64)  # noqa: B023
                    return i + 1, list_ops.tensor_list_set_item(kept, i, item * 0.5)

                _, kept = tf.while_loop(lambda i, _: i < 1 + c % 2, keep, [0, kept])  # noqa: B023
                made = tf.reshape(tf.reduce_sum(list_ops.tensor_list_stack(kept, tf.float64), 0), [2])
            elif kind == "slice":
                made = tf.stack([left[1], right[tf.argmax(left, output_type=tf.int32)]])
            else:
                _, made = tf.while_loop(
                    lambda i, s: i < c % 4,  # noqa: B023
                    lambda i, s: (i + 1, tf.cond(s[0] > 0, lambda: s * 0.5 + left, lambda: tf.tanh(s) + right)),  # noqa: B023
                    [0, left],
                )
        value = made if isinstance(made, tf.Tensor) else tf.convert_to_tensor(made)
        if kind in WRITES:
            last_write[variable] = value.op
        if value.op.type.startswith(("Assign", "RefIdentity")) or value.dtype._is_ref_dtype:
            ops.append(value.op)
        else:
            tensors.append(value)
            ops.append(value.op)
    return x, tensors[2:] + [op for op in ops if op.type.startswith("Assign")], variables


class Everything:
    def __contains__(self, item):
        return True


def results(recipe, kinds, way, patch):
    patch.setattr(executor, "SMALL_OPS", -1 if way == "compiled" else 10**9)
    patch.setattr(executor, "SMALL_ELEMENTS", 10**9)
    if way == "tokens":
        patch.setattr(plan, "CONTROL_FLOW", Everything())
        patch.setattr(plan, "structured", refuse)
    values = []
    with tf.Graph().as_default() as graph:
        x, fetches, variables = build(recipe, kinds)
        initialize = tf.global_variables_initializer()
        with tf.Session(graph=graph) as session:
            session.run(initialize)
            for run in range(RUNS):
                # With the variables as the run leaves them (references), or as nothing orders before it (resources).
                found = session.run([*fetches, *variables], {x: np.array([0.3 * run - 0.4, 0.2])})
                values.append([v for v in found if v is not None])
                values.append(session.run([v.read_value() for v in variables]))
    return values


def refuse(*args):
    raise Unstructured("on purpose")


@settings(max_examples=25, deadline=None, derandomize=True)
@given(recipe=steps, kinds=st.lists(st.booleans(), min_size=1, max_size=3))
def test_three_ways_agree(recipe, kinds):
    found = {}
    for way in ("tokens", "interpreted", "compiled"):
        with pytest.MonkeyPatch.context() as patch:
            found[way] = results(recipe, kinds, way, patch)
    for way in ("interpreted", "compiled"):
        for expected, given_ in zip(found["tokens"], found[way], strict=True):
            assert len(expected) == len(given_)
            for a, b in zip(expected, given_, strict=True):
                np.testing.assert_allclose(b, a, rtol=1e-9, err_msg=way)
