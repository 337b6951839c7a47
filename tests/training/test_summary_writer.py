"""Event files: what a FileWriter puts into them, and ops that write to them by themselves."""

import pytest

import evergraph as tf


def events(folder):
    """All events in a directory, file by file."""
    return [e for path in sorted(folder.glob("*tfevents*")) for e in tf.train.summary_iterator(str(path))]


def test_events_are_written_with_their_steps(tmp_path):
    with tf.Graph().as_default() as graph, tf.Session() as sess:
        merged = tf.summary.merge([tf.summary.scalar("loss", 0.5), tf.summary.text("words", tf.constant("w"))])
        writer = tf.summary.FileWriter(str(tmp_path), graph, filename_suffix=".mine")
        assert writer.get_logdir() == str(tmp_path)
        for step in range(2):
            writer.add_summary(sess.run(merged), step)
        writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag="own", simple_value=2.0)]), tf.constant(9).eval())
        writer.add_session_log(tf.SessionLog(status=tf.SessionLog.START), 3)
        metadata = tf.RunMetadata()
        writer.add_run_metadata(metadata, "run", 4)
        with pytest.raises(ValueError, match="already used"):
            writer.add_run_metadata(metadata, "run")
        with pytest.raises(TypeError, match="must be type MetaGraphDef"):
            writer.add_meta_graph(graph.as_graph_def())
        with pytest.raises(ValueError, match="only graph, or graph_def"):
            writer.add_graph(graph, graph_def=graph.as_graph_def())
        with pytest.raises(TypeError, match="must be an instance of `Graph`"):
            writer.add_graph("graph")
        writer.close()
    (path,) = tmp_path.iterdir()
    assert path.name.endswith(".mine")
    version, graph_event, meta, first, second, own, log, run = events(tmp_path)
    assert version.file_version == "brain.Event:2"
    assert tf.GraphDef.FromString(graph_event.graph_def).node
    assert tf.MetaGraphDef.FromString(meta.meta_graph_def).graph_def.node
    assert [e.step for e in (first, second, own, log, run)] == [0, 1, 9, 3, 4]
    assert first.summary.value[0].simple_value == 0.5
    assert first.summary.value[1].metadata.plugin_data.plugin_name == "text"
    assert not second.summary.value[1].HasField("metadata")  # said once
    assert own.summary.value[0].tag == "own" and log.session_log.status == tf.SessionLog.START
    assert run.tagged_run_metadata.tag == "run"


def test_closed_writer_warns_and_reopens(tmp_path):
    with tf.summary.FileWriter(str(tmp_path / "deep" / "logs")) as writer:
        pass
    with pytest.warns(UserWarning, match="Attempting to use a closed FileWriter"):
        writer.add_summary(tf.Summary(), 1)
    writer.reopen()
    writer.add_summary(tf.Summary(), 2)
    writer.flush()
    assert 2 in [e.step for e in events(tmp_path / "deep" / "logs")]
    writer.close()


def test_writers_are_shared_by_directory(tmp_path):
    cache = tf.summary.FileWriterCache
    writer = cache.get(str(tmp_path))
    assert cache.get(str(tmp_path)) is writer
    cache.clear()
    assert cache.get(str(tmp_path)) is not writer
    cache.clear()


def test_cut_event_files_are_data_loss(tmp_path):
    with tf.summary.FileWriter(str(tmp_path)) as writer:
        writer.add_summary(tf.Summary(), 1)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    found = tf.train.summary_iterator(str(path))
    assert next(found).file_version
    with pytest.raises(tf.errors.DataLossError, match="truncated record"):
        next(found)
    with pytest.raises(tf.errors.NotFoundError):
        next(tf.train.summary_iterator("/no/such"))


def test_ops_write_by_themselves(tmp_path):
    summary = tf.contrib.summary
    with tf.Graph().as_default() as graph, tf.Session() as sess:
        step = tf.train.get_or_create_global_step()
        writer = summary.create_file_writer(str(tmp_path), flush_millis=0)
        with writer.as_default(), summary.record_summaries_every_n_global_steps(2):
            summary.scalar("loss", step * 10)
            summary.histogram("h", tf.constant([1.0, 2.0]))
            with summary.always_record_summaries():
                summary.image("i", tf.zeros([1, 2, 2, 1]))
                summary.audio("a", tf.zeros([1, 10]), 8000.0, 1)
                summary.generic("g", tf.constant("text"), step=tf.constant(77, tf.int64))
            with summary.never_record_summaries():
                summary.scalar("never", 1.0)
            sess.run(tf.global_variables_initializer())
            with pytest.raises(tf.errors.NotFoundError, match="summary_writer_initializer_op"):
                sess.run(summary.all_summary_ops())
            summary.initialize(graph, sess)
        for _ in range(3):
            sess.run(summary.all_summary_ops())
            sess.run(step.assign_add(1))
        with tf.summary.FileWriter(str(tmp_path), session=sess) as other:
            other.add_summary(tf.Summary(), 100)
    found = events(tmp_path)
    tags = [(e.step, e.summary.value[0].tag) for e in found if e.summary.value]
    assert sorted(t for t in tags if t[1] == "loss") == [(0, "loss"), (2, "loss")]
    assert len([t for t in tags if t[1] == "i/image/0"]) == 3 and (77, "g") in tags
    assert not [t for t in tags if t[1] == "never"]
    assert [e for e in found if e.graph_def] and 100 in [e.step for e in found]


def test_nothing_is_built_without_a_writer():
    with tf.Graph().as_default():
        assert tf.contrib.summary.scalar("loss", tf.constant(1.0)).type == "NoOp"
        assert tf.contrib.summary.create_file_writer(None).init() is None
        with pytest.raises(RuntimeError, match="No default"):
            tf.contrib.summary.initialize(session=tf.Session())


def test_plugin_files_are_written_with_the_graph(tmp_path):
    from evergraph.training.plugin_asset import PluginAsset, get_plugin_asset

    class Mine(PluginAsset):
        plugin_name = "mine"

        def assets(self):
            return {"a.txt": "text", "b.bin": b"bytes"}

    with tf.Graph().as_default() as graph:
        assert get_plugin_asset(Mine) is get_plugin_asset(Mine)
        with tf.summary.FileWriter(str(tmp_path), graph):
            pass
    assert (tmp_path / "plugins" / "mine" / "a.txt").read_text() == "text"
    assert (tmp_path / "plugins" / "mine" / "b.bin").read_bytes() == b"bytes"


def test_log_messages_are_events(tmp_path):
    from evergraph.training import tensorboard_logging as log

    with tf.summary.FileWriter(str(tmp_path)) as writer:
        log.clear_summary_writer()
        with pytest.raises(RuntimeError, match="set_summary_writer not called"):
            log.error("lost")
        log.set_summary_writer(writer)
        log.warn("number %d", 7)
        log.info("below")
        with pytest.raises(ValueError, match="Invalid log level: LOUD"):
            log.log("LOUD", "x")
    log.clear_summary_writer()
    found = [e.log_message for e in events(tmp_path) if e.HasField("log_message")]
    assert [(m.level, m.message) for m in found] == [(tf.LogMessage.WARN, "number 7")]
