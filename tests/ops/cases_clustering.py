"""Where k-means begins, and which centres are near."""

import numpy as np
from ops.case import Case, floats

CASES = []


def case(name, call, *inputs, **options):
    CASES.append(Case(name, call, *inputs, **dict({"gradient": False}, **options)))


POINTS = floats(9, 2, low=-3.0, high=3.0)
CENTRES = floats(5, 2, low=-3.0, high=3.0, seed=1)
DISTANCES = floats(40, low=0.0, high=5.0)


def _raw(tf, name):
    """The op, which TensorFlow has under an internal name only."""
    if hasattr(tf.raw_ops, name):
        return getattr(tf.raw_ops, name)
    from tensorflow.python.ops import gen_clustering_ops

    return getattr(gen_clustering_ops, name)


def _start(tf, points, count, seed, retries):
    return _raw(tf, "KmeansPlusPlusInitialization")(
        points=points, num_to_sample=count, seed=seed, num_retries_per_sample=retries
    )


for _seed in (0, 7, -3):
    for _retries in (0, 2, -1):
        case(
            f"start_{_seed}_{_retries}",
            lambda tf, x, s=_seed, r=_retries: _start(tf, x, 4, s, r),
            POINTS,
        )
case("start_with_all", lambda tf, x: _start(tf, x, 9, 5, 0), POINTS)
case("start_at_a_power_of_two", lambda tf, x: _start(tf, x, 2, 5, 0), POINTS[:8])
case("start_with_too_many", lambda tf, x: _start(tf, x, 10, 5, 0), POINTS)
case("start_with_none", lambda tf, x: _start(tf, x, 0, 5, 0), POINTS)
case("start_from_vector", lambda tf, x: _start(tf, x, 1, 5, 0), POINTS[0], shapes={0: None})
for _seed in (0, 1, 2, 3):
    case(
        f"chain_{_seed}",
        lambda tf, d, s=_seed: _raw(tf, "KMC2ChainInitialization")(distances=d, seed=s),
        DISTANCES,
    )
case(
    "chain_longer_than_the_words_made_at_once",
    lambda tf, d: _raw(tf, "KMC2ChainInitialization")(distances=d, seed=4),
    floats(1500, low=0.0, high=5.0),
)
case("chain_empty", lambda tf, d: _raw(tf, "KMC2ChainInitialization")(distances=d, seed=0), np.zeros(0, np.float32))
for _k in (0, 1, 3, 5, 8):
    case(
        f"nearest_{_k}",
        lambda tf, x, c, k=_k: _raw(tf, "NearestNeighbors")(points=x, centers=c, k=k),
        POINTS,
        CENTRES,
        rtol=1e-4,
        atol=1e-4,
    )
case(
    "nearest_of_equals",
    lambda tf, x, c: _raw(tf, "NearestNeighbors")(points=x, centers=c, k=2),
    np.zeros((2, 2), np.float32),
    np.array([[1, 0], [0, 1], [0, 1], [3, 0]], np.float32),
)
case(
    "nearest_of_another_dimension",
    lambda tf, x, c: _raw(tf, "NearestNeighbors")(points=x, centers=c, k=1),
    POINTS,
    floats(5, 3),
)
