"""Ragged tensors give what TensorFlow 1.15.5 gives, and build the graphs it builds."""

import numpy as np
import pytest
from ops.cases_ragged import CASES
from ops.harness import Recording, check

import evergraph as tf

RECORDED = Recording("ragged")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)


def test_constant_value_and_fetch_agree():
    nested = [[[1, 2], []], [], [[3]]]
    value = tf.ragged.constant_value(nested, dtype=np.int32)
    with tf.Session() as session:
        fetched = session.run(tf.ragged.constant(nested))
    assert fetched.to_list() == value.to_list() == nested
    assert fetched.ragged_rank == 2
    assert fetched.shape == (3, None, None)
    assert fetched.dtype == np.int32
    assert [s.tolist() for s in fetched.nested_row_splits] == [[0, 2, 2, 3], [0, 2, 2, 3]]


@pytest.mark.parametrize(
    "pylist, options, message",
    [
        ([[1], 2], {}, "all scalar values must have the same nesting depth"),
        ([[], [[]], [1]], {}, "empty list nesting is greater than scalar value nesting"),
        ([[1]], {"ragged_rank": -1}, "must be nonnegative"),
        (3, {"ragged_rank": 1}, "incompatible with ragged_rank=1"),
        ([[[1], [2, 3]]], {"ragged_rank": 1}, "inner values have inconsistent shape"),
        ([1, 2], {"ragged_rank": 1}, "requires scalar value depth greater than 1"),
        ([[1]], {"ragged_rank": 1, "inner_shape": (2,)}, "incompatible with ragged_rank=1"),
    ],
)
def test_bad_constants(pylist, options, message):
    with pytest.raises(ValueError, match=message):
        tf.ragged.constant(pylist, **options)


def test_placeholder_is_fed_with_a_value():
    ragged = tf.ragged.placeholder(tf.int32, 2, [])
    fed = tf.ragged.constant_value([[[1, 2]], [], [[3], []]], dtype=np.int32)
    with tf.Session() as session:
        assert session.run(ragged + 1, {ragged: fed}).to_list() == [[[2, 3]], [], [[4], []]]
        assert session.run([ragged, {"n": ragged.nrows()}], {ragged: fed})[1] == {"n": 3}
        assert ragged.eval({ragged: fed}, session).to_list() == fed.to_list()


def test_structures_of_ragged_tensors():
    ragged = tf.ragged.constant([[1], [2, 3]])
    leaves = tf.nest.flatten([ragged, 5], expand_composites=True)
    assert leaves == [ragged.flat_values, ragged.row_splits, 5]
    again, _ = tf.nest.pack_sequence_as([ragged, 5], leaves, expand_composites=True)
    assert isinstance(again, tf.RaggedTensor)
    assert again.row_splits is ragged.row_splits
    assert tf.nest.flatten([ragged]) == [ragged]


def test_spec():
    spec = tf.RaggedTensorSpec([None, None, 3], tf.int32, 1)
    rows = tf.RaggedTensor.from_row_splits(np.zeros((4, 3), np.int32), [0, 4])
    assert spec.is_compatible_with(rows)
    assert not spec.is_compatible_with(tf.ragged.constant([[1]]))
    assert spec._unbatch()._batch(7) == tf.RaggedTensorSpec([7, None, 3], tf.int32, 1)
    with pytest.raises(ValueError, match="ragged_rank must be less than rank"):
        tf.RaggedTensorSpec([2], tf.int32, 1)
    with tf.Session() as session:
        back = session.run(spec._from_tensor_list(spec._to_tensor_list(rows)))
    np.testing.assert_array_equal(back.values, np.zeros((4, 3)))


def test_not_a_tensor_and_not_a_list():
    ragged = tf.ragged.constant([[1], [2, 3]])
    for wrong in (bool, list, tf.convert_to_tensor, tf.nn.relu):
        with pytest.raises(TypeError):
            wrong(ragged)
    with pytest.raises(ValueError, match="only supported in eager mode"):
        ragged.to_list()
    with pytest.raises(ValueError, match="constructor is private"):
        tf.RaggedTensor(ragged.values, ragged.row_splits)


def test_types_of_row_splits_have_to_match():
    wide = tf.ragged.constant([[1], [2, 3]])
    narrow = wide.with_row_splits_dtype(tf.int32)
    with pytest.raises(ValueError, match="mismatched row_splits dtypes"):
        tf.concat([wide, narrow], 0)
    assert narrow.row_splits.dtype == tf.int32


@pytest.mark.parametrize("splits", [[0, 3, 2, 3], [0, 2], [1, 3], [0, 9]])
def test_bad_splits_are_refused(splits):
    # TensorFlow reads memory that is not its own for some of these.
    ragged = tf.RaggedTensor.from_row_splits([1, 2, 3], splits, validate=False)
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="agged splits"):
        session.run(ragged.to_sparse().indices)


def test_range_without_end():
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="without an end"):
        session.run(tf.ragged.range([0.0], [np.inf], [1.0]))


