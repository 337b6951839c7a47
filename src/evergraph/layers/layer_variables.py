"""Variables of layers outside variable scopes, which of them a session knows, and what follows from what in a graph."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from evergraph.framework import dtypes, nest, stacks
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import init_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops.variables import Variable, VariableSynchronization


def checked_trainable(trainable: bool | None, synchronization: Any) -> bool:
    if synchronization == VariableSynchronization.ON_READ:
        if trainable:
            raise ValueError(
                "Synchronization value can be set to VariableSynchronization.ON_READ only for non-trainable "
                "variables. You have specified trainable=True and synchronization=VariableSynchronization.ON_READ."
            )
        return False
    return True if trainable is None else trainable


def make_variable(
    name: str | None,
    shape: Any = None,
    dtype: Any = dtypes.float32,
    initializer: Any = None,
    trainable: bool | None = None,
    use_resource: bool | None = None,
    partitioner: Any = None,
    **kwargs: Any,
) -> Any:
    """A variable that is no part of any variable scope."""
    value_dtype = None
    initial_value = initializer
    if callable(initializer):
        with init_scope():
            make: Any = initializer() if inspect.isclass(initializer) else initializer
        initial_value = functools.partial(make, shape, dtype=dtype)
        value_dtype = dtype.base_dtype
    sizes = TensorShape(shape)
    return Variable(
        initial_value=initial_value,
        name=name,
        trainable=trainable,
        dtype=value_dtype,
        use_resource=True if use_resource is None else use_resource,
        shape=sizes if sizes.rank else None,
        **kwargs,
    )


def track_variable(variable: Any) -> None:
    """Remember a variable made by a layer, for the session that Keras opens by itself."""
    kept = get_default_graph()._attachments.setdefault("variables of layers", {})
    kept[id(variable)] = variable


def reachable_from(inputs: Any, targets: list[Any]) -> set[Any]:
    """Tensors and ops that depend on `inputs`; the search ends when all `targets` are found."""
    found: set[Any] = set()
    queue: list[Any] = []
    for x in nest.flatten(inputs, expand_composites=True):
        if isinstance(x, Variable):
            queue.append(x.op)
        elif isinstance(x, Tensor | Operation):
            queue.append(x)
    found.update(queue)
    remaining = {t for t in targets if t not in found}
    while queue and remaining:
        x = queue.pop()
        following = [*x.outputs, *x._control_outputs_list] if isinstance(x, Operation) else x.consumers()
        for y in following:
            if y not in found:
                found.add(y)
                remaining.discard(y)
                queue.append(y)
    return found


def default_session() -> Any:
    """The default session.

    Raises:
        RuntimeError: if there is none.
    """
    session = stacks.get_default_session()
    if session is None:
        raise RuntimeError("the values of a layer's variables are those of a session: there is no default session")
    return session
