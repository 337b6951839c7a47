"""Checking and converting what a program feeds."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes, errors, shapes
from evergraph.framework.convert import as_bytes
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor


def feed_tensor(graph: Any, key: Any) -> Tensor:
    """The tensor that a key of a feed_dict names.

    Raises:
        TypeError: if it names none.
        ValueError: if that tensor may not be fed.
    """
    try:
        tensor = graph.as_graph_element(key, allow_operation=False)
    except Exception as error:
        text = error.args[0] if error.args else error
        raise TypeError(f"Cannot interpret feed_dict key as Tensor: {text}") from None
    if not graph.is_feedable(tensor):
        raise ValueError(f"Tensor {tensor} may not be fed.")
    return tensor


def feed_array(tensor: Tensor, value: Any) -> np.ndarray:
    """`value` as the array that takes the place of `tensor`.

    Raises:
        TypeError, ValueError: if it does not have the tensor's type or shape.
    """
    kind = tensor.dtype._base
    if type(value) is np.ndarray and value.dtype == kind.np and kind._kind != "S":
        array = value
    elif hasattr(value, "block_until_ready") and value.dtype == kind.np:
        array = value  # a JAX array stays where it is
    else:
        array = _converted(tensor, kind, value)
    wanted = tensor.static_shape
    if wanted is not None and array.shape != wanted:
        got = array.shape
        if len(got) != len(wanted) or any(w is not None and w != g for w, g in zip(wanted, got, strict=True)):
            raise ValueError(
                f"Cannot feed value of shape {got!r} for Tensor {tensor.name!r}, which has shape "
                f"{shapes.shape_text(wanted)!r}"
            )
    return array


def _converted(tensor: Tensor, kind: dtypes.DType, value: Any) -> np.ndarray:
    if hasattr(value, "held_tensor") and kind._kind != "S":
        value = value.held_tensor()  # the handle of a value in a session
    if isinstance(value, Tensor | Operation) or hasattr(value, "_as_graph_element") and not isinstance(value, str):
        raise TypeError(
            "The value of a feed cannot be a tf.Tensor object. Acceptable feed values include Python scalars, strings, "
            f"lists, numpy ndarrays, or TensorHandles. For reference, the tensor object was {value} which was passed "
            f"to the feed with key {tensor}."
        )
    if kind._kind == "S":
        if type(value) is int:
            raise TypeError(
                f"Type of feed value {value} with type {type(value)} is not compatible with Tensor type "
                f"{kind.as_numpy_dtype}. Try explicitly setting the type of the feed tensor to a larger type (e.g. "
                "int64)."
            )
        array = given_strings(value)
        if set(map(type, array.ravel().tolist())) <= {bytes}:
            return array
        encoded = np.empty(array.shape, object)
        for i, text in enumerate(array.reshape(-1)):
            if not isinstance(text, str | bytes):
                raise errors.InternalError(None, None, f"Unsupported object type {type(text).__name__}")
            encoded.reshape(-1)[i] = as_bytes(text)
        return encoded
    if kind._kind in "RV":
        boxed = np.empty((), object)
        boxed[()] = value
        return value if isinstance(value, np.ndarray) else boxed
    if isinstance(value, int) and not isinstance(value, bool) and kind._kind in "iu":
        limits = np.iinfo(kind.np)
        if not limits.min <= value <= limits.max:
            raise TypeError(
                f"Type of feed value {value} with type {type(value)} is not compatible with Tensor type "
                f"{kind.as_numpy_dtype}. Try explicitly setting the type of the feed tensor to a larger type (e.g. "
                "int64)."
            )
    try:
        return np.asarray(value, dtype=kind.np)
    except (TypeError, ValueError, OverflowError) as error:
        raise type(error)(
            f"{error}: cannot feed {tensor.name!r} of type {kind.name} with {_brief(value)} of type "
            f"{type(value).__name__!r}"
        ) from None


def given_strings(value: Any) -> np.ndarray:
    """Fed strings as they were given, `str` or `bytes`: what TF gives for a fetch of a fed tensor."""
    try:
        return np.asarray(value, dtype=object)
    except ValueError:  # rows of different lengths
        raise errors.InternalError(None, None, "Unsupported object type list") from None


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
