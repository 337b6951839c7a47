"""`get_variable` and `variable_scope`: variables found again by name.

A graph has one `VariableStore`, name to variable, and (per thread) a current `VariableScope`: a prefix for names, and
defaults for what `get_variable` is not told. `reuse` says whether a name must be new (False or None), must exist
already (True), or may be either (`AUTO_REUSE`).
"""

from __future__ import annotations

import enum
import functools
import inspect
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from evergraph.framework import dtypes, shapes
from evergraph.framework.api import public, publish
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.dtypes import DType
from evergraph.framework.graph import Graph, get_default_graph
from evergraph.framework.scopes import GraphKeys, colocate_with, init_scope, name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import initializers, variables
from evergraph.ops.opdef import graph_of, raw_op
from evergraph.ops.partitioned import PartitionedVariable
from evergraph.ops.ref_variable import RefVariable
from evergraph.ops.resource_variable import ResourceVariable
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


def _create(
    use_resource: bool | None = None,
    expected_shape: Any = None,
    distribute_strategy: Any = None,
    **kwargs: Any,
) -> Variable:
    """What `tf.Variable(...)` makes, once all variable creators have had their say."""
    if use_resource is None:
        use_resource = get_variable_scope().use_resource
    if use_resource is None:
        use_resource = _Default.use_resource
    return ResourceVariable(**kwargs) if use_resource else RefVariable(**kwargs)


variables.default_creator[:] = [_create]


@public("variable_creator_scope")
@contextmanager
def variable_creator_scope(variable_creator: Callable[..., Any]) -> Iterator[None]:
    """Variables made inside are made by `variable_creator(next_creator, **kwargs)`.

    It gives a variable, as a rule that of `next_creator(**kwargs)`, with changed arguments perhaps.
    """
    with get_default_graph()._variable_creator_scope(variable_creator):
        yield


