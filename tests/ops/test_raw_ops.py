"""The cases of `cases_raw_ops.py` against TensorFlow 1.15.5."""

import pytest
from ops.cases_raw_ops import CASES
from ops.harness import Recording, check

RECORDED = Recording("raw_ops")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)
