"""The ops on accumulators of gradients, dense and sparse."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import errors
from evergraph.framework.dtypes import DType
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Shape, bracket_text, with_rank
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.queues.accumulators import Accumulator, DenseAccumulator, SparseAccumulator
from evergraph.ops.queues.queue_ops import held
from evergraph.ops.running import Running


def _maker(kind: type[Accumulator]) -> Any:
    def kernel(
        xp: Any,
        *,
        run: Running,
        dtype: DType,
        shape: Any,
        container: bytes,
        shared_name: bytes,
        reduction_type: bytes,
    ) -> Any:
        """An accumulator of gradients."""
        return run.resource(container, shared_name, lambda: kind(dtype, shape, reduction_type == b"MEAN"))

    return kernel


for _name, _kind in {
    "ConditionalAccumulator": DenseAccumulator,
    "ResourceConditionalAccumulator": DenseAccumulator,
    "SparseConditionalAccumulator": SparseAccumulator,
}.items():
    op(_name, session=True, differentiable=False)(_maker(_kind)).shape_from_op(lambda made: (2,))


def _accumulator(handle: Any, dtype: DType | None = None, kind: type[Accumulator] = Accumulator) -> Any:
    found = held(handle)
    if not isinstance(found, kind):
        raise kernel_error(f"this handle names a {type(found).__name__}, not a {kind.__name__}", errors.NotFoundError)
    if dtype is not None and dtype is not found.dtype:
        raise kernel_error(f"the accumulator holds gradients of type {found.dtype.name}, not {dtype.name}")
    return found


def _int_scalar(value: Any, name: str) -> int:
    if np.ndim(value):
        raise kernel_error(f"Argument {name} must be scalar, but had bad shape {bracket_text(np.shape(value))}")
    return int(value)


def _apply(xp: Any, handle: Any, local_step: Any, gradient: Any, *, run: Running, dtype: DType) -> tuple[()]:
    """Add a gradient that was computed at `local_step`, unless that is too long ago."""
    _accumulator(handle, dtype, DenseAccumulator).apply(_int_scalar(local_step, "local_step"), gradient)
    return ()


def _take(xp: Any, handle: Any, num_required: Any, *, run: Running, dtype: DType) -> Any:
    """The mean or sum of the gradients; waits until there are enough."""
    return _accumulator(handle, dtype, DenseAccumulator).take(_int_scalar(num_required, "num_required"), run)


def _num_accumulated(xp: Any, handle: Any, *, run: Running) -> Any:
    """How many gradients have been added."""
    return np.int32(_accumulator(handle).count)


def _set_global_step(xp: Any, handle: Any, new_global_step: Any, *, run: Running) -> tuple[()]:
    """Say which step it is: gradients of earlier ones are left out."""
    _accumulator(handle).set_step(_int_scalar(new_global_step, "new_global_step"))
    return ()


@op("SparseAccumulatorApplyGradient", session=True, differentiable=False)
def sparse_apply(
    xp: Any,
    handle: Any,
    local_step: Any,
    gradient_indices: Any,
    gradient_values: Any,
    gradient_shape: Any,
    *,
    run: Running,
    dtype: DType,
    has_known_shape: bool,
) -> tuple[()]:
    """Add a sparse gradient that was computed at `local_step`, unless that is too long ago."""
    whole = gradient_shape if has_known_shape else None
    accumulator = _accumulator(handle, dtype, SparseAccumulator)
    accumulator.apply(_int_scalar(local_step, "local_step"), (gradient_indices, gradient_values, whole))
    return ()


@op("SparseAccumulatorTakeGradient", session=True, differentiable=False)
def sparse_take(xp: Any, handle: Any, num_required: Any, *, run: Running, dtype: DType) -> Any:
    """The mean or sum of the sparse gradients; waits until there are enough."""
    return _accumulator(handle, dtype, SparseAccumulator).take(_int_scalar(num_required, "num_required"), run)


def _scalar(made: Operation) -> Shape:
    return ()


def _step_is_scalar(made: Operation) -> list[Shape]:
    with_rank(made.inputs[1].static_shape, 0)
    return []


def _unknown(made: Operation) -> Shape:
    with_rank(made.inputs[1].static_shape, 0)
    return None


for _name, _kernel, _shape in (
    ("AccumulatorApplyGradient", _apply, _step_is_scalar),
    ("AccumulatorTakeGradient", _take, _unknown),
    ("AccumulatorNumAccumulated", _num_accumulated, _scalar),
    ("AccumulatorSetGlobalStep", _set_global_step, _step_is_scalar),
):
    for _version in ("", "Resource"):
        op(_version + _name, session=True, differentiable=False)(_kernel).shape_from_op(_shape)

sparse_apply.shape_from_op(_step_is_scalar)


@sparse_take.shape_from_op
def sparse_take_shape(made: Operation) -> list[Shape]:
    with_rank(made.inputs[1].static_shape, 0)
    return [None, None, None]