# The store


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

    def get_variable(self, name: str, custom_getter: Callable[..., Any] | None = None, **given: Any) -> Any:
        """Find or make the variable called `name`; the other arguments are those of `tf.get_variable` and `reuse`."""
        if custom_getter is not None and not callable(custom_getter):
            raise ValueError(f"Passed a custom_getter which is not callable: {custom_getter}")
        dtype = given.get("dtype")
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
        given = dict(
            regularizer=regularizer, reuse=reuse, trainable=trainable, collections=collections,
            caching_device=caching_device, validate_shape=validate_shape, use_resource=use_resource,
            constraint=constraint, synchronization=synchronization, aggregation=aggregation,
        )  # fmt: skip
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
                        f"Variable {name} needs a fully defined shape, not {shape}: only an initializer without "
                        "arguments, or a value in place of an initializer, says the shape by itself."
                    )
        made = Variable(
            initial_value=initial_value,
            name=name,
            dtype=value_dtype,
            use_resource=_Default.use_resource if use_resource is None else use_resource,
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
        from difflib import get_close_matches

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
            init, part_shape = initializer, size
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
                    f"Trying to reuse partitioned variable {name}, but specified {what} {getattr(wanted, 'name', wanted)} "
                    f"and found {what} {getattr(there, 'name', there)}."
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
    return found  # type: ignore[return-value]


def _slices(full_shape: list[Any], count: int, axis: int) -> Iterator[tuple[list[int], list[int]]]:
    """Offset and shape of each part; the first parts are one larger where the size does not divide."""
    least, larger = divmod(full_shape[axis], count)
    start = 0
    for i in range(count):
        offset, size = [0] * len(full_shape), list(full_shape)
        offset[axis], size[axis] = start, least + (i < larger)
        start += size[axis]
        yield offset, size


# The scopes


@public("no_regularizer")
def no_regularizer(_: Any) -> None:
    """A regularizer that adds no loss, to switch off that of the scope around."""
    return


@public("VariableScope")
class VariableScope:
    """A prefix for the names of `get_variable`, and defaults for its arguments. `variable_scope` opens one."""

    def __init__(
        self,
        reuse: Any,
        name: str = "",
        initializer: Any = None,
        regularizer: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        custom_getter: Any = None,
        name_scope: str = "",
        dtype: Any = dtypes.float32,
        use_resource: bool | None = None,
        constraint: Any = None,
    ) -> None:
        self._name = name
        self._initializer = initializer
        self._regularizer = regularizer
        self._reuse = reuse
        self._caching_device = caching_device
        self._partitioner = partitioner
        self._custom_getter = custom_getter
        self._name_scope = name_scope
        self._dtype = dtype
        self._use_resource = use_resource
        self._constraint = constraint

    @property
    def name(self) -> str:
        return self._name

    @property
    def original_name_scope(self) -> str:
        """The name scope that was opened with this scope, with a "/" at its end."""
        return self._name_scope

    @property
    def reuse(self) -> Any:
        return self._reuse

    @property
    def initializer(self) -> Any:
        return self._initializer

    @property
    def dtype(self) -> Any:
        return self._dtype

    @property
    def use_resource(self) -> bool | None:
        return self._use_resource

    @property
    def regularizer(self) -> Any:
        return self._regularizer

    @property
    def caching_device(self) -> Any:
        return self._caching_device

    @property
    def partitioner(self) -> Any:
        return self._partitioner

    @property
    def custom_getter(self) -> Any:
        return self._custom_getter

    @property
    def constraint(self) -> Any:
        return self._constraint

    def reuse_variables(self) -> None:
        """From now on, `get_variable` in this scope finds variables and makes none."""
        self._reuse = True

    def set_initializer(self, initializer: Any) -> None:
        self._initializer = initializer

    def set_dtype(self, dtype: Any) -> None:
        self._dtype = dtype

    def set_use_resource(self, use_resource: bool | None) -> None:
        self._use_resource = use_resource

    def set_regularizer(self, regularizer: Any) -> None:
        self._regularizer = regularizer

    def set_caching_device(self, caching_device: Any) -> None:
        self._caching_device = caching_device

    def set_partitioner(self, partitioner: Any) -> None:
        self._partitioner = partitioner

    def set_custom_getter(self, custom_getter: Any) -> None:
        self._custom_getter = custom_getter

    def get_collection(self, name: Any) -> list[Any]:
        """What the graph's collection `name` holds of this scope."""
        return get_default_graph().get_collection(name, self._name + "/" if self._name else "")

    def trainable_variables(self) -> list[Any]:
        return self.get_collection(GraphKeys.TRAINABLE_VARIABLES)

    def global_variables(self) -> list[Any]:
        return self.get_collection(GraphKeys.GLOBAL_VARIABLES)

    def local_variables(self) -> list[Any]:
        return self.get_collection(GraphKeys.LOCAL_VARIABLES)

    def get_variable(
        self,
        var_store: VariableStore,
        name: str,
        shape: Any = None,
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        reuse: Any = None,
        trainable: bool | None = None,
        collections: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        validate_shape: bool = True,
        use_resource: bool | None = None,
        custom_getter: Any = None,
        constraint: Any = None,
        synchronization: Any = VariableSynchronization.AUTO,
        aggregation: Any = VariableAggregation.NONE,
    ) -> Any:
        """Find or make a variable of this scope; `tf.get_variable` has the arguments."""
        with name_scope(None):
            if dtype is not None and initializer is not None and not callable(initializer):
                found = convert_to_tensor(initializer).dtype.base_dtype
                if found != dtype:
                    raise ValueError(f"Initializer type '{found}' and explicit dtype '{dtype}' don't match.")
            return var_store.get_variable(
                f"{self._name}/{name}" if self._name else name,
                shape=shape,
                dtype=self._dtype if dtype is None else dtype,
                initializer=self._initializer if initializer is None else initializer,
                regularizer=self._regularizer if regularizer is None else regularizer,
                reuse=self._reuse if reuse is None else reuse,
                trainable=trainable,
                collections=collections,
                caching_device=self._caching_device if caching_device is None else caching_device,
                partitioner=self._partitioner if partitioner is None else partitioner,
                validate_shape=validate_shape,
                use_resource=self._use_resource if use_resource is None else use_resource,
                custom_getter=self._custom_getter if custom_getter is None else custom_getter,
                constraint=self._constraint if constraint is None else constraint,
                synchronization=synchronization,
                aggregation=aggregation,
            )


class ScopeStore(threading.local):
    """The current scope of this thread in one graph, and how often each scope name was opened."""

    def __init__(self) -> None:
        self.current_scope = VariableScope(False)
        self.opened: dict[str, int] = {}


def _scope_store() -> ScopeStore:
    kept = get_default_graph()._attachments
    found = kept.get("variable scopes")
    if found is None:
        found = kept.setdefault("variable scopes", ScopeStore())
    return found


def variable_store() -> VariableStore:
    """The store of the default graph."""
    kept = get_default_graph()._attachments
    found = kept.get("variable store")
    if found is None:
        found = kept.setdefault("variable store", VariableStore())
    return found


@public("get_variable_scope")
def get_variable_scope() -> VariableScope:
    """The current variable scope."""
    return _scope_store().current_scope


@public("get_variable")
def get_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool | None = None,
    collections: Any = None,
    caching_device: Any = None,
    partitioner: Any = None,
    validate_shape: bool = True,
    use_resource: bool | None = None,
    custom_getter: Any = None,
    constraint: Any = None,
    synchronization: Any = VariableSynchronization.AUTO,
    aggregation: Any = VariableAggregation.NONE,
) -> Any:
    """Find the variable called `name` in the current variable scope, or make it.

    Args:
        name: its name; the scope's name is put before it.
        shape: its shape; not to be given with a value as initializer.
        dtype: its type, float32 by default.
        initializer: a function `(shape, dtype, partition_info)` that gives the initial value, or that value. By
            default the scope's, or else Glorot's uniform distribution for floats and zeros for integers.
        regularizer: a function of the variable that gives a loss (or None) for `GraphKeys.REGULARIZATION_LOSSES`.
        trainable: whether optimizers change it; True unless told otherwise.
        collections: the graph collections to join; `[tf.GraphKeys.GLOBAL_VARIABLES]` by default.
        caching_device: a device to keep a copy for reading on.
        partitioner: a function of shape and type that says into how many parts each dimension is cut.
        validate_shape: whether the shape must be known now and stay what it is.
        use_resource: whether it is a resource variable.
        custom_getter: a function `(getter, name, ...)` called in place of the usual getter, which it may call.
        constraint: a function from the value after an optimizer's step to the value to keep in its place.
        synchronization: when copies on several machines are brought together.
        aggregation: how they are.

    Returns:
        The variable; a `PartitionedVariable` if there is a partitioner.

    Raises:
        ValueError: if it exists and the scope does not reuse, does not exist and the scope only reuses, or exists
            with another shape or type.

    >>> with tf.variable_scope("layer", reuse=tf.AUTO_REUSE):
    ...     v = tf.get_variable("v", [2])
    ...     assert tf.get_variable("v", [2]) is v
    """
    return get_variable_scope().get_variable(
        variable_store(),
        name,
        shape=shape,
        dtype=dtype,
        initializer=initializer,
        regularizer=regularizer,
        trainable=trainable,
        collections=collections,
        caching_device=caching_device,
        partitioner=partitioner,
        validate_shape=validate_shape,
        use_resource=use_resource,
        custom_getter=custom_getter,
        constraint=constraint,
        synchronization=synchronization,
        aggregation=aggregation,
    )


