"""A graph that was built here runs in TensorFlow 2 and gives the same numbers.

The cases are those of `tests/ops`: each is built, exported as a GraphDef with its gradients, and run by the Python that
`EVERGRAPH_TF2_PYTHON` names, on the inputs of the case. Skipped without one.
"""

import importlib
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from ops.harness import RECORDINGS, Recording, compare

import evergraph as tf

TF2 = os.environ.get("EVERGRAPH_TF2_PYTHON")
pytestmark = pytest.mark.skipif(not TF2, reason="EVERGRAPH_TF2_PYTHON is not set")

# Families whose outputs NumPy's files can hold, and whose numbers do not depend on a random stream of TensorFlow 1's.
FAMILIES = ("array", "math", "nn", "convolution", "linear_algebra", "segment", "special", "spectral", "sparse", "image")

# Where TensorFlow 2.21 does otherwise than 1.15 did.
DIFFERENT = {
    "nan_in_maximum": "the maximum of a number and NaN is NaN",
    "reduce_max_with_nan": "so is the maximum of several",
    "matmul_adjoint_10_complex": "the adjoint of a sparse matrix is conjugated",
    "matmul_adjoint_11_complex": "the adjoint of a sparse matrix is conjugated",
}


def export(case, recording, stem):
    """Write a case's graph, feeds and fetches; give the fetches' expected values and types, or None to leave it out."""
    about = recording.about.get(case.name)
    if about is None or "error" in about or "bfloat16" in about["dtypes"] or "string" in about["dtypes"]:
        return None
    if any(x.dtype.kind in "OSUV" for x in case.inputs):
        return None
    with tf.Graph().as_default() as graph:
        tensors = case.placeholders(tf)
        outputs = case.outputs(tf, tensors)
        expected = [recording.array(f"{case.name}/out{i}", name) for i, name in enumerate(about["dtypes"])]
        if any(op.type.startswith("Variable") or op.type == "VarHandleOp" for op in graph.get_operations()):
            return None
        stem.with_suffix(".pb").write_bytes(graph.as_graph_def().SerializeToString())
    np.savez(f"{stem}.feeds.npz", **{t.op.name: x for t, x in zip(tensors, case.inputs, strict=True)})
    stem.with_suffix(".json").write_text(json.dumps([t.name for t in outputs]))
    return list(zip(expected, about["dtypes"], strict=True))


@pytest.mark.parametrize("family", FAMILIES)
def test_exported_graphs_run_in_tensorflow_2(family, tmp_path):
    assert (RECORDINGS / f"{family}.npz").exists()
    cases = importlib.import_module(f"ops.cases_{family}").CASES
    recording = Recording(family)
    wanted = {}
    for number, case in enumerate(cases):
        expected = export(case, recording, tmp_path / str(number))
        if expected is not None:
            wanted[number] = case, expected
    recording.close()
    program = Path(__file__).with_name("run_graphs.py")
    done = subprocess.run([TF2, str(program), str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    failures = []
    for number, (case, expected) in wanted.items():
        if case.name in DIFFERENT:
            continue
        error = tmp_path / f"{number}.error"
        if error.exists():
            failures.append(f"{case}: {error.read_text()}")
            continue
        with np.load(tmp_path / f"{number}.out.npz") as stored:
            found = dict(stored)
        for i, (value, dtype) in enumerate(expected):
            try:
                compare(case, f"output {i}", found[f"arr_{i}"], value, dtype)
            except AssertionError as difference:
                failures.append(f"{case}: {str(difference)[:200]}")
                break
    assert not failures, f"{len(failures)} of {len(wanted)}:\n" + "\n".join(failures)
