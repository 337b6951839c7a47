"""The scopes of the default graph, as functions, and the names of the standard collections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from evergraph.framework import stacks
from evergraph.framework.api import public, publish
from evergraph.framework.graph import (
    SEED_OF_UNSEEDED_GRAPH,
    Graph,
    get_default_graph,
    graph_of_thread,
    reset_default_graph,
)
from evergraph.framework.tensor import Tensor

public("Graph")(Graph)
public("get_default_graph")(get_default_graph)
public("reset_default_graph")(reset_default_graph)
public("get_default_session")(stacks.get_default_session)


@public("GraphKeys")
class GraphKeys:
    """Names of the collections that the library itself uses."""

    GLOBAL_VARIABLES = "variables"
    LOCAL_VARIABLES = "local_variables"
    METRIC_VARIABLES = "metric_variables"
    MODEL_VARIABLES = "model_variables"
    TRAINABLE_VARIABLES = "trainable_variables"
    SUMMARIES = "summaries"
    QUEUE_RUNNERS = "queue_runners"
    TABLE_INITIALIZERS = "table_initializer"
    ASSET_FILEPATHS = "asset_filepaths"
    MOVING_AVERAGE_VARIABLES = "moving_average_variables"
    REGULARIZATION_LOSSES = "regularization_losses"
    CONCATENATED_VARIABLES = "concatenated_variables"
    SAVERS = "savers"
    WEIGHTS = "weights"
    BIASES = "biases"
    ACTIVATIONS = "activations"
    UPDATE_OPS = "update_ops"
    LOSSES = "losses"
    SAVEABLE_OBJECTS = "saveable_objects"
    RESOURCES = "resources"
    LOCAL_RESOURCES = "local_resources"
    INIT_OP = "init_op"
    LOCAL_INIT_OP = "local_init_op"
    READY_OP = "ready_op"
    READY_FOR_LOCAL_INIT_OP = "ready_for_local_init_op"
    SUMMARY_OP = "summary_op"
    GLOBAL_STEP = "global_step"
    EVAL_STEP = "eval_step"
    TRAIN_OP = "train_op"
    COND_CONTEXT = "cond_context"
    WHILE_CONTEXT = "while_context"
    VARIABLES = "variables"
    _SUMMARY_COLLECTION = "_SUMMARY_V2"
    _VARIABLE_COLLECTIONS = [
        "variables",
        "local_variables",
        "metric_variables",
        "model_variables",
        "trainable_variables",
    ]


@public("name_scope", "keras.backend.name_scope")
class name_scope:
    """A scope for op names; `with name_scope(name, default_name, values) as scope` gives its full name with a "/".

    Args:
        name: the scope, or None to use `default_name`.
        default_name: used when `name` is None.
        values: tensors that the block works on; the scope belongs to their graph.
    """

    def __init__(self, name: str | None, default_name: str | None = None, values: Any = None) -> None:
        self._name = default_name if name is None else name
        self._default_name = default_name
        self._values = values
        self._given = name
        if not (default_name is None or isinstance(default_name, str)):
            raise TypeError(
                f"`default_name` type ({type(default_name)}) is not a string type. You likely meant to pass this into "
                "the `values` kwarg."
            )

    @property
    def name(self) -> str | None:
        return self._name

    def __enter__(self) -> str:
        if self._name is None and self._values is not None:
            raise ValueError(
                f"At least one of name ({self._given}) and default_name ({self._default_name}) must be provided."
            )
        graph = get_default_graph() if not self._values else _graph_of(self._values)
        self._pushed: Any = None
        if graph is not get_default_graph():
            self._pushed = graph.as_default()
            self._pushed.__enter__()
        # The scope, entered by hand: this is on the path of every op with a name scope of its own.
        try:
            self._scope = graph.name_scope(self._name)
            return self._scope.__enter__()
        except BaseException:
            if self._pushed is not None:
                self._pushed.__exit__(None, None, None)
            raise

    def __exit__(self, *exc: Any) -> bool | None:
        try:
            self._scope.__exit__(*exc)
        finally:
            if self._pushed is not None:
                self._pushed.__exit__(*exc)
        return None


@public("op_scope")
def op_scope(values: Any, name: str | None, default_name: str | None = None) -> name_scope:
    """`name_scope`, with its arguments in another order."""
    return name_scope(name, default_name, values)


def _graph_of(values: Any) -> Graph:
    default = get_default_graph()
    if default._building_function:
        return default  # values of the graphs around it are captured
    for value in values:
        if type(value) is Tensor:
            return _one_graph(values, value.op.graph)
    for value in values:
        graph = getattr(value, "graph", None)
        if isinstance(graph, Graph):
            return _one_graph(values, graph)
    return get_default_graph()


def _one_graph(values: Any, graph: Graph) -> Graph:
    """`graph`, which everything among `values` that has a graph must belong to."""
    for value in values:
        if type(value) is Tensor:
            if value.op.graph is not graph:
                break
        elif isinstance(getattr(value, "graph", None), Graph) and value.graph is not graph:
            break
    else:
        return graph
    first = next(v for v in values if getattr(v, "graph", None) is graph)
    raise ValueError(f"{value} must be from the same graph as {first}.")


@public("control_dependencies")
def control_dependencies(control_inputs: Any) -> Any:
    """Ops made inside run after `control_inputs`; None leaves the control dependencies around."""
    if callable(control_inputs) and not isinstance(control_inputs, list | tuple):
        raise TypeError("control_dependencies takes a list of tensors or operations")
    return get_default_graph().control_dependencies(control_inputs)


@public("device")
def device(device_name_or_function: Any) -> AbstractContextManager[None]:
    """Ops made inside are placed on a device, as `tf.device("/gpu:0")`."""
    return get_default_graph().device(device_name_or_function)


@public("colocate_with")
def colocate_with(op: Any, ignore_existing: bool = False) -> AbstractContextManager[None]:
    """Ops made inside are placed where `op` is."""
    return get_default_graph().colocate_with(op, ignore_existing)


@public("container")
def container(container_name: str) -> AbstractContextManager[str]:
    """Stateful ops made inside keep their state in the named container."""
    return get_default_graph().container(container_name)


@public("add_to_collection")
def add_to_collection(name: Any, value: Any) -> None:
    """Remember `value` in the default graph under `name`."""
    get_default_graph().add_to_collection(name, value)


@public("add_to_collections")
def add_to_collections(names: Any, value: Any) -> None:
    """Remember `value` in the default graph under each of `names`."""
    get_default_graph().add_to_collections(names, value)


@public("get_collection")
def get_collection(key: Any, scope: str | None = None) -> list[Any]:
    """What the default graph remembers under `key`."""
    return get_default_graph().get_collection(key, scope)


@public("get_collection_ref")
def get_collection_ref(key: Any) -> list[Any]:
    """The default graph's collection itself, to be changed in place."""
    return get_default_graph().get_collection_ref(key)


