"""Layer-wise adaptive rates: `tf.contrib.opt.LARSOptimizer`."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.ops.cast import cast
from evergraph.ops.linear_algebra import norm
from evergraph.ops.opdef import raw_op
from evergraph.ops.selecting import where
from evergraph.training.optimizer import Optimizer


@public("contrib.opt.LARSOptimizer")
class LARSOptimizer(Optimizer):
    """Momentum with a rate for each variable, by the norms of it and its gradient (You, Gitman and Ginsburg).

    Args:
        learning_rate: a float, a scalar tensor, or a function that gives one.
        momentum: not negative.
        weight_decay: not negative.
        eeta: the trust coefficient.
        epsilon: keeps the divisor from zero.
        name: the scope of the ops.
        skip_list: parts of the names of variables that take the learning rate as it is.
        use_nesterov: whether the step looks one gradient ahead.
    """

    def __init__(
        self,
        learning_rate: Any,
        momentum: float = 0.9,
        weight_decay: float = 0.0001,
        eeta: float = 0.001,
        epsilon: float = 0.0,
        name: str = "LARSOptimizer",
        skip_list: Any = None,
        use_nesterov: bool = False,
    ) -> None:
        if momentum < 0.0:
            raise ValueError(f"momentum should be positive: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"weight_decay should be positive: {weight_decay}")
        super().__init__(use_locking=False, name=name)
        self._learning_rate = learning_rate
        self._momentum = momentum
        self._weight_decay = weight_decay
        self._eeta = eeta
        self._epsilon = epsilon
        self._skip_list = skip_list
        self._use_nesterov = use_nesterov

    def _create_slots(self, var_list: Any) -> None:
        for v in var_list:
            self._zeros_slot(v, "momentum", self._name)

    def _prepare(self) -> None:
        self._learning_rate_tensor = convert_to_tensor(
            self._call_if_callable(self._learning_rate), name="learning_rate"
        )
        self._momentum_tensor = convert_to_tensor(self._call_if_callable(self._momentum), name="momentum")

    def compute_lr(self, grad: Any, var: Any) -> tuple[Any, Any]:
        """The learning rate of `var`, and its gradient with weight decay."""
        rate = self._learning_rate
        if self._skip_list is not None and any(part in var.name for part in self._skip_list):
            return rate, grad
        size, slope = norm(var, ord=2), norm(grad, ord=2)
        has_size, has_slope = raw_op("Greater")(size, 0), raw_op("Greater")(slope, 0)
        trust = self._eeta * size / (slope + self._weight_decay * size + self._epsilon)
        ratio = where(has_size, where(has_slope, trust, 1.0), 1.0)
        return rate * ratio, grad + self._weight_decay * var

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        rate, grad = self.compute_lr(grad, var)
        one = cast(1.0, var.dtype.base_dtype)
        return raw_op("ApplyMomentum")(
            var, self.get_slot(var, "momentum"), one, grad * rate, self._momentum, use_nesterov=self._use_nesterov
        )

    def _resource_apply_dense(self, grad: Any, var: Any) -> Any:
        rate, grad = self.compute_lr(grad, var)
        slot: Any = self.get_slot(var, "momentum")
        one = cast(1.0, var.dtype.base_dtype)
        return raw_op("ResourceApplyMomentum")(
            var.handle, slot.handle, one, grad * rate, self._momentum, use_nesterov=self._use_nesterov
        )

    def _apply_sparse(self, grad: Any, var: Any) -> Any:
        kind = var.dtype.base_dtype
        return raw_op("SparseApplyMomentum")(
            var,
            self.get_slot(var, "momentum"),
            cast(self._learning_rate_tensor, kind),
            grad.values,
            grad.indices,
            cast(self._momentum_tensor, kind),
            use_nesterov=self._use_nesterov,
        ).op

    def _resource_apply_sparse(self, grad: Any, var: Any, indices: Any) -> Any:
        slot: Any = self.get_slot(var, "momentum")
        return raw_op("ResourceSparseApplyMomentum")(
            var.handle,
            slot.handle,
            cast(self._learning_rate_tensor, grad.dtype),
            grad,
            indices,
            cast(self._momentum_tensor, grad.dtype),
            use_nesterov=self._use_nesterov,
        )
