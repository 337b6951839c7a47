"""Runs the cases of a family and holds them against what TensorFlow 1.15.5 gave.

A family's test module is

    from ops.cases_math import CASES
    from ops.harness import Recording, check

    RECORDED = Recording("math")

    @pytest.mark.parametrize("case", CASES, ids=repr)
    def test_case(case):
        check(case, RECORDED)

Each case is built once and run twice: interpreted (NumPy kernels) and compiled (the same kernels traced). Both have to
give TensorFlow's values, dtypes and gradients, and the tensors its static shapes; or raise the error that it raised,
where it raised it. Gradients with respect to float64 inputs are compared with finite differences as well.
"""

import builtins
import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import evergraph as tf
from evergraph.runtime import executor

RECORDINGS = Path(__file__).parent / "recordings"

# How far from TensorFlow's a number may be: its kernels and XLA's round differently on the way.
TOLERANCES = {
    "float16": (2e-3, 1e-3),
    "bfloat16": (2e-2, 1e-2),
    "float32": (2e-5, 2e-6),
    "complex64": (2e-5, 2e-6),
    "float64": (1e-9, 1e-11),
    "complex128": (1e-9, 1e-11),
}


class Recording:
    """What `tools/record_ops.py` wrote down for a family."""

    def __init__(self, family):
        self._arrays = np.load(RECORDINGS / f"{family}.npz")
        self.about = json.loads(str(self._arrays["about"]))

    def close(self):
        self._arrays.close()

    def array(self, key, dtype):
        stored = self._arrays[key]
        if dtype == "bfloat16":
            return stored.view(ml_dtypes.bfloat16)
        return stored.astype(object) if dtype == "string" else stored


def check(case, recording):
    """Build and run one case; fail where it is not as recorded."""
    if case.name not in recording.about:
        pytest.fail(f"{case} is not recorded yet: run tools/record_ops.py", pytrace=False)
    about = recording.about[case.name]
    if "error" in about:
        check_error(case, *about["error"])
        return
    with tf.Graph().as_default() as graph:
        tensors = case.placeholders(tf)
        outputs = case.outputs(tf, tensors)
        assert [out.dtype.base_dtype.name for out in outputs] == about["dtypes"]
        assert [out._shape_as_list() for out in outputs] == about["shapes"], "static shapes"
        expected = [recording.array(f"{case.name}/out{i}", name) for i, name in enumerate(about["dtypes"])]
        gradients = []
        if about.get("gradients"):
            made = case.gradients(tf, outputs, expected, tensors)
            assert [g is not None for g in made] == about["gradients"], "which gradients there are"
            gradients = [(i, g) for i, g in enumerate(made) if g is not None]
            expected += [recording.array(f"{case.name}/grad{i}", g.dtype.base_dtype.name) for i, g in gradients]
    fetches = outputs + [g for _, g in gradients]
    names = [f"output {i}" for i in range(len(outputs))] + [f"gradient {i}" for i, _ in gradients]
    feeds = dict(zip(tensors, case.inputs))
    with tf.Session(graph=graph) as session:
        for way, values in zip(("interpreted", "compiled"), both_ways(session, fetches, feeds)):
            for name, value, wanted, fetch in zip(names, values, expected, fetches):
                compare(case, f"{name}, {way}", value, wanted, fetch.dtype.base_dtype.name)
        if case.smooth:
            wrt = [t for t in tensors if t.dtype.is_floating or t.dtype.is_complex]
            for (i, _), value in zip(gradients, values[len(outputs) :]):
                if wrt[i].dtype == tf.float64 and all(out.dtype == tf.float64 for out in outputs):
                    check_finite_differences(case, session, outputs, feeds, wrt[i], value)


def both_ways(session, fetches, feeds):
    """The values of one run interpreted and one compiled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executor, "SMALL_OPS", -1)  # so that what is small is compiled too
        return session.run(fetches, feeds), session.run(fetches, feeds)


def compare(case, what, value, expected, dtype):
    value = np.asarray(value, object if dtype == "string" else None)
    kind = tf.as_dtype(dtype).as_numpy_dtype
    assert value.dtype == kind, f"{case}: {what} has dtype {value.dtype}, not {kind}"
    assert value.shape == expected.shape, f"{case}: {what} has shape {value.shape}, not {expected.shape}"
    if dtype not in TOLERANCES:
        np.testing.assert_array_equal(value, expected, err_msg=f"{case}: {what}")
        return
    rtol, atol = TOLERANCES[dtype]
    wide = np.complex128 if value.dtype.kind == "c" else np.float64
    np.testing.assert_allclose(
        value.astype(wide),
        expected.astype(wide),
        rtol=rtol if case.rtol is None else case.rtol,
        atol=atol if case.atol is None else case.atol,
        err_msg=f"{case}: {what}",
    )


def check_error(case, phase, kind):
    """The case has to raise an error of the class named `kind`, while it is built or when it is run."""
    with tf.Graph().as_default() as graph:
        tensors = case.placeholders(tf)
        try:
            outputs = case.outputs(tf, tensors)
        except Exception as error:
            assert (phase, kind) == ("build", type(error).__name__), f"{case}: {error}"
            return
    assert phase == "run", f"{case}: TensorFlow refuses to build this, with {kind}"
    with tf.Session(graph=graph) as session:
        for _ in range(2):
            with pytest.raises(getattr(tf.errors, kind, None) or getattr(builtins, kind)):
                session.run(outputs, dict(zip(tensors, case.inputs)))


def check_finite_differences(case, session, outputs, feeds, tensor, gradient, step=1e-6):
    """Compare a gradient with the slope in one direction."""
    from ops.case import weights_for

    direction = np.sin(2.0 + np.arange(gradient.size, dtype=np.float64)).reshape(gradient.shape)

    def weighted(shift):
        values = session.run(outputs, {**feeds, tensor: feeds[tensor] + shift * direction})
        return sum(float(np.sum(v * weights_for(v.shape))) for v in values)

    slope = (weighted(step) - weighted(-step)) / (2 * step)
    along = float(np.sum(gradient * direction))
    np.testing.assert_allclose(along, slope, rtol=1e-4, atol=1e-5, err_msg=f"{case}: finite differences")
