"""Restoring variables from a checkpoint without a run.

What a Saver's op does is to read tensors and to assign them. To make a plan for that takes longer than to do it: 0.5 ms
for each variable, in every new process. Here the values are read, compared with what the variables are declared as, and
stored together, so that a checkpoint that does not fit, or is damaged, changes nothing.

A run stores what it writes when it is over: restoring a gigabyte over another needs room for both. Where variables hold
large values already, each one takes its new value as soon as that is read, and lets go of the old one. Everything is
checked before all the same: names, types, shapes, and every byte against its checksum (a second pass over the file,
0.1 s a gigabyte while the system still holds it).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from evergraph.compiler.effects import variable_key, variable_of
from evergraph.compiler.regions import behind_identities
from evergraph.formats.bundle import BundleReader
from evergraph.formats.checkpoint import open_checkpoint
from evergraph.formats.slices import Slice, parse
from evergraph.framework import dtypes, errors
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import constant_value
from evergraph.runtime import devices
from evergraph.runtime.session import BaseSession
from evergraph.runtime.state import State

LARGE = 64 << 20  # bytes of old values that are worth it


class _Restored(NamedTuple):
    """A variable, and what of a checkpoint it takes."""

    key: str
    name: str
    part: Slice | None
    dtype: dtypes.DType
    shape: tuple[int | None, ...] | None
    """What the variable is declared as."""


class _Found(NamedTuple):
    """What an op of a Saver restores; None if it does anything else.

    It holds for one state of the graph, and one tensor that is fed with the checkpoint's name.
    """

    edits: int
    filename: str
    restored: list[_Restored] | None
    on_devices: list[str]
    """The name of one op for each device that ops ask for."""


_looked_at: WeakKeyDictionary[Operation, _Found] = WeakKeyDictionary()


def restored_directly(session: BaseSession, restore_op: str, filename: str, prefix: str) -> bool:
    """Do what running the op of the name `restore_op` does with a checkpoint, fed to the tensor `filename`.

    Returns:
        Whether it is done; otherwise, nothing has changed, and the op is to be run: it says what is wrong, or does more
        than to restore.
    """
    session._check_open()
    graph = session.graph
    op = graph.get_operation_by_name(restore_op)
    found = _looked_at.get(op)
    if found is None or (found.edits, found.filename) != (graph._edits, filename):
        try:
            fed = graph.get_tensor_by_name(filename)
        except (KeyError, ValueError):
            return False
        found = _looked_at[op] = _restored_by(op, fed, graph._edits)
    if found.restored is None:
        return False
    try:
        for asking in found.on_devices:
            devices.place(graph.get_operation_by_name(asking), session._soft, session._cpus, session._task)
    except errors.InvalidArgumentError:
        return False
    state = session._state
    with state.lock:
        held = [state.variables.get(r.key) for r in found.restored]
    is_large = sum(0 if h is None else h.size * h.dtype.itemsize for h in held) >= LARGE
    shapes = [None if h is None else tuple(h.shape) for h in held] if is_large else []
    kinds = [None if h is None else np.dtype(h.dtype) for h in held] if is_large else []
    del held
    try:
        with open_checkpoint(prefix) as reader:
            if not isinstance(reader, BundleReader):
                return False
            if is_large:
                return _one_by_one(reader, state, found.restored, shapes, kinds)
            return _all_at_once(reader, state, found.restored)
    except (errors.NotFoundError, errors.DataLossError, errors.InvalidArgumentError):
        return False  # running the op says what is wrong


def _all_at_once(reader: BundleReader, state: State, restored: list[_Restored]) -> bool:
    whole = iter(reader.read_all([r.name for r in restored if r.part is None]))
    values = []
    for r in restored:
        value = next(whole) if r.part is None else reader.read_slice(r.name, r.part)
        if value.shape != r.shape or value.dtype != r.dtype.np:
            return False
        values.append(value if value.base is None else value.copy())
    with state.lock:
        state.store([r.key for r in restored], values)
    return True


def _one_by_one(
    reader: BundleReader,
    state: State,
    restored: list[_Restored],
    shapes: list[tuple[int, ...] | None],
    kinds: list[np.dtype | None],
) -> bool:
    for r, shape, kind in zip(restored, shapes, kinds, strict=True):
        if not _fits(reader, r, shape, kind):
            return False
        reader.verify(r.name, r.part)
    for r in restored:
        value = reader.read(r.name) if r.part is None else reader.read_slice(r.name, r.part)
        if value.base is not None:
            value = value.copy()
        with state.lock:
            state.store((r.key,), (value,))
        del value
    return True


def _fits(reader: BundleReader, wanted: _Restored, shape: tuple[int, ...] | None, kind: np.dtype | None) -> bool:
    """Whether a checkpoint has a value of the variable's type and shape."""
    if not reader.has(wanted.name) or reader.dtype(wanted.name) is not wanted.dtype or wanted.dtype.np != kind:
        return False
    stored = reader.shape(wanted.name)
    return shape == (stored if wanted.part is None else wanted.part.shape(stored))


def _restored_by(restore_op: Operation, filename: Tensor, edits: int) -> _Found:
    """What an op of a Saver restores."""
    restored = []
    asked: dict[Operation, Any] = {}  # names and slices of the ops that read
    asking: dict[str, str] = {}
    nothing = _Found(edits, filename.name, None, [])
    for op in _leaves(restore_op):
        if op.type not in ("Assign", "AssignVariableOp") or op.control_inputs:
            return nothing
        declared = variable_of(op.inputs[0])
        source = op.inputs[1]
        while source.op.type == "Identity" and not source.op.control_inputs:
            source = source.op.inputs[0]
        read = source.op
        if declared is None or read.type != "RestoreV2":
            return nothing
        for one in (op, declared, read):
            asking.setdefault(one._device or "", one.name)
        if read not in asked:
            if read.control_inputs or behind_identities(read.inputs[0], frozenset([filename])) is not filename:
                return nothing
            names, specs = constant_value(read.inputs[1]), constant_value(read.inputs[2])
            if names is None or specs is None:
                return nothing
            asked[read] = names.reshape(-1).tolist(), specs.reshape(-1).tolist()
        names, specs = asked[read]
        kind = source.dtype
        if kind in (dtypes.string, dtypes.variant):
            return nothing
        name, spec = names[source.value_index].decode(), specs[source.value_index].decode()
        key = variable_key(declared)
        restored.append(_Restored(key, name, parse(spec)[1] if spec else None, kind, declared.attrs.get("shape")))
    if len({r.key for r in restored}) < len(restored):
        return nothing
    return _Found(edits, filename.name, restored, list(asking.values()))


def _leaves(op: Operation) -> Iterator[Operation]:
    """The ops that a group of groups waits for."""
    waiting = [op]
    while waiting:
        op = waiting.pop()
        if op.type == "NoOp":
            waiting.extend(reversed(op.control_inputs))
        else:
            yield op
