"""Switches between the behaviours of TensorFlow 1 and 2. Evergraph has TensorFlow 1's, and says so to the others."""

from __future__ import annotations

from typing import Any, NoReturn

from evergraph.framework.api import publish


def _already_off(name: str) -> None:
    def switch() -> None:
        pass

    switch.__name__ = switch.__qualname__ = name
    switch.__doc__ = "Do nothing: that is how Evergraph behaves."
    publish(name, switch)


def _not_offered(name: str, what: str) -> None:
    def switch(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(
            f"tf.{name}: {what} is not part of Evergraph, which builds graphs and runs them in sessions. "
            "Leave the call out, and fetch values with tf.Session().run(...)."
        )

    switch.__name__ = switch.__qualname__ = name
    switch.__doc__ = f"Refuse: {what} is not part of Evergraph."
    publish(name, switch)


for _name in (
    "disable_v2_behavior", "disable_eager_execution", "disable_tensor_equality", "disable_v2_tensorshape",
):  # fmt: skip
    _already_off(_name)

for _name, _what in {
    "enable_eager_execution": "eager execution",
    "enable_v2_behavior": "TensorFlow 2's behaviour",
    "enable_v2_tensorshape": "TensorFlow 2's TensorShape",
    "enable_tensor_equality": "comparing tensors by value with ==",
}.items():
    _not_offered(_name, _what)
