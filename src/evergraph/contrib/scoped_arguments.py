"""`arg_scope`: defaults for the arguments of functions, given once for a block.

    with arg_scope([conv2d], padding="SAME", activation_fn=None):
        conv2d(x, 8, 3)

A function must be marked with `add_arg_scope`. What a call gives itself comes before what the scope gives.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from evergraph.framework.api import public

_stack: list[dict[str, dict[str, Any]]] = [{}]
_decorated: dict[str, tuple[str, ...]] = {}


def _both(name: str) -> tuple[str, str]:
    return f"contrib.framework.{name}", f"contrib.slim.{name}"


@public(*_both("arg_scope_func_key"))
def arg_scope_func_key(op: Any) -> str:
    """What a function is called in a scope's dictionary."""
    return getattr(op, "_key_op", str(op))


@public(*_both("current_arg_scope"))
def current_arg_scope() -> dict[str, dict[str, Any]]:
    """The defaults of the block that is running: function key to arguments."""
    return _stack[-1]


@public(*_both("has_arg_scope"))
def has_arg_scope(func: Any) -> bool:
    """Whether `func` is marked with `add_arg_scope`."""
    return arg_scope_func_key(func) in _decorated


@public(*_both("arg_scoped_arguments"))
def arg_scoped_arguments(func: Any) -> tuple[str, ...]:
    """The names of the arguments of `func` that a scope can give."""
    assert has_arg_scope(func)
    return _decorated[arg_scope_func_key(func)]


@public(*_both("add_arg_scope"), "contrib.framework.python.ops.add_arg_scope")
def add_arg_scope(func: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a function: `arg_scope` may give its arguments."""
    key = arg_scope_func_key(func)

    @functools.wraps(func)
    def with_scoped_arguments(*args: Any, **kwargs: Any) -> Any:
        given = current_arg_scope().get(key)
        return func(*args, **(given | kwargs if given else kwargs))

    parameters = inspect.signature(func).parameters.values()
    _decorated[key] = tuple(p.name for p in parameters if p.default is not p.empty)
    with_scoped_arguments._key_op = key  # type: ignore[attr-defined]  # `arg_scope_func_key` asks for it
    return with_scoped_arguments


@public(*_both("arg_scope"))
@contextmanager
def arg_scope(list_ops_or_scope: Any, **kwargs: Any) -> Iterator[dict[str, dict[str, Any]]]:
    """Give functions defaults for a block.

    Args:
        list_ops_or_scope: functions marked with `add_arg_scope`; or a scope that an `arg_scope` gave, to enter again.
        **kwargs: the defaults; none for a scope that is entered again.

    Raises:
        TypeError: if the first argument is neither.
        ValueError: if a function is not marked, or there are defaults for a scope that is entered again.
    """
    if isinstance(list_ops_or_scope, dict):
        if kwargs:
            raise ValueError("When attempting to re-use a scope by suppling a dictionary, kwargs must be empty.")
        scope = dict(list_ops_or_scope)
    elif isinstance(list_ops_or_scope, list | tuple):
        scope = dict(current_arg_scope())
        for op in list_ops_or_scope:
            if not has_arg_scope(op):
                raise ValueError(f"{(op.__module__, op.__name__)} is not decorated with @add_arg_scope")
            key = arg_scope_func_key(op)
            scope[key] = scope.get(key, {}) | kwargs
    else:
        raise TypeError("list_ops_or_scope must either be a list/tuple or reused scope (i.e. dict)")
    _stack.append(scope)
    try:
        yield scope
    finally:
        _stack.pop()
