"""Record summaries of `tf.compat.v2.summary` and `tf.contrib.summary` under TensorFlow 1.15.

    TF_CPP_MIN_LOG_LEVEL=3 python3.7 tools/record_step_summaries.py tests/training/recordings/step_summaries.json

Runs under a Python that has TensorFlow 1.15. The cases are in tests/training/cases_step_summaries.py.
"""

import json
import os
import sys
import tempfile

import tensorflow as tf

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "training"))
import cases_step_summaries as cases

found = {name: cases.run(tf, name, tempfile.mkdtemp()) for name in sorted({**cases.CASES, **cases.CONTRIB})}
with open(sys.argv[1], "w") as out:
    json.dump(found, out, sort_keys=True)
    out.write("\n")
