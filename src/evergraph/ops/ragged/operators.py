"""What `+` and its kin mean on ragged tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.ops import arithmetic, comparisons, elementwise
from evergraph.ops.ragged.tensor import RaggedTensor


def _reflected(build: Callable[..., Any]) -> Callable[..., Any]:
    def operator(y: Any, x: Any) -> Any:
        return build(x, y)

    return operator


def _direct(build: Callable[..., Any]) -> Callable[..., Any]:
    def operator(*args: Any) -> Any:
        return build(*args)

    return operator


_ONE_WAY: dict[str, Callable[..., Any]] = {
    "ge": comparisons.greater_equal,
    "gt": comparisons.greater,
    "le": comparisons.less_equal,
    "lt": comparisons.less,
    "invert": comparisons.logical_not,
    "abs": elementwise.abs,
    "neg": elementwise.neg,
}
_BOTH_WAYS: dict[str, Callable[..., Any]] = {
    "and": comparisons.logical_and,
    "or": comparisons.logical_or,
    "xor": comparisons.logical_xor,
    "add": arithmetic.add,
    "div": arithmetic.div,
    "floordiv": arithmetic.floordiv,
    "mod": arithmetic.floor_mod,
    "mul": arithmetic.multiply,
    "pow": arithmetic.pow,
    "sub": arithmetic.subtract,
    "truediv": arithmetic.truediv,
}
for _word, _build in (_ONE_WAY | _BOTH_WAYS).items():
    setattr(RaggedTensor, f"__{_word}__", _direct(_build))
for _word, _build in _BOTH_WAYS.items():
    setattr(RaggedTensor, f"__r{_word}__", _reflected(_build))
