"""Sliding windows: the geometry that convolutions and poolings share.

A window of `size` moves over the spatial axes of an array in steps of `stride`; its elements are `dilation` apart, and
the array is padded by `before` and `after` first. Arrays are channels-last here, `(batch, *spatial, channels)`.

    size 2, stride 2:        x0 x1 | x2 x3 | x4 x5        taps(x) = [x0 x2 x4], [x1 x3 x5]

A *tap* is one element of the window; the tap's view of the array is what that element sees at every position of the
window, and has the shape of the output. A pooling or a depthwise convolution is a sum, or a maximum, over the taps;
its gradient puts one array per tap back where the tap's view came from (`overlap_add`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod
from typing import Any

import numpy as np

from evergraph.framework.shapes import ShapeError


@dataclass(frozen=True)
class Window:
    """A window and the array it slides over, axis by axis; all sizes are known."""

    input: tuple[int, ...]
    size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    output: tuple[int, ...]

    @cached_property
    def padding(self) -> tuple[tuple[int, int], ...]:
        return tuple(zip(self.before, self.after, strict=True))

    @property
    def is_padded(self) -> bool:
        return any(self.before) or any(self.after)

    @property
    def is_pointwise(self) -> bool:
        """One element, no padding: each output sees one input."""
        return prod(self.size) == 1 and not self.is_padded

    @property
    def tiles_input(self) -> bool:
        """Every input element is in exactly one window."""
        axes = zip(self.size, self.stride, self.dilation, self.output, strict=True)
        is_dense = all((k == s or o == 1) and (d == 1 or k == 1) for k, s, d, o in axes)
        return is_dense and not self.is_padded and self.covered == self.input

    @property
    def covered(self) -> tuple[int, ...]:
        """How much of each padded axis the windows reach."""
        return tuple(
            (o - 1) * s + (k - 1) * d + 1
            for o, s, k, d in zip(self.output, self.stride, self.size, self.dilation, strict=True)
        )

    @cached_property
    def positions(self) -> tuple[tuple[int, ...], ...]:
        """Where each tap starts in the padded array, in row-major order of the taps."""
        axes = [range(0, k * d, d) for k, d in zip(self.size, self.dilation, strict=True)]
        return tuple(itertools.product(*axes))

    @cached_property
    def slices(self) -> tuple[tuple[slice, ...], ...]:
        """Each tap's view of the padded array, as an index."""
        return tuple(
            (
                slice(None),
                *(slice(p, p + (o - 1) * s + 1, s) for p, o, s in zip(position, self.output, self.stride, strict=True)),
            )
            for position in self.positions
        )


