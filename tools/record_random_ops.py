"""Record the first two runs of each random op of `tests/ops/cases_random.py` under TensorFlow 1.15.5 and Python 3.7."""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

OPS = Path(__file__).resolve().parent.parent / "tests" / "ops"
sys.path.insert(0, str(OPS.parent))

from ops.cases_random import CALLS, run_twice  # noqa: E402

arrays = {}
for name, call in CALLS.items():
    for number, outputs in enumerate(run_twice(tf, call)):
        for i, array in enumerate(outputs):
            arrays["{}/{}/{}".format(name, number, i)] = array
np.savez_compressed(str(OPS / "data" / "random_ops.npz"), **arrays)
print("random_ops.npz:", len(arrays), "arrays")
