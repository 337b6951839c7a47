"""Cross entropies of logits: over classes (softmax), and of independent yes-or-no labels (sigmoid).

The two softmax ops give the loss and, as a second output, its derivative in closed form. Both come from one
exponential: for 2048 rows of 1000 classes, loss and gradient take XLA 2.2 ms of CPU time so, and 5.0 by differentiating
the loss.
"""

from __future__ import annotations

import math as real_math
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import ShapeError, broadcast_static, merge_dim, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops import math
from evergraph.ops.activations import relu
from evergraph.ops.arguments import either
from evergraph.ops.checks import assert_equal
from evergraph.ops.constant import constant
from evergraph.ops.filling import ones_like, zeros_like
from evergraph.ops.identity import prevent_gradient, stop_gradient
from evergraph.ops.joining import concat
from evergraph.ops.opdef import constant_value, kernel_error, op, raw_op, require
from evergraph.ops.rearrange import transpose
from evergraph.ops.shaping import expand_dims, rank, reshape, shape, squeeze
from evergraph.ops.slicing import slice as slice_of
from evergraph.ops.softmax import log_softmax, softmax


def _powers(xp: Any, logits: Any) -> tuple[Any, Any, Any]:
    """The logits less their greatest, the exponentials of those, and the sums of these."""
    shifted = logits - logits.max(-1, keepdims=True)
    powers = xp.exp(shifted)
    return shifted, powers, powers.sum(-1, keepdims=True)


@op("SoftmaxCrossEntropyWithLogits")
def softmax_cross_entropy_op(xp: Any, features: Any, labels: Any) -> Any:
    """For each row the cross entropy of its softmax and its labels, and the derivative of that by the logits."""
    if features.shape != labels.shape:
        features, labels = xp.broadcast_arrays(features, labels)
    if not features.size:
        return xp.zeros(features.shape[:1], features.dtype), features
    shifted, powers, total = _powers(xp, features)
    return (labels * (xp.log(total) - shifted)).sum(-1), powers / total - labels


@softmax_cross_entropy_op.shape
def softmax_cross_entropy_shape(features: Any, labels: Any) -> Any:
    rows = broadcast_static(features, labels)
    if rows is None:
        return (None,), (None, None)
    if len(rows) != 2:
        raise ShapeError(f"Shape must be broadcasted with rank 2, but is rank {len(rows)}")
    if None in (*(features or ()), *(labels or ())) and features is not None and labels is not None:
        # A size known on one side holds, as long as the other is not 1.
        rows = tuple(_broadcast_dim(a, b) for a, b in zip(features, labels, strict=True))
    return rows[:1], rows


def _broadcast_dim(a: Any, b: Any) -> Any:
    return merge_dim(a, b) if 1 not in (a, b) else (b if a == 1 else a)


@op("SparseSoftmaxCrossEntropyWithLogits")
def sparse_softmax_cross_entropy_op(xp: Any, features: Any, labels: Any) -> Any:
    """For each row minus the logarithm of the softmax at its label, and the derivative of that by the logits."""
    for what, given, wanted in (("logits", features, 2), ("labels", labels, 1)):
        if len(given.shape) != wanted:
            raise kernel_error(f"{what} must be {wanted}-D, but got shape {list(given.shape)}")
    classes = features.shape[1]
    if labels.shape != features.shape[:1]:
        raise kernel_error(
            "logits and labels must have the same first dimension, got logits shape "
            f"{list(features.shape)} and labels shape {list(labels.shape)}"
        )
    if not features.size:
        return xp.zeros(features.shape[:1], features.dtype), features
    require(xp, (labels >= 0) & (labels < classes), lambda: _label_error(labels, classes))
    shifted, powers, total = _powers(xp, features)
    inside = xp.clip(labels, 0, classes - 1)
    at_label = xp.take_along_axis(shifted, inside[:, None], 1)[:, 0]
    hot = np.arange(classes, dtype=labels.dtype) == labels[:, None]
    return xp.log(total[:, 0]) - at_label, powers / total - hot.astype(features.dtype)


