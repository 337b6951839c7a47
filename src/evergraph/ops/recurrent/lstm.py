"""LSTM as one op: a step (LSTMBlockCell), or all steps of a sequence (BlockLSTM), and their gradients.

The columns of `w` and `b` belong to the gates in the order i, c, f, o ("ICFO"); BlockLSTMV2 has i, f, c, o. With
`cs` the cell state, `ci` the candidate and `co` its squashed value:

    i = sigmoid(...)   f = sigmoid(... + forget_bias)   ci = tanh(...)
    cs = ci * i + cs_prev * f        o = sigmoid(...)   co = tanh(cs)   h = co * o

With peepholes the gates also see the cell state: i and f the one before, o the new one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework.shapes import Shape, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops.bias import bias_add_grad_op
from evergraph.ops.joining import concat
from evergraph.ops.opdef import kernel_error, op, require
from evergraph.ops.products import matmul
from evergraph.ops.slicing import slice as slice_of

ICFO, IFCO = "icfo", "ifco"


def _sigmoid(xp: Any, x: Any) -> Any:
    one = x.dtype.type(1)
    return one / (one + xp.exp(-x))


def _gates(xp: Any, gates: Any, layout: str) -> dict[str, Any]:
    """The parts of a row of gates by their letters."""
    return dict(zip(layout, xp.split(gates, 4, axis=1), strict=True))


def _step(
    xp: Any, x: Any, cs_prev: Any, h_prev: Any, w: Any, peepholes: Any, b: Any, forget_bias: float, clip: float,
    use_peephole: bool, layout: str,
) -> tuple[Any, ...]:  # fmt: skip
    gates = _gates(xp, xp.matmul(xp.concatenate([x, h_prev], axis=1), w) + b, layout)
    wci, wcf, wco = peepholes
    i, f = gates["i"], gates["f"] + x.dtype.type(forget_bias)
    if use_peephole:
        i, f = i + cs_prev * wci, f + cs_prev * wcf
    i, f, ci = _sigmoid(xp, i), _sigmoid(xp, f), xp.tanh(gates["c"])
    cs = ci * i + cs_prev * f
    if clip > 0:
        cs = xp.clip(cs, x.dtype.type(-clip), x.dtype.type(clip))
    o = _sigmoid(xp, gates["o"] + cs * wco if use_peephole else gates["o"])
    co = xp.tanh(cs)
    return i, cs, f, o, ci, co, co * o


def _step_back(
    xp: Any, saved: Any, cs_prev: Any, cs_grad: Any, h_grad: Any, peepholes: Any, use_peephole: bool, layout: str
) -> tuple[Any, Any]:
    """The gradients to the state before, and to the gates before they are squashed."""
    i, cs, f, o, ci, co = saved
    wci, wcf, wco = peepholes
    one = cs.dtype.type(1)
    do = (one - o) * o * h_grad * co
    dcs = (one - co * co) * h_grad * o + cs_grad
    if use_peephole:
        dcs = dcs + do * wco
    dci = (one - ci * ci) * dcs * i
    df = (one - f) * f * dcs * cs_prev
    di = (one - i) * i * dcs * ci
    cs_prev_grad = dcs * f
    if use_peephole:
        cs_prev_grad = cs_prev_grad + di * wci + df * wcf
    by_letter = {"i": di, "c": dci, "f": df, "o": do}
    return cs_prev_grad, xp.concatenate([by_letter[letter] for letter in layout], axis=1)


def _check(x: Any, cs_prev: Any, h_prev: Any, w: Any, peepholes: Any, b: Any) -> None:
    inputs, cells = x.shape[-1], cs_prev.shape[-1]
    for name, found, wanted in (
        ("h_prev.dims(1)", h_prev.shape[-1], cells),
        ("w.dim_size(0)", w.shape[0], inputs + cells),
        ("w.dim_size(1)", w.shape[1], cells * 4),
        ("b.dim_size(0)", b.shape[0], cells * 4),
        *((f"{n}.dim_size(0)", p.shape[0], cells) for n, p in zip(("wci", "wcf", "wco"), peepholes, strict=True)),
        ("cs_prev.dims(0)", cs_prev.shape[0], x.shape[-2]),
        ("h_prev.dims(0)", h_prev.shape[0], x.shape[-2]),
    ):
        if found != wanted:
            raise kernel_error(f"{name} != {wanted}: {found} vs. {wanted}")


def _cell_shape(x: Shape, cs_prev: Shape, *rest: Shape) -> Any:
    shape = (with_rank(x, 2)[0], with_rank(cs_prev, 2)[1])
    return (shape,) * 7


@op("LSTMBlockCell", shape=_cell_shape)
def lstm_block_cell(
    xp: Any, x: Any, cs_prev: Any, h_prev: Any, w: Any, wci: Any, wcf: Any, wco: Any, b: Any, *,
    forget_bias: float, cell_clip: float, use_peephole: bool,
) -> Any:  # fmt: skip
    """One step of an LSTM: i, cs, f, o, ci, co and h."""
    _check(x, cs_prev, h_prev, w, (wci, wcf, wco), b)
    return _step(xp, x, cs_prev, h_prev, w, (wci, wcf, wco), b, forget_bias, cell_clip, use_peephole, ICFO)


def _cell_grad_shape(x: Shape, cs_prev: Shape, *rest: Shape) -> Any:
    batch, cells = with_rank(cs_prev, 2)
    gates = None if cells is None else 4 * cells
    return ((batch, cells), (batch, gates), (cells,), (cells,), (cells,))


@op("LSTMBlockCellGrad", shape=_cell_grad_shape)
def lstm_block_cell_grad(
    xp: Any, x: Any, cs_prev: Any, h_prev: Any, w: Any, wci: Any, wcf: Any, wco: Any, b: Any, i: Any, cs: Any, f: Any,
    o: Any, ci: Any, co: Any, cs_grad: Any, h_grad: Any, *, use_peephole: bool,
) -> Any:  # fmt: skip
    """The gradient of LSTMBlockCell: to `cs_prev`, to the four gates, and to the peepholes."""
    cs_prev_grad, dgates = _step_back(
        xp, (i, cs, f, o, ci, co), cs_prev, cs_grad, h_grad, (wci, wcf, wco), use_peephole, ICFO
    )
    parts = _gates(xp, dgates, ICFO)
    return cs_prev_grad, dgates, *_peephole_grads(xp, parts, cs_prev, cs, use_peephole, 0)


def _peephole_grads(xp: Any, parts: Any, cs_prev: Any, cs: Any, use_peephole: bool, axes: Any) -> tuple[Any, ...]:
    if not use_peephole:
        return (xp.zeros(cs.shape[-1], cs.dtype),) * 3
    return (parts["i"] * cs_prev).sum(axes), (parts["f"] * cs_prev).sum(axes), (parts["o"] * cs).sum(axes)


@lstm_block_cell.gradient
def lstm_block_cell_gradient(made: Any, *grads: Any) -> Any:
    x, cs_prev, h_prev, w, wci, wcf, wco, b = made.inputs
    i, cs, f, o, ci, co, _ = made.outputs
    batch, inputs = x.shape.with_rank(2).as_list()
    cells = cs_prev.shape.with_rank(2).as_list()[1]
    if inputs is None:
        raise ValueError("input_size from `x` should not be None.")
    if cells is None:
        raise ValueError("cell_size from `cs_prev` should not be None.")
    batch = -1 if batch is None else batch
    cs_prev_grad, dgates, wci_grad, wcf_grad, wco_grad = lstm_block_cell_grad(
        x, cs_prev, h_prev, w, wci, wcf, wco, b, i, cs, f, o, ci, co, grads[1], grads[6],
        use_peephole=made.attrs["use_peephole"],
    )  # fmt: skip
    xh_grad = matmul(dgates, w, transpose_b=True)
    x_grad = slice_of(xh_grad, (0, 0), (batch, inputs))
    h_prev_grad = slice_of(xh_grad, (0, inputs), (batch, cells))
    w_grad = matmul(concat([x, h_prev], 1), dgates, transpose_a=True)
    return x_grad, cs_prev_grad, h_prev_grad, w_grad, wci_grad, wcf_grad, wco_grad, bias_add_grad_op(dgates)


# All steps


def _sequence_shape(seq_len_max: Any, x: Shape, cs_prev: Shape, *rest: Any) -> Any:
    time, batch, _ = with_rank(x, 3)
    b = with_rank(rest[5], 1)[0]
    return ((time, batch, None if b is None else b // 4),) * 7


def _require_length(xp: Any, seq_len_max: Any, x: Any) -> None:
    require(
        xp,
        seq_len_max <= x.shape[0],
        lambda: kernel_error(f"seq_len_max must be at most the number of steps, {x.shape[0]}: {seq_len_max}"),
    )


def _sequence(
    xp: Any, seq_len_max: Any, x: Any, cs_prev: Any, h_prev: Any, w: Any, peepholes: Any, b: Any, forget_bias: float,
    clip: float, use_peephole: bool, layout: str,
) -> tuple[Any, ...]:  # fmt: skip
    """All steps before `seq_len_max`; zeros after."""
    _check(x, cs_prev, h_prev, w, peepholes, b)
    _require_length(xp, seq_len_max, x)
    if xp is np:
        outputs = [np.zeros((*x.shape[:2], cs_prev.shape[1]), x.dtype) for _ in range(7)]
        for t in range(int(seq_len_max)):
            found = _step(xp, x[t], cs_prev, h_prev, w, peepholes, b, forget_bias, clip, use_peephole, layout)
            for output, value in zip(outputs, found, strict=True):
                output[t] = value
            cs_prev, h_prev = found[1], found[6]
        return tuple(outputs)
    from jax import lax

    def step(state: Any, x_t: Any) -> Any:
        found = _step(xp, x_t, state[0], state[1], w, peepholes, b, forget_bias, clip, use_peephole, layout)
        return (found[1], found[6]), found

    _, stacked = lax.scan(step, (cs_prev, h_prev), x)
    inside = (xp.arange(x.shape[0]) < seq_len_max)[:, None, None]
    return tuple(xp.where(inside, output, output.dtype.type(0)) for output in stacked)


@op("BlockLSTM", shape=_sequence_shape)
def block_lstm(
    xp: Any, seq_len_max: Any, x: Any, cs_prev: Any, h_prev: Any, w: Any, wci: Any, wcf: Any, wco: Any, b: Any, *,
    forget_bias: float, cell_clip: float, use_peephole: bool,
) -> Any:  # fmt: skip
    """An LSTM over a sequence, `[time, batch, inputs]`: i, cs, f, o, ci, co and h of all steps."""
    return _sequence(
        xp, seq_len_max, x, cs_prev, h_prev, w, (wci, wcf, wco), b, forget_bias, cell_clip, use_peephole, ICFO
    )


@op("BlockLSTMV2", shape=_sequence_shape)
def block_lstm_v2(
    xp: Any, seq_len_max: Any, x: Any, cs_prev: Any, h_prev: Any, w: Any, wci: Any, wcf: Any, wco: Any, b: Any, *,
    cell_clip: float, use_peephole: bool,
) -> Any:  # fmt: skip
    """BlockLSTM with the gates in the order i, f, c, o and no forget bias."""
    return _sequence(xp, seq_len_max, x, cs_prev, h_prev, w, (wci, wcf, wco), b, 0.0, cell_clip, use_peephole, IFCO)


def _sequence_grad(
    xp: Any, seq_len_max: Any, x: Any, cs_prev: Any, h_prev: Any, w: Any, peepholes: Any, saved: Any, h: Any,
    cs_grad: Any, h_grad: Any, use_peephole: bool, layout: str,
) -> tuple[Any, ...]:  # fmt: skip
    inputs = x.shape[2]
    cs = saved[1]
    cs_before = xp.concatenate([cs_prev[None], cs[:-1]])
    h_before = xp.concatenate([h_prev[None], h[:-1]])

    def back(state: Any, step: Any) -> Any:
        """From the gradients to the state after a step, those to the state before it and to its gates."""
        saved_t, cs_before_t, cs_grad_t, h_grad_t = step
        dcs, dgates = _step_back(
            xp, saved_t, cs_before_t, state[0] + cs_grad_t, state[1] + h_grad_t, peepholes, use_peephole, layout
        )
        return (dcs, xp.matmul(dgates, w[inputs:].T)), dgates

    state = (xp.zeros_like(cs_prev), xp.zeros_like(h_prev))
    if xp is np:
        dgates = np.zeros((*x.shape[:2], w.shape[1]), x.dtype)
        for t in reversed(range(int(seq_len_max))):
            state, dgates[t] = back(state, (tuple(part[t] for part in saved), cs_before[t], cs_grad[t], h_grad[t]))
    else:
        from jax import lax

        def masked(state: Any, step: Any) -> Any:
            inside, *rest = step
            new, dgates_t = back(state, tuple(rest))
            kept = tuple(xp.where(inside, a, b) for a, b in zip(new, state, strict=True))
            return kept, xp.where(inside, dgates_t, dgates_t.dtype.type(0))

        inside = xp.arange(x.shape[0]) < seq_len_max
        state, dgates = lax.scan(masked, state, (inside, tuple(saved), cs_before, cs_grad, h_grad), reverse=True)
    x_grad = xp.matmul(dgates, w[:inputs].T)
    flat_gates = dgates.reshape(-1, dgates.shape[-1])
    xh = xp.concatenate([x, h_before], axis=2).reshape(-1, w.shape[0])
    parts = dict(zip(layout, xp.split(dgates, 4, axis=2), strict=True))
    peephole_grads = _peephole_grads(xp, parts, cs_before, cs, use_peephole, (0, 1))
    return x_grad, *state, xp.matmul(xh.T, flat_gates), *peephole_grads, flat_gates.sum(0)


def _sequence_grad_shape(
    seq_len_max: Any, x: Any, cs_prev: Any, h_prev: Any, w: Any, wci: Any, wcf: Any, wco: Any, b: Any, *rest: Any
) -> Any:
    return (x, cs_prev, h_prev, w, wci, wcf, wco, b)


@op("BlockLSTMGrad", shape=_sequence_grad_shape)
def block_lstm_grad(
    xp: Any, seq_len_max: Any, x: Any, cs_prev: Any, h_prev: Any, w: Any, wci: Any, wcf: Any, wco: Any, b: Any, i: Any,
    cs: Any, f: Any, o: Any, ci: Any, co: Any, h: Any, cs_grad: Any, h_grad: Any, *, use_peephole: bool,
) -> Any:  # fmt: skip
    """The gradient of BlockLSTM, to all its inputs but the length."""
    return _sequence_grad(
        xp, seq_len_max, x, cs_prev, h_prev, w, (wci, wcf, wco), (i, cs, f, o, ci, co), h, cs_grad, h_grad,
        use_peephole, ICFO,
    )  # fmt: skip


@op("BlockLSTMGradV2", shape=_sequence_grad_shape)
def block_lstm_grad_v2(
    xp: Any, seq_len_max: Any, x: Any, cs_prev: Any, h_prev: Any, w: Any, wci: Any, wcf: Any, wco: Any, b: Any, i: Any,
    cs: Any, f: Any, o: Any, ci: Any, co: Any, h: Any, cs_grad: Any, h_grad: Any, *, use_peephole: bool,
) -> Any:  # fmt: skip
    """The gradient of BlockLSTMV2, to all its inputs but the length."""
    return _sequence_grad(
        xp, seq_len_max, x, cs_prev, h_prev, w, (wci, wcf, wco), (i, cs, f, o, ci, co), h, cs_grad, h_grad,
        use_peephole, IFCO,
    )  # fmt: skip


def _block_gradient(made: Any, *grads: Tensor) -> Any:
    # TF 1.15 takes BlockLSTMGrad for both versions.
    gradients = block_lstm_grad(
        *made.inputs, *made.outputs, grads[1], grads[6], use_peephole=made.attrs["use_peephole"]
    )
    return (None, *gradients)


block_lstm.gradient(_block_gradient)
block_lstm_v2.gradient(_block_gradient)
