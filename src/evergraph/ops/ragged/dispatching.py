"""The functions for tensors that take ragged tensors too, and what they mean then.

They are asked once the function itself has failed, since a ragged tensor does not convert to a tensor.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from evergraph.framework import api, dispatch, dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import control_dependencies
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops.parsing import raw as _raw
from evergraph.ops.ragged import concatenating, dynamic_shape, gathering, rearranging, reducing, selecting
from evergraph.ops.ragged.partitioning import stack_dynamic_partitions
from evergraph.ops.ragged.splits import splits_match
from evergraph.ops.ragged.tensor import RaggedTensor, is_ragged, match_row_splits_dtypes
from evergraph.ops.strings import base64_text, characters, hashing, joining, numbers, regular_expressions, unicode

_DECLARE = (_raw, base64_text, characters, hashing, numbers, regular_expressions, unicode)  # imported for their names

Build = Callable[..., Any]


@cache
def _first_parameters(function: Any) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)[:2]


def _named(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], count: int) -> tuple[list[Any], Any, Any]:
    """The first `count` arguments, and the others."""
    names = _first_parameters(function)[len(args) : count]
    return (
        [*args[:count], *(kwargs.get(n) for n in names)],
        args[count:],
        {k: v for k, v in kwargs.items() if k not in names},
    )


def unary(function: Any) -> Build:
    """Over the values of the first argument."""

    def handler(*args: Any, **kwargs: Any) -> Any:
        (x,), more, named = _named(function, args, kwargs, 1)
        return x.with_flat_values(function(x.flat_values, *more, **named)) if is_ragged(x) else NotImplemented

    return handler


def listed(function: Any) -> Build:
    """Over the values of ragged tensors with the same rows, in a list that is the first argument."""

    def handler(*args: Any, **kwargs: Any) -> Any:
        (x,), more, named = _named(function, args, kwargs, 1)
        if not isinstance(x, list | tuple) or not all(is_ragged(e) or _is_convertible(e) for e in x):
            return NotImplemented
        nested = [e.nested_row_splits for e in match_row_splits_dtypes(*x) if is_ragged(e)]
        if not nested:
            return NotImplemented
        flat = [e.flat_values if is_ragged(e) else e for e in x]
        with control_dependencies(splits_match(nested)):
            return RaggedTensor.from_nested_row_splits(function(flat, *more, **named), nested[0], validate=False)

    return handler


def binary(function: Any) -> Build:
    """Over the values of two arguments, broadcast to each other."""

    def handler(*args: Any, **kwargs: Any) -> Any:
        (x, y), more, named = _named(function, args, kwargs, 2)
        if not (is_ragged(x) or is_ragged(y)):
            return NotImplemented
        names = _first_parameters(function)
        try:
            if not is_ragged(x):
                x = convert_to_tensor(x, name=names[0], preferred_dtype=y.dtype)
            if not is_ragged(y):
                y = convert_to_tensor(y, name=names[1], preferred_dtype=x.dtype)
        except (TypeError, ValueError):
            return NotImplemented
        match_row_splits_dtypes(x, y)
        if _needs_broadcast(x, y):
            shape = dynamic_shape.broadcast_dynamic_shape(
                dynamic_shape.RaggedTensorDynamicShape.from_tensor(x),
                dynamic_shape.RaggedTensorDynamicShape.from_tensor(y),
            )
            x = dynamic_shape.broadcast_to(x, shape, broadcast_inner_dimensions=False)
            y = dynamic_shape.broadcast_to(y, shape, broadcast_inner_dimensions=False)
        flat = [v.flat_values if is_ragged(v) else v for v in (x, y)]
        result = function(*flat, *more, **named)
        return (x if is_ragged(x) else y).with_flat_values(result)

    return handler


def _needs_broadcast(x: Any, y: Any) -> bool:
    """Whether rows have to be compared: not if one is a tensor that fits the inner, uniform dimensions."""
    if is_ragged(x) and is_ragged(y):
        return True
    ragged, other = (x, y) if is_ragged(x) else (y, x)
    return ragged.flat_values.shape.ndims <= other.shape.ndims


def _is_convertible(value: Any) -> bool:
    if value is None or isinstance(value, Tensor | np.ndarray | int | float | str):
        return True
    if isinstance(value, SparseTensor):
        return False
    try:
        convert_to_tensor(value)
    except (TypeError, ValueError):
        return False
    return True


def replaced(ragged: Build, *names: str) -> Build:
    """By a function of its own, if one of the arguments `names` is ragged; `[name]` is a list of them."""
    parameters = list(inspect.signature(ragged).parameters)

    def handler(*args: Any, **kwargs: Any) -> Any:
        found = False
        for name in names:
            bare = name.strip("[]")
            position = parameters.index(bare)
            value = args[position] if position < len(args) else kwargs.get(bare)
            if name != bare and not isinstance(value, list | tuple):
                return NotImplemented
            several: Any = value if name != bare else (value,)
            for each in several:
                if is_ragged(each):
                    found = True
                elif not _is_convertible(each):
                    return NotImplemented
        return ragged(*args, **kwargs) if found else NotImplemented

    return handler


# Functions of their own, with the parameters that TF 1's have


def _gather(
    params: Any, indices: Any, validate_indices: Any = None, name: Any = None, axis: Any = 0, batch_dims: Any = 0
) -> Any:
    return gathering.gather(params, indices, validate_indices, 0 if axis is None else axis, batch_dims, name)


def _gather_nd(params: Any, indices: Any, name: Any = None, batch_dims: Any = 0) -> Any:
    return gathering.gather_nd(params, indices, batch_dims, name)


def _expand_dims(input: Any, axis: Any = None, name: Any = None, dim: Any = None) -> Any:
    return rearranging.expand_dims(input, axis if dim is None else dim, name)


def _size(input: Any, name: Any = None, out_type: Any = dtypes.int32) -> Any:
    return rearranging.size(input, out_type, name)


def _squeeze(input: Any, axis: Any = None, name: Any = None, squeeze_dims: Any = None) -> Any:
    if axis is not None and squeeze_dims is not None:
        raise ValueError("Cannot specify both 'axis' and 'squeeze_dims'")
    return rearranging.squeeze(input, squeeze_dims if axis is None else axis, name)


def _dynamic_partition(data: Any, partitions: Any, num_partitions: Any, name: Any = None) -> Any:
    if not isinstance(num_partitions, int) or num_partitions < 0:
        raise TypeError("num_partitions must be a non-negative integer")
    rows = stack_dynamic_partitions(data, partitions, num_partitions, name)
    return [rows[i] for i in range(num_partitions)]


def _old_names(axis: Any, old_axis: Any, keepdims: Any, old_keepdims: Any) -> tuple[Any, Any]:
    """`axis` and `keepdims`, which have other names in older programs."""
    for new, old, words in ((axis, old_axis, "axis reduction_indices"), (keepdims, old_keepdims, "keepdims keep_dims")):
        if new is not None and old is not None:
            raise ValueError("Cannot specify both '{}' and '{}'".format(*words.split()))
    return (old_axis if axis is None else axis), (old_keepdims if keepdims is None else keepdims)


def _reduction(ragged: Build) -> Build:
    def function(
        input_tensor: Any,
        axis: Any = None,
        keepdims: Any = None,
        name: Any = None,
        reduction_indices: Any = None,
        keep_dims: Any = None,
    ) -> Any:
        return ragged(input_tensor, *_old_names(axis, reduction_indices, keepdims, keep_dims), name)

    return function


def _reduce_join(
    inputs: Any,
    axis: Any = None,
    keep_dims: Any = None,
    separator: Any = "",
    name: Any = None,
    reduction_indices: Any = None,
    keepdims: Any = None,
) -> Any:
    axis, keepdims = _old_names(axis, reduction_indices, keepdims, keep_dims or None)
    return ragged_reduce_join(inputs, axis, keepdims, separator, name)


def ragged_reduce_join(
    inputs: Any, axis: Any = None, keepdims: Any = None, separator: Any = "", name: Any = None
) -> Any:
    """The strings of a ragged tensor joined along dimensions."""
    return reducing.reduced(
        joining.reduce_join,
        joining.unsorted_segment_join,
        inputs,
        axis,
        keepdims,
        separator,
        name or "RaggedSegmentJoin",
    )


UNARY = """check_numerics identity ones_like zeros_like clip_by_value bitwise.invert abs acos acosh angle asin asinh
    atan atanh cast ceil conj cos cosh digamma erf erfc exp expm1 floor imag is_finite is_inf is_nan lgamma log log1p
    log_sigmoid logical_not negative real reciprocal rint round rsqrt saturate_cast sign sin sinh sqrt square tan
    decode_compressed string_to_number string_to_hash_bucket as_string decode_base64 encode_base64
    strings.regex_full_match regex_replace string_strip string_to_hash_bucket_fast string_to_hash_bucket_strong substr
    strings.length strings.unicode_script"""
LISTED = "add_n string_join"
BINARY = """bitwise.bitwise_and bitwise.bitwise_or bitwise.bitwise_xor bitwise.left_shift bitwise.right_shift add atan2
    complex div_no_nan divide equal floordiv floormod greater greater_equal less less_equal logical_and logical_or
    logical_xor maximum minimum multiply not_equal pow realdiv squared_difference subtract truediv truncatediv
    truncatemod"""
REPLACED: dict[str, tuple[Any, ...]] = {
    "batch_gather": (gathering.batch_gather, "params", "indices"),
    "concat": (concatenating.concat, "[values]"),
    "expand_dims": (_expand_dims, "input"),
    "gather": (_gather, "params", "indices"),
    "gather_nd": (_gather_nd, "params", "indices"),
    "one_hot": (rearranging.one_hot, "indices"),
    "rank": (rearranging.rank, "input"),
    "size": (_size, "input"),
    "squeeze": (_squeeze, "input"),
    "stack": (concatenating.stack, "[values]"),
    "tile": (rearranging.tile, "input"),
    "where": (selecting.where, "condition", "x", "y"),
    "dynamic_partition": (_dynamic_partition, "data", "partitions"),
    "reduce_join": (_reduce_join, "inputs"),
    **{
        f"unsorted_segment_{kind}": (getattr(reducing, f"segment_{kind}"), "data", "segment_ids")
        for kind in ("sum", "prod", "min", "max", "mean", "sqrt_n")
    },
    **{
        f"reduce_{kind}": (_reduction(getattr(reducing, f"reduce_{kind}")), "input_tensor")
        for kind in ("sum", "prod", "min", "max", "mean", "any", "all")
    },
}


def _function(name: str) -> Any:
    namespace, _, last = name.rpartition(".")
    return api.NAMES[namespace][last]


def _register() -> None:
    for names, handler in ((UNARY, unary), (LISTED, listed), (BINARY, binary)):
        for name in names.split():
            function = _function(name)
            dispatch.add(function, handler(function))
    for name, entry in REPLACED.items():
        dispatch.add(_function(name), replaced(*entry))


_register()

__all__ = ["binary", "listed", "ragged_reduce_join", "replaced", "unary"]