def _label_error(labels: Any, classes: int) -> Exception:
    given = np.asarray(labels).ravel()
    wrong = given[(given < 0) | (given >= classes)][0]
    shown = " ".join(str(label) for label in given[:100])
    return kernel_error(
        f"Received a label value of {wrong} which is outside the valid range of [0, {classes}).  Label values: {shown}"
    )


@sparse_softmax_cross_entropy_op.shape
def sparse_softmax_cross_entropy_shape(features: Any, labels: Any) -> Any:
    features, labels = with_rank(features, 2), with_rank(labels, 1)
    rows = merge_dim(features[0], labels[0])
    return (rows,), (rows, features[1])


def _by_row(vector: Tensor, matrix: Tensor) -> Tensor:
    """Each row of `matrix` times its entry of `vector`."""
    return expand_dims(vector, -1) * matrix


@softmax_cross_entropy_op.gradient
def softmax_cross_entropy_grad(made: Any, grad_loss: Tensor, grad_grad: Any) -> Any:
    logits = made.inputs[0]
    grad = _by_row(grad_loss, made.outputs[1])
    if grad_grad is not None and not _is_zero(grad_grad):
        probabilities = softmax(logits)
        product = math.matmul(expand_dims(grad_grad, 1), expand_dims(probabilities, 2))
        grad += (grad_grad - squeeze(product, axis=1)) * probabilities
    return grad, _by_row(grad_loss, -log_softmax(logits))


def _is_zero(grad: Tensor) -> bool:
    if grad.op.type in ("ZerosLike", "Zeros"):
        return True
    value = constant_value(grad)
    return value is not None and bool((value == 0).all())


@sparse_softmax_cross_entropy_op.gradient
def sparse_softmax_cross_entropy_grad(made: Any, grad_loss: Tensor, _: Any) -> Any:
    derivative = prevent_gradient(
        made.outputs[1],
        message="Currently there is no way to take the second derivative of sparse_softmax_cross_entropy_with_logits "
        "due to the fused implementation's interaction with tf.gradients()",
    )
    return _by_row(grad_loss, derivative), None


# Softmax cross entropies, as programs call them


def _both_given(function: str, sentinel: Any, labels: Any, logits: Any) -> None:
    if sentinel is not None:
        raise ValueError(f"Only call `{function}` with named arguments (labels=..., logits=..., ...)")
    if labels is None or logits is None:
        raise ValueError("Both labels and logits must be provided.")


def _rows(x: Tensor) -> Tensor:
    """`x` with all axes but the last made one."""
    n = rank(x)
    depth = slice_of(shape(x), [math.subtract(n, 1)], [1])
    rows = reshape(x, concat([[-1], depth], 0))
    sizes = x.static_shape
    if sizes is not None and None not in sizes[:-1]:
        rows.set_shape((int(np.prod(sizes[:-1], dtype=np.int64)), sizes[-1]))  # type: ignore[arg-type]  # they hold no None
    return rows


def _with_axis_at_end(x: Tensor, axis: int, n: Tensor) -> Tensor:
    return transpose(x, concat([math.range(axis), math.range(axis + 1, n), [axis]], 0))


@public("nn.softmax_cross_entropy_with_logits_v2")
def softmax_cross_entropy_with_logits_v2(
    labels: Any, logits: Any, axis: Any = None, name: str | None = None, dim: Any = None
) -> Tensor:
    """The cross entropy of labels and of the softmax of logits; gradients flow into both.

    Args:
        labels: probabilities over `axis`, the shape and type of `logits`.
        logits: floats.
        axis: the axis of the classes, the last by default.
        name: the op's name.
        dim: an older name for `axis`.

    Returns:
        The shape of `logits` without `axis`.
    """
    axis = either("axis", axis, "dim", dim)
    axis = -1 if axis is None else axis
    with name_scope(name, "softmax_cross_entropy_with_logits", [logits, labels]) as scope:
        logits = convert_to_tensor(logits, name="logits")
        labels = convert_to_tensor(labels, name="labels")
        is_short = logits.dtype.base_dtype in (dtypes.float16, dtypes.bfloat16)
        precise = math.cast(logits, dtypes.float32) if is_short else logits
        labels = math.cast(labels, precise.dtype)
        n = rank(precise)
        sizes = logits.static_shape
        if axis != -1:
            precise = _with_axis_at_end(precise, axis, n)
            labels = _with_axis_at_end(labels, axis, n)
        runtime_shape = shape(precise)
        precise = _rows(precise)
        labels = _rows(labels)
        cost, _ = softmax_cross_entropy_op(precise, labels, name=scope)
        outer = slice_of(runtime_shape, [0], [math.subtract(n, 1)])
        cost = reshape(cost, outer)
        if sizes is not None:
            kept = list(sizes)
            del kept[axis]
            cost.set_shape(kept)
        return math.cast(cost, logits.dtype) if is_short else cost


