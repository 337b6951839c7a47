"""Ops that read and write files."""

import pytest

import evergraph as tf


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with tf.Graph().as_default():
        yield tmp_path


def run(fetches, feeds=None):
    with tf.Session() as session:
        return session.run(fetches, feeds)


def test_what_is_written_is_read(place):
    written = tf.write_file("new/place/a", b"\x00text\xff\x00")
    with tf.control_dependencies([written]):
        contents = tf.read_file("new/place/a")
    assert contents.shape == ()
    assert run(contents) == b"\x00text\xff\x00"
    assert (place / "new/place/a").read_bytes() == b"\x00text\xff\x00"


def test_reading_happens_when_it_is_run(place):
    contents = tf.io.read_file("a")
    first = tf.substr(contents, 0, tf.strings.length(contents) - 1)
    (place / "a").write_text("one")
    assert run(first) == b"on"
    (place / "a").write_text("second")
    assert run(first) == b"secon"


@pytest.mark.parametrize(
    ("build", "kind", "message"),
    [
        (lambda: tf.read_file("nope"), tf.errors.NotFoundError, "nope; No such file or directory"),
        (lambda: tf.read_file("d"), tf.errors.FailedPreconditionError, "d; Is a directory"),
        (lambda: tf.write_file("d", ""), tf.errors.FailedPreconditionError, "d; Is a directory"),
        (lambda: tf.matching_files("nope/*"), tf.errors.NotFoundError, "nope; No such file or directory"),
    ],
)
def test_errors_of_the_operating_system_are_those_of_tensorflow(place, build, kind, message):
    (place / "d").mkdir()
    with pytest.raises(kind, match=message):
        run(build())


def test_names_are_scalars(place):
    for build in (lambda: tf.read_file(["a"]), lambda: tf.write_file(["a"], "x"), lambda: tf.matching_files([["a"]])):
        with pytest.raises(ValueError, match="Shape must be"):
            build()


def test_files_that_match_come_in_order(place):
    for name in ("f2", "f1", "g"):
        (place / name).touch()
    assert run(tf.matching_files("f*")).tolist() == [b"./f1", b"./f2"]
    assert run(tf.io.matching_files(["g", "f?", "f1"])).tolist() == [b"./f1", b"./f1", b"./f2", b"./g"]
    assert run(tf.matching_files("none*")).tolist() == []
