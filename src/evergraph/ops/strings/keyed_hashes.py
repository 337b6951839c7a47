"""Two more hashes of strings, of many strings at once: SipHash-2-4 and TF's old 64-bit hash."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Words = np.ndarray
"""One uint64 for each string."""


def _by_blocks(strings: Sequence[bytes], blocks_of: Callable[[int], int], function: Callable[..., Words]) -> Words:
    """`function(words, sizes)` of the strings with the same number of 8-byte blocks, zeros at their ends."""
    sizes = np.fromiter(map(len, strings), np.int64, len(strings))
    blocks = np.array([blocks_of(n) for n in sizes.tolist()], np.int64)
    result = np.empty(len(strings), np.uint64)
    with np.errstate(over="ignore"):
        for count in np.unique(blocks).tolist():
            which = np.flatnonzero(blocks == count)
            padded = b"".join([strings[i].ljust(8 * count, b"\0") for i in which.tolist()])
            words = np.frombuffer(padded, "<u8").reshape(len(which), count)
            result[which] = function(words, sizes[which].astype(np.uint64))
    return result


def _left(x: Words, by: int) -> Words:
    return (x << np.uint64(by)) | (x >> np.uint64(64 - by))


def siphashes(strings: Sequence[bytes], key: Sequence[int]) -> np.ndarray:
    """SipHash-2-4 of each string under a key of two 64-bit numbers: uint64."""
    k0, k1 = (np.uint64(k & 0xFFFFFFFFFFFFFFFF) for k in key)

    def hashed(words: np.ndarray, sizes: Words) -> Words:
        zero = np.zeros(len(words), np.uint64)
        v = (
            zero + (k0 ^ np.uint64(0x736F6D6570736575)),
            zero + (k1 ^ np.uint64(0x646F72616E646F6D)),
            zero + (k0 ^ np.uint64(0x6C7967656E657261)),
            zero + (k1 ^ np.uint64(0x7465646279746573)),
        )
        for i in range(words.shape[1]):
            word = words[:, i]
            if i == words.shape[1] - 1:  # the last block ends with the length
                word = word | (sizes << np.uint64(56))
            a, b, c, d = _sip_round(*_sip_round(v[0], v[1], v[2], v[3] ^ word))
            v = (a ^ word, b, c, d)
        v = (v[0], v[1], v[2] ^ np.uint64(0xFF), v[3])
        for _ in range(4):
            v = _sip_round(*v)
        return v[0] ^ v[1] ^ v[2] ^ v[3]

    return _by_blocks(strings, lambda n: n // 8 + 1, hashed)


def _sip_round(a: Words, b: Words, c: Words, d: Words) -> tuple[Words, Words, Words, Words]:
    a, c = a + b, c + d
    b, d = _left(b, 13) ^ a, _left(d, 16) ^ c
    a, c = _left(a, 32) + d, c + b
    b, d = _left(b, 17) ^ c, _left(d, 21) ^ a
    return a, b, _left(c, 32), d


def murmurs(strings: Sequence[bytes], seed: int = 0xDECAFCAFFE) -> np.ndarray:
    """The hash behind `tf.string_to_hash_bucket`, MurmurHash64A, of each string: uint64."""
    m, r = np.uint64(0xC6A4A7935BD1E995), np.uint64(47)

    def hashed(words: np.ndarray, sizes: Words) -> Words:
        h = np.uint64(seed) ^ (sizes * m)
        whole = sizes // np.uint64(8)
        for i in range(words.shape[1]):
            k = words[:, i] * m
            k = (k ^ (k >> r)) * m
            is_whole = whole > np.uint64(i)
            h = np.where(is_whole, h ^ k, h ^ words[:, i]) * m
        h = (h ^ (h >> r)) * m
        return h ^ (h >> r)

    return _by_blocks(strings, lambda n: -(-n // 8), hashed)


__all__ = ["murmurs", "siphashes"]