@public("get_local_variable")
def get_local_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool = False,
    collections: Any = None,
    caching_device: Any = None,
    partitioner: Any = None,
    validate_shape: bool = True,
    use_resource: bool | None = None,
    custom_getter: Any = None,
    constraint: Any = None,
    synchronization: Any = VariableSynchronization.AUTO,
    aggregation: Any = VariableAggregation.NONE,
) -> Any:
    """`get_variable` for a local variable: in `GraphKeys.LOCAL_VARIABLES`, never trained, never saved."""
    return get_variable(
        name,
        shape=shape,
        dtype=dtype,
        initializer=initializer,
        regularizer=regularizer,
        trainable=False,
        collections=[*(collections or ()), GraphKeys.LOCAL_VARIABLES],
        caching_device=caching_device,
        partitioner=partitioner,
        validate_shape=validate_shape,
        use_resource=use_resource,
        custom_getter=custom_getter,
        constraint=constraint,
        synchronization=synchronization,
        aggregation=aggregation,
    )


_DEFAULTS = ("initializer", "regularizer", "caching_device", "partitioner", "custom_getter", "dtype", "use_resource")


class PureVariableScope:
    """A variable scope that opens no name scope.

    Args:
        name_or_scope: a name, which goes below the current scope's, or a scope to enter again.
        reuse: True or `AUTO_REUSE` to reuse; None to do as the scope around does.
        old_name_scope: what the scope's `original_name_scope` is to be.
        constraint: the scope's constraint.
        **defaults: further defaults for `get_variable`; those that are None come from the scope around.
    """

    def __init__(
        self,
        name_or_scope: str | VariableScope,
        reuse: Any = None,
        old_name_scope: str | None = None,
        constraint: Any = None,
        **defaults: Any,
    ) -> None:
        self._name_or_scope = name_or_scope
        self._reuse = reuse
        self._old_name_scope = old_name_scope
        self._constraint = constraint
        self._given = defaults
        self._store = _scope_store()
        self._again: VariableScope | None = None
        if isinstance(name_or_scope, VariableScope):
            self._again = self._scope(name_or_scope, name_or_scope.name, name_or_scope._name_scope)

    def _scope(self, parent: VariableScope, name: str, name_scope: str) -> VariableScope:
        values = {key: getattr(parent, key) for key in _DEFAULTS}
        values.update((key, value) for key, value in self._given.items() if value is not None)
        own, outer = self._given.get("custom_getter"), parent.custom_getter
        if own is not None and outer is not None:
            values["custom_getter"] = _nested_getter(own, outer)
        return VariableScope(
            self._reuse or parent.reuse, name=name, name_scope=name_scope, constraint=self._constraint, **values
        )

    def __enter__(self) -> VariableScope:
        store = self._store
        self._old = store.current_scope
        if self._again is not None:
            _open(store, self._again.name)
            self._old_opened = dict(store.opened)
            self._entered = self._again
        else:
            assert isinstance(self._name_or_scope, str)
            name = f"{self._old.name}/{self._name_or_scope}" if self._old.name else self._name_or_scope
            name_scope = self._name_or_scope if self._old_name_scope is None else self._old_name_scope
            self._entered = self._scope(self._old, name, name_scope)
            _open(store, name)
        store.current_scope = self._entered
        return self._entered

    def __exit__(self, *exc: Any) -> None:
        store = self._store
        if store.current_scope is not self._entered:
            raise RuntimeError("Improper nesting of variable_scope.")
        if self._again is not None:
            store.opened = self._old_opened
        else:
            below = self._entered.name + "/"
            for name in store.opened:
                if name.startswith(below):
                    store.opened[name] = 0
        store.current_scope = self._old


