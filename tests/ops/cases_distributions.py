"""Probability distributions: statistics, values, samples, divergences, checks."""

import numpy as np
from ops.case import Case, floats

CASES = []
POSITIVE = floats(2, 3, low=0.3, high=3.0)
ROW = floats(3, seed=1, low=0.5, high=2.0)
X = floats(2, 3, seed=2, low=0.1, high=2.5)
LOOSE = {"rtol": 2e-4, "atol": 2e-5}


def case(name, call, *inputs, **options):
    CASES.append(Case(name, call, *inputs, **dict(LOOSE, **options)))


KINDS = {
    "normal": (lambda ds, a, b: ds.Normal(a, b), X),
    "laplace": (lambda ds, a, b: ds.Laplace(a, b), X),
    "uniform": (lambda ds, a, b: ds.Uniform(-b, a), X),
    "gamma": (lambda ds, a, b: ds.Gamma(a, b), X),
    "exponential": (lambda ds, a, b: ds.Exponential(a * b), X),
    "beta": (lambda ds, a, b: ds.Beta(a, b), X / 3),
    "student_t": (lambda ds, a, b: ds.StudentT(a + 2.5, a, b), X),
    "bernoulli": (lambda ds, a, b: ds.Bernoulli(logits=a - b), np.array([[0, 1, 1], [1, 0, 0]], np.float32)),
}
# NaN gradients, which TensorFlow gives in places where it takes both sides of a choice, are no part of the comparison.
VALUES = {
    "normal": ("log_prob", "prob", "cdf", "log_cdf", "survival_function", "log_survival_function"),
    "laplace": ("log_prob", "prob", "cdf", "log_cdf", "log_survival_function"),
    "uniform": ("prob", "cdf", "survival_function"),
    "gamma": ("log_prob", "prob", "cdf", "log_survival_function"),
    "exponential": ("log_prob", "prob", "cdf", "log_survival_function"),
    "beta": ("log_prob", "prob", "cdf"),
    "student_t": ("log_prob", "prob", "cdf"),
    "bernoulli": ("log_prob", "prob"),
}
STATISTICS = {
    "normal": ("mean", "mode", "variance", "stddev", "entropy"),
    "laplace": ("mean", "mode", "variance", "stddev", "entropy"),
    "uniform": ("mean", "variance", "stddev", "entropy"),
    "gamma": ("mean", "mode", "variance", "stddev", "entropy"),
    "exponential": ("mean", "variance", "stddev", "entropy"),
    "beta": ("mean", "mode", "variance", "stddev", "entropy"),
    "student_t": ("mean", "mode", "variance", "stddev", "entropy"),
    "bernoulli": ("mean", "variance", "stddev", "entropy", "mode"),
}
for _kind, (_make, _x) in KINDS.items():
    case(
        _kind + "_values",
        lambda tf, a, b, x, _k=_kind, _m=_make: [getattr(_m(tf.distributions, a, b), v)(x) for v in VALUES[_k]],
        POSITIVE,
        ROW,
        _x,
        gradient=_kind in ("normal", "laplace", "student_t"),
        smooth=False,
    )
    case(
        _kind + "_statistics",
        lambda tf, a, b, _k=_kind, _m=_make: [getattr(_m(tf.distributions, a, b), s)() for s in STATISTICS[_k]],
        POSITIVE,
        ROW,
        gradient=_kind not in ("gamma", "beta", "bernoulli"),
        smooth=False,
    )
    case(
        _kind + "_samples",
        lambda tf, a, b, _m=_make: [_m(tf.distributions, a, b).sample(s, seed=7) for s in ((), 4, [2, 1])],
        POSITIVE,
        ROW,
        gradient=False,
        rtol=1e-3,
        atol=1e-4,
    )
    case(
        _kind + "_shapes",
        lambda tf, a, b, _m=_make: [
            _m(tf.distributions, a, b).batch_shape_tensor(),
            _m(tf.distributions, a, b).event_shape_tensor(),
            _m(tf.distributions, a, b).is_scalar_batch(),
            _m(tf.distributions, a, b).is_scalar_event(),
            _m(tf.distributions, a, b).mean(),
        ],
        POSITIVE,
        ROW,
        shapes={0: None, 1: [None]},
        gradient=False,
    )

LOGITS = floats(2, 4, seed=3)
CLASSES = np.array([[0, 3], [2, 1], [1, 1]], np.int32)


def _categorical(tf, logits, k):
    d = tf.distributions.Categorical(logits)
    return [d.log_prob(k), d.prob(k), d.cdf(k), d.entropy(), d.mode(), d.event_size]


case("categorical", _categorical, LOGITS, CLASSES, smooth=False)
case("categorical_open", _categorical, LOGITS, CLASSES, shapes={0: None, 1: None}, gradient=False)
case("categorical_samples", lambda tf, x: tf.distributions.Categorical(x).sample([2, 3], seed=5), LOGITS)
case(
    "categorical_samples_int64",
    lambda tf, x: tf.distributions.Categorical(probs=tf.nn.softmax(x), dtype=tf.int64).sample(6, seed=5),
    LOGITS,
    gradient=False,
)
SIMPLEX = np.array([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]], np.float32)
COUNTS = np.array([[1.0, 3.0, 1.0], [0.0, 4.0, 1.0]], np.float32)


def _dirichlet(tf, a, x):
    d = tf.distributions.Dirichlet(a)
    return [d.log_prob(x), d.prob(x), d.mean(), d.variance(), d.stddev(), d.covariance(), d.entropy()]


case("dirichlet", _dirichlet, POSITIVE, SIMPLEX, smooth=False)
case("dirichlet_mode", lambda tf, a: tf.distributions.Dirichlet(a + 1.0).mode(), POSITIVE, gradient=False)
case("dirichlet_sample", lambda tf, a: tf.distributions.Dirichlet(a).sample(3, seed=1), POSITIVE, gradient=False)


