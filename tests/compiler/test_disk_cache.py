"""Compiled programs are kept where they are asked to be kept, and nowhere else."""

import os
import subprocess
import sys

import pytest

from evergraph.compiler import disk_cache

PROGRAM = """
import numpy as np
{first}
import evergraph as tf
from evergraph.runtime import executor
executor.SMALL_OPS = -1
x = tf.placeholder(tf.float32, [8, 8])
y = tf.nn.softmax(tf.matmul(tf.tanh(x), x))
with tf.Session() as session:
    for _ in range(3):
        found = session.run(y, {{x: np.eye(8)}})
print(float(found.sum()))
"""


def run(folder, first=""):
    environment = {**os.environ, "EVERGRAPH_CACHE": str(folder)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(first=first)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_second_process_finds_what_the_first_one_compiled(tmp_path):
    first = "from evergraph.compiler import disk_cache; disk_cache.SHORTEST = 0.0"
    assert run(tmp_path, first) == pytest.approx(8)
    kept = files(tmp_path)
    assert kept
    assert run(tmp_path, first) == pytest.approx(8)
    assert files(tmp_path) == kept


def test_the_settings_of_a_program_that_imports_jax_itself_are_left_alone(tmp_path):
    assert run(tmp_path, "import jax") == pytest.approx(8)
    assert not files(tmp_path)


def test_the_oldest_go_when_there_are_too_many(tmp_path, monkeypatch):
    for number in range(4):
        path = tmp_path / f"{number}-cache"
        path.write_bytes(b"x" * 10)
        os.utime(path, (number, number))
    monkeypatch.setattr(disk_cache, "LARGEST", 25)
    disk_cache._forget_oldest(tmp_path)
    assert files(tmp_path) == ["2-cache", "3-cache"]


NOTED = """
import numpy as np
from evergraph.compiler import disk_cache
disk_cache.SHORTEST = 0.0
import evergraph as tf
from evergraph.compiler import interpret
from evergraph.runtime import executor
executor.SMALL_OPS, executor.LONG = -1, 0.0
x = tf.placeholder(tf.float32, [8, 8])
y = tf.nn.softmax(tf.matmul(tf.tanh(x), x))
labels = tf.placeholder(tf.int32, [8])
loss = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=y))
runs = []
with tf.Session() as session:
    for _ in range({count}):
        session.run(loss, {{x: np.eye(8), labels: np.arange(8)}})
        runs.append("jax" in __import__("sys").modules)
    try:
        session.run(loss, {{x: np.eye(8), labels: np.full(8, 9)}})
    except tf.errors.InvalidArgumentError:
        runs.append("refused")
print(runs)
"""


def noted_run(folder, count):
    environment = {**os.environ, "EVERGRAPH_CACHE": str(folder)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", NOTED.format(count=count)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_what_took_long_is_compiled_at_the_first_run_of_a_later_process(tmp_path):
    assert noted_run(tmp_path, 1) == "[False, 'refused']"  # interpreted once: nothing to note
    assert noted_run(tmp_path, 2) == "[False, True, 'refused']"
    (notes,) = tmp_path.rglob("notes.txt")
    assert len(notes.read_text().split()) == 1
    assert noted_run(tmp_path, 1) == "[True, 'refused']"


def test_notes_are_kept_within_bounds(tmp_path, monkeypatch):
    monkeypatch.setattr(disk_cache, "_folder", tmp_path)
    monkeypatch.setattr(disk_cache, "_noted", None)
    monkeypatch.setattr(disk_cache, "_MOST_NOTES", 10)
    (tmp_path / "notes.txt").write_text("\n".join(f"n{i}" for i in range(20)) + "\n")
    assert not disk_cache.is_noted("n0")
    assert disk_cache.is_noted("n19")
    disk_cache.note("another")
    assert (tmp_path / "notes.txt").read_text().split() == [f"n{i}" for i in range(15, 20)] + ["another"]
