"""`Defun`: a Python function whose body becomes a function of the graph's library.

    @Defun(tf.float32, tf.float32)
    def scaled(x, y):
        return x * y + 1.0

    z = scaled(a, b)     # one op, of type "scaled_<hash>"

(`tensorflow.python.framework.function` in TF 1.15.) The body is built when it is first needed, in the graph that is the
default one then.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from evergraph.formats.function_def import to_function_def
from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.dtypes import DType
from evergraph.framework.function_graph import FunctionGraph
from evergraph.framework.graph import Graph, get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import static_shape
from evergraph.framework.tensor import Tensor
from evergraph.ops.functions.calls import call
from evergraph.ops.variable_scope import variable_scope


class Defun:
    """Decorator: make a function of the graph's library out of a Python function of tensors.

    Args:
        input_types: the dtypes of the arguments; without them, each call with other dtypes makes a function of its own.
        func_name: the name in the library; by default the Python name and a hash of the body.
        grad_func: a `DefinedFunction` from (arguments, gradients of the results) to gradients of the arguments.
        python_grad_func: the same as a Python function, `(op, *grads)`, used where a call is differentiated.
        out_names: the names of the results.
        shape_func: `(op)` to the static shapes of the results.
        capture_by_value: copy what the body takes from outside, instead of taking it as an argument.

    Raises:
        ValueError: if `grad_func` and `python_grad_func` are both given.
    """

    def __init__(self, *input_types: Any, **kwargs: Any) -> None:
        self._input_types = [dtypes.as_dtype(t) for t in input_types]
        self._options = dict(kwargs)
        if kwargs.get("grad_func") is not None and kwargs.get("python_grad_func") is not None:
            raise ValueError("Gradient defined twice for function: give grad_func or python_grad_func, not both")

    def __call__(self, func: Callable[..., Any]) -> Any:
        if not callable(func):
            raise ValueError(f"function {func} must be a callable")
        signature = inspect.signature(func)
        if any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
            raise ValueError("Functions with argument defaults or keyword arguments are not supported.")
        named = [p for p in signature.parameters.values() if p.kind is not p.VAR_POSITIONAL]
        most = None if len(named) < len(signature.parameters) else len(named)
        fewest = len([p for p in named if p.default is p.empty])
        if self._input_types:
            given = len(self._input_types)
            if given < fewest or most is not None and given > most:
                raise ValueError(
                    f"The function has {fewest if most == fewest else (fewest, most)} arguments but {given} types are given"
                )
            return DefinedFunction(func, self._input_types, **self._options)
        if most == 0:
            return DefinedFunction(func, [], **self._options)
        return OverloadedFunction(func, **self._options)


class DefinedFunction:
    """A function with given types of arguments."""

    def __init__(
        self,
        func: Callable[..., Any],
        input_types: Sequence[DType],
        func_name: str | None = None,
        grad_func: Any = None,
        python_grad_func: Callable[..., Any] | None = None,
        out_names: Sequence[str] | None = None,
        shape_func: Callable[..., Any] | None = None,
        capture_by_value: bool = False,
        **kwargs: Any,
    ) -> None:
        self._func, self._input_types = func, list(input_types)
        self._func_name, self._out_names, self._shape_func = func_name, out_names, shape_func
        self._grad_func, self._python_grad_func = grad_func, python_grad_func
        self._by_value = capture_by_value
        self._attributes = kwargs
        self._body: FunctionGraph | None = None

    @property
    def name(self) -> str:
        """The name in the library."""
        return self.body.function_name

    @property
    def body(self) -> FunctionGraph:
        if self._body is None:
            self._build()
        assert self._body is not None
        return self._body

    @property
    def definition(self) -> Any:
        """The function as TF's `FunctionDef`."""
        return to_function_def(self.body)

    @property
    def declared_input_types(self) -> list[DType]:
        return list(self._input_types)

    @property
    def captured_inputs(self) -> list[Tensor]:
        """The tensors outside that each call passes after its arguments."""
        return self.body.captured

    @property
    def stateful_ops(self) -> list[tuple[str, str]]:
        ops = self.body._ops
        return [(op.name, op.type) for op in ops if op.opdef.is_stateful and op.type != "Placeholder"]

    @property
    def grad_func_name(self) -> str | None:
        return self._grad_func.name if self._grad_func else None

    @property
    def python_grad_func(self) -> Callable[..., Any] | None:
        return self._python_grad_func

    @property
    def _signature(self) -> Any:
        return self.definition.signature

    @property
    def hash(self) -> int:
        return int(hashlib.sha1(self.name.encode()).hexdigest()[:8], 16)

    def _build(self) -> None:
        outer = get_default_graph()
        name = self._func_name or self._func.__name__
        body = FunctionGraph(name, outer, self._by_value)
        names = list(inspect.signature(self._func).parameters)
        with body.as_default():
            arguments = []
            for i, kind in enumerate(self._input_types):
                label = names[i] if i < len(names) and not names[i].startswith("args") else f"arg{i}"
                arguments.append(body.argument(kind, None, label))
            with variable_scope("", custom_getter=_OutsideVariables(body)):
                made = self._func(*arguments)
            if made is None or isinstance(made, Operation):
                results = []
            else:
                results = list(made) if isinstance(made, list | tuple) else [made]
            if any(r is None for r in results):
                raise ValueError(f"Function {name!r} can not return None.")
            tensors = [convert_to_tensor(r) for r in results]
        body.finish(tensors)
        if self._out_names is not None and len(self._out_names) != len(tensors):
            raise ValueError(f"Expected {len(tensors)} names of results in {name!r}, got {len(self._out_names)}")
        if self._func_name is None:
            definition = to_function_def(body)
            definition.signature.name = ""
            body.function_name = (
                f"{name}_{hashlib.sha1(definition.SerializeToString(deterministic=True)).hexdigest()[:8]}"
            )
        self._body = body
        self.add_to_graph(outer)

    def add_to_graph(self, g: Graph) -> None:
        """Put the function into the library of `g`."""
        known = g._functions.get(self.name)
        if known is None:
            g._functions[self.name] = self.body
            if self._grad_func is not None:
                self._grad_func.add_to_graph(g)
                g._attachments.setdefault("gradient functions", {})[self.name] = self._grad_func.name
        elif known is not self._body and to_function_def(self.body) != (
            to_function_def(known) if isinstance(known, FunctionGraph) else known
        ):
            raise ValueError(
                f"Cannot add function {self.name!r} because a different function with the same name exists."
            )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        graph = get_default_graph()
        body = self.body
        self.add_to_graph(graph)
        if len(args) != len(self._input_types):
            raise ValueError(f"Expected number of arguments: {len(self._input_types)}, received: {len(args)}")
        given = [convert_to_tensor(a, kind) for a, kind in zip(args, self._input_types, strict=True)]
        made = call(graph, self.name, given + body.captured, kwargs.get("name"))
        if self._python_grad_func is not None:
            made._gradient_function = self._python_grad_func
        shapes = [t.static_shape for t in body.results] if self._shape_func is None else self._shape_func(made)
        for t, shape in zip(made.outputs, shapes, strict=True):
            t.static_shape = shape if shape is None or type(shape) is tuple else static_shape(shape)
        if not made.outputs:
            return made
        return made.outputs[0] if len(made.outputs) == 1 else list(made.outputs)


class OverloadedFunction:
    """A function that is made anew for each combination of argument types."""

    def __init__(self, func: Callable[..., Any], **options: Any) -> None:
        self._func, self._options = func, options
        self._made: dict[tuple[DType, ...], DefinedFunction] = {}

    def instantiate(self, input_types: Sequence[DType]) -> DefinedFunction:
        """The function for these types."""
        key = tuple(t.base_dtype for t in input_types)
        found = self._made.get(key)
        if found is None:
            options = dict(self._options)
            if options.get("func_name"):
                options["func_name"] = "_".join([options["func_name"], *(t.name for t in key)])
            found = self._made[key] = DefinedFunction(self._func, key, **options)
        return found

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        tensors = [convert_to_tensor(a) for a in args]
        return self.instantiate([t.dtype for t in tensors])(*tensors, **kwargs)


class _OutsideVariables:
    """A getter that makes the variables of a body in the graph around it."""

    def __init__(self, body: FunctionGraph) -> None:
        self._body = body

    def __call__(self, getter: Callable[..., Any], name: str, *args: Any, **kwargs: Any) -> Any:
        with self._body.outer_graph.as_default():
            made = getter(name, *args, **kwargs)
        return made.value() if hasattr(made, "handle") else made
