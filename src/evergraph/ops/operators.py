"""What `x + y` and its kin mean on tensors.

Each operator puts its op in a name scope of its own (`add`, `truediv`, ...), in which Python values become constants
named `x` and `y`. Comparisons, `-x` and `~x` are their ops directly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework import convert, dtypes
from evergraph.framework.scopes import name_scope
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops import arithmetic, cast, comparisons, elementwise, products
from evergraph.ops.opdef import raw_op

OVERLOADABLE = frozenset(
    "__add__ __radd__ __sub__ __rsub__ __mul__ __rmul__ __div__ __rdiv__ __truediv__ __rtruediv__ __floordiv__ "
    "__rfloordiv__ __mod__ __rmod__ __lt__ __le__ __gt__ __ge__ __and__ __rand__ __or__ __ror__ __xor__ __rxor__ "
    "__getitem__ __pow__ __rpow__ __invert__ __neg__ __abs__ __matmul__ __rmatmul__".split()
)
"""The operators that a variable takes over from its value; `__eq__` and `__ne__` stay what they are for objects."""


def _sum(x: Tensor, y: Any, name: str) -> Tensor:
    return (arithmetic.add if x.dtype.base_dtype is dtypes.string else arithmetic.add_v2)(x, y, name=name)


def _product(x: Any, y: Any, name: str) -> Any:
    if isinstance(y, SparseTensor):
        values = raw_op("SparseDenseCwiseMul")(y.indices, y.values, y.dense_shape, x, name)
        return SparseTensor(y.indices, values, y.dense_shape)
    return arithmetic.mul(x, y, name=name)


_SIMPLE: dict[str, Callable[..., Any]] = {
    "add": _sum,
    "sub": arithmetic.sub,
    "mul": _product,
    "mod": arithmetic.floor_mod,
    "floordiv": arithmetic.floor_div,
    "pow": arithmetic.pow_op,
    "and": comparisons.logical_and,
    "or": comparisons.logical_or,
}
_SCOPED: dict[str, Callable[..., Any]] = {
    "div": arithmetic.div,
    "truediv": arithmetic.truediv,
    "xor": comparisons.logical_xor,
    "matmul": products.matmul,
}


def _binary(word: str, build: Callable[..., Any], is_simple: bool) -> None:
    reflected = f"__r{word}__"

    def operator(x: Tensor, y: Any) -> Any:
        if is_simple and type(y) is Tensor:
            return build(x, y, name=word)  # no scope needed: the op takes the name itself
        with name_scope(None, word, [x, y]) as scope:
            if not isinstance(y, Tensor | SparseTensor):
                try:
                    y = convert.converted(y, None, "y", False, x.dtype.base_dtype)
                except TypeError:
                    if hasattr(type(y), reflected):
                        return NotImplemented
                    raise
            return build(x, y, name=scope)

    def reflected_operator(y: Tensor, x: Any) -> Any:
        with name_scope(None, word, [x, y]) as scope:
            x = convert.convert_to_tensor(x, dtype=y.dtype.base_dtype, name="x")
            return build(x, y, name=scope)

    for name, function in ((f"__{word}__", operator), (reflected, reflected_operator)):
        function.__name__ = function.__qualname__ = name
        setattr(Tensor, name, function)


for _word, _build in _SIMPLE.items():
    _binary(_word, _build, is_simple=True)
for _word, _build in _SCOPED.items():
    _binary(_word, _build, is_simple=False)


def _direct(name: str, build: Callable[..., Any]) -> None:
    def operator(self: Tensor, *other: Any) -> Tensor:
        return build(self, *other)

    operator.__name__ = operator.__qualname__ = name
    setattr(Tensor, name, operator)


_direct_ops: dict[str, Callable[..., Any]] = {
    "__neg__": elementwise.neg,
    "__abs__": elementwise.abs,
    "__invert__": comparisons.logical_not,
    "__lt__": comparisons.less,
    "__le__": comparisons.less_equal,
    "__gt__": comparisons.greater,
    "__ge__": comparisons.greater_equal,
}
for _name, _function in _direct_ops.items():
    _direct(_name, _function)

Tensor.OVERLOADABLE_OPERATORS = OVERLOADABLE | {"__eq__", "__ne__"}  # type: ignore[attr-defined]  # known only where operators are


# Sparse tensors: the zeros that are not stored stay zeros.


def _sparse_quotient(indices: Tensor, values: Tensor, shape: Tensor, y: Tensor, name: str) -> Tensor:
    with name_scope(name, "truediv", [indices, values, shape, y]) as scope:
        wanted = arithmetic.quotient_type(values.dtype.base_dtype, y.dtype.base_dtype)
        if wanted is not None:
            values, y = cast.cast(values, wanted), cast.cast(y, wanted)
        return raw_op("SparseDenseCwiseDiv")(indices, values, shape, y, name=scope)


def _sparse_binary(word: str, build: Callable[..., Tensor]) -> None:
    def operator(x: SparseTensor, y: Any) -> SparseTensor:
        with name_scope(None, word, [x, y]) as scope:
            y = convert.convert_to_tensor(y, dtype=x.dtype.base_dtype, name="y")
            values = build(x.indices, x.values, x.dense_shape, y, name=scope)
            return SparseTensor(x.indices, values, x.dense_shape)

    operator.__name__ = operator.__qualname__ = f"__{word}__"
    setattr(SparseTensor, f"__{word}__", operator)


_sparse_binary("div", raw_op("SparseDenseCwiseDiv"))
_sparse_binary("truediv", _sparse_quotient)
_sparse_binary("mul", raw_op("SparseDenseCwiseMul"))
