"""`evergraph inspect`: what is in a file, as plain data. `showing.py` prints it."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

from evergraph.cli import kinds
from evergraph.cli.graphs import inputs_of, outputs_of, read_graph, read_meta_graph
from evergraph.cli.printing import BadInput, progress
from evergraph.cli.weights import open_weights


def look(found: kinds.Found) -> dict[str, Any]:
    """Describe a file: a dict of names, numbers and lists."""
    if found.kind in kinds.WEIGHTS:
        told = _weights(found)
    elif found.kind == kinds.GRAPH:
        told = graph(read_graph(found.path))
    elif found.kind == kinds.META_GRAPH:
        told = meta_graph(read_meta_graph(found.path))
    elif found.kind == kinds.SAVED_MODEL:
        told = _saved_model(found.path)
    elif found.kind == kinds.EVENTS:
        told = _events(found.path)
    else:
        told = _records(found.path)
    return {"kind": found.kind, "path": found.path, **told}


def _weights(found: kinds.Found) -> dict[str, Any]:
    weights = open_weights(found)
    entries: list[dict[str, Any]] = [
        {"name": name, "dtype": dtype, "shape": list(shape), "bytes": size}
        for name, (dtype, shape, size) in weights.entries.items()
    ]
    elements = 0
    for entry in entries:
        count = 1
        for size in entry["shape"]:
            count *= size
        elements += count
    total = {"tensors": len(entries), "elements": elements, "bytes": sum(e["bytes"] for e in entries)}
    return {"format": weights.format, "tensors": entries, "total": total}


def graph(graph_def: Any) -> dict[str, Any]:
    """Describe a `GraphDef`."""
    counts = Counter(node.op for node in graph_def.node)
    constants = sum(node.attr["value"].tensor.ByteSize() for node in graph_def.node if node.op == "Const")
    return {
        "nodes": len(graph_def.node),
        "bytes": graph_def.ByteSize(),
        "constant_bytes": constants,
        "producer": graph_def.versions.producer,
        "inputs": inputs_of(graph_def),
        "outputs": outputs_of(graph_def),
        "ops": dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
        "functions": [f.signature.name for f in graph_def.library.function],
    }


def meta_graph(message: Any) -> dict[str, Any]:
    """Describe a `MetaGraphDef`."""
    collections = {
        name: sum(len(values.value) for _, values in collection.ListFields())
        for name, collection in sorted(message.collection_def.items())
    }
    return {
        "tags": list(message.meta_info_def.tags),
        "written_by": message.meta_info_def.tensorflow_version,
        "signatures": {name: _signature(s) for name, s in sorted(message.signature_def.items())},
        "graph": graph(message.graph_def),
        "collections": collections,
        "saver": message.saver_def.restore_op_name or None,
    }


def _signature(signature: Any) -> dict[str, Any]:
    def tensors(infos: Any) -> dict[str, Any]:
        return {name: _tensor_info(info) for name, info in sorted(infos.items())}

    return {
        "method": signature.method_name,
        "inputs": tensors(signature.inputs),
        "outputs": tensors(signature.outputs),
    }


def _tensor_info(info: Any) -> dict[str, Any]:
    from evergraph.framework import dtypes

    shape = info.tensor_shape
    try:
        kind = dtypes.as_dtype(info.dtype).name
    except TypeError:
        kind = f"type {info.dtype}"
    return {
        "tensor": info.name or f"sparse: {info.coo_sparse.values_tensor_name}",
        "dtype": kind,
        "shape": None if shape.unknown_rank else [None if d.size < 0 else d.size for d in shape.dim],
    }


def _saved_model(path: str) -> dict[str, Any]:
    from evergraph.formats.savedmodel import asset_files, read_saved_model, variables_prefix

    folder = os.path.dirname(path) if os.path.isfile(path) else path
    message = read_saved_model(folder)
    if not message.meta_graphs:
        raise BadInput(f"{path}: this SavedModel holds no graph")
    told: dict[str, Any] = {"meta_graphs": [meta_graph(m) for m in message.meta_graphs]}
    told["assets"] = sorted({a.filename for m in message.meta_graphs for a in asset_files(m)})
    prefix = variables_prefix(folder)
    has_variables = os.path.exists(prefix + ".index")
    told["variables"] = _weights(kinds.Found(kinds.CHECKPOINT, prefix)) if has_variables else None
    return told


def _events(path: str) -> dict[str, Any]:
    from evergraph.formats.events import read_events

    paths = [path]
    if os.path.isdir(path):
        paths = [os.path.join(path, n) for n in sorted(os.listdir(path)) if "tfevents" in n]
    tags: dict[str, dict[str, Any]] = {}
    count, others = 0, Counter[str]()
    steps: list[int] = []
    times: list[float] = []
    for one in paths:
        for event in progress(read_events(one), "events"):
            count += 1
            times = [min([event.wall_time, *times[:1]]), max([event.wall_time, *times[1:]])]
            what = event.WhichOneof("what")
            if what == "summary":
                steps = [min([event.step, *steps[:1]]), max([event.step, *steps[1:]])]
                for value in event.summary.value:
                    _note_value(tags, value, event.step)
            elif what is not None and what != "file_version":
                others[what] += 1
    return {
        "files": paths,
        "events": count,
        "steps": steps or None,
        "seconds": times[1] - times[0] if times else None,
        "tags": dict(sorted(tags.items())),
        "others": dict(others),
    }


def _note_value(tags: dict[str, dict[str, Any]], value: Any, step: int) -> None:
    kind = value.WhichOneof("value") or "nothing"
    kind = {"simple_value": "scalar", "histo": "histogram"}.get(kind, kind)
    plugin = value.metadata.plugin_data.plugin_name
    found = tags.setdefault(
        value.tag,
        {"kind": kind, "count": 0, "first_step": step, "last_step": step, **({"plugin": plugin} if plugin else {})},
    )
    found["count"] += 1
    found["first_step"], found["last_step"] = min(found["first_step"], step), max(found["last_step"], step)
    if kind == "scalar":
        found["last"] = value.simple_value
    elif kind == "tensor" and found.get("plugin") == "scalars":  # as TensorFlow 2 writes them
        last = _scalar(value.tensor)
        if last is not None:
            found["last"] = last


def _scalar(tensor: Any) -> float | None:
    """The number that a `TensorProto` holds; None if it is something else."""
    from evergraph.formats.tensors import proto_to_array

    try:
        array = proto_to_array(tensor)
    except (TypeError, ValueError):
        return None
    return float(array.item()) if array.size == 1 and array.dtype.kind in "biuf" else None


def _records(path: str) -> dict[str, Any]:
    from evergraph.formats.tfrecord import read_records

    compression = _compression(path)
    count = size = 0
    longest, shortest = 0, None
    features: dict[str, dict[str, Any]] = {}
    is_example = True
    for record in progress(read_records(path, compression), "records"):
        count += 1
        size += len(record)
        longest = max(longest, len(record))
        shortest = len(record) if shortest is None else min(shortest, len(record))
        is_example = is_example and _note_example(features, record)
    told: dict[str, Any] = {"compression": compression, "records": count, "bytes": size}
    told["record_bytes"] = None if shortest is None else [shortest, longest]
    told["features"] = dict(sorted(features.items())) if is_example and count else None
    return told


def _compression(path: str) -> str:
    with open(path, "rb") as file:
        head = file.read(12)
    if head.startswith(b"\x1f\x8b"):
        return "GZIP"
    if kinds.starts_a_record(head):
        return ""
    return "ZLIB" if head[:1] == b"\x78" and int.from_bytes(head[:2], "big") % 31 == 0 else ""


def _note_example(features: dict[str, dict[str, Any]], record: bytes) -> bool:
    """Add what a record says as an `Example`; False if it is none."""
    from evergraph.formats import messages

    try:
        example = messages.Example.FromString(record)
    except Exception:  # protobuf's own class has no public name that all its releases share
        return False
    if record and not example.features.feature:
        return False
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        values = getattr(feature, kind).value if kind else ()
        found = features.setdefault(name, {"kind": None, "in_records": 0, "lengths": [len(values), len(values)]})
        found["in_records"] += 1
        name_of_kind = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}.get(kind or "", "empty")
        known = (found["kind"] or name_of_kind).split(" or ")
        found["kind"] = " or ".join(dict.fromkeys([*known, name_of_kind]))
        found["lengths"] = [min(found["lengths"][0], len(values)), max(found["lengths"][1], len(values))]
    return True
