"""Elastic averaging (Zhang, Choromanska and LeCun): workers are held to common variables as if by springs."""

from __future__ import annotations

from typing import Any

from evergraph.contrib.optimizers.worker_copies import InitialCopyHook, make_copies, untrained
from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import GraphKeys, colocate_with, control_dependencies, device
from evergraph.ops import state
from evergraph.ops.arithmetic import multiply, subtract
from evergraph.ops.comparisons import equal
from evergraph.ops.cond import cond
from evergraph.ops.constant import constant
from evergraph.ops.grouping import group, no_op
from evergraph.ops.nn import l2_loss
from evergraph.ops.opdef import raw_op
from evergraph.ops.queues.queue_classes import FIFOQueue
from evergraph.ops.sums import add_n
from evergraph.ops.variable_scope import get_variable
from evergraph.ops.variables import global_variables, trainable_variables
from evergraph.training.optimizer import Optimizer
from evergraph.training.saveable import op_list_to_dict
from evergraph.training.saver import Saver

LOCAL_VARIABLE_NAME = "local_center_variable"


@public("contrib.opt.ElasticAverageCustomGetter")
class ElasticAverageCustomGetter:
    """A custom getter for `tf.variable_scope`: each trainable variable gets a shared one and a copy of that.

    Args:
        worker_device: where the trained variables and the copies are.
    """

    def __init__(self, worker_device: Any) -> None:
        self._worker_device = worker_device
        self._local_map: dict[Any, Any] = {}
        self._global_map: dict[Any, Any] = {}

    def __call__(self, getter: Any, name: str, trainable: Any, collections: Any, *args: Any, **kwargs: Any) -> Any:
        if trainable:
            local, copies = make_copies(getter, name, self._worker_device, LOCAL_VARIABLE_NAME, args, kwargs)
            for own, shared, copy in copies:
                self._local_map[own], self._global_map[own] = copy, shared
            return local
        kwargs.update(trainable=trainable, collections=collections)
        return untrained(getter, name, self._worker_device, args, kwargs)


