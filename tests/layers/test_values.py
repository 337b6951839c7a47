"""Layers, cells, loops and metrics compute what TensorFlow 1.15.5 computed. `tools/record_layers.py` recorded it."""

from pathlib import Path

import numpy as np
import pytest
from layers.cases import CASES

import evergraph as tf

RECORDED = np.load(Path(__file__).parent / "recordings.npz")
# Gradients through a few steps add up roundings in another order.
RELATIVE, ABSOLUTE = 1e-4, 2e-6


def flat(result):
    if isinstance(result, list | tuple):
        return [array for part in result for array in flat(part)]
    return [np.asarray(result)]


@pytest.mark.parametrize("name", CASES)
def test_numbers_are_those_of_tensorflow(name):
    with tf.Graph().as_default():
        found = flat(CASES[name](tf))
    recorded = [key for key in RECORDED.files if key.rpartition(".")[0] == name]
    assert len(found) == len(recorded)
    for i, array in enumerate(found):
        expected = RECORDED[f"{name}.{i}"]
        assert array.dtype == expected.dtype
        np.testing.assert_allclose(array, expected, RELATIVE, ABSOLUTE, err_msg=f"result {i}")


def test_each_case_has_its_recording():
    assert {key.rpartition(".")[0] for key in RECORDED.files} == set(CASES)
