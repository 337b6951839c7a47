"""Signals: frames, windows, short-time Fourier transforms, mel scales, sound."""

import struct

import numpy as np
from ops.case import Case, floats

CASES = []
LOOSE = {"rtol": 2e-4, "atol": 2e-5}


def case(name, call, *inputs, **options):
    CASES.append(Case(name, call, *inputs, **dict(LOOSE, **options)))


SIGNAL = floats(2, 23)
INTS = np.arange(24, dtype=np.int32).reshape(2, 12)
for _length, _step in ((4, 2), (5, 3), (3, 5), (12, 1), (13, 2)):
    case(
        "_".join(["frame", str(_length), str(_step)]), lambda tf, x, a=_length, b=_step: tf.signal.frame(x, a, b), INTS
    )
    case(
        "_".join(["frame", str(_length), str(_step), "filled"]),
        lambda tf, x, a=_length, b=_step: tf.signal.frame(x, a, b, pad_end=True, pad_value=-1),
        INTS,
    )
case("frame_first_axis", lambda tf, x: tf.signal.frame(x, 2, 1, axis=0), INTS)
case("frame_gradient", lambda tf, x: tf.signal.frame(x, 5, 3), SIGNAL.astype(np.float64))
case("frame_open", lambda tf, x: tf.signal.frame(x, 4, 2), SIGNAL, shapes={0: None})
case(
    "frame_sizes_fed",
    lambda tf, x, a, b: tf.signal.frame(x, a, b, pad_end=True),
    SIGNAL,
    np.int32(6),
    np.int32(4),
)
case("frame_refused", lambda tf, x: tf.signal.frame(x, [4], 2), SIGNAL)
FRAMES = floats(2, 4, 6, dtype=np.float64)
for _step in (1, 2, 4, 6, 7):
    case("overlap_" + str(_step), lambda tf, x, s=_step: tf.signal.overlap_and_add(x, s), FRAMES)
case("overlap_open", lambda tf, x, s: tf.signal.overlap_and_add(x, s), FRAMES, np.int32(4), shapes={0: None})
case("overlap_refused_step", lambda tf, x: tf.signal.overlap_and_add(x, 2.0), FRAMES)
case("overlap_refused_rank", lambda tf, x: tf.signal.overlap_and_add(x[0, 0], 2), FRAMES)
for _n in (1, 2, 7, 8):
    case(
        "windows_" + str(_n),
        lambda tf, x, n=_n: [
            tf.signal.hann_window(n),
            tf.signal.hann_window(n, periodic=False),
            tf.signal.hamming_window(n, dtype=tf.float64),
            tf.signal.hamming_window(n, periodic=False, dtype=tf.float64),
        ],
        np.int32(_n),
    )
    case("window_of_fed_" + str(_n), lambda tf, n: tf.signal.hann_window(n), np.int32(_n))
case("window_refused", lambda tf, n: tf.signal.hann_window(n, dtype=tf.int32), np.int32(4))
case("stft", lambda tf, x: tf.signal.stft(x, 8, 4), SIGNAL, gradient=False)
case(
    "stft_options",
    lambda tf, x: tf.signal.stft(x, 7, 3, fft_length=12, window_fn=tf.signal.hamming_window, pad_end=True),
    SIGNAL,
    gradient=False,
)
case("stft_plain", lambda tf, x: tf.signal.stft(x, 6, 3, window_fn=None), SIGNAL, gradient=False)
case("stft_open", lambda tf, x: tf.signal.stft(x, 8, 4), SIGNAL, shapes={0: [None, None]}, gradient=False)
case("stft_length_fed", lambda tf, x, n: tf.signal.stft(x, n, 4), SIGNAL, np.int32(6), gradient=False)


def _there_and_back(tf, x, length, step, fft):
    spectra = tf.signal.stft(x, length, step, fft_length=fft)
    return tf.signal.inverse_stft(
        spectra, length, step, fft_length=fft, window_fn=tf.signal.inverse_stft_window_fn(step)
    )


case("inverse_stft", lambda tf, x: _there_and_back(tf, x, 8, 4, 8), SIGNAL, gradient=False)
case("inverse_stft_cut", lambda tf, x: _there_and_back(tf, x, 6, 2, 8), SIGNAL, gradient=False)
case("inverse_stft_filled", lambda tf, x: _there_and_back(tf, x, 10, 5, 8), SIGNAL, gradient=False)
case("inverse_stft_default", lambda tf, x: _there_and_back(tf, x, 6, 3, None), SIGNAL, gradient=False)
case(
    "inverse_stft_fed",
    lambda tf, x, n: tf.signal.inverse_stft(tf.signal.stft(x, n, 4), n, 4),
    SIGNAL,
    np.int32(8),
    gradient=False,
)
case("mel", lambda tf, n: tf.signal.linear_to_mel_weight_matrix(), np.int32(0))
case(
    "mel_options",
    lambda tf, n: tf.signal.linear_to_mel_weight_matrix(8, 33, 16000, 80.0, 7600.0, tf.float64),
    np.int32(0),
)
for _name, _args in {
    "bins": (0,),
    "rate": (8, 33, 0),
    "lower": (8, 33, 8000, -1.0),
    "order": (8, 33, 8000, 300.0, 200.0),
    "nyquist": (8, 33, 8000, 80.0, 7600.0),
}.items():
    case("mel_refused_" + _name, lambda tf, n, a=_args: tf.signal.linear_to_mel_weight_matrix(*a), np.int32(0))
