"""Functions that bring their own gradient.

`custom_gradient(f)` runs `f` and puts one IdentityN behind everything that came out of it and went into it; what `f`
says the gradient is becomes the gradient of that IdentityN:

    x ──► the ops of f ──► y ──┐
    └──────────────────────────┴─► IdentityN ──► y, as the caller sees it

A gradient that reaches the IdentityN goes straight to x: nothing is passed on to the ops of `f`.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import logging
from collections.abc import Callable, Iterator
from typing import Any

from evergraph.autodiff.gradients import gradients
from evergraph.autodiff.registry import is_differentiable, register_custom
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import Graph, get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import GraphKeys, control_dependencies
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import raw_op

_VARIABLE_OPS = frozenset(("VariableV2", "VarHandleOp"))
_numbers = itertools.count()


@public("custom_gradient")
def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function a gradient of its own.

    Args:
        f: called with tensors; gives `(y, grad)`. `y` is a tensor or a nested structure of tensors, and
            `grad(*dys)`, called with one gradient for each tensor of `y`, gives one for each argument of `f`. If `f`
            uses trainable variables, `grad(*dys, variables=...)` gets them and gives `(grads of arguments, grads of
            variables)`.

    Returns:
        A function that gives the `y` of `f`, differentiated as `grad` says.

    >>> @tf.custom_gradient
    ... def clipped(x):
    ...     return tf.identity(x), lambda dy: tf.clip_by_value(dy, -1.0, 1.0)
    >>> x = tf.constant(3.0)
    >>> sess.run(tf.gradients(5.0 * clipped(x), x))
    [1.0]
    """

    @functools.wraps(f)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            raise ValueError(
                "The custom_gradient decorator supports positional arguments only; it got the keywords "
                f"{', '.join(kwargs)}. Bind them first: functools.partial or a closure."
            )
        return _with_custom_gradient(f, args)

    return decorated


