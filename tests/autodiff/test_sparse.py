"""`IndexedSlices` and `SparseTensor`."""

import warnings

import numpy as np
import pytest

import evergraph as tf
from evergraph.framework.sparse import IndexedSlicesValue


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as g:
        yield g


@pytest.fixture
def slices():
    return tf.IndexedSlices(tf.constant([[1.0, 2.0], [3.0, 4.0]]), tf.constant([2, 0]), tf.constant([4, 2]))


def test_slices_are_three_tensors(slices):
    assert slices.name == slices.values.name and slices.op is slices.values.op
    assert slices.dtype is tf.float32 and slices.graph is tf.get_default_graph()
    text = str(slices)
    assert text.startswith("IndexedSlices(indices=Tensor(") and ", dense_shape=Tensor(" in text
    assert (-slices).indices is slices.indices and (-slices).values.op.type == "Neg"
    assert IndexedSlicesValue._fields == ("values", "indices", "dense_shape")


def test_slices_become_dense_by_an_unsorted_segment_sum(graph, slices):
    dense = tf.convert_to_tensor(slices, name="dense")
    assert (dense.op.type, dense.op.name, dense.shape.as_list()) == ("UnsortedSegmentSum", "dense", [4, 2])
    with tf.Session() as sess:
        assert sess.run(dense).tolist() == [[3, 4], [0, 0], [1, 2], [0, 0]]


def test_slices_are_inputs_of_ops(slices):
    with tf.Session() as sess:
        assert sess.run(tf.reduce_sum(tf.square(slices))) == 30.0


def test_slices_that_do_not_become_dense(slices):
    with pytest.raises(ValueError, match="without dense_shape"):
        tf.convert_to_tensor(tf.IndexedSlices(slices.values, slices.indices))
    with pytest.raises(ValueError, match="requested dtype int32 for IndexedSlices with dtype float32"):
        tf.convert_to_tensor(slices, tf.int32)


def test_large_dense_tensors_are_worth_a_warning(slices):
    with pytest.warns(UserWarning, match="with 200000000 elements"):
        tf.convert_to_tensor(tf.IndexedSlices(slices.values, slices.indices, tf.constant([100_000_000, 2])))
    with pytest.warns(UserWarning, match="of unknown shape"):
        tf.convert_to_tensor(tf.IndexedSlices(slices.values, slices.indices, tf.placeholder(tf.int32, [2])))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tf.convert_to_tensor(slices)


def test_slices_of_two_graphs_are_refused(slices):
    with tf.Graph().as_default(), pytest.raises(ValueError, match="must be from the same graph"):
        tf.IndexedSlices(slices.values, tf.constant([0, 1]))


def test_conversions_leave_slices_and_sparse_tensors_alone(slices):
    assert tf.convert_to_tensor_or_indexed_slices(slices) is slices
    assert isinstance(tf.convert_to_tensor_or_indexed_slices([1.0]), tf.Tensor)
    with pytest.raises(ValueError, match="requested dtype int32"):
        tf.convert_to_tensor_or_indexed_slices(slices, tf.int32)
    sparse = tf.SparseTensor([[0]], [1.0], [2])
    assert tf.convert_to_tensor_or_sparse_tensor(sparse) is sparse
    value = tf.SparseTensorValue(np.array([[0]]), np.array([1.0]), np.array([2]))
    assert isinstance(tf.convert_to_tensor_or_sparse_tensor(value), tf.SparseTensor)
    with pytest.raises(RuntimeError, match="Sparse dtype: requested = int32, actual = float32"):
        tf.convert_to_tensor_or_sparse_tensor(sparse, tf.int32)


def test_sparse_tensor_is_three_tensors_in_a_scope(graph):
    sparse = tf.SparseTensor([[0, 1], [2, 3]], [1.0, 2.0], [3, 4])
    names = [op.name for op in graph.get_operations()]
    assert names == [f"SparseTensor/{part}" for part in ("indices", "values", "dense_shape")]
    assert sparse.indices.dtype is tf.int64 and sparse.dense_shape.dtype is tf.int64
    assert sparse.shape.as_list() == sparse.get_shape().as_list() == [3, 4]
    assert str(sparse).startswith("SparseTensor(indices=Tensor(")


def test_shape_of_a_sparse_tensor_is_known_as_far_as_its_dense_shape_is():
    indices, values = tf.placeholder(tf.int64, [None, 2]), tf.placeholder(tf.float32, [None])
    shape = tf.placeholder(tf.int64, [2])
    assert tf.SparseTensor(indices, values, shape).shape.as_list() == [None, None]
    shape = tf.placeholder(tf.int64, [None])
    assert tf.SparseTensor(tf.placeholder(tf.int64), values, shape).shape.ndims is None


@pytest.mark.parametrize(
    ("indices", "values", "dense_shape"),
    [([[0]], [1.0, 2.0], [3]), ([[0]], [1.0], [3, 3]), ([0], [1.0], [3]), ([[0]], 1.0, [3])],
)
def test_sparse_tensor_of_shapes_that_contradict_each_other(indices, values, dense_shape):
    with pytest.raises(ValueError):
        tf.SparseTensor(indices, values, dense_shape)


def test_sparse_tensor_is_evaluated_as_a_value():
    sparse = tf.SparseTensor([[0, 1]], [1.0], [3, 4])
    with tf.Session():
        value = sparse.eval()
    assert isinstance(value, tf.SparseTensorValue)
    assert value.indices.tolist() == [[0, 1]] and value.dense_shape.tolist() == [3, 4]
