"""`tf.Variable`: what all variables are and can do, and the functions that gather and initialize them.

`tf.Variable(...)` makes a variable of the kind that the scope around asks for: `RefVariable` (ref_variable.py) or
`ResourceVariable` (resource_variable.py). Both are instances of `Variable`. Programs may step in between with
`variable_creator_scope`.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from evergraph.framework import dtypes, stacks
from evergraph.framework.api import public
from evergraph.framework.graph import Graph, get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import GraphKeys, colocate_with, device, init_scope, name_scope
from evergraph.framework.shapes import Shape, TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import state
from evergraph.ops.cond import cond
from evergraph.ops.constant import constant
from evergraph.ops.grouping import group, no_op
from evergraph.ops.joining import stack
from evergraph.ops.opdef import raw_op
from evergraph.ops.selecting import boolean_mask
from evergraph.ops.shaping import rank_internal
from evergraph.ops.slicing import sliced


@public("VariableSynchronization")
class VariableSynchronization(enum.Enum):
    """When the copies of a distributed variable are brought together."""

    AUTO = 0
    NONE = 1
    ON_WRITE = 2
    ON_READ = 3


@public("VariableAggregation")
class VariableAggregation(enum.Enum):
    """How the copies of a distributed variable become one value."""

    NONE = 0
    SUM = 1
    MEAN = 2
    ONLY_FIRST_REPLICA = 3
    ONLY_FIRST_TOWER = 3  # noqa: PIE796 - TF's older name of the same


def checked_modes(
    synchronization: Any, aggregation: Any, trainable: bool | None, name: str | None
) -> tuple[VariableSynchronization, VariableAggregation, bool]:
    """What a variable's three modes are where the program left some of them open.

    Raises:
        ValueError: for a mode that does not exist.
    """
    try:
        aggregation = VariableAggregation(getattr(aggregation, "value", aggregation) or 0)
    except ValueError:
        raise ValueError(f"Invalid variable aggregation mode: {aggregation} for variable: {name}") from None
    try:
        synchronization = VariableSynchronization(getattr(synchronization, "value", synchronization) or 0)
    except ValueError:
        raise ValueError(f"Invalid variable synchronization mode: {synchronization} for variable: {name}") from None
    if trainable is None:
        trainable = synchronization is not VariableSynchronization.ON_READ
    return synchronization, aggregation, trainable


class SaveSliceInfo:
    """Which part of a larger variable a variable is, for checkpoints.

    Args:
        full_name: the larger variable's name.
        full_shape: its shape, a list of ints.
        var_offset: where the part starts, one int per dimension.
        var_shape: the part's shape.
        save_slice_info_def: a `SaveSliceInfoDef` message to read those from.
        import_scope: a scope to put before the name in the message.
    """

    def __init__(
        self,
        full_name: str | None = None,
        full_shape: Any = None,
        var_offset: Any = None,
        var_shape: Any = None,
        save_slice_info_def: Any = None,
        import_scope: str | None = None,
    ) -> None:
        if save_slice_info_def is not None:
            full_name = prepend_name_scope(save_slice_info_def.full_name, import_scope)
            full_shape = list(save_slice_info_def.full_shape)
            var_offset = list(save_slice_info_def.var_offset)
            var_shape = list(save_slice_info_def.var_shape)
        self.full_name = full_name
        self.full_shape = full_shape
        self.var_offset = var_offset
        self.var_shape = var_shape

    @property
    def spec(self) -> str:
        """The slice as checkpoints write it: `4 3 0,2:0,3` is the first two rows of a 4 by 3 variable."""
        sizes = "".join(f"{size} " for size in self.full_shape)
        return sizes + ":".join(f"{start},{size}" for start, size in zip(self.var_offset, self.var_shape))

    def to_proto(self, export_scope: str | None = None) -> Any:
        """This as a `SaveSliceInfoDef` message, or None if the variable is outside `export_scope`."""
        from evergraph.formats import messages

        assert self.full_name is not None
        if export_scope is not None and not self.full_name.startswith(export_scope):
            return None
        return messages.SaveSliceInfoDef(
            full_name=strip_name_scope(self.full_name, export_scope),
            full_shape=self.full_shape,
            var_offset=self.var_offset,
            var_shape=self.var_shape,
        )


SliceInfo = SaveSliceInfo | None


def prepend_name_scope(name: str, import_scope: str | None) -> str:
    """`name` inside `import_scope`; `^name` and `loc:@name` keep their marks in front."""
    if not import_scope:
        return name
    scope = import_scope.rstrip("/")
    for mark in ("^", "loc:@"):
        if name.startswith(mark):
            return f"{mark}{scope}/{name[len(mark) :]}"
    return f"{scope}/{name}"


def strip_name_scope(name: str, export_scope: str | None) -> str:
    """`name` without `export_scope` in front."""
    if not export_scope:
        return name
    scope = export_scope.rstrip("/") + "/"
    for mark in ("^", "loc:@", ""):
        if name.startswith(mark + scope):
            return mark + name[len(mark + scope) :]
    return name


# Makes the variable once all variable creators have had their say. `variable_scope` plugs it in.
default_creator: list[Callable[..., Any]] = []


class _VariableType(type):
    """The type of `Variable`: calling `Variable` itself makes a variable of one of its subclasses."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return _create(*args, **kwargs) if cls is Variable else super().__call__(*args, **kwargs)


