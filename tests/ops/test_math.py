"""The cases of `cases_math.py` against TensorFlow 1.15.5."""

import pytest
from ops.cases_math import CASES
from ops.harness import Recording, check

RECORDED = Recording("math")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)
