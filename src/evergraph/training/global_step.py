"""The global step: one integer variable that counts the training steps of a graph."""

from __future__ import annotations

import warnings
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.graph import Graph, get_default_graph
from evergraph.framework.scopes import GraphKeys, control_dependencies
from evergraph.framework.tensor import Tensor
from evergraph.ops import state
from evergraph.ops.initializers import Zeros
from evergraph.ops.variable_scope import get_variable
from evergraph.ops.variables import Variable, VariableAggregation

READ_KEY = "global_step_read_op_cache"


@public("train.global_step")
def global_step(sess: Any, global_step_tensor: Any) -> int:
    """The value of the global step in session `sess`.

    >>> step = tf.train.get_or_create_global_step()
    >>> sess.run(tf.global_variables_initializer())
    >>> tf.train.global_step(sess, step)
    0
    """
    return int(sess.run(global_step_tensor))


@public("train.get_global_step")
def get_global_step(graph: Graph | None = None) -> Any:
    """The global step of `graph` (by default the default graph), or None if it has none.

    It is what the collection `GraphKeys.GLOBAL_STEP` holds, or else the tensor `global_step:0`.

    Raises:
        TypeError: if what is found is no integer scalar.
    """
    graph = graph or get_default_graph()
    found = graph.get_collection(GraphKeys.GLOBAL_STEP)
    if len(found) > 1:
        warnings.warn("Multiple tensors in global_step collection.")
        return None
    if found:
        step = found[0]
    else:
        op = graph._by_name.get("global_step")
        if op is None or not op.outputs:
            return None
        step = op.outputs[0]
    assert_global_step(step)
    return step


@public("train.create_global_step")
def create_global_step(graph: Graph | None = None) -> Any:
    """Make the global step of `graph`.

    Raises:
        ValueError: if it has one.
    """
    graph = graph or get_default_graph()
    if get_global_step(graph) is not None:
        raise ValueError('"global_step" already exists.')
    with graph.as_default(), graph.name_scope(None):
        return get_variable(
            GraphKeys.GLOBAL_STEP,
            shape=[],
            dtype=dtypes.int64,
            initializer=Zeros(),
            trainable=False,
            aggregation=VariableAggregation.ONLY_FIRST_REPLICA,
            collections=[GraphKeys.GLOBAL_VARIABLES, GraphKeys.GLOBAL_STEP],
        )


@public("train.get_or_create_global_step")
def get_or_create_global_step(graph: Graph | None = None) -> Any:
    """The global step of `graph`, made if it has none."""
    graph = graph or get_default_graph()
    found = get_global_step(graph)
    return create_global_step(graph) if found is None else found


@public("train.assert_global_step")
def assert_global_step(global_step_tensor: Any) -> None:
    """Insist that `global_step_tensor` is an integer scalar, a variable or a tensor.

    Raises:
        TypeError: if it is not.
    """
    if not isinstance(global_step_tensor, Variable | Tensor):
        raise TypeError(f'Existing "global_step" must be a Variable or Tensor: {global_step_tensor}.')
    if not global_step_tensor.dtype.base_dtype.is_integer:
        raise TypeError(f'Existing "global_step" does not have integer type: {global_step_tensor.dtype}')
    shape = global_step_tensor.get_shape()
    if shape.ndims != 0 and shape.is_fully_defined():
        raise TypeError(f'Existing "global_step" is not scalar: {shape}')


def read_global_step(graph: Graph | None = None) -> Tensor | None:
    """One tensor per graph with the global step's value, so that all who read it in a run see the same number."""
    graph = graph or get_default_graph()
    found = graph.get_collection(READ_KEY)
    if len(found) > 1:
        raise RuntimeError(f"There are multiple items in collection {READ_KEY}. There should be only one.")
    if found:
        return found[0]
    step = get_global_step(graph)
    if step is None:
        return None
    with graph.as_default(), graph.name_scope(None), graph.name_scope(step.op.name + "/"):
        value: Any = step.initialized_value() if isinstance(step, Variable) else step
        read = value + 0
    graph.add_to_collection(READ_KEY, read)
    return read


def increment_global_step(increment: Any, graph: Graph | None = None) -> Any:
    """Add `increment` to the global step, after it has been read.

    Raises:
        ValueError: if the graph has no global step.
    """
    graph = graph or get_default_graph()
    step = get_global_step(graph)
    if step is None:
        raise ValueError(
            "Global step tensor should be created by tf.train.get_or_create_global_step before calling increment."
        )
    read = read_global_step(graph)
    with graph.as_default(), graph.name_scope(None), graph.name_scope(step.op.name + "/"):
        with control_dependencies([read]):
            return state.assign_add(step, increment)
