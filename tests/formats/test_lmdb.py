"""LMDB databases, recorded by the package `lmdb` (tools/record_lmdb.py)."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evergraph as tf
from evergraph.formats.lmdb import read_lmdb
from evergraph.framework import errors

CONTENTS = gzip.decompress((Path(__file__).parent / "data" / "lmdb.mdb.gz").read_bytes())
EXPECTED = [(b"%03d" % i, b"long " * 1000 if i == 77 else b"v" * (i % 50)) for i in range(150)]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data.mdb").write_bytes(CONTENTS)
    return tmp_path


def test_entries_of_a_file_and_of_a_directory(folder):
    assert list(read_lmdb(str(folder / "data.mdb"))) == EXPECTED
    assert list(read_lmdb(str(folder))) == EXPECTED


def test_reader_gives_them_in_a_session(folder):
    with tf.Graph().as_default(), tf.Session() as sess:
        queue = tf.FIFOQueue(2, tf.string, shapes=())
        reader = tf.LMDBReader()
        key, value = reader.read(queue)
        sess.run(queue.enqueue(str(folder)))
        sess.run(queue.close())
        assert [tuple(sess.run([key, value])) for _ in EXPECTED] == EXPECTED
        with pytest.raises(tf.errors.OutOfRangeError, match="is closed and has insufficient elements"):
            sess.run(key)


def test_what_is_no_database_is_refused(tmp_path):
    with pytest.raises(errors.NotFoundError, match="nothing"):
        list(read_lmdb(str(tmp_path / "nothing")))
    (tmp_path / "short").write_bytes(b"short")
    with pytest.raises(errors.DataLossError, match="short: no LMDB database: it has 5 bytes"):
        list(read_lmdb(str(tmp_path / "short")))
    (tmp_path / "zeros").write_bytes(bytes(10_000))
    with pytest.raises(errors.DataLossError, match="zeros: no LMDB database"):
        list(read_lmdb(str(tmp_path / "zeros")))


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.integers(0, len(CONTENTS) - 1), st.integers(0, 255)), max_size=6), st.booleans(), st.data()
)
def test_damaged_databases_are_read_or_refused(tmp_path_factory, changes, is_cut, data):
    contents = bytearray(CONTENTS)
    for at, byte in changes:
        contents[data.draw(st.sampled_from([at, at % 300, 4096 + at % 300]))] = byte
    if is_cut:
        del contents[data.draw(st.integers(0, len(contents))) :]
    path = tmp_path_factory.getbasetemp() / "damaged.mdb"
    path.write_bytes(contents)
    try:
        assert len(list(read_lmdb(str(path)))) <= 10_000
    except errors.OpError as error:
        assert "damaged.mdb" in error.message
