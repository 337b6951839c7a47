"""Each case comes to what it came to under TensorFlow 1.15.5: the same result, or the same exception.

Structure, container types, dtypes, shapes, integers and strings must be equal, floats within the tolerance below. An
exception must have the same class name and hold the recorded fragment, which is what programs match on; the rest of
its message is ours. The recordings are made by `tools/record_session.py`.
"""

import json
import math
from pathlib import Path

import pytest
from session.cases import CASES
from session.outcome import outcome

import evergraph as tf

RECORDED = json.loads((Path(__file__).parent / "recordings.json").read_text())
RECORDED.pop("TensorFlow")
# float32 after a few dozen roundings in another order; doubles are compared no more strictly.
RELATIVE, ABSOLUTE = 2e-5, 2e-6


@pytest.mark.parametrize("name", CASES)
def test_outcome_is_that_of_tensorflow(name):
    expected, found = RECORDED[name], outcome(CASES[name], tf)
    if "result" in expected:
        assert "result" in found, f"{found['raises']}: {found['message']}"
        differences = list(parts_that_differ(expected["result"], found["result"]))
        assert not differences, "\n".join(differences)
    else:
        assert "raises" in found, f"gave {found['result']}, not {expected['raises']}: {expected['message']}"
        assert found["raises"] == expected["raises"], f"{found['message']}\ninstead of: {expected['message']}"
        assert expected["fragment"] in found["message"]


def test_each_case_has_its_recording():
    assert set(RECORDED) == set(CASES)


def parts_that_differ(expected, found, where="result"):
    """Compare two described results, part by part; give a line for each that differs."""
    if isinstance(expected, dict) and isinstance(found, dict) and list(expected) == list(found):
        for key in expected:
            yield from parts_that_differ(expected[key], found[key], f"{where}.{key}")
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for i, (one, other) in enumerate(zip(expected, found)):
            yield from parts_that_differ(one, other, f"{where}[{i}]")
    elif type(expected) is not type(found) or not (expected == found or _close(expected, found)):
        yield f"{where}: {expected!r} expected, {found!r} found"


def _close(expected, found):
    if not isinstance(expected, float):
        return False
    both_nan = math.isnan(expected) and math.isnan(found)
    return both_nan or math.isclose(expected, found, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
