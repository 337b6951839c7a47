"""The variables that `get_variable` made in one graph: found again by name, or made, whole or in parts."""

from __future__ import annotations

import enum
import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from evergraph.framework import dtypes, shapes
from evergraph.framework.api import public, publish
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.dtypes import DType
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import GraphKeys, colocate_with, init_scope, name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import initializers
from evergraph.ops.opdef import raw_op
from evergraph.ops.partitioned import PartitionedVariable
from evergraph.ops.variables import SaveSliceInfo, Variable, VariableAggregation, VariableSynchronization, checked_modes


class _Reuse(enum.Enum):
    AUTO_REUSE = 1


AUTO_REUSE = _Reuse.AUTO_REUSE
publish("AUTO_REUSE", AUTO_REUSE)


# Which kind of variable


class _Default:
    use_resource = False


@public("enable_resource_variables")
def enable_resource_variables() -> None:
    """Make resource variables where a program does not say which kind."""
    _Default.use_resource = True


@public("disable_resource_variables")
def disable_resource_variables() -> None:
    """Make reference variables where a program does not say which kind: the default."""
    _Default.use_resource = False


@public("resource_variables_enabled")
def resource_variables_enabled() -> bool:
    """Whether resource variables are the default."""
    return _Default.use_resource


class PartitionInfo:
    """What an initializer is told of the part that it makes a value for.

    Args:
        full_shape: the whole variable's shape.
        var_offset: where the part starts, one int per dimension.
    """

    def __init__(self, full_shape: Sequence[int], var_offset: Sequence[int]) -> None:
        for name, value in (("full_shape", full_shape), ("var_offset", var_offset)):
            if not isinstance(value, Sequence) or isinstance(value, str):
                raise TypeError(f"`{name}` must be a sequence (like tuple or list) instead of {type(value).__name__}")
        if len(var_offset) != len(full_shape):
            raise ValueError(
                f"Expected equal length, but `var_offset` is of length {len(var_offset)} while full_shape is of length "
                f"{len(full_shape)}."
            )
        for offset, size in zip(var_offset, full_shape):
            if offset < 0 or offset >= size:
                raise ValueError(
                    f"Expected 0 <= offset < shape but found offset={offset}, shape={size} for "
                    f"var_offset={var_offset}, full_shape={full_shape}"
                )
        self.full_shape = full_shape
        self.var_offset = var_offset

    def single_offset(self, shape: Sequence[int]) -> int:
        """Where a part of `shape` starts in the one dimension that is cut; 0 if none is."""
        axis = self.single_slice_dim(shape)
        return 0 if axis is None else self.var_offset[axis]

    def single_slice_dim(self, shape: Sequence[int]) -> int | None:
        """The one dimension that is cut if a part is of `shape`; None if none is.

        Raises:
            ValueError: if `shape` does not fit, or more than one dimension is cut.
        """
        if not isinstance(shape, Sequence) or isinstance(shape, str):
            raise TypeError(f"`shape` must be a sequence (like tuple or list) instead of {type(shape).__name__}")
        if len(shape) != len(self.full_shape):
            raise ValueError(
                f"Expected equal length, but received shape={shape} of length {len(shape)} while "
                f"self.full_shape={self.full_shape} is of length {len(self.full_shape)}."
            )
        for i, size in enumerate(shape):
            if self.var_offset[i] + size > self.full_shape[i]:
                raise ValueError(
                    f"With self.var_offset={self.var_offset}, a partition of shape={shape} would exceed "
                    f"self.full_shape={self.full_shape} in dimension {i}."
                )
        cut = [i for i, size in enumerate(shape) if size != self.full_shape[i]]
        if len(cut) > 1:
            raise ValueError(
                f"Cannot use single_slice_dim() with shape={shape} and self.full_shape={self.full_shape} since slice "
                f"dim could be either dimension {cut[1]} or {cut[0]}."
            )
        return cut[0] if cut else None


