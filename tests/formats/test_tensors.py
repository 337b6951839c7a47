"""Arrays and TensorProto, against what TensorFlow 1.15.5 writes (see tools/record_formats.py) and in round trips."""

import ast
import base64
import json
import tracemalloc
from pathlib import Path

import hypothesis.extra.numpy as npst
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergraph.formats import messages
from evergraph.formats.tensors import array_to_proto, proto_to_array
from evergraph.formats.text import from_text
from evergraph.framework.dtypes import as_dtype

RECORDED = [json.loads(line) for line in (Path(__file__).parent / "data" / "tensors.jsonl").read_text().splitlines()]
NUMERIC = """int8 uint8 int16 uint16 int32 uint32 int64 uint64 half bfloat16 float32 float64 complex64 complex128 bool
    qint8 quint8 qint16 quint16 qint32""".split()


def tensor(text):
    return from_text(text, messages.TensorProto)


def same(a, b):
    """Equal in type, shape and bits."""
    if a.dtype == object:
        return a.dtype == b.dtype and a.shape == b.shape and a.tolist() == b.tolist()
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def case_name(record):
    return f"{record['dtype']} {record['value']} {record['shape'] or ''}"


@pytest.mark.parametrize("record", RECORDED, ids=case_name)
def test_bytes_are_those_of_make_tensor_proto(record):
    dtype = as_dtype(record["dtype"])
    value = ast.literal_eval(record["value"])
    with np.errstate(over="ignore"):
        array = np.array(value, dtype.np[0] if dtype.is_quantized else dtype.np)
    proto = array_to_proto(array, dtype.as_datatype_enum, record["shape"])
    assert proto.SerializeToString(deterministic=True) == base64.b64decode(record["bytes"])

    shape = array.shape if record["shape"] is None else tuple(record["shape"])
    expected = array.ravel().tolist()
    missing = int(np.prod(shape)) - len(expected)
    expected += (expected[-1:] or [0]) * missing
    if dtype.name == "string":
        expected = [text.encode() if isinstance(text, str) else text for text in expected]
    read = proto_to_array(proto)
    assert read.dtype == dtype.np
    assert read.shape == shape
    plain = read.view(dtype.np[0]) if dtype.is_quantized else read
    assert plain.ravel().tolist() == expected


@st.composite
def arrays(draw):
    dtype = as_dtype(draw(st.sampled_from(NUMERIC)))
    shape = draw(npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    bits = draw(npst.arrays(np.uint8, (*shape, dtype.np.itemsize)))
    if dtype.is_bool:
        bits &= 1
    if dtype.np in (np.float32, np.complex64):  # a signalling NaN becomes a quiet one on its way through Python's float
        bits[..., 3::4] &= 0xBF
    return dtype, bits.reshape(-1).view(dtype.np).reshape(shape)


@given(arrays())
def test_numbers_come_back_bit_for_bit(drawn):
    dtype, array = drawn
    data = array_to_proto(array, dtype.as_datatype_enum).SerializeToString()
    assert same(proto_to_array(messages.TensorProto.FromString(data)), array)


@given(npst.arrays(object, npst.array_shapes(min_dims=0, min_side=0), elements=st.binary(max_size=5)))
def test_strings_come_back(array):
    assert same(proto_to_array(array_to_proto(array, 7)), array)


@given(npst.arrays(object, npst.array_shapes(min_dims=0, min_side=0), elements=st.binary(max_size=300)))
def test_strings_as_raw_content_come_back(array):
    def varint(n):
        return bytes([n]) if n < 128 else bytes([n & 127 | 128, n >> 7])

    flat = array.ravel().tolist()
    proto = array_to_proto(np.array([b""], object), 7, array.shape)
    proto.tensor_content = b"".join(varint(len(text)) for text in flat) + b"".join(flat)
    if flat:
        proto.ClearField("string_val")
    assert same(proto_to_array(proto), array)


@given(st.binary(max_size=200))
def test_hostile_bytes_are_refused_or_give_an_array(data):
    try:
        proto = messages.TensorProto.FromString(data)
    except Exception as error:
        assert type(error).__name__ == "DecodeError"
        return
    try:
        array = proto_to_array(proto)
    except (TypeError, ValueError):
        return
    assert array.shape == tuple(dim.size for dim in proto.tensor_shape.dim)


HOSTILE = [
    "dtype: DT_FLOAT tensor_shape { dim { size: 1099511627776 } }",
    "dtype: DT_FLOAT tensor_shape { dim { size: 1099511627776 } } float_val: 1",
    "dtype: DT_FLOAT tensor_shape { dim { size: 4294967296 } } float_val: [1, 2]",
    "dtype: DT_INT8 tensor_shape { dim { size: 4611686018427387904 } dim { size: 4611686018427387904 } } int_val: 1",
    "dtype: DT_STRING tensor_shape { dim { size: 1099511627776 } } string_val: ''",
    "dtype: DT_STRING tensor_shape { dim { size: 1099511627776 } } tensor_content: 'abc'",
    "dtype: DT_STRING tensor_shape { dim { size: 1 } } tensor_content: '\\377\\377\\377\\377\\377\\377\\377\\377'",
    "dtype: DT_STRING tensor_shape { dim { size: 1 } } tensor_content: '\\377'",
    "dtype: DT_STRING tensor_shape { dim { size: 2 } } tensor_content: '\\001\\002ab'",
    "dtype: DT_STRING tensor_shape { dim { size: 2 } } tensor_content: '\\001\\001abc'",
    "dtype: DT_INT32 tensor_shape { dim { size: 2 } } tensor_content: '\\001\\000\\000\\000'",
    "dtype: DT_INT32 tensor_shape { dim { size: 1099511627776 } } tensor_content: '\\001\\000\\000\\000'",
    "dtype: DT_FLOAT tensor_shape { dim { size: -1 } } float_val: 1",
    "dtype: DT_FLOAT tensor_shape { dim { size: -1 } dim { size: -1 } } float_val: 1",
    "dtype: DT_FLOAT tensor_shape { unknown_rank: true dim { size: 1 } } float_val: 1",
    "dtype: DT_FLOAT tensor_shape { dim { size: 2 } } float_val: [1, 2, 3]",
    "dtype: DT_FLOAT tensor_shape { dim { size: 0 } } float_val: 1",
    "dtype: DT_FLOAT tensor_shape {" + "dim { size: 1 }" * 100 + "} float_val: 1",
    "dtype: DT_COMPLEX64 tensor_shape { dim { size: 2 } } scomplex_val: [1, 2, 3]",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_does_not_match_its_shape_is_refused_without_allocating(text):
    proto = tensor(text)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError):
            proto_to_array(proto)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dtype: DT_FLOAT tensor_shape { dim { size: 3 } } float_val: [1, 2]", np.float32([1, 2, 2])),
        ("dtype: DT_FLOAT tensor_shape { dim { size: 2 } }", np.float32([0, 0])),
        ("dtype: DT_FLOAT", np.float32(0)),
        ("dtype: DT_FLOAT tensor_shape { unknown_rank: true } float_val: 1", np.float32(1)),
        ("dtype: DT_UINT8 tensor_shape { dim { size: 2 } } int_val: [300, -1]", np.uint8([44, 255])),
        ("dtype: DT_BOOL tensor_shape { dim { size: 2 } } tensor_content: '\\002\\000'", np.array([True, False])),
        ("dtype: DT_STRING tensor_shape { dim { size: 3 } } string_val: ['a', 'b']", np.array([b"a", b"b", b"b"], "O")),
        ("dtype: DT_STRING tensor_shape { dim { size: 1 } }", np.array([b""], object)),
        ("dtype: DT_UINT64 tensor_shape { dim { size: 2 } } uint64_val: 9", np.uint64([9, 9])),
    ],
)
def test_short_lists_repeat_their_last_entry_as_in_tensorflow(text, expected):
    assert same(proto_to_array(tensor(text)), np.asarray(expected))


