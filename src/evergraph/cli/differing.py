"""`evergraph diff`: what one file has that the other has not, and where both differ, as plain data."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from evergraph.cli import kinds
from evergraph.cli.graphs import read_graph, read_meta_graph
from evergraph.cli.printing import BadInput, count_text, progress, shape_text, table
from evergraph.cli.weights import Weights, open_weights


def differences(first: kinds.Found, second: kinds.Found, tolerance: float) -> dict[str, Any]:
    """Compare two files: the names that only one of them has, and what differs. `same` says whether nothing does."""
    if first.kind in kinds.WEIGHTS and second.kind in kinds.WEIGHTS:
        told = _weights(open_weights(first), open_weights(second), tolerance)
    elif first.kind not in kinds.WEIGHTS and second.kind not in kinds.WEIGHTS:
        told = _graphs(_graph_def(first), _graph_def(second))
    else:
        raise BadInput(f"{first.path} is {first.kind}, and {second.path} is {second.kind}: they cannot be compared")
    same = not (told["missing"] or told["extra"] or told["different"])
    return {"a": first.path, "b": second.path, "same": same, **told}


def _weights(first: Weights, second: Weights, tolerance: float) -> dict[str, Any]:
    names_a, names_b = _names(first), _names(second)
    different = []
    both = sorted(names_a.keys() & names_b.keys())
    for name in progress(both, "comparing"):
        found = _tensor(first, names_a[name], second, names_b[name], tolerance)
        if found is not None:
            different.append({"name": name, **found})
    different.sort(key=lambda d: -(d.get("largest") or float("inf")))
    return {
        "what": "tensor",
        "compared": len(both),
        "missing": sorted(names_a.keys() - names_b.keys()),
        "extra": sorted(names_b.keys() - names_a.keys()),
        "different": different,
    }


def _names(weights: Weights) -> dict[str, str]:
    """Name to the name in the file: HDF5 files end theirs with the number of the output."""
    plain = {n.removesuffix(":0") if weights.format == "HDF5" else n: n for n in weights}
    return plain if len(plain) == len(weights) else {n: n for n in weights}


def _tensor(first: Weights, name_a: str, second: Weights, name_b: str, tolerance: float) -> dict[str, Any] | None:
    type_a, shape_a, _ = first.entries[name_a]
    type_b, shape_b, _ = second.entries[name_b]
    is_text_a, is_text_b = (t == "string" or t.startswith(("bytes", "str")) for t in (type_a, type_b))
    if type_a != type_b and not (is_text_a and is_text_b):
        return {"type": [type_a, type_b]}
    if shape_a != shape_b:
        return {"shape": [list(shape_a), list(shape_b)]}
    a, b = first[name_a], second[name_b]
    if is_text_a:
        wrong = sum(x != y for x, y in zip(_texts(a), _texts(b), strict=True))
        return {"elements": wrong, "of": a.size} if wrong else None
    if a.dtype.names or a.dtype.kind == "b":
        unequal = a != b
        return {"elements": int(unequal.sum()), "of": a.size} if unequal.any() else None
    if a.dtype.kind in "iu":
        unequal = a != b
        if not unequal.any():
            return None
        distances = np.abs(a.astype(object) - b.astype(object)) if a.size < 1_000_000 else np.abs(a.astype(float) - b)
        return _found(distances, unequal, tolerance)
    wide = np.complex128 if a.dtype.kind == "c" else np.float64
    with np.errstate(all="ignore"):
        equal = (a == b) | (np.isnan(a) & np.isnan(b))
        if equal.all():
            return None
        distances = np.where(equal, 0.0, np.abs(a.astype(wide) - b.astype(wide)))
    distances = np.where(np.isnan(distances), np.inf, distances)
    return _found(distances, ~equal, tolerance)


def _found(distances: Any, unequal: Any, tolerance: float) -> dict[str, Any] | None:
    over = unequal & (np.asarray(distances) > tolerance)
    if not over.any():
        return None
    flat = int(np.argmax(np.asarray(distances, float)))
    return {
        "elements": int(over.sum()),
        "of": int(unequal.size),
        "largest": float(np.asarray(distances).reshape(-1)[flat]),
        "at": [int(i) for i in np.unravel_index(flat, np.shape(distances))],
    }


def _texts(array: np.ndarray) -> list[bytes]:
    return [v if isinstance(v, bytes) else str(v).encode() for v in array.reshape(-1).tolist()]


def _graph_def(found: kinds.Found) -> Any:
    if found.kind == kinds.GRAPH:
        return read_graph(found.path)
    if found.kind == kinds.META_GRAPH:
        return read_meta_graph(found.path).graph_def
    if found.kind == kinds.SAVED_MODEL:
        import os

        from evergraph.formats.savedmodel import read_saved_model

        folder = os.path.dirname(found.path) if os.path.isfile(found.path) else found.path
        graphs = read_saved_model(folder).meta_graphs
        if len(graphs) != 1:
            raise BadInput(f"{found.path} holds {len(graphs)} graphs: which of them cannot be said")
        return graphs[0].graph_def
    raise BadInput(f"{found.path} is {found.kind}: checkpoints and other weights, and graphs, can be compared")


def _graphs(first: Any, second: Any) -> dict[str, Any]:
    nodes_a, nodes_b = ({n.name: n for n in g.node} for g in (first, second))
    functions_a, functions_b = ({f.signature.name: f for f in g.library.function} for g in (first, second))
    different = []
    both = [n for n in nodes_a if n in nodes_b]
    for name in both:
        found = _node(nodes_a[name], nodes_b[name])
        if found:
            different.append({"name": name, **found})
    for name in sorted(functions_a.keys() & functions_b.keys()):
        if functions_a[name] != functions_b[name]:
            different.append({"name": f"function {name}", "body": ["one", "another"]})
    return {
        "what": "node",
        "compared": len(both),
        "missing": [n for n in nodes_a if n not in nodes_b]
        + [f"function {n}" for n in sorted(functions_a.keys() - functions_b.keys())],
        "extra": [n for n in nodes_b if n not in nodes_a]
        + [f"function {n}" for n in sorted(functions_b.keys() - functions_a.keys())],
        "different": different,
    }


def _node(a: Any, b: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if a.op != b.op:
        found["op"] = [a.op, b.op]
    if list(a.input) != list(b.input):
        found["inputs"] = [list(a.input), list(b.input)]
    if a.device != b.device:
        found["device"] = [a.device, b.device]
    for name in sorted(set(a.attr) | set(b.attr)):
        if name.startswith("_"):
            continue  # notes, as of inferred shapes
        one, other = a.attr.get(name), b.attr.get(name)
        if one is None or other is None or one != other:
            found[name] = _value_difference(one, other) if name == "value" else [_brief(one), _brief(other)]
    return found


def _value_difference(one: Any, other: Any) -> Any:
    """How two constants differ."""
    if one is None or other is None:
        return [_brief(one), _brief(other)]
    from evergraph.formats.tensors import proto_to_array

    try:
        a, b = proto_to_array(one.tensor), proto_to_array(other.tensor)
    except (ValueError, TypeError):
        return [_brief(one), _brief(other)]
    if a.shape != b.shape or a.dtype != b.dtype:
        return [f"{a.dtype.name} {shape_text(a.shape)}", f"{b.dtype.name} {shape_text(b.shape)}"]
    if a.size <= 8 or a.dtype.kind not in "iuf":
        return [_short(str(a.tolist())), _short(str(b.tolist()))]
    return {"largest": float(np.max(np.abs(a.astype(float) - b.astype(float))))}


def _brief(value: Any) -> str | None:
    return None if value is None else _short(" ".join(str(value).split()))


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def show(told: dict[str, Any]) -> None:
    """Print what differs."""
    what = told["what"]
    if told["same"]:
        click.echo(f"The same: {count_text(told['compared'], what)}")
        return
    for key, where in (("missing", told["a"]), ("extra", told["b"])):
        if told[key]:
            click.echo(f"Only in {where}: {count_text(len(told[key]), what)}")
            for name in told[key]:
                click.echo(f"  {name}")
    different = told["different"]
    if not different:
        return
    if told["missing"] or told["extra"]:
        click.echo()
    click.echo(f"Different: {len(different)} of {count_text(told['compared'], what)} in both")
    if what == "tensor":
        table([_row(d) for d in different], ("name", "largest difference", "at", "elements"), right=(1,))
        return
    for d in different:
        click.echo(f"  {d['name']}")
        for key, value in d.items():
            if key != "name":
                text = (
                    f"{value[0]} -> {value[1]}"
                    if isinstance(value, list)
                    else f"differs by up to {value['largest']:.6g}"
                )
                click.echo(f"    {key}: {text}")


def _row(d: dict[str, Any]) -> tuple[str, ...]:
    if "type" in d:
        return d["name"], "", "", f"type {d['type'][0]} -> {d['type'][1]}"
    if "shape" in d:
        return d["name"], "", "", f"shape {shape_text(d['shape'][0])} -> {shape_text(d['shape'][1])}"
    count = f"{d['elements']:,} of {d['of']:,}"
    return d["name"], f"{d['largest']:.6g}" if "largest" in d else "", shape_text(d["at"]) if "at" in d else "", count
