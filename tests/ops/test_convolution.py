"""The cases of `cases_convolution.py` against TensorFlow 1.15.5."""

import pytest
from ops.cases_convolution import CASES
from ops.harness import Recording, check

RECORDED = Recording("convolution")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)
