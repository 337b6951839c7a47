"""Record what the datasets of tests/data/pipelines.py give in TensorFlow 1.15: run it with a Python that has it.

python tools/record_datasets.py
"""

import json
import os
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir)
sys.path.insert(0, os.path.join(ROOT, "tests", "data"))


def main():
    import pipelines
    import tensorflow as tf

    tf.compat.v1.logging.set_verbosity("ERROR")
    folder = tempfile.mkdtemp()
    pipelines.write_files(folder)
    recorded = {}
    for name, make in pipelines.CASES.items():
        if len(sys.argv) > 1 and sys.argv[1] not in name:
            continue
        recorded[name] = pipelines.run(tf, make, folder)
        shown = [o.get("elements", o.get("built")) for o in recorded[name]]
        print(name, str(shown[0])[:150])
        if shown[0] != shown[1]:
            print("   one-shot:", str(shown[1])[:150])
    if len(sys.argv) == 1:
        with open(os.path.join(ROOT, "tests", "data", "recorded.json"), "w") as file:
            lines = ["{}: {}".format(json.dumps(n), json.dumps(r, sort_keys=True)) for n, r in recorded.items()]
            file.write("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
