"""Attention: scores of a query against a memory, as Luong's, Bahdanau's, or monotonic ones."""

from __future__ import annotations

import functools
import math as numbers
from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.framework import dtypes, nest
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.shapes import dimension_value
from evergraph.framework.tensor import Tensor
from evergraph.layers.cells import zero_state_tensors
from evergraph.layers.layer import Layer
from evergraph.layers.scoped_core import Dense
from evergraph.ops import array, initializers, math
from evergraph.ops.checks import assert_positive
from evergraph.ops.clip import clip_by_value
from evergraph.ops.functional import scan
from evergraph.ops.products import matmul
from evergraph.ops.random import random_normal
from evergraph.ops.softmax import softmax
from evergraph.ops.variable_scope import get_variable, variable_scope


@public("contrib.seq2seq.AttentionMechanism")
class AttentionMechanism:
    """What all forms of attention are: called as `mechanism(query, state)`, they give alignments and a next state."""

    @property
    def alignments_size(self) -> Any:
        """How many places there are to attend to."""
        raise NotImplementedError

    @property
    def state_size(self) -> Any:
        """The size of the state, without the batch."""
        raise NotImplementedError


def _prepared_memory(memory: Any, lengths: Any, check_sizes: bool) -> Any:
    """The memory, zero past the sequences' ends."""
    memory = nest.map_structure(lambda m: convert_to_tensor(m, name="memory"), memory)
    if lengths is not None:
        lengths = convert_to_tensor(lengths, name="memory_sequence_length")
    if check_sizes:
        for m in nest.flatten(memory):
            if not m.shape[2:].is_fully_defined():
                raise ValueError(f"Expected memory {m.name} to have fully defined inner dims, but saw shape: {m.shape}")
    if lengths is None:
        return memory
    first = nest.flatten(memory)[0]
    mask = array.sequence_mask(lengths, maxlen=array.shape(first)[1], dtype=first.dtype)

    def masked(m: Any) -> Any:
        rank = array.rank(m) if m.shape.rank is None else m.shape.rank
        ones = array.ones(rank - 2, dtype=dtypes.int32)
        return m * array.reshape(mask, array.concat((array.shape(mask), ones), 0))

    return nest.map_structure(masked, memory)


def _masked_score(score: Any, lengths: Any, value: Any) -> Any:
    if lengths is None:
        return score
    message = "All values in memory_sequence_length must be greater than zero."
    with control_dependencies([assert_positive(lengths, message=message)]):
        mask = array.sequence_mask(lengths, maxlen=array.shape(score)[1])
    return array.where(mask, score, value * array.ones_like(score))


class LayeredAttention(AttentionMechanism):
    """Attention whose query and memory go through layers first.

    Args:
        query_layer: a layer for queries, or None.
        memory: `[batch, time, size]`.
        probability_fn: a function of scores and state that gives alignments.
        memory_sequence_length: ints, `[batch]`.
        memory_layer: a layer for the memory.
        check_inner_dims_defined: whether the memory's size must be known.
        score_mask_value: the score past a sequence's end, minus infinity by default.
        custom_key_value_fn: a function of keys and values that gives others.
        name: the name scope.
    """

    def __init__(
        self,
        query_layer: Any,
        memory: Any,
        probability_fn: Callable[..., Any],
        memory_sequence_length: Any = None,
        memory_layer: Any = None,
        check_inner_dims_defined: bool = True,
        score_mask_value: Any = None,
        custom_key_value_fn: Any = None,
        name: str | None = None,
    ) -> None:
        for what, layer in (("query_layer", query_layer), ("memory_layer", memory_layer)):
            if layer is not None and not isinstance(layer, Layer):
                raise TypeError(f"{what} is not a Layer: {type(layer).__name__}")
        self._query_layer = query_layer
        self._memory_layer = memory_layer
        self.dtype = memory_layer.dtype
        if not callable(probability_fn):
            raise TypeError(f"probability_fn must be callable, saw type: {type(probability_fn).__name__}")
        if score_mask_value is None:
            score_mask_value = dtypes.as_dtype(memory_layer.dtype).as_numpy_dtype(-np.inf)
        self._probability_fn = lambda score, previous: probability_fn(
            _masked_score(score, memory_sequence_length, score_mask_value), previous
        )
        with name_scope(name, "BaseAttentionMechanismInit", nest.flatten(memory)):
            self._values = _prepared_memory(memory, memory_sequence_length, check_inner_dims_defined)
            self._keys = memory_layer(self._values) if memory_layer else self._values
            if custom_key_value_fn is not None:
                self._keys, self._values = custom_key_value_fn(self._keys, self._values)
            self._batch_size = dimension_value(self._keys.shape[0]) or array.shape(self._keys)[0]
            self._alignments_size = dimension_value(self._keys.shape[1]) or array.shape(self._keys)[1]

    @property
    def memory_layer(self) -> Any:
        return self._memory_layer

    @property
    def query_layer(self) -> Any:
        return self._query_layer

    @property
    def values(self) -> Any:
        """The memory, zero past the sequences' ends."""
        return self._values

    @property
    def keys(self) -> Any:
        """The memory after its layer."""
        return self._keys

    @property
    def batch_size(self) -> Any:
        return self._batch_size

    @property
    def alignments_size(self) -> Any:
        return self._alignments_size

    @property
    def state_size(self) -> Any:
        return self._alignments_size

    def initial_alignments(self, batch_size: Any, dtype: Any) -> Any:
        """The alignments before the first step: zeros."""
        return zero_state_tensors(self._alignments_size, batch_size, dtype)

    def initial_state(self, batch_size: Any, dtype: Any) -> Any:
        """The state before the first step: the alignments."""
        return self.initial_alignments(batch_size, dtype)


