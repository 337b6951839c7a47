"""Model averaging: every few steps all workers go on from the mean of their variables."""

from __future__ import annotations

from typing import Any

from evergraph.contrib.optimizers.worker_copies import GLOBAL_VARIABLE_NAME, untrained
from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.scopes import GraphKeys, colocate_with, control_dependencies, device, name_scope
from evergraph.ops import state
from evergraph.ops.comparisons import equal
from evergraph.ops.cond import cond
from evergraph.ops.constant import constant
from evergraph.ops.filling import fill
from evergraph.ops.grouping import group, no_op
from evergraph.ops.opdef import raw_op
from evergraph.ops.queues.accumulator_classes import ConditionalAccumulator
from evergraph.ops.queues.queue_classes import FIFOQueue
from evergraph.ops.resource_variable import is_resource_variable
from evergraph.ops.variable_scope import get_variable
from evergraph.ops.variables import (
    Variable,
    global_variables_initializer,
    local_variables_initializer,
    trainable_variables,
)
from evergraph.training.optimizer import Optimizer
from evergraph.training.session_run_hook import SessionRunHook


@public("contrib.opt.ModelAverageCustomGetter")
class ModelAverageCustomGetter:
    """A custom getter for `tf.variable_scope`: each trainable variable gets a shared one.

    Args:
        worker_device: where the trained variables are.
    """

    def __init__(self, worker_device: Any) -> None:
        self._worker_device = worker_device
        self._local_2_global: dict[Any, Any] = {}

    def __call__(self, getter: Any, name: str, trainable: Any, collections: Any, *args: Any, **kwargs: Any) -> Any:
        if trainable:
            with device(self._worker_device):
                local = getter(name, *args, trainable=True, collections=[GraphKeys.LOCAL_VARIABLES], **kwargs)
            self._local_2_global[local] = Variable(
                local.initialized_value(),
                name=f"{GLOBAL_VARIABLE_NAME}/{name}",
                trainable=False,
                collections=[GraphKeys.GLOBAL_VARIABLES],
            )
            return local
        kwargs.update(trainable=trainable, collections=collections)
        return untrained(getter, name, self._worker_device, args, kwargs)


@public("contrib.opt.ModelAverageOptimizer")
class ModelAverageOptimizer(Optimizer):
    """Trains a worker's own variables, and every few steps gives all workers the mean of theirs.

    Args:
        opt: does the steps.
        num_worker: how many workers there are.
        is_chief: whether this worker changes the shared variables.
        ma_custom_getter: the `ModelAverageCustomGetter` that made the variables.
        interval_steps: how many steps a worker does on its own.
        use_locking: kept for TF's signature.
        name: the scope of the ops.
    """

    def __init__(
        self,
        opt: Any,
        num_worker: int,
        is_chief: bool,
        ma_custom_getter: ModelAverageCustomGetter,
        interval_steps: int = 100,
        use_locking: bool = True,
        name: str = "ModelAverageOptimizer",
    ) -> None:
        super().__init__(use_locking, name)
        self._opt = opt
        self._num_worker = num_worker
        self._is_chief = is_chief
        self._local_2_global = ma_custom_getter._local_2_global
        self._interval_steps = interval_steps
        self._accumulator_list: list[tuple[Any, Any]] = []
        self._chief_init_op: Any = None
        self._local_step: Any = get_variable(
            "local_step", initializer=0, trainable=False, collections=[GraphKeys.LOCAL_VARIABLES]
        )
        self._opt._prepare()

    def compute_gradients(self, *args: Any, **kwargs: Any) -> Any:
        return self._opt.compute_gradients(*args, **kwargs)

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        """As `Optimizer.apply_gradients`; `global_step` counts how often the workers came together.

        Raises:
            ValueError: without variables or without a global step.
        """
        pairs = list(grads_and_vars)
        if not pairs:
            raise ValueError("Must supply at least one variable")
        if global_step is None:
            raise ValueError("Global step is required")
        applied = self._opt.apply_gradients(pairs)
        with control_dependencies([applied]):
            counted = state.assign_add(self._local_step, 1, name="local_step_update").op
        with control_dependencies([counted]):
            due = equal(raw_op("FloorMod")(self._local_step, self._interval_steps), 0)
            local_vars = [v for g, v in pairs if g is not None]
            update = cond(due, lambda: self._meet(local_vars, global_step), no_op)
        starts = []
        for accumulator, place in self._accumulator_list:
            with device(place):
                starts.append(accumulator.set_global_step(global_step, name="SetGlobalStep"))
        self._chief_init_op = group(*starts)
        return update

    def _meet(self, local_vars: list[Any], global_step: Any) -> Any:
        """All workers hand in their variables; the chief takes the means, and tells the others to go on."""
        shared = [self._local_2_global[v] for v in local_vars]
        with colocate_with(global_step):
            queue = FIFOQueue(-1, [dtypes.bool], shapes=[[]], shared_name="sync_queue")
        handed_in, means = [], []
        with name_scope(None, self._name + "/global"):
            for v, common in zip(local_vars, shared, strict=True):
                with device(common.device):
                    if is_resource_variable(v):
                        raise ValueError("Unknown local variable type!")
                    accumulator = ConditionalAccumulator(
                        v.dtype, shape=v.get_shape(), shared_name=common.name + "/var_accum"
                    )
                    handed_in.append(accumulator.apply_grad(v._ref(), local_step=global_step))
                    means.append(accumulator.take_grad(self._num_worker))
                    self._accumulator_list.append((accumulator, common.device))
        if self._is_chief:
            done = []
            with control_dependencies(handed_in):
                for mean, common in zip(means, shared, strict=True):
                    with device(common.device):
                        done.append(state.assign(common, mean))
                with device(global_step.device):
                    done.append(state.assign_add(global_step, 1))
            with control_dependencies(done), device(global_step.device):
                tokens = fill([self._num_worker - 1], constant(False))
                go_on = queue.enqueue_many(tokens)
        else:
            with control_dependencies(handed_in), device(global_step.device):
                go_on = queue.dequeue()
        with control_dependencies([go_on]):
            return self._copied(local_vars)

    def _copied(self, local_vars: list[Any]) -> Any:
        if not local_vars:
            raise ValueError("The list of local_variables should not be empty")
        done = []
        for v, common in [(v, self._local_2_global[v]) for v in local_vars]:
            with device(v.device):
                done.append(state.assign(v, common.read_value()))
        return group(*done)

    def get_init_op(self) -> Any:
        """An op that gives the worker's variables the values of the shared ones."""
        return self._copied(trainable_variables())

    def make_session_run_hook(self) -> SessionRunHook:
        """A hook that makes the ops which a worker starts with."""
        return _ModelAverageHook(self, self._is_chief)


class _ModelAverageHook(SessionRunHook):
    """As in TensorFlow 1.15 it makes the ops and runs none of them."""

    def __init__(self, optimizer: ModelAverageOptimizer, is_chief: bool) -> None:
        self._optimizer = optimizer
        self._is_chief = is_chief

    def begin(self) -> None:
        self._local_init_op = local_variables_initializer()
        self._global_init_op = None
        if self._is_chief:
            self._global_init_op = global_variables_initializer()
            self._chief_init_op = self._optimizer._chief_init_op
        self._variable_init_op = self._optimizer.get_init_op()
