"""`pywrap_tensorflow.EventsWriter` writes files that are read back as any event file."""

import pytest

import evergraph as tf
from evergraph.compat.pywrap_events import EventsWriter


def test_events_come_back_from_the_one_file_that_is_named(tmp_path):
    writer = EventsWriter(str(tmp_path / "run"))
    writer.InitWithSuffix(".mine")
    name = writer.FileName()
    writer.WriteEvent(tf.Event(step=3))
    writer._WriteSerializedEvent(tf.Event(step=4).SerializeToString())
    writer.Flush()
    writer.Close()
    (path,) = tmp_path.iterdir()
    assert name == str(path).encode()
    assert path.name.startswith("run.out.tfevents.") and path.name.endswith(".mine")
    version, *events = tf.train.summary_iterator(str(path))
    assert version.file_version
    assert [event.step for event in events] == [3, 4]


def test_what_is_no_event_is_refused(tmp_path):
    with pytest.raises(TypeError, match="Expected an Event message"):
        EventsWriter(str(tmp_path / "run")).WriteEvent(tf.Summary())
