"""The uniform distribution over an interval."""

from __future__ import annotations

import math as numbers
from typing import Any

from evergraph.framework.api import public
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, checks, math, random
from evergraph.ops.distributions.distribution import FULLY_REPARAMETERIZED, Distribution
from evergraph.ops.distributions.parameters import no_shape, shapes_of


@public("distributions.Uniform", "contrib.distributions.Uniform")
class Uniform(Distribution):
    """Numbers from `low`, which is included, to `high`, which is not.

    Args:
        low: floats.
        high: floats greater than `low`, of a shape that broadcasts with its.
        validate_args: whether that is checked when the graph runs.
        allow_nan_stats: whether undefined statistics are NaN.
        name: the name scope.
    """

    def __init__(
        self,
        low: Any = 0.0,
        high: Any = 1.0,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Uniform",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[low, high]) as scope:
            message = "uniform not defined when low >= high."
            with control_dependencies([checks.assert_less(low, high, message=message)] if validate_args else []):
                self._low = array.identity(low, name="low")
                self._high = array.identity(high, name="high")
                checks.assert_same_float_dtype([self._low, self._high])
        super().__init__(
            dtype=self._low.dtype,
            reparameterization_type=FULLY_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            graph_parents=[self._low, self._high],
            name=scope,
        )

    @staticmethod
    def _param_shapes(sample_shape: Any) -> dict[str, Tensor]:
        return shapes_of(("low", "high"), sample_shape)

    @property
    def low(self) -> Tensor:
        """The least value."""
        return self._low

    @property
    def high(self) -> Tensor:
        """What all values are below."""
        return self._high

    def range(self, name: str = "range") -> Tensor:
        """`high - low`."""
        with self._name_scope(name):
            return self.high - self.low

    def _batch_shape_tensor(self) -> Tensor:
        return array.broadcast_dynamic_shape(array.shape(self.low), array.shape(self.high))

    def _batch_shape(self) -> TensorShape:
        return array.broadcast_static_shape(self.low.shape, self.high.shape)

    def _event_shape_tensor(self) -> Tensor:
        return no_shape()

    def _event_shape(self) -> TensorShape:
        return TensorShape([])

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        shape = array.concat([[n], self.batch_shape_tensor()], 0)
        samples = random.random_uniform(shape, dtype=self.dtype, seed=seed)
        return self.low + self.range() * samples

    def _prob(self, x: Tensor) -> Tensor:
        x = x * array.ones(self.batch_shape_tensor(), dtype=x.dtype)
        is_nan = math.is_nan(x)
        is_outside = math.logical_or(x < self.low, x >= self.high)
        zeros = array.zeros_like(x)
        density = array.ones_like(x) / self.range()
        return array.where_v2(is_nan, x, array.where_v2(is_outside, zeros, density))

    def _cdf(self, x: Tensor) -> Tensor:
        shape = array.broadcast_dynamic_shape(array.shape(x), self.batch_shape_tensor())
        zeros = array.zeros(shape, dtype=self.dtype)
        ones = array.ones(shape, dtype=self.dtype)
        everywhere = x * ones
        is_below = x < self.low
        inside = (everywhere - self.low) / self.range()
        below_high = array.where_v2(is_below, zeros, inside)
        return array.where_v2(x >= self.high, ones, below_high)

    def _entropy(self) -> Tensor:
        return math.log(self.range())

    def _mean(self) -> Tensor:
        return (self.low + self.high) / 2.0

    def _variance(self) -> Tensor:
        return math.square(self.range()) / 12.0

    def _stddev(self) -> Tensor:
        return self.range() / numbers.sqrt(12.0)
