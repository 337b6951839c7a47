"""The cases of `cases_matrix_functions.py` against TensorFlow 1.15.5."""

import pytest
from ops.cases_matrix_functions import CASES
from ops.harness import Recording, check

RECORDED = Recording("matrix_functions")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)
