"""Adam that divides by the largest gradient seen, decayed, rather than by a root: `tf.contrib.opt.AdaMaxOptimizer`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework.api import public
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import colocate_with, control_dependencies
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops import state
from evergraph.ops.cast import cast
from evergraph.ops.gather import gather
from evergraph.ops.grouping import group
from evergraph.ops.opdef import raw_op
from evergraph.training.adam import AdamOptimizer

Scatter = Callable[[Any, Any, Any], Any]


@public("contrib.opt.AdaMaxOptimizer")
class AdaMaxOptimizer(AdamOptimizer):
    """AdaMax, section 7.1 of Kingma and Ba's Adam. Sparse updates touch only the rows that have a gradient.

    Args:
        learning_rate: a float, a scalar tensor, or a function that gives one.
        beta1: how slowly the mean of gradients forgets.
        beta2: how slowly the largest gradient is forgotten.
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
        name: str = "AdaMax",
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, use_locking, name)

    def _get_beta_accumulators(self) -> Any:
        """The variable that holds `beta1 ** step`."""
        return self._get_non_slot_variable("beta1_power", get_default_graph())

    def _create_slots(self, var_list: Any) -> None:
        first = min(var_list, key=lambda v: v.name)
        self._create_non_slot_variable(self._beta1, "beta1_power", first)
        for v in var_list:
            self._zeros_slot(v, "m", self._name)
            self._zeros_slot(v, "v", self._name)

    def _scalars(self, dtype: Any) -> list[Any]:
        shared = (self._get_beta_accumulators(), self._lr_t, self._beta1_t, self._beta2_t, self._epsilon_t)
        return [cast(x, dtype) for x in shared]

    def _apply_dense(self, grad: Tensor, var: Any) -> Any:
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        scalars = self._scalars(var.dtype.base_dtype)
        return raw_op("ApplyAdaMax")(var, m, v, *scalars, grad, use_locking=self._use_locking).op

    def _resource_apply_dense(self, grad: Tensor, var: Any) -> Any:
        m: Any = self.get_slot(var, "m")
        v: Any = self.get_slot(var, "v")
        scalars = self._scalars(grad.dtype.base_dtype)
        apply = raw_op("ResourceApplyAdaMax")
        return apply(var.handle, m.handle, v.handle, *scalars, grad, use_locking=self._use_locking)

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Operation:
        def add(x: Any, rows: Any, values: Any) -> Any:
            return state.scatter_add(x, rows, values, use_locking=self._use_locking)

        def update(x: Any, rows: Any, values: Any) -> Any:
            return state.scatter_update(x, rows, values, use_locking=self._use_locking)

        return self._apply_rows(grad.values, var, grad.indices, add, update)

    def _resource_apply_sparse(self, grad: Tensor, var: Any, indices: Tensor) -> Operation:
        return self._apply_rows(
            grad, var, indices, _on_resource("ResourceScatterAdd"), _on_resource("ResourceScatterUpdate")
        )

    def _apply_rows(self, grad: Any, var: Any, rows: Any, scatter_add: Scatter, scatter_update: Scatter) -> Operation:
        beta1_power, lr_t, beta1_t, beta2_t, epsilon_t = self._scalars(var.dtype.base_dtype)
        m: Any = self.get_slot(var, "m")
        mean = gather(m, rows) * beta1_t + grad * (1 - beta1_t)
        with control_dependencies([mean]):
            m_t = scatter_update(m, rows, mean)
        v: Any = self.get_slot(var, "v")
        largest = raw_op("Maximum")(gather(v, rows) * beta2_t, raw_op("Abs")(grad))
        with control_dependencies([largest]):
            v_t = scatter_update(v, rows, largest)
        step = -lr_t / (1 - beta1_power) * (mean / (largest + epsilon_t))
        with control_dependencies([step]):
            update = scatter_add(var, rows, step)
        return group(update, m_t, v_t)

    def _finish(self, update_ops: list[Any], name_scope: str) -> Operation:
        with control_dependencies(update_ops):
            beta1_power = self._get_beta_accumulators()
            with colocate_with(beta1_power):
                next_beta1 = beta1_power.assign(beta1_power * self._beta1_t, use_locking=self._use_locking)
        return group(*update_ops, next_beta1, name=name_scope)


def _on_resource(op_name: str) -> Scatter:
    def scatter(x: Any, rows: Any, values: Any) -> Any:
        with control_dependencies([raw_op(op_name)(x.handle, rows, values)]):
            return x.value()

    return scatter
