"""`tf.train.SyncReplicasOptimizer`: several workers whose gradients are averaged into one step.

    worker ─ gradient ─► accumulator (one a variable) ─ mean of `replicas_to_aggregate` ─► the chief's step
    worker ◄─ token with the new step ─ queue ◄──────────────────────────────────────────────┘

Gradients that are older than the step are dropped. The chief's step runs in the thread of a queue runner.
"""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes, log
from evergraph.framework.api import public
from evergraph.framework.scopes import GraphKeys, control_dependencies, device, name_scope
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops import state
from evergraph.ops.filling import fill
from evergraph.ops.grouping import group, no_op
from evergraph.ops.queues.accumulator_classes import ConditionalAccumulator, SparseConditionalAccumulator
from evergraph.ops.queues.queue_classes import FIFOQueue
from evergraph.ops.variables import Variable, global_variables, report_uninitialized_variables
from evergraph.training.optimizer import Optimizer
from evergraph.training.queue_runner import QueueRunner
from evergraph.training.session_manager import is_ready
from evergraph.training.session_run_hook import SessionRunHook


@public("train.SyncReplicasOptimizer")
class SyncReplicasOptimizer(Optimizer):
    """Averages the gradients of several workers before it applies them.

    Args:
        opt: the optimizer that applies them.
        replicas_to_aggregate: how many gradients make a step.
        total_num_replicas: how many workers there are; by default as many.
        variable_averages: an `ExponentialMovingAverage` to update after each step.
        variables_to_average: its variables.
        use_locking: kept for TF's signature.
        name: the scope of the ops.
    """

    def __init__(
        self,
        opt: Any,
        replicas_to_aggregate: int,
        total_num_replicas: int | None = None,
        variable_averages: Any = None,
        variables_to_average: Any = None,
        use_locking: bool = False,
        name: str = "sync_replicas",
    ) -> None:
        if total_num_replicas is None:
            total_num_replicas = replicas_to_aggregate
        super().__init__(use_locking, name)
        log.info(
            "SyncReplicasV2: replicas_to_aggregate=%s; total_num_replicas=%s", replicas_to_aggregate, total_num_replicas
        )
        self._opt = opt
        self._replicas_to_aggregate = replicas_to_aggregate
        self._gradients_applied = False
        self._variable_averages = variable_averages
        self._variables_to_average = variables_to_average
        self._total_num_replicas = total_num_replicas
        self._tokens_per_step = max(total_num_replicas, replicas_to_aggregate)
        self._global_step: Any = None
        self._sync_token_queue: Any = None
        self._chief_queue_runner: Any = None
        self._accumulator_list: list[tuple[Any, str]] = []

    def compute_gradients(self, *args: Any, **kwargs: Any) -> Any:
        """The gradients, as the wrapped optimizer computes them."""
        return self._opt.compute_gradients(*args, **kwargs)

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        """Add the op that hands a worker's gradients in and waits for the step.

        Args:
            grads_and_vars: as for `Optimizer.apply_gradients`.
            global_step: counts the steps; it must be given.
            name: not used.

        Returns:
            The op that a worker runs.

        Raises:
            ValueError: without gradients or global step.
        """
        grads_and_vars = list(grads_and_vars)
        if not grads_and_vars:
            raise ValueError("Must supply at least one variable")
        if global_step is None:
            raise ValueError("Global step is required to check staleness")
        self._global_step = global_step
        no_op()
        self._local_step = Variable(
            initial_value=0,
            trainable=False,
            collections=[GraphKeys.LOCAL_VARIABLES],
            dtype=global_step.dtype.base_dtype,
            name="sync_rep_local_step",
        )
        self.local_step_init_op = state.assign(self._local_step, global_step)
        chief_init_ops = [self.local_step_init_op]
        self.ready_for_local_init_op = report_uninitialized_variables(global_variables())
        with name_scope(None, self._name):
            handed_in: list[Any] = []
            means: list[Any] = []
            for grad, var in grads_and_vars:
                with device(var.device):
                    means.append(None if grad is None else self._mean(grad, var, handed_in))
            with device(global_step.device), name_scope(""):
                pairs = [(mean, var) for mean, (_, var) in zip(means, grads_and_vars, strict=True)]
                update = self._opt.apply_gradients(pairs, global_step)
            with device(global_step.device), name_scope(""):
                kind = global_step.dtype.base_dtype
                queue = FIFOQueue(-1, kind, shapes=(), name="sync_token_q", shared_name="sync_token_q")
                self._sync_token_queue = queue
                dummy = FIFOQueue(1, dtypes.int32, shapes=(), name="dummy_queue", shared_name="dummy_queue")
            with device(global_step.device), name_scope(""):
                with control_dependencies(handed_in):
                    token = queue.dequeue()
                train_op = state.assign(self._local_step, token)
                with control_dependencies([update]):
                    sync_op = queue.enqueue_many((fill([self._tokens_per_step], global_step),))
                if self._variable_averages is not None:
                    with control_dependencies([sync_op]), name_scope(""):
                        sync_op = self._variable_averages.apply(self._variables_to_average)
                self._chief_queue_runner = QueueRunner(dummy, [sync_op])
            for accumulator, where in self._accumulator_list:
                with device(where):
                    chief_init_ops.append(accumulator.set_global_step(global_step, name="SetGlobalStep"))
            self.chief_init_op = group(*chief_init_ops)
            self._gradients_applied = True
            return train_op

    def _mean(self, grad: Any, var: Any, handed_in: list[Any]) -> Any:
        """The mean of the workers' gradients of `var`; the op that hands ours in goes to `handed_in`."""
        accumulator: Any
        if isinstance(grad, Tensor):
            accumulator = ConditionalAccumulator(
                grad.dtype, shape=var.get_shape(), shared_name=f"{var.name}/grad_accum"
            )
            handed_in.append(accumulator.apply_grad(grad, local_step=self._local_step))
            mean = accumulator.take_grad(self._replicas_to_aggregate)
        elif isinstance(grad, IndexedSlices):
            accumulator = SparseConditionalAccumulator(grad.dtype, shape=(), shared_name=f"{var.name}/grad_accum")
            handed_in.append(accumulator.apply_indexed_slices_grad(grad, local_step=self._local_step))
            mean = accumulator.take_indexed_slices_grad(self._replicas_to_aggregate)
        else:
            raise ValueError(f"Unknown grad type: {type(grad)}")
        self._accumulator_list.append((accumulator, var.device))
        return mean

    def get_chief_queue_runner(self) -> QueueRunner:
        """The queue runner whose thread does the steps; the chief starts it.

        Raises:
            ValueError: before `apply_gradients`.
        """
        if not self._gradients_applied:
            raise ValueError("Should be called after apply_gradients().")
        return self._chief_queue_runner

    def get_slot(self, *args: Any, **kwargs: Any) -> Any:
        return self._opt.get_slot(*args, **kwargs)

    def variables(self) -> list[Any]:
        return self._opt.variables()

    def get_slot_names(self, *args: Any, **kwargs: Any) -> list[str]:
        return self._opt.get_slot_names(*args, **kwargs)

    def get_init_tokens_op(self, num_tokens: int = -1) -> Any:
        """The op that puts the first tokens into the queue; the chief runs it once.

        Args:
            num_tokens: how many; by default one for each gradient of a step.

        Raises:
            ValueError: before `apply_gradients`, or for too few tokens.
        """
        if not self._gradients_applied:
            raise ValueError("get_init_tokens_op() should be called after apply_gradients().")
        needed = self._replicas_to_aggregate - self._total_num_replicas
        if num_tokens == -1:
            num_tokens = self._replicas_to_aggregate
        elif num_tokens < needed:
            raise ValueError(f"Too few tokens to finish the first step: {num_tokens} (given) vs {needed} (needed)")
        if num_tokens <= 0:
            return no_op(name="no_init_tokens")
        with device(self._global_step.device), name_scope(""):
            return self._sync_token_queue.enqueue_many((fill([num_tokens], self._global_step),))

    def make_session_run_hook(self, is_chief: bool, num_tokens: int = -1) -> SessionRunHook:
        """The hook that initialises all this in a `MonitoredSession`."""
        return _SyncReplicasHook(self, is_chief, num_tokens)


