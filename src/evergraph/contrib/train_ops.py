"""`tf.contrib.training.create_train_op`, `slim.learning.create_train_op`: an op that updates variables and is the loss.

With it come what may be done to gradients before they are applied, and `slim.model_analyzer`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import Graph
from evergraph.framework.scopes import GraphKeys, control_dependencies, get_collection, get_collection_ref, name_scope
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops.clip import clip_by_norm, global_norm
from evergraph.ops.constant import constant
from evergraph.ops.grouping import no_op, with_dependencies
from evergraph.ops.identity import check_numerics as numbers_checked
from evergraph.ops.summary.functions import histogram, scalar
from evergraph.ops.variables import trainable_variables
from evergraph.training.global_step import get_or_create_global_step
from evergraph.training.optimizer import Optimizer

_log = logging.getLogger("tensorflow")

_GLOBAL_STEP = 0  # stands for the graph's global step; None for none


def _of_values(gradient: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(gradient, IndexedSlices):
        return IndexedSlices(change(gradient.values), gradient.indices, gradient.dense_shape)
    return change(gradient)


@public("contrib.training.clip_gradient_norms", "contrib.slim.learning.clip_gradient_norms")
def clip_gradient_norms(gradients_to_variables: Any, max_norm: Any) -> list[tuple[Any, Any]]:
    """Gradients of a norm of at most `max_norm` each."""
    return [
        (None if g is None else _of_values(g, lambda values: clip_by_norm(values, max_norm)), v)
        for g, v in gradients_to_variables
    ]


@public("contrib.training.clip_gradient_norms_fn")
def clip_gradient_norms_fn(max_norm: Any) -> Callable[[Any], Any]:
    """A function that limits norms, for `transform_grads_fn`."""
    return lambda gradients_to_variables: clip_gradient_norms(gradients_to_variables, max_norm)


def _times(as_tensor: Callable[[Any, Any], Any], factor: Any, dtype: Any, values: Any) -> Any:
    return values * as_tensor(factor, dtype)


def _multiplied(pairs: Any, multipliers: Any, as_tensor: Callable[[Any, Any], Any]) -> list[tuple[Any, Any]]:
    if not isinstance(pairs, list):
        raise ValueError("`grads_and_vars` must be a list.")
    if not multipliers:
        raise ValueError("`gradient_multipliers` is empty.")
    if not isinstance(multipliers, dict):
        raise ValueError("`gradient_multipliers` must be a dict.")
    multiplied = []
    for gradient, variable in pairs:
        if variable in multipliers or variable.op.name in multipliers:
            if gradient is None:
                raise ValueError("Requested multiple of `None` gradient.")
            given = multipliers[variable if variable in multipliers else variable.op.name]
            gradient = _of_values(gradient, partial(_times, as_tensor, given, gradient.dtype))
        multiplied.append((gradient, variable))
    return multiplied


@public("contrib.training.multiply_gradients")
def multiply_gradients(grads_and_vars: Any, gradient_multipliers: Any) -> list[tuple[Any, Any]]:
    """Gradients times numbers, given by variable or by its op's name.

    Raises:
        ValueError: if the arguments are not a list and a filled dictionary, or a gradient to multiply is None.
    """
    return _multiplied(grads_and_vars, gradient_multipliers, lambda given, dtype: convert_to_tensor(given, dtype=dtype))


@public("contrib.slim.learning.multiply_gradients")
def slim_multiply_gradients(grads_and_vars: Any, gradient_multipliers: Any) -> list[tuple[Any, Any]]:
    """As `tf.contrib.training.multiply_gradients`."""
    return _multiplied(
        grads_and_vars,
        gradient_multipliers,
        lambda given, dtype: given if isinstance(given, Tensor) else constant(given, dtype=dtype),
    )


def _summaries(pairs: Any, separator: str) -> list[Any]:
    made = []
    for gradient, variable in pairs:
        if gradient is None:
            _log.info("Var %s has no gradient", variable.op.name)
            continue
        values = gradient.values if isinstance(gradient, IndexedSlices) else gradient
        made.append(histogram(f"{variable.op.name}{separator}gradient", values))
        made.append(scalar(f"{variable.op.name}{separator}gradient_norm", global_norm([values])))
    return made


@public("contrib.training.add_gradients_summaries")
def add_gradients_summaries(grads_and_vars: Any) -> list[Any]:
    """For each gradient a summary of its values and one of its norm."""
    return _summaries(grads_and_vars, "_")


@public("contrib.slim.learning.add_gradients_summaries")
def slim_add_gradients_summaries(grads_and_vars: Any) -> list[Any]:
    """As `tf.contrib.training.add_gradients_summaries`, with a slash in names."""
    return _summaries(grads_and_vars, "/")


@public("contrib.training.create_train_op")
def create_train_op(
    total_loss: Any,
    optimizer: Any,
    global_step: Any = _GLOBAL_STEP,
    update_ops: Any = None,
    variables_to_train: Any = None,
    transform_grads_fn: Callable[[Any], Any] | None = None,
    summarize_gradients: bool = False,
    gate_gradients: int = Optimizer.GATE_OP,
    aggregation_method: Any = None,
    colocate_gradients_with_ops: bool = False,
    check_numerics: bool = True,
) -> Tensor:
    """An op whose value is the loss, and which applies its gradients and the update ops.

    Args:
        total_loss: the loss.
        optimizer: the optimizer.
        global_step: what counts steps; by default the graph's, which is made if there is none; None for none.
        update_ops: what else is to run; by default the collection UPDATE_OPS.
        variables_to_train: by default all trainable ones.
        transform_grads_fn: a function of the (gradient, variable) pairs that gives those to apply.
        summarize_gradients: whether each gradient gets summaries.
        gate_gradients: as of `Optimizer.compute_gradients`.
        aggregation_method: as of `Optimizer.compute_gradients`.
        colocate_gradients_with_ops: as of `Optimizer.compute_gradients`.
        check_numerics: whether a loss that is no number is an error.
    """
    if global_step is _GLOBAL_STEP:
        global_step = get_or_create_global_step()
    in_graph = set(get_collection(GraphKeys.UPDATE_OPS))
    updates = in_graph if update_ops is None else set(update_ops)
    if not in_graph <= updates:
        _log.warning("update_ops in create_train_op does not contain all the update_ops in GraphKeys.UPDATE_OPS")
    if updates:
        with control_dependencies(list(updates)):
            barrier = no_op(name="update_barrier")
        total_loss = with_dependencies([barrier], total_loss)
    if variables_to_train is None:
        variables_to_train = trainable_variables()
    assert variables_to_train
    gradients = optimizer.compute_gradients(
        total_loss,
        variables_to_train,
        gate_gradients=gate_gradients,
        aggregation_method=aggregation_method,
        colocate_gradients_with_ops=colocate_gradients_with_ops,
    )
    if transform_grads_fn:
        gradients = transform_grads_fn(gradients)
    if summarize_gradients:
        with name_scope("summarize_grads"):
            add_gradients_summaries(gradients)
    applied = optimizer.apply_gradients(gradients, global_step=global_step)
    with name_scope("train_op"):
        if check_numerics:
            total_loss = numbers_checked(total_loss, "LossTensor is inf or nan")
        train_op = with_dependencies([applied], total_loss)
    known = get_collection_ref(GraphKeys.TRAIN_OP)
    if not any(train_op is op for op in known):
        known.append(train_op)
    return train_op


@public("contrib.slim.learning.create_train_op")
def slim_create_train_op(
    total_loss: Any,
    optimizer: Any,
    global_step: Any = _GLOBAL_STEP,
    update_ops: Any = None,
    variables_to_train: Any = None,
    clip_gradient_norm: Any = 0,
    summarize_gradients: bool = False,
    gate_gradients: int = Optimizer.GATE_OP,
    aggregation_method: Any = None,
    colocate_gradients_with_ops: bool = False,
    gradient_multipliers: Any = None,
    check_numerics: bool = True,
) -> Tensor:
    """As `tf.contrib.training.create_train_op`; gradients may be multiplied, then limited in norm."""

    def transform(gradients: Any) -> Any:
        if gradient_multipliers:
            with name_scope("multiply_grads"):
                gradients = slim_multiply_gradients(gradients, gradient_multipliers)
        if clip_gradient_norm > 0:
            with name_scope("clip_grads"):
                gradients = clip_gradient_norms(gradients, clip_gradient_norm)
        return gradients

    return create_train_op(
        total_loss=total_loss,
        optimizer=optimizer,
        global_step=global_step,
        update_ops=update_ops,
        variables_to_train=variables_to_train,
        transform_grads_fn=transform,
        summarize_gradients=summarize_gradients,
        gate_gradients=gate_gradients,
        aggregation_method=aggregation_method,
        colocate_gradients_with_ops=colocate_gradients_with_ops,
        check_numerics=check_numerics,
    )


@public("contrib.slim.model_analyzer.tensor_description")
def tensor_description(var: Any) -> str:
    """Type and shape, as "(float32 3x4)"."""
    return f"({var.dtype.name} {'x'.join(str(size) for size in var.shape)})"


@public("contrib.slim.model_analyzer.analyze_ops")
def analyze_ops(graph: Graph, print_info: bool = False) -> int:
    """The number of elements of all ops' outputs together."""
    if print_info:
        print("---------\nOperations: name -> (type shapes) [size]\n---------")
    total = 0
    for operation in graph.get_operations():
        size = sum(output.shape.num_elements() or 0 for output in operation.outputs)
        shown = ", ".join(tensor_description(output) for output in operation.outputs if output.shape)
        if print_info:
            print(operation.name, "\t->", shown, f"[{size}]")
        total += size
    return total


@public("contrib.slim.model_analyzer.analyze_vars")
def analyze_vars(variables: Any, print_info: bool = False) -> tuple[int, int]:
    """The number of elements of all variables together, and of their bytes."""
    if print_info:
        print("---------\nVariables: name (type shape) [size]\n---------")
    total, total_bytes = 0, 0
    for variable in variables:
        size = variable.shape.num_elements() or 0
        total += size
        total_bytes += size * variable.dtype.size
        if print_info:
            print(variable.name, tensor_description(variable), f"[{size}, bytes: {size * variable.dtype.size}]")
    if print_info:
        print(f"Total size of variables: {total}")
        print(f"Total bytes of variables: {total_bytes}")
    return total, total_bytes
