"""`tf.train.replica_device_setter`: variables to parameter servers, all else to the worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework import log
from evergraph.framework.api import public
from evergraph.framework.devices import DeviceSpec
from evergraph.training.cluster_spec import ClusterSpec

STANDARD_PS_OPS = (
    "Variable", "VariableV2", "AutoReloadVariable", "MutableHashTable", "MutableHashTableV2",
    "MutableHashTableOfTensors", "MutableHashTableOfTensorsV2", "MutableDenseHashTable", "MutableDenseHashTableV2",
    "VarHandleOp", "BoostedTreesEnsembleResourceHandleOp", "BoostedTreesQuantileStreamResourceHandleOp",
    "ResourceConditionalAccumulator",
)  # fmt: skip


class RoundRobinStrategy:
    """One task after the other.

    Args:
        num_tasks: how many there are.
    """

    def __init__(self, num_tasks: int) -> None:
        self._num_tasks = num_tasks
        self._next_task = 0

    def __call__(self, op: Any) -> int:
        task = self._next_task
        self._next_task = (task + 1) % self._num_tasks
        return task


@public("train.replica_device_setter")
def replica_device_setter(
    ps_tasks: int = 0,
    ps_device: str = "/job:ps",
    worker_device: str = "/job:worker",
    merge_devices: bool = True,
    cluster: Any = None,
    ps_ops: Any = None,
    ps_strategy: Callable[[Any], int] | None = None,
) -> Callable[[Any], str] | None:
    """A device function, for `tf.device`, that puts variables on parameter servers, one after the other.

    Args:
        ps_tasks: how many parameter servers there are; with none there is no device function.
        ps_device: the device of the parameter servers, without the task's number.
        worker_device: the device of all other ops.
        merge_devices: whether what an op says of its device already is kept in parts, rather than whole.
        cluster: a `ClusterSpec` or what makes one, to count parameter servers in.
        ps_ops: the types of ops that go to parameter servers.
        ps_strategy: a function of an op that gives the number of its task.

    Returns:
        A function of an op, or None.

    Raises:
        TypeError: if `ps_strategy` cannot be called.

    >>> with tf.device(tf.train.replica_device_setter(ps_tasks=2)):
    ...     a, b = tf.Variable(1.0), tf.Variable(2.0)
    >>> a.device, b.device
    ('/job:ps/task:0', '/job:ps/task:1')
    """
    if cluster is not None:
        jobs = ClusterSpec(cluster).as_dict()
        job = DeviceSpec.from_string(ps_device).job
        if job is None or jobs.get(job) is None:
            return None
        ps_tasks = len(jobs[job])
    if ps_tasks == 0:
        return None
    types = STANDARD_PS_OPS if ps_ops is None else ps_ops
    if not merge_devices:
        log.warn("DEPRECATION: It is recommended to set merge_devices=true in replica_device_setter")
    strategy = RoundRobinStrategy(ps_tasks) if ps_strategy is None else ps_strategy
    if not callable(strategy):
        raise TypeError("ps_strategy must be callable")

    def device_function(op: Any) -> str:
        if not merge_devices and op.device:
            return op.device
        current = DeviceSpec.from_string(op.device or "")
        kind = op.op if isinstance(getattr(op, "op", None), str) else op.type
        if not ps_device or kind not in types:
            return DeviceSpec.from_string(worker_device or "").make_merged_spec(current).to_string()
        chosen = DeviceSpec.from_string(ps_device)
        if chosen.job and (not current.job or current.job == chosen.job):
            chosen = chosen.replace(task=strategy(op))
        return chosen.make_merged_spec(current).to_string()

    return device_function
