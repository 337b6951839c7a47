"""Linear algebra and Fourier transforms of batches, by the names they had before the ops took batches of themselves."""

from __future__ import annotations

from evergraph.framework import opdefs
from evergraph.ops import linear_algebra, spectral
from evergraph.ops.opdef import Op, op

_SAME = {
    "BatchCholesky": linear_algebra.cholesky,
    "BatchFFT": spectral.fft,
    "BatchFFT2D": spectral.fft2d,
    "BatchFFT3D": spectral.fft3d,
    "BatchIFFT": spectral.ifft,
    "BatchIFFT2D": spectral.ifft2d,
    "BatchIFFT3D": spectral.ifft3d,
    "BatchMatrixDeterminant": linear_algebra.matrix_determinant,
    "BatchMatrixInverse": linear_algebra.matrix_inverse,
    "BatchMatrixSolve": linear_algebra.matrix_solve,
    "BatchMatrixTriangularSolve": linear_algebra.matrix_triangular_solve,
    "BatchSelfAdjointEigV2": linear_algebra.self_adjoint_eig_v2,
    "BatchSvd": linear_algebra.svd_op,
}


def _declare(name: str, same: Op) -> None:
    """Declare the op `name` as what another op is."""
    assert same.opdef.kernel is not None
    declared = op(name)(same.opdef.kernel)
    if same.opdef.numpy_kernel is not None:
        declared.numpy(same.opdef.numpy_kernel)
    declared.shape(same)
    if same.opdef.gradient is not None:
        declared.gradient(same)


for _name, _same in _SAME.items():
    if not opdefs.lookup(_name).is_declared:  # type: ignore[union-attr]  # it is one of TF 1.15
        _declare(_name, _same)
