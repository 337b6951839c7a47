"""What decides, at each step of a decoder, which output is sampled and what the next input is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework import dtypes, nest
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.layers.rnn_step import time_and_batch_swapped
from evergraph.ops import array, math
from evergraph.ops.cond import cond
from evergraph.ops.embedding import embedding_lookup
from evergraph.ops.opdef import raw_op
from evergraph.ops.random import multinomial, random_uniform
from evergraph.ops.tensor_array import TensorArray


def _sampled(draw: Callable[[Any], Any], sample_shape: Any, name: str | None = None) -> Tensor:
    with name_scope(name, "call_sampler", values=[sample_shape]):
        sample_shape = convert_to_tensor(sample_shape, dtype=dtypes.int32, name="sample_shape")
        pad = math.cast(math.equal(array.rank(sample_shape), 0), dtypes.int32)
        sample_shape = array.reshape(
            sample_shape, array.pad(array.shape(sample_shape), paddings=[[pad, 0]], constant_values=1)
        )
        samples = draw(math.reduce_prod(sample_shape))
        event = array.shape(samples)[1:]
        return array.reshape(samples, array.concat([sample_shape, event], 0))


def bernoulli_sample(
    probs: Any = None, logits: Any = None, dtype: Any = dtypes.int32, sample_shape: Any = (), seed: Any = None
) -> Tensor:
    """Ones with the given probabilities, else zeros."""
    if probs is None:
        probs = math.sigmoid(logits, name="probs")
    else:
        probs = convert_to_tensor(probs, name="probs")
    batch_shape = array.shape(probs)

    def draw(n: Any) -> Tensor:
        uniform = random_uniform(array.concat([[n], batch_shape], 0), seed=seed, dtype=probs.dtype)
        return math.cast(math.less(uniform, probs), dtype)

    return _sampled(draw, sample_shape)


def categorical_sample(logits: Any, dtype: Any = dtypes.int32, sample_shape: Any = (), seed: Any = None) -> Tensor:
    """Class ids with the given logarithms of probabilities."""
    logits = convert_to_tensor(logits, name="logits")
    size = array.shape(logits)[-1]
    batch_shape = array.shape(logits)[:-1]

    def draw(n: Any) -> Tensor:
        rows = logits if logits.shape.rank == 2 else array.reshape(logits, [-1, size])
        kind = dtypes.int64 if logits.dtype.size > 4 else dtypes.int32
        draws = multinomial(rows, n, seed=seed, output_dtype=kind)
        draws = array.reshape(array.transpose(draws), array.concat([[n], batch_shape], 0))
        return math.cast(draws, dtype)

    return _sampled(draw, sample_shape)


def _unstacked(inp: Any) -> TensorArray:
    return TensorArray(dtype=inp.dtype, size=array.shape(inp)[0], element_shape=inp.shape[1:]).unstack(inp)


def _lookup(embedding: Any) -> Callable[[Any], Any]:
    return embedding if callable(embedding) else lambda ids: embedding_lookup(embedding, ids)


@public("contrib.seq2seq.Helper")
class Helper:
    """What all helpers have: `initialize`, `sample` and `next_inputs`, and the form of what they sample."""

    @property
    def batch_size(self) -> Any:
        """The batch size, a scalar tensor."""
        raise NotImplementedError("batch_size has not been implemented")

    @property
    def sample_ids_shape(self) -> Any:
        """The shape of a sample, without the batch."""
        raise NotImplementedError("sample_ids_shape has not been implemented")

    @property
    def sample_ids_dtype(self) -> Any:
        """The type of a sample."""
        raise NotImplementedError("sample_ids_dtype has not been implemented")

    def initialize(self, name: str | None = None) -> Any:
        """Which sequences are over at the start, and the first inputs."""
        raise NotImplementedError("Abstract method")

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """Samples of the outputs of a step."""
        raise NotImplementedError("Abstract method")

    def next_inputs(self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None) -> Any:
        """Which sequences are over, the next inputs, and the next state."""
        raise NotImplementedError("Abstract method")


@public("contrib.seq2seq.CustomHelper")
class CustomHelper(Helper):
    """A helper made of three functions.

    Args:
        initialize_fn: gives `(finished, next_inputs)`.
        sample_fn: a function of `time`, `outputs` and `state` that gives samples.
        next_inputs_fn: a function of those and `sample_ids` that gives `(finished, next_inputs, next_state)`.
        sample_ids_shape: a sample's shape, scalar by default.
        sample_ids_dtype: its type, int32 by default.
    """

    def __init__(
        self,
        initialize_fn: Callable[..., Any],
        sample_fn: Callable[..., Any],
        next_inputs_fn: Callable[..., Any],
        sample_ids_shape: Any = None,
        sample_ids_dtype: Any = None,
    ) -> None:
        self._initialize_fn = initialize_fn
        self._sample_fn = sample_fn
        self._next_inputs_fn = next_inputs_fn
        self._batch_size: Any = None
        self._sample_ids_shape = TensorShape(sample_ids_shape or [])
        self._sample_ids_dtype = sample_ids_dtype or dtypes.int32

    @property
    def batch_size(self) -> Any:
        if self._batch_size is None:
            raise ValueError("batch_size accessed before initialize was called")
        return self._batch_size

    @property
    def sample_ids_shape(self) -> Any:
        return self._sample_ids_shape

    @property
    def sample_ids_dtype(self) -> Any:
        return self._sample_ids_dtype

    def initialize(self, name: str | None = None) -> Any:
        with name_scope(name, f"{type(self).__name__}Initialize"):
            finished, next_inputs = self._initialize_fn()
            if self._batch_size is None:
                self._batch_size = array.size(finished)
        return finished, next_inputs

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        with name_scope(name, f"{type(self).__name__}Sample", (time, outputs, state)):
            return self._sample_fn(time=time, outputs=outputs, state=state)

    def next_inputs(self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None) -> Any:
        with name_scope(name, f"{type(self).__name__}NextInputs", (time, outputs, state)):
            return self._next_inputs_fn(time=time, outputs=outputs, state=state, sample_ids=sample_ids)


class _SampleIsId(Helper):
    """A helper whose samples are int32 ids."""

    _batch_size: Any

    @property
    def batch_size(self) -> Any:
        return self._batch_size

    @property
    def sample_ids_shape(self) -> Any:
        return TensorShape([])

    @property
    def sample_ids_dtype(self) -> Any:
        return dtypes.int32


@public("contrib.seq2seq.TrainingHelper")
class TrainingHelper(_SampleIsId):
    """For training: the next input is the one that is given.

    Args:
        inputs: `[batch, time, ...]`, or time first if `time_major`, or a structure of such.
        sequence_length: int32, `[batch]`.
        time_major: whether time comes first.
        name: the name scope.
    """

    def __init__(self, inputs: Any, sequence_length: Any, time_major: bool = False, name: str | None = None) -> None:
        with name_scope(name, "TrainingHelper", [inputs, sequence_length]):
            inputs = convert_to_tensor(inputs, name="inputs")
            self._inputs = inputs
            if not time_major:
                inputs = nest.map_structure(time_and_batch_swapped, inputs)
            self._input_tas = nest.map_structure(_unstacked, inputs)
            self._sequence_length = convert_to_tensor(sequence_length, name="sequence_length")
            if self._sequence_length.shape.rank != 1:
                raise ValueError(
                    f"Expected sequence_length to be a vector, but received shape: {self._sequence_length.shape}"
                )
            self._zero_inputs = nest.map_structure(lambda inp: array.zeros_like(inp[0, :]), inputs)
            self._batch_size = array.size(sequence_length)

    @property
    def inputs(self) -> Any:
        return self._inputs

    @property
    def sequence_length(self) -> Any:
        return self._sequence_length

    def _read(self, finished: Any, time: Any) -> Any:
        return cond(
            math.reduce_all(finished),
            lambda: self._zero_inputs,
            lambda: nest.map_structure(lambda inp: inp.read(time), self._input_tas),
        )

    def initialize(self, name: str | None = None) -> Any:
        with name_scope(name, "TrainingHelperInitialize"):
            finished = math.equal(0, self._sequence_length)
            return finished, self._read(finished, 0)

    def sample(self, time: Any, outputs: Any, name: str | None = None, **unused_kwargs: Any) -> Any:  # type: ignore[override]  # arguments as in TF
        with name_scope(name, "TrainingHelperSample", [time, outputs]):
            return math.cast(math.argmax(outputs, axis=-1), dtypes.int32)

    def next_inputs(  # type: ignore[override]  # arguments as in TF
        self, time: Any, outputs: Any, state: Any, name: str | None = None, **unused_kwargs: Any
    ) -> Any:
        with name_scope(name, "TrainingHelperNextInputs", [time, outputs, state]):
            next_time = time + 1
            finished = next_time >= self._sequence_length
            return finished, self._read(finished, next_time), state


def _checked_probability(probability: Any) -> Tensor:
    tensor = convert_to_tensor(probability, name="sampling_probability")
    if tensor.shape.rank not in (0, 1):
        raise ValueError(f"sampling_probability must be either a scalar or a vector. saw shape: {tensor.shape}")
    return tensor


def _mixed(where: Any, updates: Any, elsewhere: Any, others: Any, shape: Any) -> Tensor:
    """`updates` at some rows, `others` at the rest."""
    scatter = raw_op("ScatterNd")
    return scatter(where, updates, shape) + scatter(elsewhere, others, shape)


@public("contrib.seq2seq.ScheduledEmbeddingTrainingHelper")
class ScheduledEmbeddingTrainingHelper(TrainingHelper):
    """For training: sometimes the next input is a sample's vector rather than the given one (Bengio et al., 2015).

    Args:
        inputs, sequence_length, time_major, name: as for `TrainingHelper`.
        embedding: a table of vectors, or a function of ids.
        sampling_probability: how often, a float32 scalar or `[batch]`.
        seed: a seed for the samples.
        scheduling_seed: a seed for the choice between both.
    """

    def __init__(
        self,
        inputs: Any,
        sequence_length: Any,
        embedding: Any,
        sampling_probability: Any,
        time_major: bool = False,
        seed: Any = None,
        scheduling_seed: Any = None,
        name: str | None = None,
    ) -> None:
        with name_scope(name, "ScheduledEmbeddingSamplingWrapper", [embedding, sampling_probability]):
            self._embedding_fn = _lookup(embedding)
            self._sampling_probability = _checked_probability(sampling_probability)
            self._seed = seed
            self._scheduling_seed = scheduling_seed
            super().__init__(inputs=inputs, sequence_length=sequence_length, time_major=time_major, name=name)

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:  # type: ignore[override]  # arguments as in TF
        with name_scope(name, "ScheduledEmbeddingTrainingHelperSample", [time, outputs, state]):
            chosen = bernoulli_sample(
                probs=self._sampling_probability,
                dtype=dtypes.bool,
                sample_shape=self.batch_size,
                seed=self._scheduling_seed,
            )
            ids = categorical_sample(logits=outputs, seed=self._seed)
            return array.where(chosen, ids, raw_op("Fill")([self.batch_size], -1))

    def next_inputs(  # type: ignore[override]  # arguments as in TF
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> Any:
        with name_scope(name, "ScheduledEmbeddingTrainingHelperNextInputs", [time, outputs, state, sample_ids]):
            finished, given, state = super().next_inputs(
                time=time, outputs=outputs, state=state, sample_ids=sample_ids, name=name
            )

            def sampled() -> Any:
                where = math.cast(array.where(sample_ids > -1), dtypes.int32)
                elsewhere = math.cast(array.where(sample_ids <= -1), dtypes.int32)
                ids = array.gather_nd(sample_ids, where)
                others = array.gather_nd(given, elsewhere)
                vectors = self._embedding_fn(ids)
                return _mixed(where, vectors, elsewhere, others, array.shape(given))

            return finished, cond(math.reduce_all(finished), lambda: given, sampled), state


@public("contrib.seq2seq.ScheduledOutputTrainingHelper")
class ScheduledOutputTrainingHelper(TrainingHelper):
    """For training: sometimes the next input is the output rather than the given one.

    Args:
        inputs, sequence_length, time_major, name: as for `TrainingHelper`.
        sampling_probability: how often, a float32 scalar or `[batch]`.
        seed: a seed for the choice.
        next_inputs_fn: a function from outputs to inputs; by default they are the same.
        auxiliary_inputs: further inputs, put after both.
    """

    def __init__(
        self,
        inputs: Any,
        sequence_length: Any,
        sampling_probability: Any,
        time_major: bool = False,
        seed: Any = None,
        next_inputs_fn: Any = None,
        auxiliary_inputs: Any = None,
        name: str | None = None,
    ) -> None:
        with name_scope(name, "ScheduledOutputTrainingHelper", [inputs, auxiliary_inputs, sampling_probability]):
            self._sampling_probability = _checked_probability(sampling_probability)
            joined = inputs
            if auxiliary_inputs is not None:
                inputs = convert_to_tensor(inputs, name="inputs")
                auxiliary_inputs = convert_to_tensor(auxiliary_inputs, name="auxiliary_inputs")
                joined = nest.map_structure(lambda x, y: array.concat((x, y), -1), inputs, auxiliary_inputs)
                if not time_major:
                    auxiliary_inputs = nest.map_structure(time_and_batch_swapped, auxiliary_inputs)
            self._auxiliary_input_tas = (
                None if auxiliary_inputs is None else nest.map_structure(_unstacked, auxiliary_inputs)
            )
            self._seed = seed
            self._next_inputs_fn = next_inputs_fn
            super().__init__(inputs=joined, sequence_length=sequence_length, time_major=time_major, name=name)

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:  # type: ignore[override]  # arguments as in TF
        with name_scope(name, "ScheduledOutputTrainingHelperSample", [time, outputs, state]):
            return bernoulli_sample(probs=self._sampling_probability, sample_shape=self.batch_size, seed=self._seed)

    def next_inputs(  # type: ignore[override]  # arguments as in TF
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> Any:
        with name_scope(name, "ScheduledOutputTrainingHelperNextInputs", [time, outputs, state, sample_ids]):
            finished, given, state = super().next_inputs(
                time=time, outputs=outputs, state=state, sample_ids=sample_ids, name=name
            )
            sample_ids = math.cast(sample_ids, dtypes.bool)

            def with_auxiliary(values: Any, indices: Any = None) -> Any:
                if self._auxiliary_input_tas is None:
                    return values
                next_time = time + 1
                more = nest.map_structure(lambda ta: ta.read(next_time), self._auxiliary_input_tas)
                if indices is not None:
                    more = array.gather_nd(more, indices)
                return nest.map_structure(lambda x, y: array.concat((x, y), -1), values, more)

            def sampled() -> Any:
                if self._next_inputs_fn is None:
                    return array.where(sample_ids, with_auxiliary(outputs), given)
                where = math.cast(array.where(sample_ids), dtypes.int32)
                elsewhere = math.cast(array.where(math.logical_not(sample_ids)), dtypes.int32)
                chosen = array.gather_nd(outputs, where)
                others = array.gather_nd(given, elsewhere)
                updates = with_auxiliary(self._next_inputs_fn(chosen), where)
                return _mixed(where, updates, elsewhere, others, array.shape(given))

            all_finished = math.reduce_all(finished)
            none_chosen = math.logical_not(math.reduce_any(sample_ids))
            next_inputs = cond(math.logical_or(all_finished, none_chosen), lambda: given, sampled)
            return finished, next_inputs, state


@public("contrib.seq2seq.GreedyEmbeddingHelper")
class GreedyEmbeddingHelper(_SampleIsId):
    """For inference: the next input is the vector of the best id.

    Args:
        embedding: a table of vectors, or a function of ids.
        start_tokens: int32, `[batch]`: the first ids.
        end_token: an int32 scalar: the id that ends a sequence.
    """

    def __init__(self, embedding: Any, start_tokens: Any, end_token: Any) -> None:
        self._embedding_fn = _lookup(embedding)
        self._start_tokens = convert_to_tensor(start_tokens, dtype=dtypes.int32, name="start_tokens")
        self._end_token = convert_to_tensor(end_token, dtype=dtypes.int32, name="end_token")
        if self._start_tokens.shape.rank != 1:
            raise ValueError("start_tokens must be a vector")
        self._batch_size = array.size(start_tokens)
        if self._end_token.shape.rank != 0:
            raise ValueError("end_token must be a scalar")
        self._start_inputs = self._embedding_fn(self._start_tokens)

    def initialize(self, name: str | None = None) -> Any:
        return array.tile([False], [self._batch_size]), self._start_inputs

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        _check_single(outputs)
        return math.argmax(outputs, axis=-1, output_type=dtypes.int32)

    def next_inputs(self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None) -> Any:
        finished = math.equal(sample_ids, self._end_token)
        next_inputs = cond(
            math.reduce_all(finished), lambda: self._start_inputs, lambda: self._embedding_fn(sample_ids)
        )
        return finished, next_inputs, state


def _check_single(outputs: Any) -> None:
    if not isinstance(outputs, Tensor):
        raise TypeError(f"Expected outputs to be a single Tensor, got: {type(outputs)}")


@public("contrib.seq2seq.SampleEmbeddingHelper")
class SampleEmbeddingHelper(GreedyEmbeddingHelper):
    """For inference: the next input is the vector of a sampled id.

    Args:
        embedding, start_tokens, end_token: as for `GreedyEmbeddingHelper`.
        softmax_temperature: what the outputs are divided by first; above 1 samples are more even.
        seed: a seed for the samples.
    """

    def __init__(
        self, embedding: Any, start_tokens: Any, end_token: Any, softmax_temperature: Any = None, seed: Any = None
    ) -> None:
        super().__init__(embedding, start_tokens, end_token)
        self._softmax_temperature = softmax_temperature
        self._seed = seed

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        _check_single(outputs)
        logits = outputs if self._softmax_temperature is None else outputs / self._softmax_temperature
        return categorical_sample(logits=logits, seed=self._seed)


@public("contrib.seq2seq.InferenceHelper")
class InferenceHelper(Helper):
    """For inference with functions of one's own.

    Args:
        sample_fn: a function from outputs to samples.
        sample_shape: a sample's shape, without the batch.
        sample_dtype: its type.
        start_inputs: the first inputs.
        end_fn: a function from samples to whether sequences are over.
        next_inputs_fn: a function from samples to inputs; by default they are the same.
    """

    def __init__(
        self,
        sample_fn: Callable[..., Any],
        sample_shape: Any,
        sample_dtype: Any,
        start_inputs: Any,
        end_fn: Callable[..., Any],
        next_inputs_fn: Any = None,
    ) -> None:
        self._sample_fn = sample_fn
        self._end_fn = end_fn
        self._sample_shape = TensorShape(sample_shape)
        self._sample_dtype = sample_dtype
        self._next_inputs_fn = next_inputs_fn
        self._batch_size = array.shape(start_inputs)[0]
        self._start_inputs = convert_to_tensor(start_inputs, name="start_inputs")

    @property
    def batch_size(self) -> Any:
        return self._batch_size

    @property
    def sample_ids_shape(self) -> Any:
        return self._sample_shape

    @property
    def sample_ids_dtype(self) -> Any:
        return self._sample_dtype

    def initialize(self, name: str | None = None) -> Any:
        return array.tile([False], [self._batch_size]), self._start_inputs

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        return self._sample_fn(outputs)

    def next_inputs(self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None) -> Any:
        next_inputs = sample_ids if self._next_inputs_fn is None else self._next_inputs_fn(sample_ids)
        return self._end_fn(sample_ids), next_inputs, state
