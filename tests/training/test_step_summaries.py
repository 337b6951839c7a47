"""Summaries of `tf.compat.v2.summary` and `tf.contrib.summary` build TensorFlow's ops and write what they write."""

import json
from pathlib import Path

import pytest
from training import cases_step_summaries as cases

import evergraph as tf

RECORDED = json.loads((Path(__file__).parent / "recordings" / "step_summaries.json").read_text())
summary = tf.compat.v2.summary


@pytest.mark.parametrize("name", sorted(cases.CASES | cases.CONTRIB))
def test_summaries_are_tensorflows(name, tmp_path):
    found, recorded = cases.run(tf, name, str(tmp_path)), RECORDED[name]
    assert found["value"].replace("_", "") == recorded["value"].replace("_", "")  # NumPy's `bool_`, in any release
    assert found["ops"] == recorded["ops"]
    assert found["events"] == recorded["events"]


def test_a_summary_without_a_writer_is_none():
    with tf.Graph().as_default(), tf.Session() as session:
        assert not session.run(summary.scalar("x", 1.0))
        assert not session.run(summary.experimental.write_raw_pb(b""))
        with summary.create_noop_writer().as_default():
            assert not session.run(summary.scalar("x", 1.0, step=1))
        assert tf.summary.all_v2_summary_ops() == []


def test_a_summary_needs_a_step(tmp_path):
    with tf.Graph().as_default(), summary.create_file_writer(str(tmp_path)).as_default():
        for build in (lambda: summary.scalar("x", 1.0), lambda: summary.experimental.write_raw_pb(b"")):
            with pytest.raises(ValueError, match="No step set via 'step' argument"):
                build()
        assert summary.experimental.get_step() is None


def test_what_is_refused(tmp_path):
    with tf.Graph().as_default():
        with pytest.raises(ValueError, match="logdir cannot be None"):
            summary.create_file_writer(None)
        with pytest.raises(ValueError, match="Unknown encoding: 'mp3'"):
            summary.audio("a", tf.zeros([1, 1, 1]), 1, step=1, encoding="mp3")
        with pytest.raises(ValueError, match="scalar"):
            summary.scalar("x", [1.0, 2.0], step=1)
        with pytest.raises(tf.errors.UnimplementedError, match="create_db_writer"):
            tf.contrib.summary.create_db_writer("file.db")
        with pytest.raises(TypeError, match="abstract"):
            tf.contrib.summary.SummaryWriter()


def test_two_writers_of_one_folder_have_files_of_their_own(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        writers = [summary.create_file_writer(str(tmp_path)) for _ in range(2)]
        session.run([writer.init() for writer in writers])
        session.run([writer.close() for writer in writers])
    assert len(list(tmp_path.iterdir())) == 2


def test_summaries_wait_in_memory_until_there_are_more_than_the_queue_holds(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        writer = summary.create_file_writer(str(tmp_path), max_queue=1, flush_millis=10**9)
        with writer.as_default():
            made = summary.scalar("x", 1.0, step=1)
        session.run(writer.init())
        (path,) = tmp_path.iterdir()
        counts = []
        for _ in range(3):
            counts.append(len(list(tf.train.summary_iterator(str(path)))))
            session.run(made)
        session.run(writer.flush())
        counts.append(len(list(tf.train.summary_iterator(str(path)))))
    assert counts == [1, 1, 3, 4]


def test_a_writer_keeps_its_step_and_condition_to_its_thread():
    import threading

    seen = []
    summary.experimental.set_step(5)
    with summary.record_if(False):
        thread = threading.Thread(target=lambda: seen.append(summary.experimental.get_step()))
        thread.start()
        thread.join()
    summary.experimental.set_step(None)
    assert seen == [None]
