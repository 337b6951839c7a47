"""`tf.py_func`: a Python function of arrays as an op.

A graph names the function by a token, and keeps it alive; in another process the token means nothing, so a graph with
such ops cannot be run from its GraphDef alone.
"""

from __future__ import annotations

import itertools
import traceback
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.framework import dtypes, errors
from evergraph.framework.api import public
from evergraph.framework.dtypes import DType
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Shape
from evergraph.ops.opdef import kernel_error, op, raw_op
from evergraph.ops.running import Running


class Functions(weakref.WeakValueDictionary[bytes, Any]):
    """The functions that graphs of this process call, by token."""

    def size(self) -> int:
        return len(self)


functions = Functions()
_numbers = itertools.count()
PY_FUNCS = frozenset(("PyFunc", "PyFuncStateless", "EagerPyFunc"))


class _Holder:
    """A function that can be referred to weakly, whatever kind of callable it is."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function


def _registered(function: Callable[..., Any]) -> str:
    """The token of `function`, which lives as long as the default graph."""
    token = f"pyfunc_{next(_numbers)}"
    holder = functions[token.encode()] = _Holder(function)
    graph: Any = get_default_graph()
    while graph.building_function and getattr(graph, "_outer_graph", None) is not None:
        graph = graph._outer_graph
    graph._attachments.setdefault("py_funcs", []).append(holder)
    return token


# What an exception of the function becomes; anything else is an UnknownError.
_KINDS: tuple[tuple[type[BaseException], type[errors.OpError]], ...] = (
    (TypeError, errors.InvalidArgumentError),
    (ValueError, errors.InvalidArgumentError),
    (StopIteration, errors.OutOfRangeError),
    (MemoryError, errors.ResourceExhaustedError),
    (NotImplementedError, errors.UnimplementedError),
)


def _called(token: bytes, arguments: list[Any]) -> Any:
    holder = functions.get(token)
    if holder is None:
        raise kernel_error(
            f"ValueError: callback {token.decode()} is not found: the function belongs to the process that built it"
        )
    try:
        return holder.function(*arguments)
    except Exception as error:
        kind = next((to for given, to in _KINDS if isinstance(error, given)), errors.UnknownError)
        where = "".join(traceback.format_exception(type(error), error, _of_the_function(error)))
        raise kernel_error(f"{type(error).__name__}: {error}\n{where.rstrip()}", kind) from error


def _of_the_function(error: BaseException) -> Any:
    """The traceback of `error` without the frames of this module."""
    trace = error.__traceback__
    return trace.tb_next if trace is not None and trace.tb_next is not None else trace


def _argument(value: Any) -> Any:
    """An input as the function gets it: a scalar as a NumPy scalar (or bytes), an array that it may write to."""
    return value[()] if np.ndim(value) == 0 else np.array(value)


def _results(value: Any) -> list[np.ndarray]:
    """What a function gave, as a list of arrays; strings as arrays of bytes."""
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return [_array(v) for v in value]
    return [_array(value)]


def _array(value: Any) -> np.ndarray:
    try:
        array = np.asarray(value, order="C")
    except ValueError:
        raise kernel_error(f"{value!r} is no array: its rows differ in length", errors.InternalError) from None
    if array.dtype.kind == "S":
        array = array.astype(object)
    if array.dtype.kind in "UO":
        flat = array.reshape(-1)
        made = np.empty(flat.shape, object)
        for i, item in enumerate(flat.tolist()):
            if not isinstance(item, str | bytes):
                raise kernel_error(f"Unsupported object type {type(item).__name__}", errors.InternalError)
            made[i] = item.encode() if isinstance(item, str) else item
        return made.reshape(array.shape)
    return array


_NAMES = {"float32": "float", "float64": "double", "float16": "half"}


def _checked(token: bytes, results: list[np.ndarray], types: list[DType]) -> list[np.ndarray]:
    if len(results) != len(types):
        raise kernel_error(f"{token.decode()} returns {len(results)} values, but expects to see {len(types)} values.")
    for i, (array, wanted) in enumerate(zip(results, types, strict=True)):
        try:
            given = dtypes.as_dtype(array.dtype)
        except TypeError:
            raise kernel_error(f"Unsupported numpy data type {array.dtype}", errors.InternalError) from None
        if given is not wanted and wanted._kind != "q":
            names = [_NAMES.get(t.name, t.name) for t in (given, wanted)]
            raise kernel_error(f"{i}-th value returned by {token.decode()} is {names[0]}, but expects {names[1]}")
    return results


def _results_in_run(run: Running, input: Any, token: bytes, types: Any) -> list[np.ndarray]:
    run.let_others_go_on(PY_FUNCS)
    return _checked(token, _results(_called(token, [_argument(x) for x in input])), types)


@op("PyFunc", session=True, differentiable=False)
def py_func_op(xp: Any, input: Any, *, run: Running, token: bytes, Tout: Any) -> list[np.ndarray]:
    """What a Python function gives for these arrays. Others of the run are called meanwhile, as far as the GIL lets."""
    return _results_in_run(run, input, token, Tout)


@op("PyFuncStateless", session=True, differentiable=False)
def stateless_py_func_op(xp: Any, input: Any, *, run: Running, token: bytes, Tout: Any) -> list[np.ndarray]:
    """What a Python function gives for these arrays, which it always gives for them.

    With constants alone it is called once in a session, as TF does, which folds it.
    """
    if all(t.op.type == "Const" for t in run.op.inputs):
        kept = run.resource(b"", b"", lambda: _results_in_run(run, input, token, Tout))
        return [np.array(value) for value in kept]
    return _results_in_run(run, input, token, Tout)


def _unknown_shapes(made: Operation) -> list[Shape]:
    return [None] * len(made.outputs)


py_func_op.shape_from_op(_unknown_shapes)
stateless_py_func_op.shape_from_op(_unknown_shapes)


@op("EagerPyFunc", session=True)
def eager_py_func(xp: Any, input: Any, *, run: Running, token: bytes, Tout: Any) -> list[np.ndarray]:
    """What a Python function of tensors with values gives for these arrays (runtime/eager_functions.py)."""
    run.let_others_go_on(PY_FUNCS)
    return _checked(token, _results(_called(token, [np.array(x) for x in input])), Tout)


eager_py_func.shape_from_op(_unknown_shapes)


def build_call(kind: str, func: Any, inp: Any, Tout: Any, name: str | None) -> Any:
    """An op that calls `func`."""
    if not callable(func):
        raise ValueError(f"Expected func to be callable, got func of type {type(func)}")
    several = isinstance(Tout, list | tuple)
    types = list(Tout) if several else [Tout]
    result = raw_op(kind)(input=inp, token=_registered(func), Tout=types, name=name)
    return result if several else result[0]


@public("py_func")
def py_func(func: Any, inp: Any, Tout: Any, stateful: bool = True, name: str | None = None) -> Any:
    """Call a Python function in a run.

    Args:
        func: gets a NumPy array for each of `inp` (scalars come as NumPy scalars, strings as bytes) and gives an array,
            or a list of them.
        inp: a list of tensors.
        Tout: the type of what it gives, or a list of types.
        stateful: whether it may give something else for the same inputs.
        name: the op's name.

    Returns:
        A tensor, or a list of them, of unknown shapes. In a run an exception of `func` becomes an error of the op:
        `InvalidArgumentError` for TypeError and ValueError, `OutOfRangeError` for StopIteration,
        `ResourceExhaustedError` for MemoryError, `UnimplementedError` for NotImplementedError, else `UnknownError`.

    >>> doubled = tf.py_func(lambda x: 2 * x, [tf.constant([1.0, 2.0])], tf.float32)
    >>> sess.run(doubled)
    array([2., 4.], dtype=float32)
    """
    return build_call("PyFunc" if stateful else "PyFuncStateless", func, inp, Tout, name)


@public("numpy_function")
def numpy_function(func: Any, inp: Any, Tout: Any, name: str | None = None) -> Any:
    """`tf.py_func` of a function that may have a state."""
    return build_call("PyFunc", func, inp, Tout, name)
