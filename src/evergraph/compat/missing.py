"""What to say when a program asks for something of TensorFlow's that is not there."""

from __future__ import annotations

from typing import Any


class Missing:
    """A name of TensorFlow's that is not there: `symbol`, as the program wrote it, `tensorflow.data.Dataset`."""

    symbol: str


class MissingName(Missing, AttributeError):
    """The error for `tf.x.y`, so that `hasattr` and `getattr` with a default work."""

    def __init__(self, symbol: str, text: str) -> None:
        super().__init__(text)
        self.symbol = symbol

    def __reduce__(self) -> Any:
        return type(self), (self.symbol, str(self))


class MissingModule(Missing, ModuleNotFoundError):
    """The error for `import tensorflow.x.y`, so that `except ImportError` works.

    `name` is left unset: the import system takes an error that has it for its own, and says less.
    """

    def __init__(self, symbol: str, text: str) -> None:
        super().__init__(text)
        self.symbol = symbol

    def __reduce__(self) -> Any:
        return type(self), (self.symbol, str(self))


def not_there_yet(symbol: str, hint: str = "") -> MissingName:
    """For what TensorFlow 1.15 has."""
    return MissingName(symbol, f"{symbol} is not there yet{': ' + hint if hint else ''}")


def unknown(symbol: str, hint: str = "") -> MissingName:
    """For what TensorFlow 1.15 does not have either."""
    return MissingName(symbol, f"TensorFlow 1.15 has no {symbol}{': ' + hint if hint else ''}")
