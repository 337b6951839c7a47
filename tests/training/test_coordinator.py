"""`tf.train.Coordinator`: who stops, what is raised where."""

import sys
import threading

import pytest

import evergraph as tf


def started(target, *args):
    thread = threading.Thread(target=target, args=args, daemon=True)
    thread.start()
    return thread


def test_join_waits_for_threads_that_end_by_themselves():
    coord = tf.train.Coordinator()
    go = threading.Event()
    threads = [started(go.wait) for _ in range(3)]
    coord.register_thread(threads[0])
    joining = started(coord.join, threads[1:])
    go.set()
    joining.join(20)
    assert coord.joined and not any(thread.is_alive() for thread in threads)
    assert not coord.should_stop()


def test_a_failure_is_raised_where_the_threads_are_joined():
    coord = tf.train.Coordinator()

    def fail():
        with coord.stop_on_exception():
            raise ValueError("lost")

    threads = [started(fail), started(coord.wait_for_stop)]
    with pytest.raises(ValueError, match="lost"):
        coord.join(threads)
    with pytest.raises(ValueError, match="lost"):
        coord.raise_requested_exception()


def test_the_first_failure_counts():
    coord = tf.train.Coordinator()
    for text in ("first", "second"):
        try:
            raise ValueError(text)
        except ValueError as error:
            coord.request_stop(error)
    with pytest.raises(ValueError, match="first"):
        coord.join()


@pytest.mark.parametrize("kinds", [None, (KeyError, tf.errors.OutOfRangeError)])
def test_some_exceptions_are_a_clean_stop(kinds):
    coord = tf.train.Coordinator(clean_stop_exception_types=kinds)
    coord.request_stop(tf.errors.OutOfRangeError(None, None, "end"))
    assert coord.should_stop()
    coord.join()


def test_after_join_an_exception_is_raised_at_once():
    coord = tf.train.Coordinator()
    coord.join()
    with pytest.raises(ValueError, match="late"):
        try:
            raise ValueError("late")
        except ValueError:
            coord.request_stop(sys.exc_info())


def test_an_exception_that_is_not_being_handled_is_refused():
    coord = tf.train.Coordinator()
    coord.request_stop(ValueError("never raised"))
    with pytest.raises(ValueError, match="ex must be a tuple"):
        coord.join()


def test_threads_that_do_not_stop_are_named():
    coord = tf.train.Coordinator()
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="stubborn", daemon=True)
    thread.start()
    coord.request_stop()
    with pytest.raises(RuntimeError, match="still running: stubborn"):
        coord.join([thread], stop_grace_period_secs=0.01)
    coord.join([thread], stop_grace_period_secs=0.01, ignore_live_threads=True)
    end.set()


def test_a_coordinator_can_be_used_again():
    coord = tf.train.Coordinator()
    try:
        raise ValueError("once")
    except ValueError as error:
        coord.request_stop(error)
    coord.clear_stop()
    assert not coord.should_stop()
    coord.join()


def test_looper_threads_loop_until_they_are_stopped():
    coord = tf.train.Coordinator()
    calls = []

    def step(n):
        calls.append(n)
        if len(calls) == 5:
            coord.request_stop()

    looper = tf.train.LooperThread.loop(coord, None, step, args=(7,))
    coord.join([looper])
    assert calls == [7] * 5
    with pytest.raises(ValueError, match="must be a Coordinator"):
        tf.train.LooperThread(None, 1.0)
