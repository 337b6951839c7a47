"""`tf.Module`: an object with variables, and other modules, in its attributes."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

from evergraph.framework import nest
from evergraph.framework.api import public
from evergraph.framework.scopes import name_scope
from evergraph.ops.variables import Variable
from evergraph.training.tracking.trackable import AutoTrackable

_NOT_THE_PROGRAMS = "_tracked"


@public("Module")
class Module(AutoTrackable):
    """The base class of objects that have variables in their attributes, or in lists, tuples and dicts in them.

    Args:
        name: a Python identifier; by default the class's name, `my_model` for `MyModel`.

    Raises:
        ValueError: for a name that is no identifier.

    >>> class Dense(tf.Module):
    ...     def __init__(self, size, name=None):
    ...         super().__init__(name)
    ...         with self.name_scope:
    ...             self.w = tf.Variable(tf.zeros([size, size]), name="w")
    ...             self.b = tf.Variable(tf.zeros([size]), name="b")
    ...
    ...     def __call__(self, x):
    ...         return tf.matmul(x, self.w) + self.b
    >>> [v.name for v in Dense(2).trainable_variables]
    ['dense/b:0', 'dense/w:0']
    """

    _TF_MODULE_IGNORED_PROPERTIES: frozenset[str] = frozenset()

    def __init__(self, name: str | None = None) -> None:
        if name is None:
            name = camel_to_snake(type(self).__name__)
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            raise ValueError(
                f"{name!r} is not a valid module name. Module names must be valid Python identifiers (e.g. a valid "
                "class name)."
            )
        self._name = name
        with name_scope(name) as scope:
            self._scope_name = scope

    @property
    def name(self) -> str:
        return self._name

    @property
    def name_scope(self) -> Any:
        """The name scope of the module, to be entered any number of times."""
        return name_scope(self._scope_name)

    @property
    def variables(self) -> tuple[Any, ...]:
        """The variables of this module and of those in it, its own first, by the names of attributes."""
        return tuple(self._flatten(predicate=lambda x: isinstance(x, Variable)))

    @property
    def trainable_variables(self) -> tuple[Any, ...]:
        """Those of `variables` that are trainable."""
        return tuple(self._flatten(predicate=lambda x: isinstance(x, Variable) and bool(x.trainable)))

    @property
    def submodules(self) -> tuple[Module, ...]:
        """All modules in this one, and in those."""
        return tuple(self._flatten(predicate=lambda x: isinstance(x, Module)))

    def _flatten(
        self,
        recursive: bool = True,
        predicate: Callable[[Any], bool] | None = None,
        attribute_traversal_key: Callable[[str], Any] | None = None,
        with_path: bool = False,
    ) -> Iterator[Any]:
        """What is in the attributes of this module, and of those in it.

        Args:
            recursive: whether to go into modules.
            predicate: what to give; everything by default.
            attribute_traversal_key: by what attributes are sorted; by their names by default.
            with_path: whether to give pairs of a path, a tuple of keys, and a value; a value may then come twice.
        """
        return _flattened(
            self, recursive, predicate or (lambda _: True), attribute_traversal_key, with_path, (), {id(self)}
        )

    @classmethod
    def with_name_scope(cls, method: Callable[..., Any]) -> Callable[..., Any]:
        """A decorator of methods, which then run inside of the module's name scope."""

        @functools.wraps(method)
        def inside(self: Module, *args: Any, **kwargs: Any) -> Any:
            with self.name_scope:
                return method(self, *args, **kwargs)

        return inside


def camel_to_snake(value: str) -> str:
    """
    >>> camel_to_snake("MyModel2D")
    'my_model2_d'
    """
    return re.sub(r"((?<=[a-z0-9])[A-Z]|(?!^)[A-Z](?=[a-z]))", r"_\1", value).lower()


def _flattened(
    module: Module,
    recursive: bool,
    predicate: Callable[[Any], bool],
    key: Callable[[str], Any] | None,
    with_path: bool,
    path: tuple[Any, ...],
    seen: set[int],
) -> Iterator[Any]:
    inner = []
    ignored = module._TF_MODULE_IGNORED_PROPERTIES
    for name in sorted((n for n in vars(module) if n not in ignored and n != _NOT_THE_PROGRAMS), key=key):
        for below, leaf in nest._paths(vars(module)[name], False, ()):
            here = (*path, name, *below)
            if not with_path:
                if id(leaf) in seen:
                    continue
                seen.add(id(leaf))
            if predicate(leaf):
                yield (here, leaf) if with_path else leaf
            if recursive and isinstance(leaf, Module):
                inner.append((here, leaf))
    for here, found in inner:
        yield from _flattened(found, recursive, predicate, key, with_path, here, seen)
