"""The commands that look at files and turn them into others."""

from __future__ import annotations

import sys
from typing import Any

import click

from evergraph.cli import printing
from evergraph.cli.printing import reporting, size_text

_json = click.option("--json", "as_json", is_flag=True, help="For machines.")
_outputs = click.option("--outputs", multiple=True, metavar="NAME,...", help="What comes out.")
_signature = click.option("--signature", default="serving_default", show_default=True, help="Of a SavedModel.")
_tags = click.option("--tags", default="serve", show_default=True, help="Of the graph in a SavedModel.")
_meta = click.option("--meta", metavar="FILE", help="The graph of a checkpoint; by default CHECKPOINT.meta.")


@click.command()
@click.argument("path")
@_json
@reporting
def inspect(path: str, as_json: bool) -> None:
    """Show what is in a file.

    PATH is a checkpoint (its name, or the directory), a GraphDef (.pb, .pbtxt), a meta graph, a SavedModel, event
    files, TFRecords (also compressed), or weights in .h5, .keras, .npz or .safetensors.
    """
    from evergraph.cli import kinds, looking, showing

    told = looking.look(kinds.find(path))
    printing.as_json(told) if as_json else showing.show(told)


@click.command()
@click.argument("a")
@click.argument("b")
@click.option("--tolerance", type=click.FloatRange(min=0), default=0.0, help="Differences up to this do not count.")
@_json
@reporting
def diff(a: str, b: str, tolerance: float, as_json: bool) -> None:
    """Compare two checkpoints (or other weights), or two graphs.

    The exit code is 0 if nothing differs, 1 if something does, 2 if a file cannot be read.
    """
    from evergraph.cli import differing, kinds

    told = differing.differences(kinds.find(a), kinds.find(b), tolerance)
    printing.as_json(told) if as_json else differing.show(told)
    if not told["same"]:
        sys.exit(printing.DIFFERS)


@click.command()
@click.argument("source", metavar="IN")
@click.argument("out", metavar="OUT")
@click.option(
    "--to",
    type=click.Choice(["v1", "v2", "npz", "safetensors", "h5"]),
    help="The format of the weights; by default what the name of OUT says, else a checkpoint V2.",
)
@click.option("--inputs", multiple=True, metavar="NAME,...", help="What goes in; by default the placeholders.")
@_outputs
@click.option("--shape", "shape", multiple=True, metavar="NAME=1,224,...", help="The shape of an input, for StableHLO.")
@_signature
@_tags
@_meta
@_json
@reporting
def convert(
    source: str,
    out: str,
    to: str | None,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    shape: tuple[str, ...],
    signature: str,
    tags: str,
    meta: str | None,
    as_json: bool,
) -> None:
    """Write a file in another format.

    Weights: checkpoints V1 and V2, .npz, .safetensors, .h5. Graphs: .pb to .pbtxt and back. Models (a frozen graph, a
    SavedModel, a checkpoint with its meta graph): to .onnx, .stablehlo, .mlir.
    """
    from evergraph.cli import converting, kinds

    choices = converting.Choices(
        converting.split(inputs),
        converting.split(outputs),
        converting.shapes(shape),
        signature,
        converting.split([tags]),
        meta,
    )
    _done(converting.convert(kinds.find(source), out, to, choices), as_json)


@click.command()
@click.argument("source", metavar="IN")
@click.argument("out", metavar="OUT")
@_outputs
@_signature
@_tags
@_meta
@click.option("--clear-devices", is_flag=True, help="Forget on which devices ops were placed.")
@_json
@reporting
def freeze(
    source: str,
    out: str,
    outputs: tuple[str, ...],
    signature: str,
    tags: str,
    meta: str | None,
    clear_devices: bool,
    as_json: bool,
) -> None:
    """Make one GraphDef, with constants for variables, of a checkpoint and its meta graph, or of a SavedModel."""
    from evergraph.cli import converting, kinds

    choices = converting.Choices([], converting.split(outputs), {}, signature, converting.split([tags]), meta)
    _done(converting.freeze(kinds.find(source), out, choices, clear_devices), as_json)


def _done(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        printing.as_json(told)
        return
    click.echo("wrote " + ", ".join(told["wrote"]))
    if "tensors" in told:
        click.echo(f"{printing.count_text(told['tensors'], 'tensor')}, {size_text(told['bytes'])}")
    if "nodes" in told:
        click.echo(printing.count_text(told["nodes"], "node"))
    for key in ("inputs", "outputs", "left_out"):
        if told.get(key):
            click.echo(f"{key.replace('_', ' ')}: {', '.join(told[key])}")


COMMANDS = (inspect, diff, convert, freeze)
