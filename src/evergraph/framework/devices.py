"""Device names: `/job:worker/replica:0/task:1/device:GPU:0`, whole or in part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class DeviceSpec:
    """A possibly partial device name, as its parts. A part that is None is left open."""

    def __init__(
        self,
        job: str | None = None,
        replica: int | None = None,
        task: int | None = None,
        device_type: str | None = None,
        device_index: int | None = None,
    ) -> None:
        self.job = job
        self.replica = None if replica is None else int(replica)
        self.task = None if task is None else int(task)
        if device_type is not None and device_type.upper() in ("CPU", "GPU"):
            device_type = device_type.upper()
        self.device_type = device_type
        self.device_index = None if device_index is None else int(device_index)

    @classmethod
    def from_string(cls, spec: str) -> DeviceSpec:
        return cls().parse_from_string(spec)

    def parse_from_string(self, spec: str) -> DeviceSpec:
        """Read a device name into this object.

        Raises:
            ValueError: if `spec` is no device name.
        """
        self.__init__()  # type: ignore[misc]  # as when it was new
        kinds = 0
        for part in spec.split("/"):
            fields = part.split(":")
            kinds += fields[0] == "device" or fields[0].upper() in ("CPU", "GPU")
            if kinds > 1:
                raise ValueError(f"Cannot specify multiple device types: {spec}")
            match fields:
                case [""]:
                    continue
                case ["job", job]:
                    self.job = job
                case ["replica", replica]:
                    self.replica = int(replica)
                case ["task", task]:
                    self.task = int(task)
                case ["device", kind, index]:
                    self.device_type, self.device_index = kind, None if index == "*" else int(index)
                case [kind] | [kind, "*"] if kind.upper() in ("CPU", "GPU"):
                    self.device_type = kind.upper()
                case [kind, index] if kind.upper() in ("CPU", "GPU"):
                    self.device_type, self.device_index = kind.upper(), int(index)
                case _:
                    raise ValueError(f"Unknown attribute: {fields[0]!r} in {spec!r}")
        return self

    def merge_from(self, dev: DeviceSpec) -> None:
        for part in ("job", "replica", "task", "device_type", "device_index"):
            if getattr(dev, part) is not None:
                setattr(self, part, getattr(dev, part))

    def make_merged_spec(self, dev: DeviceSpec) -> DeviceSpec:
        merged = DeviceSpec(self.job, self.replica, self.task, self.device_type, self.device_index)
        merged.merge_from(dev)
        return merged

    def replace(self, **parts: Any) -> DeviceSpec:
        merged = DeviceSpec(self.job, self.replica, self.task, self.device_type, self.device_index)
        for part, value in parts.items():
            setattr(merged, part, value)
        return merged

    def to_string(self) -> str:
        text = ""
        for part in ("job", "replica", "task"):
            if getattr(self, part) is not None:
                text += f"/{part}:{getattr(self, part)}"
        if self.device_type is not None:
            text += f"/device:{self.device_type}:{'*' if self.device_index is None else self.device_index}"
        return text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DeviceSpec) and self.to_string() == other.to_string()

    def __hash__(self) -> int:
        return hash(self.to_string())

    def __repr__(self) -> str:
        return f"<DeviceSpec {self.to_string()!r}>"


def canonical_name(device: Any) -> str:
    """`/gpu:0` and the like in full form: `/device:GPU:0`."""
    if device is None:
        return ""
    return device.to_string() if isinstance(device, DeviceSpec) else DeviceSpec.from_string(device).to_string()


def merge_device(spec: Any) -> Callable[[Any], str]:
    """A device function that fills in what an op's own device leaves open from `spec`."""
    outer = spec if isinstance(spec, DeviceSpec) else DeviceSpec.from_string(spec or "")

    def merged(op: Any) -> str:
        inner = DeviceSpec.from_string(op.device or "")
        result = outer.make_merged_spec(inner)
        return result.to_string()

    return merged
