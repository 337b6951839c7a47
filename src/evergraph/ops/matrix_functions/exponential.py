"""The exponential of a matrix: N. Higham, "The scaling and squaring method for the matrix exponential revisited", 2005.

A Padé approximation whose degree grows with the norm; beyond the last degree's reach the matrix is halved some times,
and the result squared as often. Different matrices of a batch take different branches.
"""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, linear_algebra, math
from evergraph.ops.constant import constant
from evergraph.ops.while_loop import while_loop

# The coefficients of the Padé approximations of exp, by degree.
_PADE = {
    3: (120.0, 60.0, 12.0),
    5: (30240.0, 15120.0, 3360.0, 420.0, 30.0),
    7: (17297280.0, 8648640.0, 1995840.0, 277200.0, 25200.0, 1512.0, 56.0),
    9: (17643225600.0, 8821612800.0, 2075673600.0, 302702400.0, 30270240.0, 2162160.0, 110880.0, 3960.0, 90.0),
    13: (
        64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0,
        10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0,
    ),
}  # fmt: skip

# By precision: up to which norm each degree but the last is good enough, and the norm that the last one reaches.
_SINGLE = ((3, 5, 7), (4.258730016922831e-001, 1.880152677804762e000), 3.925724783138660)
_DOUBLE = (
    (3, 5, 7, 9, 13),
    (1.495585217958292e-002, 2.539398330063230e-001, 9.504178996162932e-001, 2.097847961257068e000),
    5.371920351148152,
)


def _pade(matrix: Tensor, degree: int) -> tuple[Tensor, Tensor]:
    """The odd and the even part of the numerator; the denominator's odd part has the other sign."""
    b = [constant(x, matrix.dtype) for x in _PADE[degree]]
    size = array.shape(matrix)[-2]
    identity = linear_algebra.eye(size, batch_shape=array.shape(matrix)[:-2], dtype=matrix.dtype)
    powers = {2: math.matmul(matrix, matrix)}
    if degree > 3:
        powers[4] = math.matmul(powers[2], powers[2])
    if degree > 5:
        powers[6] = math.matmul(powers[4], powers[2])
    if degree == 9:
        powers[8] = math.matmul(powers[6], powers[2])
    if degree == 13:
        inner = powers[6] + b[11] * powers[4] + b[9] * powers[2]
        odd = math.matmul(powers[6], inner) + b[7] * powers[6] + b[5] * powers[4] + b[3] * powers[2] + b[1] * identity
        odd = math.matmul(matrix, odd)
        inner = b[12] * powers[6] + b[10] * powers[4] + b[8] * powers[2]
        even = math.matmul(powers[6], inner) + b[6] * powers[6] + b[4] * powers[4] + b[2] * powers[2] + b[0] * identity
        return odd, even
    top = degree - 1
    total = powers[top]
    for n in range(top - 2, 1, -2):
        total += b[n + 1] * powers[n]
    odd = math.matmul(matrix, total + b[1] * identity)
    even = b[top] * powers[top]
    for n in range(top - 2, 1, -2):
        even += b[n] * powers[n]
    return odd, even + b[0] * identity


@public("linalg.expm")
def matrix_exponential(input: Any, name: str | None = None) -> Tensor:
    """The exponentials of square matrices.

    Args:
        input: floating point or complex, shape `batch + [n, n]`.
        name: the name scope.

    Returns:
        The same type and shape.

    Raises:
        ValueError: for other types.

    >>> sess.run(tf.linalg.expm([[0.0, 1.0], [0.0, 0.0]]))
    array([[1., 1.],
           [0., 1.]], dtype=float32)
    """
    with name_scope(name, "matrix_exponential", [input]):
        matrix = convert_to_tensor(input, name="input")
        if matrix.shape[-2:] == [0, 0]:
            return matrix
        batch: Any = matrix.shape[:-2]
        if not batch.is_fully_defined():
            batch = array.shape(matrix)[:-2]
        matrix = array.reshape(matrix, array.concat(([-1], array.shape(matrix)[-2:]), axis=0))
        magnitudes = math.abs(matrix)
        row_axis = array.size(array.shape(matrix)) - 2
        norm = math.reduce_max(math.reduce_sum(magnitudes, axis=row_axis), axis=-1)

        def scalar(x: float) -> Tensor:
            return constant(x, norm.dtype)

        def by_norm(limits: tuple[float, ...], cases: list[Tensor]) -> Tensor:
            is_small = math.less(norm, scalar(limits[0]))
            rest = cases[1] if len(limits) == 1 else by_norm(limits[1:], cases[1:])
            return array.where(is_small, cases[0], rest)

        degrees: tuple[int, ...]
        limits: tuple[float, ...]
        if matrix.dtype in (dtypes.float16, dtypes.float32, dtypes.complex64):
            degrees, limits, reach = _SINGLE
        elif matrix.dtype in (dtypes.float64, dtypes.complex128):
            degrees, limits, reach = _DOUBLE
        else:
            raise ValueError(f"tf.linalg.expm does not support matrices of type {matrix.dtype}")
        most = scalar(reach)
        ratio = math.log(norm / most)
        halvings = math.maximum(math.floor(ratio / math.log(scalar(2.0))), 0)
        parts = [_pade(matrix, degree) for degree in degrees[:-1]]
        two = constant(2.0, dtype=matrix.dtype)
        scaled = matrix / math.pow(two, math.cast(halvings, matrix.dtype))[..., None, None]
        parts.append(_pade(scaled, degrees[-1]))
        odd = by_norm(limits, [u for u, _ in parts])
        even = by_norm(limits, [v for _, v in parts])
        numerator = odd + even
        result = linear_algebra.matrix_solve(-odd + even, numerator)
        most_halvings = math.reduce_max(halvings)

        def squared(i: Tensor, r: Tensor) -> tuple[Tensor, Tensor]:
            is_due = math.less(i, halvings)
            return i + 1, array.where(is_due, math.matmul(r, r), r)

        _, result = while_loop(lambda i, r: math.less(i, most_halvings), squared, [scalar(0.0), result])
        if not matrix.shape.is_fully_defined():
            return array.reshape(result, array.concat((batch, array.shape(result)[-2:]), axis=0))
        return array.reshape(result, batch.concatenate(result.shape[-2:]))
