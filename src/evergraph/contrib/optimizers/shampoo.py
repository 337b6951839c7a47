"""Shampoo (Gupta, Koren and Singer): a gradient is multiplied, along each of its axes, with a root of a matrix.

A variable of shape `[a, b]` has a matrix of shape `[a, a]` and one of shape `[b, b]`, sums of products of its gradients
with themselves. An axis longer than `max_matrix_size` has the diagonal alone, a vector.
"""

from __future__ import annotations

from typing import Any

from evergraph.contrib.optimizers.matrix_roots import matrix_inverse_pth_root, matrix_square_root
from evergraph.framework import dtypes, log
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import colocate_with, name_scope
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops import state
from evergraph.ops.arithmetic import pow
from evergraph.ops.cast import cast
from evergraph.ops.cond import cond
from evergraph.ops.filling import zeros, zeros_like
from evergraph.ops.gather import gather, scatter_nd
from evergraph.ops.linear_algebra import eye, svd
from evergraph.ops.opdef import raw_op
from evergraph.ops.products import matmul, tensordot
from evergraph.ops.rearrange import transpose
from evergraph.ops.reductions import reduce_sum
from evergraph.ops.selecting import where
from evergraph.ops.shaping import expand_dims
from evergraph.ops.shaping import shape as shape_of
from evergraph.training.optimizer import Optimizer


def _at(value: Any, step: Any) -> Any:
    """A setting, which may be a function of the step."""
    return value(step) if callable(value) else value


@public("contrib.opt.ShampooOptimizer")
class ShampooOptimizer(Optimizer):
    """A preconditioner for each axis of a variable.

    Args:
        global_step: a variable, or a number: how many steps were done before.
        max_matrix_size: the longest axis that has a whole matrix.
        gbar_decay, gbar_weight: `gbar = gbar_decay * gbar + gbar_weight * gradient` is what the matrices multiply.
        mat_gbar_decay, mat_gbar_weight: the same for the matrices; `mat_gbar_decay` is 1 for sparse gradients.
        learning_rate: of a step. It, and the four before it, may be functions of the step.
        svd_interval: how many steps a root is used for.
        precond_update_interval: how many steps a matrix is used for.
        epsilon: added to the diagonals before roots are taken.
        alpha: the exponents are `-alpha / rank`.
        use_iterative_root: whether roots are found by iteration rather than by singular values.
        use_locking: kept for TF's signature.
        name: the scope of the ops.
    """

    def __init__(
        self,
        global_step: Any = 0,
        max_matrix_size: int = 768,
        gbar_decay: Any = 0.0,
        gbar_weight: Any = 1.0,
        mat_gbar_decay: Any = 1.0,
        mat_gbar_weight: Any = 1.0,
        learning_rate: Any = 1.0,
        svd_interval: Any = 1,
        precond_update_interval: Any = 1,
        epsilon: float = 1e-4,
        alpha: Any = 0.5,
        use_iterative_root: bool = False,
        use_locking: bool = False,
        name: str = "Shampoo",
    ) -> None:
        super().__init__(use_locking, name)
        self._global_step: Any = cast(global_step, dtypes.float32)
        self._max_matrix_size = max_matrix_size
        self._gbar_decay = gbar_decay
        self._gbar_weight = gbar_weight
        self._mat_gbar_decay = mat_gbar_decay
        self._mat_gbar_weight = mat_gbar_weight
        self._learning_rate = learning_rate
        self._svd_interval = svd_interval
        self._precond_update_interval = precond_update_interval
        self._epsilon = epsilon
        self._alpha = alpha
        self._use_iterative_root = use_iterative_root

    def _create_slots(self, var_list: Any) -> None:
        for v in var_list:
            with colocate_with(v):
                self._zeros_slot(v, "gbar", self._name)
                for i, size in enumerate(v.get_shape().as_list()):
                    length = convert_to_tensor(size, name="shape_as_tensor")
                    if size <= self._max_matrix_size:
                        start = zeros_like(eye(length))
                        if self._svd_interval > 1:
                            self._get_or_make_slot(v, eye(length), f"H_{i}", self._name)
                    else:
                        start = zeros([length])
                    self._get_or_make_slot(v, start, f"Gbar_{i}", self._name)

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        return self._apply_gradient(grad, var)

    def _resource_apply_dense(self, grad: Any, var: Any) -> Any:
        return self._apply_gradient(grad, var)

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        return self._apply_rows(grad.values, grad.indices, var)

    def _resource_apply_sparse(self, grad: Any, var: Any, indices: Any) -> Any:
        return self._apply_rows(grad, indices, var)

    def _apply_rows(self, values: Any, rows: Any, var: Any) -> Any:
        if var.get_shape().as_list()[0] <= self._max_matrix_size or self._gbar_decay != 0.0:
            # All rows take part in the matrix of the first axis, or in the mean.
            places = expand_dims(rows, axis=1)
            return self._apply_gradient(scatter_nd(places, values, shape_of(var, out_type=rows.dtype)), var)
        return self._apply_gradient(values, var, rows)

    def _weighted_average(self, var: Any, weight: Any, weight_t: Any, rest: Any) -> Any:
        """`weight * var + rest`, stored in `var` where that differs from `rest`."""
        if weight == 0.0:
            return rest
        if weight == 1.0:
            return state.assign_add(var, rest)
        return var.assign_add((weight_t - 1) * var + rest)

    def _apply_gradient(self, grad: Any, var: Any, rows: Any = None) -> Any:
        step = self._global_step + 1
        gbar = self.get_slot(var, "gbar")
        decay, weight = _at(self._gbar_decay, step), _at(self._gbar_weight, step)
        if rows is None:
            direction = self._weighted_average(gbar, self._gbar_decay, decay, weight * grad)
        else:
            if self._gbar_decay != 0.0:
                log.warn("Not applying momentum for variable: %s", var.name)
            direction = grad
        sizes = var.get_shape().as_list()
        axes = _Axes(self, var, grad, rows, sizes, step)
        for i, size in enumerate(sizes):
            # Each turn uses up the first axis and puts the next one in its place: after all turns the order is as
            # it was.
            if size <= self._max_matrix_size:
                root = axes.root(i)
                direction = tensordot(direction, root, axes=([0], [0]), name=f"precond_{i}")
            else:
                root = axes.diagonal_root(i)
                direction = transpose(direction, perm=[*range(1, len(sizes)), 0]) * root
        rate = _at(self._learning_rate, step)
        if rows is None:
            return state.assign_sub(var, rate * direction)
        return state.scatter_add(var, rows, -rate * direction)

    def _power(self, var: Any, matrix: Any, size: int, exponent: Any, slot_name: str | None = None) -> Any:
        """`matrix` to the power of `exponent`, stored in a slot if that has a name."""
        with name_scope("matrix_iterative_power"):
            if self._use_iterative_root:
                root = matrix_square_root(matrix, size, 100, self._epsilon)
                found = matrix_inverse_pth_root(root, size, 2 * exponent, 100, 1e-6, ridge_epsilon=0.0)
            else:
                found = self._power_by_singular_values(matrix, size, exponent)
            return found if slot_name is None else state.assign(self.get_slot(var, slot_name), found)

    def _power_by_singular_values(self, matrix: Any, size: int, exponent: Any) -> Any:
        if size == 1:
            return pow(matrix + self._epsilon, exponent)
        damping = self._epsilon * eye(cast(size, dtypes.int32))
        values, u, v = svd(matrix + damping, full_matrices=True)
        return matmul(v * pow(raw_op("Maximum")(values, self._epsilon), exponent), transpose(u))


