"""A step of a gated recurrent unit as one op, and its gradient.

r, u = sigmoid([x, h_prev] * w_ru + b_ru)
c = tanh([x, h_prev * r] * w_c + b_c)        h = u * h_prev + (1 - u) * c
"""

from __future__ import annotations

from typing import Any

from evergraph.framework.shapes import Shape, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops.bias import bias_add_grad_op
from evergraph.ops.joining import concat
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.products import matmul
from evergraph.ops.recurrent.lstm import _sigmoid


def _cell_shape(x: Shape, h_prev: Shape, *rest: Shape) -> Any:
    return ((with_rank(x, 2)[0], with_rank(h_prev, 2)[1]),) * 4


@op("GRUBlockCell", shape=_cell_shape)
def gru_block_cell(xp: Any, x: Any, h_prev: Any, w_ru: Any, w_c: Any, b_ru: Any, b_c: Any) -> Any:
    """One step of a GRU: r, u, c and h."""
    inputs, cells = x.shape[1], h_prev.shape[1]
    for name, found, wanted in (
        ("h_prev.dims(0)", h_prev.shape[0], x.shape[0]),
        ("w_ru.dim_size(0)", w_ru.shape[0], inputs + cells),
        ("w_ru.dim_size(1)", w_ru.shape[1], cells * 2),
        ("w_c.dim_size(0)", w_c.shape[0], inputs + cells),
        ("w_c.dim_size(1)", w_c.shape[1], cells),
        ("b_ru.dim_size(0)", b_ru.shape[0], cells * 2),
        ("b_c.dim_size(0)", b_c.shape[0], cells),
    ):
        if found != wanted:
            raise kernel_error(f"{name} != {wanted}: {found} vs. {wanted}")
    gates = _sigmoid(xp, xp.matmul(xp.concatenate([x, h_prev], axis=1), w_ru) + b_ru)
    r, u = gates[:, :cells], gates[:, cells:]
    c = xp.tanh(xp.matmul(xp.concatenate([x, h_prev * r], axis=1), w_c) + b_c)
    return r, u, c, u * (h_prev - c) + c


def _grad_shape(x: Shape, h_prev: Shape, w_ru: Shape, *rest: Shape) -> Any:
    batch, cells = with_rank(h_prev, 2)
    return (x, h_prev, (batch, cells), (batch, None if cells is None else 2 * cells))


@op("GRUBlockCellGrad", shape=_grad_shape)
def gru_block_cell_grad(
    xp: Any, x: Any, h_prev: Any, w_ru: Any, w_c: Any, b_ru: Any, b_c: Any, r: Any, u: Any, c: Any, d_h: Any
) -> Any:
    """The gradient of GRUBlockCell: to `x` and `h_prev`, and to candidate and gates before they are squashed."""
    one = x.dtype.type(1)
    inputs = x.shape[1]
    d_c_bar = d_h * (one - u) * (one - c * c)
    d_u_bar = d_h * (h_prev - c) * u * (one - u)
    second = xp.matmul(d_c_bar, w_c.T)
    d_hr = second[:, inputs:]
    d_r_bar = d_hr * h_prev * r * (one - r)
    d_gates = xp.concatenate([d_r_bar, d_u_bar], axis=1)
    first = xp.matmul(d_gates, w_ru.T)
    return first[:, :inputs] + second[:, :inputs], first[:, inputs:] + d_hr * r + d_h * u, d_c_bar, d_gates


@gru_block_cell.gradient
def gru_block_cell_gradient(made: Any, *grads: Tensor) -> Any:
    x, h_prev, *_ = made.inputs
    r, u, c, _ = made.outputs
    d_x, d_h_prev, d_c_bar, d_gates = gru_block_cell_grad(*made.inputs, r, u, c, grads[3])
    d_w_ru = matmul(concat([x, h_prev], 1), d_gates, transpose_a=True)
    d_b_ru = bias_add_grad_op(d_gates)
    d_w_c = matmul(concat([x, h_prev * r], 1), d_c_bar, transpose_a=True)
    return d_x, d_h_prev, d_w_ru, d_w_c, d_b_ru, bias_add_grad_op(d_c_bar)
