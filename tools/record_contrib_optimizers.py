"""Record the steps of optimizers under TensorFlow 1.15.

    TF_CPP_MIN_LOG_LEVEL=3 python3.7 tools/record_contrib_optimizers.py \\
        tests/training/recordings/contrib_optimizers.json

Runs under a Python that has TensorFlow 1.15. The cases are in tests/training/cases_contrib_optimizers.py.
"""

import json
import os
import sys

import tensorflow as tf

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "training"))
import cases_contrib_optimizers as cases

found = {f"{name} {resource}": cases.run(tf, name, resource) for name, resource in cases.RUNS}
found.update((f"worker {name}", cases.run_worker(tf, name)) for name in sorted(cases.WORKERS))
with open(sys.argv[1], "w") as out:
    json.dump(found, out, sort_keys=True)
    out.write("\n")
