"""`tf.TensorArray` where branches and loops have functions as parts: its flow is a list of tensors, with no handle."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape, as_shape
from evergraph.framework.tensor import Tensor
from evergraph.ops.cast import cast
from evergraph.ops.grouping import no_op
from evergraph.ops.identity import identity
from evergraph.ops.opdef import constant_value
from evergraph.ops.tensor_array import TensorArray
from evergraph.ops.tensor_lists import functions as lists
from evergraph.ops.tensor_lists import list_ops


class ListArray(TensorArray):
    """A `TensorArray` of list ops; `clear_after_read`, names and colocation mean nothing to it."""

    def __init__(
        self,
        dtype: Any,
        size: Any = None,
        dynamic_size: bool | None = None,
        clear_after_read: bool | None = None,
        tensor_array_name: str | None = None,
        handle: Any = None,
        flow: Any = None,
        infer_shape: bool = True,
        element_shape: Any = None,
        colocate_with_first_write_call: bool = True,
        name: str | None = None,
    ) -> None:
        if flow is not None and (not isinstance(flow, Tensor) or flow.dtype is not dtypes.variant):
            raise TypeError("flow must be a variant tensor")
        if flow is None and size is None:
            raise ValueError("Size must be provided if flow is not provided")
        if flow is not None and size is not None:
            raise ValueError("Cannot provide both a flow and size at the same time")
        if flow is not None and element_shape is not None:
            raise ValueError("Cannot provide both a flow and element_shape at the same time")
        self._dtype = dtypes.as_dtype(dtype).base_dtype
        self._dynamic_size = bool(dynamic_size)
        self._infer_shape = infer_shape
        self._colocate = False
        self._placed_with = []
        self._element_shape = [as_shape(element_shape)]
        with name_scope(name, "TensorArrayV2", [size, flow]) as scope:
            if flow is None:
                flow = lists.tensor_list_reserve(as_shape(element_shape), size, self._dtype, name=scope)
            self._flow = flow

    @property
    def handle(self) -> Any:
        """None: the list is in the flow."""
        return None

    def _after(self, flow: Tensor) -> TensorArray:
        made = ListArray(self._dtype, dynamic_size=self._dynamic_size, flow=flow, infer_shape=self._infer_shape)
        made._element_shape = self._element_shape
        return made

    def identity(self) -> TensorArray:
        return self._after(identity(self._flow))

    def grad(self, source: str, flow: Any = None, name: str | None = None) -> TensorArray:
        """Refuse: the gradient of a list is a list, and has no array of its own.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("TensorArray.grad is for arrays that have a handle")

    def read(self, index: Any, name: str | None = None) -> Tensor:
        with name_scope(name, "TensorArrayV2Read", [self._flow, index]):
            return lists.tensor_list_get_item(self._flow, index, self._dtype, self.element_shape, name=name)

    def write(self, index: Any, value: Any, name: str | None = None) -> TensorArray:
        with name_scope(name, "TensorArrayV2Write", [self._flow, index, value]):
            value = self._checked(value)
            self._note_shape(value.shape)
            return self._after(
                lists.tensor_list_set_item(
                    self._flow, index, value, resize_if_index_out_of_bounds=self._dynamic_size, name=name
                )
            )

    def stack(self, name: str | None = None) -> Tensor:
        with name_scope(name, "TensorArrayV2Stack", [self._flow]):
            return lists.tensor_list_stack(self._flow, self._dtype, element_shape=self.element_shape)

    def gather(self, indices: Any, name: str | None = None) -> Tensor:
        return lists.tensor_list_gather(self._flow, indices, self._dtype, self.element_shape, name=name)

    def concat(self, name: str | None = None) -> Tensor:
        dims = self.element_shape.dims
        element_shape = None if not dims else TensorShape([None, *dims[1:]])
        return lists.tensor_list_concat(self._flow, self._dtype, element_shape, name=name)

    def unstack(self, value: Any, name: str | None = None) -> TensorArray:
        with name_scope(name, "TensorArrayUnstack", [self._flow, value]):
            value = self._checked(value)
            self._note_shape(value.shape[1:])
            return self._after(lists.tensor_list_from_tensor(value, value.shape[1:]))

    def scatter(self, indices: Any, value: Any, name: str | None = None) -> TensorArray:
        with name_scope(name, "TensorArrayScatter", [self._flow, value, indices]):
            value = self._checked(value)
            self._note_shape(value.shape[1:])
            return self._after(lists.tensor_list_scatter(value, indices, self.element_shape, self._flow))

    def split(self, value: Any, lengths: Any, name: str | None = None) -> TensorArray:
        with name_scope(name, "TensorArraySplit", [self._flow, value, lengths]):
            value = self._checked(value)
            lengths = cast(lengths, dtypes.int64)
            known = constant_value(lengths)
            if value.shape.ndims is not None and known is not None and known.ndim and known.max() == known.min():
                self._note_shape(TensorShape([int(known[0])]).concatenate(value.shape[1:]))
            return self._after(lists.tensor_list_split(value, self.element_shape, lengths, name=name))

    def size(self, name: str | None = None) -> Tensor:
        return list_ops.tensor_list_length(self._flow, name=name)

    def close(self, name: str | None = None) -> Operation:
        return no_op(name=name)
