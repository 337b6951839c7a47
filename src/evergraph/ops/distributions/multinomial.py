"""The multinomial distribution."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, checks, math, random
from evergraph.ops.distributions.distribution import NOT_REPARAMETERIZED, Distribution
from evergraph.ops.distributions.parameters import (
    embed_check_nonnegative_integer_form,
    get_logits_and_probs,
    log_combinations,
)
from evergraph.ops.functional import map_fn
from evergraph.ops.grouping import with_dependencies
from evergraph.ops.softmax import log_softmax


@public("distributions.Multinomial", "contrib.distributions.Multinomial")
class Multinomial(Distribution):
    """How often each of k classes comes up in `total_count` draws. Give `logits` or `probs`.

    Args:
        total_count: whole floats, shape `batch`.
        logits: floats, shape `batch + [k]`: logarithms of the probabilities, up to a constant.
        probs: floats, shape `batch + [k]`: the probabilities.
        validate_args: whether parameters and values are checked when the graph runs.
        allow_nan_stats: whether undefined statistics are NaN.
        name: the name scope.

    Raises:
        ValueError: if both or none of `logits` and `probs` are given.
    """

    def __init__(
        self,
        total_count: Any,
        logits: Any = None,
        probs: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Multinomial",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[total_count, logits, probs]) as scope:
            self._total_count = convert_to_tensor(total_count, name="total_count")
            if validate_args:
                self._total_count = embed_check_nonnegative_integer_form(self._total_count)
            self._logits, self._probs = get_logits_and_probs(
                logits=logits, probs=probs, multidimensional=True, validate_args=validate_args, name=scope
            )
            self._mean_val = self._total_count[..., None] * self._probs
        super().__init__(
            dtype=self._probs.dtype,
            reparameterization_type=NOT_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            graph_parents=[self._total_count, self._logits, self._probs],
            name=scope,
        )

    @property
    def total_count(self) -> Tensor:
        """How many draws there are."""
        return self._total_count

    @property
    def logits(self) -> Tensor:
        """Logarithms of the probabilities, up to a constant."""
        return self._logits

    @property
    def probs(self) -> Tensor:
        """The probabilities of the classes."""
        return self._probs

    def _batch_shape_tensor(self) -> Tensor:
        return array.shape(self._mean_val)[:-1]

    def _batch_shape(self) -> TensorShape:
        return self._mean_val.shape.with_rank_at_least(1)[:-1]

    def _event_shape_tensor(self) -> Tensor:
        return array.shape(self._mean_val)[-1:]

    def _event_shape(self) -> TensorShape:
        return self._mean_val.shape.with_rank_at_least(1)[-1:]

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        n_draws = math.cast(self.total_count, dtype=dtypes.int32)
        k = self.event_shape_tensor()[0]
        n_draws = array.ones_like(self.logits[..., 0], dtype=n_draws.dtype) * n_draws
        logits = array.ones_like(n_draws[..., None], dtype=self.logits.dtype) * self.logits
        flat_logits = array.reshape(logits, [-1, k])
        flat_draws = n * array.reshape(n_draws, [-1])

        def counts_of_one(row: Any) -> Tensor:
            draws = random.multinomial(row[0][None, ...], row[1], seed)
            draws = array.reshape(draws, shape=[n, -1])
            return math.reduce_sum(array.one_hot(draws, depth=k), axis=-2)

        counts = map_fn(counts_of_one, [flat_logits, flat_draws], dtype=self.dtype)
        counts = array.transpose(counts, perm=[1, 0, 2])
        return array.reshape(counts, array.concat([[n], self.batch_shape_tensor(), [k]], 0))

    def _log_prob(self, counts: Tensor) -> Tensor:
        return self._log_unnormalized_prob(counts) - self._log_normalization(counts)

    def _log_unnormalized_prob(self, counts: Tensor) -> Tensor:
        counts = self._checked_sample(counts)
        return math.reduce_sum(counts * log_softmax(self.logits), -1)

    def _log_normalization(self, counts: Tensor) -> Tensor:
        counts = self._checked_sample(counts)
        return -log_combinations(self.total_count, counts)

    def _mean(self) -> Tensor:
        return array.identity(self._mean_val)

    def _probs_of_all(self) -> Tensor:
        return self.probs * array.ones_like(self.total_count)[..., None]

    def _covariance(self) -> Tensor:
        p = self._probs_of_all()
        outer = -math.matmul(self._mean_val[..., None], p[..., None, :])
        return array.matrix_set_diag(outer, self._variance())

    def _variance(self) -> Tensor:
        p = self._probs_of_all()
        return self._mean_val - self._mean_val * p

    def _checked_sample(self, counts: Tensor) -> Tensor:
        if not self.validate_args:
            return counts
        counts = embed_check_nonnegative_integer_form(counts)
        total = math.reduce_sum(counts, -1)
        message = "counts must sum to `self.total_count`"
        return with_dependencies([checks.assert_equal(self.total_count, total, message=message)], counts)
