"""Rules of `stacked` for vectors that have another length in each element: lists of features, words of a line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from evergraph.compiler.interpret import as_value
from evergraph.compiler.plan import Instruction
from evergraph.ops.datasets.ragged_column import RaggedColumn

Rule = Callable[[Instruction, Callable[..., Any], list[Any], set[int], int], Any]


class NotStacked(Exception):
    """These elements cannot be computed together."""


def _flat(i: Instruction, kernel: Callable[..., Any], args: list[Any], rows: set[int], n: int) -> Any:
    """An op that does the same to each number or string."""
    lengths = next(a.lengths for a in args if isinstance(a, RaggedColumn))
    values = []
    for p, a in enumerate(args):
        if isinstance(a, RaggedColumn):
            if a.lengths is not lengths and not np.array_equal(a.lengths, lengths):
                raise NotStacked
            values.append(a.flat)
        elif p in rows and a.ndim == 1:
            values.append(np.repeat(a, lengths))
        elif p not in rows and not np.ndim(a):
            values.append(a)
        else:
            raise NotStacked
    return RaggedColumn(kernel(np, *values, **i.attrs), lengths)


def _gather(i: Instruction, kernel: Callable[..., Any], args: list[Any], rows: set[int], n: int) -> Any:
    params, indices, axis = args
    if rows or isinstance(params, RaggedColumn) or np.ndim(params) != 1:
        raise NotStacked
    return RaggedColumn(kernel(np, params, indices.flat, axis, **i.attrs), indices.lengths)


def _size(i: Instruction, kernel: Callable[..., Any], args: list[Any], rows: set[int], n: int) -> Any:
    return args[0].lengths.astype(i.attrs["out_type"].np)


def _shape(i: Instruction, kernel: Callable[..., Any], args: list[Any], rows: set[int], n: int) -> Any:
    return args[0].lengths.astype(i.attrs["out_type"].np)[:, None]


def _slice(i: Instruction, kernel: Callable[..., Any], args: list[Any], rows: set[int], n: int) -> Any:
    from evergraph.ops.parsing.example_lockstep import ranges

    x, *bounds = args
    attrs = i.attrs
    others = attrs["ellipsis_mask"] or attrs["new_axis_mask"] or attrs["shrink_axis_mask"]
    if rows or others or any(np.size(b) != 1 for b in bounds):
        raise NotStacked
    begin, end, stride = (int(np.ravel(b)[0]) for b in bounds)
    if stride != 1:
        raise NotStacked
    first = _places(0 if attrs["begin_mask"] & 1 else begin, x.lengths)
    last = x.lengths if attrs["end_mask"] & 1 else _places(end, x.lengths)
    lengths = np.maximum(last - first, 0)
    return RaggedColumn(x.flat[ranges(x.starts + first, lengths)], lengths)


def _places(at: int, lengths: np.ndarray) -> np.ndarray:
    """Where a bound is in vectors of some lengths; a negative one counts from the end."""
    return np.clip(at + lengths if at < 0 else np.full_like(lengths, at), 0, lengths)


def _concat(i: Instruction, kernel: Callable[..., Any], args: list[Any], rows: set[int], n: int) -> Any:
    from evergraph.ops.parsing.example_lockstep import ranges

    parts: list[RaggedColumn] = []
    for p, a in enumerate(args[:-1]):
        if isinstance(a, RaggedColumn):
            parts.append(a)
        elif p in rows and a.ndim == 2:
            parts.append(RaggedColumn(a.reshape(-1), np.full(n, a.shape[1])))
        elif p not in rows and np.ndim(a) == 1:
            parts.append(RaggedColumn(np.tile(a, n), np.full(n, len(a))))
        else:
            raise NotStacked
    lengths = np.sum([part.lengths for part in parts], axis=0)
    flat = np.empty(int(lengths.sum()), parts[0].flat.dtype)
    at = np.cumsum(lengths) - lengths
    for part in parts:
        flat[ranges(at, part.lengths)] = part.flat
        at = at + part.lengths
    return RaggedColumn(flat, lengths)


def find(i: Instruction, kernel: Callable[..., Any], args: list[Any], rows: set[int], n: int) -> Any:
    """`LookupTableFind` for keys of all elements."""
    table, keys, default = args
    if isinstance(keys, RaggedColumn):
        return RaggedColumn(kernel(np, table, keys.flat, default, run=None, **i.attrs), keys.lengths)
    return kernel(np, table, keys, default, run=None, **i.attrs)


def boxed(i: Instruction, kernel: Callable[..., Any], args: list[Any], rows: set[int], n: int) -> Any:
    """`SerializeSparse` of lists, each with its values at 0, 1, ..."""
    _, values, sizes = args
    if i.attrs["out_type"].name != "variant" or not np.array_equal(values.lengths, sizes[:, 0]):
        raise NotStacked
    places = np.arange(max(values.lengths, default=0), dtype=np.int64)[:, None]
    made = np.empty((n, 3), object)
    made[:, 0] = np.fromiter([places[:length] for length in values.lengths.tolist()], object, n)
    made[:, 1] = np.fromiter(values.separate(), object, n)
    made[:, 2] = np.fromiter([row.copy() for row in sizes], object, n)
    return made


def unboxed(i: Instruction, kernel: Callable[..., Any], args: list[Any], rows: set[int], n: int) -> list[Any]:
    """`DeserializeSparse` of lists, each with its values at 0, 1, ..."""
    from evergraph.ops.parsing.example_lockstep import ranges

    if args[0].shape != (n, 3):
        raise NotStacked
    places, values, sizes = args[0].T.tolist()
    column = RaggedColumn.of(values)
    lengths = column.lengths
    if (
        {part.dtype for part in values} != {np.dtype(i.attrs["dtype"].np)}
        or not np.array_equal(list(map(len, places)), lengths)
        or not np.array_equal(np.concatenate(places), ranges(np.zeros_like(lengths), lengths)[:, None])
        or not np.array_equal(np.concatenate(sizes), lengths)
    ):
        raise NotStacked
    return [None, column, lengths[:, None]]


# By type: the rule, and whether what it gives is ragged, too.
RULES: dict[str, tuple[Rule, bool]] = {
    "ConcatV2": (_concat, True),
    "GatherV2": (_gather, True),
    "Shape": (_shape, False),
    "Size": (_size, False),
    "StridedSlice": (_slice, True),
}


def add_flat_rules(types: Sequence[str]) -> None:
    """Ops that do the same to each number or string."""
    for kind in types:
        RULES[kind] = _flat, True


def parse_single(i: Instruction, kernel: Callable[..., Any], args: list[Any], rows: set[int], n: int) -> list[Any]:
    """`ParseSingleExample`, as one call of the kernel of `ParseExample`.

    Lists of any length are read as sparse features.
    """
    from evergraph.ops.parsing.examples import parse_example_op

    if rows != {0}:
        raise NotStacked
    attrs = i.attrs
    dense = list(zip(attrs["dense_keys"], attrs["Tdense"], attrs["dense_shapes"], args[1:], strict=True))
    fixed = [part for part in dense if not is_open(part[2])]
    lists = list(zip(attrs["sparse_keys"], attrs["sparse_types"], strict=True))
    lists += [(key, kind) for key, kind, shape, _ in dense if is_open(shape)]
    batch = parse_example_op.opdef.kernel
    assert batch is not None
    found = batch(
        np,
        args[0],
        np.empty(0, object),
        [as_value(key) for key, _ in lists],
        [as_value(key) for key, *_ in fixed],
        [np.asarray(default) for *_, default in fixed],
        sparse_types=[kind for _, kind in lists],
        Tdense=[kind for _, kind, *_ in fixed],
        dense_shapes=[shape for _, _, shape, _ in fixed],
    )
    m, k = len(lists), len(attrs["sparse_keys"])
    columns = [RaggedColumn(found[m + j], np.bincount(found[j][:, 0], minlength=n)) for j in range(m)]
    opened, rest = iter(columns[k:]), iter(found[3 * m :])
    values = [next(opened) if is_open(shape) else next(rest) for *_, shape, _ in dense]
    return [*([None] * k), *columns[:k], *(c.lengths[:, None] for c in columns[:k]), *values]


def is_open(shape: Any) -> bool:
    return shape == (None,)


def split(i: Instruction, kernel: Callable[..., Any], args: list[Any], rows: set[int], n: int) -> list[Any]:
    """`StringSplit` of one string in each element."""
    if rows != {0} or args[0].shape != (n, 1):
        raise NotStacked
    indices, values, _ = kernel(np, args[0][:, 0], args[1], **i.attrs)
    return [None, RaggedColumn(values, np.bincount(indices[:, 0], minlength=n)), None]


def values_as_they_are(i: Instruction, kernel: Callable[..., Any], args: list[Any], rows: set[int], n: int) -> Any:
    """`SparseToDense` of a list: its values have the places 0, 1, ..."""
    return args[2]


__all__ = [
    "RULES",
    "NotStacked",
    "RaggedColumn",
    "add_flat_rules",
    "boxed",
    "find",
    "is_open",
    "parse_single",
    "split",
    "unboxed",
    "values_as_they_are",
]
