"""What the commands print: tables, sizes, progress; and how they fail."""

from __future__ import annotations

import functools
import json
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click

T = TypeVar("T")

DIFFERS, BAD_INPUT = 1, 2


class BadInput(click.ClickException):
    """Something is wrong with a file, or with what was asked of it."""

    exit_code = BAD_INPUT


def reporting(function: Callable[..., T]) -> Callable[..., T]:
    """Say what is wrong in one line; no traceback, whatever a file holds."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> T:
        try:
            return function(*args, **kwargs)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:
            raise
        except MemoryError:
            raise BadInput("there is not enough memory for that") from None
        except Exception as error:
            raise BadInput(getattr(error, "message", None) or str(error) or type(error).__name__) from None

    return run


def progress(items: Iterable[T], what: str, total: int | None = None) -> Iterable[T]:
    """`items`, with a bar on the terminal if there is one and it takes a while."""
    if not sys.stderr.isatty():
        return items
    from tqdm import tqdm

    return tqdm(items, desc=what, total=total, delay=0.5, leave=False, file=sys.stderr)


def as_json(value: Any) -> None:
    """Print names and numbers as JSON. It has no infinities: those are strings."""
    click.echo(json.dumps(_finite(value), indent=2, allow_nan=False, default=str))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def size_text(size: int) -> str:
    """A number of bytes for people.

    >>> size_text(12), size_text(1_500_000)
    ('12 B', '1.5 MB')
    """
    number = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def shape_text(shape: Sequence[int | None] | None) -> str:
    return "unknown" if shape is None else "[" + ", ".join("?" if n is None else str(n) for n in shape) + "]"


def count_text(count: int, one: str) -> str:
    """
    >>> count_text(1, "tensor"), count_text(1200, "tensor")
    ('1 tensor', '1,200 tensors')
    """
    return f"{count:,} {one}{'' if count == 1 else 's'}"


def table(rows: Sequence[Sequence[Any]], head: Sequence[str], right: Sequence[int] = ()) -> None:
    """Print rows under a head; the columns of the numbers `right` end at the same place."""
    text = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[i]) for row in text) for i in range(len(head))]
    for row in text:
        cells = [c.rjust(width) if i in right else c.ljust(width) for i, (c, width) in enumerate(zip(row, widths))]
        click.echo("  ".join(cells).rstrip())


def heading(text: str) -> None:
    click.echo()
    click.echo(text)
