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
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from evergraph.formats.function_def import to_function_def
from evergraph.framework import dtypes, errors
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.dtypes import DType
from evergraph.framework.function_graph import FunctionGraph
from evergraph.framework.graph import Graph, get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import static_shape
from evergraph.framework.tensor import Tensor
from evergraph.ops.functions.calls import call
from evergraph.ops.opdef import raw_op
from evergraph.ops.variable_scope import get_variable_scope, variable_scope
from evergraph.ops.variable_store import variable_store


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
        whitelisted_stateful_ops: stateful ops outside that are copied all the same.
        capture_resource_var_by_value: whether the body gets the values of resource variables that it asks for by name,
            read outside; if not, it gets the variables.
        noinline, compiled, separate_compiled_gradients, experimental_*, _implements, _reference: attributes of the
            function's definition; nothing depends on them here.

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
        parameters = signature.parameters.values()
        if any(p.kind is p.VAR_KEYWORD or p.default is not p.empty for p in parameters):
            raise ValueError(
                f"Functions with argument defaults or keyword arguments are not supported: {func} takes {signature}"
            )
        named = [p for p in parameters if p.kind is not p.VAR_POSITIONAL]
        takes_more = len(named) < len(parameters)
        if self._input_types:
            given = len(self._input_types)
            if given < len(named):
                raise ValueError(
                    f"The function takes {len(named)} arguments, more than the number of specified input types, "
                    f"{given}."
                )
            if given > len(named) and not takes_more:
                raise ValueError(
                    f"The function takes {len(named)} arguments, less than the number of specified input types, "
                    f"{given}."
                )
            return DefinedFunction(func, self._input_types, **self._options)
        if not parameters:
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
        whitelisted_stateful_ops: Iterable[Operation] | None = None,
        capture_resource_var_by_value: bool = True,
        **attributes: Any,
    ) -> None:
        self._func, self._input_types = func, tuple(input_types)
        self._func_name, self._out_names, self._shape_func = func_name, out_names, shape_func
        self._grad_func, self._python_grad_func = grad_func, python_grad_func
        self._by_value, self._may_copy = capture_by_value, tuple(whitelisted_stateful_ops or ())
        self._variables_by_value = capture_resource_var_by_value
        self._attributes = attributes
        self._body: FunctionGraph | None = None
        devices = get_default_graph()._device_stack
        self._device = devices[-1] if devices else None

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
    def declared_input_types(self) -> tuple[DType, ...]:
        return self._input_types

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

    def set_grad_func(self, grad_func: DefinedFunction) -> None:
        """Say which function gives the gradients of a function that has none yet."""
        assert self._grad_func is None
        self._grad_func = grad_func

    @property
    def _signature(self) -> Any:
        return self.definition.signature

    @property
    def hash(self) -> int:
        return int(hashlib.sha1(self.name.encode()).hexdigest()[:8], 16)

    def _build(self) -> None:
        outer = get_default_graph()
        name = self._func_name or self._func.__name__.strip("<>")  # a lambda is called "<lambda>"
        body = _Body(name, outer, self._by_value, self._may_copy)
        body.function_attributes = _attributes(name, self._attributes)
        body.description = self._func.__doc__ or ""
        body._attachments["variable store"] = variable_store()
        getter = _OutsideVariables(body, self._variables_by_value)
        parameters = inspect.signature(self._func).parameters.values()
        names = [p.name for p in parameters if p.kind is not p.VAR_POSITIONAL]
        with body.as_default(), body.device(self._device):
            arguments = []
            for i, kind in enumerate(self._input_types):
                arguments.append(body.argument(kind, None, names[i] if i < len(names) else f"arg{i}"))
            with variable_scope("", custom_getter=getter):
                made = self._func(*arguments)
            if made is None or isinstance(made, Operation):
                results = []
            else:
                results = list(made) if isinstance(made, list | tuple) else [made]
            if any(r is None for r in results):
                raise ValueError(f"Function {name!r} can not return None.")
            tensors = [convert_to_tensor(r) for r in results]
        body.finish(tensors)
        if self._out_names:
            if len(self._out_names) != len(tensors):
                raise errors.InvalidArgumentError(
                    None,
                    None,
                    f"output names must be either empty or equal in size to outputs. output names size = "
                    f"{len(self._out_names)} outputs size = {len(tensors)}",
                )
            body.result_names = list(self._out_names)
        if self._func_name is None:
            definition = to_function_def(body)
            definition.signature.name = ""
            text = definition.SerializeToString(deterministic=True)
            base = f"{name}_{self._grad_func.name}" if self._grad_func is not None else name
            body.function_name = f"{base}_{hashlib.sha1(text).hexdigest()[:8]}"
        self._body = body
        self.add_to_graph(outer)

    def add_to_graph(self, g: Graph) -> None:
        """Put the function into the library of `g`, with those that it calls and that give its gradients.

        Raises:
            InvalidArgumentError: if the library has another function of that name.
        """
        body = self.body
        known = g._functions.get(self.name)
        if known is None:
            g._functions[self.name] = body
            for function in body._attachments.get("called functions", ()):
                function.add_to_graph(g)
            if self._grad_func is not None:
                self._grad_func.add_to_graph(g)
                while isinstance(g, FunctionGraph):
                    g = g.outer_graph
                g._attachments.setdefault("gradient functions", {})[self.name] = self._grad_func.name
        elif known is not body and to_function_def(body) != (
            to_function_def(known) if isinstance(known, FunctionGraph) else known
        ):
            raise errors.InvalidArgumentError(
                None,
                None,
                f"Cannot add function '{self.name}' because a different function with the same name already exists.",
            )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        graph = get_default_graph()
        body = self.body
        self.add_to_graph(graph)
        if isinstance(graph, FunctionGraph):
            graph._attachments.setdefault("called functions", []).append(self)
        name = kwargs.pop("name", None)
        attributes = _attributes(self.name, kwargs)
        if len(args) != len(self._input_types):
            raise ValueError(f"Expected number of arguments: {len(self._input_types)}, received: {len(args)}")
        given = [convert_to_tensor(a, kind) for a, kind in zip(args, self._input_types, strict=True)]
        made = call(graph, self.name, given + body.captured, name)
        for key, value in attributes.items():
            made.attrs[key] = value.encode() if isinstance(value, str) else value
        if self._python_grad_func is not None:
            made._gradient_function = self._python_grad_func
        shapes = [t.static_shape for t in body.results] if self._shape_func is None else self._shape_func(made)
        if len(shapes) != len(made.outputs):
            raise ValueError(f"shape_func produced {len(shapes)} shapes for {len(made.outputs)} outputs")
        for t, shape in zip(made.outputs, shapes, strict=True):
            t.static_shape = shape if shape is None or type(shape) is tuple else static_shape(shape)
        if not made.outputs:
            return made
        return made.outputs[0] if len(made.outputs) == 1 else tuple(made.outputs)


