"""Record what TensorFlow 1.15.5 gives for the cases of `tests/ops/cases_<family>.py`.

    python tools/record_ops.py                 every family
    python tools/record_ops.py math array      these
    python tools/record_ops.py math --check    write nothing; say which cases differ from their recording

Runs under TensorFlow 1.15.5 and Python 3.7. A family's recording is one file, `tests/ops/recordings/<family>.npz`:
arrays named `<case>/out<i>` and `<case>/grad<i>`, and under `about` a JSON object: for each case the dtypes and static
shapes of its outputs, which gradients it has, or the error it raises.
"""

import argparse
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

TESTS = Path(__file__).resolve().parent.parent / "tests"
RECORDINGS = TESTS / "ops" / "recordings"
sys.path.insert(0, str(TESTS))


def storable(array):
    """NumPy's file format has no bfloat16 and no objects: bits and byte strings instead."""
    array = np.asarray(array)
    if array.dtype == tf.bfloat16.as_numpy_dtype:
        return array.view(np.uint16)
    if array.dtype == object:
        return array.astype("S")
    return array


def record(case):
    """Run one case: (what is said about it, its arrays)."""
    about, arrays = {}, {}
    with tf.Graph().as_default(), tf.Session() as session:
        phase = "build"
        try:
            tensors = case.placeholders(tf)
            outputs = case.outputs(tf, tensors)
            phase = "run"
            feeds = dict(zip(tensors, case.inputs))
            values = [np.asarray(value) for value in session.run(outputs, feeds)]
        except (ValueError, TypeError, tf.errors.OpError) as error:
            return {"error": [phase, type(error).__name__]}, {}
        about["dtypes"] = [out.dtype.base_dtype.name for out in outputs]
        about["shapes"] = [None if out.shape.ndims is None else out.shape.as_list() for out in outputs]
        arrays.update({f"out{i}": storable(value) for i, value in enumerate(values)})
        if not case.gradient:
            return about, arrays
        try:
            gradients = case.gradients(tf, outputs, values, tensors)
        except LookupError:  # an op that TensorFlow has no gradient for
            return about, arrays
        about["gradients"] = [g is not None for g in gradients]
        some = {i: g for i, g in enumerate(gradients) if g is not None}
        arrays.update({f"grad{i}": storable(value) for i, value in session.run(some, feeds).items()})
        return about, arrays


def record_family(family):
    """Run every case of a family: the whole recording as {name: array}."""
    cases = importlib.import_module("ops.cases_" + family).CASES
    names = [case.name for case in cases]
    assert len(set(names)) == len(names), "two cases of one name: %s" % {n for n in names if names.count(n) > 1}
    about, stored = {}, {}
    for case in cases:
        try:
            about[case.name], arrays = record(case)
        except Exception:
            print("in case", case.name, file=sys.stderr)
            raise
        stored.update({"%s/%s" % (case.name, key): array for key, array in arrays.items()})
    stored["about"] = np.array(json.dumps(about, sort_keys=True))
    return stored


def differing(recorded, stored):
    """The cases whose recordings are not the same."""
    about, known = json.loads(str(stored["about"])), json.loads(str(recorded["about"]))
    names = {name for name in set(about) | set(known) if about.get(name) != known.get(name)}
    for key in set(stored) | set(recorded.files):
        same = key in stored and key in recorded.files and stored[key].tobytes() == recorded[key].tobytes()
        if not same and key != "about":
            names.add(key.rpartition("/")[0])
    return sorted(names)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("families", nargs="*", metavar="family", help="all of them by default")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a recording differs")
    arguments = parser.parse_args()
    tf.logging.set_verbosity(tf.logging.FATAL)
    families = arguments.families or sorted(path.stem[6:] for path in (TESTS / "ops").glob("cases_*.py"))
    for family in families:
        path = RECORDINGS / (family + ".npz")
        stored = record_family(family)
        if not arguments.check:
            np.savez_compressed(str(path), **stored)
            print("%s: %d arrays, %d bytes" % (family, len(stored) - 1, path.stat().st_size))
            continue
        names = differing(np.load(str(path)), stored)
        if names:
            sys.exit("%s: differ: %s" % (family, ", ".join(names)))


if __name__ == "__main__":
    main()
