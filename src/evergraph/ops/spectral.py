"""Discrete Fourier and cosine transforms over the last one, two or three axes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import Shape, ShapeError, is_static, with_rank_at_least
from evergraph.framework.tensor import Tensor
from evergraph.ops import (
    arithmetic,
    array,
    cast,
    complex_parts,
    elementwise,
    products,
    reductions,
    sequences,
    static_values,
)
from evergraph.ops.opdef import Op, kernel_error, op, partial_value

_SUFFIX = {1: "", 2: "2D", 3: "3D"}


# Complex transforms


def _complex_transform(rank: int, is_inverse: bool) -> Op:
    axes = tuple(range(-rank, 0))

    def kernel(xp: Any, input: Any) -> Any:
        if input.ndim < rank:
            raise kernel_error(f"Input must have rank of at least {rank} but got rank {input.ndim}")
        if not input.size:
            return input
        transform = xp.fft.ifftn if is_inverse else xp.fft.fftn
        return transform(input, axes=axes)

    kernel.__name__ = f"{'I' * is_inverse}FFT{_SUFFIX[rank]}"
    kernel.__doc__ = f"The {'inverse ' * is_inverse}discrete Fourier transform over the last {rank} axes."
    word = kernel.__name__.lower()
    declared = op(kernel.__name__, shape=lambda input: with_rank_at_least(input, rank))(kernel)
    return public(f"signal.{word}", f"spectral.{word}", word)(declared)


def _transformed_size(grad: Tensor, rank: int) -> Tensor:
    return reductions.reduce_prod(array.shape(grad)[-rank:])


def _complex_gradients(forward: Op, inverse: Op, rank: int) -> None:
    def forward_grad(made: Operation, grad: Tensor) -> Tensor:
        size = cast.cast(_transformed_size(grad, rank), grad.dtype)
        return inverse(grad) * size

    def inverse_grad(made: Operation, grad: Tensor) -> Tensor:
        size = cast.cast(_transformed_size(grad, rank), grad.dtype.real_dtype)
        scale = cast.cast(1.0 / size, grad.dtype)
        return forward(grad) * scale

    forward.gradient(forward_grad)
    inverse.gradient(inverse_grad)


_COMPLEX = {rank: (_complex_transform(rank, False), _complex_transform(rank, True)) for rank in (1, 2, 3)}
for _rank, (_forward, _inverse) in _COMPLEX.items():
    _complex_gradients(_forward, _inverse, _rank)
(fft, ifft), (fft2d, ifft2d), (fft3d, ifft3d) = _COMPLEX.values()


# Transforms of real signals: half of the spectrum says it all


def _half_spectrum(input: Shape, fft_length: Any, rank: int, is_inverse: bool) -> Shape:
    if with_rank_at_least(input, rank) is None:
        return None
    assert input is not None
    if isinstance(fft_length, list) and len(fft_length) != rank:
        raise ShapeError(f"Dimension must be {rank} but is {len(fft_length)}")
    lengths = static_values.whole(fft_length)
    if lengths is None:
        return (*input[:-rank], *[None] * rank)
    sizes = [int(n) for n in lengths]
    if not is_inverse and sizes[-1]:
        sizes[-1] = sizes[-1] // 2 + 1
    return (*input[:-rank], *sizes)


def _real_transform(rank: int, is_inverse: bool) -> Op:
    axes = tuple(range(-rank, 0))

    def kernel(xp: Any, input: Any, fft_length: Any) -> Any:
        if fft_length.shape != (rank,):
            raise kernel_error(f"fft_length must have shape [{rank}]")
        lengths = fft_length.tolist()
        needed = [*lengths[:-1], lengths[-1] // 2 + 1] if is_inverse else lengths
        for i, (size, n) in enumerate(zip(input.shape[-rank:], needed)):
            if size and size < n:
                raise kernel_error(
                    f"Input dimension {input.ndim - rank + i} must have length of at least {n} but got: {size}"
                )
        if not input.size or not all(lengths):
            shape = _half_spectrum(input.shape, fft_length, rank, is_inverse)
            return xp.zeros(shape, np.float32 if is_inverse else np.complex64)
        if is_inverse:
            trimmed = input[(..., *[slice(0, n) for n in needed])]
            return xp.fft.irfftn(trimmed, s=lengths, axes=axes).astype(np.float32)
        return xp.fft.rfftn(input, s=lengths, axes=axes).astype(np.complex64)

    kernel.__name__ = f"{'I' * is_inverse}RFFT{_SUFFIX[rank]}"
    kernel.__doc__ = f"The {'inverse ' * is_inverse}discrete Fourier transform of real signals over {rank} axes."

    def shape(input: Any, fft_length: Any) -> Any:
        return _half_spectrum(input, fft_length, rank, is_inverse)

    return op(kernel.__name__, static=("fft_length",), shape=shape)(kernel)


_REAL = {rank: (_real_transform(rank, False), _real_transform(rank, True)) for rank in (1, 2, 3)}


def _length_of(x: Tensor, rank: int, is_inverse: bool) -> Tensor:
    """The transform's length that follows from the shape of its input."""
    known = x.static_shape[-rank:] if x.static_shape is not None else None
    if is_static(known):
        lengths: list[Any] = list(known or ())
        if is_inverse and lengths:
            lengths[-1] = max(0, 2 * (lengths[-1] - 1))
        return convert_to_tensor(lengths, dtypes.int32)
    if not is_inverse:
        return array.shape(x)[-rank:]
    parts = list(array.unstack(array.shape(x)[-rank:]))
    parts[-1] = arithmetic.maximum(0, 2 * (parts[-1] - 1))
    return array.stack(parts)