def _with_custom_gradient(f: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    graph = get_default_graph()
    name = f"CustomGradient-{next(_numbers)}"
    inputs = [convert_to_tensor(x) for x in args]
    known = {id(v) for v in _all_variables(graph)}
    first_op = graph.version
    result, grad = f(*inputs)
    for v in _all_variables(graph):
        if id(v) not in known and not _is_resource_variable(v):
            raise TypeError(
                "All variables used by a function wrapped with @custom_gradient must be `ResourceVariable`s: "
                f"{v.name!r} is not. Ensure that no `variable_scope` is created with `use_resource=False`."
            )
    outputs = list(_leaves(result))
    variables = _variables_used(graph, inputs, outputs, first_op)
    _check_signature(grad, variables)

    def rule(op: Operation, *grads: Any) -> list[Any]:
        grads = grads[: len(outputs)]
        if not variables:
            return [None] * len(outputs) + list(_leaves(grad(*grads)))
        of_inputs, of_variables = grad(*grads, variables=variables)
        if len(of_variables) != len(variables):
            raise ValueError(
                f"Must return gradient for each variable from @custom_gradient grad_fn: {len(variables)} variables, "
                f"{len(of_variables)} gradients."
            )
        return [None] * len(outputs) + list(_leaves(of_inputs)) + list(of_variables)

    everything = [*outputs, *inputs, *variables]
    with graph.gradient_override_map({"IdentityN": name}):
        passed = raw_op("IdentityN")(everything)
    passed[0].op._gradient_function = rule
    register_custom(name, rule)
    for before, after in zip([convert_to_tensor(x) for x in everything], passed, strict=True):
        after._handle_data = before._handle_data
    return _rebuilt(result, iter(passed[: len(outputs)]))


def _check_signature(grad: Callable[..., Any], variables: list[Any]) -> None:
    signature = inspect.getfullargspec(grad)
    takes_variables = "variables" in signature.args + signature.kwonlyargs or signature.varkw is not None
    if variables and not takes_variables:
        raise TypeError(
            "If using @custom_gradient with a function that uses variables, then grad_fn must accept a keyword "
            f"argument 'variables'. It uses {', '.join(v.name for v in variables)}."
        )
    if takes_variables and not variables:
        logging.getLogger("evergraph").warning(
            "@custom_gradient grad_fn has 'variables' in signature, but no ResourceVariables were used on the forward "
            "pass."
        )


# The variables that a function uses


def _all_variables(graph: Graph) -> list[Any]:
    return graph.get_collection(GraphKeys.GLOBAL_VARIABLES) + graph.get_collection(GraphKeys.LOCAL_VARIABLES)


def _is_resource_variable(v: Any) -> bool:
    return isinstance(getattr(v, "handle", None), Tensor)


def _variables_used(graph: Graph, inputs: list[Tensor], outputs: list[Tensor], first_op: int) -> list[Any]:
    """The trainable variables between `inputs` and `outputs`, and those that an op since `first_op` reads."""
    ends = [raw_op("Identity")(y) for y in outputs]
    found = {op for op in _before(ends, set(inputs)) if op.type in _VARIABLE_OPS}
    for op in graph._ops[first_op:]:
        if op.type == "ReadVariableOp":
            found.add(op.inputs[0].op)
    by_op = {}
    for v in graph.get_collection(GraphKeys.GLOBAL_VARIABLES):
        handle = v.handle if _is_resource_variable(v) else v
        if getattr(v, "trainable", True):
            by_op[handle.op] = v
    return [by_op[op] for op in sorted(found, key=lambda op: op._id) if op in by_op]


def _before(ends: list[Tensor], stops: set[Tensor]) -> set[Operation]:
    """The ops that `ends` follow from by differentiable ops, without going past `stops`."""
    seen: set[Operation] = set()
    todo = [t.op for t in ends]
    while todo:
        op = todo.pop()
        if op not in seen:
            seen.add(op)
            if is_differentiable(op):
                todo.extend(t.op for t in op.inputs if t not in stops)
    return seen


# Nested structures of tensors


def _leaves(structure: Any) -> Iterator[Any]:
    if isinstance(structure, dict):
        for key in sorted(structure):
            yield from _leaves(structure[key])
    elif isinstance(structure, list | tuple):
        for item in structure:
            yield from _leaves(item)
    else:
        yield structure


def _rebuilt(structure: Any, leaves: Iterator[Any]) -> Any:
    if isinstance(structure, dict):
        new = {key: _rebuilt(structure[key], leaves) for key in sorted(structure)}
        return type(structure)((key, new[key]) for key in structure)
    if isinstance(structure, list | tuple):
        items = [_rebuilt(item, leaves) for item in structure]
        return type(structure)(*items) if hasattr(structure, "_fields") else type(structure)(items)
    return next(leaves)


# Made with it


@public("recompute_grad")
def recompute_grad(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function like `f` whose gradient computes `f` again instead of keeping what the first time computed."""

    @custom_gradient
    @functools.wraps(f)
    def recomputed(*args: Any) -> Any:
        def grad(*grads: Any, variables: Any = None) -> Any:
            sources = [*args, *(variables or ())]
            with control_dependencies(grads):
                again = list(_leaves(f(*args)))
            found = gradients(again, sources, list(grads), stop_gradients=list(args))
            of_args, of_variables = found[: len(args)], found[len(args) :]
            return (of_args, of_variables) if variables else of_args

        return f(*args), grad

    return recomputed


@public("grad_pass_through")
def grad_pass_through(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function that computes `f` and is differentiated as if it were the identity.

    >>> x = tf.constant(2.7)
    >>> y = tf.grad_pass_through(tf.round)(x)
    >>> sess.run([y, tf.gradients(y, x)[0]])
    [3.0, 1.0]
    """

    @custom_gradient
    @functools.wraps(f)
    def passing(*args: Any) -> Any:
        def grad(*grads: Any, variables: Any = None) -> Any:
            return (grads, [None] * len(variables)) if variables else grads

        return f(*args), grad

    return passing
