"""Small tensors that are written and read together give the files and the values that they give one by one."""

from pathlib import Path

import numpy as np
import pytest

from evergraph.formats import small_tensors
from evergraph.formats.bundle import BundleReader, BundleWriter, data_name, index_name, merge_bundles
from evergraph.formats.bundle_entry import Entry
from evergraph.formats.slices import Slice
from evergraph.formats.table import TableReader, TableWriter
from evergraph.framework import dtypes, errors

NUMBERS = [k for k in dtypes.ALL if k._kind not in "SRV"]


def values(count=300, seed=0):
    """Names, arrays and types: small numbers of all types, between them a large one, strings and nothing at all."""
    random = np.random.default_rng(seed)
    found = []
    for i in range(count):
        kind = NUMBERS[i % len(NUMBERS)]
        shape = [(), (3,), (2, 1, 4), (0, 5)][i % 4]
        size = int(np.prod(shape)) * kind.np.itemsize
        raw = random.integers(0, 2, size, np.uint8)
        found.append((f"scope{i * 7919 % 13}/v{i}", np.frombuffer(raw.tobytes(), kind.np).reshape(shape), kind))
        if i % 50 == 20:
            found.append((f"large{i}", random.random([40, 40]), dtypes.float64))
            found.append((f"text{i}", np.array([b"a", b"bc"], object), dtypes.string))
    return [list(column) for column in zip(*found, strict=True)]


def contents(prefix):
    return [Path(path).read_bytes() for path in (index_name(prefix), data_name(prefix, 0, 1))]


@pytest.fixture
def written(tmp_path):
    names, arrays, kinds = values()
    with BundleWriter(str(tmp_path / "m")) as writer:
        writer.add_all(names, arrays, kinds)
    return str(tmp_path / "m"), names, arrays, kinds


def test_files_are_those_of_tensors_written_one_by_one(tmp_path, written, monkeypatch):
    prefix, names, arrays, kinds = written
    with BundleWriter(str(tmp_path / "single")) as writer:
        for name, array, kind in zip(names, arrays, kinds, strict=True):
            writer.add(name, array, kind)
    assert contents(prefix) == contents(str(tmp_path / "single"))
    monkeypatch.setattr(small_tensors, "AT_ONCE", 7)
    with BundleWriter(str(tmp_path / "parts")) as writer:
        writer.add_all(names, arrays, kinds)
    assert contents(prefix) == contents(str(tmp_path / "parts"))


def test_arrays_that_are_not_in_order_in_memory_are_written_in_order(tmp_path):
    turned = np.arange(6, dtype=np.float32).reshape(2, 3).T
    with BundleWriter(str(tmp_path / "m")) as writer:
        writer.add_all(["a", "b"], [turned, np.asfortranarray(turned)], [dtypes.float32] * 2)
    with BundleReader(str(tmp_path / "m")) as reader:
        for value in reader.read_all(["b", "a"]):
            np.testing.assert_array_equal(value, turned)


def test_entries_are_encoded_as_single_ones():
    places = [0, 1, 127, 128, 16_383, 16_384, 2**31, 2**40, 2**55]
    offsets = np.array([o for o in places for _ in places])
    sizes = np.array([s for _ in places for s in places])
    crcs = (np.arange(len(sizes)) * 2_654_435_761 % 2**32).astype(np.uint32)  # the first is 0
    head = Entry(1, (2, 3)).encoded()
    got = [head + tail for tail in small_tensors._encoded_tails(offsets, sizes, crcs)]
    columns = zip(offsets.tolist(), sizes.tolist(), crcs.tolist(), strict=True)
    assert got == [Entry(1, (2, 3), offset=o, size=s, crc=c).encoded() for o, s, c in columns]
    found = small_tensors.places(got[1:])
    assert found.usable.all()
    assert found.offsets.tolist() == offsets[1:].tolist()
    assert found.sizes.tolist() == sizes[1:].tolist()
    assert found.crcs.tolist() == crcs[1:].tolist()


@pytest.mark.parametrize("at_once", [4096, 11])
def test_values_come_back_in_any_order(written, at_once, monkeypatch):
    prefix, names, arrays, kinds = written
    monkeypatch.setattr(small_tensors, "AT_ONCE", at_once)
    order = np.random.default_rng(1).permutation(len(names)).tolist() + [0, 5, 0]
    with BundleReader(prefix) as reader:
        got = reader.read_all([names[i] for i in order])
        for i, value in zip(order, got, strict=True):
            assert value.shape == arrays[i].shape
            assert value.dtype == kinds[i].np
            assert value.tobytes() == arrays[i].tobytes() or kinds[i] is dtypes.string
            assert value.tolist() == reader.read(names[i]).tolist()
            assert not value.flags.writeable


