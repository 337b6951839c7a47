"""The gamma distribution."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, checks, math, special
from evergraph.ops.distributions.distribution import FULLY_REPARAMETERIZED, Distribution
from evergraph.ops.distributions.divergences import RegisterKL
from evergraph.ops.distributions.parameters import no_shape, number_of, shapes_of, with_softplus
from evergraph.ops.grouping import with_dependencies
from evergraph.ops.random_by_rejection import random_gamma


@public("distributions.Gamma", "contrib.distributions.Gamma")
class Gamma(Distribution):
    """Positive numbers, of density proportional to `x ** (concentration - 1) * exp(-rate * x)`.

    Args:
        concentration: positive floats.
        rate: positive floats, of a shape that broadcasts with that of `concentration`.
        validate_args: whether parameters and values are checked when the graph runs.
        allow_nan_stats: whether a mode is NaN where there is none; else computing it fails.
        name: the name scope.
    """

    def __init__(
        self,
        concentration: Any,
        rate: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Gamma",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[concentration, rate]) as scope:
            conditions = [concentration, rate] if validate_args else []
            with control_dependencies([checks.assert_positive(x) for x in conditions]):
                self._concentration = array.identity(concentration, name="concentration")
                self._rate = array.identity(rate, name="rate")
                checks.assert_same_float_dtype([self._concentration, self._rate])
        super().__init__(
            dtype=self._concentration.dtype,
            reparameterization_type=FULLY_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            graph_parents=[self._concentration, self._rate],
            name=scope,
        )

    @staticmethod
    def _param_shapes(sample_shape: Any) -> dict[str, Tensor]:
        return shapes_of(("concentration", "rate"), sample_shape)

    @property
    def concentration(self) -> Tensor:
        """The shape parameter."""
        return self._concentration

    @property
    def rate(self) -> Tensor:
        """The inverse of the scale."""
        return self._rate

    def _batch_shape_tensor(self) -> Tensor:
        return array.broadcast_dynamic_shape(array.shape(self.concentration), array.shape(self.rate))

    def _batch_shape(self) -> TensorShape:
        return array.broadcast_static_shape(self.concentration.shape, self.rate.shape)

    def _event_shape_tensor(self) -> Tensor:
        return no_shape()

    def _event_shape(self) -> TensorShape:
        return TensorShape([])

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        return random_gamma([n], alpha=self.concentration, beta=self.rate, dtype=self.dtype, seed=seed)

    def _log_prob(self, x: Tensor) -> Tensor:
        return self._log_unnormalized_prob(x) - self._log_normalization()

    def _cdf(self, x: Tensor) -> Tensor:
        x = self._checked_sample(x)
        return special.igamma(self.concentration, self.rate * x)

    def _log_unnormalized_prob(self, x: Tensor) -> Tensor:
        x = self._checked_sample(x)
        return math.xlogy(self.concentration - 1.0, x) - self.rate * x

    def _log_normalization(self) -> Tensor:
        return special.lgamma(self.concentration) - self.concentration * math.log(self.rate)

    def _entropy(self) -> Tensor:
        return (
            self.concentration
            - math.log(self.rate)
            + special.lgamma(self.concentration)
            + (1.0 - self.concentration) * special.digamma(self.concentration)
        )

    def _mean(self) -> Tensor:
        return self.concentration / self.rate

    def _variance(self) -> Tensor:
        return self.concentration / math.square(self.rate)

    def _stddev(self) -> Tensor:
        return math.sqrt(self.concentration) / self.rate

    def _mode(self) -> Tensor:
        mode = (self.concentration - 1.0) / self.rate
        if self.allow_nan_stats:
            nan = array.fill(self.batch_shape_tensor(), number_of(float("nan"), self.dtype), name="nan")
            return array.where_v2(self.concentration > 1.0, mode, nan)
        message = "mode not defined when any concentration <= 1"
        one = array.ones([], self.dtype)
        return with_dependencies([checks.assert_less(one, self.concentration, message=message)], mode)

    def _checked_sample(self, x: Tensor) -> Tensor:
        checks.assert_same_float_dtype(tensors=[x], dtype=self.dtype)
        return with_dependencies([checks.assert_positive(x)], x) if self.validate_args else x


@public("contrib.distributions.GammaWithSoftplusConcentrationRate")
class GammaWithSoftplusConcentrationRate(Gamma):
    """A gamma distribution whose parameters are the softplus of what is given."""

    def __init__(
        self,
        concentration: Any,
        rate: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "GammaWithSoftplusConcentrationRate",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[concentration, rate]) as scope:
            super().__init__(
                concentration=with_softplus("concentration", concentration),
                rate=with_softplus("rate", rate),
                validate_args=validate_args,
                allow_nan_stats=allow_nan_stats,
                name=scope,
            )
        self._parameters = parameters


@RegisterKL(Gamma, Gamma)
def divergence(a: Gamma, b: Gamma, name: str | None = None) -> Tensor:
    """The divergence of two gamma distributions."""
    with name_scope(name, "kl_gamma_gamma", values=[a.concentration, a.rate, b.concentration, b.rate]):
        return (
            (a.concentration - b.concentration) * special.digamma(a.concentration)
            + special.lgamma(b.concentration)
            - special.lgamma(a.concentration)
            + b.concentration * math.log(a.rate)
            - b.concentration * math.log(b.rate)
            + a.concentration * (b.rate / a.rate - 1.0)
        )
