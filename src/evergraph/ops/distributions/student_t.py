"""Student's t distribution."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, checks, math, random, special
from evergraph.ops.distributions.distribution import FULLY_REPARAMETERIZED, Distribution
from evergraph.ops.distributions.parameters import gen_new_seed, no_shape, number_of, shapes_of, with_softplus
from evergraph.ops.grouping import with_dependencies
from evergraph.ops.random_by_rejection import random_gamma


@public("distributions.StudentT", "contrib.distributions.StudentT")
class StudentT(Distribution):
    """Numbers around `loc`, spread as `scale`, with heavier tails the smaller `df` is.

    Args:
        df: positive floats: the degrees of freedom.
        loc: floats.
        scale: floats; their sign is of no account. The three shapes broadcast.
        validate_args: whether `df` is checked when the graph runs.
        allow_nan_stats: whether a mean or a variance is NaN where there is none; else computing it fails.
        name: the name scope.
    """

    def __init__(
        self,
        df: Any,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "StudentT",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[df, loc, scale]) as scope:
            with control_dependencies([checks.assert_positive(df)] if validate_args else []):
                self._df = array.identity(df, name="df")
                self._loc = array.identity(loc, name="loc")
                self._scale = array.identity(scale, name="scale")
                checks.assert_same_float_dtype((self._df, self._loc, self._scale))
        super().__init__(
            dtype=self._scale.dtype,
            reparameterization_type=FULLY_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            graph_parents=[self._df, self._loc, self._scale],
            name=scope,
        )

    @staticmethod
    def _param_shapes(sample_shape: Any) -> dict[str, Tensor]:
        return shapes_of(("df", "loc", "scale"), sample_shape)

    @property
    def df(self) -> Tensor:
        """The degrees of freedom."""
        return self._df

    @property
    def loc(self) -> Tensor:
        """The centre."""
        return self._loc

    @property
    def scale(self) -> Tensor:
        """The spread."""
        return self._scale

    def _batch_shape_tensor(self) -> Tensor:
        of_df = array.shape(self.df)
        of_rest = array.broadcast_dynamic_shape(array.shape(self.loc), array.shape(self.scale))
        return array.broadcast_dynamic_shape(of_df, of_rest)

    def _batch_shape(self) -> TensorShape:
        return array.broadcast_static_shape(
            array.broadcast_static_shape(self.df.shape, self.loc.shape), self.scale.shape
        )

    def _event_shape_tensor(self) -> Tensor:
        return no_shape()

    def _event_shape(self) -> TensorShape:
        return TensorShape([])

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        shape = array.concat([[n], self.batch_shape_tensor()], 0)
        normal = random.random_normal(shape, dtype=self.dtype, seed=seed)
        df = self.df * array.ones(self.batch_shape_tensor(), dtype=self.dtype)
        chi2 = random_gamma([n], 0.5 * df, beta=0.5, dtype=self.dtype, seed=gen_new_seed(seed, salt="student_t"))
        samples = normal * math.rsqrt(chi2 / df)
        return samples * self.scale + self.loc

    def _log_prob(self, x: Tensor) -> Tensor:
        return self._log_unnormalized_prob(x) - self._log_normalization()

    def _log_unnormalized_prob(self, x: Tensor) -> Tensor:
        y = (x - self.loc) / self.scale
        return -0.5 * (self.df + 1.0) * math.log1p(y**2.0 / self.df)

    def _log_normalization(self) -> Tensor:
        return (
            math.log(math.abs(self.scale))
            + 0.5 * math.log(self.df)
            + 0.5 * np.log(np.pi)
            + special.lgamma(0.5 * self.df)
            - special.lgamma(0.5 * (self.df + 1.0))
        )

    def _cdf(self, x: Tensor) -> Tensor:
        y = (x - self.loc) / math.abs(self.scale)
        x_t = self.df / (y**2.0 + self.df)
        below = 0.5 * special.betainc(0.5 * self.df, 0.5, x_t)
        return array.where_v2(math.less(y, 0.0), below, 1.0 - below)

    def _entropy(self) -> Tensor:
        ones = array.ones(self.batch_shape_tensor(), dtype=self.dtype)[..., None]
        df = ones * self.df[..., None]
        beta_arg = array.concat([df, ones], -1) / 2.0
        return (
            math.log(math.abs(self.scale))
            + 0.5 * math.log(self.df)
            + special.lbeta(beta_arg)
            + 0.5 * (self.df + 1.0) * (special.digamma(0.5 * (self.df + 1.0)) - special.digamma(0.5 * self.df))
        )

    def _mean(self) -> Tensor:
        mean = self.loc * array.ones(self.batch_shape_tensor(), dtype=self.dtype)
        return self._where_defined("mean", mean)

    def _variance(self) -> Tensor:
        is_finite = math.greater(self.df, 2.0)
        denominator = array.where_v2(is_finite, self.df - 2.0, array.ones_like(self.df))
        ones = array.ones(self.batch_shape_tensor(), dtype=self.dtype)
        variance = ones * math.square(self.scale) * self.df / denominator
        above_two = self.df > array.fill(self.batch_shape_tensor(), 2.0)
        inf = array.fill(self.batch_shape_tensor(), number_of(np.inf, self.dtype), name="inf")
        return self._where_defined("variance", array.where_v2(above_two, variance, inf))

    def _where_defined(self, what: str, value: Tensor) -> Tensor:
        """`value` where `df` is above 1; elsewhere NaN, or a failure."""
        if self.allow_nan_stats:
            is_defined = math.greater(self.df, array.ones(self.batch_shape_tensor(), dtype=self.dtype))
            nan = array.fill(self.batch_shape_tensor(), number_of(np.nan, self.dtype), name="nan")
            return array.where_v2(is_defined, value, nan)
        message = f"{what} not defined for components of df <= 1"
        one = array.ones([], dtype=self.dtype)
        return with_dependencies([checks.assert_less(one, self.df, message=message)], value)

    def _mode(self) -> Tensor:
        return array.identity(self.loc)


@public("contrib.distributions.StudentTWithAbsDfSoftplusScale")
class StudentTWithAbsDfSoftplusScale(StudentT):
    """Student's t distribution with `floor(abs(df))` degrees of freedom and the scale `softplus(scale)`."""

    def __init__(
        self,
        df: Any,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "StudentTWithAbsDfSoftplusScale",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[df, scale]) as scope:
            super().__init__(
                df=math.floor(math.abs(df)),
                loc=loc,
                scale=with_softplus("scale", scale),
                validate_args=validate_args,
                allow_nan_stats=allow_nan_stats,
                name=scope,
            )
        self._parameters = parameters