@pytest.mark.filterwarnings("ignore:Converting sparse IndexedSlices")
def test_gradients_go_to_the_values():
    values = tf.constant([1.0, 2.0, 3.0])
    ragged = tf.RaggedTensor.from_row_splits(values, [0, 1, 3])
    loss = tf.reduce_sum(tf.gather(ragged * ragged, [1, 1])) + tf.reduce_sum(ragged.to_sparse().values)
    with tf.Session() as session:
        np.testing.assert_allclose(session.run(tf.convert_to_tensor(tf.gradients(loss, values)[0])), [1.0, 9.0, 13.0])


PARTITIONS = [
    (["ROW_SPLITS"], [[0, 2, 2, 5]], [[1, 2, 9], [9, 9, 9], [3, 4, 5]]),
    (["FIRST_DIM_SIZE", "VALUE_ROWIDS"], [4, [0, 0, 2, 2, 2]], [[1, 2, 9], [9, 9, 9], [3, 4, 5], [9, 9, 9]]),
    (["ROW_SPLITS", "ROW_SPLITS"], [[0, 1, 2], [0, 2, 5]], [[[1, 2, 9]], [[3, 4, 5]]]),
]


@pytest.mark.parametrize("kinds, partitions, expected", PARTITIONS, ids=["splits", "rowids", "nested"])
def test_ragged_tensor_to_tensor(kinds, partitions, expected):
    def made(shape):
        return tf.raw_ops.RaggedTensorToTensor(
            shape=shape,
            values=[1, 2, 3, 4, 5],
            default_value=9,
            row_partition_types=kinds,
            row_partition_tensors=[tf.constant(p, tf.int64) for p in partitions],
        )

    cut = [-1] * (np.ndim(expected) - 1) + [2]
    with tf.Session() as session:
        np.testing.assert_array_equal(session.run(made(-1)), expected)
        np.testing.assert_array_equal(session.run(made(cut)), np.array(expected)[..., :2])


def test_ragged_tensor_to_tensor_checks_its_partitions():
    for kinds in (["VALUE_ROWIDS"], ["FIRST_DIM_SIZE"], ["ROW_LIMITS"]):
        with pytest.raises(ValueError):
            tf.raw_ops.RaggedTensorToTensor(
                shape=-1, values=[1], default_value=0, row_partition_types=kinds, row_partition_tensors=[[0, 1]]
            )


# What TensorFlow adds to the graph: the names of ops are those of the attempt after the one that failed.
GRAPHS = {
    "add": (lambda r: r + 1, [("y", "Const"), ("Add_1", "Add")]),
    "negative": (lambda r: -r, [("Neg_1", "Neg")]),
    "gather": (
        lambda r: tf.gather(r, [0, 2]),
        [("Const", "Const"), ("RaggedGather/indices", "Const"), ("RaggedGather/RaggedGather", "RaggedGather")],
    ),
    "concat": (
        lambda r: tf.concat([r, r], 0),
        [
            ("RaggedConcat/concat/axis", "Const"),
            ("RaggedConcat/concat", "ConcatV2"),
            ("RaggedConcat/add", "AddV2"),
            ("RaggedConcat/add_1", "AddV2"),
            ("RaggedConcat/concat_1/axis", "Const"),
            ("RaggedConcat/concat_1", "ConcatV2"),
        ],
    ),
    "rank": (
        lambda r: tf.rank(r),
        [("RaggedRank/Rank", "Const"), ("RaggedRank/add/x", "Const"), ("RaggedRank/add", "AddV2")],
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_graph_is_that_of_tensorflow(name):
    call, expected = GRAPHS[name]
    with tf.Graph().as_default() as graph:
        call(tf.ragged.constant([[1, 2], [], [3, 4, 5]]))
    made = [(op.name, op.type) for op in graph.get_operations()]
    assert [entry for entry in made if "strided_slice" not in entry[0]][2:] == expected


def test_conditions_and_loops():
    ragged = tf.ragged.constant([[1], [2, 3]])
    either = tf.cond(tf.placeholder_with_default(True, []), lambda: ragged, lambda: ragged * 2)
    _, longer = tf.while_loop(lambda i, r: i < 2, lambda i, r: (i + 1, tf.concat([r, r + 1], 1)), (0, ragged))
    assert isinstance(longer, tf.RaggedTensor)
    with tf.Session() as session:
        assert session.run(either).to_list() == [[1], [2, 3]]
        assert session.run(longer).to_list() == [[1, 2, 2, 3], [2, 3, 3, 4, 3, 4, 4, 5]]


class ComparedInTests(tf.test.TestCase):
    def test_ragged_values(self):
        with self.session():
            ragged = tf.ragged.constant([[1.0], [2.0, 3.0]])
            self.assertAllEqual(ragged, [[1], [2, 3]])
            self.assertAllClose(ragged + 1e-9, ragged)
            for wrong in ([[1], [2, 4]], [[1], [2]], [1, [2, 3]], [[1, 2], [3]]):
                with self.assertRaises(AssertionError):
                    self.assertAllEqual(ragged, wrong)
