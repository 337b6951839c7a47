"""How an op is declared, and how a declared op is put into a graph.

    @op("MatMul")
    def matmul(xp, a, b, *, transpose_a, transpose_b):
        \"\"\"Product of two matrices, either of them read transposed.\"\"\"
        return xp.matmul(a.T if transpose_a else a, b.T if transpose_b else b)

    @matmul.shape
    def matmul(a, b, *, transpose_a, transpose_b): ...

    @matmul.gradient
    def matmul(op, grad): ...

TF 1.15's OpDef of that name (framework/tf1_opdefs.txt) gives the inputs, the attributes and their types. The function
is the kernel: `xp` is `numpy` (constants, host stages, interpreted stages) or `jax.numpy` (compiled stages); then one
array per input (a tuple for a list input); the attributes that it names come as keywords. It gives one array per
output. `matmul` is then a builder: `matmul(a, b, name=None)` adds the op to the graph and gives its output tensors.

The options of `@op`:

    static=("shape",)   these inputs are NumPy arrays even while a stage is traced, and reach the shape rule as values
    dynamic=("begin",)  of those, the ones that the kernel can also take as tracers, when nothing makes them known
    host=True           runs on the host only: strings, files, output shapes that depend on values
    session=True        the kernel (of a host op) gets a keyword `run`: the session's queues, tables, ... (running.py)
    updates=("ref",)    inputs that name variables: the kernel gets their current values and gives the new ones,
                        before the outputs that are not references
    blind=("ref",)      of those, the ones whose current value the kernel does not look at (it gets None)
    random=blocks       a random op: the kernel gets a keyword `counter`, the Philox block it starts at, and
                        `blocks(*input_values, **attrs)` says how many it uses up
    differentiable=False  gradients stop here, as TF's NotDifferentiable
    signature="..."     the OpDef, for an op that TF does not have
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from evergraph.framework import convert, dispatch, dtypes, errors, opdefs, shapes, sparse
from evergraph.framework import graph as graphs
from evergraph.framework.dtypes import DType
from evergraph.framework.graph import Graph, get_default_graph
from evergraph.framework.opdefs import Arg, Attr, OpDef
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import ShapeError
from evergraph.framework.tensor import Tensor

__all__ = ["Op", "ShapeError", "kernel_error", "op", "require", "unchanged_shape"]


class Op:
    """A declared op. Calling it adds one to the graph."""

    def __init__(self, opdef: OpDef, kernel: Callable[..., Any] | None) -> None:
        self.opdef = opdef
        self._build: Callable[..., Any] | None = None
        self.__name__ = self.__qualname__ = getattr(kernel, "__name__", opdef.name)
        self.__doc__ = opdef.doc = inspect.getdoc(kernel) or ""
        self.__module__ = getattr(kernel, "__module__", __name__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._build is None:
            self._build = _builder(self.opdef)
        try:
            return self._build(*args, **kwargs)
        except (TypeError, ValueError):
            result = dispatch.handled(self, args, kwargs)
            if result is NotImplemented:
                raise
            return result

    @property
    def __signature__(self) -> inspect.Signature:
        if self._build is None:
            self._build = _builder(self.opdef)
        return inspect.signature(self._build)

    def shape(self, rule: Callable[..., Any]) -> Op:
        """Declare the shape rule: static shapes in (values, for `static` inputs), static shape(s) out.

        Another op in place of a rule: that op's rule.
        """
        if isinstance(rule, Op):
            self.opdef.opaque = rule.opdef.opaque
            assert rule.opdef.shape_rule is not None
            rule = rule.opdef.shape_rule
        _set_shape_rule(self.opdef, rule)
        return self

    def shape_from_op(self, rule: Callable[[Operation], Any]) -> Op:
        """Declare a shape rule that needs more than shapes: it gets the op itself."""
        self.opdef.shape_rule = rule
        self.opdef.opaque = True
        return self

    def check(self, rule: Callable[[dict[str, Any]], errors.OpError | None]) -> Op:
        """Declare which attributes no run takes: `rule(attributes)` gives the error, or None.

        As in TF the op can be built; a run that needs it fails before anything else is looked at.
        """
        self.opdef.check = rule
        return self

    def numpy(self, kernel: Callable[..., Any]) -> Op:
        """Declare the NumPy twin of a kernel that needs `lax`."""
        self.opdef.numpy_kernel = kernel
        return self

    def gradient(self, rule: Callable[..., Any]) -> Op:
        """Declare the gradient: `rule(op, *output_gradients)` builds and gives one gradient per input (or None).

        Another op in place of a rule: that op's rule.
        """
        self.opdef.gradient = rule.opdef.gradient if isinstance(rule, Op) else rule
        self.opdef.differentiable = True
        return self

    def __copy__(self) -> Op:
        return self

    def __deepcopy__(self, memo: Any) -> Op:
        return self

    def __reduce__(self) -> Any:
        return _declared_op, (self.opdef.name,)

    def __repr__(self) -> str:
        return f"<op {self.opdef.name}>"


_OPS: dict[str, Op] = {}


def _declared_op(name: str) -> Op:
    """The builder of any op of TF 1.15's, declared here or not; `tf.raw_ops` and gradients use it."""
    found = _OPS.get(name)
    if found is None:
        opdef = opdefs.usable(name)
        if opdef is None:
            raise AttributeError(f"there is no op {name!r}")
        found = _OPS.get(name)
        if found is None:
            found = _OPS[name] = Op(opdef, None)
    return found


