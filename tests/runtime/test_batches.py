"""Runs that wait for each other: their rows come out as one batch."""

import threading

import numpy as np

import evergraph as tf


def _batched(count):
    """A graph that batches `count` vectors of two runs: placeholders, and the outputs of the op."""
    given = [tf.placeholder(tf.int32, [1]) for _ in range(count)]
    made = tf.raw_ops.Batch(
        in_tensors=given, num_batch_threads=1, max_batch_size=2, batch_timeout_micros=36_000_000, grad_timeout_micros=0
    )
    return given, made


def test_several_tensors_of_two_runs():
    with tf.Graph().as_default(), tf.Session() as session:
        given, made = _batched(2)
        fetches = [*made.batched_tensors, made.batch_index]
        found = []

        def work():
            found.append(session.run(fetches, dict(zip(given, ([1], [2]), strict=True))))

        thread = threading.Thread(target=work)
        thread.start()
        found.append(session.run(fetches, dict(zip(given, ([2], [3]), strict=True))))
        thread.join()
    whole, empty = sorted(found, key=lambda run: -len(run[0]))
    assert (sorted(whole[0]), sorted(whole[1]), whole[2].shape) == ([1, 2], [2, 3], (2, 3))
    assert [len(part) for part in empty] == [0, 0, 0]
    assert np.array_equal(sorted(row[1:].tolist() for row in whole[2]), [[0, 1], [1, 2]])


def test_parts_of_a_run_and_its_placeholders():
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [])
        y = x * 2
        handle = session.partial_run_setup([y, y + 1], [])
        try:
            session.partial_run(handle, y)
        except tf.errors.InvalidArgumentError as error:
            assert "You must feed a value for placeholder" in str(error)
        else:
            raise AssertionError
