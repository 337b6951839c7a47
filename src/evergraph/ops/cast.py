"""Changing the type of a tensor's elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes, errors
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.dtypes import DType
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.sparse import IndexedSlices, SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import kernel_error, op, raw_op, unchanged_shape

_GO_BETWEEN = {
    "uint8": np.int32,
    "int8": np.int32,
    "uint16": np.int32,
    "int16": np.int32,
    "uint32": np.int64,
    "uint64": np.int64,
}
_DIFFERENTIABLE = (
    dtypes.float16,
    dtypes.float32,
    dtypes.float64,
    dtypes.bfloat16,
    dtypes.complex64,
    dtypes.complex128,
)


@op("Cast", shape=unchanged_shape)
def cast_op(xp: Any, x: Any, *, DstT: DType, Truncate: bool) -> Any:
    """The same numbers in another type: fractions are cut off, complex numbers lose their imaginary part.

    A float that the wanted integer type cannot hold becomes what x86 processors make of it: the smallest int32 or
    int64, of which the narrower types keep the low bits.
    """
    if x.dtype == DstT.np:
        return x
    if x.dtype == object or DstT is dtypes.string:
        source = "string" if x.dtype == object else dtypes.as_dtype(x.dtype).name
        raise kernel_error(f"Cast {source} to {DstT.name} is not supported", errors.UnimplementedError)
    if x.dtype.names:  # a quantized type holds integers
        x = x[x.dtype.names[0]]
    if DstT.np.names:
        made = np.empty(x.shape, DstT.np)
        made[DstT.np.names[0]] = np.asarray(x).astype(DstT.np[0])
        return made
    if DstT.np == np.bool_:
        return x != 0
    if x.dtype.kind == "c" and DstT.np.kind != "c":
        x = x.real
    if DstT._kind in "iu" and x.dtype.kind not in "iub":
        return _from_float(xp, x, DstT)
    return x.astype(DstT.np)


def _from_float(xp: Any, x: Any, wanted: DType) -> Any:
    integer = np.dtype(_GO_BETWEEN.get(wanted.name, wanted.np))
    if x.dtype.itemsize < 4:
        x = x.astype(np.float32)
    lowest = float(np.iinfo(integer).min)
    fits = (x >= lowest) & (x < -lowest)
    return xp.where(fits, x, x.dtype.type(lowest)).astype(integer).astype(wanted.np)


@cast_op.gradient
def cast_grad(made: Operation, grad: Tensor) -> Tensor | None:
    source = made.inputs[0].dtype.base_dtype
    if source in _DIFFERENTIABLE and grad.dtype.base_dtype in _DIFFERENTIABLE:
        return cast(grad, source)
    return None


@public("cast", "dtypes.cast")
def cast(x: Any, dtype: Any, name: str | None = None) -> Any:
    """Cast to another type.

    Args:
        x: a tensor, `SparseTensor` or `IndexedSlices` of numbers or booleans.
        dtype: the wanted type.
        name: the op's name.

    Returns:
        the same kind of thing, of type `dtype`; `x` itself if it is of that type already.

    >>> sess.run(tf.cast([1.8, -1.8], tf.int32))
    array([ 1, -1], dtype=int32)
    """
    wanted = dtypes.as_dtype(dtype).base_dtype
    if (isinstance(x, Tensor) or hasattr(x, "handle")) and x.dtype == wanted:
        return x
    with name_scope(name, "Cast", [x]) as scope:
        if isinstance(x, SparseTensor):
            return SparseTensor(x.indices, cast(x.values, wanted, name=scope), x.dense_shape)
        if isinstance(x, IndexedSlices):
            return IndexedSlices(cast(x.values, wanted, name=scope), x.indices, x.dense_shape)
        x = convert_to_tensor(x, name="x")
        return x if x.dtype.base_dtype is wanted else cast_op(x, wanted, name=scope)


@public("dtypes.saturate_cast", "saturate_cast")
def saturate_cast(value: Any, dtype: Any, name: str | None = None) -> Tensor:
    """Cast to another type; what does not fit becomes its smallest or greatest number."""
    with name_scope(name, "saturate_cast", [value]) as scope:
        value = convert_to_tensor(value, name="value")
        wanted = dtypes.as_dtype(dtype).base_dtype
        low, high = (np.asarray(limit).item() for limit in (value.dtype.min, value.dtype.max))  # compared exactly
        if low < wanted.min:
            value = raw_op("Maximum")(value, convert_to_tensor(wanted.min, dtype=value.dtype, name="min"))
        if high > wanted.max:
            value = raw_op("Minimum")(value, convert_to_tensor(wanted.max, dtype=value.dtype, name="max"))
        return cast(value, wanted, name=scope)


@public("to_float")
def to_float(x: Any, name: str = "ToFloat") -> Any:
    """Cast to float32."""
    return cast(x, dtypes.float32, name=name)


@public("to_double")
def to_double(x: Any, name: str = "ToDouble") -> Any:
    """Cast to float64."""
    return cast(x, dtypes.float64, name=name)


@public("to_int32")
def to_int32(x: Any, name: str = "ToInt32") -> Any:
    """Cast to int32."""
    return cast(x, dtypes.int32, name=name)


@public("to_int64")
def to_int64(x: Any, name: str = "ToInt64") -> Any:
    """Cast to int64."""
    return cast(x, dtypes.int64, name=name)


@public("to_bfloat16")
def to_bfloat16(x: Any, name: str = "ToBFloat16") -> Any:
    """Cast to bfloat16."""
    return cast(x, dtypes.bfloat16, name=name)


@public("to_complex64")
def to_complex64(x: Any, name: str = "ToComplex64") -> Any:
    """Cast to complex64."""
    return cast(x, dtypes.complex64, name=name)


@public("to_complex128")
def to_complex128(x: Any, name: str = "ToComplex128") -> Any:
    """Cast to complex128."""
    return cast(x, dtypes.complex128, name=name)
