"""Sparse tensors in sessions: what feeds and fetches of them are, what is kept between runs, and training on them."""

import numpy as np
import pytest

import evergraph as tf
from evergraph.ops.sparse.serialized import deserialize_sparse
from evergraph.ops.sparse.tensors_map import (
    add_many_sparse_to_tensors_map,
    add_sparse_to_tensors_map,
    take_many_sparse_from_tensors_map,
)

ROWS = np.array([[0, 1], [0, 4], [1, 0], [3, 3]])
VALUES = np.array([1.5, -2.0, 3.0, 0.5], np.float32)
SIZES = np.array([4, 5])
FED = tf.SparseTensorValue(ROWS, VALUES, SIZES)


def assert_same(found, expected):
    assert isinstance(found, tf.SparseTensorValue)
    for part, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(part, wanted)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as made:
        yield made


@pytest.mark.parametrize("value", [FED, tuple(FED), (ROWS.tolist(), VALUES.tolist(), SIZES.tolist())])
def test_a_sparse_placeholder_takes_a_value_or_a_tuple(value):
    sparse = tf.sparse_placeholder(tf.float32)
    with tf.Session() as session:
        assert_same(session.run(sparse, {sparse: value}), FED)


def test_a_sparse_tensor_is_fetched_inside_structures_and_beside_its_parts():
    sparse = tf.sparse_placeholder(tf.float32, [4, 5])
    with tf.Session() as session:
        found = session.run({"a": [sparse, sparse.values], "b": tf.sparse.to_dense(sparse)}, {sparse: FED})
    assert_same(found["a"][0], FED)
    np.testing.assert_array_equal(found["a"][1], VALUES)
    assert found["b"][3, 3] == 0.5


def test_any_sparse_tensor_may_be_fed():
    sparse = tf.sparse_reorder(tf.SparseTensor([[1, 0], [0, 0]], [1.0, 2.0], [2, 2]))
    dense = tf.sparse.to_dense(sparse)
    with tf.Session() as session:
        np.testing.assert_array_equal(session.run(dense), [[2, 0], [1, 0]])
        fed = {sparse: tf.SparseTensorValue([[0, 1], [1, 1]], [7.0, 8.0], [2, 2])}
        np.testing.assert_array_equal(session.run(dense, fed), [[0, 7], [0, 8]])


def test_eval_gives_a_value():
    sparse = tf.sparse_placeholder(tf.float32)
    with tf.Session():
        assert_same(sparse.eval({sparse: FED}), FED)


def test_strings_are_fed_and_fetched():
    sparse = tf.sparse_placeholder(tf.string)
    words = tf.SparseTensorValue([[0, 0], [0, 2]], ["a", "b"], [1, 3])
    with tf.Session() as session:
        assert session.run(tf.sparse_reorder(sparse), {sparse: words}).values.tolist() == [b"a", b"b"]
        assert session.run(tf.sparse.to_dense(sparse, "-"), {sparse: words}).tolist() == [[b"a", b"-", b"b"]]


def test_a_graph_convolution_trains_while_the_number_of_stored_elements_changes():
    features = tf.sparse_placeholder(tf.float32, [6, 8])
    support = tf.sparse_placeholder(tf.float32, [6, 6])
    keep = tf.placeholder_with_default(np.float32(1), [])
    mask = tf.cast(tf.floor(keep + tf.random_uniform(tf.shape(features.values), seed=3)), tf.bool)
    dropped = tf.sparse_retain(features, mask) * (1.0 / keep)
    weights = [tf.Variable(tf.random_normal([8, 4], seed=1)), tf.Variable(tf.random_normal([4, 3], seed=2))]
    hidden = tf.nn.relu(tf.sparse_tensor_dense_matmul(support, tf.sparse_tensor_dense_matmul(dropped, weights[0])))
    logits = tf.sparse_tensor_dense_matmul(support, tf.matmul(hidden, weights[1]))
    labels = np.array([0, 1, 2, 0, 1, 2])
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    step = tf.train.AdamOptimizer(0.1).minimize(loss)
    state = np.random.RandomState(0)
    x = state.rand(6, 8).astype(np.float32) * (state.rand(6, 8) < 0.5)
    a = np.eye(6, dtype=np.float32) * 0.5 + np.eye(6, k=1, dtype=np.float32) * 0.5
    feeds = {s: (np.argwhere(m), m[m != 0], m.shape) for s, m in ((features, x), (support, a))}
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        before = session.run(loss, feeds)
        for _ in range(30):
            session.run(step, {**feeds, keep: 0.75})
        assert session.run(loss, feeds) < before - 0.15


