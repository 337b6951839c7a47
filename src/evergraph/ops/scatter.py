"""Writing into some places of an array, which NumPy does in place and JAX by making a new array.

An index is what stands between the brackets of `x[...]`: an array of row numbers, or a tuple of arrays. A place named
twice is updated twice, in order; so of two values set there the last one stays.

NumPy, too, makes a new array, unless whoever runs the op says that nobody looks at the old one any more
(`Overwriting`). Then what was in those places is noted, so that it can be put back if the run fails.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.ops.opdef import collectors, kernel_error, require

NONE: frozenset[int] = frozenset()


class _Overwriting(threading.local):
    log: list[tuple[np.ndarray, Any, np.ndarray]] | None = None
    arrays: frozenset[int] = NONE  # by identity: those that may be written into


overwriting = _Overwriting()


class Overwriting:
    """While it lasts, scatters of this thread may write into the arrays in `overwriting.arrays`.

    Whatever they wrote is taken back if it ends with an exception.
    """

    def __enter__(self) -> None:
        self._around = overwriting.log, overwriting.arrays
        overwriting.log, overwriting.arrays = [], NONE

    def __exit__(self, kind: Any, *_: object) -> None:
        if kind is not None:
            for array, index, before in reversed(overwriting.log or ()):
                array[index] = before
        overwriting.log, overwriting.arrays = self._around


def scatter_set(xp: Any, x: Any, index: Any, values: Any) -> Any:
    """`x` with `values` in the places `index`."""
    if xp is not np:
        return _traced(x, "set", index, values)
    out = _writable(x, index)
    out[index] = values
    return out


def scatter_add(xp: Any, x: Any, index: Any, values: Any) -> Any:
    """`x` with `values` added to the places `index`."""
    return _traced(x, "add", index, values) if xp is not np else _in_place(np.add, x, index, values)


def scatter_sub(xp: Any, x: Any, index: Any, values: Any) -> Any:
    """`x` with `values` subtracted from the places `index`."""
    return _traced(x, "add", index, -values) if xp is not np else _in_place(np.subtract, x, index, values)


def scatter_mul(xp: Any, x: Any, index: Any, values: Any) -> Any:
    """`x` with the places `index` multiplied by `values`."""
    return _traced(x, "multiply", index, values) if xp is not np else _in_place(np.multiply, x, index, values)


def scatter_div(xp: Any, x: Any, index: Any, values: Any) -> Any:
    """`x` with the places `index` divided by `values`; the division of integers drops the remainder, as in C."""
    divisor = scatter_mul(xp, xp.ones_like(x), index, values)
    if x.dtype.kind not in "iu":
        return x / divisor
    require(xp, divisor != 0, lambda: kernel_error("Integer division by zero"))
    quotient = x // divisor
    return quotient + ((quotient < 0) & (quotient * divisor != x)).astype(x.dtype)


def scatter_min(xp: Any, x: Any, index: Any, values: Any) -> Any:
    """`x` with the lesser of what is there and `values` in the places `index`."""
    return _traced(x, "min", index, values) if xp is not np else _in_place(np.minimum, x, index, values)


def scatter_max(xp: Any, x: Any, index: Any, values: Any) -> Any:
    """`x` with the greater of what is there and `values` in the places `index`."""
    return _traced(x, "max", index, values) if xp is not np else _in_place(np.maximum, x, index, values)


def _traced(x: Any, method: str, index: Any, values: Any) -> Any:
    """The same under JAX: one scatter. When a check of the program fails, it names no place, and so changes nothing."""
    holds = collectors[-1].holds() if collectors else None
    if holds is None:
        return getattr(x.at[index], method)(values)
    import jax.numpy as jnp

    first, *rest = index if isinstance(index, tuple) else (index,)
    outside = jnp.asarray(x.shape[0], first.dtype)
    guarded = (jnp.where(holds, first, outside), *rest)
    result = getattr(x.at[guarded], method)(values, mode="drop")
    collectors[-1].note_guarded(x, result)
    return result


def _in_place(ufunc: Any, x: Any, index: Any, values: Any) -> Any:
    out = _writable(x, index)
    if isinstance(index, np.ndarray) and index.ndim == 1 and _are_distinct(index):
        out[index] = ufunc(out[index], values)  # 6 times as fast
    else:
        ufunc.at(out, index, values)
    return out


def _writable(x: Any, index: Any) -> np.ndarray:
    """A copy of `x`, or `x` itself where it may be written into."""
    if id(x) not in overwriting.arrays or overwriting.log is None:
        return np.array(x)
    overwriting.log.append((x, index, np.array(x[index])))
    return x


def _are_distinct(index: np.ndarray) -> bool:
    ordered = np.sort(index)
    return bool((ordered[1:] > ordered[:-1]).all())


SCATTERS: dict[str, Callable[..., Any]] = {
    "Update": scatter_set,
    "Add": scatter_add,
    "Sub": scatter_sub,
    "Mul": scatter_mul,
    "Div": scatter_div,
    "Min": scatter_min,
    "Max": scatter_max,
}
"""The part of an op's name that says how it scatters, and the function that does."""


def require_rows(xp: Any, indices: Any, size: int) -> None:
    """Insist that every index is a row of an array of `size` rows."""
    inside = (indices >= 0) & (indices < size)

    def refuse() -> Exception:
        first = tuple(np.argwhere(~np.atleast_1d(inside))[0])
        where = f"indices[{','.join(str(i) for i in first)}]" if np.ndim(indices) else "indices"
        return kernel_error(f"{where} = {np.atleast_1d(indices)[first]} is not in [0, {size})")

    require(xp, inside, refuse)


def nd_index(xp: Any, indices: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """The index that the last axis of `indices` spells out, checked against the array's `shape`."""
    depth = indices.shape[-1]
    limits = np.array(shape[:depth], indices.dtype)
    inside = xp.all((indices >= 0) & (indices < limits), axis=-1)

    def refuse() -> Exception:
        first = tuple(np.argwhere(~np.atleast_1d(inside))[0])
        where = ",".join(str(i) for i in first)
        values = ", ".join(str(v) for v in np.reshape(indices, (*np.atleast_1d(inside).shape, depth))[first])
        sizes = ",".join(str(s) for s in shape)
        return kernel_error(f"indices[{where}] = [{values}] does not index into shape [{sizes}]")

    require(xp, inside, refuse)
    return tuple(indices[..., k] for k in range(depth))
