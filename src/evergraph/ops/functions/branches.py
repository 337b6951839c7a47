"""Branches and loops whose parts are functions: `If`, `While` and `For` of TF's `functional_ops`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops.functions.defun import DefinedFunction, Defun
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
    if len(cond.declared_input_types) != len(body.declared_input_types):
        raise ValueError(
            "While op 'cond' and 'body' signatures do not match. "
            f"{list(cond.declared_input_types)} vs {list(body.declared_input_types)}"
        )
    captured = body.captured_inputs
    if captured:
        n = len(cond.declared_input_types)
        kinds = [*cond.declared_input_types, *(t.dtype for t in captured)]

        @Defun(*kinds, func_name=f"{cond.name}_Wrapper")
        def more_cond(*args: Any) -> Any:
            return cond(*args[:n])

        @Defun(*kinds, func_name=f"{body.name}_Wrapper")
        def more_body(*args: Any) -> Any:
            made = body.body
            inner = raw_op("PartitionedCall")(list(args), [t.dtype for t in made.results], body.name)
            return [*_listed(inner), *args[n:]]

        more_cond.add_to_graph(captured[0].graph)
        more_body.add_to_graph(captured[0].graph)
        found = _listed(raw_op("While")([*input_, *captured], more_cond.name, more_body.name, name=name))
        return found[:n]
    stateful = bool(cond.stateful_ops or body.stateful_ops)
    op = raw_op("While" if stateful else "StatelessWhile")
    return _listed(op(input_, cond.name, body.name, name=name))


def For(
    start: Any, limit: Any, delta: Any, inputs: Sequence[Any], body: DefinedFunction, name: str | None = None,
    hostmem: Any = None, rewrite_with_while: Any = None,
) -> list[Tensor]:  # fmt: skip
    """Call `body(i, *inputs)` for each i in range(start, limit, delta), with its own results after the first time.

    Returns:
        The last results.
    """
    with name_scope(name, "For", [start, limit, delta, inputs]):
        first, last, step = (convert_to_tensor(v, dtypes.int32) for v in (start, limit, delta))
        given = [convert_to_tensor(t) for t in inputs]
        kinds = [dtypes.int32, dtypes.int32, dtypes.int32, *(t.dtype.base_dtype for t in given)]

        @Defun(*kinds, func_name=f"{body.name}_For_Cond")
        def goes_on(i: Any, limit: Any, delta: Any, *args: Any) -> Any:
            return raw_op("LogicalOr")(
                raw_op("LogicalAnd")(raw_op("Greater")(delta, 0), raw_op("Less")(i, limit)),
                raw_op("LogicalAnd")(raw_op("Less")(delta, 0), raw_op("Greater")(i, limit)),
            )

        @Defun(*kinds, func_name=f"{body.name}_For_Body")
        def turn(i: Any, limit: Any, delta: Any, *args: Any) -> Any:
            found = body(i, *args)
            return [i + delta, limit, delta, *(found if isinstance(found, list) else [found])]

        return While([first, last, step, *given], goes_on, turn)[3:]


def remote_call(args: Sequence[Any], Tout: Sequence[Any], f: Any, target: Any, name: str | None = None) -> list[Tensor]:
    """Call a function on a device: `target` is the device's name."""
    return _listed(raw_op("RemoteCall")(target, args, Tout, f.name, name=name))


def partitioned_call(
    args: Sequence[Any], f: Any, tout: Sequence[Any] | None = None, executing_eagerly: Any = None, config: Any = None,
    executor_type: str | None = None,
) -> list[Tensor]:  # fmt: skip
    """Call a function: its ops run on the devices that they name."""
    kinds = [t.dtype.base_dtype for t in f.body.results] if tout is None else list(tout)
    f.add_to_graph(get_default_graph())
    op = raw_op("StatefulPartitionedCall" if f.stateful_ops else "PartitionedCall")
    return _listed(op([*args, *f.captured_inputs], kinds, f.name, executor_type=executor_type or ""))


def _listed(found: Any) -> list[Tensor]:
    return list(found) if isinstance(found, list | tuple) else [] if not isinstance(found, Tensor) else [found]