class _SyncReplicasHook(SessionRunHook):
    """Initialises the local step and, in the chief, the tokens and the queue runner."""

    def __init__(self, sync_optimizer: SyncReplicasOptimizer, is_chief: bool, num_tokens: int) -> None:
        self._sync_optimizer = sync_optimizer
        self._is_chief = is_chief
        self._num_tokens = num_tokens

    def begin(self) -> None:
        optimizer = self._sync_optimizer
        if not optimizer._gradients_applied:
            raise ValueError("SyncReplicasOptimizer.apply_gradient should be called before using the hook.")
        self._local_init_op = optimizer.chief_init_op if self._is_chief else optimizer.local_step_init_op
        self._ready_for_local_init_op = optimizer.ready_for_local_init_op
        self._q_runner = optimizer.get_chief_queue_runner() if self._is_chief else None
        self._init_tokens_op = optimizer.get_init_tokens_op(self._num_tokens) if self._is_chief else None

    def after_create_session(self, session: Any, coord: Any) -> None:
        ready, problem = is_ready(
            self._ready_for_local_init_op, session, "Model is not ready for SyncReplicasOptimizer local init."
        )
        if not ready:
            raise RuntimeError(
                "Init operations did not make model ready for SyncReplicasOptimizer local_init. Init op: "
                f"{self._local_init_op.name}, error: {problem}"
            )
        session.run(self._local_init_op)
        if self._init_tokens_op is not None:
            session.run(self._init_tokens_op)
        if self._q_runner is not None:
            self._q_runner.create_threads(session, coord=coord, daemon=True, start=True)