raw_op = _declared_op


def op(
    name: str,
    *,
    static: Sequence[str] = (),
    dynamic: Sequence[str] = (),
    host: bool = False,
    session: bool = False,
    updates: Sequence[str] = (),
    blind: Sequence[str] = (),
    random: Callable[..., int] | None = None,
    differentiable: bool | None = None,
    shape: Callable[..., Any] | None = None,
    signature: str | None = None,
) -> Callable[[Callable[..., Any]], Op]:
    """Declare the op `name`; the decorated function is its kernel. The module's text has the options."""
    opdef = opdefs.register(name + signature) if signature else opdefs.lookup(name)
    if opdef is None:
        raise LookupError(f"TF 1.15 has no op {name!r}: give its signature")
    if opdef.is_declared:
        raise ValueError(f"op {name!r} is declared twice")
    opdef.is_declared = True
    opdef.static, opdef.dynamic = tuple(static), tuple(dynamic)
    opdef.shape_static = tuple(arg.name in opdef.static for arg in opdef.inputs)
    opdef.host = host or session
    opdef.session = session
    opdef.updates = tuple(updates)
    opdef.blind = tuple(blind)
    opdef.random_blocks = random
    opdef.differentiable = differentiable
    if shape is not None:
        _set_shape_rule(opdef, shape)

    def declare(kernel: Callable[..., Any]) -> Op:
        opdef.kernel = kernel
        opdef.kernel_attrs = tuple(n for n in _keyword_names(kernel) if n not in ("counter", "run"))
        declared = Op(opdef, kernel)
        _OPS[name] = declared
        return declared

    return declare


def _keyword_names(function: Callable[..., Any]) -> tuple[str, ...]:
    code = function.__code__
    return code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]


def _set_shape_rule(opdef: OpDef, rule: Callable[..., Any]) -> None:
    opdef.shape_rule = rule
    opdef.shape_attrs = _keyword_names(rule)


def unchanged_shape(x: Any, *rest: Any) -> Any:
    """The shape rule of ops that give back the shape of their first input."""
    return x


# Checks made by kernels


class CheckCollector:
    """Where the conditions required by the kernels of a stage gather while it is traced.

    A program that fails a check must leave every variable as it was, although their buffers were donated. Element-wise
    updates are kept or dropped as a whole at the end of the program; a scatter guards itself, since choosing between
    two whole tables would copy the table.
    """

    def __init__(self, xp: Any = None, variables: Sequence[Any] = (), guards: bool = True) -> None:
        self.conditions: list[Any] = []
        self.live: Any = None  # under which condition the op being traced runs at all; None: it does
        self.lists: list[Any] = []  # the TensorArrays and stacks made here
        self.may_run_again = True  # whether a stage whose loop took more iterations than it provides for runs once more
        self.capacity = 1  # how many iterations the loop being traced takes at most
        self.has_bound = False  # whether that is certain
        self.bounds: dict[int, tuple[Any, int]] = {}  # by identity: an integer that is known to be in [0, bound)
        self._guards = guards  # whether kernels have to guard their updates: not when the checks run first
        self._xp = xp
        self._untouched = {id(v): v for v in variables}  # arrays that hold no unguarded write
        self._guarded: dict[int, tuple[Any, int]] = {}

    def holds(self) -> Any:
        """Whether all conditions so far hold: a traced scalar, or None when there are none."""
        if not self.conditions or not self._guards:
            return None
        return self._xp.stack([self._xp.asarray(c) for c in self.conditions]).all()

    def add(self, condition: Any) -> None:
        """State a condition, which has to hold if the op being traced runs."""
        self.conditions.append(condition if self.live is None else condition | ~self.live)

    def is_within(self, index: Any, size: int) -> bool:
        """Whether `index` is certainly in [0, size)."""
        entry = self.bounds.get(id(index))
        return entry is not None and entry[1] <= size

    def note_guarded(self, before: Any, after: Any) -> None:
        """Remember that `after` equals `before` whenever one of the conditions so far fails."""
        if id(before) in self._untouched or self.is_guarded(before):
            self._guarded[id(after)] = after, len(self.conditions)

    def is_guarded(self, value: Any) -> bool:
        entry = self._guarded.get(id(value))
        return entry is not None and entry[1] == len(self.conditions)


