"""`tensorflow.python.client.device_lib`, which programs ask how many GPUs there are."""

from __future__ import annotations

from typing import Any

from evergraph.formats import messages
from evergraph.runtime import devices


def list_local_devices(session_config: Any = None) -> list[Any]:
    """The devices of this process, as `DeviceAttributes` messages: `name`, `device_type`, `memory_limit`."""
    return [
        messages.DeviceAttributes(
            name=device.name.replace("/job:localhost/replica:0/task:0", ""),
            device_type=device.device_type,
            memory_limit=device.memory_limit_bytes,
            incarnation=device.incarnation,
        )
        for device in devices.list_devices()
    ]
