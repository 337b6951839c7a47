"""Variables cut into parts along one dimension, and the functions that say how many parts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import register_tensor_conversion_function
from evergraph.framework.dtypes import DType
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import raw_op
from evergraph.ops.variables import Variable

Partitioner = Callable[..., list[int]]


class PartitionedVariable:
    """The variables that are one variable's parts, in order. It reads as their concatenation.

    Args:
        name: the whole's name.
        shape: its `TensorShape`.
        dtype: its type.
        variable_list: the parts, each with its `SaveSliceInfo`.
        partitions: into how many parts each dimension is cut.
    """

    def __init__(
        self, name: str, shape: TensorShape, dtype: DType, variable_list: list[Variable], partitions: list[int]
    ) -> None:
        if not isinstance(variable_list, list | tuple):
            raise TypeError(f"variable_list is not a list or tuple: {variable_list}")
        if not isinstance(partitions, list | tuple):
            raise TypeError(f"partitions is not a list or tuple: {partitions}")
        if not all(p >= 1 for p in partitions):
            raise ValueError(f"partition values must be positive: {partitions}")
        if not variable_list:
            raise ValueError("variable_list may not be empty")
        offsets: dict[Variable, Any] = {}
        for v in variable_list:
            info = v._get_save_slice_info()
            if info is None:
                raise ValueError(f"All variables must have a save_slice_info available: {v.name} has none")
            if len(shape) != len(partitions):
                raise ValueError(f"len(shape) != len(partitions): {shape} vs. {partitions}")
            if info.full_shape != shape:
                raise ValueError(
                    f"All variables' full shapes must match shape: {shape}; but full shapes were: [{info.full_shape}]"
                )
            offsets[v] = info.var_offset
        self._variable_list = sorted(variable_list, key=offsets.__getitem__)
        self._name = name
        self._shape = shape
        self._dtype = dtype
        self._partitions = partitions

    @property
    def name(self) -> str:
        return self._name

    @property
    def dtype(self) -> DType:
        return self._dtype

    @property
    def shape(self) -> TensorShape:
        return self._shape

    def get_shape(self) -> TensorShape:
        return self._shape

    def __iter__(self) -> Iterator[Variable]:
        return iter(self._variable_list)

    def __len__(self) -> int:
        axes = self._partition_axes()
        if len(axes) > 1:
            raise ValueError(f"Cannot get a length for {len(axes)} > 1 partition axes")
        return len(self._variable_list)

    def _get_variable_list(self) -> list[Variable]:
        return self._variable_list

    def _get_partitions(self) -> list[int]:
        return self._partitions

    def _partition_axes(self) -> list[int]:
        return [i for i, p in enumerate(self._partitions) if p > 1] or [0]

    def _partition_axis(self, action: str) -> int:
        axes = self._partition_axes()
        if len(axes) > 1:
            raise NotImplementedError(f"Cannot {action} along more than one dimension: {axes}.")
        return axes[0]

    def as_tensor(self) -> Tensor:
        """The whole, as one tensor."""
        with control_dependencies(None):
            return self._concat()

    def _concat(self) -> Tensor:
        """The whole, as one tensor that waits for whatever ops made here wait for."""
        identity = raw_op("Identity")
        whole: Any = self._variable_list[0]
        if len(self._variable_list) > 1:
            axis = self._partition_axis("concatenate")
            with name_scope(self._name + "/ConcatPartitions/"):
                whole = raw_op("ConcatV2")(self._variable_list, axis, name="concat")
        with name_scope(None):
            return identity(whole, name=self._name)

    def _assign_parts(
        self, method: str, value: Any, use_locking: bool, name: str | None, read_value: bool
    ) -> list[Any]:
        axis = self._partition_axis("do assign action")
        if isinstance(value, PartitionedVariable):
            parts = list(value)
        elif isinstance(value, list):
            parts = value
            assert len(parts) == len(self._variable_list)
        else:
            sizes = [v.shape.as_list()[axis] for v in self._variable_list]
            parts = raw_op("SplitV")(value, sizes, axis, len(sizes), name="split")
        done = [
            getattr(v, method)(part, use_locking=use_locking, name=name, read_value=read_value)
            for v, part in zip(self._variable_list, parts)
        ]
        return done if read_value else [d.op if isinstance(d, Tensor) else d for d in done]

    def assign(self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True) -> Any:
        """Overwrite all parts; gives one result for each."""
        return self._assign_parts("assign", value, use_locking, name, read_value)

    def assign_add(
        self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Add to all parts; gives one result for each."""
        return self._assign_parts("assign_add", value, use_locking, name, read_value)

    def assign_sub(
        self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Subtract from all parts; gives one result for each."""
        return self._assign_parts("assign_sub", value, use_locking, name, read_value)


def _convert(variable: PartitionedVariable, dtype: Any = None, name: str | None = None, as_ref: bool = False) -> Tensor:
    if dtype is not None and not dtype.is_compatible_with(variable.dtype):
        raise ValueError(
            f"Incompatible type conversion requested to type '{dtype.name}' for variable of type "
            f"'{variable.dtype.name}'"
        )
    if as_ref:
        raise NotImplementedError("PartitionedVariable doesn't support being used as a reference.")
    return variable.as_tensor()


register_tensor_conversion_function(PartitionedVariable, _convert)


# How many parts


@public("fixed_size_partitioner")
def fixed_size_partitioner(num_shards: int, axis: int = 0) -> Partitioner:
    """A partitioner that cuts every variable into `num_shards` parts along `axis` (or as many as it has rows)."""

    def partitioner(shape: TensorShape, **unused: Any) -> list[int]:
        parts = [1] * len(shape)
        parts[axis] = min(num_shards, _known(shape)[axis])
        return parts

    return partitioner


@public("variable_axis_size_partitioner")
def variable_axis_size_partitioner(
    max_shard_bytes: int, axis: int = 0, bytes_per_string_element: int = 16, max_shards: int | None = None
) -> Partitioner:
    """A partitioner that keeps each part below `max_shard_bytes`.

    Args:
        max_shard_bytes: how large a part may be; a single row may exceed it.
        axis: the dimension to cut along.
        bytes_per_string_element: how large to take strings to be.
        max_shards: how many parts at most.
    """
    if max_shard_bytes < 1 or bytes_per_string_element < 1:
        raise ValueError("Both max_shard_bytes and bytes_per_string_element must be positive.")
    if max_shards and max_shards < 1:
        raise ValueError("max_shards must be positive.")

    def partitioner(shape: TensorShape, dtype: DType) -> list[int]:
        if not isinstance(shape, TensorShape):
            raise ValueError(f"shape is not a TensorShape: {shape}")
        if not shape.is_fully_defined():
            raise ValueError(f"shape is not fully defined: {shape}")
        if not isinstance(dtype, DType):
            raise ValueError(f"dtype is not a DType: {dtype}")
        rows = _known(shape)[axis]
        bytes_per_row = math.prod(_known(shape)) / rows * _element_size(dtype, bytes_per_string_element)
        shards = math.ceil(rows / max(1, math.floor(max_shard_bytes / bytes_per_row)))
        parts = [1] * len(shape)
        parts[axis] = min(max_shards, shards) if max_shards else shards
        return parts

    return partitioner


@public("min_max_variable_partitioner")
def min_max_variable_partitioner(
    max_partitions: int = 1, axis: int = 0, min_slice_size: int = 256 << 10, bytes_per_string_element: int = 16
) -> Partitioner:
    """A partitioner that makes as many parts as it can with none smaller than `min_slice_size` bytes.

    Args:
        max_partitions: how many parts at most.
        axis: the dimension to cut along.
        min_slice_size: how small a part may be.
        bytes_per_string_element: how large to take strings to be.
    """

    def partitioner(shape: TensorShape, dtype: DType) -> list[int]:
        if axis >= len(shape):
            raise ValueError(f"Can not partition variable along axis {axis} when shape is only {shape}")
        size = math.prod(_known(shape)) * _element_size(dtype, bytes_per_string_element)
        parts = [1] * len(shape)
        parts[axis] = max(1, min(_known(shape)[axis], max_partitions, math.ceil(size / min_slice_size)))
        return parts

    return partitioner


def _known(shape: TensorShape) -> list[Any]:
    return shape.as_list()


def _element_size(dtype: DType, bytes_per_string_element: int) -> int:
    return bytes_per_string_element if dtype.base_dtype is dtypes.string else dtype.size
