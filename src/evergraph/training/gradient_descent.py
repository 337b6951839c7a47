"""Plain gradient descent: `w -= rate * gradient`."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops.cast import cast
from evergraph.ops.opdef import raw_op
from evergraph.training.optimizer import Optimizer


@public("train.GradientDescentOptimizer")
class GradientDescentOptimizer(Optimizer):
    """Step against the gradient.

    Args:
        learning_rate: a float, a scalar tensor, or a function that gives one.
        use_locking: kept for TF's signature.
        name: the scope of the ops.
    """

    def __init__(self, learning_rate: Any, use_locking: bool = False, name: str = "GradientDescent") -> None:
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._learning_rate_tensor: Any = None

    def _prepare(self) -> None:
        rate = self._call_if_callable(self._learning_rate)
        self._learning_rate_tensor = convert_to_tensor(rate, name="learning_rate")

    def _apply_dense(self, grad: Tensor, var: Any) -> Any:
        rate = cast(self._learning_rate_tensor, var.dtype.base_dtype)
        return raw_op("ApplyGradientDescent")(var, rate, grad, use_locking=self._use_locking).op

    def _resource_apply_dense(self, grad: Tensor, handle: Any) -> Any:
        rate = cast(self._learning_rate_tensor, grad.dtype.base_dtype)
        return raw_op("ResourceApplyGradientDescent")(handle.handle, rate, grad, use_locking=self._use_locking)

    # Rows add up in the update as they do in the gradient: no need to sum them first.

    def _apply_sparse_duplicate_indices(self, grad: IndexedSlices, var: Any) -> Any:
        steps = grad.values * cast(self._learning_rate_tensor, var.dtype.base_dtype)
        return var.scatter_sub(IndexedSlices(steps, grad.indices, grad.dense_shape), use_locking=self._use_locking)

    def _resource_apply_sparse_duplicate_indices(self, grad: Any, handle: Any, indices: Tensor) -> Any:
        return raw_op("ResourceScatterAdd")(handle.handle, indices, -grad * self._learning_rate)
