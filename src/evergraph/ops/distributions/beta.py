"""The beta distribution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, checks, math, special
from evergraph.ops.distributions.distribution import FULLY_REPARAMETERIZED, Distribution
from evergraph.ops.distributions.divergences import RegisterKL
from evergraph.ops.distributions.parameters import (
    gen_new_seed,
    no_shape,
    number_of,
    positive_concentration,
    shapes_of,
    with_softplus,
)
from evergraph.ops.grouping import with_dependencies
from evergraph.ops.random_by_rejection import random_gamma


@public("distributions.Beta", "contrib.distributions.Beta")
class Beta(Distribution):
    """Numbers from 0 to 1, of density proportional to `x ** (concentration1 - 1) * (1 - x) ** (concentration0 - 1)`.

    Args:
        concentration1: positive floats: the weight of 1.
        concentration0: positive floats: the weight of 0. The shapes broadcast.
        validate_args: whether parameters and values are checked when the graph runs.
        allow_nan_stats: whether a mode is NaN where there is none; else computing it fails.
        name: the name scope.
    """

    def __init__(
        self,
        concentration1: Any = None,
        concentration0: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Beta",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[concentration1, concentration0]) as scope:
            self._concentration1 = positive_concentration(
                convert_to_tensor(concentration1, name="concentration1"), validate_args
            )
            self._concentration0 = positive_concentration(
                convert_to_tensor(concentration0, name="concentration0"), validate_args
            )
            checks.assert_same_float_dtype([self._concentration1, self._concentration0])
            self._total_concentration = self._concentration1 + self._concentration0
        super().__init__(
            dtype=self._total_concentration.dtype,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            reparameterization_type=FULLY_REPARAMETERIZED,
            parameters=parameters,
            graph_parents=[self._concentration1, self._concentration0, self._total_concentration],
            name=scope,
        )

    @staticmethod
    def _param_shapes(sample_shape: Any) -> dict[str, Tensor]:
        return shapes_of(("concentration1", "concentration0"), sample_shape)

    @property
    def concentration1(self) -> Tensor:
        """The weight of 1."""
        return self._concentration1

    @property
    def concentration0(self) -> Tensor:
        """The weight of 0."""
        return self._concentration0

    @property
    def total_concentration(self) -> Tensor:
        """The sum of the two concentrations."""
        return self._total_concentration

    def _batch_shape_tensor(self) -> Tensor:
        return array.shape(self.total_concentration)

    def _batch_shape(self) -> TensorShape:
        return self.total_concentration.shape

    def _event_shape_tensor(self) -> Tensor:
        return no_shape()

    def _event_shape(self) -> TensorShape:
        return TensorShape([])

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        alphas = [
            array.ones_like(self.total_concentration, dtype=self.dtype) * concentration
            for concentration in (self.concentration1, self.concentration0)
        ]
        one = random_gamma([n], alpha=alphas[0], dtype=self.dtype, seed=seed)
        zero = random_gamma([n], alpha=alphas[1], dtype=self.dtype, seed=gen_new_seed(seed, "beta"))
        return one / (one + zero)

    def _log_prob(self, x: Tensor) -> Tensor:
        return self._log_unnormalized_prob(x) - self._log_normalization()

    def _prob(self, x: Tensor) -> Tensor:
        return math.exp(self._log_prob(x))

    def _log_cdf(self, x: Tensor) -> Tensor:
        return math.log(self._cdf(x))

    def _cdf(self, x: Tensor) -> Tensor:
        return special.betainc(self.concentration1, self.concentration0, x)

    def _log_unnormalized_prob(self, x: Tensor) -> Tensor:
        x = self._checked_sample(x)
        return math.xlogy(self.concentration1 - 1.0, x) + (self.concentration0 - 1.0) * math.log1p(-x)

    def _log_normalization(self) -> Tensor:
        return (
            special.lgamma(self.concentration1)
            + special.lgamma(self.concentration0)
            - special.lgamma(self.total_concentration)
        )

    def _entropy(self) -> Tensor:
        return (
            self._log_normalization()
            - (self.concentration1 - 1.0) * special.digamma(self.concentration1)
            - (self.concentration0 - 1.0) * special.digamma(self.concentration0)
            + (self.total_concentration - 2.0) * special.digamma(self.total_concentration)
        )

    def _mean(self) -> Tensor:
        return self._concentration1 / self._total_concentration

    def _variance(self) -> Tensor:
        return self._mean() * (1.0 - self._mean()) / (1.0 + self.total_concentration)

    def _mode(self) -> Tensor:
        mode = (self.concentration1 - 1.0) / (self.total_concentration - 2.0)
        if self.allow_nan_stats:
            nan = array.fill(self.batch_shape_tensor(), number_of(float("nan"), self.dtype), name="nan")
            is_defined = math.logical_and(self.concentration1 > 1.0, self.concentration0 > 1.0)
            return array.where_v2(is_defined, mode, nan)
        conditions = [
            checks.assert_less(
                array.ones([], dtype=self.dtype), concentration, message=f"Mode undefined for {what} <= 1."
            )
            for what, concentration in (
                ("concentration1", self.concentration1),
                ("concentration0", self.concentration0),
            )
        ]
        return with_dependencies(conditions, mode)

    def _checked_sample(self, x: Tensor) -> Tensor:
        if not self.validate_args:
            return x
        conditions = [
            checks.assert_positive(x, message="sample must be positive"),
            checks.assert_less(x, array.ones([], self.dtype), message="sample must be less than `1`."),
        ]
        return with_dependencies(conditions, x)


@public("contrib.distributions.BetaWithSoftplusConcentration")
class BetaWithSoftplusConcentration(Beta):
    """A beta distribution whose concentrations are the softplus of what is given."""

    def __init__(
        self,
        concentration1: Any,
        concentration0: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "BetaWithSoftplusConcentration",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[concentration1, concentration0]) as scope:
            super().__init__(
                concentration1=with_softplus("concentration1", concentration1),
                concentration0=with_softplus("concentration0", concentration0),
                validate_args=validate_args,
                allow_nan_stats=allow_nan_stats,
                name=scope,
            )
        self._parameters = parameters


@RegisterKL(Beta, Beta)
def divergence(a: Beta, b: Beta, name: str | None = None) -> Tensor:
    """The divergence of two beta distributions."""

    def difference(of: Callable[[Beta], Tensor]) -> Tensor:
        in_a, in_b = of(a), of(b)
        return in_b - in_a

    tensors = [t for d in (a, b) for t in (d.concentration1, d.concentration0, d.total_concentration)]
    with name_scope(name, "kl_beta_beta", values=tensors):
        in_b, in_a = b._log_normalization(), a._log_normalization()
        return (
            (in_b - in_a)
            - special.digamma(a.concentration1) * difference(lambda d: d.concentration1)
            - special.digamma(a.concentration0) * difference(lambda d: d.concentration0)
            + special.digamma(a.total_concentration) * difference(lambda d: d.total_concentration)
        )
