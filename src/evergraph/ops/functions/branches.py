"""Branches and loops whose parts are functions: `If`, `While` and `For` of TF's `functional_ops`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor
from evergraph.ops.cast import cast
from evergraph.ops.functions.defun import DefinedFunction, Defun, get_extra_args
from evergraph.ops.opdef import raw_op


def If(
    cond: Any,
    inputs: Sequence[Any],
    then_branch: DefinedFunction,
    else_branch: DefinedFunction,
    name: str | None = None,
) -> list[Tensor]:
    """Call one of two functions.

    Args:
        cond: a scalar of any type; what is not zero (or an empty string) counts as true.
        inputs: the arguments of either function.
        then_branch, else_branch: functions with results of the same types. They may not capture tensors.

    Returns:
        The results.

    Raises:
        ValueError: if a function captures tensors.
    """
    for branch in (then_branch, else_branch):
        if branch.captured_inputs:
            raise ValueError(f"branch {branch.name!r} of an If may not capture tensors")
    kinds = [t.dtype.base_dtype for t in then_branch.body.results]
    stateful = bool(then_branch.stateful_ops or else_branch.stateful_ops)
    op = raw_op("If" if stateful else "StatelessIf")
    return _listed(op(cond, inputs, kinds, then_branch.name, else_branch.name, name=name))


def While(
    input_: Sequence[Any], cond: DefinedFunction, body: DefinedFunction, name: str | None = None, hostmem: Any = None
) -> list[Tensor]:
    """Call `body` again and again, with its own results, while `cond` of them holds.

    Args:
        input_: the arguments of the first call.
        cond: a function of them with one boolean result.
        body: a function of them with results of the same types.
        hostmem: which of them to keep in the memory of the host: a matter of where, not of what.

    Returns:
        The last results.

    Raises:
        ValueError: if `cond` captures tensors.
    """
    if cond.captured_inputs:
        raise ValueError("While op 'cond' argument must be a function without implicitly captured inputs.")
    if cond.declared_input_types != body.declared_input_types:
        raise ValueError(
            "While op 'cond' and 'body' signatures do not match. "
            f"{cond.declared_input_types!r} vs {body.declared_input_types!r}"
        )
    captured = body.captured_inputs
    given = [*input_, *captured]
    if captured:
        n = len(cond.declared_input_types)
        plain_cond = cond

        @Defun(*cond.declared_input_types, *(t.dtype.base_dtype for t in captured), func_name=f"{cond.name}_Wrapper")
        def wrapped_cond(*args: Any) -> Any:
            return plain_cond(*args[:n])

        cond, body = wrapped_cond, _passing_captured(body)
    graph = get_default_graph()
    for function in (cond, body):
        function.add_to_graph(graph)
    stateful = bool(cond.stateful_ops or body.stateful_ops)
    found = raw_op("While" if stateful else "StatelessWhile")(given, cond.name, body.name, name=name)
    return _loop_results(found, len(captured), hostmem)


def _passing_captured(body: DefinedFunction) -> DefinedFunction:
    """The body of a loop, with what it captures as arguments that it passes on."""

    @Defun(*body.declared_input_types, func_name=f"{body.name}_Wrapper")
    def wrapper(*args: Any) -> Any:
        found = body(*args)
        results = () if isinstance(found, Operation) else found if isinstance(found, tuple) else (found,)
        return (*results, *get_extra_args())

    return wrapper


def _loop_results(found: Any, captured: int, hostmem: Sequence[int] | None) -> list[Tensor]:
    results = _listed(found)
    if hostmem and results:
        results[0].op.attrs["_input_hostmem"] = results[0].op.attrs["_output_hostmem"] = list(hostmem)
    return results[: len(results) - captured]


def For(
    start: Any, limit: Any, delta: Any, inputs: Sequence[Any], body: DefinedFunction, name: str | None = None,
    hostmem: Sequence[int] | None = None, rewrite_with_while: bool | None = None,
) -> list[Tensor]:  # fmt: skip
    """Call `body(i, *inputs)` for each i in range(start, limit, delta), with its own results after the first time.

    Args:
        start, limit, delta: int32 scalars.
        inputs: the arguments of the first call, after `i`.
        body: a function of an int32 and them with results of their types.
        hostmem: which of them to keep in the memory of the host: a matter of where, not of what.
        rewrite_with_while: build a While instead of a For.

    Returns:
        The last results.
    """
    if rewrite_with_while:
        return _for_as_while(start, limit, delta, inputs, body, name, hostmem)
    captured = body.captured_inputs
    if captured:
        body = _passing_captured(body)
    body.add_to_graph(get_default_graph())
    found = raw_op("For")(start, limit, delta, [*inputs, *captured], body.name, name=name)
    return _loop_results(found, len(captured), None if not hostmem else [0, 1, 2, *(3 + i for i in hostmem)])


def _for_as_while(
    start: Any, limit: Any, delta: Any, inputs: Sequence[Any], body: DefinedFunction, name: str | None, hostmem: Any
) -> list[Tensor]:
    step = raw_op("Abs")(delta)
    distance = cast(raw_op("Abs")(convert_to_tensor(limit) - start) + step - 1, dtypes.float32)
    turns = cast(distance / cast(step, dtypes.float32), dtypes.int32)
    kinds = [dtypes.int32] * 4 + list(body.declared_input_types)[1:]

    @Defun(*kinds, func_name=f"{body.name}_Cond")
    def goes_on(i: Any, n: Any, *args: Any) -> Any:
        return i < n

    @Defun(*kinds, func_name=f"{body.name}_Body")
    def turn(i: Any, n: Any, start: Any, delta: Any, *args: Any) -> Any:
        found = body(start + i * delta, *args)
        results = () if isinstance(found, Operation) else found if isinstance(found, tuple) else (found,)
        return (i + 1, n, start, delta, *results)

    on_host = [0, 1, 2, 3, *(4 + i for i in hostmem or ())]
    return While([0, turns, start, delta, *inputs], goes_on, turn, name, on_host)[4:]


def Gradient(inputs: Sequence[Any], f: DefinedFunction, name: str | None = None) -> list[Tensor]:
    """The gradients of the arguments of a function.

    Args:
        inputs: its arguments, then a gradient for each of its results.
        f: the function.

    Returns:
        A gradient for each argument.
    """
    f.add_to_graph(get_default_graph())
    kinds = [t.dtype.base_dtype for t in f.body.arguments]
    return _listed(raw_op("SymbolicGradient")(list(inputs), kinds, f.name, name=name))


def remote_call(args: Sequence[Any], Tout: Sequence[Any], f: Any, target: Any, name: str | None = None) -> list[Tensor]:
    """Call a function on a device: `target` is the device's name."""
    return _listed(raw_op("RemoteCall")(target, args, Tout, f.name, name=name))


def partitioned_call(
    args: Sequence[Any], f: Any, tout: Sequence[Any] | None = None, executing_eagerly: Any = None, config: Any = None,
    executor_type: str | None = None,
) -> list[Tensor] | Operation:  # fmt: skip
    """Call a function: its ops run on the devices that they name.

    Args:
        args: all its arguments, those that it captures included.
        f: the function.
        tout: the types of its results, known by default.

    Returns:
        The results; the op, if there are none.
    """
    kinds = [t.dtype.base_dtype for t in f.body.results] if tout is None else list(tout)
    graph = get_default_graph()
    f.add_to_graph(graph)
    op = raw_op("StatefulPartitionedCall" if f.stateful_ops else "PartitionedCall")
    found = op(list(args), kinds, f.name, executor_type=executor_type or "")
    return _listed(found) or found


def _listed(found: Any) -> list[Tensor]:
    return list(found) if isinstance(found, list | tuple) else [found] if isinstance(found, Tensor) else []
