"""Philox4x32-10: the counter-based generator under every random op.

One call of the generator turns a 128-bit counter and a 64-bit key into four 32-bit words, a *block*. There is no state
besides the counter, so any block of a stream can be had at once, in any order, on any device:

    counter words    0, 1            2, 3           key words
    hold             block index     seed2          seed

Ten rounds of two 32x32-bit multiplications each. J. Salmon and others, "Parallel random numbers: as easy as 1, 2, 3",
SC 2011, has the algorithm and its constants. TF 1 carries a block index past 2**64 into `seed2`; no program counts so
far, and here the index wraps.

Everything here is a pure function over an array namespace `xp`, either `numpy` or `jax.numpy` (the latter with 64-bit
types enabled, since a block index has 64 bits).
"""

from __future__ import annotations

from typing import Any

import numpy as np

WORDS_PER_BLOCK = 4

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_MASK32 = 0xFFFFFFFF
_32 = np.uint64(32)


def block_index(xp: Any, counter: Any) -> Any:
    """Give `counter` as the uint64 scalar that block indices are counted from.

    Args:
        counter: an int (taken modulo 2**64), or a uint64 scalar, which may be traced.

    Raises:
        RuntimeError: under JAX without 64-bit types, which would cut the index to 32 bits.
    """
    index = xp.asarray(_uint64(counter))
    if index.dtype != np.uint64:
        raise RuntimeError(
            f"a block index needs 64 bits and this trace gives it {index.dtype}: "
            "trace and call inside `with jax.enable_x64(True)`"
        )
    return index


def blocks(xp: Any, index: Any, seed: Any, seed2: Any) -> tuple[Any, Any, Any, Any]:
    """Give the four words of each block in `index`.

    Args:
        index: uint64, any shape.
        seed, seed2: ints of 64 bits, signed or not, or uint64 scalars. An int becomes a constant of a compiled program;
            a traced scalar lets one program serve every seed. Under NumPy also arrays of them, broadcast to `index`.

    Returns:
        Four uint32 arrays of the shape of `index`.

    >>> [hex(word) for word in blocks(np, np.uint64(0), 0, 0)]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    # A 32x32-bit product through uint64: XLA:CPU makes one vector instruction of it. Against products of 16-bit halves,
    # filling float32[784, 512] takes 0.41 and 1.12 ms (jax 0.10.2, two EPYC cores). NumPy: 3.3 ms, by 8,192 blocks.
    if xp is np and not np.ndim(seed) and not np.ndim(seed2):
        if np.size(index) <= _FEW:
            return _few_blocks(np.asarray(index), int(seed), int(seed2))
        if np.size(index) <= _SOME:
            return _some_blocks(np.asarray(index), int(seed), int(seed2))
    word0, word1 = _halves(xp, index)
    word2, word3 = _halves(xp, xp.asarray(_uint64(seed2)))
    for key0, key1 in _round_keys(xp, seed):
        low0, high0 = _product(xp, word0, _MULTIPLIERS[0])
        low1, high1 = _product(xp, word2, _MULTIPLIERS[1])
        word0, word1, word2, word3 = high1 ^ word1 ^ key0, low1, high0 ^ word3 ^ key1, low0
    return word0, word1, word2, word3


_FEW = 8  # up to here Python's integers are faster: one block takes 8 us with them, 110 us with NumPy's scalars


# Up to here the number of NumPy's calls counts more than what they do: in pairs, 200 blocks take 0.8 of the time, 1,000
# blocks 0.85 (NumPy 2.3).
_SOME = 1024


def _some_blocks(index: np.ndarray, seed: int, seed2: int) -> tuple[Any, Any, Any, Any]:
    """`blocks` of up to `_SOME` indices: words 0 and 2 in one array, 1 and 3 in another, each with 64 bits a word."""
    flat = index.reshape(-1)
    mask, multipliers = np.uint64(_MASK32), np.array(_MULTIPLIERS, np.uint64)[:, None]
    factors, others = np.empty((2, flat.size), np.uint64), np.empty((2, flat.size), np.uint64)
    factors[0], others[0] = flat & mask, flat >> _32
    factors[1], others[1] = seed2 & _MASK32, seed2 >> 32 & _MASK32
    keys = np.array(_round_keys(np, seed), np.uint64)[:, :, None]
    for key in keys:
        products = factors * multipliers
        factors = (products >> _32)[::-1] ^ others ^ key
        others = (products & mask)[::-1]
    words = [w.astype(np.uint32).reshape(index.shape) for w in (factors[0], others[0], factors[1], others[1])]
    return words[0], words[1], words[2], words[3]


def _few_blocks(index: np.ndarray, seed: int, seed2: int) -> tuple[Any, Any, Any, Any]:
    """`blocks` of a handful of indices."""
    out = np.empty((4, index.size), np.uint32)
    keys = [
        [(half + step * by) & _MASK32 for half, by in zip((seed, seed >> 32), _KEY_STEPS)] for step in range(_ROUNDS)
    ]
    for column, block in enumerate(index.reshape(-1).tolist()):
        word0, word1 = block & _MASK32, block >> 32 & _MASK32
        word2, word3 = seed2 & _MASK32, seed2 >> 32 & _MASK32
        for key0, key1 in keys:
            product0, product1 = word0 * _MULTIPLIERS[0], word2 * _MULTIPLIERS[1]
            word0, word1, word2, word3 = (
                (product1 >> 32) ^ word1 ^ key0,
                product1 & _MASK32,
                (product0 >> 32) ^ word3 ^ key1,
                product0 & _MASK32,
            )
        out[:, column] = word0, word1, word2, word3
    return tuple(out.reshape(4, *index.shape))


def _uint64(value: Any) -> Any:
    return np.uint64(int(value) % 2**64) if isinstance(value, (int, np.integer)) else value


def _halves(xp: Any, x: Any) -> tuple[Any, Any]:
    x = x.astype(xp.uint64)
    return x.astype(xp.uint32), (x >> _32).astype(xp.uint32)


def _product(xp: Any, x: Any, multiplier: int) -> tuple[Any, Any]:
    return _halves(xp, x.astype(xp.uint64) * np.uint64(multiplier))


def _round_keys(xp: Any, seed: Any) -> list[tuple[Any, Any]]:
    steps = [[step * by & _MASK32 for by in _KEY_STEPS] for step in range(_ROUNDS)]
    if not np.ndim(seed) and (xp is np or isinstance(seed, int)):
        low, high = int(seed) & _MASK32, int(seed) >> 32 & _MASK32
        return [(np.uint32(low + by0 & _MASK32), np.uint32(high + by1 & _MASK32)) for by0, by1 in steps]
    low, high = _halves(xp, xp.asarray(seed))
    return [(low + np.uint32(by0), high + np.uint32(by1)) for by0, by1 in steps]
