"""Strategies of one replica: the one that programs are in when they have chosen none, and those of one device.

Code that is written for any strategy asks for the current one and calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from enum import Enum
from typing import Any

from evergraph.framework import dtypes, errors, nest
from evergraph.framework.api import public
from evergraph.framework.scopes import colocate_with, device
from evergraph.framework.stacks import DefaultStack
from evergraph.ops.constant import constant
from evergraph.ops.grouping import group
from evergraph.ops.opdef import raw_op
from evergraph.ops.variable_scope import get_variable_scope
from evergraph.runtime.devices import default_device


@public("distribute.ReduceOp")
class ReduceOp(Enum):
    """How the values of replicas become one."""

    SUM = "SUM"
    MEAN = "MEAN"


class Extended:
    """What libraries call of a strategy.

    Args:
        strategy: the strategy.
    """

    def __init__(self, strategy: Any) -> None:
        self._strategy = strategy
        self.worker_devices = self.parameter_devices = ("",)

    @contextmanager
    def colocate_vars_with(self, colocate_with_variable: Any) -> Iterator[None]:
        """A context whose variables are placed where another one is."""
        with colocate_with(colocate_with_variable):
            yield

    def call_for_each_replica(self, fn: Callable[..., Any], args: Any = (), kwargs: Any = None) -> Any:
        """Call `fn` once."""
        return self._strategy.experimental_run_v2(fn, args, kwargs)

    def update(self, var: Any, fn: Callable[..., Any], args: Any = (), kwargs: Any = None, group: bool = True) -> Any:
        """Call `fn` with a variable."""
        return fn(var, *args, **(kwargs or {}))

    def reduce_to(self, reduce_op: Any, value: Any, destinations: Any) -> Any:
        """The value: there is one replica."""
        return value


@public("distribute.Strategy")
class Strategy:
    """One replica: what is distributed is what there is.

    Args:
        extended: kept for TF's signature.
    """

    def __init__(self, extended: Any = None) -> None:
        self._extended = extended or Extended(self)

    @property
    def extended(self) -> Any:
        """What libraries call."""
        return self._extended

    @property
    def num_replicas_in_sync(self) -> int:
        """How many replicas there are: 1."""
        return 1

    @contextmanager
    def scope(self) -> Iterator[Strategy]:
        """A context in which this is the current strategy."""
        with _current.pushed((self, True)) if self is not _default else nullcontext():
            yield self

    def experimental_run_v2(self, fn: Callable[..., Any], args: Any = (), kwargs: Any = None) -> Any:
        """Call `fn` for each replica: once."""
        with _current.pushed((self, False)) if self is not _default else nullcontext():
            return fn(*args, **(kwargs or {}))

    run = experimental_run_v2

    def experimental_run(self, fn: Callable[..., Any], input_iterator: Any = None) -> Any:
        """Call `fn` with the next element of an iterator, or without."""
        return self.experimental_run_v2(fn, () if input_iterator is None else (input_iterator.get_next(),))

    def make_dataset_iterator(self, dataset: Any) -> Any:
        """An iterator over a dataset; `initialize` is the op that starts it."""
        iterator = dataset.make_initializable_iterator()
        iterator.initialize = lambda: [iterator.initializer]
        return iterator

    def experimental_distribute_dataset(self, dataset: Any) -> Any:
        """The dataset."""
        return dataset

    def experimental_distribute_datasets_from_function(self, dataset_fn: Callable[[Any], Any]) -> Any:
        """What `dataset_fn` gives for the only input pipeline."""
        return dataset_fn(InputContext())

    def reduce(self, reduce_op: Any, value: Any, axis: int | None = None) -> Any:
        """The value, or its sum or mean along `axis`."""
        if axis is None:
            return value
        mean = getattr(reduce_op, "value", reduce_op) in ("MEAN", "mean")
        kernel = raw_op("Mean" if mean else "Sum")
        return nest.map_structure(lambda t: kernel(t, axis), value)

    def experimental_local_results(self, value: Any) -> tuple[Any, ...]:
        """The values of this worker's replicas."""
        return (value,)

    unwrap = experimental_local_results

    def group(self, value: Any, name: str | None = None) -> Any:
        """The op that is done when all of `value` is."""
        return group(*nest.flatten(value), name=name)


