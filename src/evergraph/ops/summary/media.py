"""Summaries of images and sound."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.formats import messages, png, wav
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.summary.numbers import one_tag, scalar_shape, serialized


def _bracketed(array: np.ndarray) -> str:
    return "[" + ",".join(map(str, array.shape)) + "]"


@op("ImageSummary", host=True, differentiable=False, shape=scalar_shape)
def image_summary(xp: Any, tag: Any, tensor: Any, *, max_images: int, bad_color: Any) -> np.ndarray:
    """PNGs of the first images: uint8 as they are, floats scaled to the whole range.

    Floats that are all positive are scaled so that the largest is 255, others so that zero is 128. A pixel with a value
    that is no number gets `bad_color`.
    """
    return serialized(images_summary(one_tag(tag), tensor, max_images, _checked_color(bad_color)))


def images_summary(name: str, tensor: Any, max_images: int, bad: np.ndarray) -> Any:
    """A `Summary` of the first images."""
    images = np.asarray(tensor)
    if images.ndim != 4 or images.shape[3] not in (1, 3, 4):
        raise kernel_error(f"Tensor must be 4-D with last dim 1, 3, or 4, not {_bracketed(images)}")
    batch, height, width, depth = images.shape
    if height * width >= 1 << 29:
        raise kernel_error(f"Tensor too large for summary {_bracketed(images)}")
    if not height * width:
        raise kernel_error(f"input tensor must have non-zero dims. Found: [{batch}, {height}, {width}, {depth}].")
    if images.dtype != np.uint8 and bad.size < depth:
        raise kernel_error(f"expected depth <= bad_color.size, got depth = {depth}, bad_color.size = {bad.size}")
    summary = messages.Summary()
    for i in range(min(batch, max_images)):
        image = images[i] if images.dtype == np.uint8 else _scaled(images[i], bad[:depth])
        value = summary.value.add(tag=f"{name}/image/{i}" if max_images > 1 else f"{name}/image")
        value.image.height, value.image.width, value.image.colorspace = height, width, depth
        value.image.encoded_image_string = png.encode(image)
    return summary


# In the table of OpDefs this default is text.
image_summary.opdef.attr_map["bad_color"].default = np.array([255, 0, 0, 255], np.uint8)


def _checked_color(value: np.ndarray) -> np.ndarray:
    if value.dtype != np.uint8:
        raise kernel_error(f"bad_color must be uint8, got {value.dtype}")
    if value.ndim != 1:
        raise kernel_error(f"bad_color must be a vector, got shape {_bracketed(value)}")
    return value


def _scaled(image: np.ndarray, bad_color: np.ndarray) -> np.ndarray:
    kind = image.dtype.type
    finite = np.isfinite(image).all(axis=-1)
    values = image[finite].astype(np.float32)
    low = values.min(initial=np.float32(np.inf))
    high = values.max(initial=np.float32(-np.inf))
    least = np.float32(1e-6)
    if low < 0:
        largest = max(abs(low), abs(high))
        scale, offset = np.float32(0) if largest < least else np.float32(127) / largest, 128
    else:
        scale, offset = np.float32(0) if high < least else np.float32(255) / high, 0
    out = np.empty(image.shape, np.uint8)
    with np.errstate(all="ignore"):
        out[finite] = (image[finite] * kind(scale) + kind(offset)).astype(np.uint8)
    out[~finite] = bad_color
    return out


def audio_values(name: str, tensor: Any, sample_rate: float, max_outputs: int) -> Any:
    """A `Summary` of the first sounds."""
    sounds = np.asarray(tensor)
    if sounds.ndim not in (2, 3):
        raise kernel_error(f"Tensor must be 3-D or 2-D, got: {_bracketed(sounds)}")
    if not sample_rate > 0:
        raise kernel_error("sample_rate must be > 0")
    if sounds.ndim == 2:
        sounds = sounds[:, :, None]
    batch, frames, channels = sounds.shape
    summary = messages.Summary()
    for i in range(min(batch, max_outputs)):
        value = summary.value.add(tag=f"{name}/audio/{i}" if max_outputs > 1 else f"{name}/audio")
        audio = value.audio
        audio.sample_rate, audio.num_channels, audio.length_frames = sample_rate, channels, frames
        audio.content_type = "audio/wav"
        audio.encoded_audio_string = wav.encode(sounds[i], max(1, round(sample_rate)))
    return summary


@op("AudioSummaryV2", host=True, differentiable=False, shape=scalar_shape)
def audio_summary_v2(xp: Any, tag: Any, tensor: Any, sample_rate: Any, *, max_outputs: int) -> np.ndarray:
    """WAV sound of the first rows, with values between -1 and 1."""
    rate = float(np.asarray(sample_rate).reshape(-1)[0])
    return serialized(audio_values(one_tag(tag), tensor, rate, max_outputs))


@op("AudioSummary", host=True, differentiable=False, shape=scalar_shape)
def audio_summary(xp: Any, tag: Any, tensor: Any, *, sample_rate: float, max_outputs: int) -> np.ndarray:
    """The same with the sample rate as an attribute."""
    return serialized(audio_values(one_tag(tag), tensor, sample_rate, max_outputs))
