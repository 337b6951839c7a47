"""The cases of `cases_quantized.py` against TensorFlow 1.15.5."""

import pytest
from ops.cases_quantized import CASES
from ops.harness import Recording, check

RECORDED = Recording("quantized")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)
