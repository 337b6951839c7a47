"""FarmHash64, the fingerprint that TF takes of strings, of many strings at once.

It has a formula of its own for each range of lengths: to 16 bytes, to 32, to 64, and longer. All arithmetic is modulo
2**64, which is what NumPy's uint64 does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_K0 = np.uint64(0xC3A5C85C97CB3127)
_K1 = np.uint64(0xB492B66FBE98F273)
_K2 = np.uint64(0x9AE16A3B2F90404F)
_SEED = 81

Words = np.ndarray
"""One uint64 for each string."""


def fingerprints(strings: Sequence[bytes]) -> np.ndarray:
    """The fingerprint of each string: uint64."""
    lengths = np.fromiter(map(len, strings), np.int64, len(strings))
    starts = np.cumsum(lengths) - lengths
    data = np.frombuffer(b"".join(strings) + bytes(8), np.uint8)
    result = np.full(len(strings), _K2)  # that of the empty string
    with np.errstate(over="ignore"):
        ranges = ((1, 3, _to_3), (4, 7, _to_7), (8, 16, _to_16), (17, 32, _to_32), (33, 64, _to_64))
        for low, high, formula in ranges:
            which = np.flatnonzero((lengths >= low) & (lengths <= high))
            if which.size:
                result[which] = formula(_Bytes(data, starts[which], lengths[which]))
        long = np.flatnonzero(lengths > 64)
        blocks = (lengths[long] - 1) // 64
        for count in np.unique(blocks).tolist():
            which = long[blocks == count]
            result[which] = _longer(_Bytes(data, starts[which], lengths[which]), count)
    return result


class _Bytes:
    """Strings in one buffer, to be read at the same place each."""

    def __init__(self, data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> None:
        self._data = data
        self._words = np.ndarray((data.size - 7, 8), np.uint8, data, strides=(1, 1))
        self._starts = starts
        self.lengths = lengths
        self.size = lengths.astype(np.uint64)

    def word(self, at: int | np.ndarray) -> Words:
        """The 8 bytes at `at` from the start."""
        return self._words[self._starts + at].reshape(-1).view("<u8")

    def last_word(self, before_end: int) -> Words:
        """The 8 bytes that start so many before the end."""
        return self.word(self.lengths - before_end)

    def half_word(self, at: int | np.ndarray) -> Words:
        return self.word(at) & np.uint64(0xFFFFFFFF)

    def byte(self, at: int | np.ndarray) -> Words:
        return self._data[self._starts + at].astype(np.uint64)


def _rotated(x: Words, by: int) -> Words:
    return (x >> np.uint64(by)) | (x << np.uint64(64 - by))


def _shift_mix(x: Words) -> Words:
    return x ^ (x >> np.uint64(47))


def _mixed(u: Words, v: Words, multiplier: Words) -> Words:
    a = _shift_mix((u ^ v) * multiplier)
    return _shift_mix((v ^ a) * multiplier) * multiplier


def _to_3(s: _Bytes) -> Words:
    y = s.byte(0) + (s.byte(s.lengths >> 1) << np.uint64(8))
    z = s.size + (s.byte(s.lengths - 1) << np.uint64(2))
    return _shift_mix((y * _K2) ^ (z * _K0)) * _K2


def _to_7(s: _Bytes) -> Words:
    multiplier = _K2 + s.size * np.uint64(2)
    return _mixed(s.size + (s.half_word(0) << np.uint64(3)), s.half_word(s.lengths - 4), multiplier)


def _to_16(s: _Bytes) -> Words:
    multiplier = _K2 + s.size * np.uint64(2)
    a, b = s.word(0) + _K2, s.last_word(8)
    return _mixed(_rotated(b, 37) * multiplier + a, (_rotated(a, 25) + b) * multiplier, multiplier)


def _to_32(s: _Bytes) -> Words:
    multiplier = _K2 + s.size * np.uint64(2)
    a, b = s.word(0) * _K1, s.word(8)
    c, d = s.last_word(8) * multiplier, s.last_word(16) * _K2
    return _mixed(_rotated(a + b, 43) + _rotated(c, 30) + d, a + _rotated(b + _K2, 18) + c, multiplier)


def _to_64(s: _Bytes) -> Words:
    multiplier = _K2 + s.size * np.uint64(2)
    a, b = s.word(0) * _K2, s.word(8)
    c, d = s.last_word(8) * multiplier, s.last_word(16) * _K2
    y = _rotated(a + b, 43) + _rotated(c, 30) + d
    z = _mixed(y, a + _rotated(b + _K2, 18) + c, multiplier)
    e, f = s.word(16) * multiplier, s.word(24)
    g, h = (y + s.last_word(32)) * multiplier, (z + s.last_word(24)) * multiplier
    return _mixed(_rotated(e + f, 43) + _rotated(g, 30) + h, e + _rotated(f + a, 18) + g, multiplier)


def _weak(s: _Bytes, at: int | np.ndarray, a: Words, b: Words) -> tuple[Words, Words]:
    """32 bytes and two seeds as a pair."""
    w, x, y, z = (s.word(at + 8 * i) for i in range(4))
    a = a + w
    b = _rotated(b + a + z, 21)
    c = a
    a = a + x + y
    b = b + _rotated(a, 44)
    return a + z, b + c


def _longer(s: _Bytes, blocks: int) -> Words:
    zero = np.zeros(len(s.lengths), np.uint64)
    seed = np.uint64(_SEED)
    x = zero + seed
    y = zero + seed * _K1 + np.uint64(113)
    z = _shift_mix(y * _K2 + np.uint64(113)) * _K2
    v, w = (zero, zero), (zero, zero)
    x = x * _K2 + s.word(0)
    for block in range(blocks):
        x, y, z, v, w = _round(s, 64 * block, x, y, z, v, w, zero + _K1, np.uint64(1))
    multiplier = _K1 + ((z & np.uint64(0xFF)) << np.uint64(1))
    first = w[0] + ((s.size - np.uint64(1)) & np.uint64(63))
    v = (v[0] + first, v[1])
    w = (first + v[0], w[1])
    x, y, z, v, w = _round(s, s.lengths - 64, x, y, z, v, w, multiplier, np.uint64(9))
    return _mixed(
        _mixed(v[0], w[0], multiplier) + _shift_mix(y) * _K0 + z, _mixed(v[1], w[1], multiplier) + x, multiplier
    )


def _round(
    s: _Bytes,
    at: int | np.ndarray,
    x: Words,
    y: Words,
    z: Words,
    v: tuple[Words, Words],
    w: tuple[Words, Words],
    multiplier: Words,
    weight: np.uint64,
) -> tuple[Words, Words, Words, tuple[Words, Words], tuple[Words, Words]]:
    x = _rotated(x + y + v[0] + s.word(at + 8), 37) * multiplier
    y = _rotated(y + v[1] + s.word(at + 48), 42) * multiplier
    x = x ^ (w[1] * weight)
    y = y + v[0] * weight + s.word(at + 40)
    z = _rotated(z + w[0], 33) * multiplier
    v = _weak(s, at, v[1] * multiplier, x + w[0])
    w = _weak(s, at + 32, z + w[1], y + s.word(at + 16))
    return z, y, x, v, w


__all__ = ["fingerprints"]
