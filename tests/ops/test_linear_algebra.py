"""The cases of `cases_linear_algebra.py` against TensorFlow 1.15.5."""

import pytest
from ops.cases_linear_algebra import CASES
from ops.harness import Recording, check

RECORDED = Recording("linear_algebra")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)
