"""Strings to numbers that stand for them: `tf.string_to_hash_bucket_fast` and its kin, `tf.fingerprint`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.shapes import ShapeError, bracket_text
from evergraph.framework.tensor import Tensor
from evergraph.ops.arguments import either
from evergraph.ops.opdef import kernel_error, op, unchanged_shape
from evergraph.ops.strings.elements import listed, text
from evergraph.ops.strings.farmhash import fingerprints
from evergraph.ops.strings.keyed_hashes import murmurs, siphashes


def _buckets(hashes: np.ndarray, count: int, shape: tuple[int, ...]) -> np.ndarray:
    return (hashes % np.uint64(count)).astype(np.int64).reshape(shape)


@public("string_to_hash_bucket_fast", "strings.to_hash_bucket_fast")
@op("StringToHashBucketFast", host=True, differentiable=False, shape=unchanged_shape)
def string_to_hash_bucket_fast(xp: Any, input: Any, *, num_buckets: int) -> Any:
    """Put every string in one of `num_buckets` buckets, by a hash that is quick: FarmHash64."""
    return _buckets(fingerprints(listed(input)), num_buckets, np.shape(input))


@public("string_to_hash_bucket_strong", "strings.to_hash_bucket_strong")
@op("StringToHashBucketStrong", host=True, differentiable=False, shape=unchanged_shape)
def string_to_hash_bucket_strong(xp: Any, input: Any, *, num_buckets: int, key: Any) -> Any:
    """Put every string in one of `num_buckets` buckets, by a hash that cannot be steered without the `key`: SipHash.

    The key is two ints.
    """
    if len(key) != 2:
        raise kernel_error("Key must have 2 elements")
    return _buckets(siphashes(listed(input), key), num_buckets, np.shape(input))


@op("StringToHashBucket", host=True, differentiable=False, shape=unchanged_shape)
def string_to_hash_bucket_op(xp: Any, string_tensor: Any, *, num_buckets: int) -> Any:
    """Put every string in one of `num_buckets` buckets, by an older hash."""
    return _buckets(murmurs(listed(string_tensor)), num_buckets, np.shape(string_tensor))


@public("string_to_hash_bucket", "strings.to_hash_bucket")
def string_to_hash_bucket(
    string_tensor: Any = None, num_buckets: int | None = None, name: str | None = None, input: Any = None
) -> Tensor:
    """Put every string in one of `num_buckets` buckets; `string_to_hash_bucket_fast` is the better function.

    Args:
        string_tensor: string, any shape.
        num_buckets: how many buckets there are.
        name: the op's name.
        input: another name of `string_tensor`.

    Returns:
        int64, the shape of `string_tensor`: numbers in `[0, num_buckets)`.
    """
    return string_to_hash_bucket_op(either("input", input, "string_tensor", string_tensor), num_buckets, name)


@op("Fingerprint", host=True, differentiable=False, static=("method",))
def fingerprint_op(xp: Any, data: Any, method: Any, *, T: Any) -> Any:
    """The fingerprint of each row, as 8 bytes."""
    if np.ndim(method):
        raise kernel_error(f"`method` should be a scalar string: {bracket_text(np.shape(method))}")
    if listed(method)[0] != b"farmhash64":
        raise kernel_error(f"Unsupported fingerprint method: {text(listed(method)[0])}")
    if not np.ndim(data):
        raise kernel_error(f"`data` should have at least one dimension: {bracket_text(np.shape(data))}")
    rows = len(data)
    if T is dtypes.string:
        found = fingerprints(listed(data))
        width = math.prod(np.shape(data)[1:])
        if width > 1:  # the fingerprints of a row's strings are what its own is taken of
            found = fingerprints([row.tobytes() for row in found.astype("<u8").reshape(rows, width)])
    else:
        found = fingerprints([row.tobytes() for row in np.ascontiguousarray(data)])
    return found.astype("<u8").reshape(rows, 1).view(np.uint8)


@fingerprint_op.shape
def fingerprint_shape(data: Any, method: Any) -> Any:
    if data == ():
        raise ShapeError("Shape must be at least rank 1 but is rank 0")
    if method is not None and np.ndim(method):
        raise ShapeError(f"`method` must be rank 0: {bracket_text(np.shape(method))}")
    if method is not None and listed(method)[0] != b"farmhash64":
        raise ShapeError(f"Unsupported method: {text(listed(method)[0])}")
    return (None if data is None else data[0], None if method is None else 8)


@public("fingerprint")
def fingerprint(data: Any, method: Any = "farmhash64", name: str | None = None) -> Tensor:
    """Take the fingerprint of each row of `data`.

    Args:
        data: any dtype, rank 1 or more.
        method: a string scalar: only "farmhash64" is there.
        name: the op's name.

    Returns:
        uint8, shape `[rows, 8]`: a 64-bit number, its lowest byte first.
    """
    return fingerprint_op(data, method, name)


__all__ = [
    "fingerprint",
    "string_to_hash_bucket",
    "string_to_hash_bucket_fast",
    "string_to_hash_bucket_strong",
]
