"""`evergraph convert` and `evergraph freeze`: files into files of other formats."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from evergraph.cli import graphs, kinds
from evergraph.cli.printing import BadInput, progress
from evergraph.cli.weights import format_of, open_weights, write_weights
from evergraph.formats import files, large_constants
from evergraph.formats.text import to_text

MODELS = (".onnx", ".stablehlo", ".mlir")
WEIGHT_FILES = (".npz", ".safetensors", ".h5", ".hdf5")


class Choices(NamedTuple):
    """What of a graph is wanted."""

    inputs: list[str]
    outputs: list[str]
    shapes: dict[str, list[int]]
    signature: str
    tags: list[str]
    meta: str | None = None


def convert(found: kinds.Found, out: str, to: str | None, choices: Choices) -> dict[str, Any]:
    """Write what `found` names to `out`; gives what was done.

    Raises:
        BadInput: if the one format cannot become the other; nothing is written.
    """
    ending = os.path.splitext(out)[1].lower()
    if os.path.isdir(out):
        raise BadInput(f"{out} is a directory: give the name of the file to write")
    if os.path.exists(out) and os.path.exists(found.path) and os.path.samefile(out, found.path):
        raise BadInput(f"{out} is the file to read as well")
    is_model = ending in MODELS and to is None
    if found.kind in kinds.WEIGHTS and not is_model and ending not in (".pb", ".pbtxt"):
        return _weights(found, out, to)
    if to is not None:
        raise BadInput(f"--to is for weights, and {found.path} is {found.kind}")
    if is_model and found.kind in (kinds.GRAPH, kinds.SAVED_MODEL, kinds.CHECKPOINT):
        return _model(found, out, ending, choices)
    if found.kind == kinds.CHECKPOINT and ending in (".pb", ".pbtxt"):
        raise BadInput("a checkpoint and its graph become one frozen graph with: evergraph freeze CHECKPOINT OUT")
    message = _message(found)
    if message is not None and ending in (".pb", ".pbtxt", ".meta"):
        if ending == ".meta" and found.kind != kinds.META_GRAPH:
            raise BadInput(f"{found.path} is {found.kind}, of which no meta graph can be made")
        message = large_constants.to_file(out, message)
        data = to_text(message).encode() if graphs.is_text(out) else message.SerializeToString()
        files.write_file(out, data)
        return {"wrote": [out], "kind": found.kind}
    raise BadInput(
        f"{found.path} is {found.kind}, which cannot become {out!r}: weights become checkpoints, "
        f"{', '.join(WEIGHT_FILES)}; graphs .pb, .pbtxt, {', '.join(MODELS)}"
    )


def _weights(found: kinds.Found, out: str, to: str | None) -> dict[str, Any]:
    source = open_weights(found)
    kind = format_of(out, to)
    left_out = write_weights(out, kind, source, lambda names: progress(names, "converting"))
    wrote = [out] if kind != "v2" else [out + ".index", out + ".data-00000-of-00001"]
    total = sum(source.entries[n][2] for n in source if n not in left_out)
    return {"wrote": wrote, "tensors": len(source) - len(left_out), "bytes": total, "left_out": left_out}


def _message(found: kinds.Found) -> Any:
    if found.kind == kinds.GRAPH:
        return graphs.read_graph(found.path)
    if found.kind == kinds.META_GRAPH:
        return graphs.read_meta_graph(found.path)
    if found.kind == kinds.SAVED_MODEL:
        from evergraph.formats.savedmodel import read_saved_model

        return read_saved_model(os.path.dirname(found.path) if os.path.isfile(found.path) else found.path)
    return None


def _model(found: kinds.Found, out: str, ending: str, choices: Choices) -> dict[str, Any]:
    with graphs.opened(found, choices.inputs, choices.outputs, choices.signature, choices.tags, choices.meta) as model:
        if not model.outputs:
            raise BadInput(f"{found.path}: which tensors are the outputs? Give --outputs NAME,...")
        told: dict[str, Any] = {"inputs": list(model.inputs), "outputs": list(model.outputs)}
        if ending == ".onnx":
            from evergraph.training.onnx_files.model import to_onnx

            made = to_onnx(model.outputs, model.inputs, out, model.session)
            return {"wrote": [out], "nodes": len(made.graph.node), **told}
        from evergraph.training.stablehlo_files import to_stablehlo

        to_stablehlo(list(model.outputs.values()), model.inputs, out, model.session, choices.shapes)
        return {"wrote": [out, out + ".pb"], **told}


def freeze(found: kinds.Found, out: str, choices: Choices, clear_devices: bool) -> dict[str, Any]:
    """Write a graph with constants in place of variables."""
    from evergraph.training.graph_util import convert_variables_to_constants

    if found.kind not in (kinds.CHECKPOINT, kinds.SAVED_MODEL):
        raise BadInput(
            f"{found.path} is {found.kind}: a checkpoint with its meta graph, or a SavedModel, can be frozen"
        )
    if found.kind == kinds.CHECKPOINT and not choices.outputs:
        raise BadInput(
            "which ops are the outputs? Give --outputs NAME,... (`evergraph inspect` of the .meta file lists some)"
        )
    with graphs.opened(found, [], choices.outputs, choices.signature, choices.tags, choices.meta) as model:
        names = list(dict.fromkeys(t.op.name for t in model.outputs.values()))
        made = convert_variables_to_constants(model.session, model.session.graph.as_graph_def(), names)
    if clear_devices:
        for node in made.node:
            node.device = ""
    made = large_constants.to_file(out, made)
    files.write_file(out, to_text(made).encode() if graphs.is_text(out) else made.SerializeToString())
    return {"wrote": [out], "nodes": len(made.node), "bytes": made.ByteSize(), "outputs": names}


def split(texts: Sequence[str]) -> list[str]:
    """Names given one by one, or separated by commas."""
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]


def shapes(texts: Sequence[str]) -> dict[str, list[int]]:
    """`x=1,224,224,3` as name and sizes.

    >>> shapes(["x=1,3", "y="])
    {'x': [1, 3], 'y': []}
    """
    found = {}
    for text in texts:
        name, equals, sizes = text.partition("=")
        try:
            found[name] = [int(s) for s in sizes.split(",") if s.strip()]
        except ValueError:
            equals = ""
        if not equals:
            raise BadInput(f"a shape is given as NAME=1,224,224,3, not {text!r}")
    return found
