"""The Kullback-Leibler divergence of two distributions: a formula for each pair of kinds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from evergraph.framework.api import public
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math
from evergraph.ops.checks import Assert

F = TypeVar("F", bound=Callable[..., Any])

DIVERGENCES: dict[tuple[type, type], Callable[..., Tensor]] = {}


def registered_kl(kind_a: type, kind_b: type) -> Callable[..., Tensor] | None:
    """The formula of the nearest ancestors of the two kinds; the first found, of several equally near."""
    near = [
        (steps_a + steps_b, steps_a, (a, b))
        for steps_a, a in enumerate(kind_a.__mro__)
        for steps_b, b in enumerate(kind_b.__mro__)
        if (a, b) in DIVERGENCES
    ]
    return DIVERGENCES[min(near, key=lambda entry: entry[:2])[2]] if near else None


@public("distributions.kl_divergence", "contrib.distributions.kl_divergence")
def kl_divergence(
    distribution_a: Any, distribution_b: Any, allow_nan_stats: bool = True, name: str | None = None
) -> Tensor:
    """The Kullback-Leibler divergence of `distribution_b` from `distribution_a`: the mean of `log(a / b)` over `a`.

    Args:
        distribution_a: a `tf.distributions.Distribution`.
        distribution_b: another, of a kind for which a formula is registered (see `RegisterKL`).
        allow_nan_stats: whether the result may be NaN; else the run fails then.
        name: the name scope of the formula.

    Returns:
        `distribution_a.dtype`, the batch shape.

    Raises:
        NotImplementedError: if there is no formula for the two kinds.
    """
    formula = registered_kl(type(distribution_a), type(distribution_b))
    if formula is None:
        raise NotImplementedError(
            "No KL(distribution_a || distribution_b) registered for distribution_a type "
            f"{type(distribution_a).__name__} and distribution_b type {type(distribution_b).__name__}"
        )
    with name_scope("KullbackLeibler"):
        divergence = formula(distribution_a, distribution_b, name=name)
        if allow_nan_stats:
            return divergence
        divergence = array.identity(divergence, name="kl")
        text = (
            f"KL calculation between {distribution_a.name} and {distribution_b.name} returned NaN values "
            "(and was called with allow_nan_stats=False). Values:"
        )
        is_number = math.logical_not(math.reduce_any(math.is_nan(divergence)))
        with control_dependencies([Assert(is_number, [text, divergence])]):
            return array.identity(divergence, name="checked_kl")


def cross_entropy(ref: Any, other: Any, allow_nan_stats: bool = True, name: str | None = None) -> Tensor:
    """The mean of `-other.log_prob` over draws of `ref`."""
    with name_scope(name, "cross_entropy"):
        return ref.entropy() + kl_divergence(ref, other, allow_nan_stats=allow_nan_stats)


@public("distributions.RegisterKL", "contrib.distributions.RegisterKL")
class RegisterKL:
    """A decorator that makes a function the formula of `kl_divergence` for two kinds of distributions.

        @tf.distributions.RegisterKL(Normal, Normal)
        def divergence_of_normals(a, b, name=None): ...

    Raises:
        TypeError: if what is decorated is no function.
        ValueError: if there is a formula for the two kinds already.
    """

    def __init__(self, dist_cls_a: type, dist_cls_b: type) -> None:
        self._key = dist_cls_a, dist_cls_b

    def __call__(self, kl_fn: F) -> F:
        if not callable(kl_fn):
            raise TypeError(f"kl_fn must be callable, received: {kl_fn}")
        if self._key in DIVERGENCES:
            raise ValueError(
                f"KL({self._key[0].__name__} || {self._key[1].__name__}) has already been registered to: "
                f"{DIVERGENCES[self._key]}"
            )
        DIVERGENCES[self._key] = kl_fn
        return kl_fn
