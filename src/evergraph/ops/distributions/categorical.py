"""The categorical distribution."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math, random
from evergraph.ops.constant import constant
from evergraph.ops.cross_entropy import sparse_softmax_cross_entropy_with_logits
from evergraph.ops.distributions.distribution import NOT_REPARAMETERIZED, Distribution
from evergraph.ops.distributions.divergences import RegisterKL
from evergraph.ops.distributions.parameters import (
    embed_check_categorical_event_shape,
    embed_check_integer_casting_closed,
    get_logits_and_probs,
    last_size,
    no_shape,
)
from evergraph.ops.softmax import log_softmax, softmax


@public("distributions.Categorical", "contrib.distributions.Categorical")
class Categorical(Distribution):
    """Classes 0 to k - 1, each with its probability. Give `logits` or `probs`.

    Args:
        logits: floats, shape `batch + [k]`: logarithms of the probabilities, up to a constant.
        probs: floats, shape `batch + [k]`: the probabilities.
        dtype: the type of the samples.
        validate_args: whether parameters and values are checked when the graph runs.
        allow_nan_stats: whether undefined statistics are NaN.
        name: the name scope.

    Raises:
        ValueError: if both or none of `logits` and `probs` are given.
    """

    def __init__(
        self,
        logits: Any = None,
        probs: Any = None,
        dtype: Any = dtypes.int32,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Categorical",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[logits, probs]) as scope:
            self._logits, self._probs = get_logits_and_probs(
                logits=logits, probs=probs, validate_args=validate_args, multidimensional=True, name=scope
            )
            if validate_args:
                self._logits = embed_check_categorical_event_shape(self._logits)
            self._measure(self._logits.shape.with_rank_at_least(1))
        super().__init__(
            dtype=dtypes.as_dtype(dtype),
            reparameterization_type=NOT_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            graph_parents=[self._logits, self._probs],
            name=scope,
        )

    def _measure(self, static: TensorShape) -> None:
        """Set how many axes the batch has, how many classes there are, and the batch shape: constants, if known."""
        if static.ndims is not None:
            self._batch_rank = convert_to_tensor(static.ndims - 1, dtype=dtypes.int32, name="batch_rank")
        else:
            with name_scope("batch_rank"):
                self._batch_rank = array.rank(self._logits) - 1
        shape = array.shape(self._logits, name="logits_shape")
        size = last_size(static)
        if size is not None:
            self._event_size = convert_to_tensor(size, dtype=dtypes.int32, name="event_size")
        else:
            with name_scope("event_size"):
                self._event_size = shape[self._batch_rank]
        batch = static[:-1]
        if batch.is_fully_defined():
            self._batch_shape_val = constant(batch.as_list(), dtype=dtypes.int32, name="batch_shape")
        else:
            with name_scope("batch_shape"):
                self._batch_shape_val = shape[:-1]

    @property
    def event_size(self) -> Tensor:
        """How many classes there are."""
        return self._event_size

    @property
    def logits(self) -> Tensor:
        """Logarithms of the probabilities, up to a constant."""
        return self._logits

    @property
    def probs(self) -> Tensor:
        """The probabilities of the classes."""
        return self._probs

    def _batch_shape_tensor(self) -> Tensor:
        return array.identity(self._batch_shape_val)

    def _batch_shape(self) -> TensorShape:
        return self.logits.shape[:-1]

    def _event_shape_tensor(self) -> Tensor:
        return no_shape()

    def _event_shape(self) -> TensorShape:
        return TensorShape([])

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        logits = self.logits
        if logits.shape.ndims != 2:
            logits = array.reshape(logits, [-1, self.event_size])
        drawn_dtype = dtypes.int64 if self.dtype.size > 4 else dtypes.int32
        draws = random.multinomial(logits, n, seed=seed, output_dtype=drawn_dtype)
        draws = array.reshape(array.transpose(draws), array.concat([[n], self.batch_shape_tensor()], 0))
        return math.cast(draws, self.dtype)

    def _checked(self, k: Tensor) -> Tensor:
        k = convert_to_tensor(k, name="k")
        return embed_check_integer_casting_closed(k, target_dtype=dtypes.int32) if self.validate_args else k

    def _cdf(self, k: Tensor) -> Tensor:
        k, probs = self._broadcast(self._checked(k), self.probs)
        flat_probs = array.reshape(probs, (-1, self._event_size))
        flat_k = array.reshape(k, [-1])
        is_below = array.sequence_mask(flat_k, self._event_size)
        summed = math.reduce_sum(array.where(is_below, flat_probs, array.zeros_like(flat_probs)), axis=-1)
        return array.reshape(summed, array.shape(k))

    def _log_prob(self, k: Tensor) -> Tensor:
        k, logits = self._broadcast(self._checked(k), self.logits)
        return -sparse_softmax_cross_entropy_with_logits(labels=k, logits=logits)

    def _broadcast(self, event: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """Classes and parameters, the parameters' shape being that of the classes and one more axis."""
        if event.dtype.is_floating:
            event = math.cast(event, dtype=dtypes.int32)
        elif not event.dtype.is_integer:
            raise TypeError(f"`value` should have integer `dtype` or `self.dtype` ({self.dtype.base_dtype})")
        batch = params.shape[:-1] if params.shape.ndims is not None else TensorShape(None)
        if batch.is_fully_defined() and event.shape.is_fully_defined() and batch == event.shape:
            return event, params
        params = params * array.ones_like(event[..., None], dtype=params.dtype)
        event = event * array.ones(array.shape(params)[:-1], dtype=event.dtype)
        if params.shape.ndims is not None:
            event.set_shape(params.shape[:-1])
        return event, params

    def _entropy(self) -> Tensor:
        return -math.reduce_sum(log_softmax(self.logits) * self.probs, axis=-1)

    def _mode(self) -> Tensor:
        mode = math.cast(math.argmax(self.logits, axis=self._batch_rank), self.dtype)
        mode.set_shape(self.batch_shape)
        return mode


@RegisterKL(Categorical, Categorical)
def divergence(a: Categorical, b: Categorical, name: str | None = None) -> Tensor:
    """The divergence of two categorical distributions."""
    with name_scope(name, "kl_categorical_categorical", values=[a.logits, b.logits]):
        difference = log_softmax(a.logits) - log_softmax(b.logits)
        return math.reduce_sum(softmax(a.logits) * difference, axis=-1)
