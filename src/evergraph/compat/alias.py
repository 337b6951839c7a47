"""`import tensorflow as tf` that gives Evergraph.

`install()` puts a finder in front of `sys.meta_path` that answers for the name `tensorflow` and everything below it.
Nothing is written to disk, and a program that never calls `install()` sees the `tensorflow` it has installed, or none.

    tensorflow, tensorflow.compat.v1           one module: the names of `evergraph`, the version of TensorFlow 1.15.5
    tensorflow.nn, tensorflow.train, ...       the namespaces of `evergraph` themselves
    tensorflow.python.ops.array_ops, ...       names looked up in a table (internal_names.py)
    tensorflow.core.framework.graph_pb2, ...   the message classes
    tensorflow.contrib.x.python.ops.y          `tf.contrib.x`

A name that is not there raises an error of `missing.py`, which names it.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

from evergraph.compat import internal_names
from evergraph.compat.missing import MissingModule, MissingName, not_there_yet, unknown
from evergraph.framework import opdefs
from evergraph.ops.opdef import raw_op

VERSION = "1.15.5"

# Packages of our own that are no part of TensorFlow's API.
OWN = {"framework", "formats", "ops", "autodiff", "compiler", "runtime", "training", "serving", "testing", "cli"}


def install() -> None:
    """Make `import tensorflow` give Evergraph in this process.

    Raises:
        RuntimeError: if another `tensorflow` has been imported already.
    """
    if any(isinstance(finder, Finder) for finder in sys.meta_path):
        return
    if "tensorflow" in sys.modules:
        raise RuntimeError("tensorflow is imported already: install the alias before anything imports it")
    sys.meta_path.insert(0, Finder())


def uninstall() -> None:
    """Take the alias away again. Modules that have imported it keep what they got."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, Finder)]
    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorflow"]:
        del sys.modules[name]


class Alias(types.ModuleType):
    """A module whose names are found when they are first asked for."""

    def __init__(self, name: str, find: Callable[[str], Any], names: Callable[[], list[str]] = list) -> None:
        super().__init__(name, f"Evergraph, under the name {name}.")
        self.__path__: list[str] = []
        self.__dict__["__getattr_from__"] = find
        self.__dict__["__names_from__"] = names

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = self.__dict__["__getattr_from__"](name)
        self.__dict__[name] = value
        return value

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *self.__dict__["__names_from__"]()})