def _dirichlet_multinomial(tf, a, x):
    d = tf.distributions.DirichletMultinomial(5.0, a)
    return [d.log_prob(x), d.prob(x), d.mean(), d.variance(), d.covariance()]


case("dirichlet_multinomial", _dirichlet_multinomial, POSITIVE, COUNTS, smooth=False)
case(
    "dirichlet_multinomial_sample",
    lambda tf, a: tf.distributions.DirichletMultinomial(5.0, a).sample(3, seed=1),
    POSITIVE,
    gradient=False,
)


def _multinomial(tf, logits, x):
    d = tf.distributions.Multinomial(5.0, logits)
    return [d.log_prob(x), d.prob(x), d.mean(), d.variance(), d.covariance()]


case("multinomial", _multinomial, floats(2, 3, seed=5), COUNTS, smooth=False)
case(
    "multinomial_sample",
    lambda tf, x: tf.distributions.Multinomial([7.0], x).sample(3, seed=1),
    floats(1, 3, seed=5),
    gradient=False,
    note="of several rows, TensorFlow draws in whatever order the iterations of its loop come to run",
)

# Tails

case(
    "normal_far_out",
    lambda tf, x: [tf.distributions.Normal(0.0, 1.0).log_cdf(x), tf.distributions.Normal(0.0, 1.0).cdf(x)],
    np.array([-40.0, -12.0, -6.0, -1.0, 0.0, 4.0, 6.0, 20.0], np.float32),
    smooth=False,
)
case(
    "normal_far_out_double",
    lambda tf, x: tf.distributions.Normal(tf.constant(0.0, tf.float64), tf.constant(1.0, tf.float64)).log_cdf(x),
    np.array([-60.0, -25.0, -15.0, -1.0, 7.0, 9.0]),
    rtol=1e-9,
)
case(
    "normal_quantiles",
    lambda tf, p: tf.distributions.Normal(1.0, 2.0).quantile(p),
    np.array([0.0, 1e-30, 1e-4, 0.1, 0.13, 0.5, 0.9, 0.9999, 1.0], np.float32),
    gradient=False,
)

# Divergences

for _kind in ("normal", "gamma", "beta", "bernoulli"):
    _make = KINDS[_kind][0]
    case(
        _kind + "_divergence",
        lambda tf, a, b, _m=_make: [
            tf.distributions.kl_divergence(_m(tf.distributions, a, b), _m(tf.distributions, a * 1.5, b + 0.2)),
            _m(tf.distributions, a, b).kl_divergence(_m(tf.distributions, a, b)),
            _m(tf.distributions, a, b).cross_entropy(_m(tf.distributions, a * 1.5, b + 0.2)),
            tf.distributions.kl_divergence(
                _m(tf.distributions, a, b), _m(tf.distributions, a, b + 0.2), allow_nan_stats=False
            ),
        ],
        POSITIVE,
        ROW,
        smooth=False,
    )
case(
    "categorical_divergence",
    lambda tf, a: tf.distributions.Categorical(a).kl_divergence(tf.distributions.Categorical(a * 0.5)),
    LOGITS,
)
case(
    "dirichlet_divergence",
    lambda tf, a: tf.distributions.Dirichlet(a).kl_divergence(tf.distributions.Dirichlet(a + 1.0)),
    POSITIVE,
    smooth=False,
)

# Undefined and invalid

case("gamma_mode_undefined", lambda tf, a: tf.distributions.Gamma(a, a).mode(), POSITIVE, gradient=False)
case(
    "gamma_mode_refused",
    lambda tf, a: tf.distributions.Gamma(a, a, allow_nan_stats=False).mode(),
    POSITIVE,
    gradient=False,
)
case("student_t_undefined", lambda tf, a: tf.distributions.StudentT(a, 0.0, 1.0).variance(), POSITIVE, gradient=False)
for _name, _call in {
    "normal": lambda tf, a: tf.distributions.Normal(0.0, -a, validate_args=True).mean(),
    "uniform": lambda tf, a: tf.distributions.Uniform(a, 0.0, validate_args=True).mean(),
    "gamma": lambda tf, a: tf.distributions.Gamma(-a, a, validate_args=True).mean(),
    "beta": lambda tf, a: tf.distributions.Beta(a, -a, validate_args=True).mean(),
    "beta_value": lambda tf, a: tf.distributions.Beta(a, a, validate_args=True).prob(a + 1.0),
    "bernoulli": lambda tf, a: tf.distributions.Bernoulli(probs=a, validate_args=True).mean(),
    "bernoulli_value": lambda tf, a: tf.distributions.Bernoulli(a, validate_args=True).log_prob(a),
    "bernoulli_both": lambda tf, a: tf.distributions.Bernoulli(a, a).mean(),
    "categorical_one_class": lambda tf, a: tf.distributions.Categorical(a[:, :1], validate_args=True).entropy(),
    "categorical_ints": lambda tf, a: tf.distributions.Categorical(tf.cast(a, tf.int32)).entropy(),
    "dirichlet": lambda tf, a: tf.distributions.Dirichlet(-a, validate_args=True).mean(),
    "dirichlet_value": lambda tf, a: tf.distributions.Dirichlet(a, validate_args=True).prob(a),
    "multinomial_value": lambda tf, a: tf.distributions.Multinomial(3.0, a, validate_args=True).prob(a),
    "sample_shape": lambda tf, a: tf.distributions.Normal(a, a).sample([[1, 2]]),
    "types": lambda tf, a: tf.distributions.Normal(a, tf.cast(a, tf.float64)).mean(),
}.items():
    case("refused_" + _name, _call, POSITIVE, gradient=False)
