"""TFRecord and event files: TensorFlow's, our own, and damaged ones."""

import contextlib
import itertools
from pathlib import Path

import numpy as np
import pytest
from formats import checkpoint_values as known
from hypothesis import given
from hypothesis import strategies as st

from evergraph.formats import messages, tfrecord
from evergraph.formats.checksum import masked_crc32c
from evergraph.formats.events import EventsWriter, read_events
from evergraph.formats.tfrecord import RecordWriter, all_framed, framed, read_record_at, read_records, records_of
from evergraph.framework import errors

DATA = Path(__file__).parent / "data" / "checkpoints"
FILES = {"records": "", "records.gz": "GZIP", "records.zlib": "ZLIB"}


@pytest.mark.parametrize("name", FILES)
def test_recorded_records_are_read(name):
    assert list(read_records(str(DATA / name), FILES[name])) == known.records()


@pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])
def test_records_round_trip(tmp_path, compression):
    path = str(tmp_path / "r")
    with RecordWriter(path, compression) as writer:
        for record in known.records():
            writer.write(record)
            writer.flush()
            if len(record) > 300:
                assert list(read_records(path, compression)) == known.records()[:3]
    assert list(read_records(path, compression)) == known.records()
    if not compression:
        assert Path(path).read_bytes() == (DATA / "records").read_bytes()


@given(st.lists(st.binary(max_size=50), max_size=20), st.integers(1, 40))
def test_records_come_whole_from_chunks_of_any_size(records, size):
    data = b"".join(map(framed, records))
    chunks = iter([data[i : i + size] for i in range(0, len(data), size)])
    assert list(records_of(chunks, "f")) == records


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=8),
    st.integers(40, 400),
    st.integers(0, 10**6),
    st.integers(0, 7),
)
def test_records_before_a_damaged_one_are_read_and_no_other(runs, size, at, bit):
    """Runs of records of one length, which are read in another way than records of many lengths."""
    records = [bytes([i % 256]) * length for i, (length, count) in enumerate(runs) for _ in range(count)]
    data = bytearray(all_framed(records))
    assert bytes(data) == b"".join(map(framed, records))
    assert list(records_of(iter([bytes(data[i : i + size]) for i in range(0, len(data), size)]), "f")) == records
    if data:
        at %= len(data)
        data[at] ^= 1 << bit
        found = []
        with pytest.raises(errors.DataLossError, match="corrupted record at"):
            found.extend(records_of(iter([bytes(data[i : i + size]) for i in range(0, len(data), size)]), "f"))
        found = []
        with contextlib.suppress(errors.DataLossError):
            for record in records_of(iter([bytes(data[i : i + size]) for i in range(0, len(data), size)]), "f"):
                found.append(record)
        ends = itertools.accumulate(len(record) + 16 for record in records)
        assert found == records[: sum(end <= at for end in ends)]


def test_lengths_of_all_sizes_have_the_checksums_of_their_bytes():
    lengths = np.array([0, 1, 255, 256, 65_535, 65_536, 2**31, 2**40 + 3, 2**62], np.int64)
    assert tfrecord._checksums_of_lengths(lengths).tolist() == [
        masked_crc32c(int(n).to_bytes(8, "little")) for n in lengths
    ]


def test_cut_and_damaged_records_are_data_loss(tmp_path):
    good = (DATA / "records").read_bytes()
    path = tmp_path / "r"
    for cut in 3, 16, 17, 27, 28, 50, len(good) - 1:
        path.write_bytes(good[:cut])
        if cut in (3, 16, 17, 27):  # complete records, and less than what says how long the next one is
            assert list(read_records(str(path))) == [b""][: cut // 16]
        else:
            with pytest.raises(errors.DataLossError, match="truncated record at"):
                list(read_records(str(path)))
    for at in 0, 8, 30, len(good) - 1:
        path.write_bytes(good[:at] + bytes([good[at] ^ 4]) + good[at + 1 :])
        with pytest.raises(errors.DataLossError, match=r"/r: corrupted record at"):
            list(read_records(str(path)))
    path.write_bytes((DATA / "records.gz").read_bytes()[:100] + b"\0" * 50)
    with pytest.raises(errors.DataLossError):
        list(read_records(str(path), "GZIP"))
    with pytest.raises(errors.UnimplementedError, match="BZ2"):
        list(read_records(str(path), "BZ2"))
    with pytest.raises(errors.NotFoundError, match="/no/such"):
        list(read_records("/no/such"))


def test_record_that_is_being_written_is_read_once_it_is_complete(tmp_path):
    data = (DATA / "records").read_bytes()
    path = tmp_path / "r"
    path.write_bytes(data[:30])
    with open(path, "rb") as file, open(path, "ab") as more:
        assert read_record_at(file, "r") == b""
        assert read_record_at(file, "r") is None
        more.write(data[30:])
        more.flush()
        assert [read_record_at(file, "r") for _ in range(4)] == [*known.records()[1:], None]


def test_event_files_start_with_their_version(tmp_path):
    writer = EventsWriter(str(tmp_path / "events"), ".x")
    assert not list(tmp_path.iterdir())
    event = messages.Event(step=3)
    event.summary.value.add(tag="loss", simple_value=0.5)
    writer.write(event)
    writer.close()
    (path,) = tmp_path.iterdir()
    assert path.name.startswith("events.out.tfevents.") and path.name.endswith(".x")
    first, second = read_events(str(path))
    assert first.file_version == "brain.Event:2" and first.wall_time > 1e9
    assert second == event


@given(st.data(), st.sampled_from(sorted(FILES)))
def test_damaged_files_give_clear_errors(tmp_path_factory, data, name):
    raw = bytearray((DATA / name).read_bytes())
    at = data.draw(st.integers(0, len(raw) - 1))
    if data.draw(st.booleans()):
        raw[at] ^= data.draw(st.integers(1, 255))
    else:
        raw = raw[:at]
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(raw)
    found = []
    with contextlib.suppress(errors.DataLossError):
        found.extend(read_records(str(path), FILES[name]))
    assert found == known.records()[: len(found)]


@given(st.lists(st.integers(0, 40), min_size=8, max_size=40), st.integers(0, 10**6), st.integers(0, 8), st.randoms())
def test_records_are_checked_together_as_one_by_one(lengths, at, bit, drawn):
    records = [drawn.randbytes(n) for n in lengths]
    data = bytearray(all_framed(records))
    bounds = np.cumsum([0, *(n + 16 for n in lengths)])
    together = tfrecord._Together()
    assert together.right(bytes(data), records, bounds) == len(records)
    which = at % len(records)
    places = range(bounds[which] + 12, bounds[which + 1])  # a record and its checksum
    place = places[at % len(places)]
    data[place] ^= 1 << min(bit, 7)
    changed = [bytes(data[a + 12 : b - 4]) for a, b in itertools.pairwise(bounds.tolist())]
    assert together.right(bytes(data), changed, bounds) == which