case("mfccs", lambda tf, x: tf.signal.mfccs_from_log_mel_spectrograms(x), floats(2, 3, 10), gradient=False)
case(
    "mfccs_open",
    lambda tf, x: tf.signal.mfccs_from_log_mel_spectrograms(x),
    floats(2, 3, 10),
    shapes={0: [None, None, None]},
    gradient=False,
)

# Sound


def audio_ops(tf):
    try:
        from tensorflow.contrib.framework.python.ops import audio_ops as ops

        return ops
    except ImportError:
        return tf.contrib.framework.audio_ops


def wav(samples, channels=1, rate=8000, bits=16, kind=1, extra=b"", more=b"", size=None):
    """A WAV file."""
    data = samples.astype("<i2").tobytes()
    block = channels * bits // 8
    header = struct.pack("<HHIIHH", kind, channels, rate, rate * block, block, bits) + extra
    body = b"WAVEfmt " + struct.pack("<I", len(header)) + header + more
    body += b"data" + struct.pack("<I", len(data) if size is None else size) + data
    return np.array(b"RIFF" + struct.pack("<I", len(body)) + body)


SOUND = np.array([[0, 100], [-32768, 32767], [1, -1], [5, 6]])
STEREO = wav(SOUND, 2)
for _name, _options in {
    "as_it_is": {},
    "one_channel": {"desired_channels": 1},
    "three_channels": {"desired_channels": 3},
    "fewer_samples": {"desired_samples": 2},
    "more_samples": {"desired_samples": 6},
}.items():
    case("decode_wav_" + _name, lambda tf, s, o=_options: list(tf.audio.decode_wav(s, **o)), STEREO)
case("decode_wav_mono", lambda tf, s: list(tf.audio.decode_wav(s)), wav(np.arange(5), rate=44100))
case("decode_wav_other_chunks", lambda tf, s: list(tf.audio.decode_wav(s)), wav(SOUND, 2, more=b"LIST\4\0\0\0abcd"))
case("decode_wav_long_header", lambda tf, s: list(tf.audio.decode_wav(s)), wav(SOUND, 2, extra=b"\0\0"))
for _name, _file in {
    "empty": np.array(b""),
    "cut": np.array(STEREO.item()[:30]),
    "text": np.array(b"not a sound"),
    "8_bits": wav(SOUND, 2, bits=8),
    "compressed": wav(SOUND, 2, kind=3),
    "no_channels": wav(SOUND, 0),
    "too_long": wav(SOUND, 2, size=1000),
    "no_data": np.array(STEREO.item()[:36]),
}.items():
    case("decode_wav_refused_" + _name, lambda tf, s: list(tf.audio.decode_wav(s)), _file)
case("decode_wav_refused_count", lambda tf, s: list(tf.audio.decode_wav(s, desired_channels=-2)), STEREO)
case("encode_wav", lambda tf, x: tf.audio.encode_wav(x, 8000), floats(5, 2, low=-1.2, high=1.2))
case("encode_wav_refused_rate", lambda tf, x: tf.audio.encode_wav(x, 0), floats(5, 2))
case("encode_wav_refused_rank", lambda tf, x: tf.audio.encode_wav(x[0], 8000), floats(5, 2))
case("encode_wav_refused_empty", lambda tf, x: tf.audio.encode_wav(x[:0], 8000), floats(5, 2))
TONES = np.sin(0.3 * np.arange(60)[:, None] ** 1.2).astype(np.float32)  # TensorFlow fails on a second channel
case(
    "spectrogram",
    lambda tf, x: [
        audio_ops(tf).audio_spectrogram(x, window_size=16, stride=8),
        audio_ops(tf).audio_spectrogram(x, window_size=10, stride=7, magnitude_squared=True),
        audio_ops(tf).audio_spectrogram(x, window_size=80, stride=7),
    ],
    TONES,
    gradient=False,
)
case(
    "spectrogram_open",
    lambda tf, x: audio_ops(tf).audio_spectrogram(x, window_size=16, stride=8),
    TONES,
    shapes={0: [None, None]},
    gradient=False,
)
case(
    "spectrogram_refused",
    lambda tf, x: audio_ops(tf).audio_spectrogram(x, window_size=1, stride=8),
    TONES,
    gradient=False,
)
POWER = floats(2, 3, 129, low=0.0, high=4.0)
case("mfcc", lambda tf, x: audio_ops(tf).mfcc(x, 16000), POWER, gradient=False)
case(
    "mfcc_options",
    lambda tf, x: audio_ops(tf).mfcc(
        x,
        8000,
        upper_frequency_limit=3500,
        lower_frequency_limit=100,
        filterbank_channel_count=10,
        dct_coefficient_count=10,
    ),
    POWER,
    gradient=False,
)
case("mfcc_beyond", lambda tf, x: audio_ops(tf).mfcc(x, 4000), POWER, gradient=False)
case("mfcc_refused_rate", lambda tf, x: audio_ops(tf).mfcc(x, 0), POWER, gradient=False)
case("mfcc_refused_count", lambda tf, x: audio_ops(tf).mfcc(x, 8000, dct_coefficient_count=50), POWER, gradient=False)
