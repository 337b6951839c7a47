"""The cases of `cases_distributions.py` against TensorFlow 1.15.5."""

import pytest
from ops.cases_distributions import CASES
from ops.harness import Recording, check

RECORDED = Recording("distributions")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)


def test_kinds_without_a_formula_have_no_divergence():
    import evergraph as tf

    with pytest.raises(NotImplementedError, match="type Normal and distribution_b type Gamma"):
        tf.distributions.kl_divergence(tf.distributions.Normal(0.0, 1.0), tf.distributions.Gamma(1.0, 1.0))


def test_a_copy_keeps_the_parameters_that_are_not_given():
    import evergraph as tf

    copy = tf.distributions.Normal(1.0, 2.0, name="n").copy(scale=3.0)
    assert copy.parameters == {
        "loc": 1.0,
        "scale": 3.0,
        "validate_args": False,
        "allow_nan_stats": True,
        "name": "n",
    }
