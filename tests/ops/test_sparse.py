"""Sparse tensors give what TensorFlow 1.15.5 gives."""

import pytest
from ops.cases_sparse import CASES
from ops.harness import Recording, check

RECORDED = Recording("sparse")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)
