"""The cases of `cases_state.py` against TensorFlow 1.15.5."""

import pytest
from ops.cases_state import CASES
from ops.harness import Recording, check

RECORDED = Recording("state")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)
