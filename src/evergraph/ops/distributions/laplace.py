"""The Laplace distribution."""

from __future__ import annotations

import math as numbers
from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, checks, math, random
from evergraph.ops.distributions import tails
from evergraph.ops.distributions.distribution import FULLY_REPARAMETERIZED, Distribution
from evergraph.ops.distributions.parameters import no_shape, shapes_of, with_softplus


@public("distributions.Laplace", "contrib.distributions.Laplace")
class Laplace(Distribution):
    """Numbers around `loc`, of density `exp(-|x - loc| / scale) / (2 scale)`.

    Args:
        loc: floats.
        scale: positive floats, of a shape that broadcasts with that of `loc`.
        validate_args: whether `scale` is checked when the graph runs.
        allow_nan_stats: whether undefined statistics are NaN.
        name: the name scope.
    """

    def __init__(
        self,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Laplace",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[loc, scale]) as scope:
            with control_dependencies([checks.assert_positive(scale)] if validate_args else []):
                self._loc = array.identity(loc, name="loc")
                self._scale = array.identity(scale, name="scale")
                checks.assert_same_float_dtype([self._loc, self._scale])
            super().__init__(
                dtype=self._loc.dtype,
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
        """The mean distance from the mean."""
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
        kind = self.dtype.as_numpy_dtype
        above_minus_one = np.nextafter(kind(-1.0), kind(0.0))  # whose logarithm below is finite
        uniform = random.random_uniform(shape, minval=above_minus_one, maxval=1.0, dtype=self.dtype, seed=seed)
        return self.loc - self.scale * math.sign(uniform) * math.log1p(-math.abs(uniform))

    def _log_prob(self, x: Tensor) -> Tensor:
        return self._log_unnormalized_prob(x) - self._log_normalization()

    def _prob(self, x: Tensor) -> Tensor:
        return math.exp(self._log_prob(x))

    def _log_unnormalized_prob(self, x: Tensor) -> Tensor:
        return -math.abs(self._z(x))

    def _log_normalization(self) -> Tensor:
        return numbers.log(2.0) + math.log(self.scale)

    def _log_cdf(self, x: Tensor) -> Tensor:
        return tails.log_cdf_laplace(self._z(x))

    def _log_survival_function(self, x: Tensor) -> Tensor:
        return tails.log_cdf_laplace(-self._z(x))

    def _cdf(self, x: Tensor) -> Tensor:
        z = self._z(x)
        return 0.5 + 0.5 * math.sign(z) * (1.0 - math.exp(-math.abs(z)))

    def _entropy(self) -> Tensor:
        scale = self.scale + array.zeros_like(self.loc)
        return numbers.log(2.0) + 1.0 + math.log(scale)

    def _mean(self) -> Tensor:
        return self.loc + array.zeros_like(self.scale)

    def _stddev(self) -> Tensor:
        return numbers.sqrt(2.0) * self.scale + array.zeros_like(self.loc)

    def _median(self) -> Tensor:
        return self._mean()

    def _mode(self) -> Tensor:
        return self._mean()

    def _z(self, x: Tensor) -> Tensor:
        return (x - self.loc) / self.scale


@public("contrib.distributions.LaplaceWithSoftplusScale")
class LaplaceWithSoftplusScale(Laplace):
    """A Laplace distribution whose scale is `softplus(scale)`."""

    def __init__(
        self,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "LaplaceWithSoftplusScale",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[loc, scale]) as scope:
            super().__init__(
                loc=loc,
                scale=with_softplus("scale", scale),
                validate_args=validate_args,
                allow_nan_stats=allow_nan_stats,
                name=scope,
            )
        self._parameters = parameters
