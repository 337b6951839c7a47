"""The cases of `cases_segment.py` against TensorFlow 1.15.5."""

import pytest
from ops.cases_segment import CASES
from ops.harness import Recording, check

RECORDED = Recording("segment")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)
