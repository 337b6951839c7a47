"""`tf.summary.scalar` and its siblings: they build a summary op under a name that is also its tag."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from evergraph.framework import convert, dtypes, log
from evergraph.framework.api import public
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import GraphKeys, name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import raw_op
from evergraph.ops.summary.media import image_summary

_NOT_IN_TAGS = re.compile(r"[^-/\w\.]")


def clean_tag(name: str | None) -> str | None:
    """`name` with what a tag cannot hold replaced by underscores, and without slashes in front."""
    if name is None:
        return None
    clean = _NOT_IN_TAGS.sub("_", name).lstrip("/")
    if clean != name:
        log.info("Summary name %s is illegal; using %s instead.", name, clean)
    return clean


@contextmanager
def summary_scope(
    name: str | None, family: str | None = None, default_name: str | None = None, values: Any = None
) -> Iterator[tuple[str, str]]:
    """The tag and the name scope of a summary op."""
    name, family = clean_tag(name), clean_tag(family)
    base = name if family is None else f"{family}/{name}"
    with name_scope(base, default_name, values) as scope:
        tag = scope.rstrip("/")
        yield tag if family is None else f"{family}/{tag}", scope


def collect(value: Tensor, collections: Any, default_collections: list[str]) -> None:
    """Add a summary to collections."""
    for key in default_collections if collections is None else collections:
        get_default_graph().add_to_collection(key, value)


_SUMMARIES = [GraphKeys.SUMMARIES]


@public("summary.scalar")
def scalar(name: str, tensor: Any, collections: Any = None, family: str | None = None) -> Tensor:
    """Summarize a number.

    Args:
        name: the op's name and, inside of the name scope, the tag.
        tensor: a real scalar.
        collections: the collections to add it to; `[GraphKeys.SUMMARIES]` by default.
        family: a prefix of the tag, which groups summaries in TensorBoard.

    Returns:
        A string scalar: a serialized `Summary`.

    >>> summary = tf.Summary.FromString(sess.run(tf.summary.scalar("loss", 0.5)))
    >>> summary.value[0].tag, summary.value[0].simple_value
    ('loss', 0.5)
    """
    with summary_scope(name, family, values=[tensor]) as (tag, scope):
        made = raw_op("ScalarSummary")(tags=tag, values=tensor, name=scope)
        collect(made, collections, _SUMMARIES)
    return made


@public("summary.image")
def image(name: str, tensor: Any, max_outputs: int = 3, collections: Any = None, family: str | None = None) -> Tensor:
    """Summarize images.

    Args:
        name: the op's name and tag; the images' tags are `name/image/0` and so on.
        tensor: uint8 or float, shape [batch, height, width, channels] with 1, 3 or 4 channels.
        max_outputs: how many images to keep.
        collections, family: as for `scalar`.

    Returns:
        A string scalar: a serialized `Summary`.
    """
    with summary_scope(name, family, values=[tensor]) as (tag, scope):
        made = image_summary(tag=tag, tensor=tensor, max_images=max_outputs, name=scope)
        collect(made, collections, _SUMMARIES)
    return made


@public("summary.histogram")
def histogram(name: str, values: Any, collections: Any = None, family: str | None = None) -> Tensor:
    """Summarize how values are distributed.

    Args:
        name: the op's name and tag.
        values: real numbers of any shape.
        collections, family: as for `scalar`.

    Returns:
        A string scalar: a serialized `Summary`.

    Raises:
        InvalidArgumentError: at run time, for a value that is infinite or no number.
    """
    with summary_scope(name, family, values=[values], default_name="HistogramSummary") as (tag, scope):
        made = raw_op("HistogramSummary")(tag=tag, values=values, name=scope)
        collect(made, collections, _SUMMARIES)
    return made


@public("summary.audio")
def audio(
    name: str, tensor: Any, sample_rate: Any, max_outputs: int = 3, collections: Any = None, family: str | None = None
) -> Tensor:
    """Summarize sound.

    Args:
        name: the op's name and tag; the tags are `name/audio/0` and so on.
        tensor: float32 between -1 and 1, shape [batch, frames] or [batch, frames, channels].
        sample_rate: float32 scalar, in hertz.
        max_outputs: how many to keep.
        collections, family: as for `scalar`.

    Returns:
        A string scalar: a serialized `Summary`.
    """
    with summary_scope(name, family, values=[tensor]) as (tag, scope):
        rate = convert.convert_to_tensor(sample_rate, dtype=dtypes.float32, name="sample_rate")
        made = raw_op("AudioSummaryV2")(tag=tag, tensor=tensor, max_outputs=max_outputs, sample_rate=rate, name=scope)
        collect(made, collections, _SUMMARIES)
    return made


@public("summary.text")
def text(name: str, tensor: Any, collections: Any = None) -> Tensor:
    """Summarize strings, which TensorBoard shows as Markdown; a matrix becomes a table.

    Raises:
        ValueError: if `tensor` does not hold strings.
    """
    from evergraph.formats import messages

    if tensor.dtype != dtypes.string:
        raise ValueError(f"Expected tensor {tensor.name} to have dtype string, got {tensor.dtype}")
    metadata = messages.SummaryMetadata()
    metadata.plugin_data.plugin_name = "text"
    return tensor_summary(name=name, tensor=tensor, summary_metadata=metadata, collections=collections)


@public("summary.tensor_summary")
def tensor_summary(
    name: str,
    tensor: Any,
    summary_description: str | None = None,
    collections: Any = None,
    summary_metadata: Any = None,
    family: str | None = None,
    display_name: str | None = None,
) -> Tensor:
    """Summarize a tensor of any type, for a plugin of TensorBoard's.

    Args:
        name: the op's name and tag.
        tensor: what to keep.
        summary_description: a text to show with it.
        collections, family: as for `scalar`.
        summary_metadata: a `SummaryMetadata` that names the plugin.
        display_name: a name to show.

    Returns:
        A string scalar: a serialized `Summary`.
    """
    from evergraph.formats import messages

    metadata = messages.SummaryMetadata() if summary_metadata is None else summary_metadata
    if summary_description is not None:
        metadata.summary_description = summary_description
    if display_name is not None:
        metadata.display_name = display_name
    with summary_scope(name, family, values=[tensor]) as (tag, scope):
        made = raw_op("TensorSummaryV2")(
            tensor=tensor, tag=tag, name=scope, serialized_summary_metadata=metadata.SerializeToString()
        )
        collect(made, collections, _SUMMARIES)
    return made


@public("summary.merge")
def merge(inputs: Any, collections: Any = None, name: str | None = None) -> Tensor:
    """One summary with all values of `inputs`.

    Args:
        inputs: a list of serialized summaries.
        collections: the collections to add it to; none by default.
        name: the op's name.

    Raises:
        InvalidArgumentError: at run time, if two values have one tag.
    """
    name = clean_tag(name)
    with name_scope(name, "Merge", inputs):
        made = raw_op("MergeSummary")(inputs=inputs, name=name)
        collect(made, collections, [])
    return made


@public("summary.merge_all")
def merge_all(key: str = GraphKeys.SUMMARIES, scope: str | None = None, name: str | None = None) -> Tensor | None:
    """One summary with all that the default graph has collected; None if there are none.

    Args:
        key: which collection.
        scope: a regular expression: only summaries whose name it matches from the start.
        name: the op's name.
    """
    found = get_default_graph().get_collection(key, scope=scope)
    return merge(found, name=name) if found else None


@public("summary.get_summary_description")
def get_summary_description(node_def: Any) -> Any:
    """The `SummaryDescription` in the attributes of a `TensorSummary` node.

    Raises:
        ValueError: for a node of another type.
    """
    from google.protobuf import json_format

    from evergraph.formats import messages

    if node_def.op != "TensorSummary":
        raise ValueError(f"Can't get_summary_description on {node_def.op}")
    return json_format.Parse(node_def.attr["description"].s.decode(), messages.SummaryDescription())


@public("summary.all_v2_summary_ops")
def all_v2_summary_ops() -> list[Any]:
    """The ops that write summaries to files by themselves; an empty list, as long as the graph has none."""
    return get_default_graph().get_collection(GraphKeys._SUMMARY_COLLECTION)