class _Collectors(threading.local):
    """The collectors of the traces under way in this thread, innermost last."""

    def __init__(self) -> None:
        self._stack: list[CheckCollector] = []
        self.required = 0  # how many conditions this thread's kernels have stated under NumPy
        self.append = self._stack.append
        self.pop = self._stack.pop

    def __len__(self) -> int:
        return len(self._stack)

    def __getitem__(self, position: int) -> CheckCollector:
        return self._stack[position]

    def __iter__(self) -> Iterator[CheckCollector]:
        return iter(self._stack)


collectors = _Collectors()


def require(xp: Any, condition: Any, make_error: Callable[[], Exception]) -> None:
    """State a condition on values that a kernel's inputs must meet, or the run fails with `make_error()`.

    Under NumPy it is checked at once. In a compiled stage it becomes part of the program: when it does not hold, no
    variable changes, and the stage is run again op by op so that the error can show the values.
    """
    if isinstance(condition, bool | np.bool_ | np.ndarray):
        collectors.required += 1
        if not np.all(condition):
            raise make_error()
    elif collectors:
        collectors[-1].add(xp.all(condition))


def kernel_error(message: str, kind: type[errors.OpError] = errors.InvalidArgumentError) -> errors.OpError:
    """The error a kernel raises; the session adds which op it was and where it was built.

    `{input}` in the message becomes the name of the op that made the first input.
    """
    return kind(None, None, message)


# Putting an op into a graph


def _builder(opdef: OpDef) -> Callable[..., Any]:
    """A function with the parameters that TF's generated function for this op has."""
    inputs = [arg.name for arg in opdef.inputs]
    free = [attr for attr in opdef.attrs if attr.name not in opdef.inferred]
    required = [attr.name for attr in free if not attr.has_default]
    optional = [attr.name for attr in free if attr.has_default]
    safe = {
        n: n + "_" if n in ("lambda", "in", "from", "is", "class", "def") else n for n in inputs + required + optional
    }
    params = [safe[n] for n in inputs + required] + [f"{safe[n]}=None" for n in optional] + ["name=None"]
    values = "(" + "".join(f"{safe[n]}, " for n in inputs) + ")"
    attrs = "{" + ", ".join(f"{n!r}: {safe[n]}" for n in required + optional) + "}"
    source = f"def {opdef.name}({', '.join(params)}):\n    return build(opdef, name, {values}, {attrs})\n"
    scope: dict[str, Any] = {"build": build, "opdef": opdef}
    exec(compile(source, __file__, "exec"), scope)
    function = scope[opdef.name]
    function.__defaults__ = tuple(_python_default(attr) for attr in free if attr.has_default) + (None,)
    return sparse.over_stored_too(function) if opdef.name in sparse.ELEMENT_WISE else function


def _python_default(attr: Attr) -> Any:
    return attr.default.decode() if isinstance(attr.default, bytes) else attr.default


