"""What a program uses of TensorFlow that is not there: all of it at once, with the lines."""

from __future__ import annotations

import ast
import re
import types
from collections.abc import Iterator

from evergraph.compat import alias
from evergraph.compat.missing import Missing, MissingName

_SHOWN = 20


def hint(error: BaseException, path: str) -> str:
    """If something of TensorFlow's was missing: which names the file at `path` will miss, and where."""
    if not _is_about_a_missing_name(error):
        return ""
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return ""
    lines: dict[str, list[int]] = {}
    for name, line in names_used(tree):
        if not is_there(name):
            lines.setdefault(name, []).append(line)
    if not lines:
        return ""
    shown = [f"  line {numbers[0]}: tf.{name}" for name, numbers in sorted(lines.items(), key=lambda item: item[1])]
    if len(shown) > _SHOWN:
        shown[_SHOWN:] = [f"  and {len(shown) - _SHOWN} more"]
    return "\n".join([f"Evergraph does not have everything that {path} uses yet. Not there:", *shown])


def _is_about_a_missing_name(error: BaseException) -> bool:
    if isinstance(error, Missing):
        return True
    return isinstance(error, AttributeError) and re.search(r"tf\.[\w.]+ is not there", str(error)) is not None


def names_used(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """(dotted name below `tensorflow`, line) of what a program imports from TensorFlow and looks up in it."""
    bound: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for item in node.names:
                if item.name.partition(".")[0] == "tensorflow":
                    path = _below(item.name)
                    bound[item.asname or "tensorflow"] = path if item.asname else ""
                    if path:
                        yield path, node.lineno
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "tensorflow":
            for item in node.names:
                path = _below(f"{node.module}.{item.name}")
                bound[item.asname or item.name] = path
                if path and item.name != "*":
                    yield path, node.lineno
    inner: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in inner:
            parts, base = [node.attr], node.value
            while isinstance(base, ast.Attribute):
                inner.add(id(base))
                parts.append(base.attr)
                base = base.value
            if isinstance(base, ast.Name) and base.id in bound:
                yield ".".join(filter(None, [bound[base.id], *reversed(parts)])), node.lineno


def _below(name: str) -> str:
    parts = name.split(".")[1:]
    while parts[:2] == ["compat", "v1"]:
        parts = parts[2:]
    return ".".join(parts)


def is_there(name: str) -> bool:
    """Whether a name below `tensorflow` can be looked up. Attributes of classes and values are not followed."""
    thing: object = alias.top()
    for part in name.split("."):
        if not isinstance(thing, types.ModuleType):
            return True
        try:
            thing = getattr(thing, part)
        except (AttributeError, ImportError):
            try:
                thing = alias.module_called(f"tensorflow.{name}")
            except (MissingName, ImportError):
                return False
            return True
    return True
