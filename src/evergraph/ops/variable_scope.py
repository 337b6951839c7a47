"""`get_variable` and `variable_scope`: variables found again by name.

A graph has one `VariableStore`, name to variable, and (per thread) a current `VariableScope`: a prefix for names, and
defaults for what `get_variable` is not told. `reuse` says whether a name must be new (False or None), must exist
already (True), or may be either (`AUTO_REUSE`).
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.function_graph import FunctionGraph
from evergraph.framework.graph import Graph, get_default_graph
from evergraph.framework.scopes import GraphKeys, init_scope, name_scope
from evergraph.ops import variables
from evergraph.ops.opdef import graph_of
from evergraph.ops.ref_variable import RefVariable
from evergraph.ops.resource_variable import ResourceVariable
from evergraph.ops.variable_store import AUTO_REUSE, VariableStore, resource_variables_enabled, variable_store
from evergraph.ops.variables import Variable, VariableAggregation, VariableSynchronization


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
        use_resource = resource_variables_enabled()
    kind = ResourceVariable if use_resource else RefVariable
    graph = get_default_graph()
    if isinstance(graph, FunctionGraph) and callable(kwargs.get("initial_value")):
        # A variable outlives the calls of a function: it belongs to the graph around.
        with init_scope():
            return kind(**kwargs)
    return kind(**kwargs)


variables.default_creator[:] = [_create]


@public("variable_creator_scope")
@contextmanager
def variable_creator_scope(variable_creator: Callable[..., Any]) -> Iterator[None]:
    """Variables made inside are made by `variable_creator(next_creator, **kwargs)`.

    It gives a variable, as a rule that of `next_creator(**kwargs)`, with changed arguments perhaps.
    """
    with get_default_graph()._variable_creator_scope(variable_creator):
        yield


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

    def check_is_innermost(self) -> None:
        if self._store.current_scope is not self._entered:
            raise RuntimeError("Improper nesting of variable_scope.")

    def __exit__(self, *exc: Any) -> None:
        self.check_is_innermost()
        store = self._store
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


def unique_scope(prefix: str) -> str:
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
class variable_scope:
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
            return PureVariableScope(unique_scope(self._default_name), old_name_scope=opened, **self._defaults)
        if not isinstance(given, VariableScope | str):
            raise TypeError("VariableScope: name_or_scope must be a string or VariableScope.")
        name = given if isinstance(given, str) else given.name.split("/")[-1]
        outer = self._open_names(stack, name) if name or not self._own_names else None
        if isinstance(given, VariableScope) and outer is not None:
            outer = given.original_name_scope
        return PureVariableScope(given, reuse=self._reuse, old_name_scope=outer, **self._defaults)

    def _open_names(self, stack: ExitStack, name: str | None) -> str:
        """Open the name scope `name`, or the current one again."""
        if not self._own_names:
            current = get_default_graph().get_name_scope()
            self._names = current + "/" if current else ""
        else:
            self._names = name
        return stack.enter_context(name_scope(self._names))

    def __exit__(self, *exc: Any) -> None:
        assert self._pure is not None
        self._pure.check_is_innermost()
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