def test_second_gradient_of_the_ctc_loss_is_refused():
    x = tf.placeholder(tf.float32, [3, 1, 4])
    loss = tf.nn.ctc_loss(tf.SparseTensor([[0, 0]], [1], [1, 1]), x, [3])
    with pytest.raises(LookupError, match="second .* derivative of ctc_loss"):
        tf.gradients(tf.gradients(loss, x), x)


def test_gradient_of_a_sparse_maximum_is_refused():
    sparse = tf.sparse_placeholder(tf.float32)
    with pytest.raises(NotImplementedError, match="SparseSparseMaximum"):
        tf.gradients(tf.sparse_maximum(sparse, sparse).values, sparse.values)


# Sparse tensors that the session keeps


def test_kept_sparse_tensors_are_taken_out_once():
    sparse = tf.sparse_placeholder(tf.float32)
    number = add_sparse_to_tensors_map(sparse, shared_name="kept")
    numbers = tf.placeholder(tf.int64, [None])
    taken = take_many_sparse_from_tensors_map(number.op, numbers, rank=3)
    assert taken.dense_shape.shape.as_list() == [3]
    with tf.Session() as session:
        first = session.run(number, {sparse: FED})
        second = session.run(number, {sparse: tf.SparseTensorValue([[0, 2]], [9.0], [1, 7])})
        found = session.run(taken, {numbers: [second, first]})
        assert_same(
            found, ([[0, 0, 2], [1, 0, 1], [1, 0, 4], [1, 1, 0], [1, 3, 3]], [9.0, 1.5, -2.0, 3.0, 0.5], [2, 4, 7])
        )
        with pytest.raises(tf.errors.InvalidArgumentError, match="Unable to find SparseTensor: 0 in map: kept"):
            session.run(taken, {numbers: [first]})


def test_rows_are_kept_one_by_one_and_apart_in_each_session():
    sparse = tf.sparse_placeholder(tf.float32)
    numbers = add_many_sparse_to_tensors_map(sparse)
    taken = take_many_sparse_from_tensors_map(numbers.op, numbers)
    with tf.Session() as one, tf.Session() as other:
        for session in (one, other):
            assert session.run(numbers, {sparse: FED}).tolist() == [0, 1, 2, 3]
        assert_same(one.run(taken, {sparse: FED}), FED)


def test_what_is_taken_out_has_the_type_and_rank_that_was_put_in():
    matrix, vector = tf.sparse_placeholder(tf.float32), tf.sparse_placeholder(tf.float32)
    one, other = (add_sparse_to_tensors_map(s, shared_name="all") for s in (matrix, vector))
    both = take_many_sparse_from_tensors_map(one.op, tf.stack([one, other]))
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="Inconsistent rank"):
        session.run(both, {matrix: FED, vector: ([[1]], [2.0], [3])})
    with pytest.raises(TypeError, match="instead, found `Const`|Instead, found `Const`"):
        take_many_sparse_from_tensors_map(tf.constant(1).op, [0])


def test_serialized_sparse_tensors_get_the_dimensions_they_stand_in():
    text = tf.serialize_sparse(tf.SparseTensor([[0, 1], [2, 0]], [5, 6], [3, 2]))
    grid = tf.reshape(tf.stack([text] * 4), [2, 2, 3])
    with tf.Session() as session:
        found = session.run(deserialize_sparse(grid, tf.int32, rank=4))
    assert found.dense_shape.tolist() == [2, 2, 3, 2]
    assert found.indices[2:4].tolist() == [[0, 1, 0, 1], [0, 1, 2, 0]]