def _create(
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
    use_resource: bool | None = None,
    synchronization: Any = VariableSynchronization.AUTO,
    aggregation: Any = VariableAggregation.NONE,
    shape: Any = None,
) -> Any:
    create: Callable[..., Any] = _first_creator
    for _, creator in get_default_graph()._variable_creator_stack:
        create = _followed_by(creator, create)
    return create(
        initial_value=initial_value,
        trainable=trainable,
        collections=collections,
        validate_shape=validate_shape,
        caching_device=caching_device,
        name=name,
        variable_def=variable_def,
        dtype=dtype,
        expected_shape=expected_shape,
        import_scope=import_scope,
        constraint=constraint,
        use_resource=use_resource,
        synchronization=synchronization,
        aggregation=VariableAggregation.NONE if aggregation is None else aggregation,
        shape=shape,
    )


def _first_creator(**kwargs: Any) -> Any:
    return default_creator[0](**kwargs)


def _followed_by(creator: Callable[..., Any], following: Callable[..., Any]) -> Callable[..., Any]:
    return lambda **kwargs: creator(following, **kwargs)


@public("Variable")
class Variable(metaclass=_VariableType):
    """A value that a session keeps from run to run.

    A variable stands where a tensor can: it reads as its value. It has a value only once its initializer has run, or
    a checkpoint has been restored.

    Args:
        initial_value: a tensor, a value that converts to one, or a function without arguments that gives one. It says
            the variable's type and shape.
        trainable: whether optimizers change it; True unless told otherwise.
        collections: the graph collections to join; `[tf.GraphKeys.GLOBAL_VARIABLES]` by default.
        validate_shape: whether the shape must be known now and stay what it is.
        caching_device: a device to keep a copy for reading on.
        name: its name, `Variable` by default.
        variable_def: a `VariableDef` message: the variable object is made again around ops that exist already.
        dtype: the type to convert `initial_value` to.
        expected_shape: not used.
        import_scope: a scope to put before the names in `variable_def`.
        constraint: a function from the value after an optimizer's step to the value to keep in its place.
        use_resource: whether it is a resource variable; by default the scope around decides.
        synchronization: when copies on several machines are brought together.
        aggregation: how they are.
        shape: its shape, where `initial_value` leaves some of it open.

    >>> v = tf.Variable([1.0, 2.0], name="v")
    >>> sess.run(tf.global_variables_initializer())
    >>> sess.run(v.assign_add([1.0, 1.0]))
    array([2., 3.], dtype=float32)
    """

    SaveSliceInfo = SaveSliceInfo
    __array_priority__ = 100
    _in_graph_mode = True
    _distribute_strategy = None

    _initial_value: Any
    _initializer_op: Operation
    _trainable: bool
    _synchronization: VariableSynchronization
    _aggregation: VariableAggregation
    _constraint: Any
    _save_slice_info: SliceInfo

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("a variable is of one of the two kinds")

    # What a variable is

    @property
    def name(self) -> str:
        raise NotImplementedError

    @property
    def dtype(self) -> dtypes.DType:
        raise NotImplementedError

    @property
    def shape(self) -> TensorShape:
        raise NotImplementedError

    @property
    def op(self) -> Operation:
        raise NotImplementedError

    @property
    def graph(self) -> Graph:
        return self.op.graph

    @property
    def device(self) -> str:
        return self.op.device

    def get_shape(self) -> TensorShape:
        """The static shape."""
        return self.shape

    def _shape_as_list(self) -> list[int | None] | None:
        sizes = self.shape._sizes
        return None if sizes is None else list(sizes)

    def _shape_tuple(self) -> Shape:
        return self.shape._sizes

    @property
    def _shared_name(self) -> str:
        return self.name[: self.name.index(":")]

    @property
    def initializer(self) -> Operation:
        """The op that gives the variable its initial value."""
        return self._initializer_op

    @property
    def initial_value(self) -> Tensor:
        """The tensor that the initializer assigns. It is not the variable's current value."""
        return self._initial_value

    @property
    def trainable(self) -> bool:
        return self._trainable

    @property
    def synchronization(self) -> VariableSynchronization:
        return self._synchronization

    @property
    def aggregation(self) -> VariableAggregation:
        return self._aggregation

    @property
    def constraint(self) -> Any:
        """The function applied after each of an optimizer's steps, or None."""
        return self._constraint

    # Reading and writing

    def value(self) -> Tensor:
        """The tensor that stands for the variable's value."""
        raise NotImplementedError

    def read_value(self) -> Tensor:
        """Add a new read of the variable, which sees what the control dependencies around say."""
        raise NotImplementedError

    def initialized_value(self) -> Tensor:
        """The variable's value if it has one, else its initial value: what another initializer may depend on."""
        with init_scope():
            return cond(state.is_variable_initialized(self), self.read_value, lambda: self.initial_value)

    def eval(self, session: Any = None) -> Any:
        """The variable's value in `session`, or in the default session."""
        return self._as_graph_element().eval(session=session)

    def load(self, value: Any, session: Any = None) -> None:
        """Make `value` the variable's value in `session` without adding an op.

        Raises:
            ValueError: if no session is given and none is the default.
        """
        session = session or stacks.get_default_session()
        if session is None:
            raise ValueError("Either session argument should be provided or default session should be established")
        session.run(self.initializer, {self.initializer.inputs[1]: value})

    def _as_graph_element(self) -> Tensor:
        raise NotImplementedError

    def __getitem__(self, slice_spec: Any) -> Any:
        """A part of the variable's value; `v[2:4].assign(x)` overwrites that part."""
        return sliced(self.value(), slice_spec, self)

    def __iter__(self) -> Any:
        raise TypeError("'Variable' object is not iterable.")

    # Variables are compared and hashed as objects, as tensors are.

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def experimental_ref(self) -> Any:
        """A stand-in that can be a dictionary key, as `Tensor.experimental_ref` gives it."""
        return Tensor.experimental_ref(self)  # type: ignore[arg-type]  # one class wraps both

    def __repr__(self) -> str:
        return f"<tf.Variable '{self.name}' shape={self.shape} dtype={self.dtype.name}>"

    # Saving

    def _set_save_slice_info(self, save_slice_info: SliceInfo) -> None:
        self._save_slice_info = save_slice_info

    def _get_save_slice_info(self) -> SliceInfo:
        return self._save_slice_info

    def _named_in_proto(self, variable_name: str, snapshot_name: str, export_scope: str | None) -> Any:
        """A `VariableDef` message, or None if the variable is outside `export_scope`."""
        from evergraph.formats import messages

        if export_scope is not None and not variable_name.startswith(export_scope):
            return None
        made = messages.VariableDef(
            variable_name=strip_name_scope(variable_name, export_scope),
            initializer_name=strip_name_scope(self.initializer.name, export_scope),
            snapshot_name=strip_name_scope(snapshot_name, export_scope),
            trainable=self.trainable,
            synchronization=self.synchronization.value,
            aggregation=self.aggregation.value,
        )
        if self._initial_value is not None:
            made.initial_value_name = strip_name_scope(self._initial_value.name, export_scope)
        if self._save_slice_info is not None:
            made.save_slice_info_def.CopyFrom(self._save_slice_info.to_proto(export_scope))
        return made

    def _take_from_proto(self, variable_def: Any, import_scope: str | None) -> Callable[[str], Any]:
        """Take over what both kinds have in a `VariableDef`; gives a function that finds graph elements."""
        graph = get_default_graph()

        def find(name: str) -> Any:
            return graph.as_graph_element(prepend_name_scope(name, import_scope))

        self._initializer_op = find(variable_def.initializer_name)
        initial = getattr(variable_def, "initial_value_name", "")
        self._initial_value = find(initial) if initial else None
        self._synchronization, self._aggregation, self._trainable = checked_modes(
            variable_def.synchronization, variable_def.aggregation, variable_def.trainable, variable_def.variable_name
        )
        self._save_slice_info = None
        if variable_def.HasField("save_slice_info_def"):
            self._save_slice_info = SaveSliceInfo(
                save_slice_info_def=variable_def.save_slice_info_def, import_scope=import_scope
            )
        self._constraint = None
        return find

    def to_proto(self, export_scope: str | None = None) -> Any:
        """This variable as a `VariableDef` message, or None if it is outside `export_scope`."""
        raise NotImplementedError

    @staticmethod
    def from_proto(variable_def: Any, import_scope: str | None = None) -> Variable:
        """The variable that a `VariableDef` message describes; its ops must be in the graph already."""
        return Variable(variable_def=variable_def, import_scope=import_scope, use_resource=variable_def.is_resource)


