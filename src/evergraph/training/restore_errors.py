"""What to say when a checkpoint does not fit the graph: everything that differs, at once."""

from __future__ import annotations

from typing import Any

from evergraph.formats.checkpoint import open_checkpoint
from evergraph.formats.slices import parse
from evergraph.framework import errors
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import bracket_text
from evergraph.ops.opdef import constant_value
from evergraph.ops.state import handle_shape


def explained(
    error: errors.OpError, cause: str, graph: Any = None, restore_op: str = "", prefix: str = ""
) -> errors.OpError:
    """`error` with a word on its likely cause, and all shapes that differ where graph and checkpoint are given."""
    text = (
        f"Restoring from checkpoint failed. This is most likely due to {cause} from the checkpoint. Please ensure that "
        f"you have not altered the graph expected based on the checkpoint. Original error:\n\n{error.message}"
    )
    differences = _shape_differences(graph, restore_op, prefix) if graph is not None else []
    if differences:
        shown = "\n".join(
            f"    {name}: {saved} in the checkpoint, {wanted} here" for name, saved, wanted in differences[:30]
        )
        more = f"\n    and {len(differences) - 30} more" if len(differences) > 30 else ""
        text += f"\n  {len(differences)} shape(s) differ:\n{shown}{more}"
    return type(error)(error.node_def, error.op, text)


def _shape_differences(graph: Any, restore_op: str, prefix: str) -> list[tuple[str, str, str]]:
    """(name, shape in the checkpoint, shape of the variable) where they differ."""
    found = []
    try:
        with open_checkpoint(prefix) as reader:
            for op in _restores_before(graph.get_operation_by_name(restore_op)):
                names, specs = (constant_value(t) for t in op.inputs[1:3])
                if names is None or specs is None:
                    continue
                for tensor, name, spec in zip(op.outputs, names.tolist(), specs.tolist()):
                    name = name.decode()
                    if not reader.has(name):
                        continue
                    saved = reader.shape(name)
                    if spec:
                        shape, _ = parse(spec.decode())
                        if shape != saved:
                            found.append((name, bracket_text(saved), bracket_text(shape)))
                        continue
                    wanted = _assigned_shape(tensor)
                    if wanted is not None and None not in wanted and wanted != saved:
                        found.append((name, bracket_text(saved), bracket_text(wanted)))
    except (errors.OpError, KeyError, ValueError):
        return []  # the first error says it
    return found


def _restores_before(op: Operation) -> list[Operation]:
    seen: set[Operation] = set()
    stack, found = [op], []
    while stack:
        current = stack.pop()
        if current in seen:
            continue
        seen.add(current)
        if current.type == "RestoreV2":
            found.append(current)
        stack.extend(t.op for t in current.inputs)
        stack.extend(current.control_inputs)
    return sorted(found, key=lambda o: o._id)


def _assigned_shape(tensor: Any) -> Any:
    """The shape of the variable that a restored tensor is assigned to."""
    for reader in tensor._readers or ():
        if reader.type == "Assign":
            return reader.inputs[0].static_shape
        if reader.type == "AssignVariableOp":
            return handle_shape(reader.inputs[0])
        if reader.type == "Identity":
            return _assigned_shape(reader.outputs[0])
    return None
