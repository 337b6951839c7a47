"""The cases of `cases_special.py` against TensorFlow 1.15.5."""

import pytest
from ops.cases_special import CASES
from ops.harness import Recording, check

RECORDED = Recording("special")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)
