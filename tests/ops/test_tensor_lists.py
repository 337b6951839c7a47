"""The cases of `cases_tensor_lists.py` against TensorFlow 1.15.5."""

import numpy as np
import pytest
from ops import cases_tensor_lists
from ops.cases_tensor_lists import CASES
from ops.harness import Recording, check

import evergraph as tf
from evergraph.runtime import executor

RECORDED = Recording("tensor_lists")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)


@pytest.mark.parametrize("name", ["_in_loop", "_in_loop_of_unknown_shape", "_in_branch", "_reserved", "_push_and_pop"])
def test_lists_of_known_length_are_compiled(name, monkeypatch):
    monkeypatch.setattr(executor, "SMALL_OPS", -1)
    programs = []
    made = executor.Program

    def program(*args, **kwargs):
        programs.append(made(*args, **kwargs))
        return programs[-1]

    monkeypatch.setattr(executor, "Program", program)
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [3, 2])
        found = getattr(cases_tensor_lists, name)(tf, x)
        fetches = [*found, *tf.gradients(found[0], x)]
        for _ in range(3):
            session.run(fetches, {x: np.ones([3, 2], np.float32)})
    assert programs and all(p._compiled is not None for p in programs)
    assert any("TensorList" in i.op.type or i.loop for p in programs for i in p.stage.instructions)
