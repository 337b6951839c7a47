"""What the layer functions share: outputs remembered under names, sizes read from shapes, conditions known or not.

It is `tf.contrib.layers.utils`, too.
"""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Callable
from typing import Any

from evergraph.contrib.layer_toolkit.names import both
from evergraph.framework.api import public, publish
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import add_to_collections, get_collection
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops.cond import cond
from evergraph.ops.opdef import constant_value as value_of
from evergraph.ops.variables import Variable

NamedOutputs = namedtuple("NamedOutputs", ["name", "outputs"])
publish("contrib.layers.utils.NamedOutputs", NamedOutputs)


@public(*both("utils.collect_named_outputs"))
def collect_named_outputs(collections: Any, alias: str, outputs: Any) -> Any:
    """Put `outputs` into collections, if there are any, under a name; give it back."""
    if collections:
        append_tensor_alias(outputs, alias)
        add_to_collections(collections, outputs)
    return outputs


@public(*both("utils.append_tensor_alias"))
def append_tensor_alias(tensor: Any, alias: str) -> Any:
    """Give a tensor one more name."""
    alias = alias.removesuffix("/")
    if hasattr(tensor, "aliases"):
        tensor.aliases.append(alias)
    else:
        tensor.aliases = [alias]
    return tensor


@public(*both("utils.get_tensor_aliases"))
def get_tensor_aliases(tensor: Any) -> list[str]:
    """The names that a tensor was given, or else its own."""
    if hasattr(tensor, "aliases"):
        return tensor.aliases
    return [tensor.op.name] if tensor.name.endswith(":0") else [tensor.name]


@public(*both("utils.gather_tensors_aliases"))
def gather_tensors_aliases(tensors: Any) -> list[str]:
    """The names of several tensors."""
    return [alias for tensor in tensors for alias in get_tensor_aliases(tensor)]


@public(*both("utils.convert_collection_to_dict"))
def convert_collection_to_dict(collection: str, clear_collection: bool = False) -> OrderedDict[str, Any]:
    """What a collection holds, by the names it was given.

    Args:
        collection: its name.
        clear_collection: whether to empty it.
    """
    found = OrderedDict((alias, t) for t in get_collection(collection) for alias in get_tensor_aliases(t))
    if clear_collection:
        get_default_graph().clear_collection(collection)
    return found


@public(*both("utils.constant_value"))
def constant_value(value_or_tensor_or_var: Any, dtype: Any = None) -> Any:
    """A value that is known by now, or None.

    Raises:
        ValueError: for None, or a tensor of another type than `dtype`.
    """
    value = value_or_tensor_or_var
    if value is None:
        raise ValueError("value_or_tensor_or_var cannot be None")
    if isinstance(value, Tensor | Variable):
        if dtype and value.dtype != dtype:
            raise ValueError(f"It has the wrong type {value.dtype} instead of {dtype}")
        return None if isinstance(value, Variable) else value_of(value)
    return value


@public(*both("utils.static_cond"))
def static_cond(pred: Any, fn1: Callable[[], Any], fn2: Callable[[], Any]) -> Any:
    """`fn1()` or `fn2()`, by a condition that is known."""
    for name, function in (("fn1", fn1), ("fn2", fn2)):
        if not callable(function):
            raise TypeError(f"{name} must be callable.")
    return fn1() if pred else fn2()


@public(*both("utils.smart_cond"))
def smart_cond(pred: Any, fn1: Callable[[], Any], fn2: Callable[[], Any], name: str | None = None) -> Any:
    """`fn1()` or `fn2()` if the condition is known by now, else `tf.cond`."""
    known = constant_value(pred)
    return cond(pred, fn1, fn2, name=name) if known is None else static_cond(known, fn1, fn2)


@public(*both("utils.get_variable_collections"))
def get_variable_collections(variables_collections: Any, name: str) -> Any:
    """The collections for a layer's variable `name`, where they may depend on it."""
    return variables_collections.get(name) if isinstance(variables_collections, dict) else variables_collections


def _size(shape: Any, axis: int, min_rank: int) -> int:
    if shape.dims is None:
        raise ValueError("dims of shape must be known but is None")
    if len(shape.dims) < min_rank:
        raise ValueError(f"rank of shape must be at least {min_rank} not: {len(shape.dims)}")
    size = shape.dims[axis].value
    if size is None:
        raise ValueError(f"dimension {axis} of shape must be known but is None: {shape}")
    return size


@public(*both("utils.channel_dimension"))
def channel_dimension(shape: Any, data_format: str, min_rank: int = 1) -> int:
    """The number of channels."""
    return _size(shape, 1 if data_format == "channels_first" else -1, min_rank)


@public(*both("utils.last_dimension"))
def last_dimension(shape: Any, min_rank: int = 1) -> int:
    """The size of the last axis."""
    return _size(shape, -1, min_rank)


@public(*both("utils.two_element_tuple"))
def two_element_tuple(int_or_tuple: Any) -> tuple[Any, Any]:
    """Two ints from one or two.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(int_or_tuple, list | tuple):
        if len(int_or_tuple) != 2:
            raise ValueError(f"Must be a list with 2 elements: {int_or_tuple}")
        return int(int_or_tuple[0]), int(int_or_tuple[1])
    if isinstance(int_or_tuple, int):
        return int_or_tuple, int_or_tuple
    if isinstance(int_or_tuple, TensorShape) and len(int_or_tuple) == 2:
        return int_or_tuple[0], int_or_tuple[1]
    raise ValueError("Must be an int, a list with 2 elements or a TensorShape of length 2")


@public(*both("utils.n_positive_integers"))
def n_positive_integers(n: int, value: Any) -> tuple[int, ...]:
    """`n` positive ints from one or `n`.

    Raises:
        ValueError: for anything else.
    """
    if int(n) < 1 or int(n) != n:
        raise ValueError("n must be a positive integer")
    try:
        values = (int(value),) * int(n)
    except (TypeError, ValueError):
        wrong = f"Expected sequence of {n} positive integers, but received {value!r}"
        if len(value) != n:
            raise ValueError(wrong) from None
        try:
            values = tuple(int(x) for x in value)
        except (TypeError, ValueError):
            raise ValueError(wrong) from None
    for x in values:
        if x < 1:
            raise ValueError(f"expected positive integer, but received {x}")
    return values