class OverloadedFunction:
    """A function that is made anew for each combination of argument types."""

    def __init__(self, func: Callable[..., Any], grad_func: Any = None, **options: Any) -> None:
        self._func, self._grad_func, self._options = func, grad_func, options
        self._made: dict[tuple[DType, ...], DefinedFunction] = {}

    def instantiate(self, input_types: Sequence[DType]) -> DefinedFunction:
        """The function for these types."""
        key = tuple(t.base_dtype for t in input_types)
        found = self._made.get(key)
        if found is None:
            options = dict(self._options)
            if options.get("func_name"):
                options["func_name"] = "_".join([options["func_name"], "".join(map(_short, key))])
            found = DefinedFunction(self._func, key, **options)
            results = [t.dtype.base_dtype for t in found.body.results]
            if self._grad_func is not None:
                found.set_grad_func(self._grad_func.instantiate([*key, *results]))
                graph = found.body.outer_graph
                del graph._functions[found.name]
                found.add_to_graph(graph)
            self._made[key] = found
        return found

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        tensors = [convert_to_tensor(a) for a in args]
        return self.instantiate([t.dtype for t in tensors])(*tensors, **kwargs)


def _short(kind: DType) -> str:
    """A type as it is written in the names of overloaded functions: `f32`, `u8`, `b`."""
    if kind in (dtypes.string, dtypes.bool):
        return kind.name[0]
    for long, short in (("bfloat", "b"), ("float", "f"), ("uint", "u"), ("int", "i"), ("complex", "c")):
        if long in kind.name:
            return kind.name.replace(long, short)
    raise ValueError(f"Unsupported dtypes: {kind}")


