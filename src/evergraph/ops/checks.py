"""Assertions: at run time by the Assert op, at once where the values, ranks or types are known statically."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from evergraph.framework import dtypes, errors
from evergraph.framework.api import public
from evergraph.framework.convert import convert_n_to_tensor, convert_to_tensor
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops import comparisons, elementwise, reductions
from evergraph.ops.grouping import group, no_op, with_dependencies
from evergraph.ops.opdef import kernel_error, op, require
from evergraph.ops.shaping import rank as rank_of
from evergraph.ops.shaping import shape as shape_of
from evergraph.ops.static_values import get_static_value

guards: list[Callable[..., Any]] = []
"""`tf.cond`, put here by the module of control flow: what an assertion would print is then fetched only if it fails."""


def summary(value: Any, limit: int) -> str:
    """The first `limit` elements of an array, as TF's messages print them."""
    array = np.asarray(value)
    limit = array.size if limit < 0 else limit
    words = [_word(v) for v in array.reshape(-1)[:limit]]
    position = 0

    def part(axis: int) -> str:
        nonlocal position
        text = ""
        for i in range(array.shape[axis]):
            if axis == array.ndim - 1:
                if position >= limit:
                    return text + "..."
                text += (" " if i else "") + words[position]
                position += 1
            elif position < limit:
                text += "[" + part(axis + 1) + "]"
        return text

    if array.ndim == 0:
        return words[0] if words else "..."
    text = part(0)
    return text + "..." if array.ndim > 1 and array.size > limit else text


# As in C: TF's messages show strings in ASCII.
_ESCAPES = {c: f"\\{c:03o}" for c in (*range(32), *range(127, 256))}
_ESCAPES |= {ord(c): "\\" + shown for c, shown in zip("\n\r\t\"'\\", "nrt\"'\\")}


