"""Fourier and cosine transforms."""

import numpy as np
from ops.case import Case, floats

X = floats(2, 4, 6)
Z = (floats(2, 4, 6) + 1j * floats(2, 4, 6, seed=1)).astype(np.complex64)
LOOSE = {"rtol": 1e-4, "atol": 1e-4}
CASES = []


def case(name, call, *inputs, **options):
    CASES.append(Case(name, call, *inputs, **options, **LOOSE))


for _name in ("fft", "ifft", "fft2d", "ifft2d", "fft3d", "ifft3d"):
    case(_name, lambda tf, z, _n=_name: getattr(tf, _n)(z), Z)
case("fft_complex128", lambda tf, z: [tf.fft(z), tf.ifft2d(z)], Z.astype(np.complex128))
case("fft_open", lambda tf, z: tf.fft(z), Z, shapes={0: [None, 4, None]})
for _name in ("rfft", "rfft2d", "rfft3d"):
    _call = lambda tf, x, _n=_name: getattr(tf.spectral, _n)(x)  # noqa: E731
    case(_name, _call, X, gradient=_name != "rfft3d")
    case(_name + "_odd", _call, X[..., :5].copy(), gradient=_name != "rfft3d")
    case(_name + "_open", _call, X, shapes={0: [2, None, None]}, gradient=False)
for _name in ("irfft", "irfft2d", "irfft3d"):
    _call = lambda tf, z, _n=_name: getattr(tf.spectral, _n)(z)  # noqa: E731
    case(_name, _call, Z, gradient=_name != "irfft3d")
    case(_name + "_open", _call, Z, shapes={0: [2, None, None]}, gradient=False)
case("rfft_of_length", lambda tf, x: [tf.spectral.rfft(x, [4]), tf.spectral.rfft(x, [9])], X, gradient=False)
case("irfft_of_length", lambda tf, z: [tf.spectral.irfft(z, [5]), tf.spectral.irfft(z, [16])], Z, gradient=False)
case(
    "fftshift", lambda tf, x: [tf.signal.fftshift(x), tf.signal.ifftshift(x, axes=1), tf.signal.fftshift(x, [0, 2])], X
)
for _type in (1, 2, 3):
    case(f"dct_{_type}", lambda tf, x, _t=_type: tf.spectral.dct(x, type=_t), X)
    if _type > 1:
        case(f"dct_{_type}_ortho", lambda tf, x, _t=_type: tf.spectral.dct(x, type=_t, norm="ortho"), X)
case("idct", lambda tf, x: tf.spectral.idct(tf.spectral.dct(x, norm="ortho"), norm="ortho"), X)
case("dct_of_length", lambda tf, x: [tf.spectral.dct(x, n=4), tf.spectral.dct(x, n=8)], X)
