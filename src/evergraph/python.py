"""`evergraph.python.framework.function`, ...: TensorFlow's internal modules, by the names that `tensorflow.python` has.

For a program that was written against TensorFlow's internals and imports Evergraph under its own name. Names are found
as under `evergraph run` (compat/alias.py).
"""

from __future__ import annotations

import sys
import types
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any

from evergraph.compat import alias
from evergraph.compat.missing import MissingModule, MissingName

__path__: list[str] = []


class _Mirror(MetaPathFinder, Loader):
    """Answers imports below `evergraph.python`."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        if not fullname.startswith(f"{__name__}."):
            return None
        try:
            found = alias.internal_module(fullname.removeprefix("evergraph."))
        except MissingName as error:
            raise MissingModule(error.symbol, str(error)) from None
        return ModuleSpec(fullname, self, origin="evergraph", is_package=True, loader_state=found)

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        assert module.__spec__ is not None
        sys.modules[module.__name__] = module.__spec__.loader_state


if not any(isinstance(finder, _Mirror) for finder in sys.meta_path):
    sys.meta_path.insert(0, _Mirror())
