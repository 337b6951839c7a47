"""What `looking.py` found in a file, as tables for people."""

from __future__ import annotations

from typing import Any

import click

from evergraph.cli import kinds
from evergraph.cli.printing import count_text, heading, shape_text, size_text, table


def show(told: dict[str, Any]) -> None:
    """Print the description of a file."""
    kind = told["kind"]
    if kind in kinds.WEIGHTS:
        click.echo(f"{told['path']}: {kind if kind != kinds.CHECKPOINT else 'checkpoint ' + told['format']}")
        click.echo()
        _weights(told)
        return
    click.echo(f"{told['path']}: {kind}")
    if kind == kinds.GRAPH:
        _graph(told)
    elif kind == kinds.META_GRAPH:
        _meta_graph(told)
    elif kind == kinds.SAVED_MODEL:
        for message in told["meta_graphs"]:
            _meta_graph(message)
        if told["assets"]:
            heading("Assets: " + ", ".join(told["assets"]))
        heading("Variables" if told["variables"] else "No variables")
        if told["variables"]:
            _weights(told["variables"])
    elif kind == kinds.EVENTS:
        _events(told)
    else:
        _records(told)


def _weights(told: dict[str, Any]) -> None:
    rows = [(t["name"], t["dtype"], shape_text(t["shape"]), size_text(t["bytes"])) for t in told["tensors"]]
    if rows:
        table(rows, ("name", "type", "shape", "size"), right=(3,))
        click.echo()
    total = told["total"]
    click.echo(
        f"{count_text(total['tensors'], 'tensor')}, {count_text(total['elements'], 'element')}, "
        f"{size_text(total['bytes'])}"
    )


def _graph(told: dict[str, Any]) -> None:
    click.echo(
        f"{count_text(told['nodes'], 'node')}, {size_text(told['bytes'])}, of which constants take "
        f"{size_text(told['constant_bytes'])}"
    )
    heading("Inputs" if told["inputs"] else "No inputs")
    if told["inputs"]:
        table([(i["name"], i["dtype"], shape_text(i["shape"])) for i in told["inputs"]], ("name", "type", "shape"))
    heading("Outputs (what no other op reads)" if told["outputs"] else "No outputs")
    if told["outputs"]:
        table([(o["name"], o["op"]) for o in told["outputs"]], ("name", "op"))
    heading("Ops")
    table([(count, name) for name, count in told["ops"].items()], ("count", "op"), right=(0,))
    if told["functions"]:
        heading("Functions: " + ", ".join(told["functions"]))


def _meta_graph(told: dict[str, Any]) -> None:
    if told["tags"]:
        heading(f"Graph with tags {', '.join(told['tags'])}")
    for name, signature in told["signatures"].items():
        heading(f"Signature {name}" + (f" ({signature['method']})" if signature["method"] else ""))
        rows = [
            (side, key, info["tensor"], info["dtype"], shape_text(info["shape"]))
            for side, infos in (("in", signature["inputs"]), ("out", signature["outputs"]))
            for key, info in infos.items()
        ]
        table(rows, ("", "name", "tensor", "type", "shape"))
    click.echo()
    _graph(told["graph"])
    if told["collections"]:
        heading("Collections")
        table([(count, name) for name, count in told["collections"].items()], ("count", "collection"), right=(0,))


def _events(told: dict[str, Any]) -> None:
    text = f"{count_text(told['events'], 'event')} in {count_text(len(told['files']), 'file')}"
    if told["steps"]:
        text += f", steps {told['steps'][0]} to {told['steps'][1]}"
    if told["seconds"] is not None:
        text += f", over {told['seconds']:.0f} s"
    click.echo(text)
    if told["others"]:
        click.echo("besides summaries: " + ", ".join(f"{name} {count}" for name, count in told["others"].items()))
    if told["tags"]:
        click.echo()
        rows = [
            (
                tag,
                t["kind"] + (f" ({t['plugin']})" if "plugin" in t else ""),
                t["count"],
                t["first_step"],
                t["last_step"],
                f"{t['last']:g}" if "last" in t else "",
            )
            for tag, t in told["tags"].items()
        ]
        table(rows, ("tag", "kind", "count", "first step", "last step", "last value"), right=(2, 3, 4, 5))


def _records(told: dict[str, Any]) -> None:
    text = f"{count_text(told['records'], 'record')}, {size_text(told['bytes'])}"
    if told["record_bytes"]:
        text += f", of {told['record_bytes'][0]:,} to {told['record_bytes'][1]:,} bytes"
    click.echo(text + (f", compressed with {told['compression']}" if told["compression"] else ""))
    if told["features"] is None:
        click.echo("They are no Examples." if told["records"] else "")
        return
    heading("Features of the Examples")
    rows = []
    for name, f in told["features"].items():
        least, most = f["lengths"]
        rows.append((name, f["kind"], str(least) if least == most else f"{least} to {most}", f["in_records"]))
    table(rows, ("feature", "kind", "values", "in records"), right=(3,))
