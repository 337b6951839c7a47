"""The cases of `cases_inplace.py` against TensorFlow 1.15.5."""

import pytest
from ops.cases_inplace import CASES
from ops.harness import Recording, check

RECORDED = Recording("inplace")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)
