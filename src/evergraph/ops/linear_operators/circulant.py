"""Circulant matrices: convolutions, applied by way of Fourier transforms."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, checks, linear_algebra, math, spectral
from evergraph.ops.linear_operators import batches
from evergraph.ops.linear_operators.assertions import assert_no_entries_with_modulus_zero, assert_zero_imag_part
from evergraph.ops.linear_operators.linear_operator import LinearOperator
from evergraph.ops.static_values import get_static_value


def complex_of(x: Tensor) -> Tensor:
    """`x` as complex numbers of the same precision."""
    if x.dtype.is_complex:
        return x
    return math.cast(x, dtypes.complex128 if x.dtype == dtypes.float64 else dtypes.complex64)


class _Circulant(LinearOperator):
    """Circulant matrices of circulant blocks, nested `block_depth` deep.

    The axes of `spectrum` that are no batch, as many as the blocks are deep, are those of the Fourier transform.
    """

    _block_depth: int

    def __init__(
        self,
        spectrum: Any,
        block_depth: int,
        input_output_dtype: Any,
        is_non_singular: bool | None,
        is_self_adjoint: bool | None,
        is_positive_definite: bool | None,
        is_square: bool | None,
        name: str,
    ) -> None:
        self._name = name
        self._block_depth = block_depth
        with name_scope(name, values=[spectrum]):
            self._spectrum = convert_to_tensor(spectrum, name="spectrum")
            if self._spectrum.shape.ndims is not None and self._spectrum.shape.ndims < block_depth:
                raise ValueError(
                    f"Argument spectrum must have at least {block_depth} dimensions.  Found: {self._spectrum}"
                )
            if not self._spectrum.dtype.is_complex:
                if is_self_adjoint is False:
                    raise ValueError("A real spectrum always corresponds to a self-adjoint operator.")
                is_self_adjoint = True
            if is_square is False:
                raise ValueError("A [[nested] block] circulant operator is always square.")
            self._block_shape_tensor = array.shape(self._spectrum)[-block_depth:]
            self._spectrum_complex = complex_of(self._spectrum)
            self._abs_spectrum = math.abs(self._spectrum)
            self._conj_spectrum = math.conj(self._spectrum_complex)
            super().__init__(
                dtype=dtypes.as_dtype(input_output_dtype),
                graph_parents=[self._spectrum],
                is_non_singular=is_non_singular,
                is_self_adjoint=is_self_adjoint,
                is_positive_definite=is_positive_definite,
                is_square=True,
                name=name,
            )

    @property
    def block_depth(self) -> int:
        """How deep the blocks are nested."""
        return self._block_depth

    def block_shape_tensor(self) -> Tensor:
        """How many blocks there are in each of the nested ones, an int32 vector."""
        return self._block_shape_tensor

    @property
    def block_shape(self) -> TensorShape:
        """How many blocks there are in each of the nested ones, as far as known."""
        return self.spectrum.shape[-self.block_depth :]

    @property
    def spectrum(self) -> Tensor:
        """The Fourier transform of the first column."""
        return self._spectrum

    def _shape(self) -> TensorShape:
        shape = self._spectrum.shape
        n = shape[-self.block_depth :].num_elements()
        return shape[: -self.block_depth].concatenate(TensorShape([n, n]))

    def _shape_tensor(self) -> Tensor:
        shape = array.shape(self._spectrum)
        batch = shape[: -self.block_depth]
        n = math.reduce_prod(shape[-self.block_depth :])
        return array.concat((batch, [n, n]), 0)

    # Between matrices, whose rows are all elements of a block, and tensors with an axis for each depth

    def _with_blocks(self, matrix: Tensor) -> Tensor:
        vectors = rotate_transpose(matrix, shift=1)
        shape: Any
        if vectors.shape.is_fully_defined() and self.block_shape.is_fully_defined():
            shape = vectors.shape[:-1].concatenate(self.block_shape)
        else:
            shape = array.concat((array.shape(vectors)[:-1], self.block_shape_tensor()), 0)
        return array.reshape(vectors, shape)

    def _without_blocks(self, blocks: Tensor) -> Tensor:
        depth = self.block_depth
        shape: Any
        if blocks.shape.is_fully_defined():
            sizes: list[Any] = blocks.shape.as_list()
            shape = [*sizes[:-depth], np.prod(sizes[-depth:])]
        else:
            dynamic = array.shape(blocks)
            leading, block = dynamic[:-depth], dynamic[-depth:]
            shape = array.concat((leading, [math.reduce_prod(block)]), 0)
        return rotate_transpose(array.reshape(blocks, shape), shift=-1)

    def _fft(self, x: Tensor) -> Tensor:
        return (spectral.fft, spectral.fft2d, spectral.fft3d)[self.block_depth - 1](complex_of(x))

    def _ifft(self, x: Tensor) -> Tensor:
        return (spectral.ifft, spectral.ifft2d, spectral.ifft3d)[self.block_depth - 1](complex_of(x))

    def convolution_kernel(self, name: str = "convolution_kernel") -> Tensor:
        """The first column, which the operator convolves with."""
        with self._name_scope(name):
            return math.cast(self._ifft(self._spectrum_complex), self.dtype)

    # Assertions

    def assert_hermitian_spectrum(self, name: str = "assert_hermitian_spectrum") -> Any:
        """An op that fails if the matrix is not real."""
        eps = np.finfo(self.dtype.real_dtype.as_numpy_dtype).eps
        with self._name_scope(name):
            most = eps * self.domain_dimension_tensor()
            imaginary = math.imag(self.convolution_kernel())
            return checks.assert_less(math.abs(imaginary), most, message="Spectrum was not Hermitian")

    def _assert_non_singular(self) -> Any:
        message = "Singular operator:  Spectrum contained zero values."
        return assert_no_entries_with_modulus_zero(self.spectrum, message=message)

    def _assert_positive_definite(self) -> Any:
        message = "Not positive definite:  Real part of spectrum was not all positive."
        return checks.assert_positive(math.real(self.spectrum), message=message)

    def _assert_self_adjoint(self) -> Any:
        message = "Not self-adjoint:  The spectrum contained non-zero imaginary part."
        return assert_zero_imag_part(self.spectrum, message=message)

    # Application

    def _broadcast(self, x: Tensor, spectrum: Tensor) -> tuple[Tensor, Tensor]:
        matrix = array.reshape(spectrum, array.concat((self.batch_shape_tensor(), [-1, 1]), axis=0))
        x, matrix = batches.broadcast_matrix_batch_dims((x, matrix))
        batch = array.shape(x)[:-2]
        return x, array.reshape(matrix, array.concat((batch, self.block_shape_tensor()), axis=0))

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        x = linear_algebra.adjoint(x) if adjoint_arg else x
        spectrum = self._conj_spectrum if adjoint else self._spectrum_complex
        x = math.cast(x, spectrum.dtype)
        x, spectrum = self._broadcast(x, spectrum)
        transformed = self._fft(self._with_blocks(x))
        result = self._ifft(spectrum * transformed)
        return math.cast(self._without_blocks(result), self.dtype)

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        rhs = linear_algebra.adjoint(rhs) if adjoint_arg else rhs
        spectrum = self._conj_spectrum if adjoint else self._spectrum_complex
        rhs, spectrum = self._broadcast(rhs, spectrum)
        transformed = self._fft(self._with_blocks(rhs))
        solution = self._ifft(transformed / spectrum)
        return math.cast(self._without_blocks(solution), self.dtype)

    def _block_axes(self) -> list[int]:
        return [-i - 1 for i in range(self.block_depth)]

    def _determinant(self) -> Tensor:
        return math.cast(math.reduce_prod(self.spectrum, axis=self._block_axes()), self.dtype)

    def _log_abs_determinant(self) -> Tensor:
        log_det = math.reduce_sum(math.log(self._abs_spectrum), axis=self._block_axes())
        return math.cast(log_det, self.dtype)

    def _diag_part(self) -> Tensor:
        shape: Any
        size: Any
        if self.shape.is_fully_defined():
            shape, size = self.shape[:-1], self.domain_dimension.value
        else:
            shape = self.shape_tensor()[:-1]
            size = self.domain_dimension_tensor()
        ones = array.ones(shape, dtype=self.dtype)
        element = self.trace() / math.cast(size, self.dtype)
        return element[..., None] * ones

    def _trace(self) -> Tensor:
        axes: Any
        rank: Any
        if self.spectrum.shape.is_fully_defined():
            rank = self.spectrum.shape.ndims
            axes = np.arange(rank - self.block_depth, rank, dtype=np.int32)
        else:
            rank = array.rank(self.spectrum)
            axes = math.range(rank - self.block_depth, rank)
        real = math.reduce_sum(math.real(self.spectrum), axis=axes)
        if not self.dtype.is_complex:
            return math.cast(real, self.dtype)
        if self.is_self_adjoint:
            imaginary = array.zeros_like(real)
        else:
            imaginary = math.reduce_sum(math.imag(self.spectrum), axis=axes)
        return math.cast(math.complex(real, imaginary), self.dtype)


def rotate_transpose(x: Any, shift: Any, name: str = "rotate_transpose") -> Tensor:
    """Move the axes round by `shift` places: by 1, the last axis comes first.

    Args:
        x: any tensor.
        shift: an int, or a scalar int tensor.
        name: the name scope.
    """
    with name_scope(name, values=[x, shift]):
        x = convert_to_tensor(x, name="x")
        shift = convert_to_tensor(shift, name="shift")
        checks.assert_integer(shift)
        known = get_static_value(shift)
        rank = x.shape.ndims
        if rank is not None and known is not None:
            places = np.sign(known) * (abs(known) % rank) if rank >= 2 else 0
            return x if places == 0 else array.transpose(x, perm=np.roll(np.arange(rank), places))
        rank = array.rank(x)
        is_negative = math.less(shift, 0)
        places = array.where_v2(is_negative, math.floor_mod(-shift, rank), rank - math.floor_mod(shift, rank))
        first = math.range(0, places)
        last = math.range(places, rank)
        return array.transpose(x, perm=array.concat([last, first], 0))


@public("linalg.LinearOperatorCirculant")
class LinearOperatorCirculant(_Circulant):
    """A circulant matrix, or a batch of them: each column is the one before it, moved down by one.

    Args:
        spectrum: the Fourier transform of the first column, shape `batch + [n]`; floating point or complex.
        input_output_dtype: the type of the matrix, and of what it is applied to.
        is_non_singular: a hint.
        is_self_adjoint: a hint; must not be False for a real spectrum.
        is_positive_definite: a hint.
        is_square: must not be False.
        name: the name scope.
    """

    def __init__(
        self,
        spectrum: Any,
        input_output_dtype: Any = dtypes.complex64,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = True,
        name: str = "LinearOperatorCirculant",
    ) -> None:
        super().__init__(
            spectrum, 1, input_output_dtype, is_non_singular, is_self_adjoint, is_positive_definite, is_square, name
        )


@public("linalg.LinearOperatorCirculant2D")
class LinearOperatorCirculant2D(_Circulant):
    """A block circulant matrix of circulant blocks, or a batch of them: a convolution of images.

    Args:
        spectrum: the Fourier transform of the first column, shape `batch + [n0, n1]`; floating point or complex.
        input_output_dtype: the type of the matrix, and of what it is applied to.
        is_non_singular: a hint.
        is_self_adjoint: a hint; must not be False for a real spectrum.
        is_positive_definite: a hint.
        is_square: must not be False.
        name: the name scope.
    """

    def __init__(
        self,
        spectrum: Any,
        input_output_dtype: Any = dtypes.complex64,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = True,
        name: str = "LinearOperatorCirculant2D",
    ) -> None:
        super().__init__(
            spectrum, 2, input_output_dtype, is_non_singular, is_self_adjoint, is_positive_definite, is_square, name
        )


@public("linalg.LinearOperatorCirculant3D")
class LinearOperatorCirculant3D(_Circulant):
    """A block circulant matrix whose blocks are so too, or a batch of them: a convolution of volumes.

    Args:
        spectrum: the Fourier transform of the first column, shape `batch + [n0, n1, n2]`; floating point or complex.
        input_output_dtype: the type of the matrix, and of what it is applied to.
        is_non_singular: a hint.
        is_self_adjoint: a hint; must not be False for a real spectrum.
        is_positive_definite: a hint.
        is_square: must not be False.
        name: the name scope.
    """

    def __init__(
        self,
        spectrum: Any,
        input_output_dtype: Any = dtypes.complex64,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = True,
        name: str = "LinearOperatorCirculant3D",
    ) -> None:
        super().__init__(
            spectrum, 3, input_output_dtype, is_non_singular, is_self_adjoint, is_positive_definite, is_square, name
        )
