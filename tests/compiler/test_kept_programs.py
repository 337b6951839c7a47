"""A second process takes the programs of the first one, and only those that are the same."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import evergraph as tf
from evergraph.compiler import disk_cache, kept_programs
from evergraph.runtime.session import Session

PROGRAM = """
import json, sys
import numpy as np
import evergraph as tf
from evergraph.compiler import lower, pieces
from evergraph.runtime import executor
executor.SMALL_OPS = -1
{first}
traced = [0]
run = lower.Program._run
def counted(self, *args, **kwargs):
    traced[0] += 1
    return run(self, *args, **kwargs)
lower.Program._run = counted
rng = np.random.RandomState(0)
scale = {scale}
{model}
results = []
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    for v in tf.trainable_variables():
        v.load(np.linspace(-0.5, 0.5, v.shape.num_elements()).reshape(v.shape.as_list()), session)
    for _ in range(5):
        results.append(session.run([loss, step], feeds)[0].tobytes().hex())
    refused = None
    if bad is not None:
        try:
            session.run([loss, step], bad)
        except tf.errors.InvalidArgumentError as error:
            refused = error.message.splitlines()[0]
    results.append(session.run(tf.trainable_variables()[0]).tobytes().hex())
print(json.dumps([traced[0], refused, results]))
"""

CLASSIFIER = """
x, y = tf.placeholder(tf.float32, [8, 6]), tf.placeholder(tf.int32, [8])
hidden = tf.nn.dropout(tf.layers.dense(x, 7, tf.nn.relu) * scale, rate=0.25, seed=3)
loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=tf.layers.dense(hidden, 4)))
step = tf.train.AdamOptimizer(0.1).minimize(loss)
feeds = {x: rng.randn(8, 6), y: np.arange(8) % 4}
bad = {x: rng.randn(8, 6), y: np.arange(8)}
"""

RECURRENT = """
x = tf.placeholder(tf.float32, [3, 5, 2])
out, _ = tf.nn.dynamic_rnn(tf.nn.rnn_cell.GRUCell(4), x, sequence_length=[5, 2, 3], dtype=tf.float32)
loss = tf.reduce_sum(tf.square(out - scale))
step = tf.train.MomentumOptimizer(0.01, 0.9).minimize(loss)
feeds, bad = {x: rng.randn(3, 5, 2)}, None
"""

DEEP = """
pieces.MANY_EQUATIONS, pieces.LEAST, pieces.USUAL, pieces.MOST_DIFFERENT = 1, 3, 8, 2.0
lower.MANY_INSTRUCTIONS = 0
x = tf.placeholder(tf.float32, [4, 4])
value = x
for _ in range(6):
    value = tf.tanh(tf.layers.dense(value, 4)) * scale
loss = tf.reduce_sum(tf.square(value - np.eye(4)))
step = tf.train.GradientDescentOptimizer(0.05).minimize(loss)
feeds, bad = {x: rng.randn(4, 4)}, None
"""


def run(folder, model, scale=1.0, first=""):
    environment = {**os.environ, "EVERGRAPH_CACHE": str(folder)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    program = PROGRAM.format(model=model, scale=scale, first=first)
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("model", [CLASSIFIER, RECURRENT, DEEP], ids=["classifier", "recurrent", "deep"])
def test_a_second_process_does_not_trace(model, tmp_path):
    traced, refused, results = run(tmp_path, model)
    assert traced > 0
    again = run(tmp_path, model)
    assert again == [0, refused, results]
    if model is CLASSIFIER:
        assert "Received a label value of 4 which is outside the valid range of [0, 4)" in refused


def test_another_constant_is_another_program(tmp_path):
    traced, _, results = run(tmp_path, CLASSIFIER)
    other, _, others = run(tmp_path, CLASSIFIER, scale=1.5)
    assert other == traced
    assert others != results


def test_a_damaged_file_is_as_good_as_none(tmp_path):
    traced, refused, results = run(tmp_path, CLASSIFIER)
    for number, path in enumerate(sorted(tmp_path.rglob("*.program"))):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data[: len(data) // 3] if number % 2 else data)
    assert run(tmp_path, CLASSIFIER) == [traced, refused, results]
    assert run(tmp_path, CLASSIFIER)[0] == 0


def test_what_came_from_the_cache_of_jax_is_not_kept(tmp_path):
    """A file written from it would lack functions."""
    plain = "from evergraph.compiler import disk_cache, kept_programs; disk_cache.SHORTEST = 0.0\n"
    without = plain + "kept_programs.name_of = lambda *_: None"
    traced, refused, results = run(tmp_path, CLASSIFIER, first=without)
    assert list(tmp_path.rglob("*-cache"))
    for _ in range(2):
        assert run(tmp_path, CLASSIFIER, first=plain) == [traced, refused, results]


def test_checks_that_numpy_does_not_do(tmp_path):
    first = "from evergraph.compiler import checks; checks._NumPyProgram.of = classmethod(lambda *_: None)"
    traced, refused, results = run(tmp_path, CLASSIFIER, first=first)
    assert traced > 0 and refused
    assert run(tmp_path, CLASSIFIER, first=first) == [0, refused, results]


@pytest.fixture
def stage_of(tmp_path, monkeypatch):
    """The stage in which some fetches run."""
    monkeypatch.setattr(disk_cache, "_folder", tmp_path)
    monkeypatch.setattr(kept_programs, "FEWEST", 1)

    def stage_of(fetch, feeds):
        (stage,) = Session(graph=fetch.graph)._plan([fetch], list(feeds)).stages
        return stage

    return stage_of


def build(size=3, axis=0, kind=tf.float32, constant=2.0, twice=False):
    with tf.Graph().as_default():
        x = tf.placeholder(kind, [size, 3])
        value = tf.reduce_sum(tf.tanh(x * constant), axis)
        if twice:
            value = value + value
        return value, [x]


def test_names_follow_what_a_program_is_made_of(stage_of, monkeypatch):
    name = kept_programs.name_of(stage_of(*build()), "shapes")
    assert name == kept_programs.name_of(stage_of(*build()), "shapes")
    others = [
        kept_programs.name_of(stage_of(*build()), "other shapes"),
        kept_programs.name_of(stage_of(*build(size=4)), "shapes"),
        kept_programs.name_of(stage_of(*build(kind=tf.float64)), "shapes"),
        kept_programs.name_of(stage_of(*build(twice=True)), "shapes"),
    ]
    import jax

    with jax.default_matmul_precision("bfloat16"):
        others.append(kept_programs.name_of(stage_of(*build()), "shapes"))
    monkeypatch.setattr(kept_programs, "_surroundings", lambda: b"other versions")
    others.append(kept_programs.name_of(stage_of(*build()), "shapes"))
    assert len({name, *others}) == 1 + len(others)


def test_a_kernel_from_elsewhere_is_not_kept(stage_of):
    stage = stage_of(*build())

    def kernel(xp, x):
        return x

    stage.instructions[-1].kernel = kernel
    assert kept_programs.name_of(stage, "shapes") is None


def test_parts_tell_values_apart():
    values = [
        1, 1.0, True, "1", b"1", None, (), ((),), (1, 1), ((1,), 1), np.int32(1), np.int64(1), np.array([1]),
        np.array([[1]]), np.array([b"a", b"b"], object), np.array([b"a,b"], object), tf.float32, tf.float16,
        np.dtype("f4"),
    ]  # fmt: skip
    assert len({b"".join(kept_programs._parts(v)) for v in values}) == len(values)
