"""From a class of `tf.layers` to the function that makes such a layer and calls it at once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def layer_function(name: str, cls: Any, doc: str, reusable: bool = True) -> Callable[..., Any]:
    """The function `name(inputs, <arguments of cls>, reuse=None)`.

    Without `reusable` there are no variables to reuse, and no `reuse`.
    """
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    own = list(inspect.signature(cls.__init__).parameters.values())[1:]
    parameters = [inspect.Parameter("inputs", kind)]
    parameters += [p for p in own if p.kind is kind]
    if reusable:
        parameters.append(inspect.Parameter("reuse", kind, default=None))
    signature = inspect.Signature(parameters)

    def function(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        inputs = given.pop("inputs")
        if reusable:
            given["_reuse"] = given.pop("reuse", None)
            given["_scope"] = given.get("name")
        return cls(**given).apply(inputs)

    function.__name__ = function.__qualname__ = name
    function.__signature__ = signature  # type: ignore[attr-defined]  # for `inspect`
    function.__doc__ = f"{doc}\n\n`tf.layers.{cls.__name__}` has the arguments; `reuse` as in `tf.variable_scope`."
    return function
