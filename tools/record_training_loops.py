"""Record what TensorFlow 1.15 does in training loops: hook calls, log lines, files, summaries, cluster texts.

    TF_CPP_MIN_LOG_LEVEL=3 python3.7 tools/record_training_loops.py tests/training/recordings/training_loops.json

Runs under a Python that has TensorFlow 1.15. The scenarios are in tests/training/cases_training_loops.py, and are run
by the test with Evergraph in TensorFlow's place.
"""

import importlib.util
import json
import os
import sys

import tensorflow as tf

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    path = os.path.join(HERE, "..", "tests", "training", "cases_training_loops.py")
    spec = importlib.util.spec_from_file_location("cases_training_loops", path)
    cases = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cases)
    found = {name: cases.run(tf, name) for name in sorted(cases.CASES)}
    with open(sys.argv[1], "w") as out:
        json.dump(found, out, indent=1, sort_keys=True)
        out.write("\n")


if __name__ == "__main__":
    main()
