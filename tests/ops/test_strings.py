"""The cases of `cases_strings.py` against TensorFlow 1.15.5."""

import pytest
from ops.cases_strings import CASES
from ops.harness import Recording, check

RECORDED = Recording("strings")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)
