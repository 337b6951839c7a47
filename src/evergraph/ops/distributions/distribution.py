"""What all distributions have in common: names, shapes, sampling, and which statistic follows from which.

A distribution says how to compute some of `_log_prob`, `_prob`, `_cdf`, `_mean`, ...; the public methods open the name
scopes, convert what they are given, and fall back on a related quantity where the distribution has no formula of its
own. Three shapes play a part:

    sample shape    how many draws were asked for
    batch shape     how many distributions of different parameters there are side by side
    event shape     the shape of one draw of one of them: () for numbers, (k,) for vectors

and a tensor of draws has the three of them one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public, publish
from evergraph.framework.convert import convert_to_tensor, is_tensor_like
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape, as_shape
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math
from evergraph.ops.distributions import divergences
from evergraph.ops.distributions.parameters import pick_vector
from evergraph.ops.static_values import get_static_value


@public("distributions.ReparameterizationType", "contrib.distributions.ReparameterizationType")
class ReparameterizationType:
    """Whether gradients flow from samples to parameters. There are two: compare them by identity."""

    def __init__(self, rep_type: str) -> None:
        self._rep_type = rep_type

    def __repr__(self) -> str:
        return f"<Reparameteriation Type: {self._rep_type}>"

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__


FULLY_REPARAMETERIZED = ReparameterizationType("FULLY_REPARAMETERIZED")
NOT_REPARAMETERIZED = ReparameterizationType("NOT_REPARAMETERIZED")
for _namespace in ("distributions", "contrib.distributions"):
    publish(f"{_namespace}.FULLY_REPARAMETERIZED", FULLY_REPARAMETERIZED)
    publish(f"{_namespace}.NOT_REPARAMETERIZED", NOT_REPARAMETERIZED)


def _first_implemented(*ways: Callable[[], Tensor]) -> Tensor:
    """The result of the first way that is implemented.

    Raises:
        NotImplementedError: if none is; the error is that of the first.
    """
    first: NotImplementedError | None = None
    for way in ways:
        try:
            return way()
        except NotImplementedError as error:
            first = first or error
    assert first is not None
    raise first


@public("distributions.Distribution", "contrib.distributions.Distribution")
class Distribution:
    """A distribution of random variables, or a batch of them.

    A subclass implements methods of the public methods' names with an underscore in front and without `name`:
    `_sample_n`, `_log_prob`, `_mean`, `_batch_shape`, ...

    Args:
        dtype: the type of the samples.
        reparameterization_type: `tf.distributions.FULLY_REPARAMETERIZED` or `NOT_REPARAMETERIZED`.
        validate_args: whether assertions on parameters and values are added to the graph.
        allow_nan_stats: whether a statistic that is undefined is NaN; else computing it fails.
        parameters: the arguments of the constructor, for `copy`.
        graph_parents: the tensors that the distribution is made of.
        name: the name scope of what its methods build.

    Raises:
        ValueError: if one of `graph_parents` is no tensor.
    """

    # What a subclass computes: these raise NotImplementedError until it does.
    _batch_shape_tensor: Any
    _event_shape_tensor: Any
    _sample_n: Any
    _log_prob: Any
    _prob: Any
    _log_cdf: Any
    _cdf: Any
    _log_survival_function: Any
    _survival_function: Any
    _quantile: Any
    _entropy: Any
    _mean: Any
    _mode: Any
    _variance: Any
    _stddev: Any
    _covariance: Any

    def __init__(
        self,
        dtype: Any,
        reparameterization_type: ReparameterizationType,
        validate_args: bool,
        allow_nan_stats: bool,
        parameters: dict[str, Any] | None = None,
        graph_parents: list[Any] | None = None,
        name: str | None = None,
    ) -> None:
        parents = [] if graph_parents is None else graph_parents
        for i, t in enumerate(parents):
            if t is None or not is_tensor_like(t):
                raise ValueError(f"Graph parent item {i} is not a Tensor; {t}.")
        if not name or name[-1] != "/":
            with name_scope(name or type(self).__name__) as name:
                pass
        self._dtype = dtype
        self._reparameterization_type = reparameterization_type
        self._allow_nan_stats = allow_nan_stats
        self._validate_args = validate_args
        self._parameters = parameters or {}
        self._graph_parents = parents
        self._name = name

    # Properties

    @property
    def name(self) -> str:
        """The name scope, a slash at its end."""
        return self._name

    @property
    def dtype(self) -> Any:
        """The type of the samples."""
        return self._dtype

    @property
    def parameters(self) -> dict[str, Any]:
        """The arguments that the constructor got."""
        return {key: v for key, v in self._parameters.items() if not key.startswith("__") and key != "self"}

    @property
    def reparameterization_type(self) -> ReparameterizationType:
        """Whether gradients flow from samples to parameters."""
        return self._reparameterization_type

    @property
    def allow_nan_stats(self) -> bool:
        """Whether a statistic that is undefined is NaN; else computing it fails."""
        return self._allow_nan_stats

    @property
    def validate_args(self) -> bool:
        """Whether assertions on parameters and values are added to the graph."""
        return self._validate_args

    def copy(self, **override_parameters_kwargs: Any) -> Any:
        """A distribution of the same kind and parameters, but for those given."""
        return type(self)(**{**self.parameters, **override_parameters_kwargs})

    @classmethod
    def param_shapes(cls, sample_shape: Any, name: str = "DistributionParamShapes") -> dict[str, Tensor]:
        """The shapes that the parameters need so that `sample()` has the shape `sample_shape`, as tensors."""
        with name_scope(name, values=[sample_shape]):
            return cls._param_shapes(sample_shape)

    @classmethod
    def param_static_shapes(cls, sample_shape: Any) -> dict[str, TensorShape]:
        """The shapes that the parameters need so that `sample()` has the shape `sample_shape`.

        Raises:
            ValueError: if `sample_shape` is not fully known.
        """
        if isinstance(sample_shape, TensorShape):
            if not sample_shape.is_fully_defined():
                raise ValueError("TensorShape sample_shape must be fully defined")
            sample_shape = sample_shape.as_list()
        shapes = {}
        for parameter, shape in cls.param_shapes(sample_shape).items():
            known = get_static_value(shape)
            if known is None:
                raise ValueError("sample_shape must be a fully-defined TensorShape or list/tuple")
            shapes[parameter] = TensorShape(known)
        return shapes

    @staticmethod
    def _param_shapes(sample_shape: Any) -> dict[str, Tensor]:
        raise NotImplementedError("_param_shapes not implemented")

    # Shapes

    def batch_shape_tensor(self, name: str = "batch_shape_tensor") -> Tensor:
        """The batch shape, an int32 vector."""
        with self._name_scope(name):
            if self.batch_shape.is_fully_defined():
                return convert_to_tensor(self.batch_shape.as_list(), dtype=dtypes.int32, name="batch_shape")
            return self._batch_shape_tensor()

    @property
    def batch_shape(self) -> TensorShape:
        """The batch shape as far as it is known while the graph is built."""
        return as_shape(self._batch_shape())

    def event_shape_tensor(self, name: str = "event_shape_tensor") -> Tensor:
        """The event shape, an int32 vector."""
        with self._name_scope(name):
            if self.event_shape.is_fully_defined():
                return convert_to_tensor(self.event_shape.as_list(), dtype=dtypes.int32, name="event_shape")
            return self._event_shape_tensor()

    @property
    def event_shape(self) -> TensorShape:
        """The event shape as far as it is known while the graph is built."""
        return as_shape(self._event_shape())

    def is_scalar_event(self, name: str = "is_scalar_event") -> Tensor:
        """Whether a draw is a number: a scalar bool tensor."""
        with self._name_scope(name):
            return convert_to_tensor(_is_scalar(self.event_shape, self.event_shape_tensor), name="is_scalar_event")

    def is_scalar_batch(self, name: str = "is_scalar_batch") -> Tensor:
        """Whether this is one distribution rather than a batch of some: a scalar bool tensor."""
        with self._name_scope(name):
            return convert_to_tensor(_is_scalar(self.batch_shape, self.batch_shape_tensor), name="is_scalar_batch")

    def _batch_shape(self) -> Any:
        return TensorShape(None)

    def _event_shape(self) -> Any:
        return TensorShape(None)

    # Sampling

    def sample(self, sample_shape: Any = (), seed: int | None = None, name: str = "sample") -> Tensor:
        """Draw samples.

        Args:
            sample_shape: an int, a list of ints, or an int32 tensor.
            seed: as of `tf.random.normal`.
            name: the name scope.

        Returns:
            `self.dtype`, shape `sample_shape + batch_shape + event_shape`.
        """
        return self._call_sample_n(sample_shape, seed, name)

    def _call_sample_n(self, sample_shape: Any, seed: int | None, name: str, **kwargs: Any) -> Tensor:
        with self._name_scope(name, values=[sample_shape]):
            sample_shape = convert_to_tensor(sample_shape, dtype=dtypes.int32, name="sample_shape")
            sample_shape, n = self._expand_sample_shape_to_vector(sample_shape, "sample_shape")
            samples = self._sample_n(n, seed, **kwargs)
            rest = array.shape(samples)[1:]
            samples = array.reshape(samples, array.concat([sample_shape, rest], 0))
            return self._set_sample_static_shape(samples, sample_shape)

    def _expand_sample_shape_to_vector(self, x: Tensor, name: str) -> tuple[Tensor, Any]:
        """The sample shape as a vector, and how many samples that are: a number where it is known."""
        known = get_static_value(x)
        count = math.reduce_prod(x) if known is None else np.prod(known, dtype=x.dtype.as_numpy_dtype)
        rank = x.shape.ndims
        if rank is None:
            is_scalar = math.equal(array.rank(x), 0)
            x = array.reshape(x, pick_vector(is_scalar, np.array([1], np.int32), array.shape(x)))
        elif rank == 0:
            if known is None:
                x = array.reshape(x, [1])
            else:
                x = convert_to_tensor(np.array([known], dtype=x.dtype.as_numpy_dtype), name=name)
        elif rank != 1:
            raise ValueError("Input is neither scalar nor vector.")
        return x, count

    def _set_sample_static_shape(self, x: Tensor, sample_shape: Tensor) -> Tensor:
        """Tell `x` what is known of its shape from the three shapes it is made of."""
        sample, batch, event = TensorShape(get_static_value(sample_shape)), self.batch_shape, self.event_shape
        rank = x.shape.ndims
        if rank is None and None not in (sample.ndims, batch.ndims, event.ndims):
            rank = len(sample) + len(batch) + len(event)
        if rank is None:
            return x

        def place(part: TensorShape, before: int) -> None:
            after = rank - before - len(part)
            x.set_shape(TensorShape([None] * before).concatenate(part).concatenate([None] * after))

        if sample.ndims is not None:
            place(sample, 0)
        if event.ndims is not None:
            place(event, rank - len(event))
        if batch.ndims is not None and sample.ndims is not None:
            place(batch, len(sample))
        elif batch.ndims is not None and event.ndims is not None:
            place(batch, rank - len(event) - len(batch))
        return x

    # Values

    def log_prob(self, value: Any, name: str = "log_prob") -> Tensor:
        """The logarithm of the density (or of the probability, if discrete) at `value`."""
        return self._call_log_prob(value, name)

    def _call_log_prob(self, value: Any, name: str, **kwargs: Any) -> Tensor:
        with self._value_scope(name, value) as x:
            return _first_implemented(
                lambda: self._log_prob(x, **kwargs),
                lambda: math.log(self._prob(x, **kwargs)),
            )

    def prob(self, value: Any, name: str = "prob") -> Tensor:
        """The density (or the probability, if discrete) at `value`."""
        return self._call_prob(value, name)

    def _call_prob(self, value: Any, name: str, **kwargs: Any) -> Tensor:
        with self._value_scope(name, value) as x:
            return _first_implemented(
                lambda: self._prob(x, **kwargs),
                lambda: math.exp(self._log_prob(x, **kwargs)),
            )

    def log_cdf(self, value: Any, name: str = "log_cdf") -> Tensor:
        """The logarithm of the probability of a draw of at most `value`."""
        return self._call_log_cdf(value, name)

    def _call_log_cdf(self, value: Any, name: str, **kwargs: Any) -> Tensor:
        with self._value_scope(name, value) as x:
            return _first_implemented(
                lambda: self._log_cdf(x, **kwargs),
                lambda: math.log(self._cdf(x, **kwargs)),
            )

    def cdf(self, value: Any, name: str = "cdf") -> Tensor:
        """The probability of a draw of at most `value`."""
        return self._call_cdf(value, name)

    def _call_cdf(self, value: Any, name: str, **kwargs: Any) -> Tensor:
        with self._value_scope(name, value) as x:
            return _first_implemented(
                lambda: self._cdf(x, **kwargs),
                lambda: math.exp(self._log_cdf(x, **kwargs)),
            )

    def log_survival_function(self, value: Any, name: str = "log_survival_function") -> Tensor:
        """The logarithm of the probability of a draw greater than `value`."""
        return self._call_log_survival_function(value, name)

    def _call_log_survival_function(self, value: Any, name: str, **kwargs: Any) -> Tensor:
        with self._value_scope(name, value) as x:
            return _first_implemented(
                lambda: self._log_survival_function(x, **kwargs),
                lambda: math.log1p(-self.cdf(x, **kwargs)),
            )

    def survival_function(self, value: Any, name: str = "survival_function") -> Tensor:
        """The probability of a draw greater than `value`."""
        return self._call_survival_function(value, name)

    def _call_survival_function(self, value: Any, name: str, **kwargs: Any) -> Tensor:
        with self._value_scope(name, value) as x:
            return _first_implemented(
                lambda: self._survival_function(x, **kwargs),
                lambda: 1.0 - self.cdf(x, **kwargs),
            )

    def quantile(self, value: Any, name: str = "quantile") -> Tensor:
        """The number that a draw is at most with probability `value`: the inverse of `cdf`."""
        return self._call_quantile(value, name)

    def _call_quantile(self, value: Any, name: str, **kwargs: Any) -> Tensor:
        with self._value_scope(name, value) as x:
            return self._quantile(x, **kwargs)

    # Statistics

    def entropy(self, name: str = "entropy") -> Tensor:
        """The Shannon entropy in nats, of the batch shape."""
        with self._name_scope(name):
            return self._entropy()

    def mean(self, name: str = "mean") -> Tensor:
        """The mean, of shape `batch_shape + event_shape`."""
        with self._name_scope(name):
            return self._mean()

    def mode(self, name: str = "mode") -> Tensor:
        """The most probable value, of shape `batch_shape + event_shape`."""
        with self._name_scope(name):
            return self._mode()

    def variance(self, name: str = "variance") -> Tensor:
        """The mean square of the distance from the mean, of shape `batch_shape + event_shape`."""
        with self._name_scope(name):
            return _first_implemented(self._variance, lambda: math.square(self._stddev()))

    def stddev(self, name: str = "stddev") -> Tensor:
        """The square root of the variance, of shape `batch_shape + event_shape`."""
        with self._name_scope(name):
            return _first_implemented(self._stddev, lambda: math.sqrt(self._variance()))

    def covariance(self, name: str = "covariance") -> Tensor:
        """The covariances of a vector's elements, of shape `batch_shape + (k, k)`."""
        with self._name_scope(name):
            return self._covariance()

    def cross_entropy(self, other: Distribution, name: str = "cross_entropy") -> Tensor:
        """The mean of `-other.log_prob` over draws of this distribution."""
        with self._name_scope(name):
            return self._cross_entropy(other)

    def _cross_entropy(self, other: Distribution) -> Tensor:
        return divergences.cross_entropy(self, other, allow_nan_stats=self.allow_nan_stats)

    def kl_divergence(self, other: Distribution, name: str = "kl_divergence") -> Tensor:
        """The Kullback-Leibler divergence of `other` from this distribution."""
        with self._name_scope(name):
            return self._kl_divergence(other)

    def _kl_divergence(self, other: Distribution) -> Tensor:
        return divergences.kl_divergence(self, other, allow_nan_stats=self.allow_nan_stats)

    # Texts and scopes

    def __str__(self) -> str:
        shapes = [
            f", {what}_shape={shape}"
            for what, shape in (("batch", self.batch_shape), ("event", self.event_shape))
            if shape.ndims is not None
        ]
        return f'tfp.distributions.{type(self).__name__}("{self.name}"{"".join(shapes)}, dtype={self.dtype.name})'

    def __repr__(self) -> str:
        return (
            f"<tfp.distributions.{type(self).__name__} '{self.name}' batch_shape={self.batch_shape} "
            f"event_shape={self.event_shape} dtype={self.dtype.name}>"
        )

    @contextmanager
    def _name_scope(self, name: str | None = None, values: list[Any] | None = None) -> Iterator[str]:
        with name_scope(self.name), name_scope(name, values=[*(values or []), *self._graph_parents]) as scope:
            yield scope

    @contextmanager
    def _value_scope(self, name: str, value: Any) -> Iterator[Tensor]:
        with self._name_scope(name, values=[value]):
            yield convert_to_tensor(value, name="value", preferred_dtype=self.dtype)


def _is_scalar(static: TensorShape, shape_tensor: Callable[[], Tensor]) -> Any:
    if static.ndims is not None:
        return static.ndims == 0
    shape = shape_tensor()
    sizes = shape.shape.as_list() if shape.shape.ndims is not None else [None]
    return sizes == [0] if sizes[0] is not None else math.equal(array.shape(shape)[0], 0)


def _without_formula(method: str) -> Callable[..., Any]:
    def missing(self: Distribution, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{method} is not implemented: {type(self).__name__}")

    missing.__name__ = f"_{method}"
    return missing


for _method in [name[1:] for name in Distribution.__annotations__]:
    setattr(Distribution, f"_{_method}", _without_formula(_method))