def _word(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1").translate(_ESCAPES)
    if isinstance(value, bool | np.bool_):
        return str(int(value))
    return f"{float(value):g}" if isinstance(value, np.floating) else str(value)


@op("Assert", differentiable=False)
def assert_op(xp: Any, condition: Any, data: Any, *, summarize: int) -> Any:
    """Fail, and print `data`, unless `condition` holds."""
    require(
        xp,
        condition,
        lambda: kernel_error("assertion failed: " + " ".join(f"[{summary(value, summarize)}]" for value in data)),
    )
    return ()


@public("Assert", "debugging.Assert")
def Assert(condition: Any, data: Any, summarize: int | None = None, name: str | None = None) -> Operation:
    """An op that fails, and prints `data`, unless `condition` holds.

    It runs only if something waits for it: put what it protects under `tf.control_dependencies`.

    Args:
        condition: a scalar bool tensor.
        data: a list of tensors and strings to print.
        summarize: how many elements of each to print: 3 by default, all of them if negative.
        name: the op's name.

    Raises:
        InvalidArgumentError: at run time, if `condition` is false.
    """
    with name_scope(name, "Assert", [condition, data]):
        tensors = convert_n_to_tensor(data)
        if not guards or all(t.dtype in (dtypes.string, dtypes.int32) for t in tensors):
            return assert_op(condition, data, summarize, name="Assert")
        condition = convert_to_tensor(condition, name="Condition")
        guarded = guards[0](
            condition, no_op, lambda: assert_op(condition, data, summarize, name="Assert"), name="AssertGuard"
        )
        return guarded.op


# Two tensors compared


def _compared(
    sign: str,
    default_name: str,
    compare: Callable[..., Any],
    static: Callable[..., Any],
    x: Any,
    y: Any,
    data: Any,
    summarize: int | None,
    message: str | None,
    name: str | None,
) -> Operation:
    with name_scope(name, default_name, [x, y, data]):
        x = convert_to_tensor(x, name="x")
        y = convert_to_tensor(y, name="y")
        if data is None:
            data = [f"Condition x {sign} y did not hold element-wise:", f"x ({x.name}) = ", x, f"y ({y.name}) = ", y]
        if message is not None:
            data = [message, *data]
        condition = reductions.reduce_all(compare(x, y))
        x_value, y_value = get_static_value(x), get_static_value(y)
        if x_value is not None and y_value is not None and not np.all(static(x_value, y_value)):
            raise errors.InvalidArgumentError(None, None, "\n".join(_known_text(item) for item in data))
        return Assert(condition, data, summarize=summarize)


def _known_text(item: Any) -> str:
    value = get_static_value(item) if isinstance(item, Tensor) else None
    return str(item if value is None else value)


_COMPARISONS: dict[str, tuple[str, Callable[..., Any], Callable[..., Any]]] = {
    "equal": ("==", comparisons.equal, np.equal),
    "none_equal": ("!=", comparisons.not_equal, np.not_equal),
    "less": ("<", comparisons.less, np.less),
    "less_equal": ("<=", comparisons.less_equal, np.less_equal),
    "greater": (">", comparisons.greater, np.greater),
    "greater_equal": (">=", comparisons.greater_equal, np.greater_equal),
}


def _binary(kind: str) -> Callable[..., Any]:
    sign, compare, static = _COMPARISONS[kind]
    own_name = f"assert_{kind}"

    def check(
        x: Any,
        y: Any,
        data: Any = None,
        summarize: int | None = None,
        message: str | None = None,
        name: str | None = None,
    ) -> Operation:
        if kind == "equal":
            with name_scope(name, own_name, [x, y, data]):
                if x is y:
                    return no_op()
        return _compared(sign, own_name, compare, static, x, y, data, summarize, message, name)

    check.__name__ = check.__qualname__ = own_name
    check.__doc__ = f"""An op that fails unless `x {sign} y` holds for all elements.

    Args:
        x: a numeric tensor.
        y: another one, whose shape goes with that of `x`.
        data: what to print on failure, by default `x` and `y`.
        summarize: how many elements of each to print, 3 by default.
        message: a text to print before.
        name: the ops' scope.

    Raises:
        InvalidArgumentError: at once if both values are known statically, else at run time.
    """
    return public(own_name, f"debugging.{own_name}")(check)


assert_equal = _binary("equal")
assert_none_equal = _binary("none_equal")
assert_less = _binary("less")
assert_less_equal = _binary("less_equal")
assert_greater = _binary("greater")
assert_greater_equal = _binary("greater_equal")


def _sign_check(kind: str, sign: str, compare: Callable[..., Any], zero_first: bool) -> Callable[..., Any]:
    own_name = f"assert_{kind}"

    def check(
        x: Any, data: Any = None, summarize: int | None = None, message: str | None = None, name: str | None = None
    ) -> Operation:
        with name_scope(name, own_name, [x, data]):
            x = convert_to_tensor(x, name="x")
            if data is None:
                says = f"Condition x {sign} did not hold element-wise:"
                value = f"x ({x.name}) = "
                data = [message or "", *([says + value] if kind == "non_positive" else [says, value]), x]
            zero = convert_to_tensor(0, dtype=x.dtype)
            return compare(*((zero, x) if zero_first else (x, zero)), data=data, summarize=summarize)

    check.__name__ = check.__qualname__ = own_name
    check.__doc__ = f"""An op that fails unless `x {sign}` holds for all elements.

    Args:
        x: a numeric tensor.
        data: what to print on failure, by default `x`.
        summarize: how many elements of it to print, 3 by default.
        message: a text to print before.
        name: the ops' scope.

    Raises:
        InvalidArgumentError: at once if the value is known statically, else at run time.
    """
    return public(own_name, f"debugging.{own_name}")(check)


assert_negative = _sign_check("negative", "< 0", assert_less, False)
assert_positive = _sign_check("positive", "> 0", assert_less, True)
assert_non_negative = _sign_check("non_negative", ">= 0", assert_less_equal, True)
assert_non_positive = _sign_check("non_positive", "<= 0", assert_less_equal, False)


@public("assert_near", "debugging.assert_near")
def assert_near(
    x: Any,
    y: Any,
    rtol: Any = None,
    atol: Any = None,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """An op that fails unless `|x - y| < atol + rtol * |y|` holds for all elements.

    Args:
        x: a floating-point tensor.
        y: another one of its type.
        rtol: relative tolerance, by default 10 times the type's epsilon.
        atol: absolute tolerance, the same by default.
        data: what to print on failure, by default `x` and `y`.
        summarize: how many elements of each to print, 3 by default.
        message: a text to print before.
        name: the ops' scope.
    """
    with name_scope(name, "assert_near", [x, y, rtol, atol, data]):
        x = convert_to_tensor(x, name="x")
        y = convert_to_tensor(y, dtype=x.dtype, name="y")
        epsilon = 10 * np.finfo(x.dtype.as_numpy_dtype).eps
        rtol = convert_to_tensor(epsilon if rtol is None else rtol, dtype=x.dtype, name="rtol")
        atol = convert_to_tensor(epsilon if atol is None else atol, dtype=x.dtype, name="atol")
        if data is None:
            says = f"x and y not equal to tolerance rtol = {rtol}, atol = {atol}"
            data = [message or "", says, f"x ({x.name}) = ", x, f"y ({y.name}) = ", y]
        tolerance = atol + rtol * elementwise.abs(y)
        condition = reductions.reduce_all(comparisons.less(elementwise.abs(x - y), tolerance))
        return Assert(condition, data, summarize=summarize)


# Ranks, types, shapes


def _rank_checked(
    x: Tensor, ranks: Sequence[Tensor], fits: Any, compare: Any, words: str, data: Any, summarize: Any, message: str
) -> Operation:
    for rank in ranks:
        assert_type(rank, dtypes.int32)
    values = [get_static_value(rank) for rank in ranks]
    if all(v is not None for v in values):
        if any(v.ndim for v in values):
            raise ValueError("Rank must be a scalar.")
        wanted = [int(v) for v in values]
        if x._rank is not None:
            if not fits(x._rank, wanted):
                raise ValueError(
                    f"{message}.  Tensor {x.name} must have {words} {wanted[0] if len(wanted) == 1 else tuple(wanted)}."
                    f"  Received rank {x._rank}, shape {x.shape}"
                )
            return no_op(name="static_checks_determined_all_ok")
    condition = compare(rank_of(x), ranks)
    for rank, value in zip(ranks, values, strict=True):
        if value is None:
            check = assert_rank(rank, 0, data=["Rank must be a scalar. Received rank: ", rank])
            condition = with_dependencies([check], condition)
    return Assert(condition, data, summarize=summarize)


@public("assert_rank", "debugging.assert_rank")
def assert_rank(
    x: Any,
    rank: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """An op that fails unless `x` has `rank` dimensions.

    Raises:
        ValueError: at once, if the static rank is another one.
    """
    with name_scope(name, "assert_rank", (x, rank, *(data or []))):
        x = convert_to_tensor(x, name="x")
        rank = convert_to_tensor(rank, name="rank")
        if data is None:
            data = [message or "", f"Tensor {x.name} must have rank", rank, "Received shape: ", shape_of(x)]
        return _rank_checked(
            x,
            [rank],
            lambda n, r: n == r[0],
            lambda n, r: comparisons.equal(n, r[0]),
            "rank",
            data,
            summarize,
            message or "",
        )


@public("assert_rank_at_least", "debugging.assert_rank_at_least")
def assert_rank_at_least(
    x: Any,
    rank: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """An op that fails unless `x` has `rank` dimensions or more.

    Raises:
        ValueError: at once, if the static rank is smaller.
    """
    with name_scope(name, "assert_rank_at_least", (x, rank, *(data or []))):
        x = convert_to_tensor(x, name="x")
        rank = convert_to_tensor(rank, name="rank")
        if data is None:
            data = [message or "", f"Tensor {x.name} must have rank at least", rank, "Received shape: ", shape_of(x)]
        compare = lambda n, r: comparisons.greater_equal(n, r[0])  # noqa: E731
        return _rank_checked(
            x, [rank], lambda n, r: n >= r[0], compare, "rank at least", data, summarize, message or ""
        )


@public("assert_rank_in", "debugging.assert_rank_in")
def assert_rank_in(
    x: Any,
    ranks: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """An op that fails unless the number of dimensions of `x` is one of `ranks`.

    Raises:
        ValueError: at once, if the static rank is none of them.
    """
    with name_scope(name, "assert_rank_in", (x, *ranks, *(data or []))):
        x = convert_to_tensor(x, name="x")
        given = [convert_to_tensor(rank, name="rank") for rank in ranks]
        if data is None:
            data = [message or "", f"Tensor {x.name} must have rank in", *given, "Received shape: ", shape_of(x)]
        return _rank_checked(x, given, lambda n, r: n in r, _is_one_of, "rank in", data, summarize, message or "")


def _is_one_of(n: Tensor, ranks: Sequence[Tensor]) -> Tensor:
    if not ranks:
        return convert_to_tensor(False)
    result = comparisons.equal(ranks[0], n)
    for rank in ranks[1:]:
        result = comparisons.logical_or(result, comparisons.equal(rank, n))
    return result


@public("assert_type", "debugging.assert_type")
def assert_type(tensor: Any, tf_type: Any, message: str | None = None, name: str | None = None) -> Operation:
    """Insist that `tensor` has the dtype `tf_type`.

    Raises:
        TypeError: if it has not.
    """
    with name_scope(name, "assert_type", [tensor]):
        tensor = convert_to_tensor(tensor, name="tensor")
        if tensor.dtype != tf_type:
            raise TypeError(f"{message or ''}  {tensor.name} must be of type {tf_type}")
        return no_op("statically_determined_correct_type")


@public("assert_integer", "debugging.assert_integer")
def assert_integer(x: Any, message: str | None = None, name: str | None = None) -> Operation:
    """Insist that `x` has an integer dtype.

    Raises:
        TypeError: if it has not.
    """
    with name_scope(name, "assert_integer", [x]):
        x = convert_to_tensor(x, name="x")
        if not x.dtype.is_integer:
            raise TypeError(f'{message or ""}  Expected "x" to be integer type.  Found: {x.name} of dtype {x.dtype}')
        return no_op("statically_determined_was_integer")


@public("assert_scalar", "debugging.assert_scalar")
def assert_scalar(tensor: Any, name: str | None = None, message: str | None = None) -> Tensor:
    """Give back `tensor`, known to be a scalar.

    Raises:
        ValueError: if its static shape is another one.
    """
    with name_scope(name, "assert_scalar", [tensor]) as scope:
        tensor = convert_to_tensor(tensor, name=scope)
        if tensor._rank != 0:
            raise ValueError(f"{message or ''}Expected scalar shape for {tensor.name}, saw shape: {tensor.shape}.")
        return tensor


@public("assert_same_float_dtype", "debugging.assert_same_float_dtype")
def assert_same_float_dtype(tensors: Any = None, dtype: Any = None) -> dtypes.DType:
    """The floating-point dtype that all `tensors` (None among them does not count) have; float32 if there are none.

    Raises:
        ValueError: if they differ, or it is no floating-point type.
    """
    found, first = dtype, None
    for item in tensors or ():
        if item is None:
            continue
        kind = item.dtype.base_dtype
        if found is None:
            found, first = kind, item
        elif found != kind:
            like = f" as {getattr(first, 'name', first)}" if first is not None else ""
            raise ValueError(f"{getattr(item, 'name', item)}, type={kind}, must be of the same type ({found}){like}.")
    if found is None:
        return dtypes.float32
    if not found.is_floating:
        raise ValueError(f"Expected floating point type, got {found}.")
    return found


@public("is_numeric_tensor", "debugging.is_numeric_tensor")
def is_numeric_tensor(tensor: Any) -> bool:
    """Whether `tensor` is a tensor of numbers."""
    return isinstance(tensor, Tensor) and tensor.dtype._kind in "fiucq"


@public("assert_proper_iterable", "debugging.assert_proper_iterable")
def assert_proper_iterable(values: Any) -> None:
    """Insist that `values` is a list or the like, and no tensor, array or string.

    Raises:
        TypeError: if it is not.
    """
    if isinstance(values, Tensor | SparseTensor | np.ndarray | bytes | str):
        raise TypeError(f'Expected argument "values" to be a "proper" iterable.  Found: {type(values)}')
    if not hasattr(values, "__iter__"):
        raise TypeError(f'Expected argument "values" to be iterable.  Found: {type(values)}')


@public("debugging.assert_shapes")
def assert_shapes(
    shapes: Any, data: Any = None, summarize: int | None = None, message: str | None = None, name: str | None = None
) -> Operation:
    """An op that fails unless tensors have the given shapes, in which one symbol stands for one size throughout.

    Args:
        shapes: a dict, or pairs, of tensors and shapes. A shape lists numbers; symbols (any hashable thing); None or
            "." for any size; and as its first entry `...` or "*" for any number of dimensions.
        data: what to print on failure.
        summarize: how many elements of each to print, 3 by default.
        message: a text to print before.
        name: the ops' scope.

    Raises:
        ValueError: at once, if static shapes contradict.
    """
    pairs = shapes.items() if isinstance(shapes, dict) else shapes
    message = message or ""
    with name_scope(name, "assert_shapes", [shapes, data]):
        given = [(convert_to_tensor(x), wanted) for x, wanted in pairs if wanted is not None]
        rows = [_read_shape(x, wanted, message) for x, wanted in given]
        rank_checks = []
        for x, is_open, wanted, _ in rows:
            options = {"data": data, "summarize": summarize, "message": message, "name": name}
            if len(wanted) <= 1:
                if not is_open:
                    rank_checks.append(assert_rank_in(x, [0, 1], **options))
            else:
                rank_checks.append((assert_rank_at_least if is_open else assert_rank)(x, len(wanted), **options))
        seen: dict[Any, tuple[Any, Tensor, int]] = {}
        size_checks: list[Operation] = []
        for x, is_open, wanted, sizes in rows:
            for i, symbol in enumerate(wanted):
                if symbol in (None, "."):
                    continue
                dim = i - len(wanted) if is_open else i
                actual = sizes[dim]
                if (number := _as_number(symbol)) is not None:
                    size, why = number, "Specified explicitly"
                elif symbol in seen:
                    size, y, at = seen[symbol]
                    why = f"Specified by tensor {y.name} dimension {at}"
                else:
                    seen[symbol] = actual, x, dim
                    continue
                if isinstance(actual, int) and isinstance(size, int):
                    if actual != size:
                        raise ValueError(
                            f"{message}.  {why}.  Tensor {x.name} dimension {dim} must have size {size}.  "
                            f"Received size {actual}, shape {x.shape}"
                        )
                    continue
                condition = comparisons.equal(convert_to_tensor(actual), convert_to_tensor(size))
                says = [message, why, f"Tensor {x.name} dimension", dim, "must have size", size, "Received shape: "]
                shown = [*says, shape_of(x)] if data is None else data
                size_checks.append(Assert(condition, shown, summarize=summarize))
        with control_dependencies(rank_checks):
            return group(*size_checks)


def _as_number(symbol: Any) -> int | None:
    """The size that an int or a digit says; None for a symbol."""
    try:
        return int(symbol)
    except (TypeError, ValueError):
        return None


def _read_shape(x: Tensor, wanted: Any, message: str) -> tuple[Tensor, bool, list[Any], Any]:
    """A tensor, whether it may have more dimensions in front, its wanted sizes, and its own."""
    if not hasattr(wanted, "__iter__") and not hasattr(wanted, "__getitem__"):
        raise ValueError(
            f"{message}.  Tensor {x.name}.  Specified shape must be an iterable.  An iterable has the "
            f"attribute `__iter__` or `__getitem__`.  Received specified shape: {wanted}"
        )
    entries = [getattr(entry, "value", entry) for entry in wanted]
    for i, entry in enumerate(entries):
        if i and (entry is Ellipsis or entry == "*"):
            raise ValueError(
                f"{message}.  Tensor {x.name} specified shape index {i}.  Symbol `...` or `*` for a variable number of "
                "unspecified dimensions is only allowed as the first entry"
            )
    is_open = bool(entries) and (entries[0] is Ellipsis or entries[0] == "*")
    entries = (entries[1:] if is_open else entries) or [1]
    runtime: Any = shape_of(x)
    if x.static_shape is None:
        return x, is_open, entries, runtime
    sizes = [runtime[i] if s is None else s for i, s in enumerate(x.static_shape)] or [1]
    return x, is_open, entries, sizes


__all__ = ["Assert", "assert_equal", "assert_rank", "guards"]
