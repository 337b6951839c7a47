"""The mel scale, on which pitches that sound equally far apart are so."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math
from evergraph.ops.signal.frames import frame
from evergraph.ops.spectral import dct
from evergraph.ops.static_values import get_static_value

# O'Shaughnessy's formula: mel = 1127 * log(1 + hertz / 700).
MEL_BREAK_FREQUENCY_HERTZ = 700.0
MEL_HIGH_FREQUENCY_Q = 1127.0


def mel_to_hertz(mel_values: Any, name: str | None = None) -> Tensor:
    """The frequencies of pitches on the mel scale."""
    with name_scope(name, "mel_to_hertz", [mel_values]):
        mel_values = convert_to_tensor(mel_values)
        return MEL_BREAK_FREQUENCY_HERTZ * (math.exp(mel_values / MEL_HIGH_FREQUENCY_Q) - 1.0)


def hertz_to_mel(frequencies_hertz: Any, name: str | None = None) -> Tensor:
    """Where frequencies are on the mel scale."""
    with name_scope(name, "hertz_to_mel", [frequencies_hertz]):
        frequencies_hertz = convert_to_tensor(frequencies_hertz)
        return MEL_HIGH_FREQUENCY_Q * math.log(1.0 + frequencies_hertz / MEL_BREAK_FREQUENCY_HERTZ)


def _check(bins: int, sample_rate: Any, lower_edge_hertz: float, upper_edge_hertz: float, dtype: Any) -> None:
    if bins <= 0:
        raise ValueError(f"num_mel_bins must be positive. Got: {bins}")
    if sample_rate <= 0.0:
        raise ValueError(f"sample_rate must be positive. Got: {sample_rate}")
    if lower_edge_hertz < 0.0:
        raise ValueError(f"lower_edge_hertz must be non-negative. Got: {lower_edge_hertz}")
    if lower_edge_hertz >= upper_edge_hertz:
        raise ValueError(f"lower_edge_hertz {lower_edge_hertz:.1f} >= upper_edge_hertz {upper_edge_hertz:.1f}")
    if upper_edge_hertz > sample_rate / 2:
        raise ValueError(
            "upper_edge_hertz must not be larger than the Nyquist frequency (sample_rate / 2). "
            f"Got: {upper_edge_hertz} for sample_rate: {sample_rate}"
        )
    if not dtype.is_floating:
        raise ValueError(f"dtype must be a floating point type. Got: {dtype}")


@public("signal.linear_to_mel_weight_matrix", "contrib.signal.linear_to_mel_weight_matrix")
def linear_to_mel_weight_matrix(
    num_mel_bins: int = 20,
    num_spectrogram_bins: int = 129,
    sample_rate: Any = 8000,
    lower_edge_hertz: float = 125.0,
    upper_edge_hertz: float = 3800.0,
    dtype: Any = dtypes.float32,
    name: str | None = None,
) -> Tensor:
    """A matrix that spectrograms are multiplied by to get them on the mel scale: triangles that overlap.

    Args:
        num_mel_bins: how many bands there are.
        num_spectrogram_bins: how many frequencies a spectrogram has, from 0 to half of `sample_rate`.
        sample_rate: samples a second; a number, or a tensor that is known while the graph is built.
        lower_edge_hertz: where the first band begins.
        upper_edge_hertz: where the last band ends.
        dtype: a floating point type.
        name: the name scope.

    Returns:
        `dtype`, shape `[num_spectrogram_bins, num_mel_bins]`.

    Raises:
        ValueError: for numbers that make no sense.
    """
    dtype = dtypes.as_dtype(dtype)
    with name_scope(name, "linear_to_mel_weight_matrix") as scope:
        if isinstance(sample_rate, Tensor):
            sample_rate = get_static_value(sample_rate)
            if sample_rate is None:
                raise ValueError(
                    "`sample_rate` was a non-constant Tensor. Must be a Python float or a constant Tensor."
                )
        _check(num_mel_bins, sample_rate, lower_edge_hertz, upper_edge_hertz, dtype)
        rate = convert_to_tensor(sample_rate, dtype, name="sample_rate")
        lower_hertz = convert_to_tensor(lower_edge_hertz, dtype, name="lower_edge_hertz")
        upper_hertz = convert_to_tensor(upper_edge_hertz, dtype, name="upper_edge_hertz")
        zero = convert_to_tensor(0.0, dtype)
        nyquist = rate / 2.0
        # The band of frequency 0 gets no weight.
        frequencies = math.linspace(zero, nyquist, num_spectrogram_bins)[1:]
        bins = array.expand_dims(hertz_to_mel(frequencies), 1)
        lowest, highest = hertz_to_mel(lower_hertz), hertz_to_mel(upper_hertz)
        edges = frame(math.linspace(lowest, highest, num_mel_bins + 2), frame_length=3, frame_step=1)
        lower, centre, upper = (array.reshape(t, [1, num_mel_bins]) for t in array.split(edges, 3, axis=1))
        rising = (bins - lower) / (centre - lower)
        falling = (upper - bins) / (upper - centre)
        weights = math.maximum(zero, math.minimum(rising, falling))
        return array.pad(weights, [[1, 0], [0, 0]], name=scope)


@public("signal.mfccs_from_log_mel_spectrograms", "contrib.signal.mfccs_from_log_mel_spectrograms")
def mfccs_from_log_mel_spectrograms(log_mel_spectrograms: Any, name: str | None = None) -> Tensor:
    """Mel-frequency cepstral coefficients: an orthonormal cosine transform, but for its first number.

    Args:
        log_mel_spectrograms: float32, shape `[..., bands]`: logarithms of spectrograms on the mel scale.
        name: the name scope.

    Returns:
        float32, the same shape.

    Raises:
        ValueError: if there are no bands.
    """
    with name_scope(name, "mfccs_from_log_mel_spectrograms", [log_mel_spectrograms]):
        spectrograms = convert_to_tensor(log_mel_spectrograms, dtype=dtypes.float32)
        bands: Any = spectrograms.shape.as_list()[-1] if spectrograms.shape.ndims else None
        if bands == 0:
            raise ValueError(f"num_mel_bins must be positive. Got: {spectrograms}")
        if bands is None:
            bands = array.shape(spectrograms)[-1]
        coefficients = dct(spectrograms, type=2)
        return coefficients * math.rsqrt(math.cast(bands, dtypes.float32) * 2.0)
