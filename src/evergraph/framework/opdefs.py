"""OpDefs: what TF 1.15 says of each op's inputs, outputs and attributes.

`tf1_opdefs.txt` beside this module lists them, one line an op:

    MatMul(a: T, b: T) -> (product: T) | transpose_a: bool = false | ... | T: type in ["float32", ...]

A line is parsed when its op is first used. `N * T` is a list of N tensors of one type, `list(Ts)` a list of tensors of
several types, `Ref(T)` a reference to a variable. What an op computes is declared in `ops/`, which fills in the last
few fields of its `OpDef`.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.dtypes import DType


class Arg:
    """An input or output: a fixed `type`, or the attributes that give its type and count."""

    __slots__ = ("name", "type", "type_attr", "number_attr", "type_list_attr", "is_ref")

    def __init__(self, text: str, attr_names: set[str]) -> None:
        self.name, kind = (part.strip() for part in text.split(":", 1))
        self.type: DType | None = None
        self.type_attr = self.number_attr = self.type_list_attr = None
        self.is_ref = kind.startswith("Ref(")
        if self.is_ref:
            kind = kind[4:-1]
        if kind.startswith("list("):
            self.type_list_attr = kind[5:-1]
            return
        if "*" in kind:
            self.number_attr, kind = (part.strip() for part in kind.split("*"))
        if kind in attr_names:
            self.type_attr = kind
        else:
            self.type = dtypes.as_dtype(kind)

    @property
    def is_list(self) -> bool:
        return bool(self.number_attr or self.type_list_attr)


class Attr:
    """An attribute: its type's name, default, allowed values and minimum (the length's, for a list)."""

    __slots__ = ("name", "type", "has_default", "default", "allowed", "minimum")

    _PATTERN = re.compile(r"(\w+): ([\w()]+)(?: >= (-?\d+))?(?: in (\[.*?\]))?(?: = (.*))?$")

    def __init__(self, text: str) -> None:
        match = Attr._PATTERN.match(text)
        assert match, text
        self.name, self.type, minimum, allowed, default = match.groups()
        self.minimum = None if minimum is None else int(minimum)
        self.allowed = None if allowed is None else dict.fromkeys(self._value(v) for v in json.loads(allowed))
        self.has_default = default is not None
        self.default: Any = None
        if default is not None:
            value = json.loads(default)
            self.default = [self._value(v) for v in value] if self.type.startswith("list(") else self._value(value)

    def _value(self, v: Any) -> Any:
        if self.type in ("type", "list(type)"):
            return dtypes.as_dtype(v)
        if self.type in ("shape", "list(shape)"):
            return None if v is None else tuple(None if d == -1 else d for d in v)
        if self.type in ("string", "list(string)"):
            return v.encode()
        if self.type == "float":
            return float(v)
        return v


class OpDef:
    """One op type. The fields after `source` are set by the declaration of the op in `ops/`."""

    __slots__ = (
        "name", "inputs", "outputs", "attrs", "attr_map", "is_stateful", "is_commutative", "is_aggregate",
        "allows_uninitialized_input", "inferred", "plain", "source", "builder",
        "has_ref_inputs", "kernel", "numpy_kernel", "shape_rule", "shape_static", "shape_attrs", "gradient",
        "differentiable", "host", "static", "updates", "blind", "random_blocks", "kernel_attrs", "is_declared",
        "opaque", "doc", "check", "pure", "session", "dynamic",
    )  # fmt: skip

    def __init__(self, line: str) -> None:
        head, *rest = line.split(" | ")
        flags: set[str] = set()
        if rest and rest[-1].startswith("! "):
            flags = set(rest.pop()[2:].split())
        match = re.match(r"(\w+)\((.*)\) -> \((.*)\)$", head)
        assert match, line
        self.name = match.group(1)
        self.source = line
        self.attrs = [Attr(text) for text in rest]
        self.attr_map = {attr.name: attr for attr in self.attrs}
        names = set(self.attr_map)
        self.inputs = [Arg(text, names) for text in match.group(2).split(", ") if text]
        self.outputs = [Arg(text, names) for text in match.group(3).split(", ") if text]
        self.is_stateful = "is_stateful" in flags
        self.is_commutative = "is_commutative" in flags
        self.is_aggregate = "is_aggregate" in flags
        self.allows_uninitialized_input = "allows_uninitialized_input" in flags
        self.inferred = {
            attr for arg in self.inputs for attr in (arg.type_attr, arg.number_attr, arg.type_list_attr) if attr
        }
        self.plain = not any(arg.is_list for arg in self.inputs + self.outputs)
        self.has_ref_inputs = any(arg.is_ref for arg in self.inputs)
        self.builder: Callable[..., Any] | None = None
        self.kernel: Callable[..., Any] | None = None
        self.numpy_kernel: Callable[..., Any] | None = None
        self.shape_rule: Callable[..., Any] | None = None
        self.shape_static: tuple[bool, ...] = (False,) * len(self.inputs)
        self.shape_attrs: tuple[str, ...] = ()
        self.gradient: Callable[..., Any] | None = None
        self.differentiable: bool | None = None  # None: TF has no word on it
        self.host = False
        self.session = False
        self.static: tuple[str, ...] = ()
        self.dynamic: tuple[str, ...] = ()
        self.updates: tuple[str, ...] = ()
        self.blind: tuple[str, ...] = ()
        self.random_blocks: Callable[..., int] | None = None
        self.kernel_attrs: tuple[str, ...] = ()
        self.is_declared = False
        self.check: Callable[[dict[str, Any]], Any] | None = None
        self.opaque = False
        self.doc = ""

    def __repr__(self) -> str:
        return f"<OpDef {self.source.split(' | ')[0]}>"


_LINES: dict[str, str] = {}
_LINES_OF_TESTS: dict[str, str] = {}
_PARSED: dict[str, OpDef] = {}


def _lines() -> dict[str, str]:
    if not _LINES:
        text = Path(__file__).with_name("tf1_opdefs.txt").read_text()
        _LINES.update({line[: line.index("(")]: line for line in text.splitlines()})  # at once: other threads look too
    return _LINES


def _lines_of_tests() -> dict[str, str]:
    """The ops that TF 1.15 has for its own tests: graphs may hold them, but none of them can run."""
    if not _LINES_OF_TESTS:
        text = Path(__file__).with_name("tf1_opdefs_of_tests.txt").read_text()
        _LINES_OF_TESTS.update({line[: line.index("(")]: line for line in text.splitlines()})
    return _LINES_OF_TESTS


def lookup(name: str) -> OpDef | None:
    """The OpDef called `name`, or None when neither TF 1.15 nor Evergraph has such an op."""
    found = _PARSED.get(name)
    if found is None:
        line = _lines().get(name) or _lines_of_tests().get(name)
        if line is not None:
            found = _PARSED.setdefault(name, OpDef(line))
    return found


declare_more: list[Callable[[], None]] = []
"""What declares the ops whose modules are not imported yet, when an op is asked for first."""

_of_thread = threading.local()


def declare_rest() -> bool:
    """Import the modules of ops that are not imported yet; False where that is done, or this thread is at it.

    Several threads may be at it at once: each waits for the modules that another one is importing.
    """
    if not declare_more or getattr(_of_thread, "is_declaring", False):
        return False
    _of_thread.is_declaring = True
    try:
        for declare in declare_more[:]:
            declare()
    finally:
        _of_thread.is_declaring = False
    declare_more.clear()
    return True


def usable(name: str) -> OpDef | None:
    """The OpDef called `name` with what is declared of it, or None when there is no such op."""
    found = lookup(name)
    if (found is None or not found.is_declared) and declare_rest():
        found = lookup(name)
    return found


def register(line: str) -> OpDef:
    """Add an op of our own, in the notation of `tf1_opdefs.txt`."""
    opdef = OpDef(line)
    if opdef.name in _lines():
        raise ValueError(f"op {opdef.name} is already registered")
    _LINES[opdef.name] = line
    _PARSED[opdef.name] = opdef
    return opdef


def names() -> list[str]:
    """The names of all ops that can be put in a graph."""
    return sorted(_lines())


def declared() -> list[OpDef]:
    """The ops that Evergraph can run: those declared in `ops/`."""
    return [opdef for opdef in _PARSED.values() if opdef.is_declared]
