"""How the items of a collection become messages in a `MetaGraphDef`, and items again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class ProtoFunctions(NamedTuple):
    proto_type: Any
    to_proto: Callable[..., Any] | None
    from_proto: Callable[..., Any] | None


_registered: dict[str, ProtoFunctions] = {}


def register_proto_function(
    collection_name: str, proto_type: Any = None, to_proto: Any = None, from_proto: Any = None
) -> None:
    """Say how the items of a collection are written to a `MetaGraphDef` and read back.

    Args:
        collection_name: the collection's key.
        proto_type: the message class, or the name of one of TensorFlow's.
        to_proto: `to_proto(item, export_scope=None)` gives a message, or None to leave the item out.
        from_proto: `from_proto(message, import_scope=None)` gives an item.

    Raises:
        TypeError: if one of the two is no function.
        ValueError: if `collection_name` is registered already with other ones.
    """
    for function in to_proto, from_proto:
        if function is not None and not callable(function):
            raise TypeError("to_proto and from_proto must be callable.")
    made = ProtoFunctions(proto_type, to_proto, from_proto)
    known = _registered.setdefault(collection_name, made)
    if known != made:
        raise KeyError(f"Registering two different proto functions with name {collection_name!r}!")


def proto_functions(collection_name: str) -> Any:
    """What is registered for a collection; all None if nothing is."""
    return _registered.get(collection_name, ProtoFunctions(None, None, None))


def get_collection_proto_type(collection_name: str) -> Any:
    """The message class of a collection's items."""
    kind = proto_functions(collection_name).proto_type
    return message_class[0](kind) if isinstance(kind, str) else kind


message_class: list[Callable[[str], Any]] = []
"""Finds the class of a message by its name; `formats` plugs it in."""


def get_to_proto_function(collection_name: str) -> Any:
    return proto_functions(collection_name).to_proto


def get_from_proto_function(collection_name: str) -> Any:
    return proto_functions(collection_name).from_proto
