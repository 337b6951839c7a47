"""The element types of tensors.

A `DType` is one of TF's data types: a name, its number in `DataType`, and the NumPy type that holds its
values. Each type has a *reference* twin (number + 100): the type of a tensor that names a variable's
storage rather than a value. There is exactly one object per type, so `is` compares them.
"""

from __future__ import annotations

import builtins
from typing import Any

import ml_dtypes
import numpy as np


class DType:
    """The type of the elements in a `Tensor`. `tf.float32` and its siblings are the only instances."""

    __slots__ = ("name", "as_datatype_enum", "as_numpy_dtype", "_kind", "_base", "_ref", "_is_ref_dtype", "np")

    name: str
    as_datatype_enum: int
    as_numpy_dtype: Any
    np: np.dtype

    def __new__(cls, type_enum: Any, *own: Any) -> DType:
        """The type of a number of TF's `DataType`; with more arguments, a new one."""
        return super().__new__(cls) if own else as_dtype(type_enum)

    def __init__(
        self, name: Any, number: int = 0, numpy_type: Any = None, kind: str = "", base: DType | None = None
    ) -> None:
        if not kind:
            return  # `DType(number)`: it was there before
        self.name = name
        self.as_datatype_enum = number
        self.as_numpy_dtype = numpy_type
        self.np = np.dtype(numpy_type)
        self._kind = kind
        self._is_ref_dtype = base is not None
        self._base = base or self
        self._ref = self if base is not None else DType(name + "_ref", number + 100, numpy_type, kind, self)

    @property
    def base_dtype(self) -> DType:
        """The non-reference form of this type."""
        return self._base

    @property
    def _as_ref(self) -> DType:
        return self._ref

    @property
    def real_dtype(self) -> DType:
        """The type of the real part: float32 for complex64, itself for the others."""
        return {complex64: float32, complex128: float64}.get(self._base, self)

    @property
    def is_numpy_compatible(self) -> builtins.bool:
        return self._kind not in "RV"

    @property
    def is_bool(self) -> builtins.bool:
        return self._kind == "b"

    @property
    def is_integer(self) -> builtins.bool:
        return self._kind in "iu"

    @property
    def is_unsigned(self) -> builtins.bool:
        return self._kind == "u"

    @property
    def is_floating(self) -> builtins.bool:
        return self._kind == "f"

    @property
    def is_complex(self) -> builtins.bool:
        return self._kind == "c"

    @property
    def is_quantized(self) -> builtins.bool:
        return self._kind == "q"

    @property
    def limits(self) -> tuple[Any, Any]:
        return self.min, self.max

    @property
    def min(self) -> Any:
        return self._limit("min")

    @property
    def max(self) -> Any:
        return self._limit("max")

    def _limit(self, end: str) -> Any:
        if self._kind == "f":
            return getattr(ml_dtypes.finfo(self.np) if self.name.startswith("bfloat16") else np.finfo(self.np), end)
        if self._kind in "iu":
            return getattr(np.iinfo(self.np), end)
        if self._kind == "b":
            return end == "max"
        raise TypeError(f"Cannot find {end}imum value of {self}.")

    @property
    def size(self) -> int:
        """Bytes of one element; 1 for types that have no fixed size."""
        return 1 if self._kind in "SRV" else self.np.itemsize

    def is_compatible_with(self, other: Any) -> builtins.bool:
        """Whether a value of type `other` can be used where this type is wanted (references count as values)."""
        other = as_dtype(other)
        return self is other or self is other._base

    def __int__(self) -> int:
        return self.as_datatype_enum

    def __eq__(self, other: object) -> builtins.bool:
        if self is other:
            return True
        if other is None or isinstance(other, DType):
            return False
        try:
            return as_dtype(other) is self
        except TypeError:
            return False

    def __ne__(self, other: object) -> builtins.bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.name)

    def __str__(self) -> str:
        return f"<dtype: {self.name!r}>"

    def __repr__(self) -> str:
        return f"tf.{self.name}"

    def __reduce__(self) -> Any:
        return as_dtype, (self.name,)

    def __copy__(self) -> DType:
        return self

    def __deepcopy__(self, memo: Any) -> DType:
        return self


