"""The cases of `cases_nn.py` against TensorFlow 1.15.5."""

import pytest
from ops.cases_nn import CASES
from ops.harness import Recording, check

RECORDED = Recording("nn")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)
