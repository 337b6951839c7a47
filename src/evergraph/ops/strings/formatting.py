"""`tf.strings.format`: a template with tensors in it, as `tf.print` shows them."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from evergraph.framework import convert, dtypes
from evergraph.framework.api import public
from evergraph.framework.dtypes import DType
from evergraph.framework.shapes import ShapeError
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import kernel_error, op

_ESCAPES = {b"\n": b"\\n", b"\r": b"\\r", b"\t": b"\\t", b'"': b'\\"', b"'": b"\\'", b"\\": b"\\\\"}


def summary(value: Any, dtype: DType, limit: int) -> bytes:
    """An array as text: of every axis the first and the last `limit` entries, or all if it is negative."""
    array = np.asarray(value)
    limit = array.size if limit < 0 else min(limit, array.size)
    if dtype.is_complex:
        return b"[" + b" ".join([b"?"] * limit) + (b"...]" if array.size > limit else b"]")
    out: list[bytes] = []
    _write(array, 0, array.ndim, limit, dtype, out)
    return b"".join(out)


def _write(part: Any, axis: int, rank: int, limit: int, dtype: DType, out: list[bytes]) -> None:
    if axis == rank:
        out.append(_element(part, dtype))
        return
    if axis == rank - 1:
        space = b" "
    else:
        space = b"\n" * (rank - axis - 1) + b" " * (axis + 1)
    size = len(part)
    out.append(b"[")
    for i in range(min(limit, size)):
        if i:
            out.append(space)
        _write(part[i], axis + 1, rank, limit, dtype, out)
    if size > 2 * limit:
        out.extend([space, b"..."])
    for i in range(max(limit, size - limit), size):
        out.append(space)
        _write(part[i], axis + 1, rank, limit, dtype, out)
    out.append(b"]")


def _element(value: Any, dtype: DType) -> bytes:
    if dtype is dtypes.string:
        data = value.item() if isinstance(value, np.ndarray) else value
        return b'"' + re.sub(rb"[\x00-\x1f\"'\\\x7f-\xff]", _escaped, data) + b'"'
    if dtype in (dtypes.float16, dtypes.float32):
        return _float(float(value), 6, 9, np.float32).encode()
    if dtype is dtypes.float64:
        return _float(float(value), 15, 17, np.float64).encode()
    if dtype.is_bool or dtype.is_integer:
        return str(int(value)).encode()
    if dtype.is_quantized:
        return str(int(np.asarray(value).view(np.asarray(value).dtype[0]))).encode()
    return b"?"


def _escaped(match: re.Match[bytes]) -> bytes:
    code = match[0]
    return _ESCAPES.get(code) or b"\\%03o" % code[0]


def _float(value: float, digits: int, more: int, kind: Any) -> str:
    """The number with as few digits as `digits` if they tell it, else with `more`."""
    short = f"{value:.{digits}g}"
    if math.isnan(value) or kind(short) == kind(value):
        return short
    return f"{value:.{more}g}"


@op("StringFormat", host=True, differentiable=False)
def string_format_op(xp: Any, inputs: Any, *, T: Any, template: bytes, placeholder: bytes, summarize: int) -> Any:
    """A template with the tensors in it."""
    parts = template.split(placeholder)
    if len(parts) - 1 != len(inputs):
        raise kernel_error(_mismatch(len(parts) - 1, len(inputs)))
    shown = [summary(x, dtype, summarize) for x, dtype in zip(inputs, T)]
    result = np.empty((), object)
    result[()] = b"".join([parts[0], *(piece for pair in zip(shown, parts[1:]) for piece in pair)])
    return result


def _mismatch(placeholders: int, inputs: int) -> str:
    return f"num placeholders in template and num inputs must match: {placeholders} vs. {inputs}"


@string_format_op.shape
def string_format_shape(inputs: Any, *, template: bytes, placeholder: bytes) -> Any:
    count = template.count(placeholder)
    if count != len(inputs):
        raise ShapeError(_mismatch(count, len(inputs)))
    return ()


@public("strings.format")
def string_format(
    template: str, inputs: Any, placeholder: str = "{}", summarize: int = 3, name: str | None = None
) -> Tensor:
    """Put tensors into a template.

    Args:
        template: the text, with as many placeholders as there are inputs.
        inputs: a tensor, or a list of them.
        placeholder: what stands for a tensor.
        summarize: how many entries to show at each end of each axis; -1 shows all.
        name: the op's name.

    Returns:
        A string scalar.

    Raises:
        ValueError: if there are more or fewer placeholders than inputs.

    >>> sess.run(tf.strings.format("tensor: {}", tf.range(10)))
    b'tensor: [0 1 2 ... 7 8 9]'
    """
    if convert.is_tensor_like(inputs):
        inputs = [inputs]
    if template.count(placeholder) != len(inputs):
        raise ValueError(
            f"{template.count(placeholder)} placeholder(s) in template does not match {len(inputs)} tensor(s) provided "
            "as input"
        )
    return string_format_op(inputs, template=template, placeholder=placeholder, summarize=summarize, name=name)


__all__ = ["string_format", "summary"]