class Finder(MetaPathFinder, Loader):
    """Answers imports of `tensorflow` and of what is below it."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        same = internal_names.CONTRIB_MIRRORS.get(fullname.partition(".")[2])
        if same is not None:
            return ModuleSpec(fullname, self, origin="evergraph", is_package=True, loader_state=public(same))
        if fullname.partition(".")[0] != "tensorflow":
            self._check_below_namespace(fullname, path)
            return None
        try:
            found = module_called(fullname)
        except MissingName as error:
            raise MissingModule(error.symbol, str(error)) from None
        return ModuleSpec(fullname, self, origin="evergraph", is_package=True, loader_state=found)

    def _check_below_namespace(self, fullname: str, path: Sequence[str] | None) -> None:
        """Name what `from tensorflow.train import x` misses: that looks for a module `evergraph.train.x`.

        Raises:
            MissingModule: if the parent is a namespace, which has all its names already.
        """
        head, _, below = fullname.partition(".")
        parent = sys.modules.get(fullname.rpartition(".")[0])
        if head == "evergraph" and type(parent).__name__ == "Namespace" and not PathFinder.find_spec(fullname, path):
            raise MissingModule(f"tensorflow.{below}", str(missing(below)))

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        assert module.__spec__ is not None
        sys.modules[module.__name__] = module.__spec__.loader_state


def module_called(fullname: str) -> Any:
    """The module (or what an import may treat as one) for a name that starts with `tensorflow`.

    Raises:
        MissingName: if there is none.
    """
    parts = fullname.split(".")[1:]
    while parts[:2] == ["compat", "v1"]:
        parts = parts[2:]
    path = ".".join(parts)
    if not path:
        return top()
    if path == "compat.v2" or path.startswith("compat.v2."):
        raise not_there_yet(fullname, "Evergraph has the API of TensorFlow 1; tf.compat.v1 is all of it")
    if parts[0] == "core":
        return _core(path)
    if parts[0] == "python":
        return internal_module(path)
    if parts[0] == "contrib" and "python" in parts:
        return _contrib_internal(parts)
    if path == "compat":
        return _known(path, lambda: Alias("tensorflow.compat", _in_compat))
    found = public(internal_names.CONTRIB_MIRRORS.get(path, path))
    if found is None or not isinstance(found, types.ModuleType):
        raise missing(path)
    return found


def top() -> Alias:
    """The module `tensorflow`."""
    package = sys.modules["evergraph"]

    def names() -> list[str]:
        return [name for name in vars(package) if not name.startswith("_") and name not in OWN]

    def make() -> Alias:
        alias = Alias("tensorflow", _in_top, names)
        alias.__dict__.update(__version__=VERSION, __file__=package.__file__)
        alias.__dict__.update(__git_version__="evergraph", __compiler_version__="xla")
        return alias

    return _known("", make)


_modules: dict[str, Any] = {}


def _known(path: str, make: Callable[[], Any]) -> Any:
    if path not in _modules:
        _modules[path] = make()
    return _modules[path]


def _in_top(name: str) -> Any:
    if name in ("python", "core", "compat"):
        return importlib.import_module(f"tensorflow.{name}")
    found = None if name in OWN else public(name)
    if found is None:
        raise missing(name)
    return found


def _in_compat(name: str) -> Any:
    if name in ("v1", "v2"):
        return importlib.import_module(f"tensorflow.compat.{name}")
    found = public(f"compat.{name}")
    if found is None:
        raise missing(f"compat.{name}")
    return found


def public(path: str) -> Any:
    """What `tf.<path>` is, or None."""
    thing: Any = sys.modules["evergraph"]
    for part in path.split("."):
        try:
            thing = getattr(thing, part)
        except AttributeError:
            return None
    return thing


def missing(path: str) -> MissingName:
    """The error for `tensorflow.<path>`, of the kind that says whether TensorFlow 1.15 has it."""
    symbol = f"tensorflow.{path}"
    known = internal_names.public_names()
    if path in known or path.startswith("contrib") or any(name.startswith(path + ".") for name in known):
        return not_there_yet(symbol)
    namespace, _, last = path.rpartition(".")
    inside = [name.rpartition(".")[2] for name in known if name.rpartition(".")[0] == namespace]
    near = [".".join(filter(None, ["tf", namespace, name])) for name in get_close_matches(last, inside, 3, cutoff=0.75)]
    return unknown(symbol, f"there are {', '.join(near)}") if near else not_there_yet(symbol)


# tensorflow.python


def internal_module(path: str) -> Any:
    for mirror, public_path in internal_names.MIRRORS.items():
        if path == mirror or path.startswith(mirror + "."):
            found = public(path.replace(mirror, public_path, 1))
            if isinstance(found, types.ModuleType):
                return found
            raise not_there_yet(f"tensorflow.{path}")
    table = internal_names.table()
    if path not in table and not internal_names.RAW_OPS.match(path):
        raise _no_such_module(path)
    return _known(
        path,
        lambda: Alias(f"tensorflow.{path}", lambda name: _in_internal(path, name), lambda: list(table.get(path, ()))),
    )


def _no_such_module(path: str) -> MissingName:
    parent, _, last = path.rpartition(".")
    if parent not in internal_names.table():
        return not_there_yet(f"tensorflow.{path}")
    full = internal_names.table()[parent].get(last)
    if full is not None:
        return not_there_yet(f"tensorflow.{path}", f"it is tf.{full}")
    children = [n.removeprefix(parent + ".") for n in internal_names.table() if n.startswith(parent + ".")]
    near = get_close_matches(last, [*children, *internal_names.table()[parent]], 3)
    return not_there_yet(f"tensorflow.{path}", f"tensorflow.{parent} has {', '.join(near)}" if near else "")


def _in_internal(path: str, name: str) -> Any:
    """The name `name` of the internal module `tensorflow.<path>`."""
    table = internal_names.table()
    child = f"{path}.{name}"
    if child in table or internal_names.RAW_OPS.match(child) or child in internal_names.MIRRORS:
        return internal_module(child)
    ours = internal_names.OURS.get(path, {}).get(name)
    if ours is not None:
        return _ours(ours)
    full = table.get(path, {}).get(name)
    if full is not None:
        found = public(full)
        if found is None:
            raise not_there_yet(f"tensorflow.{child}", f"it is tf.{full}")
        return found
    if internal_names.RAW_OPS.match(path):
        return _raw_op(path, name)
    found = public(name)
    if found is None or isinstance(found, types.ModuleType):
        raise not_there_yet(f"tensorflow.{child}")
    return found


def _ours(place: str) -> Any:
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(f"evergraph.{module}"), attribute) if attribute else public(module)


def _raw_op(path: str, name: str) -> Any:
    """The function of a `gen_*` module that builds an op: `gen_nn_ops.relu_grad` builds a ReluGrad."""
    wanted = internal_names.letters(name)
    for op_name in opdefs.names():
        if internal_names.letters(op_name) == wanted:
            return raw_op(op_name)
    raise unknown(f"tensorflow.{path}.{name}")


# tensorflow.contrib


def _contrib_internal(parts: list[str]) -> Any:
    """A module inside a contrib package: its names are looked up in the package, and in what it holds."""
    package = ".".join(parts[: parts.index("python")])
    if not isinstance(public(package), types.ModuleType):
        raise missing(package)
    path = ".".join(parts)
    ours = internal_names.CONTRIB.get(path)

    def find(name: str) -> Any:
        if ours is not None and hasattr(importlib.import_module(f"evergraph.{ours}"), name):
            return getattr(sys.modules[f"evergraph.{ours}"], name)
        for place in (f"{package}.{name}", f"{package}.{parts[-1]}.{name}"):
            found = public(place)
            if found is not None:
                return found
        raise not_there_yet(f"tensorflow.{path}.{name}")

    return _known(path, lambda: Alias(f"tensorflow.{path}", find))


# tensorflow.core


def _core(path: str) -> Any:
    """`tensorflow.core.framework.graph_pb2`: whichever file a message is in, it is found by its name."""
    depth = path.count(".")
    is_file = path.endswith("_pb2")
    if depth > 3 or (depth == 0 and path != "core") or (depth and not is_file and path not in CORE_PACKAGES):
        raise not_there_yet(f"tensorflow.{path}")

    def find(name: str) -> Any:
        if not is_file:
            return importlib.import_module(f"tensorflow.{path}.{name}")
        found = _message(name)
        if found is None:
            raise not_there_yet(f"tensorflow.{path}.{name}")
        return found

    return _known(path, lambda: Alias(f"tensorflow.{path}", find))


CORE_PACKAGES = {"core.framework", "core.protobuf", "core.util", "core.example", "core.profiler", "core.lib"}


def _message(name: str) -> Any:
    """A message class, an enum, or a value of a top-level enum."""
    from evergraph.formats import messages

    if name in dir(messages):
        return getattr(messages, name)
    for other in dir(messages):
        values = getattr(getattr(messages, other), "Value", None)
        if values is not None and name in getattr(messages, other).keys():  # noqa: SIM118
            return values(name)
    return None