float32 = DType("float32", 1, np.float32, "f")
float64 = DType("float64", 2, np.float64, "f")
int32 = DType("int32", 3, np.int32, "i")
uint8 = DType("uint8", 4, np.uint8, "u")
int16 = DType("int16", 5, np.int16, "i")
int8 = DType("int8", 6, np.int8, "i")
string = DType("string", 7, np.object_, "S")
complex64 = DType("complex64", 8, np.complex64, "c")
int64 = DType("int64", 9, np.int64, "i")
bool = DType("bool", 10, np.bool_, "b")
qint8 = DType("qint8", 11, np.dtype([("qint8", np.int8)]), "q")
quint8 = DType("quint8", 12, np.dtype([("quint8", np.uint8)]), "q")
qint32 = DType("qint32", 13, np.dtype([("qint32", np.int32)]), "q")
bfloat16 = DType("bfloat16", 14, ml_dtypes.bfloat16, "f")
qint16 = DType("qint16", 15, np.dtype([("qint16", np.int16)]), "q")
quint16 = DType("quint16", 16, np.dtype([("quint16", np.uint16)]), "q")
uint16 = DType("uint16", 17, np.uint16, "u")
complex128 = DType("complex128", 18, np.complex128, "c")
float16 = DType("float16", 19, np.float16, "f")
resource = DType("resource", 20, np.object_, "R")
variant = DType("variant", 21, np.object_, "V")
uint32 = DType("uint32", 22, np.uint32, "u")
uint64 = DType("uint64", 23, np.uint64, "u")
half = float16
double = float64

ALL: tuple[DType, ...] = (
    float32, float64, int32, uint8, int16, int8, string, complex64, int64, bool, qint8, quint8, qint32, bfloat16,
    qint16, quint16, uint16, complex128, float16, resource, variant, uint32, uint64,
)  # fmt: skip
QUANTIZED_DTYPES = frozenset((qint8, quint8, qint16, quint16, qint32))

_LOOKUP: dict[Any, DType] = {}
for _t in ALL:
    for _d in (_t, _t._ref):
        _LOOKUP[_d.name] = _LOOKUP[_d.as_datatype_enum] = _d
    if _t._kind not in "SRV":
        _LOOKUP[_t.as_numpy_dtype] = _LOOKUP[_t.np] = _t
_LOOKUP.update(
    {
        "float": float32,
        "float_ref": float32._ref,
        "half": float16,
        "half_ref": float16._ref,
        "double": float64,
        "double_ref": float64._ref,
    }
)
_LOOKUP.update(
    {float: float32, np.object_: string, object: string, np.dtype(object): string, str: string, bytes: string}
)
_LOOKUP.update({np.str_: string, np.bytes_: string})


def as_dtype(type_value: Any) -> DType:
    """Convert `type_value` to a `DType`.

    Args:
        type_value: a `DType`, its name or number, a NumPy type or dtype, or a Python type
            (`float` is float32; `int` is int64, as NumPy has it).

    Raises:
        TypeError: if it names no type.
    """
    if type(type_value) is DType:
        return type_value
    try:
        found = _LOOKUP.get(type_value)
    except TypeError:  # unhashable
        found = None
    if found is not None:
        return found
    try:
        dtype = np.dtype(type_value)
    except TypeError:
        pass
    else:
        if dtype.kind in "SU":
            return string
        if dtype.newbyteorder("=") in _LOOKUP:
            return _LOOKUP[dtype.newbyteorder("=")]
    if hasattr(type_value, "dtype"):
        return as_dtype(type_value.dtype)
    raise TypeError(f"Cannot convert value {type_value!r} to a TensorFlow DType.")
