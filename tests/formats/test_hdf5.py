"""HDF5 files are read by another process: what crashes the library is an error here."""

import random

import h5py
import numpy as np
import pytest

from evergraph.formats.hdf5 import Hdf5Reader
from evergraph.framework import errors


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("h5") / "w.h5"
    with h5py.File(path, "w") as file:
        file["dense/kernel:0"] = np.arange(60, dtype=np.float32).reshape(6, 10)
        file.create_dataset("packed", data=np.arange(600), chunks=(70,), compression="gzip", shuffle=True)
        file["texts"] = np.array([b"one", b""], object)
        file["fixed"] = np.array([[b"abc", b"d"]])
        file["flags"] = np.array([True, False])
        file["half"] = np.array(1.5, np.float16)
        file["big_endian"] = np.array([1, 2], ">i4")
        file.create_dataset("nothing", data=h5py.Empty("f"))
        file.create_dataset("huge", (1 << 40,), "f8", chunks=(1 << 20,))
        file["rows"] = np.zeros(2, [("a", "i4"), ("b", "f4")])
    return path


def test_arrays_of_all_kinds_are_read(path):
    with Hdf5Reader(str(path)) as reader:
        assert reader.entries["dense/kernel:0"] == ("float32", (6, 10), 240)
        assert "nothing" not in reader.entries
        assert reader.entries["texts"][:2] == ("string", (2,))
        np.testing.assert_array_equal(reader.read("dense/kernel:0"), np.arange(60).reshape(6, 10))
        np.testing.assert_array_equal(reader.read("packed"), np.arange(600))
        assert reader.read("texts").tolist() == [b"one", b""]
        assert reader.read("fixed").tolist() == [[b"abc", b"d"]]
        assert reader.read("flags").tolist() == [True, False]
        assert reader.read("half") == np.float16(1.5)
        assert reader.read("half").shape == ()
        assert reader.read("big_endian").tolist() == [1, 2]


def test_what_cannot_be_read_is_an_error_and_the_rest_is_read(path):
    with Hdf5Reader(str(path)) as reader:
        with pytest.raises(errors.DataLossError, match="'huge' cannot be read: an array of 8796093022208 bytes"):
            reader.read("huge")
        with pytest.raises(errors.DataLossError, match=r"w\.h5: .* 'rows' cannot be read: its type"):
            reader.read("rows")
        with pytest.raises(errors.DataLossError, match="'no such' cannot be read"):
            reader.read("no such")
        assert reader.read("half") == np.float16(1.5)


def test_library_that_crashes_is_an_error(path):
    with Hdf5Reader(str(path)) as reader:
        reader._process.kill()
        reader._process.wait()
        with pytest.raises(errors.DataLossError, match=r"could not read the array 'half' and crashed"):
            reader.read("half")
        with pytest.raises(errors.DataLossError, match="crashed"):
            reader.read("half")


def test_missing_file(tmp_path):
    with pytest.raises(errors.NotFoundError, match="no such"):
        Hdf5Reader(str(tmp_path / "no such.h5"))
    (tmp_path / "text.h5").write_text("text")
    with pytest.raises(errors.DataLossError, match=r"text\.h5: damaged HDF5 file"):
        Hdf5Reader(str(tmp_path / "text.h5"))
    with pytest.raises(errors.DataLossError, match=r"^m\.keras: damaged HDF5 file"):
        Hdf5Reader(str(tmp_path / "text.h5"), named="m.keras")


@pytest.mark.parametrize("seed", range(8))
def test_changed_files_are_read_or_refused(path, tmp_path, seed):
    drawn = random.Random(seed)
    data = bytearray(path.read_bytes())
    for _ in range(drawn.randint(1, 6)):
        data[drawn.randrange(len(data))] ^= 1 << drawn.randrange(8)
    if seed % 4 == 0:
        del data[drawn.randrange(len(data)) :]
    changed = tmp_path / "w.h5"
    changed.write_bytes(data)
    try:
        reader = Hdf5Reader(str(changed))
    except errors.DataLossError:
        return
    with reader:
        for name in reader.entries:
            try:
                reader.read(name)
            except errors.DataLossError as error:
                assert str(changed) in str(error)
