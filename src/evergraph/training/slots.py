"""Slot variables: what an optimizer remembers of each variable it changes.

The slot `m` of a variable `w` is a variable `w/Adam`, of the same shape and on the same device.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from evergraph.framework.scopes import colocate_with
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops.filling import zeros
from evergraph.ops.initializers import Zeros
from evergraph.ops.ref_variable import RefVariable
from evergraph.ops.resource_variable import is_resource_variable
from evergraph.ops.shaping import shape as shape_of
from evergraph.ops.variable_scope import get_variable, get_variable_scope, variable_scope
from evergraph.ops.variables import SaveSliceInfo, Variable


def create_slot(primary: Any, val: Tensor, name: str, colocate_with_primary: bool = True) -> Variable:
    """A variable beside `primary` whose initial value is `val`."""
    return _create(primary, val, name, colocate_with_primary, val.get_shape().is_fully_defined(), None, None)


def create_slot_with_initializer(
    primary: Any, initializer: Any, shape: TensorShape, dtype: Any, name: str, colocate_with_primary: bool = True
) -> Variable:
    """A variable of `shape` beside `primary` that starts with what `initializer` gives."""
    return _create(primary, initializer, name, colocate_with_primary, shape.is_fully_defined(), shape, dtype)


def create_zeros_slot(primary: Any, name: str, dtype: Any = None, colocate_with_primary: bool = True) -> Variable:
    """A variable beside `primary`, of its shape, that starts with zeros."""
    dtype = primary.dtype if dtype is None else dtype
    shape = primary.get_shape()
    if shape.is_fully_defined():
        return create_slot_with_initializer(primary, Zeros(), shape, dtype, name, colocate_with_primary)
    sizes = shape_of(primary.initialized_value() if isinstance(primary, Variable) else primary)
    return create_slot(primary, zeros(sizes, dtype=dtype), name, colocate_with_primary)


def _create(
    primary: Any, value: Any, name: str, colocate: bool, validate_shape: bool, shape: TensorShape | None, dtype: Any
) -> Variable:
    with variable_scope(None, f"{primary.op.name}/{name}"):
        with colocate_with(primary) if colocate else nullcontext():
            return _slot(primary, value, validate_shape, shape, dtype)


def _slot(primary: Any, value: Any, validate_shape: bool, shape: TensorShape | None, dtype: Any) -> Variable:
    scope = get_variable_scope()
    partitioner = scope.partitioner
    scope.set_partitioner(None)
    use_resource = None
    if is_resource_variable(primary):
        use_resource = True
    elif isinstance(primary, RefVariable):
        use_resource = False
    slot = get_variable(
        "",
        initializer=value,
        trainable=False,
        use_resource=use_resource,
        shape=shape if callable(value) else None,
        dtype=dtype,
        validate_shape=validate_shape,
    )
    scope.set_partitioner(partitioner)
    info = primary._get_save_slice_info() if isinstance(primary, Variable) else None
    if info is not None:
        slot_name = slot.name[len(primary.op.name + "/") : -2]
        slot._set_save_slice_info(
            SaveSliceInfo(f"{info.full_name}/{slot_name}", info.full_shape[:], info.var_offset[:], info.var_shape[:])
        )
    return slot
