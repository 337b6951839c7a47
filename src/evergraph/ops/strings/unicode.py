"""Unicode: between strings in some encoding and the numbers of characters."""

from __future__ import annotations

import codecs
import functools
import threading
from collections.abc import Sequence
from importlib import resources
from typing import Any, NamedTuple

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import ShapeError, size_of, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops import shaping
from evergraph.ops.joining import stack
from evergraph.ops.opdef import kernel_error, op, unchanged_shape
from evergraph.ops.strings.elements import array_of, listed, text
from evergraph.ops.strings.joining import ragged_class, tensor_or_ragged

_LARGEST = 0x10FFFF
_MARK = 0xD800  # half of a pair: no decoder gives it, so it can stand for what could not be decoded
_BIG_ENDIAN = {"utf-16": "utf-16-be", "utf-32": "utf-32-be"}


class Characters(NamedTuple):
    """A string taken apart: code points, how many bytes each took, and which stand for malformed bytes."""

    codes: np.ndarray
    lengths: np.ndarray
    is_malformed: np.ndarray


def decoder(encoding: bytes) -> str:
    """Python's name of an encoding.

    Raises:
        InvalidArgumentError: if there is none.
    """
    try:
        return codecs.lookup(text(encoding).replace("UTF-16-", "UTF-16").replace("UTF-32-", "UTF-32")).name
    except LookupError:
        raise kernel_error(f"Could not create converter for input encoding: {text(encoding)}") from None


def characters(data: bytes, encoding: str) -> Characters:
    """Decode a string; malformed bytes become U+FFFD, one for each piece that is the start of a character."""
    skipped = 0
    if encoding in _BIG_ENDIAN:  # without a byte order mark the first byte is the highest
        little, width = (codecs.BOM_UTF16_LE, 2) if encoding == "utf-16" else (codecs.BOM_UTF32_LE, 4)
        mark = data[:width]
        skipped = width if mark in (little, little[::-1]) else 0
        encoding = encoding + "-le" if mark == little else _BIG_ENDIAN[encoding]
    spans = _malformed.spans = []
    decoded = data[skipped:].decode(encoding, "evergraph.mark")
    codes = np.frombuffer(decoded.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int32)
    is_malformed = codes == _MARK
    lengths = _lengths(decoded, codes, encoding)
    lengths[is_malformed] = spans
    if skipped and lengths.size:
        lengths[0] += skipped
    codes[is_malformed] = 0xFFFD
    return Characters(codes, lengths, is_malformed)


class _Malformed(threading.local):
    """The lengths of the malformed pieces that were met in the string being decoded."""

    spans: list[int]


_malformed = _Malformed()