def _operator(name: str) -> Callable[..., Any]:
    def apply(self: Variable, *args: Any) -> Any:
        return getattr(Tensor, name)(self.value(), *args)

    apply.__name__ = name
    return apply


_OPERATORS = (
    "add radd sub rsub mul rmul div rdiv truediv rtruediv floordiv rfloordiv mod rmod pow rpow matmul rmatmul "
    "lt le gt ge and rand or ror xor rxor neg abs invert"
)
for _name in _OPERATORS.split():
    setattr(Variable, f"__{_name}__", _operator(f"__{_name}__"))


# Making a variable: what both kinds do


def checked_collections(collections: Any, trainable: bool) -> list[Any]:
    """The collections that a new variable joins."""
    if collections is None:
        collections = [GraphKeys.GLOBAL_VARIABLES]
    if not isinstance(collections, list | tuple | set):
        raise ValueError(
            "collections argument to Variable constructor must be a list, tuple, or set. "
            f"Got {collections} of type {type(collections)}"
        )
    if trainable and GraphKeys.TRAINABLE_VARIABLES not in collections:
        collections = [*collections, GraphKeys.TRAINABLE_VARIABLES]
    return list(collections)


def check_arguments(initial_value: Any, constraint: Any) -> None:
    if initial_value is None:
        raise ValueError("initial_value must be specified.")
    if constraint is not None and not callable(constraint):
        raise ValueError("The `constraint` argument must be a callable.")


