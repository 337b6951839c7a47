"""TF 1's random ops as pure functions of a counter: the same seeds give the values that TF 1.15 gives on a CPU.

A stream (see `philox`) is a row of blocks of four 32-bit words. An op holds one number, the index of its next block.
Each run starts there and then moves on by `reserved_blocks`, whether or not it read so far:

    uniform, uniform_int, standard_normal   output i reads word i of the run (two words each if it has 64 bits)
    truncated_normal                        outputs go in groups with a region of blocks each, since how many
                                            words a group reads depends on how many normals it rejects
    shuffle, multinomial                    one word a swap, two words a draw

Every function takes `(xp, counter, *inputs, ...)`:

    xp              `numpy`, or `jax.numpy` with 64-bit types enabled
    counter         index of the run's first block: an int or a uint64 scalar, which may be traced. Under NumPy,
                    uniforms, integers and standard normals also take a vector of them, and then give a row for
                    each
    shape           tuple of ints
    seed, seed2     the op's attributes as `tf.get_seed` derives them: ints (negative ones count modulo 2**64) or uint64
                    scalars, which may be traced. TF 1 draws both at random for an op that has 0 and 0: so must the
                    caller, since here 0 and 0 are seeds like any other
    dtype           a NumPy dtype (bfloat16: that of `ml_dtypes`)

Uniforms, integers, shuffles and normals of up to 32 bits agree with TF 1.15.5 bit for bit; float64 normals within
2 ulp, as close as `log`, `sin` and `cos` of the platform are. Draws of `multinomial` agree but where the last bits of
`exp` decide.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.ops import philox
from evergraph.ops.lowerings import lowering_platform

Shape = tuple[int, ...]

# NumPy goes through a run in pieces whose temporaries stay in the cache. Normals of float32[784, 512] take 13 ms by
# 4,096 blocks, 12 by 8,192, and in one piece 11 to 23, as the allocator pleases (NumPy 2.4, one EPYC core).
_BLOCKS_AT_ONCE = 8192

_RESERVED_PER_OUTPUT = 256

# Box and Muller's transform takes the logarithm of a uniform number, of this one instead of 0.
_LEAST = 1e-7


def reserved_blocks(op: str, output_shape: Shape) -> int:
    """Give how far the counter of an op moves at one run.

    Args:
        op: OpDef name.
        output_shape: the run's output; `(batch, num_samples)` for `Multinomial`.

    >>> reserved_blocks("RandomUniform", (2, 3))
    1536
    """
    size = math.prod(output_shape)
    if op in ("RandomUniform", "RandomStandardNormal", "TruncatedNormal", "RandomUniformInt"):
        return size * _RESERVED_PER_OUTPUT
    if op == "RandomShuffle":
        swaps = output_shape[0] - 1 if size > 1 else 0
        return -(-swaps // philox.WORDS_PER_BLOCK)
    if op == "Multinomial":
        batch, num_samples = output_shape
        return batch * (-(-num_samples // 4) * 8) * _RESERVED_PER_OUTPUT
    raise ValueError(f"{op!r} is not an op with a random stream of this module")


def uniform(xp: Any, counter: Any, *, shape: Shape, seed: Any, seed2: Any, dtype: Any) -> Any:
    """Draw from [0, 1).

    Args:
        dtype: float16, bfloat16, float32 or float64.

    >>> uniform(np, 0, shape=(3,), seed=1, seed2=42, dtype=np.float32)
    array([0.21971714, 0.0670464 , 0.6814681 ], dtype=float32)
    """
    dtype = _float(dtype)
    if dtype == np.float64:
        return _filled(xp, counter, shape, seed, seed2, dtype, 2, lambda w: _lanes(xp, *_uniforms64(xp, w)))
    return _filled(xp, counter, shape, seed, seed2, dtype, 4, lambda w: _fraction(xp, _lanes(xp, *w), dtype))


def standard_normal(xp: Any, counter: Any, *, shape: Shape, seed: Any, seed2: Any, dtype: Any) -> Any:
    """Draw from the normal distribution of mean 0 and deviation 1.

    Args:
        dtype: float16, bfloat16, float32 or float64.
    """
    dtype = _float(dtype)
    if dtype == np.float64:
        return _filled(xp, counter, shape, seed, seed2, dtype, 2, lambda w: _lanes(xp, *_box_muller64(xp, w)))

    def normals(words: Any) -> Any:
        a, b, c, d = words
        return _lanes(xp, *_box_muller32(xp, _lanes(xp, a, c), _lanes(xp, b, d))).astype(dtype)

    return _filled(xp, counter, shape, seed, seed2, dtype, 4, normals)


def truncated_normal(xp: Any, counter: Any, *, shape: Shape, seed: Any, seed2: Any, dtype: Any) -> Any:
    """Draw from the normal distribution, redrawing what is 2 or more deviations from its mean.

    Args:
        dtype: float16, bfloat16, float32 or float64.
    """
    dtype = _float(dtype)
    size = math.prod(shape)
    if not size:
        return xp.zeros(shape, dtype)
    width = _per_block(dtype)
    groups = -(-size // width)
    spacing = np.uint64(width * _RESERVED_PER_OUTPUT // philox.WORDS_PER_BLOCK)
    first = philox.block_index(xp, counter)

    def normals(index: Any) -> tuple[Any, ...]:
        """The normals that each block of `index` makes, in order."""
        a, b, c, d = words = philox.blocks(xp, index, seed, seed2)
        return _box_muller64(xp, words) if width == 2 else _box_muller32(xp, a, b) + _box_muller32(xp, c, d)

    if xp is np:
        values = _first_kept(xp, normals, first, spacing, groups, width)
    elif groups < 2 * _GROUPS_AT_ONCE or lowering_platform() != "cpu":
        values = _first_kept_traced(xp, normals, first, spacing, groups, width)
    else:
        values = _first_kept_in_pieces(xp, normals, first, spacing, groups, width)
    return values.astype(dtype).reshape(-1)[:size].reshape(shape)


def uniform_int(
    xp: Any, counter: Any, minval: Any, maxval: Any, *, shape: Shape, seed: Any, seed2: Any, dtype: Any
) -> Any:
    """Draw integers from [minval, maxval).

    As in TF 1, the remainder of a word by the range: not quite uniform when the range is no power of two.

    Args:
        minval, maxval: scalars of `dtype`, which may be traced. The caller has checked `minval < maxval`, which TF 1
            demands unless the output is empty.
        dtype: int32 or int64.
    """
    dtype = np.dtype(dtype)
    if dtype not in (np.int32, np.int64):
        raise TypeError(f"random integers are int32 or int64, not {dtype.name}")
    if not math.prod(shape):
        return xp.zeros(shape, dtype)
    unsigned = np.dtype(f"u{dtype.name}")
    # One element rather than none: NumPy warns when a scalar wraps, and wrapping is meant here.
    low, high = (xp.asarray(bound, dtype).reshape(1).view(unsigned) for bound in (minval, maxval))

    def integers(words: Any) -> Any:
        if unsigned == np.uint64:
            words = (_word64(xp, words[1], words[0]), _word64(xp, words[3], words[2]))
        return (low + _lanes(xp, *words) % (high - low)).view(dtype)

    return _filled(xp, counter, shape, seed, seed2, dtype, _per_block(dtype), integers)


def uniform_bits(xp: Any, counter: Any, *, shape: Shape, seed: Any, seed2: Any, dtype: Any) -> Any:
    """Draw integers from the whole range of `dtype`: int32, uint32, int64 or uint64."""
    dtype = np.dtype(dtype)
    if dtype.name not in ("int32", "uint32", "int64", "uint64"):
        raise TypeError(f"random integers have 32 or 64 bits, not {dtype.name}")

    def integers(words: Any) -> Any:
        if dtype.itemsize == 8:
            words = (_word64(xp, words[1], words[0]), _word64(xp, words[3], words[2]))
        return _lanes(xp, *words).view(dtype)

    return _filled(xp, counter, shape, seed, seed2, dtype, _per_block(dtype), integers)


def shuffle(xp: Any, counter: Any, value: Any, *, seed: Any, seed2: Any) -> Any:
    """Put the rows of `value` (its first axis) in random order.

    Args:
        value: any dtype and shape; under NumPy also an array of objects.
    """
    if value.size <= 1 or value.shape[0] <= 1:
        return value
    rows = value.shape[0]
    words = _filled(xp, counter, (rows - 1,), seed, seed2, np.dtype(np.uint32), 4, lambda w: _lanes(xp, *w))
    return value[_order_after_swaps(xp, words % xp.arange(rows, 1, -1, dtype=xp.uint32))]


def multinomial(
    xp: Any, counter: Any, logits: Any, num_samples: int, *, seed: Any, seed2: Any, output_dtype: Any
) -> Any:
    """Draw classes with probabilities proportional to `exp(logits)`, row by row.

    TF 1 splits a large batch between its threads, and lets each begin at a block of its own, so that its draws depend
    on how many threads there are: for float32[512, 1000], one thread and two agree in 64 of 512 rows. The draws here
    are those of one thread, and of any number for a batch small enough not to be split.

    Args:
        logits: float16, bfloat16, float32 or float64, shape `(batch, classes)`. A class whose logit is not finite is
            never drawn. A row without a finite one gives `classes`, which is no class, as in TF 1.
        num_samples: int.
        output_dtype: int32 or int64.

    Returns:
        Shape `(batch, num_samples)`.
    """
    batch, _ = logits.shape
    draws = uniform(xp, counter, shape=(batch, num_samples), seed=seed, seed2=seed2, dtype=np.float64)
    return classes_of(xp, logits, draws, output_dtype)


def uniforms_of_streams(seeds: np.ndarray, seeds2: np.ndarray, count: int) -> np.ndarray:
    """The first `count` float64 uniforms of each of some streams, [streams, count]."""
    index = np.arange(-(-count // 2), dtype=np.uint64)
    words = philox.blocks(np, index[None], seeds[:, None], seeds2[:, None])
    return _lanes(np, *_uniforms64(np, words)).reshape(len(seeds), -1)[:, :count]


def classes_of(xp: Any, logits: Any, draws: Any, output_dtype: Any) -> Any:
    """The classes that uniforms stand for, row by row."""
    finite = xp.isfinite(logits)
    logits = logits.astype(xp.float64)
    largest = xp.where(finite, logits, -np.finfo(np.float64).max).max(axis=1, keepdims=True)
    mass = xp.where(finite, xp.exp(xp.where(finite, logits - largest, 0.0)), 0.0)
    total = xp.cumsum(mass, axis=1)
    return _count_not_above(xp, total, draws * total[:, -1:]).astype(output_dtype)


def _float(dtype: Any) -> np.dtype:
    dtype = np.dtype(dtype)
    if dtype.name not in ("float16", "bfloat16", "float32", "float64"):
        raise TypeError(f"random reals are float16, bfloat16, float32 or float64, not {dtype.name}")
    return dtype


def _per_block(dtype: np.dtype) -> int:
    return 2 if dtype.itemsize == 8 else 4


def _filled(
    xp: Any,
    counter: Any,
    shape: Shape,
    seed: Any,
    seed2: Any,
    dtype: np.dtype,
    per_block: int,
    outputs: Callable[[Any], Any],
) -> Any:
    """An array of `shape` from the blocks that follow `counter`, `per_block` outputs to each."""
    size = math.prod(shape)
    if not size:
        return xp.zeros((*np.shape(counter), *shape), dtype)
    index = philox.block_index(xp, counter)
    runs = index.shape  # of several runs, each with a counter of its own
    if runs:
        index = index[:, None]
    index = index + xp.arange(-(-size // per_block), dtype=xp.uint64)

    def outputs_of(index: Any) -> Any:
        return outputs(philox.blocks(xp, index, seed, seed2))

    if runs:
        values = _in_pieces(outputs_of, index.reshape(-1), per_block, dtype)
        return values.reshape(*runs, -1)[:, :size].reshape(*runs, *shape)
    values = _in_pieces(outputs_of, index, per_block, dtype) if xp is np else outputs_of(index)
    return values.reshape(-1)[:size].reshape(shape)


def _in_pieces(outputs_of: Callable[[Any], Any], index: Any, per_block: int, dtype: Any) -> Any:
    values = np.empty((len(index), per_block), dtype)
    for start in range(0, len(index), _BLOCKS_AT_ONCE):
        piece = slice(start, start + _BLOCKS_AT_ONCE)
        values[piece] = outputs_of(index[piece]).reshape(-1, per_block)
    return values


def _lanes(xp: Any, *parts: Any) -> Any:
    """Stack `parts` along a new last axis."""
    if xp is np:
        return np.stack(parts, axis=-1)
    # XLA:CPU computes all of an output element's block again for a concatenation, but once for a select by lane:
    # uniforms of float32[784, 512] take 5.0 and 0.41 ms (jax 0.10.2, two EPYC cores).
    lane = xp.arange(len(parts), dtype=xp.uint32)
    stacked = parts[-1][..., None]
    for i, part in enumerate(parts[:-1]):
        stacked = xp.where(lane == i, part[..., None], stacked)
    return stacked


def _fraction(xp: Any, word: Any, dtype: np.dtype) -> Any:
    """Random bits to [0, 1): they become the mantissa of a number in [1, 2), from which 1 is taken."""
    bits, mantissa = {"float16": (16, 10), "bfloat16": (16, 7), "float32": (32, 23), "float64": (64, 52)}[dtype.name]
    unsigned = np.dtype(f"uint{bits}")
    one = np.ones((), dtype)
    word = word & word.dtype.type((1 << mantissa) - 1) | word.dtype.type(one.view(unsigned))
    return word.astype(unsigned).view(dtype) - one


def _word64(xp: Any, high: Any, low: Any) -> Any:
    return high.astype(xp.uint64) << np.uint64(32) | low.astype(xp.uint64)


def _uniforms64(xp: Any, words: Any) -> tuple[Any, Any]:
    pairs = (words[0], words[1]), (words[2], words[3])
    first, second = (_fraction(xp, _word64(xp, *pair), np.dtype(np.float64)) for pair in pairs)
    return first, second


def _box_muller32(xp: Any, first: Any, second: Any) -> tuple[Any, Any]:
    """Two words to two float32 normals."""
    float32 = np.dtype(np.float32)
    u = xp.maximum(_fraction(xp, first, float32), np.float32(_LEAST))
    radius = xp.sqrt(np.float32(-2) * _log32(xp, u))
    turn = _fraction(xp, second, float32).astype(xp.float64)
    sine, cosine = _sine_cosine32(xp, _as_float32(xp, turn * (2 * math.pi)))
    return sine * radius, cosine * radius


def _box_muller64(xp: Any, words: Any) -> tuple[Any, Any]:
    """The four words of a block to two float64 normals."""
    u, v = _uniforms64(xp, words)
    radius = xp.sqrt(-2.0 * xp.log(xp.maximum(u, _LEAST)))
    angle = v * (2 * math.pi)
    return xp.sin(angle) * radius, xp.cos(angle) * radius


# float32 logarithm, sine and cosine: TF 1 takes them from the C library, and a last bit of each is a matter of how it
# computes them. These are the algorithms of Arm Optimized Routines (MIT licence), which glibc has had since 2.28, in
# double precision up to the last rounding. A uniform has 2**23 values, so that agreement is not a matter of luck: all
# of them are compared (the tests do), and no bit differs, under NumPy as under XLA. They also are faster than what they
# replace: normals of float32[784, 512] take 1.2 ms under XLA:CPU, 2.3 with jax.numpy's float32 functions (which differ
# in 8% of the values), 5.9 with its float64 ones; TF 1.15.5 takes 4.0 (two EPYC cores).

_hex = float.fromhex

_LOG_CENTERS = (  # 1/c and log(c), one row for each sixteenth of an octave that begins at 0x1.66p-1
    (_hex("0x1.661ec79f8f3bep+0"), _hex("-0x1.57bf7808caadep-2")),
    (_hex("0x1.571ed4aaf883dp+0"), _hex("-0x1.2bef0a7c06ddbp-2")),
    (_hex("0x1.49539f0f010bp+0"), _hex("-0x1.01eae7f513a67p-2")),
    (_hex("0x1.3c995b0b80385p+0"), _hex("-0x1.b31d8a68224e9p-3")),
    (_hex("0x1.30d190c8864a5p+0"), _hex("-0x1.6574f0ac07758p-3")),
    (_hex("0x1.25e227b0b8eap+0"), _hex("-0x1.1aa2bc79c81p-3")),
    (_hex("0x1.1bb4a4a1a343fp+0"), _hex("-0x1.a4e76ce8c0e5ep-4")),
    (_hex("0x1.12358f08ae5bap+0"), _hex("-0x1.1973c5a611cccp-4")),
    (_hex("0x1.0953f419900a7p+0"), _hex("-0x1.252f438e10c1ep-5")),
    (1.0, 0.0),
    (_hex("0x1.e608cfd9a47acp-1"), _hex("0x1.aa5aa5df25984p-5")),
    (_hex("0x1.ca4b31f026aap-1"), _hex("0x1.c5e53aa362eb4p-4")),
    (_hex("0x1.b2036576afce6p-1"), _hex("0x1.526e57720db08p-3")),
    (_hex("0x1.9c2d163a1aa2dp-1"), _hex("0x1.bc2860d22477p-3")),
    (_hex("0x1.886e6037841edp-1"), _hex("0x1.1058bc8a07ee1p-2")),
    (_hex("0x1.767dcf5534862p-1"), _hex("0x1.4043057b6ee09p-2")),
)
_INVERSE_CENTER, _LOG_CENTER = np.array(_LOG_CENTERS).T
_LOG_START = np.uint32(0x3F330000)
_LOG_TERMS = _hex("-0x1.ffffef20a4123p-2"), _hex("0x1.5575b0be00b6ap-2"), _hex("-0x1.00ea348b88334p-2")
_SINE_TERMS = _hex("-0x1.555545995a603p-3"), _hex("0x1.1107605230bc4p-7"), _hex("-0x1.994eb3774cf24p-13")
_COSINE_TERMS = (
    _hex("-0x1.ffffffd0c621cp-2"),
    _hex("0x1.55553e1068f19p-5"),
    _hex("-0x1.6c087e89a359dp-10"),
    _hex("0x1.99343027bf8c3p-16"),
)


def _log32(xp: Any, x: Any) -> Any:
    """Natural logarithm of float32 `x`, a normal number in (0, 1)."""
    bits = x.view(xp.uint32)
    above = bits - _LOG_START
    exponent = above.view(xp.int32) >> np.int32(23)
    row = (above >> np.uint32(19)) & np.uint32(15)
    mantissa = (bits - (above & np.uint32(0xFF800000))).view(xp.float32).astype(xp.float64)
    r = mantissa * xp.asarray(_INVERSE_CENTER)[row] - 1.0
    whole = xp.asarray(_LOG_CENTER)[row] + exponent.astype(xp.float64) * math.log(2)
    r2 = r * r
    a2, a3, a4 = _LOG_TERMS
    return ((a4 * r2 + (a3 * r + a2)) * r2 + (whole + r)).astype(xp.float32)


def _sine_cosine32(xp: Any, x: Any) -> tuple[Any, Any]:
    """Sine and cosine of `x`, in [0, 2 pi), float32 numbers held in float64."""
    # The nearest multiple of pi/2, by the C library's fixed-point count of quarter turns in 1/2**24.
    quarters = ((x * _hex("0x1.45f306dc9c883p+23")).astype(xp.int32) + np.int32(1 << 23)) >> np.int32(24)
    x = x - quarters.astype(xp.float64) * (math.pi / 2)
    z = x * x
    x3, z2 = z * x, z * z
    s3, s5, s7 = _SINE_TERMS
    c2, c4, c6, c8 = _COSINE_TERMS
    sine = (x + x3 * s3) + (x3 * z) * (s5 + z * s7)
    cosine = ((1.0 + z * c2) + z2 * c4) + (z2 * z) * (c6 + z * c8)
    odd = (quarters & np.int32(1)) != 0
    sine, cosine = xp.where(odd, cosine, sine), xp.where(odd, sine, cosine)
    sine = xp.where((quarters & np.int32(2)) != 0, -sine, sine)
    cosine = xp.where(((quarters + np.int32(1)) & np.int32(2)) != 0, -cosine, cosine)
    return sine.astype(xp.float32), cosine.astype(xp.float32)


def _as_float32(xp: Any, x: Any) -> Any:
    """Round float64 `x` to float32, kept as float64. XLA may drop a conversion there and back; this it keeps."""
    if xp is np:
        return x.astype(np.float32).astype(np.float64)
    from jax import lax

    return lax.reduce_precision(x, exponent_bits=8, mantissa_bits=23)


# Truncation. Each group of `width` outputs takes the first `width` normals below 2 in magnitude, from its own region of
# blocks. A normal is rejected with probability 0.0455, so one block is enough for 83% of the groups of four.


def _is_kept(xp: Any, normal: Any) -> Any:
    return xp.abs(normal) < 2


def _first_kept(xp: Any, normals: Callable[[Any], Any], first: Any, spacing: Any, groups: int, width: int) -> Any:
    """NumPy: block after block, each time for those groups only that are not full yet."""

    def drawn(index: Any) -> Any:
        kept_type = np.float64 if width == 2 else np.float32
        return _in_pieces(lambda piece: np.stack(normals(piece), axis=-1), index, width, kept_type)

    index = first + spacing * np.arange(groups, dtype=np.uint64)
    values = drawn(index)
    group = np.flatnonzero(~_is_kept(np, values).all(axis=1))
    index, candidates = index[group], values[group]
    filled = np.zeros(len(group), np.int64)
    while len(group):
        kept = _is_kept(np, candidates)
        slot = filled[:, None] + np.cumsum(kept, axis=1) - 1
        row, lane = np.nonzero(kept & (slot < width))
        values[group[row], slot[row, lane]] = candidates[row, lane]
        filled = slot[:, -1] + 1
        rest = filled < width
        group, filled, index = group[rest], filled[rest], index[rest] + np.uint64(1)
        candidates = drawn(index)
    return values


# XLA:CPU goes through memory for each of the arrays between the ops here. In pieces whose arrays stay in the cache,
# 25.6 million float32 take 0.31 s instead of 0.48 (4,096 groups at once: 0.30 to 0.42, 262,144: 0.31; one EPYC core).
_GROUPS_AT_ONCE = 1 << 16


def _first_kept_in_pieces(
    xp: Any, normals: Callable[[Any], Any], first: Any, spacing: Any, groups: int, width: int
) -> Any:
    """`_first_kept_traced`, some groups at a time; there may be more groups in the result, all of them at its end."""
    from jax import lax

    fewest = _GROUPS_AT_ONCE // 2
    at_once = next((n for n in range(2 * fewest, fewest, -1) if groups % n == 0), _GROUPS_AT_ONCE)

    def piece(number: Any) -> Any:
        start = first + spacing * (number * np.uint64(at_once))
        return _first_kept_traced(xp, normals, start, spacing, at_once, width)[:at_once]

    return lax.map(piece, xp.arange(-(-groups // at_once), dtype=xp.uint64))


def _first_kept_traced(
    xp: Any, normals: Callable[[Any], Any], first: Any, spacing: Any, groups: int, width: int
) -> Any:
    """JAX: some blocks for all groups at once, then one by one the few groups (below) that these leave open."""
    from jax import lax

    # XLA:CPU takes four times as long over an odd number of groups; one more is drawn then, and not used.
    groups += groups % 2

    def taken(values: tuple[Any, ...], filled: Any, candidates: tuple[Any, ...]) -> tuple[tuple[Any, ...], Any]:
        """`values`, of which `filled` are settled, and as many of `candidates` after them as are kept."""
        for candidate in candidates:
            kept = _is_kept(xp, candidate)
            values = tuple(xp.where(kept & (filled == i), candidate, value) for i, value in enumerate(values))
            filled = filled + kept.astype(xp.int32)
        return values, filled

    index = first + spacing * xp.arange(groups, dtype=xp.uint64)
    values = drawn = normals(index)
    filled = xp.zeros(groups, xp.int32)
    # Groups of four still open after two blocks: 1 in 100,000. Groups of two after three blocks: 1 in 900,000.
    rounds = 2 if width == 4 else 3
    for i in range(rounds):
        values, filled = taken(values, filled, normals(index + np.uint64(i)) if i else drawn)

    def one_group(start: Any) -> Any:
        """All values of the group whose region begins at block `start`."""
        empty = tuple(xp.zeros((), value.dtype) for value in values)
        return lax.while_loop(
            lambda state: state[1] < width,
            lambda state: (*taken(*state[:2], normals(state[2])), state[2] + np.uint64(1)),
            (empty, np.int32(0), start),
        )[0]

    # The next open group by a minimum: XLA:CPU takes three times as long over the whole op with argmax.
    none = np.int32(groups)
    still_open = xp.where(filled < width, xp.arange(groups, dtype=xp.int32), none)

    def close_next(state: Any) -> Any:
        table, group = state
        table = table.at[group].set(xp.stack(one_group(first + spacing * group.astype(xp.uint64))))
        return table, xp.where(still_open > group, still_open, none).min()

    return lax.while_loop(lambda state: state[1] < none, close_next, (_lanes(xp, *values), still_open.min()))[0]


# Shuffling. TF 1 walks through the rows and swaps row i with row t[i] = i + offset, which looks sequential. But row i
# is never touched again after its own step, so what ends there is what stood at t[i] before step i:
#
#   - what the last earlier step with the same target, m = earlier[i], had put there. That is what stood at m just
#     before step m: root[m]. If there is no such step, row t[i] itself;
#   - root[k] is found the same way: the last step before k with target k put it there, so root[k] is root[that step],
#     up a chain that ends at a k which no step before it had touched. Chains have about log(rows) links.
#
# One sort gives all `earlier` and all links; jumping to the link's link gives the ends of all chains in a few rounds.
# A million rows take 0.10 s in NumPy and 0.06 in XLA:CPU; swap by swap, 0.4 to 1.7 s in Python, over 9 s in XLA:CPU.


def _order_after_swaps(xp: Any, offsets: Any) -> Any:
    """Where each row comes from after swapping row i with row `i + offsets[i]`, in order.

    Args:
        offsets: uint32, shape `(rows - 1,)`.

    Returns:
        int32 (int64 from 2**31 rows on), shape `(rows,)`.
    """
    rows = len(offsets) + 1
    row_type = np.dtype(np.int32 if rows < 2**31 else np.int64)
    step = xp.arange(rows, dtype=row_type)
    target = step + xp.concatenate([offsets.astype(row_type), xp.zeros(1, row_type)])
    # Steps by target, then by step, as keys of 64 bits: there are fewer than 2**32 rows.
    by_target = xp.sort(target.astype(xp.int64) << np.int64(32) | step.astype(xp.int64))
    sorted_target = (by_target >> np.int64(32)).astype(row_type)
    sorted_step = (by_target & np.int64(0xFFFFFFFF)).astype(row_type)
    same = sorted_target[1:] == sorted_target[:-1]
    none = np.full(1, -1, row_type)
    before = xp.concatenate([none, xp.where(same, sorted_step[:-1], none)])
    earlier = _scattered(xp, sorted_step, before, rows)
    is_last = xp.concatenate([~same, np.ones(1, bool)])
    last = _scattered(xp, xp.where(is_last, sorted_target, row_type.type(rows)), sorted_step, rows)
    link = xp.where(last == step, earlier, last)
    root = _ends_of_chains(xp, xp.where(link < 0, step, link))
    return xp.where(earlier < 0, target, root[earlier])


def _scattered(xp: Any, index: Any, values: Any, size: int) -> Any:
    """`values` at `index` of an array that is -1 elsewhere; index `size` drops its value."""
    if xp is np:
        array = np.full(size + 1, -1, values.dtype)
        array[index] = values
        return array[:size]
    return xp.full(size, -1, values.dtype).at[index].set(values, mode="drop")


def _ends_of_chains(xp: Any, link: Any) -> Any:
    if xp is np:
        while not np.array_equal(further := link[link], link):
            link = further
        return link
    from jax import lax

    def jump(state: Any) -> Any:
        further = state[0][state[0]]
        return further, (further != state[0]).any()

    return lax.while_loop(lambda state: state[1], jump, (link, True))[0]


def _count_not_above(xp: Any, rising: Any, limits: Any) -> Any:
    """Row by row, how many entries of `rising` (never falling along its last axis) are at most each limit."""
    length = rising.shape[1]
    count = xp.zeros(limits.shape, xp.int64)
    for power in reversed(range(length.bit_length())):
        probe = count + np.int64(1 << power)
        entry = xp.take_along_axis(rising, xp.minimum(probe, length) - 1, axis=1)
        count = xp.where((probe <= length) & (entry <= limits), probe, count)
    return count