class _Axes:
    """The preconditioners of one variable in one step."""

    def __init__(self, of: ShampooOptimizer, var: Any, grad: Any, rows: Any, sizes: list[int], step: Any) -> None:
        self.of, self.var, self.grad, self.rows, self.sizes, self.step = of, var, grad, rows, sizes, step
        self.sums: list[Any] = [of.get_slot(var, f"Gbar_{i}") for i in range(len(sizes))]
        self.decay, self.weight = _at(of._mat_gbar_decay, step), _at(of._mat_gbar_weight, step)
        self.exponent = -_at(of._alpha, step) / max(len(sizes), 1)
        self.svd_interval = _at(of._svd_interval, step)
        self.update_interval = _at(of._precond_update_interval, step)

    def _others(self, i: int) -> list[int]:
        return [axis for axis in range(len(self.sizes)) if axis != i]

    def _due(self, interval: Any) -> Tensor:
        return raw_op("FloorMod")(self.step, interval) < 1

    def root(self, i: int) -> Any:
        """The root of the whole matrix of axis `i`."""
        of, others = self.of, self._others(i)

        def updated() -> Any:
            weight = self.weight * self.update_interval
            outer = tensordot(self.grad, self.grad, axes=(others, others), name=f"grad_outer_{i}")
            return of._weighted_average(self.sums[i], of._mat_gbar_decay, self.decay, weight * outer)

        matrix = cond(self._due(self.update_interval), updated, lambda: self.sums[i])
        matrix = matrix / float(self.sizes[i])
        if of._svd_interval == 1:
            return of._power(self.var, matrix, self.sizes[i], self.exponent)
        slot_name = f"H_{i}"
        return cond(
            self._due(self.svd_interval),
            lambda: of._power(self.var, matrix, self.sizes[i], self.exponent, slot_name),
            lambda: of.get_slot(self.var, slot_name),
        )

    def diagonal_root(self, i: int) -> Any:
        """The root of the diagonal of axis `i`, in the rows that have a gradient."""
        of, grad, others = self.of, self.grad, self._others(i)
        if others:
            normalizer = 1.0 if self.rows is not None else float(self.sizes[i])
            squares = reduce_sum(grad * grad, axis=others) / normalizer
        else:
            squares = grad * grad
        if i == 0 and self.rows is not None:
            assert of._mat_gbar_decay == 1.0
            diagonal = gather(state.scatter_add(self.sums[i], self.rows, self.weight * squares), self.rows)
        else:
            diagonal = of._weighted_average(self.sums[i], of._mat_gbar_decay, self.decay, self.weight * squares)
        return where(raw_op("Greater")(diagonal, 0), pow(diagonal, self.exponent), zeros_like(diagonal))
