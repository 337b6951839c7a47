"""The Dirichlet-multinomial distribution."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, checks, math, random, special
from evergraph.ops.distributions.distribution import NOT_REPARAMETERIZED, Distribution
from evergraph.ops.distributions.parameters import (
    embed_check_categorical_event_shape,
    embed_check_nonnegative_integer_form,
    gen_new_seed,
    log_combinations,
    positive_concentration,
)
from evergraph.ops.grouping import with_dependencies
from evergraph.ops.random_by_rejection import random_gamma


@public("distributions.DirichletMultinomial", "contrib.distributions.DirichletMultinomial")
class DirichletMultinomial(Distribution):
    """How often each of k classes comes up in `total_count` draws whose probabilities are drawn from a Dirichlet.

    Args:
        total_count: whole floats, shape `batch`.
        concentration: positive floats, shape `batch + [k]`.
        validate_args: whether parameters and values are checked when the graph runs.
        allow_nan_stats: whether undefined statistics are NaN.
        name: the name scope.
    """

    def __init__(
        self,
        total_count: Any,
        concentration: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "DirichletMultinomial",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[total_count, concentration]) as scope:
            self._total_count = convert_to_tensor(total_count, name="total_count")
            if validate_args:
                self._total_count = embed_check_nonnegative_integer_form(self._total_count)
            self._concentration = convert_to_tensor(concentration, name="concentration")
            if validate_args:
                self._concentration = embed_check_categorical_event_shape(self._concentration)
            self._concentration = positive_concentration(self._concentration, validate_args)
            self._total_concentration = math.reduce_sum(self._concentration, -1)
        super().__init__(
            dtype=self._concentration.dtype,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            reparameterization_type=NOT_REPARAMETERIZED,
            parameters=parameters,
            graph_parents=[self._total_count, self._concentration],
            name=scope,
        )

    @property
    def total_count(self) -> Tensor:
        """How many draws there are."""
        return self._total_count

    @property
    def concentration(self) -> Tensor:
        """The weight of each class."""
        return self._concentration

    @property
    def total_concentration(self) -> Tensor:
        """The sum of the weights."""
        return self._total_concentration

    def _batch_shape_tensor(self) -> Tensor:
        return array.shape(self.total_concentration)

    def _batch_shape(self) -> TensorShape:
        return self.total_concentration.shape

    def _event_shape_tensor(self) -> Tensor:
        return array.shape(self.concentration)[-1:]

    def _event_shape(self) -> TensorShape:
        return self.concentration.shape.with_rank_at_least(1)[-1:]

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        n_draws = math.cast(self.total_count, dtype=dtypes.int32)
        k = self.event_shape_tensor()[0]
        weights = random_gamma([n], alpha=self.concentration, dtype=self.dtype, seed=seed)
        logits = array.reshape(math.log(weights), shape=[-1, k])
        draws = random.multinomial(logits, n_draws, seed=gen_new_seed(seed, salt="dirichlet_multinomial"))
        counts = math.reduce_sum(array.one_hot(draws, depth=k), -2)
        counts = array.reshape(counts, array.concat([[n], self.batch_shape_tensor(), [k]], 0))
        return math.cast(counts, self.dtype)

    def _log_prob(self, counts: Tensor) -> Tensor:
        counts = self._checked_sample(counts)
        of_sequence = special.lbeta(self.concentration + counts) - special.lbeta(self.concentration)
        return of_sequence + log_combinations(self.total_count, counts)

    def _prob(self, counts: Tensor) -> Tensor:
        return math.exp(self._log_prob(counts))

    def _mean(self) -> Tensor:
        return self.total_count * (self.concentration / self.total_concentration[..., None])

    def _covariance(self) -> Tensor:
        x = self._variance_scale_term() * self._mean()
        return array.matrix_set_diag(-math.matmul(x[..., None], x[..., None, :]), self._variance())

    def _variance(self) -> Tensor:
        scale = self._variance_scale_term()
        x = scale * self._mean()
        return x * (self.total_count * scale - x)

    def _variance_scale_term(self) -> Tensor:
        total = self.total_concentration[..., None]
        return math.sqrt((1.0 + total / self.total_count) / (1.0 + total))

    def _checked_sample(self, counts: Tensor) -> Tensor:
        if not self.validate_args:
            return counts
        counts = embed_check_nonnegative_integer_form(counts)
        message = "counts last-dimension must sum to `self.total_count`"
        total = math.reduce_sum(counts, -1)
        return with_dependencies([checks.assert_equal(self.total_count, total, message=message)], counts)
