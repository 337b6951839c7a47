"""Summaries of numbers: a scalar, a histogram, any tensor; and several summaries as one."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.formats import messages
from evergraph.formats.histogram import histogram
from evergraph.formats.tensors import array_to_proto
from evergraph.framework.dtypes import DType
from evergraph.framework.shapes import Shape
from evergraph.ops.opdef import kernel_error, op


def scalar_shape(*inputs: Any) -> Shape:
    return ()


def serialized(summary: Any) -> np.ndarray:
    return np.array(summary.SerializeToString(), object)


def one_tag(tag: Any) -> str:
    tag = np.asarray(tag, object)
    if tag.ndim:
        raise kernel_error("tags must be scalar")
    return tag.reshape(-1)[0].decode("utf-8", "replace")


@op("ScalarSummary", host=True, differentiable=False, shape=scalar_shape)
def scalar_summary(xp: Any, tags: Any, values: Any) -> np.ndarray:
    """A number for each tag."""
    tags, values = np.asarray(tags, object), np.asarray(values)
    if tags.shape != values.shape:
        single = f" (tag '{tags.reshape(-1)[0].decode()}')" if tags.size == 1 else ""
        shapes = f"{_bracketed(tags)} != {_bracketed(values)}"
        raise kernel_error(f"tags and values not the same shape: {shapes}{single}")
    summary = messages.Summary()
    with np.errstate(over="ignore"):
        numbers = values.reshape(-1).astype(np.float32).tolist()
    for tag, number in zip(tags.reshape(-1).tolist(), numbers):
        summary.value.add(tag=tag.decode("utf-8", "replace"), simple_value=number)
    return serialized(summary)


def _bracketed(array: np.ndarray) -> str:
    return "[" + ",".join(map(str, array.shape)) + "]"


@op("HistogramSummary", host=True, differentiable=False, shape=scalar_shape)
def histogram_summary(xp: Any, tag: Any, values: Any) -> np.ndarray:
    """How the values are distributed."""
    return serialized(histogram_of(one_tag(tag), values))


def histogram_of(name: str, values: Any) -> Any:
    """A `Summary` of how values are distributed."""
    values = np.asarray(values).astype(np.float64)
    if not np.isfinite(values).all():
        first = values[~np.isfinite(values)][0]
        raise kernel_error(f"{'Nan' if np.isnan(first) else 'Infinity'} in summary histogram for: {name}")
    summary = messages.Summary()
    summary.value.add(tag=name).histo.CopyFrom(histogram(values))
    return summary


@op("TensorSummaryV2", host=True, differentiable=False, shape=scalar_shape)
def tensor_summary_v2(xp: Any, tag: Any, tensor: Any, serialized_summary_metadata: Any, *, T: DType) -> np.ndarray:
    """A tensor with a word on what shows it: a serialized `SummaryMetadata`."""
    summary = messages.Summary()
    value = summary.value.add(tag=one_tag(tag))
    put_tensor(value, tensor, T)
    try:
        value.metadata.ParseFromString(np.asarray(serialized_summary_metadata, object).reshape(-1)[0])
    except Exception as error:  # protobuf's own class has no public name that all its releases share
        raise kernel_error(f"serialized_summary_metadata is no SummaryMetadata: {error}") from None
    value.metadata.SetInParent()
    return serialized(summary)


@op("TensorSummary", host=True, differentiable=False, shape=scalar_shape)
def tensor_summary_v1(xp: Any, tensor: Any, *, T: DType) -> np.ndarray:
    """A tensor."""
    summary = messages.Summary()
    put_tensor(summary.value.add(), tensor, T)
    return serialized(summary)


def put_tensor(value: Any, tensor: Any, kind: DType) -> None:
    array = np.asarray(tensor)
    value.tensor.CopyFrom(array_to_proto(array, int(kind)))
    if kind.name != "string" and not value.tensor.tensor_content and array.size:
        # TensorFlow's kernel always writes raw bytes, its Python only for some types and sizes.
        stored = kind.np[0] if kind.np.names else kind.np
        made = messages.TensorProto(dtype=int(kind), tensor_content=array.view(stored).tobytes())
        made.tensor_shape.CopyFrom(value.tensor.tensor_shape)
        value.tensor.CopyFrom(made)


@op("MergeSummary", host=True, differentiable=False, shape=scalar_shape)
def merge_summary(xp: Any, inputs: Any) -> np.ndarray:
    """All values of several summaries in one."""
    merged = messages.Summary()
    for text in (item for array in inputs for item in np.asarray(array, object).reshape(-1).tolist()):
        try:
            merged.MergeFromString(text)
        except Exception:  # protobuf's own class has no public name that all its releases share
            raise kernel_error("Could not parse one of the summary inputs") from None
    seen: set[str] = set()
    for value in merged.value:
        if value.tag and value.tag in seen:
            raise kernel_error(f"Duplicate tag {value.tag} found in summary inputs")
        seen.add(value.tag)
    return serialized(merged)
