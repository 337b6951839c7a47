"""The cases of `cases_clustering.py` against TensorFlow 1.15.5."""

import pytest
from ops.cases_clustering import CASES
from ops.harness import Recording, check

RECORDED = Recording("clustering")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)