def check_outside_control_flow(initial_value: Tensor, name: str) -> None:
    if initial_value.op._get_control_flow_context() is not None:
        raise ValueError(
            f"Initializer for variable {name} is from inside a control-flow construct, such as a loop or conditional. "
            "When creating a variable inside a loop or conditional, use a lambda as the initializer."
        )


@contextmanager
def colocated_by_name(name: str) -> Iterator[None]:
    """Ops made inside share the device of the op `name`, which need not exist yet."""
    with get_default_graph()._attr_scope({"_class": [b"loc:@" + name.encode()]}):
        yield


@contextmanager
def initializer_scope() -> Iterator[None]:
    with name_scope("Initializer"), device(None):
        yield


# Initial values that depend on other variables. An initializer may run before theirs, so where it reads a variable,
# a copy of the ops in between reads "its value if it has one, else its initial value" instead.

_KEPT = frozenset(("IsVariableInitialized", "VarIsInitializedOp", "ReadVariableOp", "If"))


def guarded(name: str, initial_value: Tensor) -> Tensor:
    """`initial_value` with its reads of variables made safe; `name` is the scope of the variable it is for."""
    if _reaches_itself(initial_value.op):
        return initial_value
    copies: dict[Operation, Operation] = {}
    stack = [initial_value.op]
    while stack:
        op = stack[-1]
        if op in copies:
            stack.pop()
        elif op.type in _KEPT:
            copies[op] = op
        elif op.type in ("Variable", "VariableV2", "VarHandleOp"):
            copies[op] = _safe_read(op)
        else:
            missing = next((t.op for t in op.inputs if t.op not in copies), None)
            if missing is not None:
                stack.append(missing)
            else:
                copies[op] = _on_copies(op, copies, name)
    return copies[initial_value.op].outputs[initial_value.value_index]


