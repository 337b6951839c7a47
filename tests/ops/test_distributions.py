"""The cases of `cases_distributions.py` against TensorFlow 1.15.5."""

import pytest
from ops.cases_distributions import CASES
from ops.harness import Recording, check, compare

import evergraph as tf
from evergraph.runtime import executor

RECORDED = Recording("distributions")


DRAWING = [case for case in CASES if "sample" in case.name and not case.name.startswith("refused")]


@pytest.mark.parametrize("case", [case for case in CASES if case not in DRAWING], ids=repr)
def test_case(case):
    check(case, RECORDED)


@pytest.mark.parametrize("way", ["interpreted", "compiled"])
@pytest.mark.parametrize("case", DRAWING, ids=repr)
def test_the_first_samples_are_those_of_tensorflow(case, way, monkeypatch):
    monkeypatch.setattr(executor, "SMALL_OPS", -1 if way == "compiled" else 10**9)
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        tensors = case.placeholders(tf)
        outputs = case.outputs(tf, tensors)
        assert [out._shape_as_list() for out in outputs] == RECORDED.about[case.name]["shapes"]
        for i, value in enumerate(session.run(outputs, dict(zip(tensors, case.inputs)))):
            dtype = outputs[i].dtype.name
            compare(case, f"output {i}, {way}", value, RECORDED.array(f"{case.name}/out{i}", dtype), dtype)


def test_kinds_without_a_formula_have_no_divergence():
    with pytest.raises(NotImplementedError, match="type Normal and distribution_b type Gamma"):
        tf.distributions.kl_divergence(tf.distributions.Normal(0.0, 1.0), tf.distributions.Gamma(1.0, 1.0))


def test_a_copy_keeps_the_parameters_that_are_not_given():
    copy = tf.distributions.Normal(1.0, 2.0, name="n").copy(scale=3.0)
    assert copy.parameters == {
        "loc": 1.0,
        "scale": 3.0,
        "validate_args": False,
        "allow_nan_stats": True,
        "name": "n",
    }