class VariableStore:
    """The variables that `get_variable` made in one graph, by name."""

    def __init__(self) -> None:
        self._vars: dict[str, Variable] = {}
        self._partitioned_vars: dict[str, PartitionedVariable] = {}

    def get_variable(
        self, name: str, shape: Any = None, custom_getter: Callable[..., Any] | None = None, **given: Any
    ) -> Any:
        """Find or make the variable called `name`; the other arguments are those of `tf.get_variable` and `reuse`."""
        if custom_getter is not None and not callable(custom_getter):
            raise ValueError(f"Passed a custom_getter which is not callable: {custom_getter}")
        given["shape"] = shape
        dtype = given.get("dtype", dtypes.float32)
        given["dtype"] = getattr(dtype, "base_dtype", dtype)
        given["synchronization"], given["aggregation"], given["trainable"] = checked_modes(
            given.get("synchronization"), given.get("aggregation"), given.get("trainable"), name
        )
        if custom_getter is None:
            return self._true_getter(name, **given)
        if not _accepts(custom_getter, "constraint"):
            del given["constraint"]
        return custom_getter(getter=self._true_getter, name=name, **given)

    def _true_getter(
        self,
        name: str,
        shape: Any = None,
        dtype: Any = dtypes.float32,
        initializer: Any = None,
        regularizer: Any = None,
        reuse: Any = None,
        trainable: bool | None = None,
        collections: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        validate_shape: bool = True,
        use_resource: bool | None = None,
        constraint: Any = None,
        synchronization: Any = VariableSynchronization.AUTO,
        aggregation: Any = VariableAggregation.NONE,
    ) -> Any:
        given = {
            "regularizer": regularizer,
            "reuse": reuse,
            "trainable": trainable,
            "collections": collections,
            "caching_device": caching_device,
            "validate_shape": validate_shape,
            "use_resource": use_resource,
            "constraint": constraint,
            "synchronization": synchronization,
            "aggregation": aggregation,
        }
        is_scalar = isinstance(shape, Sequence) and not shape
        if partitioner is not None and not is_scalar:
            if not callable(partitioner):
                raise ValueError(f"Partitioner must be callable, but received: {partitioner}")
            with name_scope(None):
                return self._partitioned(name, partitioner, shape, dtype, initializer, **given)
        if reuse is True and partitioner is None and name in self._partitioned_vars:
            return self._partitioned(name, None, shape, dtype, initializer, **given)
        if f"{name}/part_0" in self._vars:
            raise ValueError(
                f"No partitioner was provided, but a partitioned version of the variable was found: {name}/part_0. "
                "Perhaps a variable of the same name was already created with partitioning?"
            )
        return self._single(name, shape, dtype, initializer, **given)

    def _single(
        self,
        name: str,
        shape: Any,
        dtype: Any,
        initializer: Any,
        regularizer: Any,
        reuse: Any,
        use_resource: bool | None,
        partition_info: PartitionInfo | None = None,
        **given: Any,
    ) -> Variable:
        from_value = initializer is not None and not callable(initializer)
        if shape is not None and from_value:
            raise ValueError("If initializer is a constant, do not specify shape.")
        dtype = dtypes.as_dtype(dtype)
        shape = shapes.as_shape(shape)
        if name in self._vars:
            return self._found(name, shape, dtype, reuse)
        if reuse is True:
            raise ValueError(
                f"Variable {name} does not exist, or was not created with tf.get_variable(). "
                f"Did you mean to set reuse=tf.AUTO_REUSE in VarScope?{self._near(name)}"
            )
        if initializer is None:
            initializer = _default_initializer(name, dtype)
        with init_scope():
            value_dtype = None
            initial_value = initializer
            if not from_value:
                if inspect.isclass(initializer):
                    initializer = initializer()
                if shape.is_fully_defined():
                    initial_value = functools.partial(
                        initializer, shape.as_list(), dtype=dtype, partition_info=partition_info
                    )
                    value_dtype = dtype.base_dtype
                elif _needs_no_argument(initializer):
                    initial_value = initializer
                else:
                    raise ValueError(
                        "The initializer passed is not valid. It should be a callable with no arguments and the shape "
                        "should not be provided or an instance of `tf.keras.initializers.*' and `shape` should be "
                        f"fully defined. Variable {name} needs a fully defined shape, not {shape}."
                    )
        made = Variable(
            initial_value=initial_value,
            name=name,
            dtype=value_dtype,
            use_resource=resource_variables_enabled() if use_resource is None else use_resource,
            **given,
        )
        self._vars[name] = made
        if regularizer:
            with colocate_with(made), name_scope(name + "/Regularizer/"), init_scope():
                loss = regularizer(made)
            if loss is not None:
                get_default_graph().add_to_collection(GraphKeys.REGULARIZATION_LOSSES, loss)
        return made

    def _found(self, name: str, shape: TensorShape, dtype: DType, reuse: Any) -> Variable:
        found = self._vars[name]
        if reuse is False:
            where = "".join(f"\n  {file}:{line}: {text}" for file, line, _, text in found.op.traceback[-5:])
            raise ValueError(
                f"Variable {name} already exists, disallowed. Did you mean to set reuse=True or reuse=tf.AUTO_REUSE in "
                f"VarScope? Originally defined at:\n{where}"
            )
        if not shape.is_compatible_with(found.shape):
            raise ValueError(
                f"Trying to share variable {name}, but specified shape {shape} and found shape {found.shape}."
            )
        if not dtype.is_compatible_with(found.dtype):
            raise ValueError(
                f"Trying to share variable {name}, but specified dtype {dtype.name} and found dtype {found.dtype.name}."
            )
        return found

    def _near(self, name: str) -> str:
        near = get_close_matches(name, self._vars, 3)
        return f" There are {', '.join(near)}." if near else ""

    def _partitioned(
        self, name: str, partitioner: Any, shape: Any, dtype: Any, initializer: Any, reuse: Any, **given: Any
    ) -> PartitionedVariable:
        if name in self._vars:
            raise ValueError(
                f"A partitioner was provided, but an unpartitioned version of the variable was found: {name}.  Perhaps "
                "a variable of the same name was already created without partitioning?"
            )
        shape = shapes.as_shape(shape)
        if isinstance(initializer, Tensor):
            shape = shape.merge_with(initializer.shape)
        partitions = _partitions(partitioner, shape, dtype) if partitioner or not reuse else None
        if name in self._partitioned_vars:
            return self._found_partitioned(name, shape, dtype, reuse, partitions)
        if reuse is True:
            raise ValueError(
                f"PartitionedVariable {name} does not exist, or was not created with tf.get_variable(). Did you mean "
                "to set reuse=False or reuse=tf.AUTO_REUSE in VarScope?"
            )
        assert partitions is not None
        axis = next((i for i, n in enumerate(partitions) if n > 1), 0)
        count = partitions[axis]
        if f"{name}/part_0" in self._vars:
            missing, extra = f"{name}/part_{count - 1}", f"{name}/part_{count}"
            if missing not in self._vars or extra in self._vars:
                raise ValueError(
                    "Partitioner returned a different partitioning than what was already found.  Partitioner returned "
                    f"{count} shards, and shard {name}/part_0 was found, but "
                    + (f"{missing} was not." if missing not in self._vars else f"so was the extra shard {extra}.")
                )
        parts = []
        for i, (offset, size) in enumerate(_slices(shape.as_list(), count, axis)):
            info = PartitionInfo(full_shape=shape.as_list(), var_offset=offset)
            part_name = f"{name}/part_{i}"
            init: Any = initializer
            part_shape: Any = size
            with name_scope(part_name + "/PartitionedInitializer"):
                if initializer is None:
                    init = _default_initializer(name, dtypes.as_dtype(dtype))
                elif not callable(initializer):
                    if not isinstance(init, Tensor):
                        init = convert_to_tensor(init, dtype=dtype)
                    init = raw_op("Slice")(init, offset, size)
                    dtype, part_shape = init.dtype.base_dtype, None
            with name_scope(None):
                part = self._single(part_name, part_shape, dtype, init, reuse=reuse, partition_info=info, **given)
            part._set_save_slice_info(SaveSliceInfo(name, shape.as_list(), offset, size))
            parts.append(part)
        made = PartitionedVariable(name, shape, dtype, parts, partitions)
        self._partitioned_vars[name] = made
        return made

    def _found_partitioned(
        self, name: str, shape: TensorShape, dtype: Any, reuse: Any, partitions: list[int] | None
    ) -> PartitionedVariable:
        if reuse is False:
            raise ValueError(
                f"Partitioned variable with name {name} already exists. Did you mean to set reuse=True or "
                "reuse=tf.AUTO_REUSE in VarScope?"
            )
        found = self._partitioned_vars[name]
        for what, wanted, there, fits in (
            ("shape", shape, found.shape, shape.is_compatible_with(found.shape)),
            ("dtype", dtype, found.dtype, dtypes.as_dtype(dtype).is_compatible_with(found.dtype)),
            ("partitions", partitions, found._partitions, partitions is None or partitions == found._partitions),
        ):
            if not fits:
                raise ValueError(
                    f"Trying to reuse partitioned variable {name}, but specified {what} "
                    f"{getattr(wanted, 'name', wanted)} and found {what} {getattr(there, 'name', there)}."
                )
        return found