def _on_copies(op: Operation, copies: dict[Operation, Operation], name: str) -> Operation:
    if all(copies[t.op] is t.op for t in op.inputs):
        return op
    inputs = [copies[t.op].outputs[t.value_index] for t in op.inputs]
    kind = "Switch" if op.type == "RefSwitch" else op.type
    return op.graph.create_op(kind, inputs, name=f"{op.name}_{name}".replace(":", "_"), attrs=dict(op.attrs))


def _safe_read(variable_op: Operation) -> Operation:
    for key in (GraphKeys.GLOBAL_VARIABLES, GraphKeys.LOCAL_VARIABLES):
        for variable in variable_op.graph.get_collection(key):
            if isinstance(variable, Variable) and variable.name in (variable_op.name, variable_op.name + ":0"):
                return variable.initialized_value().op
    return variable_op


def _reaches_itself(op: Operation) -> bool:
    """Whether a loop of the graph leads to `op`."""
    if not any(other.type == "NextIteration" for other in op.graph._ops):
        return False
    open_ops, done = {op}, set()
    stack = [(op, iter([*(t.op for t in op.inputs), *op._control_inputs]))]
    while stack:
        current, before = stack[-1]
        following = next(before, None)
        if following is None:
            open_ops.discard(current)
            done.add(current)
            stack.pop()
        elif following in open_ops:
            return True
        elif following not in done:
            open_ops.add(following)
            stack.append((following, iter([*(t.op for t in following.inputs), *following._control_inputs])))
    return False


# Collections of variables


@public("global_variables")
def global_variables(scope: str | None = None) -> list[Any]:
    """The variables of the default graph that all workers share: those made without naming collections.

    Args:
        scope: a regular expression; only variables whose name it matches from the start.
    """
    return get_default_graph().get_collection(GraphKeys.GLOBAL_VARIABLES, scope)


@public("all_variables")
def all_variables() -> list[Any]:
    """The older name of `global_variables`."""
    return global_variables()


@public("local_variables")
def local_variables(scope: str | None = None) -> list[Any]:
    """The variables that each process has for itself and no checkpoint keeps."""
    return get_default_graph().get_collection(GraphKeys.LOCAL_VARIABLES, scope)


@public("model_variables")
def model_variables(scope: str | None = None) -> list[Any]:
    """The variables in the collection `GraphKeys.MODEL_VARIABLES`."""
    return get_default_graph().get_collection(GraphKeys.MODEL_VARIABLES, scope)


