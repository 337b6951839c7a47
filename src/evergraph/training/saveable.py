"""What a Saver saves: each a list of tensors to write, and how to put read ones back.

A variable is one tensor. Tables and iterators bring an object of their own, of a subclass of `SaveableObject`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from evergraph.framework import convert
from evergraph.framework.devices import DeviceSpec
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import device
from evergraph.framework.tensor import Tensor
from evergraph.ops import state
from evergraph.ops.opdef import raw_op
from evergraph.ops.partitioned import PartitionedVariable
from evergraph.ops.resource_variable import ResourceVariable, is_resource_variable
from evergraph.ops.shaping import reshape
from evergraph.ops.variables import Variable

REFERENCE_OPS = ("Variable", "VariableV2", "AutoReloadVariable")
_VARIABLE_OPS = (*REFERENCE_OPS, "VarHandleOp", "ReadVariableOp")


class SaveSpec:
    """One tensor to save.

    Args:
        tensor: the tensor, or a function that builds it; then `dtype` and `device` must be given.
        slice_spec: which part of a larger tensor it is, as `SaveSliceInfo.spec`; "" for a whole one.
        name: what it is called in the checkpoint.
        dtype: its type.
        device: where it is.
    """

    def __init__(self, tensor: Any, slice_spec: str, name: str, dtype: Any = None, device: str | None = None) -> None:
        self._tensor = tensor
        self.slice_spec = slice_spec
        self.name = name
        self.dtype: Any
        self.device: str | None
        if callable(tensor):
            if dtype is None or device is None:
                raise AssertionError(
                    "When passing a callable `tensor` to a SaveSpec, an explicit dtype and device must be provided."
                )
            self.dtype, self.device = dtype, device
        else:
            self.dtype, self.device = tensor.dtype, tensor.device

    @property
    def tensor(self) -> Any:
        return self._tensor() if callable(self._tensor) else self._tensor


class SaveableObject:
    """Something to save: `specs` say which tensors to write, `restore` builds the ops that take them back.

    Args:
        op: what is saved, a variable or an op.
        specs: `SaveSpec` objects.
        name: its name in the checkpoint.
    """

    def __init__(self, op: Any, specs: list[SaveSpec], name: str) -> None:
        self.op = op
        self.specs = specs
        self.name = name

    @property
    def device(self) -> str | None:
        """Where the first tensor is."""
        return self.specs[0].device

    def optional_restore(self) -> bool | None:
        return None

    def restore(self, restored_tensors: list[Tensor], restored_shapes: list[Any] | None) -> Operation | Tensor:
        """Build the op that takes back what was read.

        Args:
            restored_tensors: a tensor for each of `specs`.
            restored_shapes: the shapes to give them, or None to take them as they are.
        """
        raise ValueError("Calling an abstract method.")


class ReferenceVariableSaveable(SaveableObject):
    """A reference variable."""

    def __init__(self, var: Any, slice_spec: str, name: str) -> None:
        super().__init__(var, [SaveSpec(var, slice_spec, name, dtype=var.dtype)], name)

    def restore(self, restored_tensors: list[Tensor], restored_shapes: list[Any] | None) -> Any:
        value = restored_tensors[0]
        if restored_shapes is not None:
            value = reshape(value, restored_shapes[0])
        validate = restored_shapes is None and self.op.get_shape().is_fully_defined()
        return state.assign(self.op, value, validate_shape=validate)


class ResourceVariableSaveable(SaveableObject):
    """A resource variable, given as such or as a read of it."""

    def __init__(self, var: Any, slice_spec: str, name: str) -> None:
        self._var_device = var.device
        self._var_shape = var.shape
        tensor: Any = var
        if isinstance(var, Tensor):
            self.handle_op = var.op.inputs[0]
        elif is_resource_variable(var):
            self.handle_op = var._handle
            tensor = _read_of(var)
        else:
            raise ValueError(f"Saveable is neither a resource variable nor a read operation. Got: {var!r}")
        spec = SaveSpec(tensor, slice_spec, name, dtype=var.dtype, device=var.device)
        super().__init__(var, [spec], name)

    def restore(self, restored_tensors: list[Tensor], restored_shapes: list[Any] | None) -> Any:
        value = restored_tensors[0]
        if restored_shapes is not None:
            value = reshape(value, restored_shapes[0])
        with device(self._var_device):
            value = raw_op("Identity")(value)
            self._var_shape.assert_is_compatible_with(value.shape)
            return state.assign_variable_op(self.handle_op, value)


def _read_of(variable: ResourceVariable) -> Callable[[], Tensor]:
    def read() -> Tensor:
        with device(variable.device):
            value = variable.read_value()
            with device("/device:CPU:0"):
                return raw_op("Identity")(value)

    return read


def on_cpu(device_name: str | None) -> str:
    """The first CPU of the machine that `device_name` is on."""
    return DeviceSpec.from_string(device_name or "").replace(device_type="CPU", device_index=0).to_string()


def _is_of_variable(value: Any) -> bool:
    return isinstance(value, Tensor) and value.op.type in _VARIABLE_OPS


def saveable_objects_for_op(op: Any, name: str) -> Iterator[SaveableObject]:
    """The objects that save what `op` stands for: a variable, the parts of one, a trackable object, or one of those.

    Raises:
        TypeError: if `name` is no string, or `op` is nothing that can be saved.
        ValueError: for parts of different variables.
    """
    if not isinstance(name, str):
        raise TypeError(
            "names_to_saveables must be a dict mapping string names to trackable operations. "
            f"Name is not a string: {name}"
        )
    if isinstance(op, SaveableObject):
        yield op
    elif isinstance(op, list | tuple | PartitionedVariable):
        yield from _parts(list(op), name)
    elif _is_trackable(op):
        for attribute, factory in op._gather_saveables_for_checkpoint().items():
            full_name = name if attribute == "VARIABLE_VALUE" else f"{name}_{attribute}"
            found = factory(full_name) if callable(factory) else factory
            yield from saveable_objects_for_op(found, found.name)
    elif isinstance(op, ResourceVariable):
        yield ResourceVariableSaveable(op._graph_element, "", name)
    else:
        tensor = convert.converted(op, as_ref=True)
        if not _is_of_variable(tensor):
            raise TypeError(
                f"names_to_saveables must be a dict mapping string names to Tensors/Variables. Not a variable: {tensor}"
            )
        kind = ReferenceVariableSaveable if tensor.op.type in REFERENCE_OPS else ResourceVariableSaveable
        yield kind(tensor, "", name)


def _is_trackable(thing: Any) -> bool:
    return hasattr(thing, "_gather_saveables_for_checkpoint") and not isinstance(thing, Variable)


def _parts(parts: list[Any], name: str) -> Iterator[SaveableObject]:
    whole = None
    for variable in parts:
        if not isinstance(variable, Variable):
            raise ValueError(f"Slices must all be Variables: {variable}")
        info = variable._save_slice_info
        if not info:
            raise ValueError(f"Slices must all be slices: {variable}")
        if whole is None:
            whole = info.full_name
        elif whole != info.full_name:
            raise ValueError(f"Slices must all be from the same tensor: {whole} != {info.full_name}")
        kind = ReferenceVariableSaveable if variable.op.type in REFERENCE_OPS else ResourceVariableSaveable
        yield kind(variable, info.spec, name)


def op_list_to_dict(op_list: Any, convert_variable_to_tensor: bool = True) -> dict[str, Any]:
    """The names under which a list of variables is saved: those of their ops, or of the whole for parts of one.

    Raises:
        TypeError: if it is no list, or holds something that is no variable.
        ValueError: if two have one name.
    """
    if not isinstance(op_list, list | tuple | set):
        raise TypeError(f"Variables to save should be passed in a dict or a list: {op_list}")
    named: dict[str, Any] = {}
    for var in sorted(op_list, key=lambda item: item.name):
        if isinstance(var, SaveableObject):
            named[var.name] = var
        elif isinstance(var, PartitionedVariable):
            if var.name in named:
                raise ValueError(f"At least two variables have the same name: {var.name}")
            named[var.name] = var
        elif isinstance(var, Variable) and var._save_slice_info:
            full_name: Any = var._save_slice_info.full_name
            known = named.setdefault(full_name, [])
            if not isinstance(known, list):
                raise ValueError(f"Mixing slices and non-slices with the same name: {full_name}")
            known.append(var)
        elif _is_trackable(var):
            made = [f() if callable(f) else f for f in var._gather_saveables_for_checkpoint().values()]
            named.update(op_list_to_dict(made))
        else:
            thing = var
            if convert_variable_to_tensor:
                if isinstance(var, ResourceVariable):
                    thing = var._graph_element
                else:
                    thing = convert.converted(var, as_ref=True)
                if not _is_of_variable(thing):
                    raise TypeError(f"Variable to save is not a Variable: {thing}")
            op = thing.op
            name = op.inputs[0].op.name if op.type == "ReadVariableOp" else op.name
            if name in named:
                raise ValueError(f"At least two variables have the same name: {name}")
            named[name] = thing
    return named


def validate_and_slice_inputs(names_to_saveables: Any) -> list[SaveableObject]:
    """The objects to save for a dict of names, or a list of variables, in the order of their names.

    Raises:
        TypeError, ValueError: for what cannot be saved, or is saved twice.
    """
    if not isinstance(names_to_saveables, dict):
        names_to_saveables = op_list_to_dict(names_to_saveables)
    saveables: list[SaveableObject] = []
    seen: set[int] = set()
    for name, op in sorted(names_to_saveables.items(), key=lambda item: item[0]):
        for saveable in saveable_objects_for_op(op, name):
            if id(saveable.op) in seen:
                raise ValueError(f"The same saveable will be restored with two names: {saveable.name}")
            saveables.append(saveable)
            seen.add(id(saveable.op))
    return saveables