def _attributes(function: str, given: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a function's definition, and of calls, that keyword arguments ask for."""
    left = dict(given)
    found: dict[str, Any] = {}
    noinline = left.pop("noinline", None)
    if noinline is not None:
        found["_noinline"] = bool(noinline)
    found["_disable_call_shape_inference"] = True
    compiled, separate = left.pop("compiled", None), left.pop("separate_compiled_gradients", None)
    if compiled is not None:
        found["_XlaCompile"] = bool(compiled)
        found["_XlaSeparateCompiledGradients"] = bool(separate)
        found["_XlaScope"] = f"function_{function}"
    for key in list(left):
        allowed: Any = (bool, int, float, str) if key.startswith("experimental_") else ()
        if key in ("_implements", "_reference"):
            allowed = str
        if allowed:
            found[key] = left.pop(key)
            if not isinstance(found[key], allowed):
                raise ValueError(f"Unsupported attribute type for {key} with type {type(found[key])}")
    if left:
        raise ValueError(f"Unknown keyword arguments: {', '.join(left)}")
    return found


class _Body(FunctionGraph):
    """The body of a `Defun`: constants outside are captured like anything else, and there is no seed."""

    def __init__(self, name: str, outer: Graph, by_value: bool, may_copy: Sequence[Operation]) -> None:
        super().__init__(name, outer, by_value, may_copy, copies_constants=False)
        self._seed = None  # as in TF: the seed of the graph around does not reach in
        self.variables: list[Any] = []

    def _known_outside(self, t: Tensor) -> Tensor | None:
        return None  # as in TF: shapes do not follow from what is outside

    def capture(self, t: Tensor) -> Tensor:
        is_new = t not in self.captures
        found = super().capture(t)
        if is_new and found in self._outside and _is_guaranteed(t):
            with self.control_dependencies(None):
                return raw_op("GuaranteeConst")(found)
        return found


def _is_guaranteed(t: Tensor) -> bool:
    """Whether a tensor follows from `tf.guarantee_const` alone."""
    seen: dict[Operation, bool] = {}
    stack = [t.op]
    while stack:
        op = stack[-1]
        if op in seen:
            stack.pop()
        elif op.type == "GuaranteeConst" or not op.inputs:
            seen[op] = op.type == "GuaranteeConst"
        else:
            waiting = [i.op for i in op.inputs if i.op not in seen]
            if waiting and op.type not in ("Merge", "NextIteration"):
                stack += waiting
            else:
                seen[op] = not waiting and all(seen[i.op] for i in op.inputs)
    return seen[t.op]


class _OutsideVariables:
    """A getter that finds or makes the variables of a body in the graph around it."""

    def __init__(self, body: _Body, by_value: bool) -> None:
        self._body, self._by_value = body, by_value
        self._scope = get_variable_scope()

    def __call__(
        self, getter: Callable[..., Any], name: str, shape: Any = None, dtype: Any = None, initializer: Any = None,
        reuse: Any = None, trainable: Any = True, collections: Any = None, use_resource: Any = None, **kwargs: Any,
    ) -> Any:  # fmt: skip
        with self._body.outer_graph.as_default():
            made = self._scope.get_variable(
                variable_store(), name, shape=shape, dtype=dtype, initializer=initializer, reuse=reuse,
                trainable=trainable, collections=collections, use_resource=use_resource,
            )  # fmt: skip
            self._body.variables.append(made)
            return made.value() if self._by_value and hasattr(made, "handle") else made


def get_extra_vars() -> list[Any]:
    """The variables that the body being built has asked for; none outside of bodies."""
    graph = get_default_graph()
    return graph.variables if isinstance(graph, _Body) else []


def get_extra_inputs() -> list[Tensor]:
    """The tensors outside that the body being built has taken so far; none outside of bodies."""
    graph = get_default_graph()
    return graph.captured if isinstance(graph, _Body) else []


def get_extra_args() -> list[Tensor]:
    """What stands for them in the body."""
    graph = get_default_graph()
    return [t for t in graph.arguments if t in graph._outside] if isinstance(graph, _Body) else []
