"""Functions that take more than tensors: what a function cannot convert, a handler may know what to do with.

    dispatch.add(matmul, lambda a, b, **options: ... or NotImplemented)

The handlers of a function are asked, in the order they were added, once it has failed with a TypeError or ValueError.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

OPEN = frozenset(
    """identity ones_like zeros_like clip_by_value abs angle cast conj imag log_sigmoid real round saturate_cast
    string_to_number string_to_hash_bucket strings.regex_full_match regex_replace substr strings.length add_n complex
    div_no_nan divide div equal floordiv logical_xor multiply not_equal pow subtract truediv batch_gather concat
    expand_dims gather gather_nd one_hot rank size squeeze stack where unsorted_segment_mean unsorted_segment_sqrt_n
    reduce_join reduce_sum reduce_prod reduce_min reduce_max reduce_mean reduce_any reduce_all""".split()
)
"""The public functions that can have handlers; ops (`opdef.Op`) can all have some."""

_handlers: dict[Any, list[Callable[..., Any]]] = {}


def add(function: Any, handler: Callable[..., Any]) -> None:
    """Let `handler` answer for calls of `function` that fail: with `NotImplemented` where it does not know either."""
    _handlers.setdefault(function, []).append(handler)


def handled(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What the first handler that knows gives, else `NotImplemented`."""
    for handler in _handlers.get(function, ()):
        result = handler(*args, **kwargs)
        if result is not NotImplemented:
            return result
    return NotImplemented


def dispatching(function: F) -> F:
    """Let a function have handlers."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except (TypeError, ValueError):
            result = handled(call, args, kwargs)
            if result is NotImplemented:
                raise
            return result

    return call  # type: ignore[return-value]  # `call` stands for it