def _memory_layer(num_units: int, dtype: Any, name: str = "memory_layer") -> Any:
    return Dense(num_units, name=name, use_bias=False, dtype=dtypes.float32 if dtype is None else dtype)


def _luong_score(query: Any, keys: Any, use_scale: bool) -> Any:
    factor = None
    if use_scale:
        factor = get_variable("attention_g", dtype=query.dtype, initializer=initializers.Ones, shape=())
    depth, units = query.shape[-1], keys.shape[-1]
    if depth != units:
        raise ValueError(
            "Incompatible or unknown inner dimensions between query and keys.  "
            f"Query ({query}) has units: {depth}.  Keys ({keys}) have units: {units}.  "
            f"Perhaps you need to set num_units to the keys' dimension ({units})?"
        )
    score = array.squeeze(matmul(array.expand_dims(query, 1), keys, transpose_b=True), [1])
    return score if factor is None else factor * score


def _bahdanau_score(mechanism: Any, query: Any) -> tuple[Any, Any]:
    """The score, and the query after its layer."""
    units = mechanism._num_units
    processed = mechanism.query_layer(query) if mechanism.query_layer else query
    v = get_variable("attention_v", [units], dtype=query.dtype)
    g = b = None
    if mechanism._normalize:
        scale = initializers.Constant(numbers.sqrt(1.0 / units))
        g = get_variable("attention_g", dtype=query.dtype, initializer=scale, shape=())
        b = get_variable("attention_b", [units], dtype=query.dtype, initializer=initializers.Zeros())
    expanded = array.expand_dims(processed, 1)
    if g is None or b is None:
        return math.reduce_sum(v * math.tanh(mechanism.keys + expanded), [2]), processed
    normed = g * v * math.rsqrt(math.reduce_sum(math.square(v)))
    return math.reduce_sum(normed * math.tanh(mechanism.keys + expanded + b), [2]), processed


@public("contrib.seq2seq.LuongAttention")
class LuongAttention(LayeredAttention):
    """The product of query and keys (Luong et al., 2015).

    Args:
        num_units: the size of queries and keys.
        memory: `[batch, time, size]`.
        memory_sequence_length: ints, `[batch]`.
        scale: whether to multiply the score by a variable.
        probability_fn: a function from scores to alignments, softmax by default.
        score_mask_value: the score past a sequence's end.
        dtype: the type of the layer.
        custom_key_value_fn: a function of keys and values that gives others.
        name: the name scope.
    """

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        scale: bool = False,
        probability_fn: Any = None,
        score_mask_value: Any = None,
        dtype: Any = None,
        custom_key_value_fn: Any = None,
        name: str = "LuongAttention",
    ) -> None:
        chances = softmax if probability_fn is None else probability_fn
        super().__init__(
            query_layer=None,
            memory_layer=_memory_layer(num_units, dtype),
            memory=memory,
            probability_fn=lambda score, _: chances(score),
            memory_sequence_length=memory_sequence_length,
            score_mask_value=score_mask_value,
            custom_key_value_fn=custom_key_value_fn,
            name=name,
        )
        self._num_units = num_units
        self._scale = scale
        self._name = name

    def __call__(self, query: Any, state: Any) -> Any:
        """Alignments `[batch, time]`, twice: the next state is the same."""
        with variable_scope(None, "luong_attention", [query]):
            score = _luong_score(query, self._keys, self._scale)
        alignments = self._probability_fn(score, state)
        return alignments, alignments


