"""The characters of strings: case, white space, length, parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.framework.shapes import ShapeError, bracket_text, broadcast_static, shape_text
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import Op, kernel_error, op, unchanged_shape
from evergraph.ops.strings.elements import array_of, listed, mapped, text

_WHITE_SPACE = b" \t\n\v\f\r"


def _change_of_case(name: str, of_bytes: Callable[[bytes], bytes], of_text: Callable[[str], str]) -> Op:
    def kernel(xp: Any, input: Any, *, encoding: bytes) -> Any:
        if encoding not in (b"", b"utf-8"):
            raise kernel_error(f"only utf-8 or '' (no encoding) is supported, received {text(encoding)}")
        if not encoding:
            return mapped(of_bytes, input)
        return mapped(lambda s: of_text(s.partition(b"\0")[0].decode("utf-8", "replace")).encode(), input)

    word = name.removeprefix("String").lower()
    kernel.__name__ = word
    kernel.__doc__ = (
        f'The strings in {word} case: the letters A to Z alone, or with `encoding` "utf-8" those of all scripts.'
    )
    return public(f"strings.{word}")(op(name, host=True, differentiable=False, shape=unchanged_shape)(kernel))


lower = _change_of_case("StringLower", bytes.lower, str.lower)
upper = _change_of_case("StringUpper", bytes.upper, str.upper)


@public("string_strip", "strings.strip")
@op("StringStrip", host=True, differentiable=False, shape=unchanged_shape)
def string_strip(xp: Any, input: Any) -> Any:
    """The strings without white space at their ends."""
    return mapped(lambda s: s.strip(_WHITE_SPACE), input)


@op("StringLength", host=True, differentiable=False, shape=unchanged_shape)
def string_length_op(xp: Any, input: Any, *, unit: bytes) -> Any:
    """The number of bytes, or of characters, of every string."""
    strings = listed(input)
    if unit == b"BYTE":
        lengths = [len(s) for s in strings]
    else:
        lengths = [_characters(s) for s in strings]
    return np.array(lengths, np.int32).reshape(np.shape(input))


def _characters(s: bytes) -> int:
    """How many bytes are no continuation of a character."""
    return len(s) if s.isascii() else len(_starts(s)[0])


def _starts(s: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Where the characters of UTF-8 start, and all bytes."""
    data = np.frombuffer(s, np.uint8)
    return np.flatnonzero((data & 0xC0) != 0x80), data


@public("strings.length")
def string_length(input: Any, name: str | None = None, unit: str = "BYTE") -> Tensor:
    """Count the bytes of every string, or its characters.

    Args:
        input: string, any shape.
        name: the op's name.
        unit: "BYTE", or "UTF8_CHAR" for characters of UTF-8.

    Returns:
        int32, the shape of `input`.
    """
    return string_length_op(input, unit=unit, name=name)


# Parts


@op("Substr", host=True, differentiable=False)
def substr_op(xp: Any, input: Any, pos: Any, len: Any, *, unit: bytes) -> Any:
    """A part of every string."""
    shape = np.shape(input)
    if np.shape(pos) != shape:
        try:
            shape = np.broadcast_shapes(shape, np.shape(pos))
        except ValueError:
            raise kernel_error(
                f"Incompatible shapes: {bracket_text(shape)} vs. {bracket_text(np.shape(pos))}"
            ) from None
    take = _part if unit == b"BYTE" else _utf8_part
    strings = listed(np.broadcast_to(np.asarray(input, dtype=object), shape))
    begins = np.broadcast_to(pos, shape).ravel().tolist()
    lengths = np.broadcast_to(len, shape).ravel().tolist()
    return array_of([take(s, b, n) for s, b, n in zip(strings, begins, lengths)], shape)


def _out_of_range(s: bytes, pos: int, index: str = "") -> Exception:
    return kernel_error(f"pos {pos} out of range for string b'{text(s)}'")


def _part(s: bytes, pos: int, length: int) -> bytes:
    begin = pos + len(s) if pos < 0 else pos
    if not 0 <= begin <= len(s):
        raise _out_of_range(s, pos)
    return s[begin:] if length < 0 else s[begin : begin + length]  # as C++ does, a negative length is a very large one


def _utf8_part(s: bytes, pos: int, length: int) -> bytes:
    starts = _starts(s)[0].tolist()
    count = len(starts)
    begin = pos + count if pos < 0 else pos
    if not 0 <= begin <= count:
        raise _out_of_range(s, pos)
    ends = [*starts, len(s)]
    first = ends[begin]
    last = ends[min(begin + max(length, 0), count)]
    return s[first:last]


@substr_op.shape
def substr_shape(input: Any, pos: Any, len: Any) -> Any:
    if pos is not None and len is not None:
        if _rank(pos) != _rank(len):
            raise ShapeError(f"Shape must be rank {_rank(len)} but is rank {_rank(pos)}")
        if any(a != b for a, b in zip(pos, len)):
            raise ShapeError(f"pos and len shapes must match: {shape_text(pos)} vs. {shape_text(len)}")
    return broadcast_static(input, pos)


_rank = len


@public("substr", "strings.substr")
def substr(input: Any, pos: Any, len: Any, name: str | None = None, unit: str = "BYTE") -> Tensor:
    """Take a part of every string.

    Args:
        input: string, any shape.
        pos: int32 or int64: where the part starts; negative counts from the end. Broadcasts with `input`.
        len: as `pos`: how long the part is, at most.
        name: the op's name.
        unit: what `pos` and `len` count: "BYTE", or "UTF8_CHAR" for characters of UTF-8.

    Raises:
        ValueError: if `pos` and `len` differ in shape.
        InvalidArgumentError: at run time, for a `pos` outside its string.

    >>> sess.run(tf.substr(["Hello", "World"], 1, 3))
    array([b'ell', b'orl'], dtype=object)
    """
    return substr_op(input, pos, len, unit=unit, name=name)


__all__ = ["lower", "string_length", "string_strip", "substr", "upper"]
