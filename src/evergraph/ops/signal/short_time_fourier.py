"""Short-time Fourier transforms: the spectrum of each frame of a signal, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math
from evergraph.ops.constant import constant
from evergraph.ops.signal.frames import frame, overlap_and_add
from evergraph.ops.signal.windows import hann_window
from evergraph.ops.spectral import irfft, rfft
from evergraph.ops.static_values import get_static_value

Window = Callable[..., Tensor]


def _scalar(value: Any, name: str) -> Tensor:
    tensor = convert_to_tensor(value, name=name)
    tensor.shape.assert_has_rank(0)
    return tensor


@public("signal.stft", "contrib.signal.stft")
def stft(
    signals: Any,
    frame_length: Any,
    frame_step: Any,
    fft_length: Any = None,
    window_fn: Window | None = hann_window,
    pad_end: bool = False,
    name: str | None = None,
) -> Tensor:
    """The spectra of the frames of a signal.

    Args:
        signals: float32, shape `[..., samples]`.
        frame_length: how many samples a frame has.
        frame_step: from the start of one frame to the start of the next.
        fft_length: the size of the Fourier transform; by default, the power of 2 not below `frame_length`.
        window_fn: called with the length of a frame and `dtype`, gives what frames are multiplied by; or None.
        pad_end: whether to fill up frames that reach beyond the end with 0, rather than leave them out.
        name: the name scope.

    Returns:
        complex64, shape `[..., frames, fft_length // 2 + 1]`.
    """
    with name_scope(name, "stft", [signals, frame_length, frame_step]):
        signals = convert_to_tensor(signals, name="signals")
        signals.shape.with_rank_at_least(1)
        frame_length = _scalar(frame_length, "frame_length")
        frame_step = _scalar(frame_step, "frame_step")
        if fft_length is None:
            fft_length = _enclosing_power_of_two(frame_length)
        else:
            fft_length = convert_to_tensor(fft_length, name="fft_length")
        framed = frame(signals, frame_length, frame_step, pad_end=pad_end)
        if window_fn is not None:
            framed *= window_fn(frame_length, dtype=framed.dtype)
        return rfft(framed, [fft_length])


@public("signal.inverse_stft_window_fn", "contrib.signal.inverse_stft_window_fn")
def inverse_stft_window_fn(frame_step: Any, forward_window_fn: Window = hann_window, name: str | None = None) -> Window:
    """A window for `inverse_stft` that, after `stft` with the window `forward_window_fn`, gives the signal again.

    Args:
        frame_step: from the start of one frame to the start of the next.
        forward_window_fn: the window that `stft` was given.
        name: the name scope.

    Returns:
        A function of the length of a frame and `dtype`.
    """
    with name_scope(name, "inverse_stft_window_fn", [forward_window_fn]):
        frame_step = _scalar(frame_step, "frame_step")

    def window(frame_length: Any, dtype: Any) -> Tensor:
        """The window for frames of this length."""
        with name_scope(name, "inverse_stft_window_fn", [forward_window_fn]):
            frame_length = _scalar(frame_length, "frame_length")
            forward = forward_window_fn(frame_length, dtype=dtype)
            power = math.square(forward)
            overlaps = -(-frame_length // frame_step)
            power = array.pad(power, [(0, overlaps * frame_step - frame_length)])
            power = array.reshape(power, [overlaps, frame_step])
            power = math.reduce_sum(power, 0, keepdims=True)
            power = array.tile(power, [overlaps, 1])
            power = array.reshape(power, [overlaps * frame_step])
            return forward / power[:frame_length]

    return window


@public("signal.inverse_stft", "contrib.signal.inverse_stft")
def inverse_stft(
    stfts: Any,
    frame_length: Any,
    frame_step: Any,
    fft_length: Any = None,
    window_fn: Window | None = hann_window,
    name: str | None = None,
) -> Tensor:
    """The signal of which `stfts` are the spectra of frames, if the window is that of `inverse_stft_window_fn`.

    Args:
        stfts: complex64, shape `[..., frames, fft_length // 2 + 1]`.
        frame_length: how many samples a frame has.
        frame_step: from the start of one frame to the start of the next.
        fft_length: the size of the Fourier transform; by default, the power of 2 not below `frame_length`.
        window_fn: called with the length of a frame and `dtype`, gives what frames are multiplied by; or None.
        name: the name scope.

    Returns:
        float32, shape `[..., frame_length + frame_step * (frames - 1)]`.
    """
    with name_scope(name, "inverse_stft", [stfts]):
        stfts = convert_to_tensor(stfts, name="stfts")
        stfts.shape.with_rank_at_least(2)
        frame_length = _scalar(frame_length, "frame_length")
        frame_step = _scalar(frame_step, "frame_step")
        if fft_length is None:
            fft_length = _enclosing_power_of_two(frame_length)
        else:
            fft_length = _scalar(fft_length, "fft_length")
        frames = _cut_or_filled(irfft(stfts, [fft_length]), frame_length)
        if window_fn is not None:
            frames *= window_fn(frame_length, dtype=stfts.dtype.real_dtype)
        return overlap_and_add(frames, frame_step)


def _cut_or_filled(frames: Tensor, frame_length: Tensor) -> Tensor:
    """Frames of the length `frame_length`, whatever length the Fourier transform gave them."""
    wanted = get_static_value(frame_length)
    rank: Any = frames.shape.ndims
    given = None if rank is None else frames.shape.as_list()[-1]
    if wanted is None or given is None:
        frames = frames[..., :frame_length]
        rank_tensor = array.rank(frames)
        shape = array.shape(frames)
        outer = array.zeros([rank_tensor - 1, 2], dtype=frame_length.dtype)
        missing = math.maximum(0, frame_length - shape[-1])
        frames = array.pad(frames, array.concat([outer, [[0, missing]]], 0))
    elif given > wanted:
        frames = frames[..., :wanted]
    elif given < wanted:
        frames = array.pad(frames, [[0, 0]] * (rank - 1) + [[0, wanted - given]])
    if wanted is not None and rank is not None:
        frames.set_shape([None] * (rank - 1) + [wanted])
    return frames


def _enclosing_power_of_two(value: Tensor) -> Tensor:
    known = get_static_value(value)
    if known is not None:
        return constant(int(2 ** np.ceil(np.log(known) / np.log(2.0))), value.dtype)
    exponent = math.ceil(math.log(math.cast(value, dtypes.float32)) / math.log(2.0))
    return math.cast(math.pow(2.0, exponent), value.dtype)
