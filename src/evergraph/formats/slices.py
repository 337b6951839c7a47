"""Parts of tensors, as checkpoints name them: `4 3 0,2:-` is the first two rows of a tensor of shape [4, 3]."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from evergraph.formats import messages, ordered


class Slice(NamedTuple):
    """A box inside of a tensor: a start and a length per dimension; a length of `ordered.FULL` means all of it."""

    starts: tuple[int, ...]
    lengths: tuple[int, ...]

    @classmethod
    def whole(cls, rank: int) -> Slice:
        return cls((0,) * rank, (ordered.FULL,) * rank)

    @classmethod
    def from_proto(cls, proto: Any) -> Slice:
        """The slice that a `TensorSliceProto` describes."""
        return cls(
            tuple(extent.start for extent in proto.extent),
            tuple(extent.length if extent.HasField("length") else ordered.FULL for extent in proto.extent),
        )

    def to_proto(self) -> Any:
        proto = messages.TensorSliceProto()
        for start, length in zip(*self, strict=True):
            extent = proto.extent.add()
            if length != ordered.FULL:
                extent.start, extent.length = start, length
        return proto

    def key(self, name: str) -> bytes:
        return ordered.slice_key(name.encode("utf-8", "surrogateescape"), *self)

    def bounds(self, shape: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
        """(start, end) per dimension inside of a tensor of `shape`.

        Raises:
            ValueError: if the slice does not fit into the shape.
        """
        if len(shape) != len(self.starts):
            raise ValueError(f"a slice of rank {len(self.starts)} does not fit a tensor of shape {list(shape)}")
        found = []
        for start, length, size in zip(*self, shape, strict=True):
            end = size if length == ordered.FULL else start + length
            if not 0 <= start <= end <= size:
                raise ValueError(f"slice {self} does not fit a tensor of shape {list(shape)}")
            found.append((start, end))
        return tuple(found)

    def shape(self, full: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(end - start for start, end in self.bounds(full))

    def indices(self, full: tuple[int, ...]) -> tuple[slice, ...]:
        return tuple(slice(start, end) for start, end in self.bounds(full))

    def is_whole(self, full: tuple[int, ...]) -> bool:
        return self.bounds(full) == tuple((0, size) for size in full)

    def __str__(self) -> str:
        return ":".join(
            "-" if length == ordered.FULL else f"{start},{length}" for start, length in zip(*self, strict=True)
        )


def parse(spec: str) -> tuple[tuple[int, ...], Slice]:
    """The shape of the whole tensor, and which part, from `4 3 0,2:-`.

    Raises:
        ValueError: for a text of another form, or a part that does not fit.
    """
    *sizes, text = spec.rstrip().split(" ")
    try:
        if not spec:
            raise ValueError
        shape = tuple(int(size) for size in sizes)
        extents = [(0, ordered.FULL) if e == "-" else tuple(map(int, e.split(","))) for e in text.split(":") if text]
        found = Slice(*zip(*extents, strict=True)) if extents else Slice((), ())
    except (ValueError, TypeError):
        raise ValueError(f"not a shape and a slice: {spec!r}") from None
    if any(size < 0 for size in shape) or any(len(e) != 2 or e[0] < 0 or (e[1] < 0 and e != (0, -1)) for e in extents):
        raise ValueError(f"not a shape and a slice: {spec!r}")
    found.bounds(shape)
    return shape, found


def assembled(
    wanted: Slice, shape: tuple[int, ...], dtype: np.dtype, parts: Iterable[tuple[Slice, Any]]
) -> np.ndarray | None:
    """Put a part of a tensor of `shape` together from stored parts.

    `parts` has, with each stored slice, a function that reads it. Gives None if they do not cover what is wanted.
    """
    box = wanted.bounds(shape)
    out = np.empty([end - start for start, end in box], dtype)
    missing = math.prod(out.shape)
    for part, read in parts:
        common = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(box, part.bounds(shape), strict=True)]
        if any(start >= end for start, end in common):
            continue
        into = tuple(slice(s - a, e - a) for (s, e), (a, _) in zip(common, box, strict=True))
        origin = part.bounds(shape)
        source = tuple(slice(s - a, e - a) for (s, e), (a, _) in zip(common, origin, strict=True))
        out[into] = read()[source]
        missing -= math.prod(e - s for s, e in common)
    return out if missing <= 0 else None
