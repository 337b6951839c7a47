"""Array ops against TensorFlow 1.15.5."""

import pytest
from ops.cases_array import CASES
from ops.harness import Recording, check

RECORDED = Recording("array")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)
