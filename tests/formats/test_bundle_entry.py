"""Entries of a checkpoint's index have the bytes that protobuf gives them, and are read as protobuf reads them."""

import contextlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergraph.formats import messages, ordered
from evergraph.formats.bundle import BundleWriter
from evergraph.formats.bundle_entry import Entry, Header, decoded, decoded_header, type_and_shape
from evergraph.formats.slices import Slice

SIZES = st.one_of(st.integers(0, 300), st.sampled_from([2**31, 2**40, 2**63 - 1]))
EXTENTS = st.tuples(SIZES, SIZES) | st.just((0, ordered.FULL))
SLICES = st.lists(EXTENTS, min_size=1, max_size=3).map(lambda e: Slice(*(tuple(part) for part in zip(*e, strict=True))))
ENTRIES = st.builds(
    Entry, st.integers(0, 130), st.lists(SIZES, max_size=20).map(tuple), st.integers(0, 2**31 - 1), SIZES, SIZES,
    st.integers(0, 2**32 - 1), st.lists(SLICES, max_size=3),
)  # fmt: skip


def message_of(entry):
    made = messages.BundleEntryProto(
        dtype=entry.dtype, shard_id=entry.shard, offset=entry.offset, size=entry.size, crc32c=entry.crc
    )
    made.shape.SetInParent()
    for size in entry.shape:
        made.shape.dim.add(size=size)
    made.slices.extend(part.to_proto() for part in entry.slices)
    return made


@given(ENTRIES)
def test_bytes_are_protobufs_and_come_back(entry):
    data = entry.encoded()
    assert data == message_of(entry).SerializeToString()
    assert decoded(data) == entry
    assert type_and_shape(data) == (entry.dtype, entry.shape)


def test_negative_numbers_and_fields_in_any_order_are_read():
    message = messages.BundleEntryProto(dtype=1, shard_id=-1, offset=-5, size=-(2**63))
    assert decoded(message.SerializeToString()) == Entry(1, (), -1, -5, -(2**63))
    parts = [messages.BundleEntryProto(size=4).SerializeToString(), Entry(9, (7,)).encoded(), b"\x7a\x02hi"]
    assert decoded(b"".join(parts)) == Entry(9, (7,), size=4)
    assert type_and_shape(b"".join(parts)) == (9, (7,))


@given(ENTRIES, st.data())
def test_changed_bytes_are_read_or_refused(entry, data):
    raw = bytearray(entry.encoded() or b"\0")
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    for read in (decoded, type_and_shape, decoded_header):
        with contextlib.suppress(ValueError):
            read(bytes(raw[: data.draw(st.integers(0, len(raw)))]))


@pytest.mark.parametrize(
    "data", ["0a", "0801120208", "08011201", "0f", "12021801", "1204120208ff", "35000000", "0801" * 2]
)
def test_what_is_no_entry_is_refused(data):
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        decoded(bytes.fromhex(data))


def test_shapes_that_cannot_be_are_refused():
    for shape in [(-1,), (0,) * 255]:
        with pytest.raises(ValueError, match="cannot have the shape"):
            type_and_shape(Entry(1, shape).encoded())


def test_header():
    message = messages.BundleHeaderProto(num_shards=300, endianness=1)
    message.version.producer, message.version.min_consumer = 1, 2
    assert decoded_header(message.SerializeToString()) == Header(300, 1, 1, 2)
    plain = messages.BundleHeaderProto(num_shards=2)
    plain.version.producer = 1
    assert Header(2).encoded() == plain.SerializeToString()


def test_checkpoints_are_listed_without_protobuf(tmp_path):
    prefix = str(tmp_path / "m")
    with BundleWriter(prefix) as writer:
        writer.add("a", np.zeros([2, 3], np.float32))
    code = (
        "import sys; from evergraph.formats.bundle import BundleReader;"
        f"r = BundleReader({prefix!r}); print(r.names(), r.shape('a'), r.dtype('a').name, "
        "'google.protobuf' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "['a'] (2, 3) float32 False\n"
