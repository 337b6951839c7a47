"""Large random tensors in interpreted stages: initial values of large tables, mostly.

What runs once is interpreted, but NumPy takes its time over some tens of millions of random numbers: 15, 36 and 64 ms CPU
for 2**20 uniforms, normals and truncated normals, against 6, 12 and 18 for compiled kernels, which use all cores as well
(two EPYC cores). A stream can be entered anywhere, so one small program for pieces of `PIECE` numbers serves every size;
compiling it takes 0.2 to 1.7 s, the first time on a machine (disk_cache.py).
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from evergraph.compiler import disk_cache, malloc
from evergraph.compiler.plan import Instruction
from evergraph.ops import philox, random_kernels

PIECE = 1 << 20
FEWEST = 4 * PIECE

_KERNELS: dict[str, Callable[..., Any]] = {
    "RandomUniform": random_kernels.uniform,
    "RandomStandardNormal": random_kernels.standard_normal,
    "TruncatedNormal": random_kernels.truncated_normal,
}


def is_big_draw(instruction: Instruction, args: list[Any]) -> bool:
    """Whether an op draws so many numbers that compiled pieces are faster."""
    if _forked or instruction.op.type not in _KERNELS or instruction.attrs["dtype"].np != np.float32:
        return False
    return math.prod(np.ravel(args[0]).tolist()) >= FEWEST


def draw(instruction: Instruction, args: list[Any], counter: int) -> np.ndarray:
    """What the op's kernel gives."""
    import jax

    kind, attrs = instruction.op.type, instruction.attrs
    sizes = tuple(np.ravel(args[0]).tolist())
    out = np.empty(math.prod(sizes), np.float32)
    # Where a piece begins: each output reads the next word, or begins a region of its own (random_kernels.py).
    per_output = random_kernels.reserved_blocks(kind, (4,)) if kind == "TruncatedNormal" else 4
    blocks = PIECE * per_output // 4 // philox.WORDS_PER_BLOCK
    seeds = [np.uint64(int(attrs[name]) % 2**64) for name in ("seed", "seed2")]
    piece = _piece(kind)
    for number in range(-(-out.size // PIECE)):
        begin = number * PIECE
        at = np.uint64((counter + number * blocks) % 2**64)
        with jax.enable_x64(True):
            made = np.asarray(piece(at, *seeds))
        out[begin : begin + PIECE] = made[: out.size - begin]
    return out.reshape(sizes)


_forked = False  # a child of a process with JAX cannot run compiled kernels (runtime/forks.py)


def _in_child() -> None:
    global _forked
    _forked = "jax" in sys.modules


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


@cache
def _piece(kind: str) -> Any:
    malloc.keep_freed_memory()
    disk_cache.keep_programs()
    import jax
    import jax.numpy as jnp

    kernel = _KERNELS[kind]

    def piece(counter: Any, seed: Any, seed2: Any) -> Any:
        return kernel(jnp, counter, shape=(PIECE,), seed=seed, seed2=seed2, dtype=np.float32)

    return jax.jit(piece)
