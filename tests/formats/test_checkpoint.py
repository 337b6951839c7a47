"""Checkpoints: those that TensorFlow 1.15.5 wrote, our own, and damaged ones."""

import contextlib
import os
import shutil
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from formats import checkpoint_values as known
from hypothesis import given, settings
from hypothesis import strategies as st

from evergraph.formats import bundle, files, snappy
from evergraph.formats.bundle import BundleReader, BundleWriter, merge_bundles
from evergraph.formats.checkpoint import open_checkpoint
from evergraph.formats.checkpoint_v1 import CheckpointV1Reader, CheckpointV1Writer
from evergraph.formats.slices import Slice, parse
from evergraph.formats.table import TableReader, TableWriter
from evergraph.framework import errors

DATA = Path(__file__).parent / "data" / "checkpoints"


def equal(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tolist() == b.tolist()


# Recorded


@pytest.mark.parametrize("name", ["v1", "v2"])
def test_recorded_checkpoint_reads_back_equal(name):
    with open_checkpoint(str(DATA / name)) as reader:
        expected = known.values() | known.strings()
        names = reader.names()
        for key in names:
            if key != "bfloat16":
                assert equal(reader.read(key), expected[key]), key
                assert reader.shape(key) == expected[key].shape
        if name == "v2":
            assert set(names) == {*expected, "bfloat16"}
            assert reader.read("bfloat16").view(np.uint16).tolist() == known.bfloat16_bits().tolist()


@pytest.mark.parametrize("name", ["parts_v1", "parts_v2", "shards_v1-?????-of-00002", "shards_v2"])
def test_recorded_parts_and_shards_read_back_as_wholes(name):
    with open_checkpoint(str(DATA / name)) as reader:
        assert reader.names() == ["table", "wide"]
        for key, value in known.partitioned().items():
            assert equal(reader.read(key), value)
            for rows in range(value.shape[0]):
                _, part = parse(f"{value.shape[0]} {value.shape[1]} 0,{rows}:1,{value.shape[1] - 1}")
                assert equal(reader.read_slice(key, part), value[:rows, 1:])


def test_bytes_of_a_written_checkpoint_are_tensorflows(tmp_path):
    with BundleReader(str(DATA / "v2")) as reader, BundleWriter(str(tmp_path / "v2")) as writer:
        for name in reader.names():
            writer.add(name, reader.read(name))
    for suffix in ".data-00000-of-00001", ".index":
        assert (tmp_path / ("v2" + suffix)).read_bytes() == (DATA / ("v2" + suffix)).read_bytes()


@pytest.mark.parametrize("name", ["v1", "parts_v1"])
def test_bytes_of_a_written_v1_checkpoint_hold_the_same(name, tmp_path):
    with CheckpointV1Reader(str(DATA / name)) as reader, CheckpointV1Writer(str(tmp_path / name)) as writer:
        for key in reader.names():
            for part in reader.slices(key) or [Slice.whole(len(reader.shape(key)))]:
                writer.add_slice(key, reader.shape(key), part, reader.read_slice(key, part))
    ours, theirs = TableReader(str(tmp_path / name)), TableReader(str(DATA / name))
    assert list(ours.items()) == list(theirs.items())
    ours.close()
    theirs.close()


# Our own


def test_all_types_and_parts_round_trip(tmp_path):
    prefix = str(tmp_path / "m")
    arrays = known.values() | known.strings() | {"b": np.array([1, -2.5], ml_dtypes.bfloat16)}
    with BundleWriter(prefix) as writer:
        for name, array in arrays.items():
            writer.add(name, array)
        for start, size in (0, 2), (2, 3):
            part = Slice((start, 0), (size, 4))
            writer.add_slice("p", [5, 4], part, np.arange(20).reshape(5, 4)[start : start + size])
    with BundleReader(prefix) as reader:
        for name, array in arrays.items():
            assert equal(reader.read(name), array)
            assert not reader.read(name).flags.writeable
        assert equal(reader.read("p"), np.arange(20).reshape(5, 4))
        assert reader.check() == []
    assert sorted(os.listdir(tmp_path)) == ["m.data-00000-of-00001", "m.index"]


def test_merged_bundles_are_one_and_leave_nothing(tmp_path):
    for i in range(2):
        with BundleWriter(str(tmp_path / f"part-{i}")) as writer:
            writer.add(f"v{i}", np.full([3], i))
            writer.add_slice("p", [2, 2], Slice((i, 0), (1, 2)), np.full([1, 2], i))
    merge_bundles([str(tmp_path / f"part-{i}") for i in range(2)], str(tmp_path / "m"))
    with BundleReader(str(tmp_path / "m")) as reader:
        assert reader.read("p").tolist() == [[0, 0], [1, 1]]
        assert reader.read("v1").tolist() == [1, 1, 1]
    assert sorted(os.listdir(tmp_path)) == ["m.data-00000-of-00002", "m.data-00001-of-00002", "m.index"]


def test_duplicate_names_are_refused_and_nothing_is_left(tmp_path):
    with (
        pytest.raises(errors.InvalidArgumentError, match="duplicate key: a"),
        BundleWriter(str(tmp_path / "m")) as writer,
    ):
        writer.add("a", np.ones(1))
        writer.add("a", np.ones(1))
    assert os.listdir(tmp_path) == []


def test_missing_folder_is_named():
    with pytest.raises(errors.NotFoundError, match=r"/no/such/folder/m\.data"):
        BundleWriter("/no/such/folder/m")


@pytest.mark.parametrize("step", range(8))
def test_writer_killed_at_any_step_leaves_a_complete_checkpoint(tmp_path, monkeypatch, step):
    prefix = str(tmp_path / "m")
    with BundleWriter(prefix) as writer:
        writer.add("a", np.zeros(100))
    old = files.os.replace
    calls = []

    class Killed(BaseException):
        pass

    def replace(source, target):
        calls.append(target)
        if len(calls) > step:
            raise Killed
        old(source, target)

    monkeypatch.setattr(bundle.os, "replace", replace)
    try:
        with BundleWriter(prefix) as writer:
            writer.add("a", np.ones(100))
    except Killed:
        assert step < 4
    with BundleReader(prefix) as reader:
        assert set(reader.read("a").tolist()) in ({0.0}, {1.0})
    monkeypatch.undo()
    with BundleWriter(prefix) as writer:
        writer.add("a", np.full(100, 2.0))
    with BundleReader(prefix) as reader:
        assert set(reader.read("a").tolist()) == {2.0}


# Damage


def test_missing_tensor_missing_shard_and_flipped_bytes(tmp_path):
    prefix = str(tmp_path / "m")
    with BundleWriter(prefix) as writer:
        writer.add("a", np.arange(1000.0))
        writer.add("s", np.array([b"abc", b"de"], object))
    with BundleReader(prefix) as reader, pytest.raises(errors.NotFoundError, match="Key x not found in checkpoint"):
        reader.read("x")
    data = Path(prefix + ".data-00000-of-00001")
    good = data.read_bytes()
    for at in 0, 4000, len(good) - 1, len(good) - 8:
        data.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with BundleReader(prefix) as reader:
            assert [type(e) for e in reader.check()] == [errors.DataLossError]
    data.write_bytes(good[:-1])
    with BundleReader(prefix) as reader, pytest.raises(errors.DataLossError, match="data-00000-of-00001"):
        reader.read("s")
    data.unlink()
    with BundleReader(prefix) as reader, pytest.raises(errors.NotFoundError, match="data-00000-of-00001"):
        reader.read("a")
    index = Path(prefix + ".index")
    index.write_bytes(b"no table" * 10)
    with pytest.raises(errors.DataLossError, match="bad magic number"):
        BundleReader(prefix)


@settings(max_examples=60)
@given(st.sampled_from(["v2.index", "v1", "parts_v2.index"]), st.data())
def test_damaged_files_give_clear_errors(tmp_path_factory, name, data):
    folder = tmp_path_factory.getbasetemp()
    raw = bytearray((DATA / name).read_bytes())
    kind = data.draw(st.sampled_from(["cut", "flip", "junk"]))
    at = data.draw(st.integers(0, len(raw) - 1))
    if kind == "cut":
        raw = raw[:at]
    elif kind == "flip":
        raw[at] ^= data.draw(st.integers(1, 255))
    else:
        raw[at : at + 8] = data.draw(st.binary(min_size=8, max_size=8))
    prefix = str(folder / name.removesuffix(".index"))
    Path(folder / name).write_bytes(raw)
    if name.endswith(".index"):
        data_file = name.removesuffix(".index") + ".data-00000-of-00001"
        shutil.copy(DATA / data_file, folder / data_file)
    try:
        with open_checkpoint(prefix) as reader:
            for key in reader.names():
                reader.read(key)
    except errors.OpError as error:
        assert str(folder) in error.message or "not found" in error.message


def test_lying_lengths_allocate_nothing(tmp_path):
    prefix = str(tmp_path / "m")
    with BundleWriter(prefix) as writer:
        writer.add("a", np.zeros(3))
        entry = writer._entries[b"a"]
        entry.shape = (1 << 50,)
        entry.size = 8 << 50
    with BundleReader(prefix) as reader, pytest.raises(errors.DataLossError, match="the file has 24"):
        reader.read("a")


# Parts of the format


@given(st.dictionaries(st.binary(max_size=40), st.binary(max_size=200), max_size=200), st.integers(1, 5000))
def test_tables_round_trip(tmp_path_factory, entries, block_size):
    path = tmp_path_factory.getbasetemp() / "table"
    with open(path, "wb") as file:
        writer = TableWriter(file, block_size)
        for key in sorted(entries):
            writer.add(key, entries[key])
        writer.finish()
    table = TableReader(str(path))
    assert dict(table.items()) == entries
    assert all(table.get(key) == value for key, value in entries.items())
    assert table.get(b"\xff" * 41) is None
    table.close()


def test_snappy_literals_and_copies():
    assert snappy.decompress(b"\x03\x08abc") == b"abc"
    assert snappy.decompress(b"\x0a\x04ab" + bytes([0b000_100_01, 2])) == b"abababababab"[:10]
    assert snappy.decompress(b"\x06\x04ab" + bytes([(4 - 1) << 2 | 2, 2, 0])) == b"ababab"
    long = bytes(range(256))
    assert snappy.decompress(b"\x80\x02\xf0\xff" + long) == long


@given(st.binary(max_size=60))
def test_snappy_junk_is_refused_or_short(block):
    with contextlib.suppress(ValueError):
        assert len(snappy.decompress(block)) <= 64 * len(block)


def test_slices_are_read_as_tensorflow_writes_them():
    assert parse("4 3 0,2:-") == ((4, 3), Slice((0, 0), (2, -1)))
    assert str(parse("4 3 0,2:-")[1]) == "0,2:-"
    for wrong in "", "4", "4 3 0,2", "4 0,9", "a 0,1", "4 -1,2", "4 0":
        with pytest.raises(ValueError):
            parse(wrong)


def test_parts_that_cannot_be_there_allocate_nothing(tmp_path):
    prefix = str(tmp_path / "m")
    with BundleWriter(prefix) as writer:
        writer.add_slice("p", [1 << 40, 2], Slice((0, 0), (1, 2)), np.zeros([1, 2]))
    with BundleReader(prefix) as reader, pytest.raises(errors.DataLossError, match="cannot be in parts of 16 bytes"):
        reader.read("p")
    with BundleReader(prefix) as reader:
        assert reader.read_slice("p", Slice((0, 0), (1, -1))).tolist() == [[0, 0]]
        with pytest.raises(errors.InvalidArgumentError, match="do not cover the slice 5,1"):
            reader.read_slice("p", Slice((5, 0), (1, -1)))