@public("distribute.InputContext")
class InputContext:
    """Which input pipeline a dataset is for.

    Args:
        num_input_pipelines: how many there are.
        input_pipeline_id: the number of this one.
        num_replicas_in_sync: how many replicas they feed.
    """

    def __init__(self, num_input_pipelines: int = 1, input_pipeline_id: int = 0, num_replicas_in_sync: int = 1) -> None:
        self.num_input_pipelines = num_input_pipelines
        self.input_pipeline_id = input_pipeline_id
        self.num_replicas_in_sync = num_replicas_in_sync

    def get_per_replica_batch_size(self, global_batch_size: int) -> int:
        """The part of a batch that one replica gets.

        Raises:
            ValueError: if it cannot be divided evenly.
        """
        size, rest = divmod(global_batch_size, self.num_replicas_in_sync)
        if rest:
            raise ValueError(
                f"The global_batch_size {global_batch_size} is not divisible by num_replicas_in_sync "
                f"{self.num_replicas_in_sync}"
            )
        return size


@public("distribute.ReplicaContext")
class ReplicaContext:
    """The replica that code runs in: the only one."""

    def __init__(self, strategy: Any, replica_id_in_sync_group: Any = None) -> None:
        self._strategy = strategy
        self._replica_id = replica_id_in_sync_group

    @property
    def strategy(self) -> Any:
        return self._strategy

    @property
    def num_replicas_in_sync(self) -> int:
        return self._strategy.num_replicas_in_sync

    @property
    def replica_id_in_sync_group(self) -> Any:
        """Which replica this is: an int32 scalar, 0."""
        return (
            constant(0, dtypes.int32, name="replica_id_in_sync_group") if self._replica_id is None else self._replica_id
        )

    @property
    def devices(self) -> tuple[str, ...]:
        return ("",)

    def merge_call(self, merge_fn: Callable[..., Any], args: Any = (), kwargs: Any = None) -> Any:
        """Call `merge_fn` with the strategy and the values of all replicas."""
        with _current.pushed((self._strategy, True)) if self._strategy is not _default else nullcontext():
            return merge_fn(self._strategy, *args, **(kwargs or {}))

    def all_reduce(self, reduce_op: Any, value: Any) -> Any:
        """The value: there is one replica."""
        return value


_default = Strategy()
_current = DefaultStack()  # of a strategy, and whether code speaks for all its replicas


@public("distribute.OneDeviceStrategy")
class OneDeviceStrategy(Strategy):
    """One replica on one device.

    Args:
        device: the device.
    """

    def __init__(self, device: str) -> None:
        super().__init__()
        self._device = device
        self.extended.worker_devices = self.extended.parameter_devices = (device,)

    @contextmanager
    def scope(self) -> Iterator[Strategy]:
        """A context in which this is the current strategy, ops are on its device, and variables are resources."""
        scope = get_variable_scope()
        before = scope.use_resource
        scope.set_use_resource(True)
        try:
            with super().scope(), device(self._device):
                yield self
        finally:
            scope.set_use_resource(before)


@public("distribute.MirroredStrategy")
class MirroredStrategy(OneDeviceStrategy):
    """A replica on each device, of which there can be one.

    Args:
        devices: the device, in a list; by default the first GPU, or else the CPU.
        cross_device_ops: not used.

    Raises:
        UnimplementedError: for more devices.
    """

    def __init__(self, devices: Any = None, cross_device_ops: Any = None) -> None:
        devices = list(devices or [default_device()])
        if len(devices) > 1:
            raise errors.UnimplementedError(
                None, None, f"tf.distribute.MirroredStrategy is supported on one device, not on {devices}"
            )
        super().__init__(devices[0])


@public("distribute.get_strategy")
def get_strategy() -> Strategy:
    """The current strategy."""
    return _current.get_default()[0] if _current.stack else _default


@public("distribute.has_strategy")
def has_strategy() -> bool:
    """Whether the program is in the scope of a strategy that it has made."""
    return bool(_current.stack)


@public("distribute.get_replica_context")
def get_replica_context() -> ReplicaContext | None:
    """The replica that code runs in, or None where it speaks for all of them."""
    return None if in_cross_replica_context() else ReplicaContext(get_strategy())


@public("distribute.in_cross_replica_context")
def in_cross_replica_context() -> bool:
    """Whether code speaks for all replicas together rather than for one."""
    return bool(_current.stack) and _current.get_default()[1]


@public("distribute.get_loss_reduction")
def get_loss_reduction() -> ReduceOp:
    """How the losses of replicas become one."""
    return ReduceOp.SUM
