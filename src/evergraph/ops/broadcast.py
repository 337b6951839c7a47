"""The way back from broadcasting.

What was spread over an axis has to be summed over it in the gradient. Which axes those are is the answer of a
`BroadcastGradientArgs` op while shapes are open; when they are known it is worked out once per graph, and sums that
would change nothing are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evergraph.framework import shapes
from evergraph.framework.graph import get_default_graph
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, reductions
from evergraph.ops.opdef import kernel_error, op


@op("BroadcastGradientArgs", static=("s0", "s1"), differentiable=False)
def broadcast_gradient_args(xp: Any, s0: Any, s1: Any) -> Any:
    """Which axes each of two shapes was spread over when they were broadcast together."""
    axes = broadcast_axes(s0.tolist(), s1.tolist())
    return tuple(np.array(a, s0.dtype) for a in axes)


@broadcast_gradient_args.shape
def broadcast_gradient_args_shape(s0: Any, s1: Any) -> Any:
    return (None,), (None,)


def broadcast_axes(s0: Sequence[int], s1: Sequence[int]) -> tuple[list[int], list[int]]:
    """The axes of the broadcast result to sum over to get back to shape `s0`, and to `s1`.

    Axes of size one in both count for both, unless the shapes are equal altogether.
    """
    if list(s0) == list(s1):
        return [], []
    rank = max(len(s0), len(s1))
    a = [1] * (rank - len(s0)) + list(s0)
    b = [1] * (rank - len(s1)) + list(s1)
    axes: tuple[list[int], list[int]] = [], []
    for i, (m, n) in enumerate(zip(a, b)):
        if m != n and 1 not in (m, n):
            raise kernel_error(
                f"Incompatible shapes: {shapes.bracket_text(tuple(s0))} vs. {shapes.bracket_text(tuple(s1))}"
            )
        if m == 1:
            axes[0].append(i)
        if n == 1:
            axes[1].append(i)
    return axes


def same_static_shape(x: Tensor, y: Tensor, grad: Any) -> bool:
    """Whether two operands and the gradient of their result are known to have one shape: no broadcasting."""
    known = x.static_shape
    return isinstance(grad, Tensor) and shapes.is_static(known) and y.static_shape == known == grad.static_shape


_CACHE = "broadcast_gradient_args"


class Broadcast:
    """How to bring a gradient back to the shapes of two operands that were broadcast together.

    `x.reduced(grad)` sums over what `x` was spread over. When all shapes are known and nothing was spread, it gives
    `grad` itself and `must_reduce` is false.
    """

    def __init__(self, x: Tensor, y: Tensor, grad: Any) -> None:
        known_x, known_y = x.static_shape, y.static_shape
        self.must_reduce_x = self.must_reduce_y = True
        self.shape_x: Any
        self.shape_y: Any
        if not isinstance(grad, Tensor):
            self._ask(array.shape(x), array.shape(y))
        elif not shapes.is_static(known_x) or not shapes.is_static(known_y):
            self._ask(array.shape_internal(x, optimize=False), array.shape_internal(y, optimize=False))
        else:
            self.must_reduce_x = known_x != grad.static_shape
            self.must_reduce_y = known_y != grad.static_shape
            self.shape_x, self.shape_y = known_x, known_y
            known = get_default_graph()._attachments.setdefault(_CACHE, {})
            if (known_x, known_y) not in known:
                broadcast_gradient_args(known_x, known_y)
                known[known_x, known_y] = tuple(map(tuple, broadcast_axes(known_x, known_y)))
            self.axes_x, self.axes_y = known[known_x, known_y]

    def _ask(self, shape_x: Tensor, shape_y: Tensor) -> None:
        self.shape_x, self.shape_y = shape_x, shape_y
        self.axes_x, self.axes_y = broadcast_gradient_args(shape_x, shape_y)

    def sum_to_x(self, grad: Any) -> Tensor:
        return array.reshape(reductions.reduce_sum(grad, self.axes_x), self.shape_x)

    def sum_to_y(self, grad: Any) -> Tensor:
        return array.reshape(reductions.reduce_sum(grad, self.axes_y), self.shape_y)


class OpenBroadcast(Broadcast):
    """The form that asks a `BroadcastGradientArgs` op, whatever is known; many of TensorFlow's rules do."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.must_reduce_x = self.must_reduce_y = True
        shape_x = array.shape(x)
        self._ask(shape_x, array.shape(y))
