"""Looking for numbers that are none: infinities and NaN."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops.grouping import group, with_dependencies
from evergraph.ops.opdef import raw_op
from evergraph.ops.reductions import given


@public("debugging.assert_all_finite", "verify_tensor_all_finite")
def verify_tensor_all_finite(
    t: Any = None, msg: str | None = None, name: str | None = None, x: Any = None, message: str | None = None
) -> Tensor:
    """The same tensor again; a run that needs it fails if an element is infinite or NaN.

    Args:
        t: floating point.
        msg: how the error's message begins.
        name: the scope of the ops.
        x: the new name of `t`.
        message: the new name of `msg`.
    """
    tensor = given(x, "x", t, "t")
    text = given(message, "message", msg, "msg")
    with name_scope(name, "VerifyFinite", [tensor]):
        tensor = convert_to_tensor(tensor, name="x")
        with get_default_graph().colocate_with(tensor.op):
            checked = raw_op("CheckNumerics")(tensor, message=text)
            return with_dependencies([checked], tensor)


@public("add_check_numerics_ops")
def add_check_numerics_ops() -> Operation:
    """Check every floating-point tensor of the graph, in order: an op to run beside a training step.

    Raises:
        ValueError: if there are ops inside a `cond` or `while_loop`.
    """
    checks: list[Tensor] = []
    graph = get_default_graph()
    for made in graph.get_operations():
        for out in made.outputs:
            if out.dtype not in (dtypes.float16, dtypes.float32, dtypes.float64):
                continue
            if made._get_control_flow_context() is not None:
                raise ValueError(
                    "`tf.add_check_numerics_ops() is not compatible with TensorFlow control flow operations such as "
                    "`tf.cond()` or `tf.while_loop()`."
                )
            with graph.control_dependencies(checks):
                checks = [raw_op("CheckNumerics")(out, message=f"{made.name}:{out.value_index}")]
    return group(*checks)
