"""The cases of `cases_quantized_arithmetic.py` against TensorFlow 1.15.5."""

import pytest
from ops.cases_quantized_arithmetic import CASES
from ops.harness import Recording, check

RECORDED = Recording("quantized_arithmetic")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)
