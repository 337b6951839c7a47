"""The Dirichlet distribution."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, checks, math, special
from evergraph.ops.distributions.distribution import FULLY_REPARAMETERIZED, Distribution
from evergraph.ops.distributions.divergences import RegisterKL
from evergraph.ops.distributions.parameters import number_of
from evergraph.ops.grouping import with_dependencies
from evergraph.ops.random_by_rejection import random_gamma


@public("distributions.Dirichlet", "contrib.distributions.Dirichlet")
class Dirichlet(Distribution):
    """Vectors of k positive numbers that sum to 1, of density proportional to `prod(x ** (concentration - 1))`.

    Args:
        concentration: positive floats, shape `batch + [k]`.
        validate_args: whether parameters and values are checked when the graph runs.
        allow_nan_stats: whether a mode is NaN where there is none; else computing it fails.
        name: the name scope.
    """

    def __init__(
        self,
        concentration: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Dirichlet",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[concentration]) as scope:
            self._concentration = _checked_concentration(
                convert_to_tensor(concentration, name="concentration"), validate_args
            )
            self._total_concentration = math.reduce_sum(self._concentration, -1)
        super().__init__(
            dtype=self._concentration.dtype,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            reparameterization_type=FULLY_REPARAMETERIZED,
            parameters=parameters,
            graph_parents=[self._concentration, self._total_concentration],
            name=scope,
        )

    @property
    def concentration(self) -> Tensor:
        """The weight of each of the k numbers."""
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
        sampled = random_gamma([n], alpha=self.concentration, dtype=self.dtype, seed=seed)
        return sampled / math.reduce_sum(sampled, -1, keepdims=True)

    def _log_prob(self, x: Tensor) -> Tensor:
        return self._log_unnormalized_prob(x) - self._log_normalization()

    def _prob(self, x: Tensor) -> Tensor:
        return math.exp(self._log_prob(x))

    def _log_unnormalized_prob(self, x: Tensor) -> Tensor:
        x = self._checked_sample(x)
        return math.reduce_sum(math.xlogy(self.concentration - 1.0, x), -1)

    def _log_normalization(self) -> Tensor:
        return special.lbeta(self.concentration)

    def _entropy(self) -> Tensor:
        k = math.cast(self.event_shape_tensor()[0], self.dtype)
        return (
            self._log_normalization()
            + (self.total_concentration - k) * special.digamma(self.total_concentration)
            - math.reduce_sum((self.concentration - 1.0) * special.digamma(self.concentration), axis=-1)
        )

    def _mean(self) -> Tensor:
        return self.concentration / self.total_concentration[..., None]

    def _covariance(self) -> Tensor:
        x = self._variance_scale_term() * self._mean()
        return array.matrix_set_diag(-math.matmul(x[..., None], x[..., None, :]), self._variance())

    def _variance(self) -> Tensor:
        scale = self._variance_scale_term()
        x = scale * self._mean()
        return x * (scale - x)

    def _variance_scale_term(self) -> Tensor:
        return math.rsqrt(1.0 + self.total_concentration[..., None])

    def _mode(self) -> Tensor:
        k = math.cast(self.event_shape_tensor()[0], self.dtype)
        mode = (self.concentration - 1.0) / (self.total_concentration[..., None] - k)
        if self.allow_nan_stats:
            nan = array.fill(array.shape(mode), number_of(float("nan"), self.dtype), name="nan")
            return array.where_v2(math.reduce_all(self.concentration > 1.0, axis=-1), mode, nan)
        message = "Mode undefined when any concentration <= 1"
        one = array.ones([], self.dtype)
        return with_dependencies([checks.assert_less(one, self.concentration, message=message)], mode)

    def _checked_sample(self, x: Tensor) -> Tensor:
        if not self.validate_args:
            return x
        conditions = [
            checks.assert_positive(x, message="samples must be positive"),
            checks.assert_near(
                array.ones([], dtype=self.dtype),
                math.reduce_sum(x, -1),
                message="sample last-dimension must sum to `1`",
            ),
        ]
        return with_dependencies(conditions, x)


def _checked_concentration(concentration: Tensor, validate_args: bool) -> Tensor:
    if not validate_args:
        return concentration
    conditions = [
        checks.assert_positive(concentration, message="Concentration parameter must be positive."),
        checks.assert_rank_at_least(concentration, 1, message="Concentration parameter must have >=1 dimensions."),
        checks.assert_less(
            1, array.shape(concentration)[-1], message="Concentration parameter must have event_size >= 2."
        ),
    ]
    return with_dependencies(conditions, concentration)


@RegisterKL(Dirichlet, Dirichlet)
def divergence(a: Dirichlet, b: Dirichlet, name: str | None = None) -> Tensor:
    """The divergence of two Dirichlet distributions."""
    with name_scope(name, "kl_dirichlet_dirichlet", values=[a.concentration, b.concentration]):
        of_sum = special.digamma(math.reduce_sum(a.concentration, axis=-1, keepdims=True))
        digamma_difference = special.digamma(a.concentration) - of_sum
        difference = a.concentration - b.concentration
        return (
            math.reduce_sum(difference * digamma_difference, axis=-1)
            - special.lbeta(a.concentration)
            + special.lbeta(b.concentration)
        )
