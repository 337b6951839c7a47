"""Batches read in lockstep give what their records give one by one, and damaged records an error."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evergraph as tf
from evergraph.formats import messages
from evergraph.ops.parsing import example_columns, example_templates, example_wire
from evergraph.ops.parsing.example_columns import BYTES, FLOATS, INTS, columns
from evergraph.ops.parsing.example_names import Names

LONG = "a_name_of_two_words_"
WANTED = [(b"s", BYTES), (b"f", FLOATS), (b"n", INTS), (b"none", INTS), (LONG.encode() + b"n", INTS)]


def record(**features):
    """A serialized `Example` whose features come in the given order."""
    body = b""
    for key, values in features.items():
        entry = messages.Features()
        feature = entry.feature[key]
        if values is not None:
            kind = {"s": "bytes_list", "f": "float_list", "n": "int64_list", "x": "bytes_list"}[key[-1]]
            getattr(feature, kind).value.extend(values)
            getattr(feature, kind).SetInParent()
        body += entry.SerializeToString()
    return example_of(body)


def example_of(features):
    size, length = b"", len(features)
    while length > 0x7F:
        size += bytes([length & 0x7F | 0x80])
        length >>= 7
    return b"\x0a" + size + bytes([length]) + features


VALUES = {
    "s": st.lists(st.binary(max_size=200), max_size=3) | st.none(),
    "f": st.lists(st.floats(width=32, allow_nan=False), max_size=40) | st.none(),
    "n": st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5) | st.none(),
    "x": st.lists(st.binary(max_size=3), max_size=2),
    LONG + "n": st.lists(st.integers(0, 300), max_size=90) | st.none(),
    LONG + "s": st.lists(st.binary(max_size=20), max_size=9),
}
LAYOUTS = st.lists(st.sampled_from(sorted(VALUES)), unique=True)


@st.composite
def batches(draw):
    """Records most of which have the same features."""
    usual = draw(LAYOUTS)
    records = []
    for _ in range(draw(st.integers(8, 14))):
        layout = draw(st.permutations(usual)) if draw(st.integers(0, 3)) else draw(LAYOUTS)
        records.append(record(**{key: draw(VALUES[key]) for key in layout}))
    return records


def assert_equal(found, expected):
    for one, other in zip(found, expected):
        np.testing.assert_array_equal(one.counts, other.counts)
        np.testing.assert_array_equal(one.values, other.values)
        assert one.values.dtype == other.values.dtype


@settings(max_examples=60, deadline=None)
@given(batches())
def test_lockstep_gives_what_the_records_give_one_by_one(records):
    assert_equal(columns(records, WANTED), example_columns._one_by_one(records, range(len(records)), WANTED))


@settings(max_examples=60, deadline=None)
@given(batches(), st.data())
def test_damaged_records_give_an_error_or_values(records, data):
    for _ in range(data.draw(st.integers(1, 3))):
        which = data.draw(st.integers(0, len(records) - 1))
        damaged = bytearray(records[which] or b"\0")
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
        records[which] = bytes(damaged)[: data.draw(st.integers(0, len(damaged)))]
    outcomes = []
    for read in (columns, in_lockstep, one_by_one):
        try:
            outcomes.append(read(records, WANTED))
        except (
            example_columns.MalformedRecord,
            example_columns.MalformedFeature,
            example_columns.WrongKind,
            example_wire.UnknownKind,
        ) as error:
            outcomes.append((type(error), str(error)))
    *found, expected = outcomes
    for outcome in found:
        if isinstance(expected, tuple):
            assert outcome == expected
        else:
            assert_equal(outcome, expected)


def test_the_order_of_features_is_free_in_lockstep(monkeypatch):
    records = [record(n=[i], s=[b"%d" % i * i]) if i % 3 else record(s=[b"%d" % i * i], n=[i]) for i in range(200)]
    monkeypatch.setattr(example_columns, "_one_by_one", None)
    found = columns(records, WANTED)
    np.testing.assert_array_equal(found[2].values, np.arange(200))
    assert found[0].values.tolist() == [b"%d" % i * i for i in range(200)]
    assert found[3].counts.tolist() == [example_columns.MISSING] * 200


def test_a_record_out_of_the_ordinary_is_read_alone(monkeypatch):
    records = [record(n=[i], f=[0.5]) for i in range(20)]
    records[3] = record(n=[7]) + record(n=[8, 9])  # the last one counts
    records[5] = example_of(records[5][2:] + records[6][2:])  # each feature twice
    records[7] = b"\x1a\x01x" + records[7]  # a field that an Example does not have
    records[9] = b""
    alone = []
    one_by_one = example_columns._one_by_one
    monkeypatch.setattr(
        example_columns, "_one_by_one", lambda r, which, wanted: alone.extend(which) or one_by_one(r, which, wanted)
    )
    values, counts = columns(records, [(b"n", INTS)])[0]
    assert alone == [3, 5, 7]
    assert counts.tolist() == [1, 1, 1, 2, 1, 1, 1, 1, 1, example_columns.MISSING] + [1] * 10
    assert values.tolist() == [0, 1, 2, 8, 9, 4, 6, 6, 7, 8, *range(10, 20)]


def test_messages_name_the_record_and_the_feature():
    records = [record(n=[1], f=[0.5])] * 9 + [record(n=[1, 2], f=[0.5])]
    serialized = tf.placeholder(tf.string, [None])
    parsed = tf.parse_example(
        serialized, {"n": tf.FixedLenFeature([], tf.int64)}, example_names=[f"r{i}" for i in range(10)]
    )
    with tf.Session() as session:
        with pytest.raises(tf.errors.InvalidArgumentError) as error:
            session.run(parsed, {serialized: records})
    assert (
        "Name: r9, Key: n, Index: 9.  Number of int64 values != expected.  Values size: 2 but output shape: []"
        in str(error.value)
    )


def one_by_one(records, wanted=WANTED):
    return example_columns._one_by_one(records, range(len(records)), wanted)


def in_lockstep(records, wanted=WANTED):
    return example_columns._in_lockstep(records, list(map(len, records)), wanted)


ALIKE = {
    "one of each": lambda i: record(s=[b"%03d" % i], f=[i, 0.5], n=[i % 100]),
    "long numbers": lambda i: record(n=[-i - 1, 300 + i, 5], f=[1.5]),
    "empty lists": lambda i: record(s=[], n=[], f=[]) + b"",
    "several strings": lambda i: record(x=[b"%d" % (i % 10)], s=[b"%02d" % i, b"", b"ab"], n=None),
    "two orders": lambda i: record(s=[b"%02d" % i], n=[7]) if i % 2 else record(n=[7], s=[b"%02d" % i]),
    "two lengths": lambda i: record(n=[i % 100], s=[b"x" * (3 + i % 2)], f=[i]),
    "other counts": lambda i: record(n=[1] * (1 + i % 2), f=[i, i] if i % 2 else None, s=[b"%d" % (i % 7)]),
}


@pytest.mark.parametrize("name", ALIKE)
def test_records_of_one_layout_are_read_as_rows(name, monkeypatch):
    records = [ALIKE[name](i) for i in range(40)]
    expected = one_by_one(records)
    monkeypatch.setattr(example_columns, "_in_lockstep", None)
    monkeypatch.setattr(example_columns, "_one_by_one", None)
    example_templates.templates.cache_clear()
    for _ in range(2):
        assert_equal(columns(records, WANTED), expected)


def test_records_of_one_layout_among_others():
    records = [ALIKE["one of each"](i) for i in range(30)]
    records[3] = record(n=[1, 2, 3])
    records[11] = record(f=[9.0], n=[5]) + record(n=[6])
    records[12] = b""
    assert_equal(columns(records, WANTED), one_by_one(records))


def test_damage_is_not_taken_for_a_layout():
    example_templates.templates.cache_clear()
    records = [ALIKE["long numbers"](i) for i in range(12)]
    columns(records, WANTED)
    for at in range(len(records[5])):
        for byte in (0, 1, 0x0A, 0x12, 0x7F, 0x80, 0xFF):
            damaged = bytearray(records[5])
            damaged[at] = byte
            batch = [*records[:5], bytes(damaged), *records[6:]]
            outcomes = []
            for read in (columns, one_by_one):
                try:
                    outcomes.append(read(batch, WANTED))
                except ValueError as error:
                    outcomes.append((type(error), error.args))
            if isinstance(outcomes[0], list) and isinstance(outcomes[1], list):
                assert_equal(*outcomes)
            else:
                assert outcomes[0] == outcomes[1]


def test_a_feature_that_is_wanted_twice():
    records = [ALIKE["one of each"](i) for i in range(20)]
    twice = [(b"n", INTS), (b"n", INTS)]
    assert_equal(columns(records, twice), one_by_one(records, twice))
    assert_equal(in_lockstep(records, twice), one_by_one(records, twice))
    assert in_lockstep(records, []) == []


@settings(max_examples=40, deadline=None)
@given(batches())
def test_lockstep_alone(records):
    assert_equal(in_lockstep(records), one_by_one(records))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=20), min_size=1, max_size=20, unique=True), st.data())
def test_names_are_found_among_others(names, data):
    found = Names(names)
    others = st.builds(lambda name, more: name + more, st.sampled_from(names), st.binary(max_size=3)) | st.binary()
    asked = data.draw(st.lists(st.sampled_from(names) | others, max_size=20))
    sizes = np.array([len(name) for name in asked], np.int64)

    def word_at(at):
        return np.array([int.from_bytes((name + b"\xff" * 30)[at : at + 8], "little") for name in asked], np.uint64)

    which, place = found.places(sizes, word_at)
    expected = [(i, names.index(name)) for i, name in enumerate(asked) if name in names]
    assert list(zip(which.tolist(), place.tolist(), strict=True)) == expected


def test_many_similar_names():
    names = [b"%s%03d_end" % (LONG.encode(), i) for i in range(300)]
    found = Names(names)
    words = np.frombuffer(b"".join(name.ljust(32, b"x") for name in names), "<u8").reshape(-1, 4)
    which, place = found.places(np.array([len(name) for name in names]), lambda at: words[:, at // 8])
    assert which.tolist() == place.tolist() == list(range(300))


LONG_FIELDS = {
    "numbers": lambda i: record(n=range(5000 + i), s=[b"x"]),
    "floats": lambda i: record(f=[0.5] * (4000 + i)),
    "string": lambda i: record(s=[b"x" * 20000, b"y" * i]),
    "strings": lambda i: record(s=[b"%d" % k for k in range(200 + i)]),
    "large numbers": lambda i: record(n=[k * 7919**k % 2**64 - 2**63 for k in range(i)]),
    "more strings than steps": lambda i: record(s=[b"x"] * (280 + i)),
}


@pytest.mark.parametrize("name", LONG_FIELDS)
def test_fields_whose_length_takes_several_bytes(name, monkeypatch):
    records = [LONG_FIELDS[name](i) for i in range(12)]
    expected = one_by_one(records)
    if name != "more strings than steps":
        monkeypatch.setattr(example_columns, "_one_by_one", None)
    assert_equal(columns(records, WANTED), expected)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), max_size=20), st.integers(1, 4))
def test_packed_numbers(values, block):
    encoded = np.frombuffer(b"".join(map(varint, values)), np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(example_wire, "_BLOCK", block)
        found = example_wire.packed_ints(encoded, np.flatnonzero(encoded < 0x80))
    assert found.view(np.uint64).tolist() == values


def varint(value):
    low = []
    while value > 0x7F:
        low.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*low, value])
