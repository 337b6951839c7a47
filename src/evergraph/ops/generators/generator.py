"""`tf.random.experimental.Generator`: a stream of random numbers that a program holds in its hands."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import math, shaping
from evergraph.ops.filling import zeros_like
from evergraph.ops.generators.stateful import (
    PHILOX,
    STATE_SIZES,
    non_deterministic_ints_op,
    rng_skip_op,
    stateful_binomial_op,
    stateful_normal_op,
    stateful_truncated_normal_op,
    stateful_uniform_full_int_op,
    stateful_uniform_int_op,
    stateful_uniform_op,
)
from evergraph.ops.joining import concat, stack
from evergraph.ops.opdef import Op
from evergraph.ops.resource_variable import ResourceVariable


def _state_size(algorithm: Any) -> int:
    try:
        return STATE_SIZES[algorithm]
    except KeyError:
        raise ValueError(f"Unsupported algorithm id: {algorithm}") from None


def signed(n: int) -> int:
    """The int64 that has the bits of an unsigned number."""
    return n - 2**64 if n > 2**63 - 1 else n


def _state_tensor(state: Any) -> Tensor:
    if isinstance(state, list):
        state = [signed(n) if isinstance(n, int) else n for n in state]
    return convert_to_tensor(state, dtype=dtypes.int64)


def _shape_tensor(shape: Any) -> Tensor:
    empty = isinstance(shape, list | tuple) and not shape
    return convert_to_tensor(shape, dtype=dtypes.int64 if empty else None, name="shape")


@public("random.experimental.create_rng_state")
def create_rng_state(seed: Any, algorithm: int) -> np.ndarray:
    """The state that a generator starts in.

    Args:
        seed: an int of any length, or a vector of ints.
        algorithm: 1 for Philox.

    Raises:
        ValueError: for an algorithm that there is not, or a `seed` of more dimensions.

    >>> tf.random.experimental.create_rng_state(5, 1)
    array([5, 0, 0])
    """
    size = _state_size(algorithm)
    if isinstance(seed, int):
        seed = [seed >> 64 * i & (2**64 - 1) for i in range(size)]
    state = np.asarray([signed(int(n)) for n in seed], np.int64)
    if state.ndim != 1:
        raise ValueError(f"seed should only have one dimension; got shape: {state.shape}")
    return np.pad(state[:size], (max(size - len(state), 0), 0))


@public("random.experimental.Generator")
class Generator:
    """A stream of random numbers. Where it is, is kept in a variable: of each session its own, and to be initialized.

    Args:
        copy_from: a generator to start at the same place as.
        state: int64, shape `[3]`: the state to start in.
        alg: the algorithm, 1 for Philox.

    >>> generator = tf.random.experimental.Generator.from_seed(1234)
    >>> numbers = generator.normal([2])
    >>> _ = sess.run(tf.global_variables_initializer())
    >>> sess.run(numbers)
    array([0.9356609, 1.0854305], dtype=float32)
    """

    def __init__(self, copy_from: Generator | None = None, state: Any = None, alg: int | None = None) -> None:
        if copy_from is not None:
            assert alg is None and state is None
            state, self._alg_var = copy_from.state, copy_from.algorithm
        else:
            assert alg is not None and state is not None
            state, self._alg_var = _state_tensor(state), alg
            state.shape.assert_is_compatible_with([_state_size(alg)])
        self._state_var = ResourceVariable(state, dtype=dtypes.int64, trainable=False)

    @classmethod
    def from_state(cls, state: Any, alg: int) -> Generator:
        return cls(alg=alg, state=state)

    @classmethod
    def from_seed(cls, seed: Any, alg: int | None = None) -> Generator:
        """A generator that starts where `seed` (an int, or a vector of ints) says."""
        alg = PHILOX if alg is None else alg
        return cls(state=create_rng_state(seed, alg), alg=alg)

    @classmethod
    def from_non_deterministic_state(cls, alg: int | None = None) -> Generator:
        """A generator that starts somewhere else each time it is initialized."""
        alg = PHILOX if alg is None else alg
        return cls(state=non_deterministic_ints_op([_state_size(alg)], dtype=dtypes.int64), alg=alg)

    @classmethod
    def from_key_counter(cls, key: Any, counter: Any, alg: int) -> Generator:
        """A generator of the stream `key`, starting at `counter`."""
        return cls(state=_from_parts(key, counter, alg), alg=alg)

    def reset(self, state: Any) -> Any:
        """Give the op that goes to `state`."""
        state = _state_tensor(state)
        state.shape.assert_is_compatible_with([_state_size(self.algorithm)])
        return self._state_var.assign(state)

    def reset_from_seed(self, seed: Any) -> Any:
        """Give the op that goes to where `seed` says."""
        return self._state_var.assign(create_rng_state(seed, self.algorithm))

    def reset_from_key_counter(self, key: Any, counter: Any) -> Any:
        """Give the op that goes to `counter` of the stream `key`."""
        return self._state_var.assign(_from_parts(key, counter, self.algorithm))

    @property
    def state(self) -> ResourceVariable:
        """The variable that holds the state."""
        return self._state_var

    @property
    def algorithm(self) -> Any:
        return self._alg_var

    @property
    def key(self) -> Tensor:
        """Which stream it is: an int64 scalar."""
        _state_size(self.algorithm)
        return self._state_var[-1]

    def skip(self, delta: Any) -> Any:
        """Give the op that goes on as if `delta` numbers had been drawn."""
        return rng_skip_op(self.state.handle, self.algorithm, delta)

    def normal(
        self, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = dtypes.float32, name: str | None = None
    ) -> Tensor:
        """Numbers from the normal distribution of that mean and deviation."""
        return self._scaled(stateful_normal_op, "stateful_normal", shape, mean, stddev, dtype, name)

    def truncated_normal(
        self, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = dtypes.float32, name: str | None = None
    ) -> Tensor:
        """`normal`, with none of the numbers two deviations or more from the mean."""
        return self._scaled(stateful_truncated_normal_op, "truncated_normal", shape, mean, stddev, dtype, name)

    def _scaled(
        self, draw: Op, default_name: str, shape: Any, mean: Any, stddev: Any, dtype: Any, name: str | None
    ) -> Tensor:
        with name_scope(name, default_name, [shape, mean, stddev]) as scope:
            sizes = _shape_tensor(shape)
            mean = convert_to_tensor(mean, dtype=dtype, name="mean")
            stddev = convert_to_tensor(stddev, dtype=dtype, name="stddev")
            drawn = draw(self.state.handle, self.algorithm, sizes, dtype=dtype)
            return math.add(drawn * stddev, mean, name=scope)

    def uniform(
        self,
        shape: Any,
        minval: Any = 0,
        maxval: Any = None,
        dtype: Any = dtypes.float32,
        name: str | None = None,
    ) -> Tensor:
        """Numbers from `[minval, maxval)`; of an integer type they need a `maxval`."""
        dtype = dtypes.as_dtype(dtype)
        if maxval is None:
            if dtype.is_integer:
                raise ValueError(f"Must specify maxval for integer dtype {dtype!r}")
            maxval = 1
        with name_scope(name, "stateful_uniform", [shape, minval, maxval]) as scope:
            sizes = _shape_tensor(shape)
            minval = convert_to_tensor(minval, dtype=dtype, name="min")
            maxval = convert_to_tensor(maxval, dtype=dtype, name="max")
            if dtype.is_integer:
                return stateful_uniform_int_op(self.state.handle, self.algorithm, sizes, minval, maxval, name=scope)
            drawn = stateful_uniform_op(self.state.handle, self.algorithm, sizes, dtype=dtype)
            return math.add(drawn * (maxval - minval), minval, name=scope)

    def uniform_full_int(self, shape: Any, dtype: Any = dtypes.uint64, name: str | None = None) -> Tensor:
        """Integers from the whole range of `dtype`: int32, int64, uint32 or uint64."""
        with name_scope(name, "stateful_uniform_full_int", [shape]) as scope:
            sizes = _shape_tensor(shape)
            return stateful_uniform_full_int_op(self.state.handle, self.algorithm, sizes, dtype=dtype, name=scope)

    def binomial(
        self, shape: Any, counts: Any, probs: Any, dtype: Any = dtypes.int32, name: str | None = None
    ) -> Tensor:
        """How often of `counts` times something of probability `probs` happens.

        Args:
            shape: of the result.
            counts: a scalar, or a vector along the first axis of the result.
            probs: likewise.
            dtype: of the result.
            name: the op's name.
        """
        with name_scope(name, "binomial", [shape, counts, probs]) as scope:
            counts = convert_to_tensor(counts, name="counts")
            probs = convert_to_tensor(probs, name="probs")
            sizes = _shape_tensor(shape)
            return stateful_binomial_op(
                self.state.handle, self.algorithm, sizes, counts, probs, dtype=dtypes.as_dtype(dtype), name=scope
            )

    def make_seeds(self, count: int = 1) -> Tensor:
        """Seeds for the stateless random ops: int64, shape `[2, count]`, one a column."""
        _state_size(self.algorithm)
        keys = self.uniform_full_int([count], dtypes.int64)
        return stack([keys, zeros_like(keys)])

    def split(self, count: int = 1) -> list[Generator]:
        """Generators of other streams, which follow from where this one is."""
        keys = self.uniform_full_int([count], dtypes.int64)
        counter = [0] * (_state_size(self.algorithm) - 1)
        return [Generator.from_key_counter(keys[i], counter, self.algorithm) for i in range(count)]


def _from_parts(key: Any, counter: Any, algorithm: int) -> Tensor:
    counter, key = _state_tensor(counter), _state_tensor(key)
    counter.shape.assert_is_compatible_with([_state_size(algorithm) - 1])
    key.shape.assert_is_compatible_with([])
    return concat([counter, shaping.reshape(key, [1])], 0)


_lock = threading.Lock()
_global: list[Generator] = []


@public("random.experimental.get_global_generator")
def get_global_generator() -> Generator:
    """The generator of the program, made when it is first asked for."""
    with _lock:
        if not _global:
            _global.append(Generator.from_non_deterministic_state())
        return _global[0]


@public("random.experimental.set_global_generator")
def set_global_generator(generator: Generator) -> None:
    """Make `generator` the one of the program."""
    with _lock:
        _global[:] = [generator]
