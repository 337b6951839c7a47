"""Sets give what TensorFlow 1.15.5 gives."""

import pytest
from ops.cases_sets import CASES
from ops.harness import Recording, check

RECORDED = Recording("sets")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)
