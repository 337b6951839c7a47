"""The cases of `cases_linear_algebra.py` against TensorFlow 1.15.5."""

import numpy as np
import pytest
from ops.cases_linear_algebra import CASES
from ops.harness import Recording, check

import evergraph as tf

RECORDED = Recording("linear_algebra")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)


@pytest.mark.parametrize("adjoint", [False, True])
@pytest.mark.parametrize("lower", [False, True])
def test_triangular_systems_are_solved_by_substitution(lower, adjoint):
    """Each equation then holds to rounding, however near to singular the matrix is."""
    matrices = np.random.RandomState(0).uniform(-1, 1, (20, 40, 40))
    sides = np.random.RandomState(1).uniform(-1, 1, (20, 40, 2))
    triangles = np.tril(matrices) if lower else np.triu(matrices)
    triangles = triangles.swapaxes(1, 2) if adjoint else triangles
    with tf.Graph().as_default(), tf.Session() as session:
        matrix, rhs = tf.placeholder(tf.float64, [20, 40, 40]), tf.placeholder(tf.float64, [20, 40, 2])
        solved = tf.linalg.triangular_solve(matrix, rhs, lower=lower, adjoint=adjoint)
        for _ in range(3):  # interpreted, then compiled
            x = session.run(solved, {matrix: matrices, rhs: sides})
            assert (abs(triangles @ x - sides) / (abs(triangles) @ abs(x))).max() < 1e-14
