"""The array functions under one roof, as `tensorflow.python.ops.array_ops` has them."""

from evergraph.ops.identity import (
    identity,
    identity_n,
    identity_op,
    placeholder,
    placeholder_with_default,
    stop_gradient,
)
from evergraph.ops.shaping import (
    broadcast_static_shape,
    broadcast_to,
    expand_dims,
    rank,
    reshape,
    shape,
    shape_internal,
    size,
    squeeze,
)

__all__ = [
    "broadcast_static_shape",
    "broadcast_to",
    "expand_dims",
    "identity",
    "identity_n",
    "identity_op",
    "placeholder",
    "placeholder_with_default",
    "rank",
    "reshape",
    "shape",
    "shape_internal",
    "size",
    "squeeze",
    "stop_gradient",
]
