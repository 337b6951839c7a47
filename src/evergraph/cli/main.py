"""The `evergraph` command."""

from __future__ import annotations

import json
import os
import sys
from importlib import metadata
from typing import NoReturn

import click

from evergraph.cli.file_commands import COMMANDS
from evergraph.cli.program import run_module, run_script


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="evergraph", message="%(prog)s %(version)s")
def commands() -> None:
    """Evergraph: the Graph and Session of TensorFlow 1, rebuilt on XLA."""


@commands.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("-m", "module", metavar="MODULE", help="Run a module instead of a file, as python -m does.")
@click.argument("args", nargs=-1, type=click.UNPROCESSED, metavar="PROGRAM [ARGS]...")
def run(module: str | None, args: tuple[str, ...]) -> None:
    """Run an unmodified TensorFlow 1 program.

    Inside it `import tensorflow` gives Evergraph. Its exit code is the program's.
    """
    if module is not None:
        sys.exit(run_module(module, list(args)))
    if not args:
        raise click.UsageError("which program? evergraph run PROGRAM [ARGS]...")
    program, *rest = args
    if not os.path.isfile(program):
        raise click.UsageError(f"there is no file {program!r}")
    sys.exit(run_script(program, rest))


@commands.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def version(as_json: bool) -> None:
    """Print the versions of Evergraph and of what it stands on."""
    found = {name: metadata.version(name) for name in ("evergraph", "jax", "jaxlib", "numpy", "protobuf")}
    found["python"] = sys.version.split()[0]
    if as_json:
        click.echo(json.dumps(found))
    else:
        for name, number in found.items():
            click.echo(f"{name:<10} {number}")


for _command in COMMANDS:
    commands.add_command(_command)


def main() -> NoReturn:
    """The entry point of the console script."""
    commands(prog_name="evergraph")
    raise SystemExit(0)