@public("contrib.seq2seq.BahdanauAttention")
class BahdanauAttention(LayeredAttention):
    """A small network of query and keys (Bahdanau et al., 2015).

    Args:
        num_units: the size of the network's hidden layer.
        memory, memory_sequence_length, probability_fn, score_mask_value, dtype, custom_key_value_fn, name: as for
            `LuongAttention`.
        normalize: whether to normalize its weights (Salimans and Kingma, 2016).
    """

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        normalize: bool = False,
        probability_fn: Any = None,
        score_mask_value: Any = None,
        dtype: Any = None,
        custom_key_value_fn: Any = None,
        name: str = "BahdanauAttention",
    ) -> None:
        chances = softmax if probability_fn is None else probability_fn
        super().__init__(
            query_layer=_memory_layer(num_units, dtype, "query_layer"),
            memory_layer=_memory_layer(num_units, dtype),
            memory=memory,
            probability_fn=lambda score, _: chances(score),
            custom_key_value_fn=custom_key_value_fn,
            memory_sequence_length=memory_sequence_length,
            score_mask_value=score_mask_value,
            name=name,
        )
        self._num_units = num_units
        self._normalize = normalize
        self._name = name

    def __call__(self, query: Any, state: Any) -> Any:
        """Alignments `[batch, time]`, twice: the next state is the same."""
        with variable_scope(None, "bahdanau_attention", [query]):
            score, _ = _bahdanau_score(self, query)
        alignments = self._probability_fn(score, state)
        return alignments, alignments


# Monotonic attention


@public("contrib.seq2seq.safe_cumprod")
def safe_cumprod(x: Any, *args: Any, **kwargs: Any) -> Tensor:
    """`tf.cumprod` through logarithms, of numbers between 0 and 1."""
    with name_scope(None, "SafeCumprod", [x]):
        x = convert_to_tensor(x, name="x")
        tiny = np.finfo(x.dtype.as_numpy_dtype).tiny
        return math.exp(math.cumsum(math.log(clip_by_value(x, tiny, 1)), *args, **kwargs))


@public("contrib.seq2seq.monotonic_attention")
def monotonic_attention(p_choose_i: Any, previous_attention: Any, mode: str) -> Tensor:
    """The alignments of attention that never goes back (Raffel et al., 2017).

    Args:
        p_choose_i: `[batch, time]`: the probability to stop at each place.
        previous_attention: the alignments of the step before.
        mode: "recursive", "parallel" (faster, less exact) or "hard" (probabilities are 0 or 1).

    Raises:
        ValueError: for another mode.
    """
    p = convert_to_tensor(p_choose_i, name="p_choose_i")
    previous = convert_to_tensor(previous_attention, name="previous_attention")
    if mode == "recursive":
        batch = dimension_value(p.shape[0]) or array.shape(p)[0]
        shifted = array.concat([array.ones((batch, 1)), 1 - p[:, :-1]], 1)
        return p * array.transpose(
            scan(
                lambda x, yz: array.reshape(yz[0] * x + yz[1], (batch,)),
                [array.transpose(shifted), array.transpose(previous)],
                array.zeros((batch,)),
            )
        )
    if mode == "parallel":
        passed = safe_cumprod(1 - p, axis=1, exclusive=True)
        return p * passed * math.cumsum(previous / clip_by_value(passed, 1e-10, 1.0), axis=1)
    if mode == "hard":
        p *= math.cumsum(previous, axis=1)
        return p * math.cumprod(1 - p, axis=1, exclusive=True)
    raise ValueError("mode must be 'recursive', 'parallel', or 'hard'.")


