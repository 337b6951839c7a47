"""Static shapes in the loops of a graph that was read from a file.

An import knows no shape that goes around a loop. Here each loop variable has, to begin with, the shape that it starts
with; what the body makes of it then either is of that shape, or says which sizes change:

    start [1, 3]  ──►  s [1, 3]     concat([s, x]) [2, 3]   so s is [None, 3], and once more:
                       s [None, 3]  concat([s, x]) [None, 3]   as assumed
"""

from __future__ import annotations

from collections.abc import Sequence

from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Shape, ShapeError, merge
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import inferred_shapes
from evergraph.training.onnx_files.arrays import arrays_of

_MOST_ROUNDS = 50  # each makes a size of a loop variable unknown; this many loops inside one another there are not


def infer_around_loops(ops: Sequence[Operation]) -> None:
    """Let the outputs of `ops`, of which each comes after its inputs but for what goes around, have shapes."""
    if all(op.outputs[0].static_shape is not None for op in ops if op.type == "Enter"):
        return
    told = {t: t.static_shape for op in ops for t in op.outputs}
    assumed: dict[Tensor, Shape] = {}
    for _ in range(_MOST_ROUNDS):
        elements = {t: array.shape for t, array in arrays_of(ops).items()}
        for op in ops:
            for t, shape in zip(op.outputs, _shapes(op, assumed, elements), strict=True):
                try:
                    t.static_shape = merge(told[t], shape)
                except ShapeError:
                    t.static_shape = told[t]
        wider = {t: _common(shape, t.op.inputs[1].static_shape) for t, shape in assumed.items()}
        now = {t: array.shape for t, array in arrays_of(ops).items()}
        if wider == assumed and now == elements:
            return
        assumed = wider
    for t, shape in told.items():
        t.static_shape = shape


def _shapes(op: Operation, assumed: dict[Tensor, Shape], elements: dict[Tensor, Shape]) -> list[Shape]:
    first = op.inputs[0].static_shape if op.inputs else None
    if op.type == "Enter":
        op.outputs[0]._handle_data = op.inputs[0]._handle_data
        return [first]
    if op.type == "Merge" and op.inputs[1].op.type == "NextIteration":
        return [assumed.setdefault(op.outputs[0], first), ()]
    if op.type in ("TensorArrayReadV3", "TensorArrayGatherV3"):
        element = elements.get(op.inputs[0])
        return [element if element is None or op.type == "TensorArrayReadV3" else (None, *element)]
    try:
        return inferred_shapes(op)
    except ValueError:
        return [None] * len(op.outputs)  # what is assumed so far does not fit


def _common(a: Shape, b: Shape) -> Shape:
    """What two shapes have in common."""
    if a is None or b is None or len(a) != len(b):
        return None
    return tuple(n if n == m else None for n, m in zip(a, b, strict=True))
