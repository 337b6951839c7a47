"""The normal distribution."""

from __future__ import annotations

import math as numbers
from typing import Any

from evergraph.framework.api import public
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, checks, math, random
from evergraph.ops.constant import constant
from evergraph.ops.distributions import tails
from evergraph.ops.distributions.distribution import FULLY_REPARAMETERIZED, Distribution
from evergraph.ops.distributions.divergences import RegisterKL
from evergraph.ops.distributions.parameters import no_shape, shapes_of, with_softplus


@public("distributions.Normal", "contrib.distributions.Normal")
class Normal(Distribution):
    """Numbers around `loc` with the standard deviation `scale`.

    Args:
        loc: floats.
        scale: positive floats, of a shape that broadcasts with that of `loc`.
        validate_args: whether `scale` is checked when the graph runs.
        allow_nan_stats: whether undefined statistics are NaN.
        name: the name scope.

    >>> sess.run(tf.distributions.Normal(0.0, 2.0).cdf([0.0, 2.0]))
    array([0.5      , 0.8413447], dtype=float32)
    """

    def __init__(
        self,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Normal",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[loc, scale]) as scope:
            with control_dependencies([checks.assert_positive(scale)] if validate_args else []):
                self._loc = array.identity(loc, name="loc")
                self._scale = array.identity(scale, name="scale")
                checks.assert_same_float_dtype([self._loc, self._scale])
        super().__init__(
            dtype=self._scale.dtype,
            reparameterization_type=FULLY_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            graph_parents=[self._loc, self._scale],
            name=scope,
        )

    @staticmethod
    def _param_shapes(sample_shape: Any) -> dict[str, Tensor]:
        return shapes_of(("loc", "scale"), sample_shape)

    @property
    def loc(self) -> Tensor:
        """The mean."""
        return self._loc

    @property
    def scale(self) -> Tensor:
        """The standard deviation."""
        return self._scale

    def _batch_shape_tensor(self) -> Tensor:
        return array.broadcast_dynamic_shape(array.shape(self.loc), array.shape(self.scale))

    def _batch_shape(self) -> TensorShape:
        return array.broadcast_static_shape(self.loc.shape, self.scale.shape)

    def _event_shape_tensor(self) -> Tensor:
        return no_shape()

    def _event_shape(self) -> TensorShape:
        return TensorShape([])

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        shape = array.concat([[n], self.batch_shape_tensor()], 0)
        sampled = random.random_normal(shape, mean=0.0, stddev=1.0, dtype=self.loc.dtype, seed=seed)
        return sampled * self.scale + self.loc

    def _log_prob(self, x: Tensor) -> Tensor:
        return self._log_unnormalized_prob(x) - self._log_normalization()

    def _log_unnormalized_prob(self, x: Tensor) -> Tensor:
        return -0.5 * math.square(self._z(x))

    def _log_normalization(self) -> Tensor:
        return 0.5 * numbers.log(2.0 * numbers.pi) + math.log(self.scale)

    def _log_cdf(self, x: Tensor) -> Tensor:
        return tails.log_ndtr(self._z(x))

    def _cdf(self, x: Tensor) -> Tensor:
        return tails.ndtr(self._z(x))

    def _log_survival_function(self, x: Tensor) -> Tensor:
        return tails.log_ndtr(-self._z(x))

    def _survival_function(self, x: Tensor) -> Tensor:
        return tails.ndtr(-self._z(x))

    def _quantile(self, p: Tensor) -> Tensor:
        return self._inv_z(tails.ndtri(p))

    def _entropy(self) -> Tensor:
        scale = self.scale * array.ones_like(self.loc)
        return 0.5 * numbers.log(2.0 * numbers.pi * numbers.e) + math.log(scale)

    def _mean(self) -> Tensor:
        return self.loc * array.ones_like(self.scale)

    def _stddev(self) -> Tensor:
        return self.scale * array.ones_like(self.loc)

    def _mode(self) -> Tensor:
        return self._mean()

    def _z(self, x: Tensor) -> Tensor:
        with name_scope("standardize", values=[x]):
            return (x - self.loc) / self.scale

    def _inv_z(self, z: Tensor) -> Tensor:
        with name_scope("reconstruct", values=[z]):
            return z * self.scale + self.loc


@public("contrib.distributions.NormalWithSoftplusScale")
class NormalWithSoftplusScale(Normal):
    """A normal distribution whose standard deviation is `softplus(scale)`."""

    def __init__(
        self,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "NormalWithSoftplusScale",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[scale]) as scope:
            super().__init__(
                loc=loc,
                scale=with_softplus("scale", scale),
                validate_args=validate_args,
                allow_nan_stats=allow_nan_stats,
                name=scope,
            )
        self._parameters = parameters


@RegisterKL(Normal, Normal)
def divergence(a: Normal, b: Normal, name: str | None = None) -> Tensor:
    """The divergence of two normal distributions."""
    with name_scope(name, "kl_normal_normal", [a.loc, b.loc]):
        one, two, half = (constant(number, dtype=a.dtype) for number in (1, 2, 0.5))
        variance_a, variance_b = math.square(a.scale), math.square(b.scale)
        ratio = variance_a / variance_b
        distance = math.squared_difference(a.loc, b.loc) / (two * variance_b)
        return distance + half * (ratio - one - math.log(ratio))
