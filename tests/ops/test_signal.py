"""The cases of `cases_signal.py` against TensorFlow 1.15.5."""

import pytest
from ops.cases_signal import CASES
from ops.harness import Recording, check

RECORDED = Recording("signal")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)