@public("contrib.opt.ElasticAverageOptimizer")
class ElasticAverageOptimizer(Optimizer):
    """Trains a worker's own variables; every few steps they and the shared ones move towards each other.

    Args:
        opt: does the steps.
        num_worker: how many workers there are.
        ea_custom_getter: the `ElasticAverageCustomGetter` that made the variables.
        communication_period: how many steps a worker does on its own.
        moving_rate: the part of the way to go; by default `0.9 / communication_period / num_worker`.
        rho: how strong the spring in the loss is; by default `moving_rate` over the learning rate of `opt`.
        use_locking: kept for TF's signature.
        synchronous: whether workers wait for each other before they start.
        name: the scope of the ops.
    """

    BETA = 0.9

    def __init__(
        self,
        opt: Any,
        num_worker: int,
        ea_custom_getter: ElasticAverageCustomGetter,
        communication_period: int = 10,
        moving_rate: float | None = None,
        rho: Any = None,
        use_locking: bool = True,
        synchronous: bool = False,
        name: str = "ElasticAverageOptimizer",
    ) -> None:
        super().__init__(use_locking, name)
        self._opt = opt
        self._num_worker = num_worker
        self._period = communication_period
        self._local_map = ea_custom_getter._local_map
        self._global_map = ea_custom_getter._global_map
        self._synchronous = synchronous
        self._moving_rate = self.BETA / communication_period / num_worker if moving_rate is None else moving_rate
        self._rho = self._moving_rate / opt._learning_rate if rho is None else rho
        self._local_step: Any = get_variable(
            "local_step", initializer=0, trainable=False, collections=[GraphKeys.LOCAL_VARIABLES]
        )
        self._opt._prepare()

    def compute_gradients(
        self,
        loss: Any,
        var_list: Any = None,
        gate_gradients: int = Optimizer.GATE_OP,
        aggregation_method: int | None = None,
        colocate_gradients_with_ops: bool = False,
        grad_loss: Any = None,
    ) -> list[tuple[Any, Any]]:
        """As `Optimizer.compute_gradients`, of the loss and the tension of the springs together."""
        var_list = var_list or trainable_variables()
        copies = [self._local_map[v] for v in var_list]
        apart = [subtract(v, copy) for v, copy in zip(trainable_variables(), copies, strict=False)]
        total = loss + self._rho * add_n([l2_loss(d) for d in apart])
        return self._opt.compute_gradients(
            total, var_list, gate_gradients, aggregation_method, colocate_gradients_with_ops, grad_loss
        )

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        pairs = list(grads_and_vars)
        before = {v.op.name for v in global_variables()}
        applied = self._opt.apply_gradients(pairs)
        _move_to_local_collection({v.op.name for v in global_variables()} - before)
        with control_dependencies([applied]):
            counted = state.assign_add(self._local_step, 1, name="local_step_update").op

        def communicate() -> Any:
            local_vars = [v for g, v in pairs if g is not None]
            shared = [self._global_map[v] for v in local_vars]
            copies = [self._local_map[v] for v in local_vars]
            # What was assigned, not the variable it was assigned to: a read of that which was made outside need not
            # come after the assignment.
            copied = [copy.assign(common) for copy, common in zip(copies, shared, strict=True)]
            with control_dependencies(copied):
                apart = []
                for v, copy in zip(local_vars, copied, strict=True):
                    with device(v.device):
                        apart.append(subtract(v, copy))
                done = [
                    *self._moved(state.assign_sub, local_vars, apart),
                    *self._moved(state.assign_add, shared, apart),
                ]
                if global_step is not None:
                    with colocate_with(global_step):
                        done.append(state.assign_add(global_step, 1))
            return group(*done)

        with control_dependencies([counted]):
            due = equal(raw_op("FloorMod")(self._local_step, self._period), 0)
            return cond(due, communicate, no_op)

    def _moved(self, assign: Any, variables: list[Any], apart: list[Any]) -> list[Any]:
        found = []
        for v, distance in zip(variables, apart, strict=True):
            with device(v.device):
                found.append(assign(v, multiply(self._moving_rate, distance)))
        return found

    def get_init_op(self, task_index: int) -> Any:
        """An op that gives the worker's variables the values of the shared ones.

        If the optimizer is synchronous, it waits until all workers have run theirs.
        """
        local_vars = trainable_variables()
        if not local_vars:
            raise ValueError(
                "The lists of local_variables, global_center_variables, local_center_variables should not be empty  "
            )
        done = []
        for v in local_vars:
            shared = self._global_map[v]
            done.extend([state.assign(v, shared), state.assign(self._local_map[v], shared)])
        ready = group(*done)
        return self._barrier(ready, task_index) if self._synchronous else ready

    def _barrier(self, after: Any, task_index: int) -> Any:
        """Each worker has a queue, puts something into those of the others, and waits for all of theirs."""
        queues = [
            FIFOQueue(self._num_worker, [dtypes.bool], shapes=[[]], shared_name=f"variable_init_sync_queue{i}")
            for i in range(self._num_worker)
        ]
        token = constant(False)
        with control_dependencies([after]):
            sent = [no_op() if i == task_index else queue.enqueue(token) for i, queue in enumerate(queues)]
        return group(*sent, queues[task_index].dequeue_many(len(queues) - 1))

    def make_session_run_hook(self, is_chief: bool, task_index: int) -> InitialCopyHook:
        """A hook that runs `get_init_op` when a session has been made."""
        return InitialCopyHook(lambda: self.get_init_op(task_index), is_chief)

    def swapping_saver(self, var_list: Any = None, name: str = "swapping_saver", **kwargs: Any) -> Saver:
        """A saver that saves the shared variables under the names of the trained ones.

        Args:
            var_list: as for `tf.train.Saver`; by default the trainable variables.
            name: the scope of its ops.
            **kwargs: for `tf.train.Saver`.

        Raises:
            RuntimeError: if the custom getter has made no variable.
        """
        if not self._global_map:
            raise RuntimeError(
                "global_center_variable is empty, please make sure this is called after model created and "
                "ElasticAverageCustomGetter is used when declaring you model"
            )
        if var_list is None:
            var_list = trainable_variables()
        if not isinstance(var_list, dict):
            var_list = op_list_to_dict(var_list)
        by_name = {v.op.name: shared for v, shared in self._global_map.items()}
        swapped = {
            key: [self._global_map.get(part, part) for part in value]
            if isinstance(value, list)
            else by_name.get(value.op.name, value)
            for key, value in var_list.items()
        }
        return Saver(swapped, name=name, **kwargs)


def _move_to_local_collection(names: set[str]) -> None:
    """Slots of a worker's variables belong to the worker."""
    graph = get_default_graph()
    known = graph.get_collection_ref(GraphKeys.GLOBAL_VARIABLES)
    for v in [v for v in known if v.op.name in names]:
        graph.add_to_collection(GraphKeys.LOCAL_VARIABLES, v)
    known[:] = [v for v in known if v.op.name not in names]