def _monotonic_chances(score: Any, previous: Any, sigmoid_noise: float, mode: str, seed: Any = None) -> Tensor:
    if sigmoid_noise > 0:
        score += sigmoid_noise * random_normal(array.shape(score), dtype=score.dtype, seed=seed)
    p = math.cast(score > 0, score.dtype) if mode == "hard" else math.sigmoid(score)
    return monotonic_attention(p, previous, mode)


class MonotonicAttention(LayeredAttention):
    """Attention that starts at the first place."""

    def initial_alignments(self, batch_size: Any, dtype: Any) -> Any:
        zeros = array.zeros((batch_size,), dtype=dtypes.int32)
        return array.one_hot(zeros, self._alignments_size, dtype=dtype)


@public("contrib.seq2seq.BahdanauMonotonicAttention")
class BahdanauMonotonicAttention(MonotonicAttention):
    """`BahdanauAttention` that never goes back.

    Args:
        sigmoid_noise: how much noise to add to the scores in training.
        sigmoid_noise_seed: a seed for it.
        score_bias_init: what the scores' bias starts with.
        mode: as for `monotonic_attention`.
    """

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        normalize: bool = False,
        score_mask_value: Any = None,
        sigmoid_noise: float = 0.0,
        sigmoid_noise_seed: Any = None,
        score_bias_init: float = 0.0,
        mode: str = "parallel",
        dtype: Any = None,
        name: str = "BahdanauMonotonicAttention",
    ) -> None:
        super().__init__(
            query_layer=_memory_layer(num_units, dtype, "query_layer"),
            memory_layer=_memory_layer(num_units, dtype),
            memory=memory,
            probability_fn=functools.partial(
                _monotonic_chances, sigmoid_noise=sigmoid_noise, mode=mode, seed=sigmoid_noise_seed
            ),
            memory_sequence_length=memory_sequence_length,
            score_mask_value=score_mask_value,
            name=name,
        )
        self._num_units = num_units
        self._normalize = normalize
        self._name = name
        self._score_bias_init = score_bias_init

    def __call__(self, query: Any, state: Any) -> Any:
        """Alignments `[batch, time]`, twice: the next state is the same."""
        with variable_scope(None, "bahdanau_monotonic_attention", [query]):
            score, processed = _bahdanau_score(self, query)
            score += get_variable("attention_score_bias", dtype=processed.dtype, initializer=self._score_bias_init)
        alignments = self._probability_fn(score, state)
        return alignments, alignments


@public("contrib.seq2seq.LuongMonotonicAttention")
class LuongMonotonicAttention(MonotonicAttention):
    """`LuongAttention` that never goes back. `BahdanauMonotonicAttention` has the arguments."""

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        scale: bool = False,
        score_mask_value: Any = None,
        sigmoid_noise: float = 0.0,
        sigmoid_noise_seed: Any = None,
        score_bias_init: float = 0.0,
        mode: str = "parallel",
        dtype: Any = None,
        name: str = "LuongMonotonicAttention",
    ) -> None:
        super().__init__(
            query_layer=None,
            memory_layer=_memory_layer(num_units, dtype),
            memory=memory,
            probability_fn=functools.partial(
                _monotonic_chances, sigmoid_noise=sigmoid_noise, mode=mode, seed=sigmoid_noise_seed
            ),
            memory_sequence_length=memory_sequence_length,
            score_mask_value=score_mask_value,
            name=name,
        )
        self._num_units = num_units
        self._scale = scale
        self._score_bias_init = score_bias_init
        self._name = name

    def __call__(self, query: Any, state: Any) -> Any:
        """Alignments `[batch, time]`, twice: the next state is the same."""
        with variable_scope(None, "luong_monotonic_attention", [query]):
            score = _luong_score(query, self._keys, self._scale)
            score += get_variable("attention_score_bias", dtype=query.dtype, initializer=self._score_bias_init)
        alignments = self._probability_fn(score, state)
        return alignments, alignments


@public("contrib.seq2seq.hardmax")
def hardmax(logits: Any, name: str | None = None) -> Tensor:
    """One at the largest element of each row, zero elsewhere."""
    with name_scope(name, "Hardmax", [logits]):
        logits = convert_to_tensor(logits, name="logits")
        depth = dimension_value(logits.shape[-1])
        if depth is None:
            depth = array.shape(logits)[-1]
        return array.one_hot(math.argmax(logits, -1), depth, dtype=logits.dtype)
