"""`tf.make_tensor_proto`, `tf.make_ndarray` and the messages of records."""

import numpy as np
import pytest
from google.protobuf import text_format

import evergraph as tf
from evergraph.formats import messages


@pytest.mark.parametrize(
    ("value", "dtype", "text"),
    [
        (10.0, None, "dtype: DT_FLOAT\ntensor_shape {\n}\nfloat_val: 10\n"),
        ([1, 2], None,
         'dtype: DT_INT32\ntensor_shape {\n  dim {\n    size: 2\n  }\n}\n'
         'tensor_content: "\\001\\000\\000\\000\\002\\000\\000\\000"\n'),
        (["a", b"\xff"], None,
         'dtype: DT_STRING\ntensor_shape {\n  dim {\n    size: 2\n  }\n}\nstring_val: "a"\nstring_val: "\\377"\n'),
        (True, None, "dtype: DT_BOOL\ntensor_shape {\n}\nbool_val: true\n"),
        (3, tf.int64, "dtype: DT_INT64\ntensor_shape {\n}\nint64_val: 3\n"),
        ([(5,)], tf.qint8, "dtype: DT_QINT8\ntensor_shape {\n  dim {\n    size: 1\n  }\n}\nint_val: 5\n"),
    ],
)  # fmt: skip
def test_values_are_written_as_tensorflow_writes_them(value, dtype, text):
    proto = tf.make_tensor_proto(value, dtype)
    assert proto == text_format.Parse(text, messages.TensorProto())
    assert tf.make_tensor_proto(proto) is proto


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int64", "uint16", "bool", "complex64"])
def test_arrays_read_back(dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    found = tf.make_ndarray(tf.make_tensor_proto(array))
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype
    found[0, 0] = 1  # it belongs to the caller
    assert tf.contrib.util.make_ndarray(tf.contrib.util.make_tensor_proto("x")) == b"x"


def test_shapes():
    proto = tf.make_tensor_proto([7], shape=[2, 2])
    assert len(proto.int_val) == 1
    assert tf.make_ndarray(proto).tolist() == [[7, 7], [7, 7]]
    with pytest.raises(ValueError, match="Too many elements provided. Needed at most 2, but received 3"):
        tf.make_tensor_proto([1, 2, 3], shape=[2])
    with pytest.raises(TypeError, match=r"Expected Tensor's shape: \(4, 1\), got \(4,\)"):
        tf.make_tensor_proto([1, 2, 3, 4], shape=[4, 1], verify_shape=True)
    with pytest.raises(TypeError, match="Expected Tensor's shape"):
        tf.make_tensor_proto([1, 2], shape=[4], allow_broadcast=True)


@pytest.mark.parametrize(
    ("value", "dtype", "kind"),
    [(None, None, ValueError), ([None], None, TypeError), ([1, "a"], None, TypeError), (3, tf.qint8, TypeError),
     ("a", tf.int32, TypeError), ([[1], [2, 3]], None, ValueError)],
)  # fmt: skip
def test_what_is_no_tensor_is_refused(value, dtype, kind):
    with pytest.raises(kind):
        tf.make_tensor_proto(value, dtype)


def test_messages_of_records_are_public():
    for name in ("BytesList", "Example", "Feature", "FeatureList", "FeatureLists", "Features", "FloatList", "Int64List",
                 "SequenceExample"):  # fmt: skip
        assert getattr(tf.train, name) is getattr(messages, name)
    example = tf.train.Example(
        features=tf.train.Features(feature={"a": tf.train.Feature(int64_list=tf.train.Int64List(value=[1, 2]))})
    )
    parsed = tf.parse_single_example(example.SerializeToString(), {"a": tf.VarLenFeature(tf.int64)})
    with tf.Session() as session:
        assert session.run(parsed)["a"].values.tolist() == [1, 2]
