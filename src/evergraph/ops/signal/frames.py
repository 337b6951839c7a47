"""Signals cut into frames that overlap, and put together again."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math
from evergraph.ops.static_values import get_static_value
from evergraph.ops.while_loop import while_loop


def gcd(a: Any, b: Any, name: str | None = None) -> Tensor:
    """The greatest common divisor of two ints, or scalar int tensors.

    Raises:
        ValueError: if they are no ints, or no scalars.
    """
    with name_scope(name, "gcd", [a, b]):
        a, b = convert_to_tensor(a), convert_to_tensor(b)
        for what, x in (("a", a), ("b", b)):
            x.shape.assert_has_rank(0)
            if not x.dtype.is_integer:
                raise ValueError(f"{what} must be an integer type. Got: {x.dtype}")
        known = get_static_value(a), get_static_value(b)
        if known[0] is not None and known[1] is not None:
            return convert_to_tensor(np.gcd(*known))
        return while_loop(
            lambda _, b: math.greater(b, array.zeros_like(b)),
            lambda a, b: [b, math.floor_mod(a, b)],
            [a, b],
            back_prop=False,
        )[0]


@public("signal.frame", "contrib.signal.frame")
def frame(
    signal: Any,
    frame_length: Any,
    frame_step: Any,
    pad_end: bool = False,
    pad_value: Any = 0,
    axis: Any = -1,
    name: str | None = None,
) -> Tensor:
    """Cut a signal into frames of equal length, which may overlap.

    Args:
        signal: any type, shape `[..., samples, ...]`, rank at least 1.
        frame_length: an int, or a scalar int tensor.
        frame_step: from the start of one frame to the start of the next.
        pad_end: whether to fill up frames that reach beyond the end, rather than leave them out.
        pad_value: what to fill up with.
        axis: the axis of the samples.
        name: the name scope.

    Returns:
        Shape `[..., frames, frame_length, ...]`.

    >>> sess.run(tf.signal.frame([1, 2, 3, 4, 5], 3, 2))
    array([[1, 2, 3],
           [3, 4, 5]], dtype=int32)
    """
    with name_scope(name, "frame", [signal, frame_length, frame_step, pad_value]):
        signal = convert_to_tensor(signal, name="signal")
        frame_length = convert_to_tensor(frame_length, name="frame_length")
        frame_step = convert_to_tensor(frame_step, name="frame_step")
        axis = convert_to_tensor(axis, name="axis")
        signal.shape.with_rank_at_least(1)
        for scalar in (frame_length, frame_step, axis):
            scalar.shape.assert_has_rank(0)
        static = _static_frames(signal, frame_length, frame_step, pad_end, axis)
        rank = array.rank(signal)
        axis = math.range(rank)[axis]
        shape = array.shape(signal)
        outer, samples, inner = array.split(shape, [axis, 1, rank - 1 - axis])
        samples = array.reshape(samples, [])
        outer_rank, inner_rank = array.size(outer), array.size(inner)
        if pad_end:
            pad_value = convert_to_tensor(pad_value, signal.dtype)
            pad_value.shape.assert_has_rank(0)
            frames = -(-samples // frame_step)
            missing = math.maximum(0, frame_length + frame_step * (frames - 1) - samples)
            paddings = array.concat(
                [
                    array.zeros([outer_rank, 2], dtype=missing.dtype),
                    [[0, missing]],
                    array.zeros([inner_rank, 2], dtype=missing.dtype),
                ],
                0,
            )
            signal = array.pad(signal, paddings, constant_values=pad_value)
            shape = array.shape(signal)
            samples = shape[axis]
        else:
            frames = math.maximum(0, 1 + (samples - frame_length) // frame_step)
        # The signal is cut into pieces that both a frame and a step are whole numbers of; frames are gathered of them.
        piece = gcd(frame_length, frame_step)
        pieces_per_frame = frame_length // piece
        pieces_per_step = frame_step // piece
        pieces = samples // piece
        used_shape = array.concat([outer, [pieces * piece], inner], 0)
        pieces_shape = array.concat([outer, [pieces, piece], inner], 0)
        used = array.strided_slice(signal, array.zeros_like(shape), used_shape)
        cut = array.reshape(used, pieces_shape)
        firsts = array.reshape(math.range(frames) * pieces_per_step, [frames, 1])
        selector = firsts + array.reshape(math.range(pieces_per_frame), [1, pieces_per_frame])
        gathered = array.gather(cut, selector, axis=axis)
        result = array.reshape(gathered, array.concat([outer, [frames, frame_length], inner], 0))
        if static:
            result.set_shape(static)
        return result


def _static_frames(signal: Tensor, length: Any, step: Any, pad_end: bool, axis: Any) -> list[Any] | None:
    """The static shape of the frames, as far as it is known."""
    if signal.shape.ndims is None:
        return None
    length, step, axis = (get_static_value(t) for t in (length, step, axis))
    if axis is None:
        return [None] * (signal.shape.ndims + 1)
    sizes = signal.shape.as_list()
    samples = sizes[axis]
    frames = None
    if samples is not None and step is not None:
        if pad_end:
            frames = max(0, -(-samples // step))
        elif length is not None:
            frames = max(0, (samples - length + step) // step)
    return [*sizes[:axis], frames, length, *sizes[axis:][1:]]


@public("signal.overlap_and_add", "contrib.signal.overlap_and_add")
def overlap_and_add(signal: Any, frame_step: Any, name: str | None = None) -> Tensor:
    """Put frames together again: each starts `frame_step` after the one before, and where they overlap they add up.

    Args:
        signal: shape `[..., frames, frame_length]`, rank at least 2.
        frame_step: an int, or a scalar int tensor.
        name: the name scope.

    Returns:
        Shape `[..., frame_length + frame_step * (frames - 1)]`.

    Raises:
        ValueError: if `frame_step` is no int, or a rank is wrong.
    """
    with name_scope(name, "overlap_and_add", [signal, frame_step]):
        signal = convert_to_tensor(signal, name="signal")
        signal.shape.with_rank_at_least(2)
        frame_step = convert_to_tensor(frame_step, name="frame_step")
        frame_step.shape.assert_has_rank(0)
        if not frame_step.dtype.is_integer:
            raise ValueError(f"frame_step must be an integer. Got {frame_step.dtype}")
        sizes = array.shape(signal)
        outer = sizes[:-2]
        outer_rank = array.size(outer)

        def reshaped(x: Tensor, inner: list[Any], **options: Any) -> Tensor:
            return array.reshape(x, array.concat([outer, inner], 0), **options)

        frame_length, frames = sizes[-1], sizes[-2]
        output_length = frame_length + frame_step * (frames - 1)
        step = get_static_value(frame_step)
        if step is not None and signal.shape.dims is not None and step == signal.shape.dims[-1].value:
            return reshaped(signal, [output_length], name="fast_path")
        # Each frame is cut into segments as long as a step. Frame i's segment j belongs at place i + j: laid out as
        # [segments, frames] and read with rows shorter by one, row j is shifted by j, and a sum over rows is left.
        segments = -(-frame_length // frame_step)
        paddings = [[0, segments], [0, segments * frame_step - frame_length]]
        outer_paddings = array.zeros([outer_rank, 2], dtypes.int32)
        signal = array.pad(signal, array.concat([outer_paddings, paddings], 0))
        signal = reshaped(signal, [frames + segments, segments, frame_step])
        perm = array.concat([math.range(outer_rank), outer_rank + [1, 0, 2]], 0)
        signal = array.transpose(signal, perm)
        signal = reshaped(signal, [(frames + segments) * segments, frame_step])
        signal = signal[..., : (frames + segments - 1) * segments, :]
        signal = reshaped(signal, [segments, frames + segments - 1, frame_step])
        signal = math.reduce_sum(signal, -3)
        signal = reshaped(signal, [(frames + segments - 1) * frame_step])
        return signal[..., :output_length]