def _padded(x: Tensor, rank: int, fft_length: Tensor, is_inverse: bool) -> Tensor:
    """`x` with zeros up to the transform's length."""
    if x.static_shape is not None and 0 in x.static_shape:
        return x
    fft_length.shape.with_rank(1)
    wanted = static_values.as_shape(partial_value(fft_length))
    if is_static(wanted) and x.static_shape is not None:
        known = x.static_shape[-len(wanted) :]
        if is_static(known):
            sizes = list(wanted)
            if is_inverse:
                sizes[-1] = sizes[-1] // 2 + 1
            paddings = [[0, max(n - size, 0)] for n, size in zip(sizes, known)]
            if any(after for _, after in paddings):
                outer = [[0, 0]] * max(len(x.static_shape) - len(wanted), 0)
                return array.pad(x, outer + paddings)
            return x
    input_rank = array.rank(x)
    input_sizes = array.shape(x)[-rank:]
    outer_rank = arithmetic.maximum(0, input_rank - rank)
    outer_paddings = array.zeros([outer_rank], fft_length.dtype)
    if is_inverse:
        fft_length = array.concat([fft_length[:-1], fft_length[-1:] // 2 + 1], 0)
    inner_paddings = arithmetic.maximum(0, fft_length - input_sizes)
    after = array.concat([outer_paddings, inner_paddings], 0)
    return array.pad(x, array.stack([array.zeros_like(after), after], axis=1))


def _public_real(rank: int, is_inverse: bool) -> Callable[..., Tensor]:
    declared = _REAL[rank][is_inverse]
    word = f"{'i' * is_inverse}rfft{_SUFFIX[rank].lower()}"
    kind = dtypes.complex64 if is_inverse else dtypes.float32

    def transform(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Tensor:
        with name_scope(name, word, [input_tensor, fft_length]) as scope:
            x = convert_to_tensor(input_tensor, kind)
            x.shape.with_rank_at_least(rank)
            if fft_length is None:
                length = _length_of(x, rank, is_inverse)
            else:
                length = convert_to_tensor(fft_length, dtypes.int32)
            return declared(_padded(x, rank, length, is_inverse), length, name=scope)

    transform.__name__ = transform.__qualname__ = word
    given, made = ("half a spectrum, complex64", "float32") if is_inverse else ("float32", "complex64, half a spectrum")
    transform.__doc__ = f"""Transform real signals {"back " * is_inverse}over the last {rank} axes.

    Args:
        input_tensor: {given}; cut off or filled up with zeros to `fft_length`.
        fft_length: int32, shape `[{rank}]`: the size of the signal; by default it follows from the input.
        name: the op's name.

    Returns:
        {made}.
    """
    return public(f"signal.{word}", f"spectral.{word}")(transform)


_PUBLIC_REAL = {rank: (_public_real(rank, False), _public_real(rank, True)) for rank in (1, 2, 3)}
rfft, irfft = _PUBLIC_REAL[1]


def _alternating_signs(length: Any) -> Tensor:
    return cast.cast(1 - 2 * (sequences.range_(length) % 2), dtypes.complex64)


def _tiled(matrix: Tensor, like: Tensor) -> Tensor:
    outer = array.ones([array.rank(like) - 2], dtypes.int32)
    expanded = array.reshape(matrix, array.concat([outer, array.shape(matrix)], 0))
    return array.tile(expanded, array.concat([array.shape(like)[:-2], [1, 1]], 0))


def _rotations(length: Tensor) -> Tensor:
    rows = array.tile(array.expand_dims(sequences.range_(length), 0), (length, 1))
    columns = array.transpose(rows, [1, 0])
    angles = -2j * np.pi * cast.cast(rows * columns, dtypes.complex64)
    return elementwise.exp(angles / cast.cast(length, dtypes.complex64))


def _rfft_grad(rank: int) -> Callable[..., Any]:
    def rule(made: Operation, grad: Tensor) -> tuple[Tensor, None]:
        fft_length = made.inputs[1]
        input_shape = array.shape(made.inputs[0])
        is_even = cast.cast(1 - fft_length[-1] % 2, dtypes.complex64)
        # The inverse transform counts all but the first and (if the length is even) last frequency twice.
        first = grad[..., 0:1]
        if rank == 1:
            last = grad[..., -1:]
            extra = first + is_even * last * _alternating_signs(input_shape[-1])
        else:
            rotations = _tiled(_rotations(input_shape[-2]), first)
            extra = products.matmul(rotations, complex_parts.conj(first))
            last = grad[..., -1:]
            from_last = products.matmul(rotations, complex_parts.conj(last))
            columns = input_shape[-1]
            repeats = array.concat([array.ones([array.rank(grad) - 1], dtypes.int32), [columns]], 0)
            from_last = array.tile(from_last, repeats) * _alternating_signs(columns)
            extra += is_even * from_last
        size = cast.cast(_transformed_size(made.inputs[0], rank), dtypes.float32)
        back = _PUBLIC_REAL[rank][1](grad, fft_length)
        return 0.5 * (back * size + complex_parts.real(extra)), None

    return rule


def _irfft_grad(rank: int) -> Callable[..., Any]:
    def rule(made: Operation, grad: Tensor) -> tuple[Tensor, None]:
        fft_length = made.inputs[1]
        is_odd = arithmetic.floor_mod(fft_length[-1], 2)
        columns = array.shape(made.inputs[0])[-1]
        twice = 2.0 * array.ones([columns - 2 + is_odd])
        mask = array.concat([[1.0], twice, array.ones([1 - is_odd])], 0)
        scale = elementwise.reciprocal(cast.cast(_transformed_size(grad, rank), dtypes.float32))
        spectrum = _PUBLIC_REAL[rank][0](grad, fft_length)
        return spectrum * cast.cast(scale * mask, dtypes.complex64), None

    return rule


for _rank in (1, 2):
    _REAL[_rank][0].gradient(_rfft_grad(_rank))
    _REAL[_rank][1].gradient(_irfft_grad(_rank))


# Shifts


def _shifts(x: Tensor, axes: Any) -> tuple[Any, Any]:
    sizes: list[Any] = x.shape.as_list()  # an unknown size is a TypeError
    if axes is None:
        return [int(n // 2) for n in sizes], tuple(range(len(sizes)))
    if isinstance(axes, int):
        return int(sizes[axes] // 2), axes
    return [int(sizes[axis] // 2) for axis in axes], axes


@public("signal.fftshift")
def fftshift(x: Any, axes: Any = None, name: str | None = None) -> Tensor:
    """Move the zero frequency to the middle, along `axes` (all by default)."""
    with name_scope(name, "fftshift") as scope:
        x = convert_to_tensor(x)
        shift, axes = _shifts(x, axes)
        return array.roll(x, shift, axes, scope)


@public("signal.ifftshift")
def ifftshift(x: Any, axes: Any = None, name: str | None = None) -> Tensor:
    """Move the zero frequency from the middle back to the front, along `axes` (all by default)."""
    with name_scope(name, "ifftshift") as scope:
        x = convert_to_tensor(x)
        shift, axes = _shifts(x, axes)
        back = [-n for n in shift] if isinstance(shift, list) else -shift
        return array.roll(x, back, axes, scope)


# Cosine transforms


@public("signal.dct", "spectral.dct")
def dct(
    input: Any, type: int = 2, n: int | None = None, axis: int = -1, norm: str | None = None, name: str | None = None
) -> Tensor:
    """The discrete cosine transform over the last axis.

    Args:
        input: float32, shape `[..., samples]`.
        type: 1, 2 or 3.
        n: the length to cut off or fill up to; by default the number of samples.
        axis: -1.
        norm: None or "ortho" (not for type 1).
        name: the scope of the ops.

    Raises:
        ValueError: for arguments other than these.
    """
    _check_dct(input, type, n, axis, norm)
    with name_scope(name, "dct", [input]):
        x = convert_to_tensor(input, dtype=dtypes.float32)
        samples = x.shape[-1].value or array.shape(x)[-1]
        if n is not None:
            if isinstance(samples, Tensor):
                raise ValueError("the length of a signal has to be known for `n` to be given")
            if n <= samples:
                x = x[..., 0:n]
            else:
                paddings = [[0, 0] for _ in x.shape.as_list()]
                paddings[-1][1] = n - samples
                x = array.pad(x, paddings=convert_to_tensor(paddings, dtype=dtypes.int32))
        size = x.shape[-1].value or array.shape(x)[-1]
        width = cast.cast(size, dtypes.float32)
        if type == 1:
            mirrored = array.concat([x, x[..., -2:0:-1]], axis=-1)
            return complex_parts.real(rfft(mirrored))
        if type == 2:
            angles = -sequences.range_(width) * math.pi * 0.5 / width
            scale = 2.0 * elementwise.exp(complex_parts.complex(0.0, angles))
            result = complex_parts.real(rfft(x, fft_length=[2 * size])[..., :size] * scale)
            if norm == "ortho":
                first = 0.5 * elementwise.rsqrt(width)
                result *= _weights(first, first * elementwise.sqrt(2.0), size)
            return result
        if norm == "ortho":
            first = elementwise.sqrt(width)
            x *= _weights(first, first * elementwise.sqrt(0.5), size)
        else:
            x *= width
        angles = sequences.range_(width) * math.pi * 0.5 / width
        scale = 2.0 * elementwise.exp(complex_parts.complex(0.0, angles))
        spectrum = scale * complex_parts.complex(x, 0.0)
        return complex_parts.real(irfft(spectrum, fft_length=[2 * size]))[..., :size]


def _weights(first: Tensor, others: Tensor, size: Any) -> Tensor:
    return array.pad(array.expand_dims(first, 0), [[0, size - 1]], constant_values=others)


def _check_dct(x: Any, kind: int, n: int | None, axis: int, norm: str | None) -> None:
    if axis != -1:
        raise NotImplementedError(f"axis must be -1. Got: {axis}")
    if n is not None and n < 1:
        raise ValueError("n should be a positive integer or None")
    if kind not in (1, 2, 3):
        raise ValueError("Only Types I, II and III (I)DCT are supported.")
    if kind == 1:
        if norm == "ortho":
            raise ValueError("Normalization is not supported for the Type-I DCT.")
        if x.shape[-1] is not None and x.shape[-1] < 2:
            raise ValueError("Type-I DCT requires the dimension to be greater than one.")
    if norm not in (None, "ortho"):
        raise ValueError(f"Unknown normalization. Expected None or 'ortho', got: {norm}")


@public("signal.idct", "spectral.idct")
def idct(
    input: Any, type: int = 2, n: int | None = None, axis: int = -1, norm: str | None = None, name: str | None = None
) -> Tensor:
    """The inverse discrete cosine transform over the last axis, up to scale. The arguments are those of `dct`."""
    _check_dct(input, type, n, axis, norm)
    return dct(input, type={1: 1, 2: 3, 3: 2}[type], n=n, axis=axis, norm=norm, name=name)