@public("nn.softmax_cross_entropy_with_logits")
def softmax_cross_entropy_with_logits(
    _sentinel: Any = None,
    labels: Any = None,
    logits: Any = None,
    dim: Any = -1,
    name: str | None = None,
    axis: Any = None,
) -> Tensor:
    """The cross entropy of labels and of the softmax of logits; no gradient flows into the labels.

    Args:
        _sentinel: not to be given: name the arguments.
        labels: probabilities over the classes, the shape and type of `logits`.
        logits: floats.
        dim: the axis of the classes, the last by default.
        name: the op's name.
        axis: another name for `dim`.
    """
    dim = dim if axis is None else axis
    _both_given("softmax_cross_entropy_with_logits", _sentinel, labels, logits)
    with name_scope(name, "softmax_cross_entropy_with_logits_sg", [logits, labels]) as scope:
        labels = stop_gradient(labels, name="labels_stop_gradient")
    return softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits, axis=dim, name=scope)


@public("nn.sparse_softmax_cross_entropy_with_logits")
def sparse_softmax_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, name: str | None = None
) -> Tensor:
    """The cross entropy of one class per row and of the softmax of logits.

    Args:
        _sentinel: not to be given: name the arguments.
        labels: int32 or int64, each in `[0, classes)`; the shape of `logits` without its last axis.
        logits: floats, shape `[..., classes]`.
        name: the op's name.

    Returns:
        The shape of `labels`, the type of `logits`.

    Raises:
        ValueError: if the shapes do not fit.
        InvalidArgumentError: at run time, for a label out of range.
    """
    _both_given("sparse_softmax_cross_entropy_with_logits", _sentinel, labels, logits)
    with name_scope(name, "SparseSoftmaxCrossEntropyWithLogits", [labels, logits]):
        labels = convert_to_tensor(labels)
        logits = convert_to_tensor(logits)
        is_short = logits.dtype.base_dtype is dtypes.float16
        precise = math.cast(logits, dtypes.float32) if is_short else logits
        label_sizes, sizes = labels.static_shape, logits.static_shape
        labels_shape = shape(labels)
        _check_label_shape(label_sizes, sizes)
        if sizes is not None and len(sizes) == 2:
            cost, _ = sparse_softmax_cross_entropy_op(precise, labels, name=name)
            return math.cast(cost, dtypes.float16) if is_short else cost
        checks = []
        if label_sizes is None or None in label_sizes or sizes is None or None in sizes[:-1]:
            checks.append(assert_equal(shape(labels), shape(logits)[:-1]))
        with get_default_graph().control_dependencies(checks):
            classes = shape(logits)[rank(logits) - 1]
            precise = reshape(precise, [-1, classes])
            labels = reshape(labels, [-1])
            cost, _ = sparse_softmax_cross_entropy_op(precise, labels, name=name)
            cost = reshape(cost, labels_shape)
            cost.set_shape(label_sizes)
            return math.cast(cost, dtypes.float16) if is_short else cost


def _check_label_shape(labels: Any, logits: Any) -> None:
    if logits is not None and len(logits) == 0:
        raise ValueError(f"Logits cannot be scalars - received shape {logits}.")
    if logits is not None and labels is not None and len(labels) != len(logits) - 1:
        raise ValueError(
            f"Rank mismatch: Rank of labels (received {len(labels)}) should equal rank of logits minus 1 "
            f"(received {len(logits)})."
        )
    if labels is not None and logits is not None and None not in (*labels, *logits[:-1]) and labels != logits[:-1]:
        raise ValueError(
            f"Shape mismatch: The shape of labels (received {labels}) should equal the shape of logits except for the "
            f"last dimension (received {logits})."
        )


