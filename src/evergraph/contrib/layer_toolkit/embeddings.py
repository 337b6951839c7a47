"""Bags of words: `bow_encoder`, and what it looks embeddings up with."""

from __future__ import annotations

from typing import Any

from evergraph.contrib.model_variables import model_variable
from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math
from evergraph.ops.embedding import embedding_lookup
from evergraph.ops.sparse import safe_embedding
from evergraph.ops.variable_scope import variable_scope


@public("contrib.layers.dense_to_sparse_tensor")
def dense_to_sparse_tensor(dense_tensor: Any, ignore_value: Any = None) -> SparseTensor:
    """The elements that differ from `ignore_value`: by default 0, or "" for strings."""
    with name_scope("DenseToSparseTensor"):
        dense_tensor = convert_to_tensor(dense_tensor)
        dtype = dense_tensor.dtype
        if ignore_value is None:
            ignore_value = "" if dtype == dtypes.string else dtype.as_numpy_dtype()
        ignored = math.cast(ignore_value, dtype, name="ignore_value")
        indices = array.where(math.not_equal(dense_tensor, ignored), name="indices")
        return SparseTensor(
            indices=indices,
            values=array.gather_nd(dense_tensor, indices, name="values"),
            dense_shape=array.shape(dense_tensor, out_type=dtypes.int64, name="dense_shape"),
        )


@public("contrib.layers.safe_embedding_lookup_sparse")
def safe_embedding_lookup_sparse(
    embedding_weights: Any,
    sparse_ids: SparseTensor,
    sparse_weights: SparseTensor | None = None,
    combiner: str | None = None,
    default_id: Any = None,
    name: str | None = None,
    partition_strategy: str = "div",
    max_norm: Any = None,
) -> Tensor:
    """`tf.nn.safe_embedding_lookup_sparse`."""
    return safe_embedding.safe_embedding_lookup_sparse(
        embedding_weights,
        sparse_ids,
        sparse_weights,
        combiner or "mean",
        default_id,
        name,
        partition_strategy,
        max_norm,
    )


@public("contrib.layers.bow_encoder")
def bow_encoder(
    ids: Any,
    vocab_size: int,
    embed_dim: int,
    sparse_lookup: bool = True,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool = True,
    scope: Any = None,
    reuse: Any = None,
) -> Tensor:
    """The mean of the embeddings of each row's ids.

    Args:
        ids: a sparse tensor, or a dense one where 0 is no id.
        vocab_size: how many ids there are.
        embed_dim: the size of an embedding.
        sparse_lookup: whether to leave out what is no id; else `ids` must be dense.
        initializer: that of the embeddings.
        regularizer: that of the embeddings.
        trainable: whether optimizers change them.
        scope: the variable scope.
        reuse: whether it is used again.
    """
    if not vocab_size or not embed_dim:
        raise ValueError("Must specify vocab size and embedding dimension")
    with variable_scope(scope, "bow_encoder", [ids], reuse=reuse):
        embeddings = model_variable(
            "embeddings",
            shape=[vocab_size, embed_dim],
            initializer=initializer,
            regularizer=regularizer,
            trainable=trainable,
        )
        if sparse_lookup:
            sparse_ids = ids if isinstance(ids, SparseTensor) else dense_to_sparse_tensor(ids)
            return safe_embedding_lookup_sparse([embeddings], sparse_ids, combiner="mean", default_id=0)
        if isinstance(ids, SparseTensor):
            raise TypeError("ids are expected to be dense Tensor, got: %s", ids)
        return math.reduce_mean(embedding_lookup(embeddings, ids), axis=1)


@public("contrib.layers.poincare_normalize")
def poincare_normalize(x: Any, axis: Any = 1, epsilon: float = 1e-5, name: str | None = None) -> Tensor:
    """`x` scaled down to a length below 1 along `axis`, where it is longer."""
    with name_scope(name, "poincare_normalize", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        squares = math.reduce_sum(math.square(x), axis, keepdims=True)
        factor = math.minimum((1.0 - epsilon) * math.rsqrt(squares), 1.0)
        return math.multiply(x, factor, name=scope)