@contextmanager
def no_control_dependencies() -> Iterator[None]:
    with get_default_graph().control_dependencies(None):
        yield


@public("init_scope")
@contextmanager
def init_scope() -> Iterator[None]:
    """Ops made inside depend on nothing around: they are outside of functions and branches; the name scope stays."""
    graph = get_default_graph()
    scope = graph.get_name_scope()
    around = reversed(stacks.graphs.stack)
    devices = graph._device_stack
    while graph._building_function:
        graph = getattr(graph, "outer_graph", None) or next(around, None) or graph_of_thread()
        devices = devices or graph._device_stack
    with graph.as_default(), graph.control_dependencies(None), graph.name_scope(scope + "/" if scope else None):
        of_graph, graph._device_stack = graph._device_stack, devices
        try:
            yield
        finally:
            graph._device_stack = of_graph


@public("set_random_seed", "random.set_random_seed", "compat.v1.set_random_seed")
def set_random_seed(seed: int) -> None:
    """Set the graph-level random seed of the default graph."""
    get_default_graph().seed = seed


@public("get_seed", "random.get_seed")
def get_seed(op_seed: int | None) -> tuple[int | None, int | None]:
    """The two seeds of a random op, from the graph's seed and the op's own, as TF derives them."""
    graph = get_default_graph()
    if graph.seed is not None:
        seeds: tuple[Any, Any] = graph.seed, graph._last_id if op_seed is None else op_seed
        if op_seed is None and graph._building_function:
            graph._attachments["uses seed"] = True
    elif op_seed is not None:
        seeds = SEED_OF_UNSEEDED_GRAPH, op_seed
    else:
        return None, None
    truncated: Any = tuple(s % (2**31 - 1) if hasattr(s, "op") else int(s) % (2**31 - 1) for s in seeds)
    if truncated == (0, 0):
        return 0, 2**31 - 1
    return truncated


publish("random.get_seed", get_seed)