def _accepts(function: Callable[..., Any], name: str) -> bool:
    parameters = inspect.signature(function).parameters.values()
    return any(p.name == name or p.kind is p.VAR_KEYWORD for p in parameters)


def _needs_no_argument(function: Callable[..., Any]) -> bool:
    parameters = inspect.signature(function).parameters.values()
    return all(p.default is not p.empty for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))


def _default_initializer(name: str, dtype: DType) -> Any:
    if dtype.is_floating:
        return initializers.GlorotUniform()
    if dtype.is_integer or dtype.is_bool or dtype is dtypes.string:
        return initializers.Zeros()
    raise ValueError(f"An initializer for variable {name} of {dtype.base_dtype} is required")


def _partitions(partitioner: Any, shape: TensorShape, dtype: Any) -> list[int]:
    """Into how many parts each dimension is to be cut."""
    if not shape.is_fully_defined():
        raise ValueError(f"Shape of a new partitioned variable must be fully defined, but instead was {shape}.")
    if len(shape) < 1:
        raise ValueError(f"A partitioned Variable must have rank at least 1, shape: {shape}")
    found = partitioner(shape=shape, dtype=dtype)
    if not isinstance(found, Sequence):
        raise ValueError(f"Partitioner must return a sequence, but saw: {found}")
    if len(found) != len(shape):
        raise ValueError(
            f"Partitioner returned a partition list that does not match the Variable's rank: {found} vs. {shape}"
        )
    if any(p < 1 for p in found):
        raise ValueError(f"Partitioner returned zero partitions for some axes: {found}")
    if sum(p > 1 for p in found) > 1:
        raise ValueError(f"Can only slice a variable along one dimension: shape: {shape}, partitioning: {found}")
    return found  # type: ignore[return-value]  # any sequence does


def _slices(full_shape: list[Any], count: int, axis: int) -> Iterator[tuple[list[int], list[int]]]:
    """Offset and shape of each part; the first parts are one larger where the size does not divide."""
    least, larger = divmod(full_shape[axis], count)
    start = 0
    for i in range(count):
        offset, size = [0] * len(full_shape), list(full_shape)
        offset[axis], size[axis] = start, least + (i < larger)
        start += size[axis]
        yield offset, size


def variable_store() -> VariableStore:
    """The store of the default graph."""
    kept = get_default_graph()._attachments
    found = kept.get("variable store")
    if found is None:
        found = kept.setdefault("variable store", VariableStore())
    return found