def _open(store: ScopeStore, name: str) -> None:
    store.opened[name] = store.opened.get(name, 0) + 1


def _nested_getter(own: Callable[..., Any], outer: Callable[..., Any]) -> Callable[..., Any]:
    def getter(getter: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return own(functools.partial(outer, getter), *args, **kwargs)

    return getter


def _unique_scope(prefix: str) -> str:
    """`prefix`, with `_1`, `_2`, ... added if a scope of that name was opened here before."""
    store = _scope_store()
    current = store.current_scope.name
    full = f"{current}/{prefix}" if current else prefix
    if not store.opened.get(full):
        return prefix
    i = 1
    while store.opened.get(f"{full}_{i}"):
        i += 1
    return f"{prefix}_{i}"


@public("variable_scope")
class variable_scope:  # noqa: N801 - TF's name
    """A scope for the variables of `get_variable`, and for op names.

    Args:
        name_or_scope: a name, or a `VariableScope` to enter again.
        default_name: used, made unique, when `name_or_scope` is None.
        values: tensors that the block works on; the scope belongs to their graph.
        initializer, regularizer, caching_device, partitioner, custom_getter, dtype, use_resource, constraint: defaults
            for `get_variable` inside; those left out come from the scope around.
        reuse: True to find variables and make none, `AUTO_REUSE` to do either; None does as the scope around does.
        auxiliary_name_scope: whether to open a name scope too.

    >>> with tf.variable_scope("outer"):
    ...     with tf.variable_scope("inner"):
    ...         print(tf.get_variable("v", [1]).name)
    outer/inner/v:0
    """

    def __init__(
        self,
        name_or_scope: Any,
        default_name: str | None = None,
        values: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        custom_getter: Any = None,
        reuse: Any = None,
        dtype: Any = None,
        use_resource: bool | None = None,
        constraint: Any = None,
        auxiliary_name_scope: bool = True,
    ) -> None:
        if default_name is None and name_or_scope is None:
            raise TypeError("If default_name is None then name_or_scope is required")
        if reuse is False:
            reuse = None
        if not (reuse is True or reuse is None or reuse is AUTO_REUSE):
            raise ValueError("The reuse parameter must be True or False or None.")
        if not isinstance(auxiliary_name_scope, bool):
            raise TypeError(f"The auxiliary_name_scope must be `True` or `False`, while get {auxiliary_name_scope}")
        self._name_or_scope = name_or_scope
        self._default_name = default_name
        self._graph: Graph = graph_of(values or ())
        self._reuse = reuse
        self._own_names = auxiliary_name_scope
        self._defaults = {
            "initializer": initializer,
            "regularizer": regularizer,
            "caching_device": caching_device,
            "partitioner": partitioner,
            "custom_getter": custom_getter,
            "dtype": dtype,
            "use_resource": use_resource,
            "constraint": constraint,
        }
        # A scope object may be entered again and again: names are settled the first time.
        self._pure: PureVariableScope | None = None
        self._names: str | None = None
        self._exits: list[ExitStack] = []

    def __enter__(self) -> VariableScope:
        with ExitStack() as stack:
            if not get_default_graph().building_function:
                stack.enter_context(self._graph.as_default())
            if self._pure is None:
                self._pure = self._first_time(stack)
            elif self._names is not None:
                stack.enter_context(name_scope(self._names))
            scope = stack.enter_context(self._pure)
            self._exits.append(stack.pop_all())
            return scope

    def _first_time(self, stack: ExitStack) -> PureVariableScope:
        given = self._name_or_scope
        if given is None:
            if self._reuse:
                raise ValueError("reuse=True cannot be used without a name_or_scope")
            opened = self._open_names(stack, self._default_name)
            assert self._default_name is not None
            return PureVariableScope(_unique_scope(self._default_name), old_name_scope=opened, **self._defaults)
        if not isinstance(given, VariableScope | str):
            raise TypeError("VariableScope: name_or_scope must be a string or VariableScope.")
        name = given if isinstance(given, str) else given.name.split("/")[-1]
        opened = self._open_names(stack, name) if name or not self._own_names else None
        if isinstance(given, VariableScope) and opened is not None:
            opened = given.original_name_scope
        return PureVariableScope(given, reuse=self._reuse, old_name_scope=opened, **self._defaults)

    def _open_names(self, stack: ExitStack, name: str | None) -> str:
        """Open the name scope `name`, or the current one again."""
        if not self._own_names:
            current = get_default_graph().get_name_scope()
            self._names = current + "/" if current else ""
        else:
            self._names = name
        return stack.enter_context(name_scope(self._names))

    def __exit__(self, *exc: Any) -> None:
        self._exits.pop().__exit__(*exc)


@public("variable_op_scope")
@contextmanager
def variable_op_scope(
    values: Any,
    name_or_scope: Any,
    default_name: str | None = None,
    initializer: Any = None,
    regularizer: Any = None,
    caching_device: Any = None,
    partitioner: Any = None,
    custom_getter: Any = None,
    reuse: Any = None,
    dtype: Any = None,
    use_resource: bool | None = None,
    constraint: Any = None,
) -> Iterator[VariableScope]:
    """The older form of `variable_scope`."""
    with variable_scope(
        name_or_scope,
        default_name=default_name,
        values=values,
        initializer=initializer,
        regularizer=regularizer,
        caching_device=caching_device,
        partitioner=partitioner,
        custom_getter=custom_getter,
        reuse=reuse,
        dtype=dtype,
        use_resource=use_resource,
        constraint=constraint,
    ) as scope:
        yield scope


@public("create_partitioned_variables")
def create_partitioned_variables(
    shape: Any,
    slicing: Any,
    initializer: Any,
    dtype: Any = dtypes.float32,
    trainable: bool = True,
    collections: Any = None,
    name: str | None = None,
    reuse: Any = None,
) -> list[Variable]:
    """Make a variable cut into parts, and give the parts; `get_variable` with a partitioner does it too.

    Args:
        shape: the whole's shape.
        slicing: into how many parts each dimension is cut; at most one entry greater than 1.
        initializer: a function `(shape, dtype, partition_info)` or a tensor.
        dtype: its type.
        trainable: whether optimizers change it.
        collections: the graph collections to join.
        name: its name.
        reuse: as for `variable_scope`.
    """
    if len(shape) != len(slicing):
        raise ValueError(
            "The 'shape' and 'slicing' of a partitioned Variable must have the length: "
            f"shape: {shape}, slicing: {slicing}"
        )
    if len(shape) < 1:
        raise ValueError(f"A partitioned Variable must have rank at least 1: shape: {shape}")
    with variable_scope(name, "PartitionedVariable", reuse=reuse) as scope:
        if scope.custom_getter is not None:
            raise ValueError("create_partitioned_variables cannot be used inside a scope with a custom getter")
        with name_scope(None):
            whole = variable_store()._partitioned(
                scope.name,
                lambda **unused: slicing,
                shape,
                dtype,
                initializer,
                regularizer=scope.regularizer,
                reuse=scope.reuse,
                trainable=trainable,
                collections=collections,
                caching_device=scope.caching_device,
                validate_shape=True,
                use_resource=scope.use_resource,
                constraint=scope.constraint,
                synchronization=VariableSynchronization.AUTO,
                aggregation=VariableAggregation.NONE,
            )
    return list(whole)
