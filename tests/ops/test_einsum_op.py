"""The cases of `cases_einsum_op.py` against TensorFlow 1.15.5."""

import pytest
from ops.cases_einsum_op import CASES
from ops.harness import Recording, check

RECORDED = Recording("einsum_op")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)
