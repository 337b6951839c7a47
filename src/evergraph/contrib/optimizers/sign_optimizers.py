"""Steps that are larger where a gradient and the mean of the gradients before it agree in sign.

Both optimizers are of Bello, Zoph, Vasudevan and Le, who found them by search.
"""

from __future__ import annotations

import math
from typing import Any

from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.operation import Operation
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops import state
from evergraph.ops.arithmetic import pow
from evergraph.ops.cast import cast
from evergraph.ops.gather import gather
from evergraph.ops.grouping import group
from evergraph.ops.opdef import raw_op
from evergraph.training.optimizer import Optimizer


class _SignOptimizer(Optimizer):
    """What both share: the mean, the learning rate, and the decay of the sign's part."""

    _rule: str

    def __init__(self, learning_rate: Any, beta: Any, sign_decay_fn: Any, use_locking: bool, name: str) -> None:
        super().__init__(use_locking, name)
        self._lr = learning_rate
        self._beta = beta
        self._sign_decay_fn = sign_decay_fn

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Operation:
        if self._sign_decay_fn is not None:
            self._sign_decay_t = convert_to_tensor(self._sign_decay_fn(global_step), name="sign_decay")
        return super().apply_gradients(grads_and_vars, global_step=global_step, name=name)

    def _create_slots(self, var_list: Any) -> None:
        for v in var_list:
            self._zeros_slot(v, "m", self._name)

    def _own(self) -> tuple[Any, str]:
        """The number that only this optimizer has, and its name."""
        raise NotImplementedError

    def _prepare(self) -> None:
        value, name = self._own()
        self._lr_t = convert_to_tensor(self._lr, name="learning_rate")
        self._beta_t = convert_to_tensor(self._beta, name="beta")
        self._own_t = convert_to_tensor(value, name=name)
        if self._sign_decay_fn is None:
            self._sign_decay_t = convert_to_tensor(1.0, name="sign_decay")

    def _scalars(self, dtype: Any) -> list[Any]:
        return [cast(x, dtype) for x in (self._lr_t, self._own_t, self._sign_decay_t, self._beta_t)]

    def _apply_dense(self, grad: Tensor, var: Any) -> Any:
        scalars = self._scalars(var.dtype.base_dtype)
        apply = raw_op("Apply" + self._rule)
        return apply(var, self.get_slot(var, "m"), *scalars, grad, use_locking=self._use_locking).op

    def _resource_apply_dense(self, grad: Tensor, var: Any) -> Any:
        m: Any = self.get_slot(var, "m")
        scalars = self._scalars(var.dtype.base_dtype)
        apply = raw_op("ResourceApply" + self._rule)
        return apply(var.handle, m.handle, *scalars, grad, use_locking=self._use_locking)

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Operation:
        kind = var.dtype.base_dtype
        numbers = self._sparse_scalars(kind)
        beta_t = numbers["beta"]
        m: Any = self.get_slot(var, "m")
        # Not only the rows with a gradient: the whole mean decays, so the gradient becomes dense here.
        slices: Any = grad
        m_t = state.assign(m, (m * beta_t) + (slices * (1 - beta_t)), use_locking=self._use_locking)
        sign = raw_op("Sign")(grad.values)
        agreement = gather(raw_op("Sign")(m_t), grad.indices) * sign
        decayed = cast(self._sign_decay_t, kind)
        factor = self._factor(numbers, decayed, agreement)
        step = numbers["lr"] * factor * grad.values
        update = state.scatter_sub(var, grad.indices, step, use_locking=self._use_locking)
        return group(update, m_t)

    def _sparse_scalars(self, kind: Any) -> dict[str, Any]:
        raise NotImplementedError

    def _factor(self, numbers: dict[str, Any], decay: Any, agreement: Any) -> Any:
        """What multiplies the gradient, given whether the signs agree (1, 0 or -1)."""
        raise NotImplementedError


@public("contrib.opt.AddSignOptimizer")
class AddSignOptimizer(_SignOptimizer):
    """Steps of `alpha + decay * sign(g) * sign(m)` times the gradient `g`, `m` being a mean of gradients.

    Args:
        learning_rate: a float or a scalar tensor.
        alpha: a float or a scalar tensor.
        beta: how slowly the mean forgets.
        sign_decay_fn: a function from the global step to `decay`; by default it is one.
        use_locking: kept for TF's signature.
        name: the scope of the ops.
    """

    _rule = "AddSign"

    def __init__(
        self,
        learning_rate: Any = 0.1,
        alpha: Any = 1.0,
        beta: Any = 0.9,
        sign_decay_fn: Any = None,
        use_locking: bool = False,
        name: str = "AddSignOptimizer",
    ) -> None:
        super().__init__(learning_rate, beta, sign_decay_fn, use_locking, name)
        self._alpha = alpha

    def _own(self) -> tuple[Any, str]:
        return self._alpha, "alpha"

    def _sparse_scalars(self, kind: Any) -> dict[str, Any]:
        return {"lr": cast(self._lr_t, kind), "alpha": cast(self._own_t, kind), "beta": cast(self._beta_t, kind)}

    def _factor(self, numbers: dict[str, Any], decay: Any, agreement: Any) -> Any:
        return numbers["alpha"] + decay * agreement


@public("contrib.opt.PowerSignOptimizer")
class PowerSignOptimizer(_SignOptimizer):
    """Steps of `base ** (decay * sign(g) * sign(m))` times the gradient `g`, `m` being a mean of gradients.

    Args:
        learning_rate: a float or a scalar tensor.
        base: a float.
        beta: how slowly the mean forgets.
        sign_decay_fn: a function from the global step to `decay`; by default it is one.
        use_locking: kept for TF's signature.
        name: the scope of the ops.
    """

    _rule = "PowerSign"

    def __init__(
        self,
        learning_rate: Any = 0.1,
        base: float = math.e,
        beta: Any = 0.9,
        sign_decay_fn: Any = None,
        use_locking: bool = False,
        name: str = "PowerSignOptimizer",
    ) -> None:
        super().__init__(learning_rate, beta, sign_decay_fn, use_locking, name)
        self._logbase = math.log(base)

    def _own(self) -> tuple[Any, str]:
        return self._logbase, "logbase"

    def _sparse_scalars(self, kind: Any) -> dict[str, Any]:
        found = {"lr": cast(self._lr_t, kind), "beta": cast(self._beta_t, kind), "logbase": cast(self._own_t, kind)}
        return found | {"e": cast(math.e, kind)}

    def _factor(self, numbers: dict[str, Any], decay: Any, agreement: Any) -> Any:
        return pow(numbers["e"], numbers["logbase"] * decay * agreement)
