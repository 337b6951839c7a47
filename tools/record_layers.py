"""Record the numbers that TensorFlow 1.15.5 gives for the cases of `tests/layers`.

    python tools/record_layers.py            write tests/layers/recordings.npz

Runs under TensorFlow 1.15.5 and Python 3.7.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path.insert(0, str(TESTS))

from layers.cases import CASES  # noqa: E402


def flat(result):
    """The arrays of a result, in order."""
    if isinstance(result, (list, tuple)):
        return [array for part in result for array in flat(part)]
    return [np.asarray(result)]


def main():
    tf.logging.set_verbosity(tf.logging.FATAL)
    arrays = {}
    for name, case in CASES.items():
        with tf.Graph().as_default():
            for i, array in enumerate(flat(case(tf))):
                arrays[f"{name}.{i}"] = array
    np.savez_compressed(str(TESTS / "layers" / "recordings.npz"), **arrays)


if __name__ == "__main__":
    main()
