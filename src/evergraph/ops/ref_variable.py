"""Reference variables, TF 1's default kind: four ops, of which `v/read` is what other ops take.

v/initial_value ──► v/Assign ◄── v (VariableV2) ──► v/read (Identity)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework.convert import converted, register_tensor_conversion_function
from evergraph.framework.dtypes import DType
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import colocate_with, device, init_scope, name_scope
from evergraph.framework.shapes import TensorShape, is_static
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops import state
from evergraph.ops.batch_scatter import batch_scatter_update
from evergraph.ops.opdef import raw_op
from evergraph.ops.variables import (
    Variable,
    check_arguments,
    check_outside_control_flow,
    checked_collections,
    checked_modes,
    colocated_by_name,
    guarded,
    initializer_scope,
)

_identity = raw_op("Identity")


class RefVariable(Variable):
    """A variable whose tensor is a reference. The arguments are those of `tf.Variable`."""

    def __init__(
        self,
        initial_value: Any = None,
        trainable: bool | None = None,
        collections: Any = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        variable_def: Any = None,
        dtype: Any = None,
        expected_shape: Any = None,
        import_scope: str | None = None,
        constraint: Any = None,
        synchronization: Any = None,
        aggregation: Any = None,
        shape: Any = None,
    ) -> None:
        if variable_def is not None:
            if initial_value is not None:
                raise ValueError("variable_def and initial_value are mutually exclusive.")
            find = self._take_from_proto(variable_def, import_scope)
            self._variable = find(variable_def.variable_name)
            self._snapshot = find(variable_def.snapshot_name)
            self._caching_device = None
            return
        check_arguments(initial_value, constraint)
        self._synchronization, self._aggregation, self._trainable = checked_modes(
            synchronization, aggregation, trainable, name
        )
        collections = checked_collections(collections, self._trainable)
        self._caching_device = caching_device
        self._save_slice_info = None
        self._constraint = constraint
        makes_value = callable(initial_value)
        with init_scope():
            with name_scope(name, "Variable", [] if makes_value else [initial_value]) as scope:
                if makes_value:
                    with colocated_by_name(scope[:-1]):
                        with initializer_scope():
                            self._initial_value = converted(initial_value(), dtype, "initial_value")
                        self._variable = self._declared(scope, shape, validate_shape)
                else:
                    self._initial_value = converted(initial_value, dtype, "initial_value")
                    check_outside_control_flow(self._initial_value, scope)
                    self._variable = self._declared(scope, shape, validate_shape)
                if validate_shape and not is_static(self._initial_value.static_shape):
                    raise ValueError(f"initial_value must have a shape specified: {self._initial_value}")
                self._initializer_op = state.assign(
                    self._variable, guarded(scope, self._initial_value), validate_shape=validate_shape
                ).op
                with colocate_with(self._variable.op) if caching_device is None else device(caching_device):
                    self._snapshot = _identity(self._variable, name="read")
            get_default_graph().add_to_collections(collections, self)

    def _declared(self, scope: str, shape: Any, validate_shape: bool) -> Tensor:
        if shape is None and validate_shape:
            shape = self._initial_value.static_shape
        return state.variable_op(shape, self._initial_value.dtype.base_dtype, name=scope)

    @property
    def name(self) -> str:
        return self._variable.name

    @property
    def dtype(self) -> DType:
        return self._variable.dtype

    @property
    def shape(self) -> TensorShape:
        return self._variable.shape

    @property
    def op(self) -> Operation:
        return self._variable.op

    def _as_graph_element(self) -> Tensor:
        return self._variable

    def _ref(self) -> Tensor:
        """The reference: what ops that overwrite the variable take."""
        return self._variable

    def value(self) -> Tensor:
        return self._snapshot

    def read_value(self) -> Tensor:
        return _identity(self._variable, name="read")

    def set_shape(self, shape: Any) -> None:
        """Refine the static shape."""
        self._variable.set_shape(shape)
        self._snapshot.set_shape(shape)

    def assign(self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True) -> Any:
        """Make `value` the variable's value.

        Args:
            value: a tensor of the variable's type and shape.
            use_locking: kept for TF's signature.
            name: the op's name.
            read_value: whether to give a tensor (the value after the assignment) rather than the op.
        """
        new = state.assign(self._variable, value, use_locking=use_locking, name=name)
        return new if read_value else new.op

    def assign_add(
        self, delta: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Add `delta` to the variable."""
        new = state.assign_add(self._variable, delta, use_locking=use_locking, name=name)
        return new if read_value else new.op

    def assign_sub(
        self, delta: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Subtract `delta` from the variable."""
        new = state.assign_sub(self._variable, delta, use_locking=use_locking, name=name)
        return new if read_value else new.op

    def scatter_nd_add(self, indices: Any, updates: Any, name: str | None = None) -> Tensor:
        """Add `updates` to elements or slices, as `tf.scatter_nd_add` does."""
        return raw_op("ScatterNdAdd")(self._variable, indices, updates, use_locking=True, name=name)

    def scatter_nd_sub(self, indices: Any, updates: Any, name: str | None = None) -> Tensor:
        """Subtract `updates` from elements or slices, as `tf.scatter_nd_sub` does."""
        return raw_op("ScatterNdSub")(self._variable, indices, updates, use_locking=True, name=name)

    def scatter_nd_update(self, indices: Any, updates: Any, name: str | None = None) -> Tensor:
        """Overwrite elements or slices, as `tf.scatter_nd_update` does."""
        return raw_op("ScatterNdUpdate")(self._variable, indices, updates, use_locking=True, name=name)

    def batch_scatter_update(
        self, sparse_delta: IndexedSlices, use_locking: bool = False, name: str | None = None
    ) -> Any:
        """Overwrite rows batch by batch, as `tf.batch_scatter_update` does."""
        return batch_scatter_update(self, sparse_delta.indices, sparse_delta.values, use_locking, name)

    def _strided_slice_assign(
        self, begin: Any, end: Any, strides: Any, value: Any, name: str | None, **masks: int
    ) -> Any:
        return raw_op("StridedSliceAssign")(self._variable, begin, end, strides, value, name=name, **masks)

    def count_up_to(self, limit: int) -> Tensor:
        """Add one and give what the variable was; `OutOfRangeError` once it is `limit`."""
        return state.count_up_to(self._variable, limit=limit)

    def to_proto(self, export_scope: str | None = None) -> Any:
        return self._named_in_proto(self._variable.name, self._snapshot.name, export_scope)


def _row_update(op_name: str, doc: str) -> Callable[..., Any]:
    def update(self: RefVariable, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
        check_slices(sparse_delta)
        scatter = raw_op(op_name)
        return scatter(self._variable, sparse_delta.indices, sparse_delta.values, use_locking=use_locking, name=name)

    update.__name__ = "scatter_" + op_name[7:].lower()
    update.__doc__ = f"{doc} `sparse_delta` is an `IndexedSlices`."
    return update


def check_slices(sparse_delta: Any) -> None:
    if not isinstance(sparse_delta, IndexedSlices):
        raise TypeError(f"sparse_delta is not IndexedSlices: {sparse_delta}")


ROW_UPDATES = {
    "ScatterAdd": "Add to rows.",
    "ScatterSub": "Subtract from rows.",
    "ScatterMul": "Multiply rows.",
    "ScatterDiv": "Divide rows.",
    "ScatterMin": "Lower rows where the new ones are less.",
    "ScatterMax": "Raise rows where the new ones are greater.",
    "ScatterUpdate": "Overwrite rows.",
}
for _op_name, _doc in ROW_UPDATES.items():
    _method = _row_update(_op_name, _doc)
    setattr(RefVariable, _method.__name__, _method)


def _inplace(symbol: str, name: str) -> Callable[..., Any]:
    def apply(self: RefVariable, other: Any) -> Any:
        return getattr(self, name)(other)

    apply.__doc__ = f"`v {symbol}= x` gives a tensor and leaves the variable alone; `v.assign` changes the variable."
    return apply


for _symbol, _name in {"+": "add", "-": "sub", "*": "mul", "/": "truediv", "**": "pow"}.items():
    setattr(RefVariable, f"__i{_name}__", _inplace(_symbol, f"__{_name}__"))


def _convert(variable: RefVariable, dtype: Any = None, name: str | None = None, as_ref: bool = False) -> Tensor:
    check_type(variable, dtype)
    return variable._variable if as_ref else variable._snapshot


def check_type(variable: Variable, dtype: DType | None) -> None:
    if dtype is not None and not dtype.is_compatible_with(variable.dtype):
        raise ValueError(
            f"Incompatible type conversion requested to type '{dtype.name}' for variable of type "
            f"'{variable.dtype.name}'"
        )


register_tensor_conversion_function(RefVariable, _convert)