def test_parts_and_several_data_files_are_read(tmp_path):
    prefixes = [str(tmp_path / f"p{i}") for i in range(2)]
    for i, prefix in enumerate(prefixes):
        with BundleWriter(prefix) as writer:
            writer.add_all([f"v{i}{j}" for j in range(20)], [np.full(3, 100 * i + j) for j in range(20)],
                           [dtypes.int64] * 20)  # fmt: skip
            writer.add_slice("w", [4], Slice((2 * i,), (2,)), np.full(2, i))
    merge_bundles(prefixes, str(tmp_path / "m"))
    with BundleReader(str(tmp_path / "m")) as reader:
        *got, whole = reader.read_all([f"v{i}{j}" for j in range(20) for i in range(2)] + ["w"])
    assert [v[0] for v in got] == [100 * i + j for j in range(20) for i in range(2)]
    assert whole.tolist() == [0, 0, 1, 1]


def test_every_damaged_byte_is_found(tmp_path):
    names = [f"v{i}" for i in range(12)]
    with BundleWriter(str(tmp_path / "m")) as writer:
        writer.add_all(names, [np.full(2, i, np.float32) for i in range(12)], [dtypes.float32] * 12)
    path = tmp_path / data_name("m", 0, 1)
    right = path.read_bytes()
    for at in range(len(right)):
        path.write_bytes(right[:at] + bytes([right[at] ^ 0x10]) + right[at + 1 :])
        with (
            BundleReader(str(tmp_path / "m")) as reader,
            pytest.raises(errors.DataLossError, match=f"checksum does not match: tensor 'v{at // 8}'"),
        ):
            reader.read_all(names)
    path.write_bytes(right[:-1])
    with BundleReader(str(tmp_path / "m")) as reader, pytest.raises(errors.DataLossError, match="'v11' is at 88 with"):
        reader.read_all(names)


def test_damaged_entries_are_refused_as_for_a_single_tensor(written):
    prefix, names, *_ = written
    random = np.random.default_rng(3)
    with BundleReader(prefix) as reader:
        for name in names[:120]:
            key = name.encode()
            right = reader.raw_entries[key]
            for _ in range(10):
                data = bytearray(right)
                data[random.integers(len(data))] = random.integers(256)
                reader.raw_entries[key] = bytes(
                    data[: random.integers(len(data)) + 1] if random.random() < 0.3 else data
                )
                reader._parsed.clear()
                outcomes = []
                for read in (lambda n: reader.read_all([n])[0], reader.read):
                    try:
                        outcomes.append(read(name).tolist())
                    except (errors.OpError, ValueError, MemoryError) as error:
                        outcomes.append(type(error))
                assert repr(outcomes[0]) == repr(outcomes[1])
            reader.raw_entries[key] = right


def test_names_that_are_there_twice_or_not_at_all_are_refused(tmp_path):
    one, kinds = np.float32(1).reshape(1), [dtypes.float32] * 2
    for add in (
        lambda w: w.add_all(["a", "a"], [one, one], kinds),
        lambda w: (w.add("a", one), w.add_all(["b", "a"], [one, one], kinds)),
    ):
        with (
            pytest.raises(errors.InvalidArgumentError, match="Adding duplicate key: a"),
            BundleWriter(str(tmp_path / "m")) as w,
        ):
            add(w)
    with BundleWriter(str(tmp_path / "m")) as writer:
        writer.add_all(["a"], [one], kinds[:1])
        with pytest.raises(errors.InvalidArgumentError, match="Adding duplicate key: a"):
            writer.add_slice("a", [4], Slice((0,), (2,)), np.ones(2, np.float32))
    with BundleReader(str(tmp_path / "m")) as reader, pytest.raises(errors.NotFoundError, match="Key b not found"):
        reader.read_all(["a", "b"])


def test_table_takes_entries_together_as_one_by_one(tmp_path):
    random = np.random.default_rng(5)
    keys = sorted({bytes(random.integers(97, 100, random.integers(1, 300)).astype(np.uint8)) for _ in range(700)})
    entries = [(key, bytes(random.integers(0, 200))) for key in keys]
    for name in ("together", "single"):
        with open(tmp_path / name, "wb") as file:
            table = TableWriter(file, block_size=1000)
            if name == "together":
                table.add_all(entries)
            else:
                for key, value in entries:
                    table.add(key, value)
            table.finish()
    assert (tmp_path / "together").read_bytes() == (tmp_path / "single").read_bytes()
    assert list(TableReader(str(tmp_path / "together")).items()) == entries
    with open(tmp_path / "wrong", "wb") as file, pytest.raises(ValueError, match="must come in order"):
        TableWriter(file).add_all([(b"a", b""), (b"c", b""), (b"b", b"")])
