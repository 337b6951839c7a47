"""`tf.hessians`: second derivatives, one row of the matrix at a time, in a loop over the first derivatives."""

from __future__ import annotations

from typing import Any

from evergraph.autodiff.gradients import gradients
from evergraph.framework import dtypes
from evergraph.framework.api import NAMES, public
from evergraph.framework.tensor import Tensor
from evergraph.ops.constant import constant
from evergraph.ops.opdef import raw_op
from evergraph.ops.shaping import reshape, shape, size


@public("hessians")
def hessians(
    ys: Any,
    xs: Any,
    name: str = "hessians",
    colocate_gradients_with_ops: bool = False,
    gate_gradients: bool = False,
    aggregation_method: int | None = None,
) -> list[Tensor]:
    """Add the Hessian of the sum of `ys` with respect to each of `xs` to the graph.

    Args:
        ys: a tensor, or a list of them.
        xs: a tensor, or a list of them.
        name: not used, as in TF 1.15.
        colocate_gradients_with_ops, gate_gradients, aggregation_method: as in `gradients`.

    Returns:
        For each of `xs` a tensor of its dtype and of shape `x.shape + x.shape`.

    Raises:
        LookupError: if an op in between has no gradient.

    >>> x = tf.constant([1.0, 2.0])
    >>> sess.run(tf.hessians(tf.reduce_sum(x * x), x))
    [array([[2., 0.], [0., 2.]], dtype=float32)]
    """
    sources = xs if isinstance(xs, list | tuple) else [xs]
    first = gradients(
        ys,
        sources,
        colocate_gradients_with_ops=colocate_gradients_with_ops,
        gate_gradients=gate_gradients,
        aggregation_method=aggregation_method,
    )
    return [_hessian(grad, x) for grad, x in zip(first, sources, strict=True)]


def _hessian(grad: Any, x: Any) -> Tensor:
    # By their public names: loops come from a package that is put together with this one.
    while_loop, tensor_array = NAMES[""]["while_loop"], NAMES[""]["TensorArray"]
    flat = reshape(grad, [-1])
    n = size(x)
    start = [constant(0, dtypes.int32), tensor_array(x.dtype, n)]
    _, rows = while_loop(
        lambda i, _: i < n,
        lambda i, rows: (i + 1, rows.write(i, gradients(flat[i], x)[0])),
        start,
    )
    sizes = shape(x)
    return reshape(rows.stack(), raw_op("ConcatV2")([sizes, sizes], 0, name="concat"))


def hessian_vector_product(ys: Any, xs: Any, v: Any) -> list[Any]:
    """Add the product of the Hessian of the sum of `ys` with a vector to the graph, without the Hessian itself.

    Args:
        ys: a tensor, or a list of them.
        xs: a list of tensors.
        v: a list of as many tensors: the vector, in the shapes of `xs`.

    Returns:
        For each of `xs` a tensor of its shape, or None if the first derivatives do not depend on it.

    Raises:
        ValueError: if there are not as many of `v` as of `xs`.
        LookupError: if an op in between has no gradient.
    """
    if len(v) != len(xs):
        raise ValueError("xs and v must have the same length.")
    first = gradients(ys, xs)
    products = [
        raw_op("Mul")(grad, raw_op("StopGradient")(part))
        for grad, part in zip(first, v, strict=True)
        if grad is not None
    ]
    return gradients(products, xs)
