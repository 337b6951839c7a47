"""Safetensors files: bytes as their description has them, every type, and damage that is said."""

import json

import ml_dtypes
import numpy as np
import pytest

from evergraph.formats.safetensors import TYPES, SafetensorsReader, write_safetensors
from evergraph.framework import errors


def header(path):
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def test_bytes(tmp_path):
    path = tmp_path / "w.safetensors"
    write_safetensors(str(path), {"b": np.array([[1, 2]], "<i2"), "a": np.float32(1)}, {"made": "here"})
    found, rest = header(path)
    assert found == {
        "__metadata__": {"made": "here"},
        "a": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]},
        "b": {"dtype": "I16", "shape": [1, 2], "data_offsets": [4, 8]},
    }
    assert rest == b"\0\0\x80\x3f\x01\0\x02\0"
    assert int.from_bytes(path.read_bytes()[:8], "little") % 8 == 0
    assert SafetensorsReader(str(path)).metadata == {"made": "here"}


@pytest.mark.parametrize("kind", TYPES)
def test_types_and_empty_arrays(tmp_path, kind):
    path = str(tmp_path / "w.safetensors")
    arrays = {"x": np.array([[0, 1], [1, 0]]).astype(TYPES[kind]), "empty": np.zeros([0, 3], TYPES[kind])}
    write_safetensors(path, arrays)
    reader = SafetensorsReader(path)
    assert reader.names() == ["empty", "x"]
    for name, array in arrays.items():
        assert reader.dtype(name) == array.dtype and reader.shape(name) == array.shape
        np.testing.assert_array_equal(reader.read(name).view(np.uint8), array.view(np.uint8))


def test_big_endian_and_strided_arrays(tmp_path):
    path = str(tmp_path / "w.safetensors")
    array = np.arange(6, dtype=">f4").reshape(2, 3).T
    write_safetensors(path, {"x": array})
    np.testing.assert_array_equal(SafetensorsReader(path).read("x"), array.astype("<f4"))


def test_types_it_has_not_are_all_named(tmp_path):
    path = tmp_path / "w.safetensors"
    with pytest.raises(errors.InvalidArgumentError, match=r"'a' \(complex64\), 'c' \(object\)"):
        write_safetensors(
            str(path), {"a": np.ones(1, "c8"), "b": np.ones(1, ml_dtypes.bfloat16), "c": np.array([b""], object)}
        )
    assert not path.exists()


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dtype": "F99"}, "unknown type 'F99'"),
        ({"shape": [3]}, "takes 12 bytes"),
        ({"shape": [-2]}, "no sizes"),
        ({"shape": [1 << 62]}, "takes"),
        ({"shape": "x"}, "no sizes"),
        ({"data_offsets": [4, 12]}, "at 4 to 12 of 8"),
        ({"data_offsets": [0]}, "lacks"),
        ({"data_offsets": None}, "lacks"),
    ],
)
def test_wrong_entries(tmp_path, changes, message):
    text = json.dumps({"x": {**ENTRY, **changes}}).encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(8))
    with pytest.raises(errors.DataLossError, match=message):
        SafetensorsReader(str(path))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "header"),
        (b"\xff" * 8 + b"{}", "header cannot have"),
        ((2).to_bytes(8, "little") + b"{x", "no JSON"),
        ((2).to_bytes(8, "little") + b"[]", "no JSON object"),
        ((2).to_bytes(8, "little") + b"\xff\xfe", "no JSON"),
    ],
)
def test_wrong_headers(tmp_path, data, message):
    path = tmp_path / "w.safetensors"
    path.write_bytes(data)
    with pytest.raises(errors.DataLossError, match=message):
        SafetensorsReader(str(path))


def test_no_such_file(tmp_path):
    with pytest.raises(errors.NotFoundError, match="nothing"):
        SafetensorsReader(str(tmp_path / "nothing"))