def _mark(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    _malformed.spans.append(error.end - error.start)
    return chr(_MARK), error.end


codecs.register_error("evergraph.mark", _mark)


def _lengths(decoded: str, codes: np.ndarray, encoding: str) -> np.ndarray:
    """How many bytes each character takes in `encoding`."""
    if encoding == "utf-8":
        return 1 + (codes > 0x7F) + (codes > 0x7FF) + (codes > 0xFFFF).astype(np.int64)
    if encoding.startswith("utf-16"):
        return 2 + 2 * (codes > 0xFFFF).astype(np.int64)
    if encoding.startswith("utf-32"):
        return np.full(codes.shape, 4, np.int64)
    return np.array([len(c.encode(encoding, "replace")) for c in decoded], np.int64)


def encoded(codes: Sequence[int], encoding: bytes) -> bytes:
    """Write code points in one of the encodings of Unicode; two halves of a pair become one character."""
    units = "".join(map(chr, codes)).encode("utf-16-be", "surrogatepass")
    if encoding == b"UTF-16-BE":
        return units
    if encoding == b"UTF-32-BE":
        return units.decode("utf-16-be", "surrogatepass").encode("utf-32-be", "surrogatepass")
    return (
        units.decode("utf-16-be", "surrogatepass")
        .encode("utf-8", "surrogatepass")
        .decode("utf-8", "evergraph.halves")
        .encode()
    )


def _half(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "\N{REPLACEMENT CHARACTER}", error.start + 3  # half of a pair takes three bytes


codecs.register_error("evergraph.halves", _half)


def _check_replacement(code: int) -> None:
    if not 0 <= code <= _LARGEST:
        raise kernel_error("replacement_char out of unicode codepoint range")


def _mended(
    found: Characters, errors: bytes, replacement: int, replace_controls: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Which characters stay, and what they are, after what is malformed was replaced or left out."""
    wrong = found.is_malformed
    if replace_controls:
        wrong = wrong | (found.codes <= 0x1F)
    keep = ~wrong if errors == b"ignore" else np.ones(len(wrong), bool)
    return keep, np.where(wrong, replacement, found.codes)[keep]


@public("strings.unicode_transcode")
@op("UnicodeTranscode", host=True, differentiable=False, shape=unchanged_shape)
def unicode_transcode(
    xp: Any,
    input: Any,
    *,
    input_encoding: bytes,
    output_encoding: bytes,
    errors: bytes,
    replacement_char: int,
    replace_control_characters: bool,
) -> Any:
    """Write every string in another encoding.

    `errors` says what to do with bytes that are malformed: "replace" them with the code point `replacement_char`,
    "ignore" them, or be "strict" and fail. `replace_control_characters` treats the code points up to 31 so as well.
    """
    _check_replacement(replacement_char)
    encoding = decoder(input_encoding)
    result = []
    for s in listed(input):
        found = characters(s, encoding)
        wrong = found.is_malformed
        if replace_control_characters:
            wrong = wrong | (found.codes <= 0x1F)
        if errors == b"strict" and wrong.any():
            raise kernel_error("Invalid formatting on input string")
        _, codes = _mended(found, errors, replacement_char, replace_control_characters)
        result.append(encoded(codes.tolist(), output_encoding))
    return array_of(result, np.shape(input))


def _decode(
    input: Any, encoding: bytes, errors: bytes, replacement: int, replace_controls: bool, splits: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    _check_replacement(replacement)
    name = decoder(encoding)
    codes, starts, counts = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)], [0]
    for s in listed(input):
        found = characters(s, name)
        if errors == b"strict" and found.is_malformed.any():
            raise kernel_error("Invalid formatting on input string")
        keep, kept = _mended(found, errors, replacement, replace_controls)
        codes.append(kept)
        starts.append((np.cumsum(found.lengths) - found.lengths)[keep])
        counts.append(len(kept))
    return np.cumsum(counts).astype(splits.np), np.concatenate(codes), np.concatenate(starts)


def _splits_shape(input: Any) -> Any:
    count = size_of(input)
    return (None if count is None else count + 1,)


@op("UnicodeDecode", host=True, differentiable=False)
def unicode_decode_op(
    xp: Any,
    input: Any,
    *,
    input_encoding: bytes,
    errors: bytes,
    replacement_char: int,
    replace_control_characters: bool,
    Tsplits: Any,
) -> Any:
    """The code points of every string, one after another, and where each string's start."""
    splits, codes, _ = _decode(input, input_encoding, errors, replacement_char, replace_control_characters, Tsplits)
    return splits, codes


@unicode_decode_op.shape
def unicode_decode_shape(input: Any) -> Any:
    return [_splits_shape(input), (None,)]


@op("UnicodeDecodeWithOffsets", host=True, differentiable=False)
def unicode_decode_with_offsets_op(
    xp: Any,
    input: Any,
    *,
    input_encoding: bytes,
    errors: bytes,
    replacement_char: int,
    replace_control_characters: bool,
    Tsplits: Any,
) -> Any:
    """The code points of every string, where each string's start, and at which byte each character starts."""
    return _decode(input, input_encoding, errors, replacement_char, replace_control_characters, Tsplits)


@unicode_decode_with_offsets_op.shape
def unicode_decode_with_offsets_shape(input: Any) -> Any:
    return [_splits_shape(input), (None,), (None,)]


@op("UnicodeEncode", host=True, differentiable=False)
def unicode_encode_op(
    xp: Any, input_values: Any, input_splits: Any, *, errors: bytes, output_encoding: bytes, replacement_char: int
) -> Any:
    """The strings that rows of code points say."""
    _check_replacement(replacement_char)
    values, splits = np.asarray(input_values), np.asarray(input_splits).tolist()
    if not splits:
        raise kernel_error("Input_splits should contain elements, but given input_values has 0 elements")
    if splits[-1] > values.size:
        raise kernel_error(f"the splits end at {splits[-1]}, but there are {values.size} values")
    wrong = (values < 0) | (values > _LARGEST)
    if errors == b"strict" and wrong.any():
        raise kernel_error("Code point value out of valid Unicode range.")
    values = np.where(wrong, replacement_char, values)
    rows, at = [], 0
    for end in splits[1:]:
        row = values[at:end] if errors != b"ignore" else values[at:end][~wrong[at:end]]
        rows.append(encoded(row.tolist(), output_encoding))
        at = max(at, end)
    return array_of(rows, (len(rows),))


@unicode_encode_op.shape
def unicode_encode_shape(input_values: Any, input_splits: Any) -> Any:
    with_rank(input_values, 1)
    (count,) = with_rank(input_splits, 1)
    if count == 0:
        raise ShapeError("Negative dimension size caused by subtracting 1 from 0")
    return (None if count is None else count - 1,)


@public("strings.unicode_script")
@op("UnicodeScript", host=True, differentiable=False, shape=unchanged_shape)
def unicode_script(xp: Any, input: Any) -> Any:
    """The script of each code point, as ICU's `UScriptCode` numbers them; -1 for what is no code point."""
    starts, scripts = _scripts()
    codes = np.asarray(input)
    found = scripts[np.searchsorted(starts, np.clip(codes, 0, _LARGEST), "right") - 1]
    return np.where((codes < 0) | (codes > _LARGEST), np.int32(-1), found)


@functools.cache
def _scripts() -> tuple[np.ndarray, np.ndarray]:
    """Where runs of code points of one script start, and the script of each."""
    lines = resources.files(__package__).joinpath("unicode_scripts.txt").read_text().splitlines()
    pairs = [line.split() for line in lines]
    return np.array([int(start, 16) for start, _ in pairs]), np.array([int(script) for _, script in pairs], np.int32)


# The functions of the interface, most of which need ragged tensors


@public("strings.unicode_encode")
def unicode_encode(
    input: Any, output_encoding: str, errors: str = "replace", replacement_char: int = 65533, name: str | None = None
) -> Any:
    """Write rows of code points as strings.

    Args:
        input: int32, a tensor of rank 1 or more or a `RaggedTensor`; its last axis becomes a string.
        output_encoding: "UTF-8", "UTF-16-BE" or "UTF-32-BE".
        errors: what to do with a number that is no code point: "replace", "ignore" or "strict".
        replacement_char: the code point to put in its place.
        name: the name of the scope of the ops.

    Raises:
        ValueError: if the rank of `input` is 0 or not known.
    """
    with name_scope(name, "UnicodeEncode", [input]):
        again = (output_encoding, errors, replacement_char)
        input = tensor_or_ragged(input)
        if isinstance(input, Tensor):
            if input.static_shape is None:
                raise ValueError("Rank of input_tensor must be statically known.")
            rank = len(input.static_shape)
            if rank == 0:
                raise ValueError("input_tensor's rank must be at least 1.")
            if rank == 1:
                splits = stack([0, shaping.shape(input, out_type=dtypes.int32)[0]])
                row = ragged_class().from_row_splits(input, splits, validate=False)
                return shaping.reshape(unicode_encode(row, *again), [])
            if rank == 2:
                return unicode_encode(ragged_class().from_tensor(input), *again)
            rows = shaping.reshape(input, stack([-1, shaping.shape(input)[-1]]))
            return shaping.reshape(unicode_encode(rows, *again), input.shape[:-1])
        if input.flat_values.shape.ndims > 1:
            return input.with_flat_values(unicode_encode(input.flat_values, *again))
        if input.ragged_rank > 1:
            return input.with_values(unicode_encode(input.values, *again))
        return unicode_encode_op(
            input.values,
            input.row_splits,
            output_encoding=output_encoding,
            errors=errors,
            replacement_char=replacement_char,
        )


@public("strings.unicode_decode")
def unicode_decode(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    replace_control_characters: bool = False,
    name: str | None = None,
) -> Any:
    """Take strings apart into code points.

    Args:
        input: string, a tensor of known rank or a `RaggedTensor`.
        input_encoding: the encoding: "UTF-8", "UTF-16-BE", "US-ASCII", ...
        errors: what to do with malformed bytes: "replace", "ignore" or "strict".
        replacement_char: the code point to put in their place.
        replace_control_characters: whether to treat the code points up to 31 so as well.
        name: the name of the scope of the ops.

    Returns:
        int32: a vector for a scalar, else a `RaggedTensor` with one more axis.
    """
    with name_scope(name, "UnicodeDecode", [input]):
        return _decoded(input, input_encoding, errors, replacement_char, replace_control_characters, False)


@public("strings.unicode_decode_with_offsets")
def unicode_decode_with_offsets(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    replace_control_characters: bool = False,
    name: str | None = None,
) -> Any:
    """Take strings apart into code points, and say at which byte each starts; see `unicode_decode`."""
    with name_scope(name, "UnicodeDecodeWithOffsets", [input]):
        return _decoded(input, input_encoding, errors, replacement_char, replace_control_characters, True)


@public("strings.unicode_split")
def unicode_split(
    input: Any, input_encoding: str, errors: str = "replace", replacement_char: int = 65533, name: str | None = None
) -> Any:
    """Split strings into their characters, each a string; see `unicode_decode`."""
    with name_scope(name, "UnicodeSplit", [input]):
        codes = _decoded(input, input_encoding, errors, replacement_char, False, False)
        return _character_strings(codes, input_encoding, errors, replacement_char)


@public("strings.unicode_split_with_offsets")
def unicode_split_with_offsets(
    input: Any, input_encoding: str, errors: str = "replace", replacement_char: int = 65533, name: str | None = None
) -> Any:
    """Split strings into their characters, and say at which byte each starts; see `unicode_decode`."""
    with name_scope(name, "UnicodeSplitWithOffsets", [input]):
        codes, offsets = _decoded(input, input_encoding, errors, replacement_char, False, True)
        return _character_strings(codes, input_encoding, errors, replacement_char), offsets


def _character_strings(codes: Any, encoding: str, errors: str, replacement_char: int) -> Any:
    from evergraph.ops.ragged.rearranging import expand_dims

    return unicode_encode(expand_dims(codes, -1), encoding, errors, replacement_char)


def _decoded(
    input: Any, encoding: str, errors: str, replacement_char: int, replace_controls: bool, with_offsets: bool
) -> Any:
    input = tensor_or_ragged(input, name="input")
    rank = input.shape.ndims
    if rank is None:
        raise ValueError("Rank of `input` must be statically known.")
    if rank > 1:
        ragged = ragged_class()
        if isinstance(input, Tensor):
            input = ragged.from_tensor(input, ragged_rank=rank - 1)
        elif input.ragged_rank < rank - 1:
            inner = ragged.from_tensor(input.flat_values, ragged_rank=rank - input.ragged_rank + 1)
            input = input.with_flat_values(inner)
    flat = shaping.reshape(input if isinstance(input, Tensor) else input.flat_values, [-1])
    decode = unicode_decode_with_offsets_op if with_offsets else unicode_decode_op
    found = decode(
        flat,
        input_encoding=encoding,
        errors=errors,
        replacement_char=replacement_char,
        replace_control_characters=replace_controls,
    )
    parts = found[1:]
    if rank:
        rows = [ragged_class().from_row_splits(part, found[0], validate=False) for part in parts]
        parts = [row if rank == 1 else input.with_flat_values(row) for row in rows]
    return (parts[0], parts[1]) if with_offsets else parts[0]


__all__ = [
    "unicode_decode",
    "unicode_decode_with_offsets",
    "unicode_encode",
    "unicode_script",
    "unicode_split",
    "unicode_split_with_offsets",
    "unicode_transcode",
]
