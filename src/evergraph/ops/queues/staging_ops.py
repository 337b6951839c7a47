"""The ops on staging areas, which have no handle: they name their area by `shared_name`."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Shape, bracket_text
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.queues.staging_areas import StagingMap, StagingRow, Values
from evergraph.ops.running import Running


def _row(run: Running, container: bytes, shared_name: bytes, capacity: int, memory_limit: int) -> StagingRow:
    return run.resource(container, shared_name, lambda: StagingRow(capacity, memory_limit))


def _map(ordered: bool, run: Running, attrs: dict[str, Any]) -> StagingMap:
    return run.resource(
        attrs["container"],
        attrs["shared_name"],
        lambda: StagingMap(len(attrs["dtypes"]), attrs["capacity"], attrs["memory_limit"], ordered),
    )


def _checked(values: Values, dtypes: Any) -> Values:
    if len(values) != len(dtypes):
        raise kernel_error(f"Mismatch stage/unstage: {len(values)} vs. {len(dtypes)}")
    return values


@op("Stage", session=True, differentiable=False)
def stage(
    xp: Any, values: Any, *, run: Running, capacity: int, memory_limit: int, container: bytes, shared_name: bytes
) -> tuple[()]:
    """Put an element into a staging area; waits while there is no room."""
    _row(run, container, shared_name, capacity, memory_limit).put(list(values), run)
    return ()


@op("Unstage", session=True, differentiable=False)
def unstage(
    xp: Any, *, run: Running, capacity: int, memory_limit: int, dtypes: Any, container: bytes, shared_name: bytes
) -> Any:
    """Take the first element out of a staging area; waits while there is none."""
    return _checked(_row(run, container, shared_name, capacity, memory_limit).get(run), dtypes)


@op("StagePeek", session=True, differentiable=False)
def stage_peek(
    xp: Any,
    index: Any,
    *,
    run: Running,
    capacity: int,
    memory_limit: int,
    dtypes: Any,
    container: bytes,
    shared_name: bytes,
) -> Any:
    """Look at an element of a staging area; waits until there is one with this number."""
    return _checked(_row(run, container, shared_name, capacity, memory_limit).peek(int(index), run), dtypes)


@op("StageSize", session=True, differentiable=False)
def stage_size(xp: Any, *, run: Running, capacity: int, memory_limit: int, container: bytes, shared_name: bytes) -> Any:
    """How many elements a staging area holds."""
    return np.int32(_row(run, container, shared_name, capacity, memory_limit).size())


@op("StageClear", session=True, differentiable=False)
def stage_clear(
    xp: Any, *, run: Running, capacity: int, memory_limit: int, container: bytes, shared_name: bytes
) -> tuple[()]:
    """Let go of all elements of a staging area."""
    _row(run, container, shared_name, capacity, memory_limit).clear()
    return ()


def _key(key: Any) -> int:
    size = np.size(key)
    if size == 0:
        raise kernel_error("key must not be empty")
    if size != 1:
        raise kernel_error(f"key must be an int64 scalar, got tensor with shape: {bracket_text(np.shape(key))}")
    return int(np.asarray(key).reshape(()))


def _indices(indices: Any) -> list[int]:
    return np.asarray(indices).ravel().tolist()


def _scalar(made: Operation) -> Shape:
    return ()


def _unknown(made: Operation) -> list[Shape]:
    return [None] * len(made.outputs)


def _declare_map(prefix: str, ordered: bool) -> None:
    """Declare the ops on areas with keys."""

    def map_stage(xp: Any, key: Any, indices: Any, values: Any, *, run: Running) -> tuple[()]:
        """Put an element, or a part of one, into a staging area under a key; waits while there is no room."""
        _map(ordered, run, run.op.attrs).put(_key(key), _indices(indices), list(values), run)
        return ()

    def map_peek(xp: Any, key: Any, indices: Any, *, run: Running) -> Any:
        """Look at parts of the element under a key; waits until there is one."""
        return _map(ordered, run, run.op.attrs).peek(_key(key), _indices(indices), run)

    def map_unstage(xp: Any, key: Any, indices: Any, *, run: Running) -> Any:
        """Take parts of the element under a key; waits until there is one."""
        return _map(ordered, run, run.op.attrs).pop(_key(key), _indices(indices), run)

    def map_unstage_no_key(xp: Any, indices: Any, *, run: Running) -> Any:
        """Take parts of some element, whose key comes first; waits while there is none."""
        key, values = _map(ordered, run, run.op.attrs).pop_any(_indices(indices), run)
        return [np.int64(key), *values]

    def map_size(xp: Any, *, run: Running) -> Any:
        """How many elements a staging area holds."""
        return np.int32(_map(ordered, run, run.op.attrs).size())

    def map_incomplete_size(xp: Any, *, run: Running) -> Any:
        """How many elements of a staging area still lack a part."""
        return np.int32(_map(ordered, run, run.op.attrs).incomplete_size())

    def map_clear(xp: Any, *, run: Running) -> tuple[()]:
        """Let go of all elements of a staging area."""
        _map(ordered, run, run.op.attrs).clear()
        return ()

    for name, kernel, shape in (
        ("MapStage", map_stage, None),
        ("MapPeek", map_peek, _unknown),
        ("MapUnstage", map_unstage, _unknown),
        ("MapUnstageNoKey", map_unstage_no_key, _unknown),
        ("MapSize", map_size, _scalar),
        ("MapIncompleteSize", map_incomplete_size, _scalar),
        ("MapClear", map_clear, None),
    ):
        declared = op(prefix + name, session=True, differentiable=False)(kernel)
        if shape is not None:
            declared.shape_from_op(shape)


stage_size.shape_from_op(_scalar)
unstage.shape_from_op(_unknown)
stage_peek.shape_from_op(_unknown)
_declare_map("", False)
_declare_map("Ordered", True)
