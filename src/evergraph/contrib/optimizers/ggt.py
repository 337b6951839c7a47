"""`tf.contrib.opt.GGTOptimizer`: full-matrix Adagrad over a window of past gradients (Agarwal et al.).

All variables are taken as one long vector. With `M` the last gradients as columns, the root of `M Mᵀ`, as large as the
model, follows from the singular values of `Mᵀ M`, which is as large as the window.
"""

from __future__ import annotations

import math
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import GraphKeys, colocate_with, control_dependencies, init_scope, name_scope
from evergraph.framework.sparse import IndexedSlices
from evergraph.ops import state
from evergraph.ops.arithmetic import divide, pow
from evergraph.ops.cast import cast
from evergraph.ops.cond import cond
from evergraph.ops.filling import zeros
from evergraph.ops.grouping import group
from evergraph.ops.linear_algebra import eye, svd
from evergraph.ops.opdef import raw_op
from evergraph.ops.products import matmul
from evergraph.ops.rearrange import transpose
from evergraph.ops.reductions import reduce_min
from evergraph.ops.sequences import range_
from evergraph.ops.shaping import expand_dims, reshape
from evergraph.ops.variables import Variable
from evergraph.training.optimizer import Optimizer


@public("contrib.opt.GGTOptimizer")
class GGTOptimizer(Optimizer):
    """Adagrad with a full matrix, for models that are badly conditioned. Gradients are dense.

    Args:
        learning_rate: a float.
        beta1: how slowly the mean of gradients forgets.
        use_locking: kept for TF's signature.
        name: the scope of the ops.
        window: how many past gradients count.
        eps: where the least singular value is above this, directions outside the window take part as well.
        svd_eps: added to the diagonal before singular values are taken.
        sigma_eps: added to singular values before they divide.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        use_locking: bool = False,
        name: str = "GGT",
        window: int = 10,
        eps: float = 1e-4,
        svd_eps: float = 1e-6,
        sigma_eps: float = 1e-2,
    ) -> None:
        super().__init__(use_locking, name)
        self._settings = {
            "lr": learning_rate,
            "beta1": beta1,
            "window": window,
            "eps": eps,
            "svd_eps": svd_eps,
            "sigma_eps": sigma_eps,
        }
        self._in_graph: dict[Any, _Settings] = {}
        self.index_dict: dict[str, int] = {}
        self.shape_dict: dict[str, int] = {}

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        pairs = tuple(grads_and_vars)
        if not pairs:
            raise ValueError("No variables provided.")
        if any(isinstance(grad, IndexedSlices) for grad, _ in pairs):
            raise NotImplementedError("Sparse gradient updates are not supported.")
        used = [(convert_to_tensor(grad), var) for grad, var in pairs if grad is not None]
        if not used:
            raise ValueError(f"No gradients provided for any variable: {[str(v) for _, v in pairs]}.")
        var_list = [var for _, var in used]
        first = min(var_list, key=lambda v: v.name)
        with name_scope(name, self._name) as scope:
            with init_scope():
                setting = self._settings_in(first.op.graph)
        with init_scope():
            self._create_vars(var_list, setting, first)
        with name_scope(scope):
            updates = []
            for grad, var in used:
                with colocate_with(var), name_scope(f"update_{var.op.name}"):
                    update = self._apply_dense(grad, var)
                    if var.constraint is not None:
                        with control_dependencies([update]):
                            update = var.assign(var.constraint(var))
                    updates.append(update)
            with control_dependencies([group(*updates)]), colocate_with(first):
                finished = self._finish_step(var_list, setting)
            if global_step is None:
                train_op = group(finished, name=scope)
            else:
                with control_dependencies([finished]), colocate_with(global_step):
                    train_op = global_step.assign_add(1, read_value=False, name=scope)
        made = train_op if isinstance(train_op, Operation) else train_op.op
        known = get_default_graph().get_collection_ref(GraphKeys.TRAIN_OP)
        if made not in known:
            known.append(made)
        return made

    def _settings_in(self, graph: Any) -> _Settings:
        if graph not in self._in_graph:
            self._in_graph[graph] = _Settings(self._settings)
        return self._in_graph[graph]

    def _own(self, name: str) -> Any:
        return self._get_non_slot_variable(name, get_default_graph())

    def _get_global_step(self) -> Any:
        return self._own("global_step")

    def _get_moment1(self) -> Any:
        return self._own("moment1")

    def _get_grad_buffer(self) -> Any:
        return self._own("grad_buffer")

    def _get_flat_grad(self) -> Any:
        return self._own("flat_grad")

    def _make(self, name: str, initial_value: Any, near: Any) -> None:
        key = name, near.op.graph
        if key not in self._non_slot_dict:
            with colocate_with(near):
                self._non_slot_dict[key] = Variable(initial_value, name=name, trainable=False)

    def _create_vars(self, var_list: Any, setting: _Settings, first: Any) -> None:
        sizes = {v.name: math.prod(v.get_shape().as_list()) for v in var_list}
        self.shape_dict = {name: sizes[name] for name in sorted(sizes)}
        length = 0
        for name, size in self.shape_dict.items():
            self.index_dict[name] = length
            length += size
        kind = var_list[0].dtype.base_dtype
        self._make("global_step", cast(0.0, dtype=kind), first)
        self._make("grad_buffer", zeros([setting("window"), length], dtype=kind), first)
        self._make("moment1", zeros((length,), dtype=kind), first)
        self._make("flat_grad", zeros((length,), dtype=kind), first)

    def _part(self, var: Any) -> tuple[int, int]:
        start = self.index_dict[var.name]
        return start, start + self.shape_dict[var.name]

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        """Write the gradient of one variable to its place among all."""
        flat = reshape(grad, [-1])
        return state.scatter_update(self._get_flat_grad(), range_(*self._part(var)), flat)

    def _finish_step(self, var_list: Any, setting: _Settings) -> Operation:
        """The op that moves all variables, once the gradients are in their places."""
        kind = var_list[0].dtype.base_dtype
        steps = state.assign_add(self._get_global_step(), 1.0)
        moment, flat = self._get_moment1(), self._get_flat_grad()
        beta1 = setting("beta1", kind)
        new_moment = moment.assign(beta1 * moment + (1.0 - beta1) * flat)
        window = setting("window")
        place = raw_op("FloorMod")(cast(steps - 1.0, dtypes.int32), window)
        buffer = state.scatter_update(self._get_grad_buffer(), place, new_moment)
        eps, svd_eps, sigma_eps, rate = (setting(name, kind) for name in ("eps", "svd_eps", "sigma_eps", "lr"))
        count = cast(window, dtype=kind)
        root_of_count = raw_op("Sqrt")(raw_op("Minimum")(convert_to_tensor(steps), convert_to_tensor(count)))
        column = expand_dims(new_moment, -1)
        m = transpose(divide(buffer, root_of_count))
        gram: Any = matmul(m, m, transpose_a=True)
        damping = cast(eye(window), dtype=kind) * svd_eps
        sigma, u, _ = svd(gram + damping)
        root = raw_op("Sqrt")(sigma)
        least: Any = reduce_min(root)
        inverse_cube = divide(cast(1.0, dtype=kind), pow(root + sigma_eps, 3))
        nothing = expand_dims(zeros(flat.get_shape(), dtype=kind), -1)
        head = _inside(m, u, inverse_cube, column)
        outside = column - _inside(m, u, divide(cast(1.0, dtype=kind), sigma), column)
        tail = divide(outside, least)
        add = raw_op("Add")
        step = cond(least > eps, lambda: add(head, tail), lambda: add(nothing, head))
        updates = []
        for var in var_list:
            start, end = self._part(var)
            own_step = reshape(step[start:end], var.get_shape())
            updates.append(state.assign_sub(var, rate * own_step))
        return group(*updates)


def _inside(m: Any, u: Any, factors: Any, column: Any) -> Any:
    """`m u diag(factors) uᵀ mᵀ column`: what lies in the directions of the window, each by its factor."""
    diagonal = raw_op("Diag")(factors)
    along = matmul(u, matmul(m, column, transpose_a=True), transpose_a=True)
    return matmul(m, matmul(u, matmul(diagonal, along)))


class _Settings:
    """The settings as tensors of one graph, of the types they are needed in."""

    def __init__(self, settings: dict[str, Any]) -> None:
        made = {name: convert_to_tensor(value, name=name) for name, value in sorted(settings.items())}
        self._tensors: dict[tuple[str, Any], Any] = {(name, None): t for name, t in made.items()}

    def __call__(self, name: str, kind: Any = None) -> Any:
        if (name, kind) not in self._tensors:
            self._tensors[name, kind] = cast(self._tensors[name, None], kind)
        return self._tensors[name, kind]
