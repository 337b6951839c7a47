"""The devices of this process, and which of them an op runs on.

JAX is asked only when it is loaded anyway, or when an op names an accelerator: a graph that runs interpreted on the
CPU never pays for importing it.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from functools import cache
from typing import Any

from evergraph.framework import errors
from evergraph.framework.devices import DeviceSpec, canonical_name
from evergraph.framework.frames import built_at
from evergraph.framework.operation import Operation

LOCAL = "/job:localhost/replica:0/task:0"
LOCAL_TASK = ("localhost", 0)


INCARNATION = int.from_bytes(os.urandom(7), "little") | 1
"""Tells the devices of this process from those of the next one."""


class DeviceAttributes:
    """A device that a session can use."""

    __slots__ = ("_name", "_device_type", "_memory_limit_bytes", "_incarnation")

    def __init__(self, name: str, device_type: str, memory_limit_bytes: int, incarnation: int = INCARNATION) -> None:
        self._name = canonical_name(name)
        self._device_type = device_type
        self._memory_limit_bytes = memory_limit_bytes
        self._incarnation = incarnation

    @property
    def name(self) -> str:
        return self._name

    @property
    def device_type(self) -> str:
        return self._device_type

    @property
    def memory_limit_bytes(self) -> int:
        return self._memory_limit_bytes

    @property
    def incarnation(self) -> int:
        return self._incarnation

    def __repr__(self) -> str:
        return f"_DeviceAttributes({self._name}, {self._device_type}, {self._memory_limit_bytes}, {self._incarnation})"


@cache
def gpu_count() -> int:
    """How many GPUs JAX has. Without a CUDA or ROCm plugin installed the answer needs no JAX."""
    if "jax" not in sys.modules:
        platforms = os.environ.get("JAX_PLATFORMS", "")
        if platforms and not set(platforms.split(",")) & {"cuda", "rocm", "gpu"}:
            return 0
        if not any(
            importlib.util.find_spec(n) for n in ("jax_cuda12_plugin", "jax_cuda13_plugin", "jax_rocm60_plugin")
        ):
            return 0
    import jax

    try:
        return len(jax.local_devices(backend="gpu"))
    except RuntimeError:
        return 0


def default_device() -> str:
    return "device:GPU:0" if gpu_count() else "device:CPU:0"


def _prefix(task: tuple[str, int]) -> str:
    return f"/job:{task[0]}/replica:0/task:{task[1]}"


def device_names(cpus: int = 1, task: tuple[str, int] = LOCAL_TASK) -> list[str]:
    here = _prefix(task)
    return [*(f"{here}/device:CPU:{i}" for i in range(cpus)), *(f"{here}/device:GPU:{i}" for i in range(gpu_count()))]


def place(op: Operation, soft: bool, cpus: int = 1, task: tuple[str, int] = LOCAL_TASK) -> str:
    """The device that `op` runs on, as the kind of its stage. All CPU devices of a session are this machine's CPU.

    Args:
        op: the op.
        soft: whether what it asks for may be overruled.
        cpus: how many CPU devices there are.
        task: the job and number of the server that the session runs on.

    Raises:
        InvalidArgumentError: if the op asks for a device that is not there, and `soft` placement is off.
    """
    if not op._device:
        return default_device()
    spec = DeviceSpec.from_string(op._device)
    there = spec.job is None or (spec.job == task[0] and not spec.replica and spec.task in (None, task[1]))
    index = spec.device_index or 0
    if spec.device_type is None:
        if there or soft:
            return default_device()
    elif spec.device_type == "CPU" and there and (index < cpus or soft):
        return "device:CPU:0"
    elif spec.device_type == "GPU" and there and index < gpu_count():
        return f"device:GPU:{index}"
    if soft:
        return default_device()
    place_text = built_at(op.frames)
    raise errors.InvalidArgumentError(
        None,
        op,
        f"Cannot assign a device for operation {op.name}: {{{{node {op.name}}}}} was explicitly assigned to "
        f"{op._device} but available devices are [ {', '.join(device_names(cpus, task))} ]. Make sure the device "
        "specification refers to a valid device."
        + (f"\n  Built at {place_text}." if place_text else "")
        + "\n  tf.ConfigProto(allow_soft_placement=True) lets such ops run on a device that is there.",
    )


def list_devices(cpus: int = 1, task: tuple[str, int] = LOCAL_TASK) -> list[DeviceAttributes]:
    """The devices of this process, as `Session.list_devices` gives them."""
    here = _prefix(task)
    devices = [DeviceAttributes(f"{here}/device:CPU:{i}", "CPU", 268435456) for i in range(cpus)]
    for i in range(gpu_count()):
        import jax

        stats: Any = jax.local_devices(backend="gpu")[i].memory_stats() or {}
        devices.append(DeviceAttributes(f"{here}/device:GPU:{i}", "GPU", int(stats.get("bytes_limit", 0))))
    return devices