def test_a_value_that_fills_a_shape_takes_no_memory():
    proto = array_to_proto(np.float32(2), 1, [1 << 16, 1 << 16])
    assert proto.ByteSize() < 40
    array = proto_to_array(proto)
    assert array.shape == (1 << 16, 1 << 16) and array.strides == (0, 0) and array[7, 9] == 2


def test_arrays_read_are_read_only():
    for proto in array_to_proto(np.arange(3), 9), array_to_proto(np.int64(3), 9), array_to_proto(np.array([b"a"]), 7):
        assert not proto_to_array(proto).flags.writeable


def test_quantised_values_are_taken_as_tensorflow_arrays_or_plain_integers():
    plain = np.array([1, -2], np.int8)
    quantised = plain.view(np.dtype([("qint8", np.int8)]))
    assert array_to_proto(plain, 11) == array_to_proto(quantised, 11)
    assert same(proto_to_array(array_to_proto(plain, 11)), quantised)


def test_order_in_memory_does_not_matter():
    array = np.arange(6, dtype=np.int32).reshape(2, 3)
    for dtype in np.int32, np.float16, np.complex64:
        columns = np.asfortranarray(array.astype(dtype))
        number = as_dtype(dtype).as_datatype_enum
        assert array_to_proto(columns, number) == array_to_proto(columns.copy("C"), number)


def test_a_tensor_without_elements_takes_any_value():
    assert proto_to_array(array_to_proto(np.float32([1]), 1, [0, 3])).shape == (0, 3)


@pytest.mark.parametrize("number", [0, 20, 21, 101, 999])
def test_types_without_data_are_refused(number):
    with pytest.raises(TypeError, match="cannot be held"):
        array_to_proto(np.zeros(1), number)
    with pytest.raises(TypeError, match="cannot be held"):
        proto_to_array(messages.TensorProto(dtype=number))


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(TypeError, match="expected an array of float32, got float64"):
        array_to_proto(np.zeros(2), 1)
    with pytest.raises(TypeError, match="bytes or str"):
        array_to_proto(np.array([1, 2], object), 7)
    with pytest.raises(ValueError, match="takes 2 elements, got 3"):
        array_to_proto(np.zeros(3, np.float32), 1, [2])
    with pytest.raises(ValueError, match="must be known"):
        array_to_proto(np.zeros(3, np.float32), 1, [-1])
    with pytest.raises(ValueError, match="2 GiB"):
        array_to_proto(np.broadcast_to(np.int8(0), (1 << 31,)), 6)