@public("trainable_variables")
def trainable_variables(scope: str | None = None) -> list[Any]:
    """The variables that optimizers change: those made with `trainable=True`."""
    return get_default_graph().get_collection(GraphKeys.TRAINABLE_VARIABLES, scope)


@public("moving_average_variables")
def moving_average_variables(scope: str | None = None) -> list[Any]:
    """The variables that an `ExponentialMovingAverage` follows."""
    return get_default_graph().get_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, scope)


def saveable_objects(scope: str | None = None) -> list[Any]:
    """What a `Saver` saves unless told otherwise: the global variables, and tables and the like."""
    return global_variables(scope) + get_default_graph().get_collection(GraphKeys.SAVEABLE_OBJECTS, scope)


# Initializing


@public("initializers.variables", "variables_initializer")
def variables_initializer(var_list: Any, name: str = "init") -> Operation:
    """An op that gives each of the variables in `var_list` its initial value."""
    if var_list:
        return group(*[v.initializer for v in var_list], name=name)
    return no_op(name=name)


@public("initialize_variables")
def initialize_variables(var_list: Any, name: str = "init") -> Operation:
    """The older name of `variables_initializer`."""
    return variables_initializer(var_list, name=name)


@public("initializers.global_variables", "global_variables_initializer")
def global_variables_initializer() -> Operation:
    """An op that gives each global variable its initial value."""
    return variables_initializer(global_variables())


@public("initialize_all_variables")
def initialize_all_variables() -> Operation:
    """The older name of `global_variables_initializer`."""
    return global_variables_initializer()


@public("initializers.local_variables", "local_variables_initializer")
def local_variables_initializer() -> Operation:
    """An op that gives each local variable its initial value."""
    return variables_initializer(local_variables())


@public("initialize_local_variables")
def initialize_local_variables() -> Operation:
    """The older name of `local_variables_initializer`."""
    return local_variables_initializer()


@public("is_variable_initialized")
def is_variable_initialized(variable: Any) -> Tensor:
    """Whether `variable` has a value in the session that asks: a bool scalar."""
    return state.is_variable_initialized(variable)


def _or_all_variables(var_list: Any) -> list[Any]:
    """`var_list`, by default all variables known, or else all reference variables there are."""
    if var_list is None:
        var_list = global_variables() + local_variables()
    if not var_list:
        var_list = _unregistered_variables()
    return var_list


def _unregistered_variables() -> list[Tensor]:
    return [op.outputs[0] for op in get_default_graph()._ops if op.type in ("Variable", "VariableV2")]


@public("assert_variables_initialized")
def assert_variables_initialized(var_list: Any = None) -> Any:
    """An op that fails with `FailedPreconditionError` if one of the variables has no value; None without variables."""
    var_list = _or_all_variables(var_list)
    if not var_list:
        return None
    ranks = []
    for variable in var_list:
        with colocate_with(variable.op):
            ranks.append(rank_internal(variable, optimize=False))
    return ranks[0] if len(ranks) == 1 else stack(ranks)


@public("report_uninitialized_variables")
def report_uninitialized_variables(var_list: Any = None, name: str = "report_uninitialized_variables") -> Tensor:
    """The names of the variables without a value: a string vector.

    Args:
        var_list: the variables to ask; by default all global and local ones.
        name: the scope of the ops.
    """
    if var_list is None:
        var_list = _or_all_variables(None)
    where = os.environ.get("TF_DEVICE_FOR_UNINITIALIZED_VARIABLE_REPORTING", "/cpu:0")
    with name_scope(name):
        asked = [state.is_variable_initialized(v) for v in var_list]
        with device(where):
            if not var_list:
                return constant([], dtype=dtypes.string)
            missing = raw_op("LogicalNot")(stack(asked))
            names = constant([v.op.name for v in var_list])
            return boolean_mask(names, missing)
