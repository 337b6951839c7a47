"""Adam that leaves rows without a gradient alone (`LazyAdamOptimizer`), and with Nesterov's look ahead (`Nadam`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework.api import public
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import control_dependencies
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops import state
from evergraph.ops.gather import gather
from evergraph.ops.grouping import group
from evergraph.ops.opdef import raw_op
from evergraph.training.adam import AdamOptimizer


@public("contrib.opt.LazyAdamOptimizer")
class LazyAdamOptimizer(AdamOptimizer):
    """Adam whose sparse updates touch only the rows that have a gradient.

    Faster on large embeddings than `tf.train.AdamOptimizer`, where all rows decay at each step; the results differ.
    """

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Operation:
        beta1_power, beta2_power, lr_t, beta1_t, beta2_t, epsilon_t = self._scalars(var.dtype.base_dtype)
        lr = lr_t * raw_op("Sqrt")(1 - beta2_power) / (1 - beta1_power)
        rows, locked = grad.indices, self._use_locking
        m: Any = self.get_slot(var, "m")
        m_t = state.scatter_update(m, rows, beta1_t * gather(m, rows) + (1 - beta1_t) * grad.values, use_locking=locked)
        v: Any = self.get_slot(var, "v")
        kept = beta2_t * gather(v, rows)
        v_t = state.scatter_update(v, rows, kept + (1 - beta2_t) * raw_op("Square")(grad.values), use_locking=locked)
        mean, root = gather(m_t, rows), raw_op("Sqrt")(gather(v_t, rows)) + epsilon_t
        update = state.scatter_sub(var, rows, lr * mean / root, use_locking=locked)
        return group(update, m_t, v_t)

    def _resource_apply_sparse(self, grad: Any, var: Any, indices: Tensor) -> Operation:
        beta1_power, beta2_power, lr_t, beta1_t, beta2_t, epsilon_t = self._scalars(var.dtype.base_dtype)
        lr = lr_t * raw_op("Sqrt")(1 - beta2_power) / (1 - beta1_power)
        m: Any = self.get_slot(var, "m")
        m_rows = beta1_t * gather(m, indices) + (1 - beta1_t) * grad
        m_t = raw_op("ResourceScatterUpdate")(m.handle, indices, m_rows)
        v: Any = self.get_slot(var, "v")
        v_rows = beta2_t * gather(v, indices) + (1 - beta2_t) * raw_op("Square")(grad)
        v_t = raw_op("ResourceScatterUpdate")(v.handle, indices, v_rows)
        step = lr * m_rows / (raw_op("Sqrt")(v_rows) + epsilon_t)
        return group(raw_op("ResourceScatterSub")(var.handle, indices, step), m_t, v_t)


@public("contrib.opt.NadamOptimizer")
class NadamOptimizer(AdamOptimizer):
    """Adam with Nesterov momentum, as Dozat describes it."""

    def _apply_dense(self, grad: Tensor, var: Any) -> Any:
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        scalars = self._scalars(var.dtype.base_dtype)
        apply = raw_op("ApplyAdam")
        return apply(var, m, v, *scalars, grad, use_locking=self._use_locking, use_nesterov=True).op

    def _resource_apply_dense(self, grad: Tensor, var: Any) -> Any:
        m: Any = self.get_slot(var, "m")
        v: Any = self.get_slot(var, "v")
        scalars = self._scalars(grad.dtype.base_dtype)
        apply = raw_op("ResourceApplyAdam")
        return apply(var.handle, m.handle, v.handle, *scalars, grad, use_locking=self._use_locking, use_nesterov=True)

    def _apply_sparse_shared(
        self, grad: Any, var: Any, indices: Tensor, scatter_add: Callable[[Any, Tensor, Tensor], Tensor]
    ) -> Operation:
        beta1_power, beta2_power, lr_t, beta1_t, beta2_t, epsilon_t = self._scalars(var.dtype.base_dtype)
        lr = lr_t * raw_op("Sqrt")(1 - beta2_power) / (1 - beta1_power)
        m: Any = self.get_slot(var, "m")
        scaled = grad * (1 - beta1_t)
        m_t = state.assign(m, m * beta1_t, use_locking=self._use_locking)
        with control_dependencies([m_t]):
            m_t = scatter_add(m, indices, scaled)
            ahead = scaled + beta1_t * gather(m_t, indices)
        v: Any = self.get_slot(var, "v")
        scaled = grad * grad * (1 - beta2_t)
        v_t = state.assign(v, v * beta2_t, use_locking=self._use_locking)
        with control_dependencies([v_t]):
            v_t = scatter_add(v, indices, scaled)
        root = raw_op("Sqrt")(gather(v_t, indices))
        update = scatter_add(var, indices, -lr * ahead / (root + epsilon_t))
        return group(update, ahead, v_t)
