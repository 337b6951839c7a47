"""Graphs of more than 2 GB, which no protobuf message can be: their large constants are kept beside the message.

    saved_model.pb                              the message; a large constant has its type and shape, and a mark
    saved_model.pb.constants.index, .data-...   the values, as a checkpoint (bundle.py)

A graph whose constants pass `LIMIT` gives a `GraphDef` in which each constant of `SMALL` bytes or more has, in place of
its value, the attribute `MARK`:

    KEY@            the value is in this process, in the graph that the message was made of
    KEY@PREFIX      the value is the tensor KEY of the checkpoint PREFIX

Whoever writes a message to a file puts the values beside it (`to_file`); whoever reads one says where they are
(`from_file`), since files may have been moved. Importing a graph looks values up (`value_of`). TensorFlow has nothing
of the kind, and stops at 2 GB; a smaller graph is written as TensorFlow writes it.
"""

from __future__ import annotations

import itertools
import os
import secrets
import weakref
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from evergraph.formats import files
from evergraph.formats.tensors import array_to_proto
from evergraph.framework import errors

if TYPE_CHECKING:
    from evergraph.formats.bundle import BundleReader  # every graph comes by here, few need checkpoints

LIMIT = 2_000_000_000  # bytes of all constants; names, shapes and the rest need room too
MESSAGE_LIMIT = 2**31 - 1
SMALL = 65_536
MARK = "_evergraph_kept_apart"
SUFFIX = ".constants"

_process = secrets.token_hex(8)  # another process cannot look up what this one holds
_numbers = itertools.count()
_held: weakref.WeakValueDictionary[str, np.ndarray] = weakref.WeakValueDictionary()
_keys: dict[int, str] = {}  # by the array's id
_owned: dict[str, np.ndarray] = {}


def are_too_large(arrays: Iterator[Any]) -> bool:
    """Whether these values had better be kept apart."""
    return sum(a.nbytes for a in arrays if isinstance(a, np.ndarray)) > LIMIT


def put(node: Any, array: np.ndarray, dtype: int, owned: bool = False) -> None:
    """Give a node a large constant that is kept apart.

    Args:
        node: the `NodeDef`.
        array: its value.
        dtype: the number of its type.
        owned: whether nobody but the message wants the value: it then stays until the process ends.
    """
    if array.nbytes < SMALL or array.dtype == object:
        node.attr["value"].tensor.CopyFrom(array_to_proto(array, dtype))
        return
    key = _keys.get(id(array))
    if key is None or _held.get(key) is not array:
        key = _keys[id(array)] = f"{_process}-{next(_numbers)}"
        _held[key] = array
        weakref.finalize(array, _keys.pop, id(array), None)
    if owned:
        _owned[key] = array
    tensor = node.attr["value"].tensor
    tensor.dtype = dtype
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)
    node.attr[MARK].s = f"{key}@".encode()


def value_of(node: Any, readers: dict[str, BundleReader]) -> np.ndarray:
    """The value of a node that has the mark; `readers` are the checkpoints opened so far.

    Raises:
        ValueError: if it is not where the mark says.
    """
    from evergraph.formats.bundle import BundleReader, index_name

    key, _, prefix = node.attr[MARK].s.decode("utf-8", "surrogateescape").partition("@")
    declared = tuple(dim.size for dim in node.attr["value"].tensor.tensor_shape.dim)
    if not prefix:
        found = _held.get(key)
        if found is None:
            raise ValueError(
                f"the constant {node.name!r} of shape {list(declared)} is not in the message, since all of them pass "
                "2 GB, but in the process that made it. Write the graph with tf.train.write_graph, "
                "tf.train.export_meta_graph or as a SavedModel: they put large constants into a file beside it."
            )
    else:
        try:
            if prefix not in readers:
                readers[prefix] = BundleReader(prefix)
            found = readers[prefix].read(key)
        except errors.NotFoundError:
            raise ValueError(
                f"the constant {node.name!r} of shape {list(declared)} is not in {index_name(prefix)}, where it was "
                "kept beside its graph. If the graph was moved, move that file and its data file too, and read the "
                "graph with tf.train.import_meta_graph or tf.saved_model.load."
            ) from None
    if found.shape != declared:
        raise ValueError(
            f"the constant {node.name!r} of shape {list(declared)} has the shape {list(found.shape)} there"
        )
    return found


def _marked(message: Any) -> Iterator[Any]:
    """The nodes with the mark in a `GraphDef`, a `MetaGraphDef` or a `SavedModel`."""
    match message.DESCRIPTOR.full_name:
        case "tensorflow.GraphDef":
            yield from (node for node in message.node if node.op == "Const" and MARK in node.attr)
        case "tensorflow.MetaGraphDef":
            yield from _marked(message.graph_def)
        case "tensorflow.SavedModel":
            for meta_graph in message.meta_graphs:
                yield from _marked(meta_graph)


def to_file(path: str, message: Any) -> Any:
    """The form in which `message` is written to the file `path`; large constants are put beside it.

    Raises:
        ValueError: if what is left is more than a message can hold.
    """
    if next(_marked(message), None) is not None:
        from evergraph.formats.bundle import BundleWriter

        made = type(message)()
        made.CopyFrom(message)
        prefix = os.path.abspath(files.local(path)) + SUFFIX
        written: dict[bytes, str] = {}
        readers: dict[str, BundleReader] = {}
        with BundleWriter(prefix) as writer:
            for node in _marked(made):
                place = node.attr[MARK].s
                if place not in written:
                    writer.add(str(len(written)), value_of(node, readers), node.attr["value"].tensor.dtype)
                    written[place] = str(len(written))
                key = written[place]
                node.attr[MARK].s = f"{key}@{prefix}".encode("utf-8", "surrogateescape")
        message = made
    size = message.ByteSize()
    if size > MESSAGE_LIMIT:
        raise ValueError(
            f"{path}: a {message.DESCRIPTOR.name} of {size} bytes cannot be written, since a message holds at most "
            f"{MESSAGE_LIMIT}. Large constants of a graph are kept beside it, but these came in a message: make "
            "variables of them, or build the graph that holds them here and write that."
        )
    return message


def from_file(path: str, message: Any) -> Any:
    """Say of a message that was read from `path` that its large constants are beside it; gives the message."""
    prefix = os.path.abspath(files.local(path)) + SUFFIX
    if os.path.exists(prefix + ".index"):
        for node in _marked(message):
            key = node.attr[MARK].s.decode("utf-8", "surrogateescape").partition("@")[0]
            node.attr[MARK].s = f"{key}@{prefix}".encode("utf-8", "surrogateescape")
    return message


def arrays_of(ops: Sequence[Any]) -> Iterator[Any]:
    return (op.attrs.get("value") for op in ops if op.type == "Const")


__all__ = ["LIMIT", "MARK", "are_too_large", "arrays_of", "from_file", "put", "to_file", "value_of"]
