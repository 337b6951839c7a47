"""The exponential distribution: a gamma distribution of concentration 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math, random
from evergraph.ops.distributions.gamma import Gamma
from evergraph.ops.distributions.parameters import with_softplus


@public("distributions.Exponential", "contrib.distributions.Exponential")
class Exponential(Gamma):
    """Positive numbers, of density `rate * exp(-rate * x)`.

    Args:
        rate: positive floats.
        validate_args: whether parameters and values are checked when the graph runs.
        allow_nan_stats: whether undefined statistics are NaN.
        name: the name scope.
    """

    def __init__(
        self, rate: Any, validate_args: bool = False, allow_nan_stats: bool = True, name: str = "Exponential"
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[rate]) as scope:
            self._rate = convert_to_tensor(rate, name="rate")
        super().__init__(
            concentration=array.ones([], dtype=self._rate.dtype),
            rate=self._rate,
            allow_nan_stats=allow_nan_stats,
            validate_args=validate_args,
            name=scope,
        )
        self._parameters = parameters
        self._graph_parents += [self._rate]

    @staticmethod
    def _param_shapes(sample_shape: Any) -> dict[str, Tensor]:
        return {"rate": convert_to_tensor(sample_shape, dtype=dtypes.int32)}

    @property
    def rate(self) -> Tensor:
        """The inverse of the mean."""
        return self._rate

    def _log_survival_function(self, value: Tensor) -> Tensor:
        return self._log_prob(value) - math.log(self._rate)

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        shape = array.concat([[n], array.shape(self._rate)], 0)
        tiny = np.finfo(self.dtype.as_numpy_dtype).tiny  # not 0, whose logarithm is infinite
        sampled = random.random_uniform(shape, minval=tiny, maxval=1.0, seed=seed, dtype=self.dtype)
        return -math.log(sampled) / self._rate


@public("contrib.distributions.ExponentialWithSoftplusRate")
class ExponentialWithSoftplusRate(Exponential):
    """An exponential distribution whose rate is `softplus(rate)`."""

    def __init__(
        self,
        rate: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "ExponentialWithSoftplusRate",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[rate]) as scope:
            super().__init__(
                rate=with_softplus("rate", rate),
                validate_args=validate_args,
                allow_nan_stats=allow_nan_stats,
                name=scope,
            )
        self._parameters = parameters
