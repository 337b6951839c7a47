"""`tf.py_function`: a Python function of tensors that have values, as an op.

In TF such a function runs eagerly. Here each call has a graph of its own, whose tensors can be asked for their values:
`x.numpy()`, `if x > 0`. A value is computed when it is asked for, once. The graph of the last call stays, since the
gradient of the op is that of the ops in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from evergraph.autodiff.gradients import gradients
from evergraph.compiler.plan import make_plan, needed_ops
from evergraph.framework import convert
from evergraph.framework.api import public
from evergraph.framework.dtypes import DType, as_dtype
from evergraph.framework.graph import Graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import control_dependencies
from evergraph.framework.tensor import Tensor
from evergraph.ops.callbacks.py_functions import build_call, eager_py_func, functions
from evergraph.ops.constant import constant
from evergraph.ops.filling import zeros_like
from evergraph.ops.variables import Variable
from evergraph.runtime import devices
from evergraph.runtime.executor import run_plan
from evergraph.runtime.state import State


class ValueGraph(Graph):
    """A graph whose tensors have values."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[Tensor, Any] = {}
        self._shows_values = True

    def add_op(self, *args: Any, **kwargs: Any) -> Operation:
        made = super().add_op(*args, **kwargs)
        if self._shows_values:
            for t in made.outputs:
                t.__class__ = ValueTensor
        return made

    def hide_values(self) -> None:
        """Make the tensors ordinary ones: the function is over."""
        self._shows_values = False
        for op in self._ops:
            for t in op.outputs:
                t.__class__ = Tensor

    def evaluated(self, tensors: Sequence[Tensor]) -> list[Any]:
        """The values of `tensors`; whatever they needed is computed now and kept, random numbers too."""
        known = self.values
        missing = [t for op in needed_ops(list(tensors), frozenset(known)) for t in op.outputs if t not in known]
        if missing:
            plan = make_plan(missing, list(known), lambda op: devices.place(op, True, 1))
            computed = run_plan(plan, State(), list(known.values()))
            known.update(zip(missing, (_plain(v) for v in computed), strict=True))
        return [known[t] for t in tensors]


def _plain(value: Any) -> Any:
    return np.asarray(value) if hasattr(value, "block_until_ready") else value


class ValueTensor(Tensor):
    """A tensor of a `ValueGraph`."""

    __slots__ = ()

    def numpy(self) -> Any:
        """The value: an array, or a NumPy scalar."""
        graph = self.op.graph
        assert isinstance(graph, ValueGraph)
        return np.array(graph.evaluated([self])[0])[()]

    def __bool__(self) -> bool:
        return bool(self.numpy())

    def __int__(self) -> int:
        return int(self.numpy())

    def __float__(self) -> float:
        return float(self.numpy())

    def __index__(self) -> int:
        return int(self.numpy())

    def __len__(self) -> int:
        return len(self.numpy())

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self.numpy(), dtype)


def _same_tensor(value: Tensor, dtype: Any = None, name: str | None = None, as_ref: bool = False) -> Tensor:
    if dtype is not None and not dtype.is_compatible_with(value.dtype):
        raise ValueError(
            f"Tensor conversion requested dtype {dtype.name} for Tensor with dtype {value.dtype.name}: {value}"
        )
    return value


convert.register_tensor_conversion_function(ValueTensor, _same_tensor, 0)


class EagerFunction:
    """A function of tensors with values, called with arrays."""

    def __init__(self, function: Callable[..., Any], types: list[DType]) -> None:
        self.function, self.types = function, types
        self.last: tuple[ValueGraph, list[Tensor], list[Tensor]] | None = None

    def __call__(self, *arrays: Any) -> Any:
        graph = ValueGraph()
        with graph.as_default():
            inputs = [constant(a) for a in arrays]
            given = self.function(*inputs)
            if given is None:
                return None
            several = given if isinstance(given, list | tuple) else [given]
            outputs = [self._tensor(v, dtype) for v, dtype in zip(several, self.types, strict=False)]
        graph.hide_values()
        self.last = graph, inputs, outputs
        return graph.evaluated(outputs)

    @staticmethod
    def _tensor(value: Any, dtype: DType) -> Tensor:
        if isinstance(value, Variable):
            raise RuntimeError(
                "Attempting to return a variable from an eagerly executed py_func. Only numeric data structures like "
                f"Tensors or NumPy arrays should be returned, or the variable's `read_value()`: {value}"
            )
        return convert.converted(value, dtype)


class Backward:
    """The gradient of the last call of an `EagerFunction`, called with the arrays of the gradients of its outputs."""

    def __init__(self, function: EagerFunction, types: list[DType]) -> None:
        self.function, self.types = function, types

    def __call__(self, *arrays: Any) -> Any:
        assert self.function.last is not None
        graph, inputs, outputs = self.function.last
        with graph.as_default():
            found = gradients(outputs, inputs, [constant(a) for a in arrays])
            found = [
                constant(0.0, dtype=dtype) if g is None else convert.converted(g)
                for g, dtype in zip(found, self.types, strict=True)
            ]
        return graph.evaluated(found)


@eager_py_func.gradient
def eager_py_func_grad(made: Operation, *grads: Any) -> Any:
    holder = functions.get(made.attrs["token"])
    if holder is None or not isinstance(holder.function, EagerFunction):
        return [None] * len(made.inputs)
    filled = [zeros_like(t) if g is None else g for t, g in zip(made.outputs, grads, strict=True)]
    types = [t.dtype.base_dtype for t in made.inputs]
    with control_dependencies(made.outputs):
        return build_call("EagerPyFunc", Backward(holder.function, types), filled, types, None)


@public("py_function")
def py_function(func: Any, inp: Any, Tout: Any, name: str | None = None) -> Any:
    """Call a Python function of tensors in a run. It can ask them for their values, and has a gradient.

    Args:
        func: gets a tensor for each of `inp` and gives a tensor (or array), or a list of them. Ops of TF work on the
            tensors; so do `x.numpy()` and conditions such as `if x > 0`.
        inp: a list of tensors.
        Tout: the type of what it gives, or a list of types.
        name: the op's name.

    >>> def larger(x, y):
    ...     return x * 2 if x > y else y
    >>> sess.run(tf.py_function(larger, [tf.constant(3), tf.constant(2)], tf.int32))
    6
    """
    if not callable(func):
        raise ValueError(f"Expected func to be callable, got func of type {type(func)}")
    types = [as_dtype(t) for t in (Tout if isinstance(Tout, list | tuple) else [Tout])]
    return build_call("EagerPyFunc", EagerFunction(func, types), inp, Tout, name)