@lru_cache(4096)
def sliding(
    input: tuple[int, ...],
    size: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    padding: bytes,
    explicit: tuple[int, ...] = (),
) -> Window:
    """The window of an op whose attributes are `padding` (b"SAME", b"VALID", b"EXPLICIT") and the rest.

    Raises:
        ShapeError: if the window does not fit into the padded array.
    """
    output, before, after = [], [], []
    for axis, (n, k, s, d) in enumerate(zip(input, size, stride, dilation, strict=True)):
        reach = (k - 1) * d + 1
        if padding == b"SAME":
            o = -(-n // s)
            total = max((o - 1) * s + reach - n, 0)
            low, high = total // 2, total - total // 2
        else:
            low, high = explicit[2 * axis : 2 * axis + 2] if padding == b"EXPLICIT" else (0, 0)
            o = _valid_size(n + low + high, reach, s, n, k)
        output.append(o)
        before.append(low)
        after.append(high)
    return Window(input, size, stride, dilation, tuple(before), tuple(after), tuple(output))


def _valid_size(padded: int, reach: int, stride: int, n: int, k: int) -> int:
    o = (padded - reach) // stride + 1
    if o < 0 or o == 0 and n > 0 and padded < reach:
        raise ShapeError(f"Negative dimension size caused by subtracting {k} from {n}")
    return max(o, 0)


def output_sizes(
    input: Sequence[int | None],
    size: Sequence[int | None],
    stride: Sequence[int],
    dilation: Sequence[int],
    padding: bytes,
    explicit: tuple[int, ...] = (),
) -> tuple[int | None, ...]:
    """The spatial sizes of the output, for the shape rules: None where they are not known."""
    sizes: list[int | None] = []
    for axis, (n, k, s, d) in enumerate(zip(input, size, stride, dilation, strict=True)):
        if n is None or k is None and padding != b"SAME":
            sizes.append(None)
        else:
            pads = explicit[2 * axis : 2 * axis + 2]
            sizes.append(sliding((n,), (k or 1,), (s,), (d,), padding, pads).output[0])
    return tuple(sizes)


# Layout


def is_channels_first(data_format: bytes) -> bool:
    return data_format.startswith(b"NC")


def spatial(values: Sequence[Any], data_format: bytes) -> tuple[Any, ...]:
    """The entries of a shape or of an attribute (strides, ...) that belong to the spatial axes."""
    return tuple(values[2:] if is_channels_first(data_format) else values[1:-1])


def channels(values: Sequence[Any], data_format: bytes) -> Any:
    return values[1 if is_channels_first(data_format) else -1]


def arranged(batch: Any, sizes: Sequence[Any], depth: Any, data_format: bytes) -> tuple[Any, ...]:
    """A shape in the order of `data_format`."""
    return (batch, depth, *sizes) if is_channels_first(data_format) else (batch, *sizes, depth)


def channels_last(xp: Any, x: Any, data_format: bytes) -> Any:
    """`x`, of layout `data_format`, with its channels moved to the end."""
    return xp.moveaxis(x, 1, -1) if is_channels_first(data_format) else x


def as_format(xp: Any, x: Any, data_format: bytes) -> Any:
    """A channels-last `x` in layout `data_format`."""
    return xp.moveaxis(x, -1, 1) if is_channels_first(data_format) else x


# Reading and writing through a window


def padded(xp: Any, x: Any, window: Window, fill: Any = 0) -> Any:
    if not window.is_padded:
        return x
    return xp.pad(x, ((0, 0), *window.padding, (0, 0)), constant_values=np.asarray(fill, x.dtype))


def taps(xp: Any, x: Any, window: Window, fill: Any = 0) -> Iterator[Any]:
    """What each tap sees, in row-major order of the taps; beyond the edges it sees `fill`."""
    x = padded(xp, x, window, fill)
    for index in window.slices:
        yield x[index]


def overlap_add(xp: Any, term: Callable[[int], Any], window: Window, depth: int, dtype: Any) -> Any:
    """Put `term(i)`, shaped like the output, back where tap `i` looked, for every tap; add what lands together."""
    if xp is np:
        return _overlap_add_in_place(term, window, depth, dtype)
    return _overlap_add_by_phases(xp, term, window)


def _overlap_add_in_place(term: Callable[[int], Any], window: Window, depth: int, dtype: Any) -> Any:
    total = None
    for i, index in enumerate(window.slices):
        part = term(i)
        if total is None:
            sizes = [max(b + n + a, c) for b, n, a, c in zip(window.before, window.input, window.after, window.covered)]
            total = (np.empty if window.tiles_input else np.zeros)((part.shape[0], *sizes, depth), dtype)
        if window.tiles_input:
            total[index] = part
        else:
            total[index] += part
    assert total is not None
    return total[(slice(None), *(slice(b, b + n) for b, n in zip(window.before, window.input, strict=True)))]


def _overlap_add_by_phases(xp: Any, term: Callable[[int], Any], window: Window) -> Any:
    """Without strided writes: input positions p = stride * q + phase, gathered phase by phase and interleaved.

    Interior-padded additions instead took four times as long (max-pool gradient, 3x3 in steps of 2).
    """
    from jax import lax

    rows = [-(-(b + n) // s) for b, n, s in zip(window.before, window.input, window.stride, strict=True)]
    parts: dict[tuple[int, ...], Any] = {}
    zero = None
    for i, position in enumerate(window.positions):
        part = term(i)
        zero = zero if zero is not None else np.zeros((), part.dtype)
        phase = tuple(p % s for p, s in zip(position, window.stride, strict=True))
        shift = [p // s for p, s in zip(position, window.stride, strict=True)]
        edges = [(m, r - o - m, 0) for m, r, o in zip(shift, rows, window.output, strict=True)]
        moved = lax.pad(part, zero, ((0, 0, 0), *edges, (0, 0, 0))) if any(map(any, edges)) else part
        parts[phase] = parts[phase] + moved if phase in parts else moved
    empty = xp.zeros_like(next(iter(parts.values())))
    whole = _interleaved(xp, parts, empty, window.stride, ())
    return whole[(slice(None), *(slice(b, b + n) for b, n in zip(window.before, window.input, strict=True)))]


def _interleaved(xp: Any, parts: Any, empty: Any, stride: tuple[int, ...], phase: tuple[int, ...]) -> Any:
    axis = len(phase)
    if axis == len(stride):
        return parts.get(phase, empty)
    along = [_interleaved(xp, parts, empty, stride, (*phase, a)) for a in range(stride[axis])]
    if len(along) == 1:
        return along[0]
    shape = along[0].shape
    stacked = xp.stack(along, axis + 2)
    return xp.reshape(stacked, (*shape[: axis + 1], shape[axis + 1] * stride[axis], *shape[axis + 2 :]))
