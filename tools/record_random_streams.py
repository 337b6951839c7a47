"""Record what TF 1.15.5's random ops give, for `tests/ops/test_philox.py` to replay.

Run with a Python that has TensorFlow 1.15.5, on a Linux with glibc 2.28 or newer (from which TF takes log, sin and cos
of float32):

    python tools/record_random_streams.py tests/ops/data/random_streams.npz

Each case is one op with its attributes and inputs, run three times in one session. Large outputs are kept as a SHA-256
of their bytes. The session has one thread, because the draws of `Multinomial` depend on the number of threads.
"""

import ctypes
import hashlib
import json
import math
import sys

import numpy as np
import tensorflow as tf

RUNS = 3
SEEDS = [(1, 42), (0, 9), (7, 0), (-3, 5), (2**40 + 7, -(2**33)), (2**63 - 1, -(2**63))]
SHAPES = [(), (0, 3), (6,), (5, 3), (4, 2)]
REALS = ["float16", "bfloat16", "float32", "float64"]
FILLS = ["RandomUniform", "RandomStandardNormal", "TruncatedNormal"]
LARGE = 1000000


def fill_cases():
    for op in FILLS:
        for dtype in REALS:
            for shape in SHAPES:
                yield {"op": op, "shape": shape, "dtype": dtype}
        for seed, seed2 in SEEDS[1:]:
            yield {"op": op, "shape": (6,), "dtype": "float32", "seed": seed, "seed2": seed2}
        yield {"op": op, "shape": (200,), "dtype": "float64"}
        yield {"op": op, "shape": (LARGE,), "dtype": "float32", "digest": True}


def int_cases():
    for dtype in ("int32", "int64"):
        limits = np.iinfo(dtype)
        low, high = int(limits.min), int(limits.max)
        for minval, maxval in [(0, 10), (-5, 7), (5, 6), (low, high), (0, high), (low, -1), (3, 2**30 + 3)]:
            yield {"op": "RandomUniformInt", "shape": (7,), "dtype": dtype, "minval": minval, "maxval": maxval}
        for shape in SHAPES:
            yield {"op": "RandomUniformInt", "shape": shape, "dtype": dtype, "minval": -100, "maxval": 1000}
        for seed, seed2 in SEEDS[1:]:
            yield {
                "op": "RandomUniformInt",
                "shape": (6,),
                "dtype": dtype,
                "minval": 0,
                "maxval": 99,
                "seed": seed,
                "seed2": seed2,
            }


def shuffle_cases():
    for shape in [(), (0,), (1,), (2,), (5,), (6,), (100,), (7, 3), (1, 4), (5, 0), (4, 1, 2)]:
        yield {"op": "RandomShuffle", "shape": shape}
    for seed, seed2 in SEEDS[1:]:
        yield {"op": "RandomShuffle", "shape": (9,), "seed": seed, "seed2": seed2}
    yield {"op": "RandomShuffle", "shape": (LARGE,), "digest": True}


def multinomial_cases():
    logits = np.random.RandomState(0).normal(scale=2, size=(3, 5))
    odd = logits.copy()
    odd[0, 1] = odd[1, 0] = odd[1, 4] = -np.inf
    odd[2] = [np.inf, np.nan, 1, -np.inf, 2]
    none = np.full((2, 3), -np.inf)

    def case(logits, logits_dtype, num_samples, dtype="int64", **seeds):
        inputs = {"logits": logits, "logits_dtype": logits_dtype, "num_samples": num_samples}
        return {"op": "Multinomial", "dtype": dtype, **inputs, **seeds}

    for dtype in ("float16", "float32", "float64"):
        for num_samples in (0, 1, 7, 8):
            yield case(logits, dtype, num_samples)
    yield case(odd, "float32", 9, "int32")
    yield case(none, "float32", 2, "int32")
    yield case(logits[:0], "float32", 4)
    yield case(logits[:, :1], "float64", 4)
    for seed, seed2 in SEEDS[1:]:
        yield case(logits, "float32", 5, seed=seed, seed2=seed2)


def build(case):
    seeds = {"seed": case["seed"], "seed2": case["seed2"]}
    if case["op"] == "RandomShuffle":
        value = np.arange(np.prod(case["shape"], dtype=int), dtype=np.int32).reshape(case["shape"])
        return tf.raw_ops.RandomShuffle(value=value, **seeds)
    if case["op"] == "Multinomial":
        logits = case["logits"].astype(case["logits_dtype"])
        return tf.raw_ops.Multinomial(
            logits=logits, num_samples=case["num_samples"], output_dtype=case["dtype"], **seeds
        )
    shape = np.array(case["shape"], np.int32)
    if case["op"] == "RandomUniformInt":
        bounds = [np.array(case[name], case["dtype"]) for name in ("minval", "maxval")]
        return tf.raw_ops.RandomUniformInt(shape=shape, minval=bounds[0], maxval=bounds[1], **seeds)
    return getattr(tf.raw_ops, case["op"])(shape=shape, dtype=case["dtype"], **seeds)


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def library_digests():
    """Digests of the C library's float32 log, sin and cos at every number that a normal can need it for."""
    library = ctypes.CDLL("libm.so.6")
    u = (np.arange(2**23, dtype=np.uint32) | 0x3F800000).view(np.float32) - np.float32(1)
    angle = (u.astype(np.float64) * (2 * math.pi)).astype(np.float32)
    found = {}
    for name, x in {"logf": np.maximum(u, np.float32(1e-7)), "sinf": angle, "cosf": angle}.items():
        function = getattr(library, name)
        function.argtypes, function.restype = [ctypes.c_float], ctypes.c_float
        found[name] = digest(np.fromiter(map(function, x.tolist()), np.float32, x.size))
    return found


def library_version():
    version = ctypes.CDLL("libc.so.6").gnu_get_libc_version
    version.restype = ctypes.c_char_p
    return "glibc " + version().decode()


def main(path):
    arrays, cases = {}, []
    cases_to_run = [*fill_cases(), *int_cases(), *shuffle_cases(), *multinomial_cases()]
    config = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    for number, case in enumerate(cases_to_run):
        case = {"seed": SEEDS[0][0], "seed2": SEEDS[0][1], **case}
        with tf.Graph().as_default(), tf.compat.v1.Session(config=config) as session:
            output = build(case)
            runs = [session.run(output) for _ in range(RUNS)]
        if case.get("digest"):
            case["digest"] = [digest(run) for run in runs]
        else:
            runs = np.stack(runs)
            arrays["runs_%d" % number] = runs.astype(np.float32) if case.get("dtype") == "bfloat16" else runs
        if "logits" in case:
            arrays["logits_%d" % number] = case.pop("logits").astype(case["logits_dtype"])
        cases.append(dict(case, number=number))
    about = {
        "tensorflow": tf.__version__,
        "libc": library_version(),
        "note": "bfloat16 is kept as float32",
        "library_digests": library_digests(),
        "cases": cases,
    }
    np.savez_compressed(path, about=np.array(json.dumps(about, sort_keys=True)), **arrays)


if __name__ == "__main__":
    main(sys.argv[1])
