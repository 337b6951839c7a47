"""Fields of messages are written and read as protobuf does it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergraph.formats import messages, varint, wire

INTEGERS = st.integers(-(2**63), 2**63 - 1)


@given(INTEGERS, st.binary(max_size=300), st.integers(0, 2**32 - 1))
def test_fields_have_the_bytes_of_protobuf_and_come_back(offset, data, crc):
    made = messages.BundleEntryProto(offset=offset)
    assert wire.number(4, offset) == made.SerializeToString()
    made.crc32c = crc
    data = wire.message(20, data)
    expected = [(4, offset)] * bool(offset) + [(6, crc)] * bool(crc)
    found = dict(wire.fields(made.SerializeToString() + data))
    assert data == wire.message(20, found.pop(20))
    assert [(field, wire.signed(value)) for field, value in found.items()] == expected


def test_negative_integers_have_no_varint():
    for value in (-1, -128, -129):
        with pytest.raises(ValueError, match="range"):
            varint.encoded(value)


@pytest.mark.parametrize("data", ["0a", "0a05", "0f", "3500", "09000000"])
def test_what_is_no_message_is_refused(data):
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        list(wire.fields(bytes.fromhex(data)))
