"""`tf.raw_ops`: every op of TensorFlow 1.15 under its own name, taking the inputs and attributes of its OpDef."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework import opdefs
from evergraph.framework.api import publish
from evergraph.ops.opdef import raw_op


def _builder(op_name: str) -> Callable[..., Any]:
    def build(**kwargs: Any) -> Any:
        return raw_op(op_name)(**kwargs)

    build.__name__ = build.__qualname__ = op_name
    build.__doc__ = f"Build a {op_name} op; inputs and attributes are keyword arguments."
    return build


for _name in opdefs.names():
    publish(f"raw_ops.{_name}", _builder(_name))
