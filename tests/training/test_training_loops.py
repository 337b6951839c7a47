"""Training loops take the course that TensorFlow's take: calls of hooks, log lines, files, summaries, names of ops."""

import json
from pathlib import Path

import pytest
from training import cases_training_loops as cases

import evergraph as tf

RECORDED = json.loads((Path(__file__).parent / "recordings" / "training_loops.json").read_text())


# A thread of a queue runner may still be at work when its session closes; its run is cancelled then.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("name", sorted(cases.CASES))
def test_the_course_of_a_loop_is_tensorflows(name):
    found = json.loads(json.dumps(cases.run(tf, name)))
    assert found["given"] == RECORDED[name]["given"]
    assert found["lines"] == RECORDED[name]["lines"]
