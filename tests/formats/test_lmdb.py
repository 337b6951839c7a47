"""LMDB databases, recorded by the package `lmdb` (tools/record_lmdb.py)."""

import gzip
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evergraph as tf
from evergraph.formats import lmdb
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


def test_a_tree_has_each_page_once(tmp_path):
    """Three pages with 1,900 children each, all the same, and an empty leaf below: 7e9 ways to go through them."""
    contents = bytearray(CONTENTS)
    metas = [lmdb._META_AT.unpack_from(contents, at + lmdb._HEAD) for at in (0, 4096)]
    newest = max(range(2), key=lambda n: metas[n][7])
    tree = list(lmdb._TREE.unpack(metas[newest][5]))
    tree[2], tree[7] = 4, 2  # depth and root
    meta = [*metas[newest][:5], lmdb._TREE.pack(*tree), *metas[newest][6:]]
    lmdb._META_AT.pack_into(contents, 4096 * newest + lmdb._HEAD, *meta)
    for page in (2, 3, 4):
        at = 4096 * page
        struct.pack_into("<HH", contents, at + 10, lmdb._BRANCH, lmdb._HEAD + 2 * 1900)
        struct.pack_into("<1900H", contents, at + lmdb._HEAD, *[4000] * 1900)
        struct.pack_into("<HHH", contents, at + 4000, page + 1, 0, 0)
    struct.pack_into("<HH", contents, 4096 * 5 + 10, lmdb._LEAF, lmdb._HEAD)
    (tmp_path / "again").write_bytes(contents)
    with pytest.raises(errors.DataLossError, match="again: damaged LMDB database: page"):
        list(read_lmdb(str(tmp_path / "again")))


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
