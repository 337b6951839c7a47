"""Accumulated gradient normalisation (Hermans): workers send the mean of several gradients, not each of them."""

from __future__ import annotations

from typing import Any

from evergraph.contrib.optimizers.worker_copies import InitialCopyHook, make_copies
from evergraph.framework.api import public
from evergraph.framework.scopes import GraphKeys, colocate_with, control_dependencies
from evergraph.ops import state
from evergraph.ops.comparisons import equal
from evergraph.ops.cond import cond
from evergraph.ops.filling import zeros_like
from evergraph.ops.grouping import group, no_op
from evergraph.ops.opdef import raw_op
from evergraph.ops.variable_scope import get_variable, variable_creator_scope
from evergraph.ops.variables import trainable_variables
from evergraph.training.optimizer import Optimizer

GRAD_VARIABLE_NAME = "grad_variable"


@public("contrib.opt.AGNCustomGetter")
class AGNCustomGetter:
    """A custom getter for `tf.variable_scope`: each trainable variable gets a shared one and one that sums gradients.

    Args:
        worker_device: where the trained variables and the sums are.
    """

    def __init__(self, worker_device: Any) -> None:
        self._worker_device = worker_device
        self._global_map: dict[Any, Any] = {}
        self._grad_map: dict[Any, Any] = {}

    def __call__(self, getter: Any, name: str, trainable: Any, collections: Any, *args: Any, **kwargs: Any) -> Any:
        if not trainable:
            return getter(name, *args, trainable=trainable, collections=collections, **kwargs)
        local, copies = make_copies(getter, name, self._worker_device, GRAD_VARIABLE_NAME, args, kwargs)
        for own, shared, gradient in copies:
            self._grad_map[own], self._global_map[own] = gradient, shared
        return local


@public("contrib.opt.AGNOptimizer")
class AGNOptimizer(Optimizer):
    """Trains a worker's own variables, and every few steps the shared ones with the mean of its gradients.

    Args:
        optimizer: does the steps, on both.
        num_worker: how many workers there are.
        custom_getter: the `AGNCustomGetter` that made the variables.
        communication_period: how many steps a worker does on its own.
        use_locking: kept for TF's signature.
        name: the scope of the ops.
    """

    def __init__(
        self,
        optimizer: Any,
        num_worker: int,
        custom_getter: AGNCustomGetter,
        communication_period: int = 10,
        use_locking: bool = True,
        name: str = "AGNOptimizer",
    ) -> None:
        super().__init__(use_locking, name)
        self._opt = optimizer
        self._num_worker = num_worker
        self._period = communication_period
        self._global_map = custom_getter._global_map
        self._grad_map = custom_getter._grad_map
        self._local_step: Any = get_variable(
            "local_step", initializer=0, trainable=False, collections=[GraphKeys.LOCAL_VARIABLES]
        )
        self._opt._prepare()

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        pairs = list(grads_and_vars)
        local_vars = [v for g, v in pairs if g is not None]
        grads = [g for g, _ in pairs if g is not None]
        with variable_creator_scope(_in_local_collection):
            updates = [self._opt.apply_gradients(pairs)]
        sums = [self._grad_map[v] for v in local_vars]
        updates.extend(state.assign_add(total, g) for g, total in zip(grads, sums, strict=True))
        shared = [self._global_map[v] for v in local_vars]

        def communicate() -> Any:
            # The means themselves, not the variables that hold them: a read of those that was made outside need not
            # come after the assignment.
            means = [state.assign(total, total / self._period) for total in sums]
            with control_dependencies(means):
                applied = self._opt.apply_gradients(zip(means, shared, strict=True))
            with control_dependencies([applied]):
                done = []
                if global_step is not None:
                    with colocate_with(global_step):
                        done.append(state.assign_add(global_step, 1))
                done.extend(state.assign(v, self._global_map[v].read_value()) for v in local_vars)
                done.extend(state.assign(total, zeros_like(total)) for total in sums)
                return group(*done)

        counted = state.assign_add(self._local_step, 1, name="local_step_update").op
        with control_dependencies([counted]):
            due = equal(raw_op("FloorMod")(self._local_step, self._period), 0)
        with control_dependencies(updates):
            return cond(due, communicate, no_op)

    def get_init_op(self, task_index: int) -> Any:
        """An op that gives the worker's variables the values of the shared ones, and the sums zeros."""
        local_vars = trainable_variables()
        shared = [self._global_map[v] for v in local_vars]
        sums = [self._grad_map[v] for v in local_vars]
        if not local_vars:
            raise ValueError(
                "The lists of local_variables, global_center_variables,grad_center_variables should not be empty"
            )
        done = [state.assign(v, common) for v, common in zip(local_vars, shared, strict=True)]
        done.extend(state.assign(total, zeros_like(total)) for total in sums)
        return group(*done)

    def make_session_run_hook(self, is_chief: bool, task_index: int) -> InitialCopyHook:
        """A hook that runs `get_init_op` when a session has been made."""
        return InitialCopyHook(lambda: self.get_init_op(task_index), is_chief)


def _in_local_collection(next_creator: Any, collections: Any = None, **kwargs: Any) -> Any:
    """Slots of a worker's variables belong to the worker."""
    if not collections:
        collections = [GraphKeys.LOCAL_VARIABLES]
    elif GraphKeys.GLOBAL_VARIABLES in collections:
        collections = [c for c in collections if c != GraphKeys.GLOBAL_VARIABLES] + [GraphKeys.LOCAL_VARIABLES]
    return next_creator(collections=collections, **kwargs)
