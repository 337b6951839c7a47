"""TensorFlow's protocol messages, as classes: `messages.GraphDef`, `messages.NodeDef`, `messages.DataType`, ...

Every message and enum that `protos/` defines is an attribute of this module under its short name. The classes are made
when the first one is asked for, from `messages.binpb` (see `tools/compile_protos.py`); until then the protobuf runtime
is not imported.

The messages live in a descriptor pool of their own. The process-wide pool refuses a second definition of
`tensorflow.GraphDef`, so a program could otherwise not hold Evergraph together with TensorBoard or TensorFlow. The
price: a message of theirs is not a message of ours even when both are called `tensorflow.GraphDef`. Bytes carry over:
`messages.GraphDef.FromString(theirs.SerializeToString())`, or `adopt(theirs)`.

>>> from evergraph.formats import messages
>>> node = messages.NodeDef(name="x", op="Placeholder")
>>> node.attr["dtype"].type = messages.DataType.DT_FLOAT
>>> messages.NodeDef.FromString(node.SerializeToString()) == node
True
"""

from __future__ import annotations

import copyreg
import threading
from importlib import resources
from typing import Any

_definitions: dict[str, Any] = {}  # message classes and enums by full name; filled once, under the lock
_lock = threading.Lock()


def adopt(message: Any) -> Any:
    """Return `message` itself if it is ours, else a copy of it as our message of the same full name.

    Raises:
        TypeError: if it is no message, or a message that Evergraph has no definition of.
    """
    descriptor = getattr(message, "DESCRIPTOR", None)
    cls: Any = _load().get(getattr(descriptor, "full_name", ""))
    if cls is None or not hasattr(message, "SerializeToString"):  # an enum has a descriptor too
        raise TypeError(f"expected one of TensorFlow's protocol messages, got {type(message).__name__}")
    return message if isinstance(message, cls) else cls.FromString(message.SerializeToString())


def _load() -> dict[str, Any]:
    """All message classes, nested ones too, and all top-level enums, by full name."""
    if _definitions:
        return _definitions
    with _lock:
        if not _definitions:
            from google.protobuf import descriptor_pb2, descriptor_pool
            from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

            compiled = resources.files(__package__).joinpath("messages.binpb").read_bytes()
            pool = descriptor_pool.DescriptorPool()
            found: dict[str, Any] = {}
            for proto in descriptor_pb2.FileDescriptorSet.FromString(compiled).file:
                pool.AddSerializedFile(proto.SerializeToString())
                file = pool.FindFileByName(proto.name)
                for descriptor in file.message_types_by_name.values():
                    _define(descriptor, found)
                for descriptor in file.enum_types_by_name.values():
                    found[descriptor.full_name] = EnumTypeWrapper(descriptor)
            _definitions.update(found)
        return _definitions


def _define(descriptor: Any, found: dict[str, Any]) -> Any:
    """Make the class of a message and of the messages nested in it."""
    from google.protobuf.message_factory import GetMessageClass

    cls: Any = GetMessageClass(descriptor)
    cls.__module__ = __name__
    copyreg.pickle(cls, _reduce)  # protobuf's own pickling looks in the process-wide pool
    for nested in descriptor.nested_types:
        if nested.GetOptions().map_entry:
            continue
        inner = _define(nested, found)
        if nested.name not in cls.__dict__:  # protobuf's pure Python implementation leaves this out
            setattr(cls, nested.name, inner)
    found[descriptor.full_name] = cls
    return cls


def _reduce(message: Any) -> tuple[Any, ...]:
    return _restore, (message.DESCRIPTOR.full_name, message.SerializePartialToString())


def _restore(full_name: str, data: bytes) -> Any:
    return _load()[full_name].FromString(data)


def _short_names() -> dict[str, str]:
    """Full names of what is an attribute of this module, by its name here; the nested ones are reached through it."""
    packages = ("tensorflow", "tensorflow.error", "tensorflow.tfprof")
    return {name: full for full in _load() for package, _, name in [full.rpartition(".")] if package in packages}


def __getattr__(name: str) -> Any:
    # Names with two underscores come from the import system and from inspection: they must not load anything.
    full_name = None if name.startswith("__") else _short_names().get(name)
    if full_name is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, _load()[full_name])


def __dir__() -> list[str]:
    return sorted({*globals(), *_short_names()})
