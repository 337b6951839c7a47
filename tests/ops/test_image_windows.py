"""The cases of `cases_image_windows.py` against TensorFlow 1.15.5."""

import numpy as np
import pytest
from ops.cases_image_windows import CASES
from ops.harness import Recording, check

import evergraph as tf

RECORDED = Recording("image_windows")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)


def test_cells_are_new_at_each_run_unless_they_are_deterministic():
    image = np.zeros((1, 60, 61, 1), np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        for is_deterministic in (False, True):
            _, rows, _ = tf.nn.fractional_max_pool(image, [1, 1.4, 1.4, 1], deterministic=is_deterministic, seed=0)
            runs = [session.run(rows).tolist() for _ in range(3)]
            assert all(run[0] == 0 and run[-1] == 60 and set(np.diff(run)) == {1, 2} for run in runs)
            assert is_deterministic or runs[0] != runs[1]


def test_a_cell_larger_than_the_image_is_refused():
    with tf.Graph().as_default(), tf.Session() as session:
        for pool in (tf.nn.fractional_max_pool, tf.nn.fractional_avg_pool):
            with pytest.raises(tf.errors.InvalidArgumentError, match=r"dimension 1\. Input dim size: 7"):
                session.run(pool(np.zeros((1, 7, 8, 1), np.float32), [1, 7.5, 1, 1])[0])
