"""Puts the public names together: `tf.add`, `tf.nn.relu`, `tf.train.AdamOptimizer`, ...

The modules listed here declare their public names with `framework.api.public`. Those of `EAGER` are imported with
`import evergraph`; those of `LAZY` when a name of their namespace is first asked for; the families of ops that have a
folder of their own (`ops/image`, ...) when a name or a type of op is asked for that is not there yet. Each namespace
("nn", "math", "train", ...) becomes a module `evergraph.<namespace>`.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import types
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from evergraph import ops
from evergraph.framework import api, dtypes, errors, opdefs, shapes

EAGER = (
    "framework.scopes",
    "framework.sparse",
    *sorted(f"ops.{module.name}" for module in pkgutil.iter_modules(ops.__path__) if not module.ispkg),
    "autodiff.gradients",
    "autodiff.control_flow",
    "autodiff.custom",
    "autodiff.hessians",
    "formats.graphdef",
    "runtime.session",
    "compat.switches",
    "public_names",
)

# Namespace to the modules that fill it when it is first used.
LAZY: dict[str, tuple[str, ...]] = {
    "train": (
        "training.optimizer",
        "training.gradient_descent",
        "training.momentum",
        "training.adam",
        "training.adagrad",
        "training.rmsprop",
        "training.adadelta",
        "training.ftrl",
        "training.proximal_gradient_descent",
        "training.global_step",
        "training.learning_rate_decay",
        "training.moving_averages",
    ),
    "app": ("compat.app",),
    "compat": ("compat.types",),
    "flags": ("compat.flags",),
    "logging": ("framework.log",),
    "nest": ("framework.nest",),
    "contrib.framework.nest": ("framework.nest",),
    "raw_ops": ("compat.raw_ops",),
    "resource_loader": ("compat.resource_loader",),
    "sysconfig": ("compat.sysconfig",),
    "test": ("testing.test_case", "testing.gradient_checker", "testing.places"),
}

# Packages of ours: one that has a namespace's name (`tf.compat`) holds that namespace's names too.
PACKAGES = {module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]) if module.ispkg}

MESSAGES = (
    "AttrValue", "ConfigProto", "Event", "GPUOptions", "GraphDef", "GraphOptions", "HistogramProto", "LogMessage",
    "MetaGraphDef", "NameAttrList", "NodeDef", "OptimizerOptions", "RunMetadata", "RunOptions", "SessionLog", "Summary",
    "SummaryMetadata", "OpDef",
)  # fmt: skip


class Namespace(types.ModuleType):
    """A module whose names come from the table of public names."""

    def __init__(self, path: str, table: dict[str, Any]) -> None:
        super().__init__(f"evergraph.{path}" if path else "evergraph", f"tf.{path}")
        self.__path__: list[str] = []
        self._path = path
        self.__dict__.update(table)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _find(self._path, name, self.__dict__)


_loaded: set[str] = set()


def _find(path: str, name: str, into: dict[str, Any]) -> Any:
    """A public name that is not there yet: a message class, a namespace, or something of a lazy module."""
    table = api.NAMES.get(path, {})
    if name not in table and path in LAZY and path not in _loaded:
        _loaded.add(path)
        _import(LAZY[path])
        table = api.NAMES.get(path, {})
    if name in table:
        into[name] = table[name]
        return table[name]
    if not path and name in MESSAGES:
        from evergraph.formats import messages

        into[name] = getattr(messages, name)
        return into[name]
    inner = f"{path}.{name}" if path else name
    if any(n == inner or n.startswith(inner + ".") for names in (LAZY, api.NAMES) for n in names):
        return _namespace(inner)
    if opdefs.declare_more:
        opdefs.usable("")  # imports what was left for later
        return _find(path, name, into)
    known = [n for n in [*table, *into] if not n.startswith("_")]
    near = get_close_matches(name, known, 3)
    full = f"tf.{inner}"
    hint = f"; there are {', '.join(near)}" if near else ""
    raise AttributeError(
        f"module 'evergraph{'.' + path if path else ''}' has no attribute {name!r}: {full} is not there{hint}"
    )


def _namespace(path: str) -> Namespace:
    full = f"evergraph.{path}"
    found = sys.modules.get(full)
    if isinstance(found, Namespace):
        return found
    made = Namespace(path, api.NAMES.get(path, {}))
    if path in PACKAGES:
        package = importlib.import_module(full)
        made.__dict__.update(vars(package) | made.__dict__)
        made.__path__, made.__spec__ = list(package.__path__), package.__spec__
    sys.modules[full] = made
    parent, _, last = full.rpartition(".")
    if parent in sys.modules:
        setattr(sys.modules[parent], last, made)
    return made


def _import(modules: tuple[str, ...]) -> None:
    for name in modules:
        importlib.import_module(f"evergraph.{name}")


def _import_families() -> None:
    """Import the families of ops in folders of their own."""
    for folder in pkgutil.iter_modules(ops.__path__):
        if folder.ispkg and folder.name != "xla":
            family = importlib.import_module(f"evergraph.ops.{folder.name}")
            _import(tuple(f"ops.{folder.name}.{module.name}" for module in pkgutil.iter_modules(family.__path__)))


def assemble(package: dict[str, Any]) -> None:
    """Fill the package `evergraph` with its public names."""
    _import(EAGER)
    opdefs.declare_more.append(_import_families)
    for kind in (*dtypes.ALL, *(d._ref for d in dtypes.ALL)):
        package[kind.name] = kind
    package.update(half=dtypes.half, double=dtypes.double, DType=dtypes.DType, as_dtype=dtypes.as_dtype)
    package.update(TensorShape=shapes.TensorShape, Dimension=shapes.Dimension, errors=errors)
    package.update(api.NAMES[""])
    package["__getattr__"] = lambda name: _find("", name, package) if not name.startswith("__") else _missing(name)
    package["__path__"] = sys.modules["evergraph"].__path__
    real = {"framework", "formats", "ops", "autodiff", "compiler", "runtime", "training", "data", "cli", "compat"}
    for path in sorted(api.NAMES):
        head = path.partition(".")[0]
        if path and head not in real:
            _namespace(path)
    for path in LAZY:
        _namespace(path)


def _missing(name: str) -> Any:
    raise AttributeError(name)
