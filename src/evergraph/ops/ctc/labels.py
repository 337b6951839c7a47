"""Labels of sequences, for the CTC loss: dense ones as sparse ones, repetitions merged, the distinct ones found."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes, shapes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, cast, comparisons, functional, reductions, sequences
from evergraph.ops.sparse.shaping import sparse_reshape


def size_along(x: Tensor, axis: int) -> Any:
    """The size of `x` along `axis`: an int if it is known and not 0, else a tensor."""
    return shapes.dimension_value(x.shape[axis]) or array.shape(x)[axis]


@public("nn.collapse_repeated")
def collapse_repeated(labels: Any, seq_length: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    """Merge repeated labels into one.

    Args:
        labels: `[batch, longest]`.
        seq_length: int, `[batch]`: how many labels each sequence has.
        name: the scope of the ops.

    Returns:
        The labels that are left, padded with zeros, `[batch, longest]`; and how many there are, `[batch]`.
    """
    with name_scope(name, "collapse_repeated_labels", [labels, seq_length]):
        labels = convert_to_tensor(labels, name="labels")
        seq_length = convert_to_tensor(seq_length, name="seq_length")
        first = array.ones_like(labels[:, :1], dtypes.bool)
        mask = array.concat([first, comparisons.not_equal(labels[:, 1:], labels[:, :-1])], axis=1)
        longest = size_along(labels, 1)
        mask = comparisons.logical_and(mask, array.sequence_mask(seq_length, maxlen=longest))
        lengths = reductions.reduce_sum(cast.cast(mask, dtypes.int32), axis=1)
        longest_left = reductions.reduce_max(lengths)
        left = array.sequence_mask(lengths, maxlen=longest_left)
        flat_labels = array.reshape(labels, [-1])
        flat_mask = array.reshape(mask, [-1])
        flat_left = array.reshape(left, [-1])
        places = sequences.range_(size_along(flat_left, 0))
        flat = array.scatter_nd(
            indices=array.expand_dims(array.boolean_mask(places, flat_left), axis=1),
            updates=array.boolean_mask(flat_labels, flat_mask),
            shape=array.shape(flat_left),
        )
        merged = array.reshape(flat, [size_along(labels, 0), longest_left])
        return merged, cast.cast(lengths, seq_length.dtype)


def dense_labels_to_sparse(dense: Any, length: Any) -> SparseTensor:
    """Make the sparse labels that `tf.nn.ctc_loss` takes from dense ones.

    Args:
        dense: `[batch, longest]`; what is beyond a sequence's length does not count.
        length: int, `[batch]`.

    Returns:
        int32, `[batch, longest]`.
    """
    flat = array.reshape(dense, [-1])
    places = sequences.range_(array.shape(flat, out_type=dtypes.int64)[0])
    mask = array.reshape(array.sequence_mask(length, maxlen=array.shape(dense)[1]), [-1])
    indices = array.expand_dims(array.boolean_mask(places, mask), 1)
    values = array.boolean_mask(flat, mask)
    values = cast.cast(values, dtypes.int32)
    vector = SparseTensor(indices, values, array.shape(flat, out_type=dtypes.int64))
    matrix = sparse_reshape(vector, array.shape(dense))
    longest = reductions.reduce_max(length)
    sizes = [cast.cast(matrix.dense_shape[0], dtypes.int64), cast.cast(longest, dtypes.int64)]
    return SparseTensor(matrix.indices, matrix.values, sizes)


@public("nn.ctc_unique_labels")
def ctc_unique_labels(labels: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    """Find the distinct labels of each sequence, for `tf.nn.ctc_loss_v2`.

    Args:
        labels: `[batch, longest]`, padded with zeros.
        name: the scope of the ops.

    Returns:
        int64, `[batch, longest]`: the distinct labels, padded with zeros; and int32, `[batch, longest]`: which of them
        each label is.
    """
    with name_scope(name, "ctc_unique_labels", [labels]):
        labels = convert_to_tensor(labels, name="labels")

        def distinct(x: Tensor) -> list[Tensor]:
            found = array.unique(x)
            y = array.pad(found.y, [[0, size_along(found.idx, 0) - size_along(found.y, 0)]])
            return [cast.cast(y, dtypes.int64), found.idx]

        return functional.map_fn(distinct, labels, dtype=[dtypes.int64, dtypes.int32])
