"""Many small tensors of a checkpoint at once: their entries in the index, and their values.

One tensor after the other takes Python 20 microseconds each to write or read, whatever its size; of a model with
thousands of small variables, that is nearly all the time. Here entries are encoded and decoded as columns of NumPy
arrays, and neighbours in a file are written and read together. The bytes are the same, and so is what is checked: every
tensor against its own checksum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, BinaryIO, NamedTuple

import google_crc32c
import numpy as np

from evergraph.formats import bundle_entry
from evergraph.formats.checksum import mask
from evergraph.framework import dtypes
from evergraph.framework.dtypes import DType

SMALL = 4096  # bytes; larger ones are worth a call of their own
AT_ONCE = 4096  # tensors
_READ = 4 << 20  # bytes
_GAP = 4096  # bytes between neighbours that are read along with them


def are_small(arrays: Sequence[Any], kinds: Sequence[DType]) -> list[bool]:
    """Which of some values are small arrays of plain numbers of the types that they should have."""
    plain = {kind: kind.np for kind in set(kinds) if kind._kind not in "SRV"}
    return [
        type(array) is np.ndarray and array.nbytes <= SMALL and plain.get(kind) is array.dtype
        for array, kind in zip(arrays, kinds, strict=True)
    ]


def packed(arrays: Sequence[np.ndarray], kinds: Sequence[DType], offset: int) -> tuple[bytes, list[bytes]]:
    """The bytes of small tensors, which will be at `offset` of the first data file, and their encoded entries."""
    data = [array.tobytes() for array in arrays]
    extend = google_crc32c.extend
    crcs = np.array([extend(0, text) for text in data], np.uint32)
    sizes = np.fromiter(map(len, data), np.int64, len(data))
    offsets = offset + np.cumsum(sizes) - sizes
    heads: dict[tuple[int, tuple[int, ...]], bytes] = {}
    own = []
    for array, kind in zip(arrays, kinds, strict=True):
        key = kind.as_datatype_enum, array.shape
        head = heads.get(key)
        if head is None:
            head = heads[key] = bundle_entry.encoded_head(*key)
        own.append(head)
    tails = _encoded_tails(offsets, sizes, mask(crcs))
    return b"".join(data), [head + tail for head, tail in zip(own, tails, strict=True)]


def _encoded_tails(offsets: np.ndarray, sizes: np.ndarray, crcs: np.ndarray) -> list[bytes]:
    """What follows type and shape in an entry: where the tensor is, its size and checksum. Zeros are left out."""
    widths = _width(offsets), _width(sizes), np.where(crcs, 4, 0)
    code = widths[0] * 256 + widths[1] * 16 + widths[2]
    out = np.empty(len(code), object)
    for one in np.unique(code).tolist():
        chosen = np.flatnonzero(code == one)
        columns: list[Any] = []
        for tag, numbers, width in ((0x20, offsets, one >> 8), (0x28, sizes, one >> 4 & 15)):
            if width:
                columns.append(tag)
                for position in range(width):
                    more = 0x80 if position < width - 1 else 0
                    columns.append(numbers[chosen] >> 7 * position & 0x7F | more)
        if one & 15:
            columns.append(0x35)
            columns.extend(crcs[chosen] >> np.uint32(8 * position) & np.uint32(0xFF) for position in range(4))
        matrix = np.empty((len(chosen), len(columns)), np.uint8)
        for at, column in enumerate(columns):
            matrix[:, at] = column
        out[chosen] = matrix.view(f"V{len(columns)}").reshape(-1).tolist() if columns else b""
    return out.tolist()


def _width(numbers: np.ndarray) -> np.ndarray:
    """How many bytes each takes as an integer of variable length; none for 0."""
    found = np.zeros(len(numbers), np.int64)
    while numbers.any():
        found += numbers > 0
        numbers = numbers >> 7
    return found


class Places(NamedTuple):
    """Where small tensors are; `usable` says of which the other columns are right."""

    usable: np.ndarray
    heads: list[bytes]
    shards: np.ndarray
    offsets: np.ndarray
    sizes: np.ndarray
    crcs: np.ndarray


class Head(NamedTuple):
    """What the start of an entry says: the type in a file, the type in memory, the shape, and the size in bytes."""

    stored: np.dtype
    kind: np.dtype
    shape: tuple[int, ...]
    size: int


def places(records: Sequence[bytes]) -> Places:
    """Decode entries as everybody writes them: all fields once, in order, up to a checksum at the end."""
    heads = [data[: 4 + data[3]] if len(data) > 8 and data[3] < 0x80 else b"" for data in records]
    ends = np.fromiter(map(len, records), np.int64, len(records)) - 5
    at = np.fromiter(map(len, heads), np.int64, len(records))
    longest = int(at.max(initial=0)) + 64
    data = np.array([record[:longest] for record in records], f"S{longest}").view(np.uint8).reshape(-1, longest)
    rows = np.arange(len(records))
    usable = (at > 0) & (at <= ends) & (ends + 5 <= longest)
    last = longest - 1
    numbers = []
    for tag in (0x18, 0x20, 0x28):
        there = usable & (at < ends) & (data[rows, np.minimum(at, last)] == tag)
        at = at + there
        number = np.zeros(len(records), np.int64)
        more = there
        for position in range(8):
            byte = data[rows, np.minimum(at, last)].astype(np.int64)
            number |= np.where(more, (byte & 0x7F) << 7 * position, 0)
            at = at + more
            more = more & (byte >= 0x80)
        usable &= ~more
        numbers.append(number)
    usable &= at == ends
    usable &= data[rows, np.minimum(at, last)] == 0x35
    crcs = np.zeros(len(records), np.uint32)
    for position in range(4):
        byte = data[rows, np.minimum(at + 1 + position, last)].astype(np.uint32)
        crcs |= byte << np.uint32(8 * position)
    return Places(usable, heads, numbers[0], numbers[1], numbers[2], crcs)


def head_of(data: bytes) -> Head | None:
    """What the start of an entry says; None if the tensor is not one of plain numbers, or has anything wrong."""
    if len(data) < 4 or data[0] != 0x08 or data[1] > 0x7F or data[2] != 0x12:
        return None
    try:
        number, shape = bundle_entry.type_and_shape(data)
        kind = dtypes.as_dtype(number)
    except (ValueError, TypeError):
        return None
    if kind._kind in "SRV" or kind._is_ref_dtype or len(shape) > 32 or max(shape, default=0) > 1 << 31:
        return None
    stored = kind.np[0] if kind.np.names else kind.np
    return Head(stored, kind.np, shape, math.prod(shape) * stored.itemsize)


def read(file: BinaryIO, found: Places, heads: Sequence[Head | None], chosen: np.ndarray, values: list[Any]) -> int:
    """Read the tensors of the numbers `chosen`, which are all in `file`, into `values`.

    Returns:
        The number of the first one whose bytes differ from their checksum; -1 if there is none.

    Raises:
        OSError: as the system says.
        EOFError: if the file has become shorter.
    """
    chosen = chosen[np.argsort(found.offsets[chosen], kind="stable")]
    starts = found.offsets[chosen]
    ends = starts + found.sizes[chosen]
    begins = starts.tolist()
    stops = ends.tolist()
    crcs = np.empty(len(chosen), np.uint32)
    extend, make = google_crc32c.extend, np.ndarray
    # A new piece begins after a gap; long ones are cut as they are read.
    cuts = [0, *(np.flatnonzero(starts[1:] - np.maximum.accumulate(ends)[:-1] > _GAP) + 1).tolist(), len(chosen)]
    numbers = chosen.tolist()
    for first, after in pairwise(cuts):
        at = first
        while at < after:
            base = begins[at]
            upto = min(int(np.searchsorted(starts, base + _READ, "right")), after)
            size = max(stops[at:upto]) - base
            file.seek(base)
            data = file.read(size)
            while len(data) < size:
                got = file.read(size - len(data))
                if not got:
                    raise EOFError
                data += got
            sums = []
            for i in range(at, upto):
                text = data[begins[i] - base : stops[i] - base]
                sums.append(extend(0, text))
                number = numbers[i]
                head = heads[number]
                assert head is not None
                stored, kind, shape, _ = head
                value = make(shape, stored, text).copy()
                if kind is not stored:
                    value = value.view(kind)
                value.flags.writeable = False
                values[number] = value
            crcs[at:upto] = sums
            at = upto
    wrong = chosen[mask(crcs) != found.crcs[chosen]]
    return int(wrong.min()) if wrong.size else -1
