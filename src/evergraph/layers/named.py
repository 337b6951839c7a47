"""What layers take by name: activations, initializers, regularizers and constraints, and the names written in configs.

Each `..._of` takes what a user gives (None, a function or object, a name, or the dictionary that `described` made).
Regularizers and constraints register their classes in `REGULARIZERS` and `CONSTRAINTS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.tensor import Tensor
from evergraph.ops import activations, clip, initializers, math, softmax
from evergraph.ops.opdef import raw_op
from evergraph.ops.selecting import where


def linear_activation(x: Any) -> Any:
    """`x` itself."""
    return x


def softmax_activation(x: Any, axis: int = -1) -> Tensor:
    """Softmax over `axis`.

    Raises:
        ValueError: for a vector.
    """
    rank = x.shape.rank
    if rank == 2:
        return softmax.softmax(x)
    if rank > 2:
        e = math.exp(x - math.reduce_max(x, axis=axis, keepdims=True))
        return e / math.reduce_sum(e, axis=axis, keepdims=True)
    raise ValueError(f"Cannot apply softmax to a tensor that is 1D. Received input: {x}")


def elu_activation(x: Any, alpha: float = 1.0) -> Tensor:
    """`x` where positive, else `alpha * (exp(x) - 1)`."""
    result = activations.elu(x)
    return result if alpha == 1 else where(x > 0, result, alpha * result)


def selu_activation(x: Any) -> Tensor:
    """The scaled exponential linear unit, from its two constants."""
    return 1.0507009873554804934193349852946 * elu_activation(x, 1.6732632423543772848170429916717)


def hard_sigmoid_activation(x: Any) -> Tensor:
    """`0.2 * x + 0.5`, at least 0 and at most 1."""
    slope = convert_to_tensor(0.2, x.dtype.base_dtype)
    middle = convert_to_tensor(0.5, x.dtype.base_dtype)
    return clip.clip_by_value(raw_op("Add")(raw_op("Mul")(x, slope), middle), 0.0, 1.0)


_NAMES: dict[int, str] = {}  # by the id of an op, which has the name of its type: the name of the function


def _named(name: str, function: Any) -> Callable[..., Any]:
    def activation(x: Any) -> Tensor:
        return function(x)

    activation.__name__ = activation.__qualname__ = name
    activation.__doc__ = f"`tf.nn.{name}`."
    _NAMES[id(function)] = name
    return activation


ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "linear": linear_activation,
    "softmax": softmax_activation,
    "elu": elu_activation,
    "selu": selu_activation,
    "hard_sigmoid": hard_sigmoid_activation,
    "relu": _named("relu", activations.relu),
    "softplus": _named("softplus", activations.softplus),
    "softsign": _named("softsign", activations.softsign),
    "tanh": _named("tanh", math.tanh),
    "sigmoid": _named("sigmoid", math.sigmoid),
    "exponential": _named("exponential", math.exp),
}
for _name, _function in ACTIVATIONS.items():
    _function.__name__ = _name


class NarrowRandomUniform(initializers.RandomUniform):
    """Keras's defaults: between -0.05 and 0.05."""

    def __init__(self, minval: Any = -0.05, maxval: Any = 0.05, seed: Any = None, dtype: Any = dtypes.float32) -> None:
        super().__init__(minval=minval, maxval=maxval, seed=seed, dtype=dtype)


class NarrowRandomNormal(initializers.RandomNormal):
    """Keras's defaults: a standard deviation of 0.05."""

    def __init__(self, mean: Any = 0.0, stddev: Any = 0.05, seed: Any = None, dtype: Any = dtypes.float32) -> None:
        super().__init__(mean=mean, stddev=stddev, seed=seed, dtype=dtype)


class NarrowTruncatedNormal(initializers.TruncatedNormal):
    """Keras's defaults: a standard deviation of 0.05."""

    def __init__(self, mean: Any = 0.0, stddev: Any = 0.05, seed: Any = None, dtype: Any = dtypes.float32) -> None:
        super().__init__(mean=mean, stddev=stddev, seed=seed, dtype=dtype)


INITIALIZERS: dict[str, Callable[..., Any]] = {
    "zero": initializers.Zeros,
    "zeros": initializers.Zeros,
    "Zeros": initializers.Zeros,
    "one": initializers.Ones,
    "ones": initializers.Ones,
    "Ones": initializers.Ones,
    "constant": initializers.Constant,
    "Constant": initializers.Constant,
    "uniform": NarrowRandomUniform,
    "random_uniform": NarrowRandomUniform,
    "RandomUniform": NarrowRandomUniform,
    "normal": NarrowRandomNormal,
    "random_normal": NarrowRandomNormal,
    "RandomNormal": NarrowRandomNormal,
    "truncated_normal": NarrowTruncatedNormal,
    "TruncatedNormal": NarrowTruncatedNormal,
    "VarianceScaling": initializers.VarianceScaling,
    "orthogonal": initializers.Orthogonal,
    "Orthogonal": initializers.Orthogonal,
    "identity": initializers.Identity,
    "Identity": initializers.Identity,
    "glorot_uniform": initializers.GlorotUniform,
    "GlorotUniform": initializers.GlorotUniform,
    "glorot_normal": initializers.GlorotNormal,
    "GlorotNormal": initializers.GlorotNormal,
    "lecun_normal": initializers.lecun_normal,
    "lecun_uniform": initializers.lecun_uniform,
    "he_normal": initializers.he_normal,
    "he_uniform": initializers.he_uniform,
}
REGULARIZERS: dict[str, Callable[..., Any]] = {}
CONSTRAINTS: dict[str, Callable[..., Any]] = {}


def activation_of(given: Any) -> Any:
    """The activation function for what a user gave; the identity for None."""
    if given is None:
        return ACTIVATIONS["linear"]
    if isinstance(given, str):
        if given not in ACTIVATIONS:
            raise ValueError(f"Unknown activation function:{given}")
        return ACTIVATIONS[given]
    if callable(given):
        return given
    raise TypeError(f"Could not interpret activation function identifier: {given!r}")


def initializer_of(given: Any) -> Any:
    """The initializer for what a user gave."""
    return _object(given, INITIALIZERS, "initializer")


def regularizer_of(given: Any) -> Any:
    """The regularizer for what a user gave."""
    return _object(given, REGULARIZERS, "regularizer")


def constraint_of(given: Any) -> Any:
    """The constraint for what a user gave."""
    return _object(given, CONSTRAINTS, "constraint")


def _object(given: Any, table: dict[str, Callable[..., Any]], what: str) -> Any:
    if isinstance(given, str):
        given = {"class_name": given, "config": {}}
    if isinstance(given, dict):
        if given.get("class_name") not in table:
            raise ValueError(f"Unknown {what}: {given.get('class_name')}")
        return table[given["class_name"]](**given["config"])
    if given is None or callable(given):
        return given
    raise ValueError(f"Could not interpret {what} identifier: {given}")


def described(thing: Any) -> Any:
    """A name, or a dictionary with the class and its arguments, from which `..._of` gives the object again."""
    if thing is None:
        return None
    if hasattr(thing, "get_config"):
        name = getattr(thing, "config_name", type(thing).__name__)
        return {"class_name": name.removeprefix("Narrow"), "config": thing.get_config()}
    if hasattr(thing, "__name__"):
        return _NAMES.get(id(thing), thing.__name__)
    raise ValueError(f"Cannot serialize {thing}")
