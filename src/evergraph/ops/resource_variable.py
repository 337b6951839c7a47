"""Resource variables: a handle, and an op of its own for every read.

v/Initializer/initial_value ──► v/Assign ◄── v (VarHandleOp) ──► v/Read/ReadVariableOp, ReadVariableOp, ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from evergraph.framework import shapes
from evergraph.framework.convert import convert_to_tensor, converted, register_tensor_conversion_function
from evergraph.framework.dtypes import DType
from evergraph.framework.graph import Graph, get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import colocate_with, control_dependencies, device, init_scope, name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops import state
from evergraph.ops.batch_scatter import batch_scatter_update
from evergraph.ops.opdef import raw_op
from evergraph.ops.ref_variable import ROW_UPDATES, check_slices, check_type
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


class ResourceVariable(Variable):
    """A variable behind a handle. The arguments are those of `tf.Variable`."""

    _handle: Tensor
    _shape: TensorShape
    _dtype: DType
    _graph_element: Tensor
    _cached_value: Tensor | None = None

    def __init__(
        self,
        initial_value: Any = None,
        trainable: bool | None = None,
        collections: Any = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        dtype: Any = None,
        variable_def: Any = None,
        import_scope: str | None = None,
        constraint: Any = None,
        distribute_strategy: Any = None,
        synchronization: Any = None,
        aggregation: Any = None,
        shape: Any = None,
    ) -> None:
        if variable_def is not None:
            if initial_value is not None:
                raise ValueError("variable_def and initial_value are mutually exclusive.")
            self._init_from_proto(variable_def, import_scope)
            return
        check_arguments(initial_value, constraint)
        self._synchronization, self._aggregation, self._trainable = checked_modes(
            synchronization, aggregation, trainable, name
        )
        collections = checked_collections(collections, self._trainable)
        self._constraint = constraint
        self._save_slice_info = None
        makes_value = callable(initial_value)
        with init_scope():
            graph = get_default_graph()
            with name_scope(name, "Variable", [] if makes_value else [initial_value]) as scope:
                with colocated_by_name(scope[:-1]):
                    with initializer_scope():
                        value = converted(initial_value() if makes_value else initial_value, dtype, "initial_value")
                    if shape is None:
                        shape = value.static_shape
                    elif not value.shape.is_compatible_with(shape):
                        raise ValueError(
                            f"The initial value's shape ({value.shape}) is not compatible with the explicitly supplied "
                            f"`shape` argument ({shape})."
                        )
                    kind = value.dtype.base_dtype
                    handle = state.var_handle_op(
                        kind, shape, container=graph._container or "", shared_name=scope[:-1], name=scope
                    )
                check_outside_control_flow(value, scope)
                self._initial_value, self._handle = value, handle
                self._dtype, self._shape = kind, shapes.as_shape(shape)
                with name_scope("IsInitialized"):
                    self._is_initialized_op = state.var_is_initialized_op(handle)
                with name_scope("Assign") as assign, colocate_with(None, True), device(handle.device):
                    self._initializer_op = state.assign_variable_op(handle, guarded(scope, value), name=assign)
                with name_scope("Read"):
                    with device(handle.device):
                        self._graph_element = state.read_variable_op(handle, kind)
                    if caching_device is not None:
                        with colocate_with(None, True), device(caching_device):
                            self._cached_value = _identity(self._graph_element)
            graph.add_to_collections(collections, self)

    def _init_from_proto(self, variable_def: Any, import_scope: str | None) -> None:
        if not variable_def.is_resource:
            raise ValueError("Trying to restore Variable as ResourceVariable.")
        find = self._take_from_proto(variable_def, import_scope)
        self._handle = find(variable_def.variable_name)
        self._shape = shapes.as_shape(self._handle.op.attrs["shape"])
        self._dtype = self._handle.op.attrs["dtype"]
        if not variable_def.snapshot_name:
            self._graph_element = self.graph.get_tensor_by_name(self._handle.op.name + "/Read/ReadVariableOp:0")
            return
        snapshot = find(variable_def.snapshot_name)
        if snapshot.op.type != "ReadVariableOp":
            self._cached_value = snapshot
        while snapshot.op.type != "ReadVariableOp":
            snapshot = snapshot.op.inputs[0]
        self._graph_element = snapshot

    @property
    def name(self) -> str:
        return self._handle.name

    @property
    def dtype(self) -> DType:
        return self._dtype

    @property
    def shape(self) -> TensorShape:
        return self._shape

    @property
    def op(self) -> Operation:
        return self._handle.op

    @property
    def graph(self) -> Graph:
        return self._handle.op.graph

    @property
    def device(self) -> str:
        return self._handle.device

    @property
    def handle(self) -> Tensor:
        """The handle: what ops that read or overwrite the variable take."""
        return self._handle

    @property
    def create(self) -> Operation:
        """The initializer."""
        return self._initializer_op

    def _as_graph_element(self) -> Tensor:
        return self._graph_element

    def value(self) -> Tensor:
        if self._cached_value is not None:
            return self._cached_value
        with colocate_with(None, True), device(self._handle.device):
            return self._read()

    def read_value(self) -> Tensor:
        with name_scope("Read"), device(self._handle.device):
            value = self._read()
        return _identity(value)

    def _read(self) -> Tensor:
        return state.read_variable_op(self._handle, self._dtype)

    def sparse_read(self, indices: Any, name: str | None = None) -> Tensor:
        """The rows that `indices` names, as `tf.gather` gives them."""
        with name_scope("Gather" if name is None else name) as scope:
            value = raw_op("ResourceGather")(self._handle, indices, dtype=self._dtype, name=scope)
        return _identity(value)

    def gather_nd(self, indices: Any, name: str | None = None) -> Tensor:
        """Elements or slices, as `tf.gather_nd` gives them."""
        with name_scope("GatherNd" if name is None else name) as scope:
            value = raw_op("ResourceGatherNd")(self._handle, indices, dtype=self._dtype, name=scope)
        return _identity(value)

    def is_initialized(self, name: str | None = None) -> Tensor:
        """Whether the variable has a value in the session that asks."""
        return state.var_is_initialized_op(self._handle, name)

    def set_shape(self, shape: Any) -> None:
        raise NotImplementedError("ResourceVariable does not implement set_shape()")

    def assign(
        self, value: Any, use_locking: bool | None = None, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Make `value` the variable's value.

        Args:
            value: a tensor of the variable's type and shape.
            use_locking: kept for TF's signature.
            name: the op's name.
            read_value: whether to give the variable as it is after the assignment, rather than the op.
        """
        with self._own_graph():
            tensor = convert_to_tensor(value, dtype=self._dtype)
            self._shape.assert_is_compatible_with(tensor.shape)
            return self._done(state.assign_variable_op(self._handle, tensor, name=name), read_value)

    @contextmanager
    def _own_graph(self) -> Iterator[None]:
        """Builds into this variable's graph, whichever is the default, or into a function of it."""
        graph = get_default_graph()
        if graph is self._handle.graph or graph.building_function:
            yield
        else:
            with self._handle.graph.as_default():
                yield

    def assign_add(
        self, delta: Any, use_locking: bool | None = None, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Add `delta` to the variable."""
        with self._own_graph():
            with self._after_cached_read():
                delta = convert_to_tensor(delta, dtype=self._dtype)
                new = state.assign_add_variable_op(self._handle, delta, name=name)
            return self._done(new, read_value)

    def assign_sub(
        self, delta: Any, use_locking: bool | None = None, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Subtract `delta` from the variable."""
        with self._own_graph():
            with self._after_cached_read():
                delta = convert_to_tensor(delta, dtype=self._dtype)
                new = state.assign_sub_variable_op(self._handle, delta, name=name)
            return self._done(new, read_value)

    @contextmanager
    def _after_cached_read(self) -> Iterator[None]:
        with control_dependencies([] if self._cached_value is None else [self._cached_value]):
            yield

    def _done(self, update: Operation, read_value: bool) -> Any:
        return self._read_after(update) if read_value else update

    def _read_after(self, update: Operation) -> UpdatedVariable:
        return UpdatedVariable(self, update)

    def _scatter_nd(self, op_name: str, indices: Any, updates: Any, name: str | None) -> Any:
        updates = convert_to_tensor(updates, self._dtype)
        return self._read_after(raw_op(op_name)(self._handle, indices, updates, name=name))

    def scatter_nd_add(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Add `updates` to elements or slices, as `tf.scatter_nd_add` does."""
        return self._scatter_nd("ResourceScatterNdAdd", indices, updates, name)

    def scatter_nd_sub(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Subtract `updates` from elements or slices, as `tf.scatter_nd_sub` does."""
        return self._scatter_nd("ResourceScatterNdSub", indices, updates, name)

    def scatter_nd_update(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Overwrite elements or slices, as `tf.scatter_nd_update` does."""
        return self._scatter_nd("ResourceScatterNdUpdate", indices, updates, name)

    def batch_scatter_update(
        self, sparse_delta: IndexedSlices, use_locking: bool = False, name: str | None = None
    ) -> Any:
        """Overwrite rows batch by batch, as `tf.batch_scatter_update` does."""
        check_slices(sparse_delta)
        update = batch_scatter_update(self, sparse_delta.indices, sparse_delta.values, use_locking, name)
        return self._read_after(update)

    def _strided_slice_assign(
        self, begin: Any, end: Any, strides: Any, value: Any, name: str | None, **masks: int
    ) -> Any:
        with self._after_cached_read():
            value = convert_to_tensor(value, dtype=self._dtype)
            assign = raw_op("ResourceStridedSliceAssign")
            return self._read_after(assign(self._handle, begin, end, strides, value, name=name, **masks))

    def count_up_to(self, limit: int) -> Tensor:
        """Add one and give what the variable was; `OutOfRangeError` once it is `limit`."""
        return state.resource_count_up_to_op(self._handle, limit=limit, T=self._dtype)

    def numpy(self) -> Any:
        raise NotImplementedError("numpy() is only available when eager execution is enabled.")

    def to_proto(self, export_scope: str | None = None) -> Any:
        snapshot = self._graph_element if self._cached_value is None else self._cached_value
        made = self._named_in_proto(self._handle.name, snapshot.name, export_scope)
        if made is not None:
            made.is_resource = True
        return made

    def __copy__(self) -> ResourceVariable:
        return self

    def __deepcopy__(self, memo: Any) -> ResourceVariable:
        raise NotImplementedError("__deepcopy__() is only available when eager execution is enabled.")


class UninitializedVariable(ResourceVariable):
    """A resource variable whose initializer is set later. It is in no collection.

    Args:
        shape, dtype, trainable, synchronization, aggregation: as for `tf.Variable`.
        name: its name.
    """

    def __init__(
        self,
        shape: Any,
        dtype: DType,
        name: str,
        trainable: bool = True,
        synchronization: Any = None,
        aggregation: Any = None,
    ) -> None:
        self._synchronization, self._aggregation, self._trainable = checked_modes(
            synchronization, aggregation, trainable, name
        )
        self._constraint = self._save_slice_info = None
        self._initial_value = self._initializer_op = None  # type: ignore[assignment]  # set later
        self._dtype, self._shape = dtype, shapes.as_shape(shape)
        with init_scope(), name_scope(name) as scope:
            self._handle = state.var_handle_op(dtype, self._shape._sizes, shared_name=scope[:-1], name=scope)
            with name_scope("Read"), device(self._handle.device):
                self._graph_element = state.read_variable_op(self._handle, dtype)

    def initialize_by(self, op: Operation) -> None:
        """Make `op` the initializer."""
        self._initializer_op = op


class UpdatedVariable(ResourceVariable):
    """A resource variable as it is after one update: every read waits for that update."""

    def __init__(self, variable: ResourceVariable, update: Operation) -> None:
        self._handle = variable._handle
        self._dtype = variable._dtype
        self._shape = variable._shape
        self._update = update
        self._initial_value = None
        self._initializer_op = None  # type: ignore[assignment]  # it has none
        self._synchronization, self._aggregation, self._trainable = checked_modes(None, None, None, None)
        self._constraint = None
        self._save_slice_info = None
        # As in TF nothing is read inside of functions before it is asked for.
        self._graph_element: Any = None if get_default_graph()._builds_by_functions else self._read()

    def _as_graph_element(self) -> Any:
        return self._read() if self._graph_element is None else self._graph_element

    @property
    def name(self) -> str:
        return self._update.name

    @property
    def op(self) -> Operation:
        return self._update

    def _read(self) -> Tensor:
        with control_dependencies([self._update]):
            return state.read_variable_op(self._handle, self._dtype)

    def value(self) -> Tensor:
        return self._read()

    def read_value(self) -> Tensor:
        return self._read()


def _row_update(op_name: str, doc: str) -> Callable[..., Any]:
    def update(self: ResourceVariable, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        check_slices(sparse_delta)
        values = convert_to_tensor(sparse_delta.values, self._dtype)
        return self._read_after(raw_op("Resource" + op_name)(self._handle, sparse_delta.indices, values, name=name))

    update.__name__ = "scatter_" + op_name[7:].lower()
    update.__doc__ = f"{doc} `sparse_delta` is an `IndexedSlices`."
    return update


for _op_name, _doc in ROW_UPDATES.items():
    _method = _row_update(_op_name, _doc)
    setattr(ResourceVariable, _method.__name__, _method)


def _no_inplace(symbol: str, instead: str) -> Callable[..., Any]:
    def refuse(self: ResourceVariable, other: Any) -> Any:
        raise RuntimeError(
            f"Variable {symbol}= value not supported. Use `var.{instead}` to modify the variable or "
            f"`var = var {symbol} value` to get a new Tensor object."
        )

    return refuse


for _symbol, _name, _instead in (
    ("+", "add", "assign_add(value)"),
    ("-", "sub", "assign_sub(value)"),
    ("*", "mul", "assign(var * value)"),
    ("/", "truediv", "assign(var / value)"),
    ("**", "pow", "assign(var ** value)"),
):
    setattr(ResourceVariable, f"__i{_name}__", _no_inplace(_symbol, _instead))


def is_resource_variable(variable: Any) -> bool:
    return isinstance(variable, ResourceVariable)


def _convert(variable: ResourceVariable, dtype: Any = None, name: str | None = None, as_ref: bool = False) -> Tensor:
    check_type(variable, dtype)
    return variable.read_value().op.inputs[0] if as_ref else variable.value()


register_tensor_conversion_function(ResourceVariable, _convert)
