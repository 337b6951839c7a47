"""Restoring variables that hold large values already, one after the other.

A run stores what it writes when it is over: restoring a gigabyte over another needs room for both. Here each variable
takes its new value as soon as that is read, and lets go of the old one. So that a checkpoint which does not fit, or is
damaged, changes nothing all the same, everything is checked before: names, types, shapes, and every byte against its
checksum (a second pass over the file, 0.1 s a gigabyte while the system still holds it).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from evergraph.compiler.effects import variable_key, variable_of
from evergraph.formats.bundle import BundleReader
from evergraph.formats.checkpoint import open_checkpoint
from evergraph.formats.slices import Slice, parse
from evergraph.framework import dtypes, errors
from evergraph.framework.operation import Operation
from evergraph.ops.opdef import constant_value
from evergraph.runtime.session import BaseSession

LARGE = 64 << 20  # bytes of old values that are worth it


class _Restored(NamedTuple):
    """A variable, and what of a checkpoint it takes."""

    key: str
    name: str
    part: Slice | None
    dtype: dtypes.DType


def restored_one_by_one(session: BaseSession, restore_op: str, prefix: str) -> bool:
    """Do what running the op of the name `restore_op` does with a checkpoint, variable by variable.

    That is for variables whose old values are large, and only if all of the checkpoint fits.

    Returns:
        Whether it is done; otherwise, nothing has changed, and the op is to be run.
    """
    session._check_open()
    state = session._state
    with state.lock:
        if sum(v.size for v in state.variables.values()) * 16 < LARGE:  # no type has more bytes
            return False
    restored = _restored_by(session.graph.get_operation_by_name(restore_op))
    if restored is None or len({r.key for r in restored}) < len(restored):
        return False
    with state.lock:
        held = [state.variables.get(r.key) for r in restored]
    shapes = [None if h is None else tuple(h.shape) for h in held]
    kinds = [None if h is None else np.dtype(h.dtype) for h in held]
    if sum(h.size * np.dtype(h.dtype).itemsize for h in held if h is not None) < LARGE:
        return False
    del held
    try:
        with open_checkpoint(prefix) as reader:
            if not isinstance(reader, BundleReader):
                return False
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
    except (errors.NotFoundError, errors.DataLossError, errors.InvalidArgumentError):
        return False  # running the op says what is wrong
    return True


def _fits(reader: BundleReader, wanted: _Restored, shape: tuple[int, ...] | None, kind: np.dtype | None) -> bool:
    """Whether a checkpoint has a value of the variable's type and shape."""
    if not reader.has(wanted.name) or reader.dtype(wanted.name) is not wanted.dtype or wanted.dtype.np != kind:
        return False
    stored = reader.shape(wanted.name)
    return shape == (stored if wanted.part is None else wanted.part.shape(stored))


def _restored_by(restore_op: Operation) -> list[_Restored] | None:
    """What an op of a Saver restores; None if it does more than to assign to variables what it reads."""
    found = []
    asked: dict[Operation, Any] = {}  # names and slices of the ops that read
    for op in _leaves(restore_op):
        if op.type not in ("Assign", "AssignVariableOp") or op.control_inputs:
            return None
        declared = variable_of(op.inputs[0])
        source = op.inputs[1]
        while source.op.type == "Identity" and not source.op.control_inputs:
            source = source.op.inputs[0]
        read = source.op
        if declared is None or read.type != "RestoreV2":
            return None
        if read not in asked:
            asked[read] = constant_value(read.inputs[1]), constant_value(read.inputs[2])
        names, specs = asked[read]
        kind = source.dtype
        if names is None or specs is None or kind in (dtypes.string, dtypes.variant):
            return None
        name, spec = (array.reshape(-1)[source.value_index].decode() for array in (names, specs))
        found.append(_Restored(variable_key(declared), name, parse(spec)[1] if spec else None, kind))
    return found


def _leaves(op: Operation) -> Iterator[Operation]:
    """The ops that a group of groups waits for."""
    waiting = [op]
    while waiting:
        op = waiting.pop()
        if op.type == "NoOp":
            waiting.extend(reversed(op.control_inputs))
        else:
            yield op
