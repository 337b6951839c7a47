"""The global step under its older names, and small functions of `tf.contrib.framework`."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public, publish
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import name_scope
from evergraph.framework.sparse import convert_to_tensor_or_sparse_tensor
from evergraph.ops import checks, math
from evergraph.ops.opdef import graph_of
from evergraph.training import global_step as steps

for _function in (
    steps.get_global_step,
    steps.create_global_step,
    steps.get_or_create_global_step,
    steps.assert_global_step,
):
    publish(f"contrib.framework.{_function.__name__}", _function)
    publish(f"contrib.slim.{_function.__name__}", _function)

publish("contrib.framework.assert_same_float_dtype", checks.assert_same_float_dtype)
publish("contrib.framework.assert_scalar", checks.assert_scalar)
publish("contrib.framework.is_numeric_tensor", checks.is_numeric_tensor)
publish("contrib.framework.convert_to_tensor_or_sparse_tensor", convert_to_tensor_or_sparse_tensor)


@public("contrib.framework.assert_or_get_global_step", "contrib.slim.assert_or_get_global_step")
def assert_or_get_global_step(graph: Any = None, global_step_tensor: Any = None) -> Any:
    """The graph's global step, or the one given, once it is found to be fit."""
    if global_step_tensor is None:
        return steps.get_global_step(graph)
    steps.assert_global_step(global_step_tensor)
    return global_step_tensor


@public("contrib.framework.get_name_scope")
def get_name_scope() -> str:
    """The name scope that the default graph is in."""
    return get_default_graph().get_name_scope()


@public("contrib.framework.get_graph_from_inputs")
def get_graph_from_inputs(op_input_list: Any, graph: Any = None) -> Any:
    """The graph of the given tensors and ops, or `graph`.

    Raises:
        ValueError: if they are of different graphs.
    """
    found = graph_of(op_input_list)
    if graph is not None and found is not graph and op_input_list:
        raise ValueError(f"{op_input_list} are not from the passed-in graph.")
    return graph or found


@public("contrib.framework.assert_scalar_int")
def assert_scalar_int(tensor: Any, name: str | None = None) -> Any:
    """Check, while the graph is built, that `tensor` is an integer scalar, and give it back."""
    with name_scope(name, "assert_scalar_int", [tensor]) as scope:
        tensor = convert_to_tensor_or_sparse_tensor(tensor)
        if not tensor.dtype.base_dtype.is_integer:
            raise ValueError(f"Expected integer type for {tensor.name}, received type: {tensor.dtype}.")
        return checks.assert_scalar(tensor, name=scope)


@public("contrib.framework.reduce_sum_n")
def reduce_sum_n(tensors: Any, name: str | None = None) -> Any:
    """The sum of all elements of several tensors.

    Raises:
        ValueError: if there are none.
    """
    if not tensors:
        raise ValueError("No tensors provided.")
    with name_scope(name, "reduce_sum_n", tensors) as scope:
        sums = [math.reduce_sum(t, name=f"{t.op.name}/sum") for t in tensors]
        return sums[0] if len(sums) == 1 else math.add_n(sums, name=scope)
