"""The Bernoulli distribution."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math, random
from evergraph.ops.activations import softplus
from evergraph.ops.cross_entropy import sigmoid_cross_entropy_with_logits
from evergraph.ops.distributions.distribution import NOT_REPARAMETERIZED, Distribution
from evergraph.ops.distributions.divergences import RegisterKL
from evergraph.ops.distributions.parameters import (
    embed_check_integer_casting_closed,
    get_logits_and_probs,
    no_shape,
)


@public("distributions.Bernoulli", "contrib.distributions.Bernoulli")
class Bernoulli(Distribution):
    """1 with some probability, else 0. Give `logits` or `probs`.

    Args:
        logits: floats, the log-odds of a 1.
        probs: floats, the probability of a 1.
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
        name: str = "Bernoulli",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name) as scope:
            self._logits, self._probs = get_logits_and_probs(
                logits=logits, probs=probs, validate_args=validate_args, name=scope
            )
        super().__init__(
            dtype=dtypes.as_dtype(dtype),
            reparameterization_type=NOT_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            graph_parents=[self._logits, self._probs],
            name=scope,
        )

    @staticmethod
    def _param_shapes(sample_shape: Any) -> dict[str, Tensor]:
        return {"logits": convert_to_tensor(sample_shape, dtype=dtypes.int32)}

    @property
    def logits(self) -> Tensor:
        """The log-odds of a 1."""
        return self._logits

    @property
    def probs(self) -> Tensor:
        """The probability of a 1."""
        return self._probs

    def _batch_shape_tensor(self) -> Tensor:
        return array.shape(self._logits)

    def _batch_shape(self) -> TensorShape:
        return self._logits.shape

    def _event_shape_tensor(self) -> Tensor:
        return no_shape()

    def _event_shape(self) -> TensorShape:
        return TensorShape([])

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        shape = array.concat([[n], self.batch_shape_tensor()], 0)
        uniform = random.random_uniform(shape, seed=seed, dtype=self.probs.dtype)
        return math.cast(math.less(uniform, self.probs), self.dtype)

    def _log_prob(self, event: Tensor) -> Tensor:
        if self.validate_args:
            event = embed_check_integer_casting_closed(event, target_dtype=dtypes.bool)
        event = math.cast(event, self.logits.dtype)
        logits = self.logits
        shapes = event.shape, logits.shape
        if not (all(shape.is_fully_defined() for shape in shapes) and shapes[0] == shapes[1]):
            broadcast = array.ones_like(event) * logits
            event = array.ones_like(logits) * event
            logits = broadcast
        return -sigmoid_cross_entropy_with_logits(labels=event, logits=logits)

    def _entropy(self) -> Tensor:
        return -self.logits * (math.sigmoid(self.logits) - 1) + softplus(-self.logits)

    def _mean(self) -> Tensor:
        return array.identity(self.probs)

    def _variance(self) -> Tensor:
        return self._mean() * (1.0 - self.probs)

    def _mode(self) -> Tensor:
        return math.cast(self.probs > 0.5, self.dtype)


@RegisterKL(Bernoulli, Bernoulli)
def divergence(a: Bernoulli, b: Bernoulli, name: str | None = None) -> Tensor:
    """The divergence of two Bernoulli distributions."""
    with name_scope(name, "kl_bernoulli_bernoulli", values=[a.logits, b.logits]):
        of_zero = softplus(-b.logits) - softplus(-a.logits)
        of_one = softplus(b.logits) - softplus(a.logits)
        return math.sigmoid(a.logits) * of_zero + math.sigmoid(-a.logits) * of_one
