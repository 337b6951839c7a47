"""The CTC loss and the decoders give what TensorFlow 1.15.5 gives."""

import pytest
from ops.cases_ctc import CASES
from ops.harness import Recording, check

RECORDED = Recording("ctc")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)
