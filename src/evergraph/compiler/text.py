"""A plan as text, for people and for tests.

    stage 0 on device:CPU:0, reads v, writes v
      matmul = MatMul(x:0, v@0)
      update = AssignAdd(v@0, matmul:0) -> v@1
    fetches matmul:0, v@1

`v@0` is the value of the variable `v` at the start of the run, `v@1` what the first write left.
"""

from __future__ import annotations

from evergraph.compiler.effects import fetched_version, variable_of
from evergraph.compiler.plan import Instruction, Plan


def plan_text(plan: Plan) -> str:
    """`plan`, one line an op."""
    lines = []
    for number, stage in enumerate(plan.stages):
        notes = [
            f"{word} {', '.join(names)}" for word, names in (("reads", stage.reads), ("writes", stage.writes)) if names
        ]
        lines.append(", ".join([f"stage {number} on {stage.kind}", *notes]))
        lines.extend("  " + _line(plan, instruction) for instruction in stage.instructions)
    fetched = []
    for t in plan.fetches:
        is_variable = t.dtype._is_ref_dtype and t not in plan.feeds and variable_of(t) is not None
        fetched.append("{}@{}".format(*fetched_version(t, plan.effects)) if is_variable else t.name)
    if fetched:
        lines.append(f"fetches {', '.join(fetched)}")
    return "\n".join(lines)


def _line(plan: Plan, instruction: Instruction) -> str:
    op = instruction.op
    inputs = []
    for position, t in enumerate(op.inputs):
        version = plan.effects.reads.get((op, position))
        inputs.append(t.name if version is None else "{}@{}".format(*version))
    made = ", ".join("{}@{}".format(*w) for w in plan.effects.writes.get(op, ()))
    return f"{op.name} = {op.type}({', '.join(inputs)})" + (f" -> {made}" if made else "")
