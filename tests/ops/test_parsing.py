"""The cases of `cases_parsing.py` against TensorFlow 1.15.5."""

import pytest
from ops.cases_parsing import CASES
from ops.harness import Recording, check

RECORDED = Recording("parsing")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)
