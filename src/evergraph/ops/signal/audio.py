"""Sound: WAV files, spectrograms, and the coefficients that speech recognition starts from."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from evergraph.formats import wav
from evergraph.framework.api import public
from evergraph.framework.shapes import ShapeError, with_rank
from evergraph.ops.opdef import kernel_error, op

# WAV files


def _field(data: bytes, offset: int, form: str) -> tuple[Any, int]:
    size = struct.calcsize(form)
    if offset + size > len(data):
        raise kernel_error("Data too short when trying to read string")
    return struct.unpack_from("<" + form, data, offset)[0], offset + size


def _expect(data: bytes, offset: int, text: bytes) -> int:
    found, offset = _field(data, offset, "4s")
    if found != text:
        raise kernel_error(f"Header mismatch: Expected {text.decode()} but found {found.decode('latin-1')}")
    return offset


def _read_wav(data: bytes) -> tuple[np.ndarray, int]:
    """The samples of a WAV file of 16 bits, int16 of shape [samples, channels], and the sample rate."""
    offset = _expect(data, 0, b"RIFF")
    _, offset = _field(data, offset, "I")
    offset = _expect(data, _expect(data, offset, b"WAVE"), b"fmt ")
    header_size, offset = _field(data, offset, "I")
    if header_size not in (16, 18):
        raise kernel_error(f"Bad file size for WAV: Expected 16 or 18, but got{header_size}")
    kind, offset = _field(data, offset, "H")
    if kind != 1:
        raise kernel_error(f"Bad audio format for WAV: Expected 1 (PCM), but got{kind}")
    channels, offset = _field(data, offset, "H")
    if channels < 1:
        raise kernel_error(f"Bad number of channels for WAV: Expected at least 1, but got {channels}")
    sample_rate, offset = _field(data, offset, "I")
    bytes_per_second, offset = _field(data, offset, "I")
    bytes_per_sample, offset = _field(data, offset, "H")
    bits, offset = _field(data, offset, "H")
    if bits != 16:
        raise kernel_error(f"Can only read 16-bit WAV files, but received {bits}")
    if bytes_per_sample != 2 * channels:
        raise kernel_error(f"Bad bytes per sample in WAV header: Expected {2 * channels} but got {bytes_per_sample}")
    if bytes_per_second != bytes_per_sample * sample_rate % (1 << 32):
        raise kernel_error(
            f"Bad bytes per second in WAV header: Expected {bytes_per_sample * sample_rate} but got "
            f"{bytes_per_second} (sample_rate={sample_rate}, bytes_per_sample={bytes_per_sample})"
        )
    offset += header_size - 16
    samples = None
    while offset < len(data):
        name, offset = _field(data, offset, "4s")
        size, offset = _field(data, offset, "I")
        if size > np.iinfo(np.int32).max:
            raise kernel_error(
                f"WAV data chunk '{name.decode('latin-1')}' is too large: {size} bytes, but the limit is "
                f"{np.iinfo(np.int32).max}"
            )
        if name != b"data":
            offset += size
            continue
        if samples is not None:
            raise kernel_error("More than one data chunk found in WAV")
        count = size // bytes_per_sample * channels
        if offset + 2 * count > len(data):
            raise kernel_error("Data too short when trying to read string")
        samples = np.frombuffer(data, "<i2", count, offset).reshape(-1, channels)
        offset += 2 * count
    if samples is None:
        raise kernel_error("No data chunk found in WAV")
    return samples, sample_rate


def _fixed(size: int, what: str) -> int | None:
    if size < -1:
        raise ShapeError(f"{what} must be non-negative, got {size}")
    return None if size == -1 else size


@public("audio.decode_wav", "contrib.framework.audio_ops.decode_wav")
@op("DecodeWav", host=True, differentiable=False)
def decode_wav(xp: Any, contents: Any, *, desired_channels: int, desired_samples: int) -> Any:
    """The samples of a WAV file of 16 bits: floats between -1 and 1, shape `[samples, channels]`; and the sample rate.

    Channels that are missing are the last one again, samples that are missing are 0.
    """
    if np.ndim(contents):
        raise kernel_error(f"contents must be scalar, got shape {list(contents.shape)}")
    samples, sample_rate = _read_wav(contents.item())
    channels = samples.shape[1]
    wanted = [channels if desired_channels == -1 else desired_channels]
    length = len(samples) if desired_samples == -1 else desired_samples
    picked = samples[:length, np.minimum(np.arange(wanted[0]), channels - 1)]
    audio = np.zeros((length, wanted[0]), np.float32)
    audio[: len(picked)] = picked.astype(np.float32) * np.float32(1 / (1 << 15))
    return audio, np.array(sample_rate, np.uint32).astype(np.int32)


@decode_wav.shape
def decode_wav_shape(contents: Any, *, desired_channels: int, desired_samples: int) -> Any:
    with_rank(contents, 0)
    return (_fixed(desired_samples, "samples"), _fixed(desired_channels, "channels")), ()


@public("audio.encode_wav", "contrib.framework.audio_ops.encode_wav")
@op("EncodeWav", host=True, differentiable=False)
def encode_wav(xp: Any, audio: Any, sample_rate: Any) -> Any:
    """The WAV file, 16 bits a sample, of floats between -1 and 1, shape `[samples, channels]`."""
    if audio.ndim != 2:
        raise kernel_error(f"audio must be 2-dimensional, got shape {list(audio.shape)}")
    frames, channels = audio.shape
    rate = int(sample_rate) % (1 << 64)
    if rate == 0 or rate >= 1 << 32:
        raise kernel_error(f"sample_rate must be in (0, 2^32), got: {rate}")
    if not 0 < channels < 1 << 16:
        raise kernel_error(f"num_channels must be in (0, 2^16), got: {channels}")
    if frames == 0:
        raise kernel_error("num_frames must be positive.")
    made = np.empty((), object)
    made[()] = wav.encode(audio, rate)
    return made


@encode_wav.shape
def encode_wav_shape(audio: Any, sample_rate: Any) -> Any:
    with_rank(audio, 2)
    with_rank(sample_rate, 0)
    return ()


# Spectrograms


def _power_of_two(n: int) -> int:
    return 1 << max(0, n - 1).bit_length()


@public("contrib.framework.audio_ops.audio_spectrogram")
@op("AudioSpectrogram")
def audio_spectrogram(xp: Any, input: Any, *, window_size: int, stride: int, magnitude_squared: bool) -> Any:
    """Magnitudes of the spectra of frames, faded by a Hann window; `[samples, channels]` to `[channels, frames, n]`.

    The Fourier transform is of the power of 2 not below `window_size`; `n` is half of that and one.
    """
    if input.ndim != 2:
        raise kernel_error(f"input must be 2-dimensional, got shape {list(input.shape)}")
    if window_size < 2 or stride < 1:
        raise kernel_error(f"Spectrogram initialization failed for window size {window_size} and stride {stride}")
    size = _power_of_two(window_size)
    channels, frames = input.shape[1], _frame_count(input.shape[0], window_size, stride)
    if frames == 0 or channels == 0:
        return xp.zeros((channels, frames, 1 + size // 2), np.float32)
    places = np.arange(frames)[:, None] * stride + np.arange(window_size)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window_size) / window_size)
    framed = xp.take(input.T, places, axis=1).astype(np.float64) * window
    spectra = xp.fft.rfft(framed, n=size)
    power = (spectra.real * spectra.real + spectra.imag * spectra.imag).astype(np.float32)
    return power if magnitude_squared else xp.sqrt(power)


def _frame_count(samples: int, window_size: int, stride: int) -> int:
    return 0 if samples < window_size else 1 + (samples - window_size) // stride


@audio_spectrogram.shape
def audio_spectrogram_shape(input: Any, *, window_size: int, stride: int) -> Any:
    samples, channels = with_rank(input, 2)
    frames = None if samples is None or stride < 1 else _frame_count(samples, window_size, stride)
    return channels, frames, 1 + _power_of_two(window_size) // 2


def _mel_bands(bins: int, sample_rate: float, channels: int, lowest: float, highest: float) -> np.ndarray | None:
    """A matrix [bins, channels] that makes mel bands of the magnitudes of a spectrum: triangles that overlap.

    None if the bands go beyond the spectrum.
    """
    problem = (
        "Number of filterbank channels must be positive." if channels < 1
        else "Sample rate must be positive." if sample_rate <= 0
        else "Input length must greater than 1." if bins < 2
        else "Lower frequency limit must be nonnegative." if lowest < 0
        else "Upper frequency limit must be greater than lower frequency limit." if highest <= lowest
        else ""
    )  # fmt: skip
    if problem:
        raise kernel_error(problem)

    def mel(hertz: Any) -> Any:
        return 1127.0 * np.log1p(hertz / 700.0)

    spacing = (mel(highest) - mel(lowest)) / (channels + 1)
    centres = mel(lowest) + spacing * np.arange(channels + 2)  # the lower edge, a centre per channel, the upper edge
    hertz_per_bin = 0.5 * sample_rate / (bins - 1)
    first, last = int(1.5 + lowest / hertz_per_bin), int(highest / hertz_per_bin)
    if last >= bins:  # TensorFlow logs "Input too short to compute filterbank", and gives zeros
        return None
    used = np.arange(first, last + 1)
    places = mel(used * hertz_per_bin)
    below = np.searchsorted(centres[1:-1], places)  # the channel whose rising slope a bin is on
    falling = (centres[below + 1] - places) / (centres[below + 1] - centres[below])
    matrix = np.zeros((bins, channels + 2))
    matrix[used, below] = falling
    matrix[used, below + 1] = 1 - falling
    return matrix[:, 1:-1]


@public("contrib.framework.audio_ops.mfcc")
@op("Mfcc", static=("sample_rate",))
def mfcc(
    xp: Any,
    spectrogram: Any,
    sample_rate: Any,
    *,
    upper_frequency_limit: float,
    lower_frequency_limit: float,
    filterbank_channel_count: int,
    dct_coefficient_count: int,
) -> Any:
    """Mel-frequency cepstral coefficients of power spectrograms; `[channels, frames, n]` to `[channels, frames, k]`."""
    if spectrogram.ndim != 3:
        raise kernel_error(f"spectrogram must be 3-dimensional, got shape {list(spectrogram.shape)}")
    bands, k = filterbank_channel_count, dct_coefficient_count
    if not 0 < k <= bands:
        raise kernel_error(
            f"Mfcc initialization failed for channel count {spectrogram.shape[2]} and sample rate {sample_rate}"
        )
    limits = np.float32(lower_frequency_limit), np.float32(upper_frequency_limit)
    to_mel = _mel_bands(spectrogram.shape[2], float(sample_rate), bands, float(limits[0]), float(limits[1]))
    if to_mel is None:
        return xp.zeros((*spectrogram.shape[:2], k), np.float32)
    in_bands = xp.sqrt(spectrogram.astype(np.float64)) @ to_mel
    logs = xp.log(xp.maximum(in_bands, 1e-12))
    angles = np.pi / bands * np.arange(k) * (np.arange(bands)[:, None] + 0.5)
    return (logs @ (np.sqrt(2.0 / bands) * np.cos(angles))).astype(np.float32)


@mfcc.shape
def mfcc_shape(spectrogram: Any, sample_rate: Any, *, dct_coefficient_count: int) -> Any:
    channels, frames, _ = with_rank(spectrogram, 3)
    return channels, frames, dct_coefficient_count
