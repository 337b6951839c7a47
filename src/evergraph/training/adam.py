"""Adam: steps along the mean of the gradients, divided by the root of the mean of their squares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import colocate_with, control_dependencies
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops import state
from evergraph.ops.cast import cast
from evergraph.ops.grouping import group
from evergraph.ops.opdef import raw_op
from evergraph.training.optimizer import Optimizer


@public("train.AdamOptimizer")
class AdamOptimizer(Optimizer):
    """Adam, as Kingma and Ba describe it (arXiv:1412.6980).

    Args:
        learning_rate: a float, a scalar tensor, or a function that gives one.
        beta1: how slowly the mean of the gradients forgets; the same kinds.
        beta2: how slowly the mean of their squares forgets.
        epsilon: keeps the divisor from zero.
        use_locking: kept for TF's signature.
        name: the scope of the ops.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adam",
    ) -> None:
        super().__init__(use_locking, name)
        self._lr = learning_rate
        self._beta1 = beta1
        self._beta2 = beta2
        self._epsilon = epsilon

    def _get_beta_accumulators(self) -> tuple[Any, Any]:
        """The variables that hold `beta1 ** step` and `beta2 ** step`."""
        graph = get_default_graph()
        return self._get_non_slot_variable("beta1_power", graph), self._get_non_slot_variable("beta2_power", graph)

    def _create_slots(self, var_list: Any) -> None:
        # The same variable whatever the order of `var_list`, so that the graph is the same too.
        first = min(var_list, key=lambda v: v.name)
        self._create_non_slot_variable(self._beta1, "beta1_power", first)
        self._create_non_slot_variable(self._beta2, "beta2_power", first)
        for v in var_list:
            self._zeros_slot(v, "m", self._name)
            self._zeros_slot(v, "v", self._name)

    def _prepare(self) -> None:
        self._lr_t = convert_to_tensor(self._call_if_callable(self._lr), name="learning_rate")
        self._beta1_t = convert_to_tensor(self._call_if_callable(self._beta1), name="beta1")
        self._beta2_t = convert_to_tensor(self._call_if_callable(self._beta2), name="beta2")
        self._epsilon_t = convert_to_tensor(self._call_if_callable(self._epsilon), name="epsilon")

    def _scalars(self, dtype: Any) -> list[Any]:
        shared = (*self._get_beta_accumulators(), self._lr_t, self._beta1_t, self._beta2_t, self._epsilon_t)
        return [cast(x, dtype) for x in shared]

    def _apply_dense(self, grad: Tensor, var: Any) -> Any:
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        scalars = self._scalars(var.dtype.base_dtype)
        return raw_op("ApplyAdam")(var, m, v, *scalars, grad, use_locking=self._use_locking).op

    def _resource_apply_dense(self, grad: Tensor, var: Any) -> Any:
        m: Any = self.get_slot(var, "m")
        v: Any = self.get_slot(var, "v")
        scalars = self._scalars(grad.dtype.base_dtype)
        apply = raw_op("ResourceApplyAdam")
        return apply(var.handle, m.handle, v.handle, *scalars, grad, use_locking=self._use_locking)

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        def scatter_add(x: Any, indices: Tensor, values: Tensor) -> Tensor:
            return state.scatter_add(x, indices, values, use_locking=self._use_locking)

        return self._apply_sparse_shared(grad.values, var, grad.indices, scatter_add)

    def _resource_apply_sparse(self, grad: Tensor, var: Any, indices: Tensor) -> Any:
        def scatter_add(x: Any, indices: Tensor, values: Tensor) -> Tensor:
            with control_dependencies([raw_op("ResourceScatterAdd")(x.handle, indices, values)]):
                return x.value()

        return self._apply_sparse_shared(grad, var, indices, scatter_add)

    def _apply_sparse_shared(
        self, grad: Any, var: Any, indices: Tensor, scatter_add: Callable[[Any, Tensor, Tensor], Tensor]
    ) -> Operation:
        """All rows decay and move, as if the gradient were dense; only the sums touch single rows."""
        beta1_power, beta2_power, lr_t, beta1_t, beta2_t, epsilon_t = self._scalars(var.dtype.base_dtype)
        lr = lr_t * raw_op("Sqrt")(1 - beta2_power) / (1 - beta1_power)
        m = self.get_slot(var, "m")
        scaled = grad * (1 - beta1_t)
        m_t = state.assign(m, m * beta1_t, use_locking=self._use_locking)
        with control_dependencies([m_t]):
            m_t = scatter_add(m, indices, scaled)
        v = self.get_slot(var, "v")
        scaled = grad * grad * (1 - beta2_t)
        v_t = state.assign(v, v * beta2_t, use_locking=self._use_locking)
        with control_dependencies([v_t]):
            v_t = scatter_add(v, indices, scaled)
        root = raw_op("Sqrt")(v_t)
        update = state.assign_sub(var, lr * m_t / (root + epsilon_t), use_locking=self._use_locking)
        return group(update, m_t, v_t)

    def _finish(self, update_ops: list[Any], name_scope: str) -> Operation:
        with control_dependencies(update_ops):
            beta1_power, beta2_power = self._get_beta_accumulators()
            with colocate_with(beta1_power):
                next_beta1 = beta1_power.assign(beta1_power * self._beta1_t, use_locking=self._use_locking)
                next_beta2 = beta2_power.assign(beta2_power * self._beta2_t, use_locking=self._use_locking)
        return group(*update_ops, next_beta1, next_beta2, name=name_scope)