# Independent labels


def _check_same_shape(labels: Tensor, logits: Tensor) -> None:
    if not labels.shape.is_compatible_with(logits.shape):
        raise ValueError(f"logits and labels must have the same shape ({logits.shape} vs {labels.shape})")


@public("nn.sigmoid_cross_entropy_with_logits")
def sigmoid_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, name: str | None = None
) -> Tensor:
    """The cross entropy of labels and of the sigmoid of logits, element by element.

    `max(x, 0) - x * z + log(1 + exp(-abs(x)))` for logits `x` and labels `z`, which does not overflow.

    Args:
        _sentinel: not to be given: name the arguments.
        labels: the shape and type of `logits`.
        logits: floats.
        name: the op's name.

    Raises:
        ValueError: if the shapes differ.
    """
    _both_given("sigmoid_cross_entropy_with_logits", _sentinel, labels, logits)
    with name_scope(name, "logistic_loss", [logits, labels]) as scope:
        logits = convert_to_tensor(logits, name="logits")
        labels = convert_to_tensor(labels, name="labels")
        _check_same_shape(labels, logits)
        zeros = zeros_like(logits, dtype=logits.dtype)
        positive = logits >= zeros
        clipped = raw_op("Select")(positive, logits, zeros)
        below = raw_op("Select")(positive, -logits, logits)
        return math.add(clipped - logits * labels, raw_op("Log1p")(math.exp(below)), name=scope)


@public("nn.weighted_cross_entropy_with_logits")
def weighted_cross_entropy_with_logits(
    labels: Any = None, logits: Any = None, pos_weight: Any = None, name: str | None = None, targets: Any = None
) -> Tensor:
    """`sigmoid_cross_entropy_with_logits` where a positive label counts `pos_weight` times.

    Args:
        labels: the shape and type of `logits`.
        logits: floats.
        pos_weight: more than 1 to miss fewer positives, less than 1 to find fewer false ones.
        name: the op's name.
        targets: an older name for `labels`.
    """
    labels = either("labels", labels, "targets", targets)
    with name_scope(name, "logistic_loss", [logits, labels]) as scope:
        logits = convert_to_tensor(logits, name="logits")
        labels = convert_to_tensor(labels, name="labels")
        _check_same_shape(labels, logits)
        log_weight = 1 + (pos_weight - 1) * labels
        return math.add(
            (1 - labels) * logits,
            log_weight * (raw_op("Log1p")(math.exp(-math.abs(logits))) + relu(-logits)),
            name=scope,
        )


@public("nn.log_poisson_loss")
def log_poisson_loss(targets: Any, log_input: Any, compute_full_loss: bool = False, name: str | None = None) -> Tensor:
    """The loss of Poisson regression, `exp(c) - z * c` for targets `z` and logarithms `c` of the prediction.

    Args:
        targets: the shape and type of `log_input`.
        log_input: floats.
        compute_full_loss: add Stirling's approximation of the term that `log_input` does not change.
        name: the op's name.
    """
    with name_scope(name, "log_poisson_loss", [log_input, targets]):
        log_input = convert_to_tensor(log_input, name="log_input")
        targets = convert_to_tensor(targets, name="targets")
        if not targets.shape.is_compatible_with(log_input.shape):
            raise ValueError(f"log_input and targets must have the same shape ({log_input.shape} vs {targets.shape})")
        result = math.exp(log_input) - log_input * targets
        if compute_full_loss:
            half = constant(0.5, dtype=targets.dtype)
            two_pi = constant(2 * real_math.pi, dtype=targets.dtype)
            stirling = targets * math.log(targets) - targets + half * math.log(two_pi * targets)
            zeros = zeros_like(targets, dtype=targets.dtype)
            ones = ones_like(targets, dtype=targets.dtype)
            small = math.logical_and(targets >= zeros, targets <= ones)
            result += raw_op("Select")(small, zeros, stirling)
        return result
