"""`tf.config`: which devices there are, and settings that TensorFlow keeps for the process.

A session takes its own settings from `tf.ConfigProto`. Those made here are remembered, and given back when asked for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from evergraph.framework.api import public, publish
from evergraph.runtime.devices import device_names


class PhysicalDevice(NamedTuple):
    """A device of this machine."""

    name: str
    device_type: str

    def __repr__(self) -> str:
        return f"PhysicalDevice(name='{self.name}', device_type='{self.device_type}')"


class LogicalDevice(NamedTuple):
    """A device as ops are placed on it."""

    name: str
    device_type: str


@public("config.experimental.VirtualDeviceConfiguration")
class VirtualDeviceConfiguration(NamedTuple):
    """How much memory, in megabytes, a part of a device may use."""

    memory_limit: Any = None


def _type_and_index(name: str) -> tuple[str, str]:
    kind, index = name.rpartition("/device:")[2].split(":")
    return kind, index


@public("config.experimental.list_physical_devices")
def list_physical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """The devices of this machine, or those of one type ("CPU", "GPU")."""
    kinds = [_type_and_index(name) for name in device_names()]
    return [
        PhysicalDevice(f"/physical_device:{kind}:{index}", kind) for kind, index in kinds if device_type in (None, kind)
    ]


@public("config.experimental.list_logical_devices")
def list_logical_devices(device_type: str | None = None) -> list[LogicalDevice]:
    """The devices that ops can be placed on, or those of one type ("CPU", "GPU")."""
    return [
        LogicalDevice(name, kind)
        for name in device_names()
        for kind, _ in [_type_and_index(name)]
        if device_type in (None, kind)
    ]


@public("config.experimental_list_devices")
def experimental_list_devices() -> list[str]:
    """The names of the devices that ops can be placed on."""
    return device_names()


_visible: dict[str | None, list[PhysicalDevice]] = {}
_per_device: dict[tuple[str, Any], Any] = {}


@public("config.experimental.get_visible_devices")
def get_visible_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """The devices that `set_visible_devices` chose; all by default."""
    for chosen in (device_type, None):
        if chosen in _visible:
            return [d for d in _visible[chosen] if device_type in (None, d.device_type)]
    return list_physical_devices(device_type)


@public("config.experimental.set_visible_devices")
def set_visible_devices(devices: Any, device_type: str | None = None) -> None:
    """Choose devices.

    Raises:
        ValueError: for one that is not there, or of another type.
    """
    chosen = (
        list(devices) if isinstance(devices, list | tuple) and not isinstance(devices, PhysicalDevice) else [devices]
    )
    for device in chosen:
        if device not in list_physical_devices():
            raise ValueError(f"Unrecognized device: {device!r}")
        if device_type is not None and device.device_type != device_type:
            raise ValueError(f"Unrecognized device: {device!r}")
    _visible[device_type] = chosen


def _of_device(setting: str, default: Any) -> None:
    """Make `get_<setting>(device)` and `set_<setting>(device, value)`."""

    def get(device: Any) -> Any:
        return _per_device.get((setting, device), default)

    def put(device: Any, value: Any) -> None:
        if device not in list_physical_devices():
            raise ValueError(f"Unrecognized device: {device!r}")
        _per_device[setting, device] = value

    get.__name__, get.__doc__ = f"get_{setting}", f"What `set_{setting}` set for a device."
    put.__name__, put.__doc__ = f"set_{setting}", f"Remember the setting `{setting}` for a device."
    publish(f"config.experimental.get_{setting}", get)
    publish(f"config.experimental.set_{setting}", put)


def _of_process(namespace: str, setting: str, default: Any) -> None:
    """Make `get_<setting>()` and `set_<setting>(value)`."""
    held = [default]

    def get() -> Any:
        return held[0]

    def put(value: Any) -> None:
        held[0] = {**held[0], **value} if isinstance(held[0], dict) else value

    get.__name__, get.__doc__ = f"get_{setting}", f"What `set_{setting}` set for this process."
    put.__name__, put.__doc__ = f"set_{setting}", f"Remember the setting `{setting}` for this process."
    publish(f"{namespace}.get_{setting}", get)
    publish(f"{namespace}.set_{setting}", put)


_of_device("memory_growth", None)
_of_device("virtual_device_configuration", None)
_of_process("config", "soft_device_placement", False)
_of_process("config.experimental", "device_policy", "silent")
_of_process("config.experimental", "synchronous_execution", True)
_of_process("config.optimizer", "jit", False)
_of_process(
    "config.optimizer", "experimental_options", {"disable_model_pruning": False, "disable_meta_optimizer": False}
)
_of_process("config.threading", "inter_op_parallelism_threads", 0)
_of_process("config.threading", "intra_op_parallelism_threads", 0)
_of_process("debugging", "log_device_placement", False)