def build(opdef: OpDef, name: str | None, values: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
    """Add one `opdef` op and give its output: a tensor, a list, a tuple of several, or the op if it has none."""
    new = build_op(opdef, name, values, attrs)
    outputs = new.outputs
    if opdef.plain:
        if len(outputs) == 1:
            return outputs[0]
        if not outputs:
            return new
        return output_tuple(opdef)(*outputs)
    if not outputs and (opdef.is_stateful or not opdef.outputs):
        return new
    if len(opdef.outputs) == 1:
        return list(outputs) if opdef.outputs[0].is_list else outputs[0]
    grouped: list[Any] = []
    position = 0
    for arg in opdef.outputs:
        n = _output_count(arg, new.attrs)
        grouped.append(outputs[position : position + n] if arg.is_list else outputs[position])
        position += n
    return output_tuple(opdef)(*grouped)


_TUPLES: dict[str, Any] = {}


def output_tuple(opdef: OpDef) -> Any:
    """The named tuple of an op's several outputs, as TF's generated functions give it."""
    found = _TUPLES.get(opdef.name)
    if found is None:
        from collections import namedtuple

        found = _TUPLES[opdef.name] = namedtuple(opdef.name, [arg.name for arg in opdef.outputs], rename=True)
    return found


def build_op(opdef: OpDef, name: str | None, values: tuple[Any, ...], attrs: dict[str, Any]) -> Operation:
    if attrs:
        for key, value in attrs.items():
            attrs[key] = _attr_value(opdef, opdef.attr_map[key], value)
    if opdef.plain:
        for value in values:
            if type(value) is not Tensor:
                break
        else:
            for arg, t in zip(opdef.inputs, values, strict=False):
                base = t.dtype._base
                type_attr = arg.type_attr
                if type_attr is None:
                    if base is not arg.type:
                        _wrong_fixed_type(opdef, arg, t)
                else:
                    known = attrs.get(type_attr)
                    if known is None:
                        allowed = opdef.attr_map[type_attr].allowed
                        if allowed is not None and base not in allowed:
                            _not_allowed(arg.name, base, allowed)
                        attrs[type_attr] = base
                    elif known is not base:
                        _mismatch(opdef, arg, t, known)
                if arg.is_ref and not t.dtype._is_ref_dtype:
                    _not_a_reference(opdef, arg, t)
            graph = get_default_graph()
            if values and not graph._building_function:
                graph = values[0].op.graph
            if opdef.has_ref_inputs:
                return _add_beside_variables(graph, opdef, values, attrs, name or opdef.name)
            return graph.add_op(opdef, values, attrs, name or opdef.name, 3)
    return _build_converting(opdef, name, values, attrs)


def _build_converting(opdef: OpDef, name: str | None, values: tuple[Any, ...], attrs: dict[str, Any]) -> Operation:
    """The general way: Python values become constants inside the op's own name scope."""
    graph = graph_of(values)
    with graph.as_default(), graph.name_scope(name or opdef.name) as scope:
        flat: list[Tensor] = []
        for arg, value in zip(opdef.inputs, values, strict=True):
            if arg.is_list:
                flat.extend(_convert_list(opdef, arg, value, attrs))
            else:
                flat.append(_convert_one(opdef, arg, value, attrs))
        for arg in opdef.outputs:
            if arg.type_attr and arg.type_attr not in attrs and opdef.attr_map[arg.type_attr].has_default:
                attrs[arg.type_attr] = opdef.attr_map[arg.type_attr].default
        if opdef.has_ref_inputs:
            return _add_beside_variables(graph, opdef, tuple(flat), attrs, scope)
        return graph.add_op(opdef, tuple(flat), attrs, scope, 4)


def _add_beside_variables(
    graph: Graph, opdef: OpDef, inputs: tuple[Tensor, ...], attrs: dict[str, Any], name: str
) -> Operation:
    """An op that takes references is placed where their variables are."""
    with ExitStack() as colocations:
        for arg, t in zip(opdef.inputs, inputs, strict=False):
            if arg.is_ref:
                colocations.enter_context(graph.colocate_with(t.op))
        return graph.add_op(opdef, inputs, attrs, name, 4)


def graph_of(values: Any) -> Graph:
    """The graph that ops on `values` go into: that of their tensors, else the default graph.

    Raises:
        ValueError: if the tensors are of different graphs.
    """
    default = get_default_graph()
    if default.building_function:
        return default
    first = None
    for value in _flattened(values):
        graph = value.graph
        if first is None:
            first = value
        elif graph is not first.graph:
            raise ValueError(f"{value} must be from the same graph as {first}.")
    return default if first is None else first.graph


def _flattened(values: Any) -> Any:
    for value in values:
        if isinstance(value, Tensor | Operation):
            yield value
        elif isinstance(value, list | tuple):
            yield from _flattened(value)
        elif hasattr(value, "_as_graph_element") and not isinstance(value, str):
            element = value._as_graph_element()
            if element is not None:
                yield element
        elif hasattr(value, "dense_shape") and isinstance(getattr(value, "values", None), Tensor):
            yield value.values


def _convert_one(opdef: OpDef, arg: Arg, value: Any, attrs: dict[str, Any]) -> Tensor:
    wanted, preferred = arg.type, None
    if arg.type_attr:
        wanted = attrs.get(arg.type_attr)
        if wanted is None and opdef.attr_map[arg.type_attr].has_default:
            preferred = opdef.attr_map[arg.type_attr].default
    try:
        tensor = convert.converted(
            value, None if isinstance(value, Tensor) else wanted, arg.name, arg.is_ref, preferred
        )
    except (TypeError, ValueError) as error:
        if wanted is None:
            raise
        raise type(error)(*_conversion_failure(opdef, arg, value, wanted, error)) from None
    if arg.type is not None:
        if tensor.dtype._base is not arg.type:
            _wrong_fixed_type(opdef, arg, tensor)
    elif arg.type_attr:
        _infer(opdef, arg, tensor, attrs)
    if arg.is_ref and not tensor.dtype._is_ref_dtype:
        _not_a_reference(opdef, arg, tensor)
    return tensor


def _conversion_failure(opdef: OpDef, arg: Arg, value: Any, wanted: DType, error: Exception) -> tuple[str]:
    if isinstance(error, ValueError):
        try:
            seen = convert.converted(value)
        except (TypeError, ValueError):
            return (str(error),)
        return (
            f"Input '{arg.name}' of '{opdef.name}' Op has type {seen.dtype.name} that does not match expected type of "
            f"{wanted.name}.",
        )
    return (
        f"Expected {wanted.name}, got {value!r} of type {type(value).__name__!r} instead."
        if arg.type_attr and not arg.type
        else f"Expected {wanted.name} passed to parameter '{arg.name}' of op '{opdef.name}', got {value!r} of type "
        f"'{type(value).__name__}' instead. Error: {error}",
    )


def _infer(opdef: OpDef, arg: Arg, tensor: Tensor, attrs: dict[str, Any]) -> None:
    assert arg.type_attr
    base = tensor.dtype._base
    known = attrs.get(arg.type_attr)
    if known is None:
        allowed = opdef.attr_map[arg.type_attr].allowed
        if allowed is not None and base not in allowed:
            _not_allowed(arg.name, base, allowed)
        attrs[arg.type_attr] = base
    elif known is not base:
        _mismatch(opdef, arg, tensor, known)


def _convert_list(opdef: OpDef, arg: Arg, value: Any, attrs: dict[str, Any]) -> list[Tensor]:
    if not isinstance(value, list | tuple):
        raise TypeError(
            f"Expected list for '{arg.name}' argument to '{opdef.name}' Op, not {value}."
            if not hasattr(value, "__iter__") or isinstance(value, str | bytes | Tensor)
            else f"Expected list for '{arg.name}' argument to '{opdef.name}' Op, not {value!r}."
        )
    wanted = arg.type
    types: Sequence[DType] | None = None
    if arg.type_attr:
        wanted = attrs.get(arg.type_attr)
        if wanted is None:
            for v in value:
                seen = getattr(v, "dtype", None) if convert.is_tensor_like(v) else None
                if seen is not None:
                    wanted = seen.base_dtype
                    break
    elif arg.type_list_attr:
        types = attrs.get(arg.type_list_attr)
    preferred = None
    if wanted is None and arg.type_attr and opdef.attr_map[arg.type_attr].has_default:
        preferred = opdef.attr_map[arg.type_attr].default
    if types is not None:
        if len(types) != len(value):
            raise ValueError(
                f"'{opdef.name}' Op was given {len(value)} tensors in '{arg.name}' but {len(types)} types in "
                f"'{arg.type_list_attr}'."
            )
        tensors = [
            convert.converted(v, t, f"{arg.name}_{i}", arg.is_ref)
            for i, (v, t) in enumerate(zip(value, types, strict=True))
        ]
    else:
        try:
            tensors = convert.convert_n_to_tensor(value, wanted, arg.name, arg.is_ref, preferred)
        except (TypeError, ValueError):
            found = []
            for v in value:
                try:
                    found.append(convert.converted(v, as_ref=arg.is_ref).dtype.name)
                except (TypeError, ValueError):
                    found.append("<NOT CONVERTIBLE TO TENSOR>")
            raise TypeError(
                f"Tensors in list passed to '{arg.name}' of '{opdef.name}' Op have types [{', '.join(found)}] that "
                + (f"do not match expected type {wanted.name}." if arg.type else "don't all match.")  # type: ignore[union-attr]  # there is an `arg.type`
            ) from None
    if arg.number_attr:
        minimum = opdef.attr_map[arg.number_attr].minimum or 0
        known = attrs.get(arg.number_attr)
        if known is not None and known != len(tensors):
            raise ValueError(
                f"List argument '{arg.name}' to '{opdef.name}' Op with length {len(tensors)} must match length {known} "
                "of another list argument."
            )
        if len(tensors) < minimum:
            raise ValueError(
                f"List argument '{arg.name}' to '{opdef.name}' Op with length {len(tensors)} shorter than minimum "
                f"length {minimum}."
            )
        attrs[arg.number_attr] = len(tensors)
        kinds = {t.dtype._base for t in tensors}
        if arg.type is None and len(kinds) > 1 or arg.type is not None and kinds - {arg.type}:
            raise TypeError(
                f"Tensors in list passed to '{arg.name}' of '{opdef.name}' Op have types "
                f"[{', '.join(t.dtype.name for t in tensors)}] that don't all match."
            )
        if arg.type_attr:
            if tensors:
                _infer(opdef, arg, tensors[0], attrs)
            elif arg.type_attr not in attrs:
                if not opdef.attr_map[arg.type_attr].has_default:
                    raise TypeError(
                        f"Don't know how to infer type variable from empty input list passed to input '{arg.name}' of "
                        f"'{opdef.name}' Op."
                    )
                attrs[arg.type_attr] = opdef.attr_map[arg.type_attr].default
    else:
        attr = opdef.attr_map[arg.type_list_attr or ""]
        kinds_list = [t.dtype._base for t in tensors]
        if attr.minimum is not None and len(kinds_list) < attr.minimum:
            raise ValueError(
                f"List argument '{arg.name}' to '{opdef.name}' Op with length {len(kinds_list)} shorter than minimum "
                f"length {attr.minimum}."
            )
        if attr.allowed is not None:
            for kind in kinds_list:
                if kind not in attr.allowed:
                    _not_allowed(arg.name, kind, attr.allowed)
        attrs[attr.name] = kinds_list
    return tensors


def _wrong_fixed_type(opdef: OpDef, arg: Arg, t: Tensor) -> None:
    assert arg.type
    raise TypeError(
        f"Input '{arg.name}' of '{opdef.name}' Op has type {t.dtype._base.name} that does not match expected type of "
        f"{arg.type.name}."
    )


def _mismatch(opdef: OpDef, arg: Arg, t: Tensor, known: DType) -> None:
    other = next((a.name for a in opdef.inputs if a.type_attr == arg.type_attr and a is not arg), None)
    where = f"type {known.name} of argument '{other}'" if other else f"attribute '{arg.type_attr}' = {known.name}"
    raise TypeError(
        f"Input '{arg.name}' of '{opdef.name}' Op has type {t.dtype._base.name} that does not match {where}."
    )


def _not_allowed(parameter: str, dtype: DType, allowed: Any) -> None:
    names = ", ".join(d.name for d in allowed)
    raise TypeError(
        f"Value passed to parameter '{parameter}' has DataType {dtype.name} not in list of allowed values: {names}"
    )


def _not_a_reference(opdef: OpDef, arg: Arg, t: Tensor) -> None:
    raise TypeError(
        f"'{opdef.name}' Op requires that input '{arg.name}' be a mutable tensor (e.g.: a tf.Variable); {t!s} is a "
        "value"
    )


def _attr_value(opdef: OpDef, attr: Attr, value: Any) -> Any:
    """A Python value for an attribute, in the form ops keep it."""
    if value is None and not attr.has_default and attr.type != "shape":
        raise TypeError(f"No argument for attr {attr.name}: op '{opdef.name}' needs it.")
    if attr.type.startswith("list("):
        if value is None:
            value = attr.default
        if not isinstance(value, list | tuple):
            if attr.type == "list(shape)" and isinstance(value, shapes.TensorShape):
                value = list(value)
            else:
                try:
                    value = list(value)
                except TypeError:
                    raise TypeError(
                        f"Expected list for '{attr.name}' argument to '{opdef.name}' Op, not {value!r}."
                    ) from None
        result = [_scalar_attr(opdef, attr, attr.type[5:-1], v) for v in value]
        if attr.minimum is not None and len(result) < attr.minimum:
            raise ValueError(
                f"Attr '{attr.name}' of '{opdef.name}' Op passed list of length {len(result)} less than minimum "
                f"{attr.minimum}."
            )
        return result
    return _scalar_attr(opdef, attr, attr.type, value)


def _scalar_attr(opdef: OpDef, attr: Attr, kind: str, value: Any) -> Any:
    if value is None and attr.has_default and kind != "shape":
        value = attr.default
    match kind:
        case "int":
            try:
                result: Any = int(value)
            except (TypeError, ValueError):
                raise TypeError(f"Expected int for argument '{attr.name}' not {value!r}.") from None
            if isinstance(value, str | bytes):
                raise TypeError(f"Expected int for argument '{attr.name}' not {value!r}.")
            if attr.minimum is not None and not attr.type.startswith("list") and result < attr.minimum:
                raise ValueError(
                    f"Attr '{attr.name}' of '{opdef.name}' Op passed {result} less than minimum {attr.minimum}."
                )
        case "bool":
            if not isinstance(value, bool | np.bool_):
                raise TypeError(f"Expected bool for argument '{attr.name}' not {value!r}.")
            result = bool(value)
        case "float":
            try:
                result = float(value)
            except (TypeError, ValueError):
                raise TypeError(f"Expected float for argument '{attr.name}' not {value!r}.") from None
        case "string":
            if not isinstance(value, str | bytes):
                raise TypeError(f"Expected string for argument '{attr.name}' not {value!r}.")
            result = convert.as_bytes(value)
        case "type":
            try:
                result = dtypes.as_dtype(value).base_dtype
            except TypeError:
                raise TypeError(f"Expected DataType for argument '{attr.name}' not {value!r}.") from None
        case "shape":
            try:
                return shapes.static_shape(value)
            except (TypeError, ValueError) as error:
                kept = TypeError if isinstance(error, TypeError) else ValueError
                raise kept(f"Error converting {attr.name} to a TensorShape: {error} (it is {value!r})") from None
        case _:
            return value
    if attr.allowed is not None and result not in attr.allowed:
        if kind == "type":
            _not_allowed(attr.name, result, attr.allowed)
        allowed = '", "'.join(convert.as_text(a) for a in attr.allowed)
        raise ValueError(
            f"Attr '{attr.name}' of '{opdef.name}' Op passed string '{convert.as_text(result)}' not in: \"{allowed}\"."
        )
    return result


# What a new op gives: types and static shapes


def _output_count(arg: Arg, attrs: dict[str, Any]) -> int:
    if arg.number_attr:
        return attrs[arg.number_attr]
    if arg.type_list_attr:
        return len(attrs[arg.type_list_attr])
    return 1


def output_types(opdef: OpDef, attrs: dict[str, Any]) -> list[DType]:
    types: list[DType] = []
    for arg in opdef.outputs:
        if arg.type_list_attr:
            kinds = list(attrs[arg.type_list_attr])
        else:
            kinds = [arg.type or attrs[arg.type_attr or ""]] * _output_count(arg, attrs)
        types.extend(k._as_ref if arg.is_ref else k for k in kinds)
    return types


def finish(new: Operation) -> None:
    """Give `new` its outputs: their types follow from the OpDef, their shapes from the declared rule."""
    opdef, attrs = new.opdef, new.attrs
    for attr in opdef.attrs:
        if attr.name not in attrs:
            if not attr.has_default:
                raise ValueError(f"op {new.name!r} of type {opdef.name} lacks its attribute {attr.name!r}")
            attrs[attr.name] = attr.default
    rule = opdef.shape_rule
    if opdef.plain and len(opdef.outputs) == 1:
        arg = opdef.outputs[0]
        kind = arg.type or attrs[arg.type_attr or ""]
        new.outputs = [Tensor(new, 0, kind._ref if arg.is_ref else kind)]
        if rule is not None:
            new.outputs[0].static_shape = _inferred(new, rule)
        return
    new.outputs = [Tensor(new, i, kind) for i, kind in enumerate(output_types(opdef, attrs))]
    if rule is not None and new.outputs:
        for t, shape in zip(new.outputs, inferred_shapes(new), strict=True):
            t.static_shape = shape
    elif rule is not None:
        _inferred(new, rule)


graphs.finish_op[:] = [finish]


def inferred_shapes(op: Operation) -> list[shapes.Shape]:
    """The static shapes of the outputs of `op`, as they follow from those of its inputs now.

    Raises:
        ValueError: if the shapes of its inputs do not fit.
    """
    opdef, rule = op.opdef, op.opdef.shape_rule
    found = None if rule is None else _inferred(op, rule)
    if len(opdef.outputs) == 1 and not opdef.outputs[0].is_list:
        return [found[0] if type(found) is list else found]
    if found is None:
        return [None] * len(op.outputs)
    if len(found) != len(op.outputs):
        raise AssertionError(f"the shape rule of {opdef.name} gave {len(found)} shapes for {len(op.outputs)} outputs")
    return list(found)


def _inferred(new: Operation, rule: Callable[..., Any]) -> Any:
    opdef = new.opdef
    try:
        if opdef.opaque:
            return rule(new)
        attrs = new.attrs
        if opdef.plain and not opdef.static:
            args: list[Any] = [t.static_shape for t in new.inputs]
        else:
            args = []
            for arg, is_static, group in zip(opdef.inputs, opdef.shape_static, grouped_inputs(new), strict=True):
                read = partial_value if is_static else _static_shape
                args.append([read(t) for t in group] if arg.is_list else read(group[0]))
        names = opdef.shape_attrs
        return rule(*args, **{n: attrs[n] for n in names}) if names else rule(*args)
    except ShapeError as error:
        raise ValueError(_shape_message(new, str(error))) from None


def _static_shape(t: Tensor) -> shapes.Shape:
    return t.static_shape


def grouped_inputs(new: Operation) -> list[tuple[Tensor, ...]]:
    """The inputs by argument: one tensor each, or as many as a list argument has."""
    if new.opdef.plain:
        return [(t,) for t in new.inputs]
    groups, position = [], 0
    for arg in new.opdef.inputs:
        n = _output_count(arg, new.attrs)
        groups.append(new.inputs[position : position + n])
        position += n
    return groups


def _shape_message(new: Operation, what: str) -> str:
    known = ", ".join("?" if t.static_shape is None else shapes.bracket_text(t.static_shape) for t in new.inputs)
    text = f"{what} for '{new.name}' (op: '{new.type}') with input shapes: {known}"
    values = []
    for i, t in enumerate(new.inputs):
        value = constant_value(t) if t.dtype._base._kind in "iu" else None
        if value is not None and value.size <= 16:
            shown = "<" + " ".join(str(v) for v in value.ravel()) + ">"
            values.append(f"input[{i}] = {shown}")
    if values:
        text += f" and with computed input tensors: {', '.join(values)}"
    return text + "."


# Values known while a graph is built


def constant_value(t: Tensor, depth: int = 0) -> np.ndarray | None:
    """The value of `t` if it follows from constants and static shapes alone, else None."""
    made = t.op
    if made.type == "Const":
        return made.attrs["value"]
    if depth > 60:
        return None
    value = partial_value(t, depth)
    if value is None or (isinstance(value, list) and None in value):
        return None
    return np.asarray(value, t.dtype._base.np)


def partial_value(t: Tensor, depth: int = 0) -> Any:
    """What is known of a small integer tensor: an int, a list of ints with None for unknown ones, or None.

    Constants of any rank and type come as NumPy arrays.
    """
    made = t.op
    if made.type == "Const":
        value = made.attrs["value"]
        if value.ndim > 1 or value.dtype.kind not in "iu":
            return value
        return value.tolist()
    rule = PARTIAL_VALUES.get(made.type)
    if rule is None or depth > 60:
        return None
    return rule(made, t.value_index, depth + 1)


PARTIAL_VALUES: dict[str, Callable[[Operation, int, int], Any]] = {}


def partial_rule(*op_types: str) -> Callable[[Any], Any]:
    """Declare how much of an op's output is known while the graph is built: `rule(op, output_index, depth)`."""

    def declare(rule: Callable[[Operation, int, int], Any]) -> Any:
        for op_type in op_types:
            PARTIAL_VALUES[op_type] = rule
        return rule

    return declare
