"""The cases of `cases_spectral.py` against TensorFlow 1.15.5."""

import pytest
from ops.cases_spectral import CASES
from ops.harness import Recording, check

RECORDED = Recording("spectral")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)
