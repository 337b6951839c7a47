"""Summaries of tensors, by what they are: scalars, or histograms."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public, publish
from evergraph.framework.scopes import GraphKeys, get_collection
from evergraph.ops import math
from evergraph.ops.summary.functions import histogram, scalar


def _names(name: str) -> tuple[str, ...]:
    return f"contrib.layers.{name}", f"contrib.layers.summaries.{name}"


def _add_scalar(tensor: Any, tag: str | None = None) -> Any:
    tensor.shape.assert_has_rank(0)
    return scalar(tag or f"{tensor.op.name}_summary", tensor)


@public(*_names("summarize_tensor"))
def summarize_tensor(tensor: Any, tag: str | None = None) -> Any:
    """A scalar's value, or a histogram; None for strings and bools."""
    if tensor.dtype.is_compatible_with(dtypes.string) or tensor.dtype.base_dtype == dtypes.bool:
        return None
    if tensor.shape.rank == 0:
        return _add_scalar(tensor, tag)
    return histogram(tag or f"{tensor.op.name}_summary", tensor)


@public(*_names("summarize_activation"))
def summarize_activation(op: Any) -> Any:
    """A histogram of a layer's outputs, and for rectifiers the fraction of units that are off."""

    def fraction(is_so: Any, tag: str) -> None:
        _add_scalar(math.reduce_mean(math.to_float(is_so)), f"{op.op.name}/{tag}")

    if op.op.type in ("Relu", "Softplus", "Relu6"):
        fed = op.op.inputs[0]
        fraction(math.less(fed, math.cast(0.0, fed.dtype)), "zeros")
    if op.op.type == "Relu6":
        fraction(math.greater(op.op.inputs[0], math.cast(6.0, op.op.inputs[0].dtype)), "sixes")
    return histogram(f"{op.op.name}/activation", op)


@public(*_names("summarize_tensors"))
def summarize_tensors(tensors: Any, summarizer: Callable[[Any], Any] = summarize_tensor) -> list[Any]:
    """A summary of each tensor."""
    return [summarizer(tensor) for tensor in tensors]


@public(*_names("summarize_collection"))
def summarize_collection(
    collection: str, name_filter: str | None = None, summarizer: Callable[[Any], Any] = summarize_tensor
) -> list[Any]:
    """A summary of each tensor of a collection whose op's name fits the regular expression `name_filter`."""
    found = [t for t in get_collection(collection) if name_filter is None or re.match(name_filter, t.op.name)]
    return summarize_tensors(found, summarizer)


@public(*_names("summarize_activations"))
def summarize_activations(
    name_filter: str | None = None, summarizer: Callable[[Any], Any] = summarize_activation
) -> list[Any]:
    """A summary of each tensor in `GraphKeys.ACTIVATIONS`."""
    return summarize_collection(GraphKeys.ACTIVATIONS, name_filter, summarizer)


for _kind, _key in (
    ("variables", GraphKeys.GLOBAL_VARIABLES),
    ("weights", GraphKeys.WEIGHTS),
    ("biases", GraphKeys.BIASES),
):
    for _name in _names(f"summarize_{_kind}"):
        publish(_name, functools.partial(summarize_collection, _key))
