"""The cases of `cases_linear_operators.py` against TensorFlow 1.15.5."""

import pytest
from ops.cases_linear_operators import CASES
from ops.harness import Recording, check

import evergraph as tf

RECORDED = Recording("linear_operators")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)


def test_an_operator_known_to_be_singular_cannot_be_solved_for():
    operator = tf.linalg.LinearOperatorDiag([1.0, 0.0], is_non_singular=False)
    with pytest.raises(NotImplementedError, match="expected to be singular"):
        operator.solvevec([1.0, 1.0])


def test_an_operator_tells_its_variables():
    with tf.Graph().as_default():
        v = tf.Variable([1.0, 2.0])
        inner = tf.linalg.LinearOperatorDiag(v)
        assert tf.linalg.LinearOperatorComposition([inner, inner]).variables == (v,)
