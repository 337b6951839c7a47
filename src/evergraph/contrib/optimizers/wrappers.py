"""Optimizers around an optimizer: moving averages, limits on norms, several losses, and old gradients dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

from evergraph.framework import dtypes, log
from evergraph.framework.api import public
from evergraph.framework.scopes import colocate_with, control_dependencies, name_scope
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops.cast import cast
from evergraph.ops.clip import clip_by_global_norm, clip_by_norm, global_norm
from evergraph.ops.cond import cond
from evergraph.ops.filling import zeros
from evergraph.ops.gather import gather
from evergraph.ops.grouping import group, no_op
from evergraph.ops.initializers import Zeros
from evergraph.ops.opdef import raw_op
from evergraph.ops.partitioned import PartitionedVariable
from evergraph.ops.reductions import count_nonzero
from evergraph.ops.summary.functions import scalar
from evergraph.ops.variable_scope import get_variable
from evergraph.ops.variables import global_variables
from evergraph.training.global_step import get_global_step
from evergraph.training.moving_averages import ExponentialMovingAverage
from evergraph.training.optimizer import Optimizer
from evergraph.training.saveable import op_list_to_dict
from evergraph.training.saver import Saver


@public("contrib.opt.MovingAverageOptimizer")
class MovingAverageOptimizer(Optimizer):
    """Keeps moving averages of the variables, and saves them in the variables' place.

    Args:
        opt: the optimizer.
        average_decay: how slowly the averages forget.
        num_updates: counts the steps; the averages forget faster at first.
        sequential_update: whether the averages are updated after the variables.
    """

    def __init__(
        self, opt: Any, average_decay: float = 0.9999, num_updates: Any = None, sequential_update: bool = True
    ) -> None:
        super().__init__(use_locking=False, name=opt.get_name())
        self._optimizer = opt
        self._ema = ExponentialMovingAverage(average_decay, num_updates=num_updates)
        self._swapped_variable_name_map: dict[str, str] | None = None
        self._sequential_update = sequential_update

    def compute_gradients(self, *args: Any, **kwargs: Any) -> Any:
        return self._optimizer.compute_gradients(*args, **kwargs)

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        pairs = list(grads_and_vars)
        train_op = self._optimizer.apply_gradients(pairs, global_step=global_step, name=name)
        changed = [var for grad, var in pairs if grad is not None]
        with control_dependencies([train_op] if self._sequential_update else []):
            average_op = self._ema.apply(changed)
        swapped: dict[str, str] = {}
        for var in changed:
            average: Any = self._ema.average(var)
            swapped[var.op.name], swapped[average.op.name] = average.op.name, var.op.name
        self._swapped_variable_name_map = swapped
        return group(train_op, average_op, name="train_with_avg")

    def _swapped(self, by_name: dict[str, Any], name: str, tensor: Any) -> Any:
        other = (self._swapped_variable_name_map or {}).get(name)
        if other is None:
            return tensor
        if other not in by_name:
            raise ValueError(
                f"Variable to swap {other} is not part of variables to save. This breaks MovingAverageOptimizer."
            )
        return by_name[other]

    def swapping_saver(self, var_list: Any = None, name: str = "swapping_saver", **kwargs: Any) -> Saver:
        """A saver that saves the averages under the names of the variables, and the other way round.

        Args:
            var_list: as for `tf.train.Saver`; by default all global variables.
            name: the scope of its ops.
            **kwargs: for `tf.train.Saver`.

        Raises:
            RuntimeError: before `apply_gradients` or `minimize`.
            ValueError: if a variable is to be saved without its average.
        """
        if self._swapped_variable_name_map is None:
            raise RuntimeError("Must call apply_gradients or minimize before creating the swapping_saver")
        if var_list is None:
            var_list = global_variables()
        if not isinstance(var_list, dict):
            var_list = op_list_to_dict(var_list)
        by_name: dict[str, Any] = {}
        for key, value in var_list.items():
            if isinstance(value, list | PartitionedVariable):
                by_name.update((part.op.name, part) for part in value)
            else:
                by_name[key] = value
        swapped = {
            key: [self._swapped(by_name, part.op.name, part) for part in value]
            if isinstance(value, list)
            else self._swapped(by_name, key, value)
            for key, value in var_list.items()
        }
        return Saver(swapped, name=name, **kwargs)


class _Around(Optimizer):
    """An optimizer whose slots and gradients are those of another."""

    def __init__(self, opt: Any, use_locking: bool, name: str) -> None:
        super().__init__(use_locking, name)
        self._opt = opt

    def compute_gradients(self, *args: Any, **kwargs: Any) -> Any:
        return self._opt.compute_gradients(*args, **kwargs)

    def get_slot(self, *args: Any, **kwargs: Any) -> Any:
        return self._opt.get_slot(*args, **kwargs)

    def get_slot_names(self, *args: Any, **kwargs: Any) -> list[str]:
        return self._opt.get_slot_names(*args, **kwargs)


@public("contrib.opt.VariableClippingOptimizer")
class VariableClippingOptimizer(_Around):
    """Limits the norms of variables after each step.

    Args:
        opt: the optimizer.
        vars_to_clip_dims: a dict from variables to the axes that a norm is taken over.
        max_norm: the limit.
        use_locking: kept for TF's signature.
        colocate_clip_ops_with_vars: whether norms are computed where the variables are.
        name: the scope of the ops.
    """

    def __init__(
        self,
        opt: Any,
        vars_to_clip_dims: Any,
        max_norm: Any,
        use_locking: bool = False,
        colocate_clip_ops_with_vars: bool = False,
        name: str = "VariableClipping",
    ) -> None:
        super().__init__(opt, use_locking, name)
        self._vars_to_clip_dims = {var: list(axes) for var, axes in vars_to_clip_dims.items()}
        self._max_norm = max_norm
        self._colocate_clip_ops_with_vars = colocate_clip_ops_with_vars

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        pairs = list(grads_and_vars)
        with name_scope(name, self._name) as scope:
            update = self._opt.apply_gradients(pairs, global_step=global_step)
            clips = []
            with control_dependencies([update]):
                for grad, var in pairs:
                    if grad is None or var not in self._vars_to_clip_dims:
                        continue
                    with name_scope(f"clip_{var.op.name}"):
                        dense = isinstance(grad, Tensor)
                        clips.append(self._clip_dense(var) if dense else self._clip_sparse(grad, var))
            return group(update, *clips, name=scope)

    def _clip_dense(self, var: Any) -> Any:
        with self._near(var):
            value = var.read_value()
            excess = value - clip_by_norm(value, self._max_norm, self._vars_to_clip_dims[var])
        with colocate_with(var):
            return var.assign_sub(excess, use_locking=self._use_locking)

    def _clip_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        axes = self._vars_to_clip_dims[var]
        if 0 in axes:
            log.warn(
                "Clipping norm across dims %s for %s is inefficient when including sparse dimension 0.",
                axes,
                var.op.name,
            )
            return self._clip_dense(var)
        with colocate_with(var):
            rows = gather(var, grad.indices)
        with self._near(var):
            excess = rows - clip_by_norm(rows, self._max_norm, axes)
            slices = IndexedSlices(excess, grad.indices, grad.dense_shape)
        with colocate_with(var):
            return var.scatter_sub(slices, use_locking=self._use_locking)

    @contextmanager
    def _near(self, var: Any) -> Iterator[None]:
        if self._colocate_clip_ops_with_vars:
            with colocate_with(var):
                yield
        else:
            yield


def _is_all_zeros(grad: Any) -> Tensor:
    return raw_op("Equal")(count_nonzero(grad), 0)


@public("contrib.opt.MultitaskOptimizerWrapper")
class MultitaskOptimizerWrapper:
    """Leaves variables and their slots as they are where a gradient is all zeros: for losses that take turns.

    Args:
        opt: the optimizer; its methods are replaced.
    """

    def __init__(self, opt: Any) -> None:
        if not isinstance(opt, Optimizer):
            raise TypeError("Supplied optimizer must be an instance of tf.train.Optimizer")
        self._opt: Any = opt
        for name in ("_apply_dense", "_resource_apply_dense", "_apply_sparse", "_resource_apply_sparse"):
            setattr(opt, name, MethodType(_unless_zero(getattr(opt, name)), opt))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._opt, name)


def _unless_zero(method: Callable[..., Any]) -> Callable[..., Any]:
    def apply(self: Any, grad: Any, *args: Any, **kwargs: Any) -> Any:
        def update() -> Any:
            with control_dependencies([method(grad, *args, **kwargs)]):
                return no_op()

        return cond(_is_all_zeros(grad), no_op, update)

    return apply


@public("contrib.opt.clip_gradients_by_global_norm")
def clip_gradients_by_global_norm(gradients_variables: Any, clip_norm: Any = 20.0) -> tuple[list[Any], Tensor]:
    """Limit the norm of all gradients together; gradients that are all zeros count as a single zero.

    Args:
        gradients_variables: pairs as `compute_gradients` gives them.
        clip_norm: the limit.

    Returns:
        The pairs, and the norm that the gradients had.
    """
    gradients, variables = zip(*gradients_variables, strict=True)

    def without_zeros(grad: Any) -> Any:
        if grad is None:
            return None
        return cond(_is_all_zeros(grad), lambda: zeros([], dtype=dtypes.as_dtype(grad.dtype)), lambda: grad)

    whole = global_norm([without_zeros(grad) for grad in gradients])
    clipped, _ = clip_by_global_norm(gradients, clip_norm, use_norm=whole)
    return list(zip(clipped, variables, strict=True)), whole


@public("contrib.opt.DropStaleGradientOptimizer")
class DropStaleGradientOptimizer(_Around):
    """Drops gradients that were computed too many steps ago.

    Args:
        opt: the optimizer.
        staleness: how many steps are not too many.
        use_locking: kept for TF's signature.
        name: the scope of the ops.
    """

    def __init__(self, opt: Any, staleness: int, use_locking: bool = False, name: str = "DropStaleGradient") -> None:
        super().__init__(opt, use_locking, name)
        self._staleness = staleness

    def compute_gradients(self, loss: Any, *args: Any, **kwargs: Any) -> Any:
        with colocate_with(loss):
            self._local_step: Any = get_global_step() + 0
        with control_dependencies([self._local_step]):
            return self._opt.compute_gradients(raw_op("Identity")(loss), *args, **kwargs)

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        pairs = list(grads_and_vars)
        with colocate_with(global_step):
            dropped = get_variable("stale_counter", [], initializer=Zeros(), trainable=False)

        def accept() -> Any:
            with control_dependencies([self._opt.apply_gradients(pairs, global_step=global_step, name=name)]):
                return raw_op("Identity")(0.0)

        def drop() -> Any:
            return raw_op("Identity")(1.0)

        known = [grad if isinstance(grad, Tensor) else grad.op for grad, _ in pairs if grad is not None]
        with control_dependencies(known), colocate_with(global_step):
            age = raw_op("Reshape")(global_step - self._local_step, shape=())
        update = dropped.assign_add(cond(raw_op("LessEqual")(age, self._staleness), accept, drop))
        scalar("Gradient staleness percentage", dropped / cast(global_step + 1, dtypes.float32))
        return update
