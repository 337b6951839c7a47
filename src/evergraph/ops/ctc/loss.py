"""The CTC loss: how unlikely a network makes the labels of a sequence whose alignment in time is not known."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.framework.errors import OpError
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import bracket_text, merge_dim, with_rank
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops import array
from evergraph.ops.arguments import either
from evergraph.ops.ctc.forward_backward import loss_and_gradient
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.sparse.indices import require_in_order

_log = logging.getLogger("tensorflow")


@op("CTCLoss", host=True)
def ctc_loss_op(
    xp: Any,
    inputs: Any,
    labels_indices: Any,
    labels_values: Any,
    sequence_length: Any,
    *,
    preprocess_collapse_repeated: bool,
    ctc_merge_repeated: bool,
    ignore_longer_outputs_than_inputs: bool,
) -> Any:
    """Minus the log probability of each sequence's labels, and its gradient with respect to the logits."""
    _check_inputs(inputs, labels_indices, labels_values, sequence_length)
    classes = inputs.shape[2]
    given = _by_sequence(labels_indices, labels_values, inputs.shape[1])
    for b, length in enumerate(sequence_length.tolist()):
        if length < 0:
            raise kernel_error(f"seq_len({b}) < 0")
        if length > inputs.shape[0]:
            raise kernel_error(f"sequence_length({b}) <= {inputs.shape[0]}: it is {length}")
    labels = []
    for b, sequence in enumerate(given):
        labels.append(_without_nulls(sequence, b, classes, preprocess_collapse_repeated))
        if not ignore_longer_outputs_than_inputs and len(sequence) > sequence_length[b]:
            raise kernel_error(
                f"Not enough time for target transition sequence (required: {len(sequence)}, available: "
                f"{sequence_length[b]}){b}You can turn this error into a warning by using the flag "
                "ignore_longer_outputs_than_inputs"
            )
    loss = np.zeros(inputs.shape[1], inputs.dtype)
    gradient = np.zeros_like(inputs)
    chosen = np.array([b for b, n in enumerate(sequence_length.tolist()) if n > 0 and len(given[b]) <= n], np.int64)
    if len(chosen):
        longest = int(sequence_length[chosen].max())
        found = loss_and_gradient(
            inputs[:longest, chosen], sequence_length[chosen], [labels[b] for b in chosen], ctc_merge_repeated
        )
        loss[chosen], gradient[:longest, chosen] = found
        if np.isinf(found[0]).any():
            _log.warning("No valid path found.")
    return loss, gradient


def _check_inputs(inputs: Any, indices: Any, values: Any, lengths: Any) -> None:
    if inputs.ndim != 3:
        raise kernel_error("inputs is not a 3-Tensor")
    if lengths.ndim != 1:
        raise kernel_error("sequence_length is not a vector")
    if indices.ndim != 2:
        raise kernel_error("labels_indices is not a matrix")
    if indices.shape[1] != 2:
        raise kernel_error(f"labels_indices second dimension must be 2. Received {indices.shape[1]}")
    if values.ndim != 1:
        raise kernel_error("labels_values is not a vector")
    times, batch, _ = inputs.shape
    if not times:
        raise kernel_error("Max time or first dimension of input cannot be 0.")
    if batch != lengths.shape[0]:
        raise kernel_error(
            f"len(sequence_length) != batch_size.  len(sequence_length):  {lengths.shape[0]} batch_size: {batch}"
        )
    if indices.shape[0] != values.shape[0]:
        raise kernel_error(
            "labels_indices and labels_values must contain the same number of rows, but saw shapes: "
            f"{bracket_text(indices.shape)} vs. {bracket_text(values.shape)}"
        )
    if not batch:
        raise kernel_error("batch_size must not be 0")
    if not inputs.shape[2]:
        raise kernel_error("inputs has no classes")


def _by_sequence(indices: np.ndarray, values: np.ndarray, batch: int) -> list[np.ndarray]:
    """The labels of each sequence, as they were given."""
    most = int(indices[:, 1].max(initial=-1)) + 1
    try:
        require_in_order(np, indices, (batch, most))
    except OpError as error:
        raise kernel_error(f"label SparseTensor is not valid: {error.message}") from None
    ends = np.searchsorted(indices[:, 0], np.arange(batch), side="right")
    return np.split(values, ends[:-1])


def _without_nulls(given: np.ndarray, b: int, classes: int, collapses: bool) -> np.ndarray:
    """The labels that count: without repetitions, if wanted, and without the nulls at the end."""
    if not len(given):
        raise kernel_error(f"Labels length is zero in batch {b}")
    sequence = given
    if collapses:
        sequence = given[np.concatenate([[True], given[1:] != given[:-1]])]
    is_null = sequence >= classes - 1
    kept = sequence[~is_null]
    shown = ",".join(map(str, given.tolist()))
    if is_null.any() and not is_null[int(np.argmax(is_null)) :].all():
        raise kernel_error(
            f"Saw a non-null label (index >= num_classes - 1) following a null label, batch: {b} num_classes: "
            f"{classes} labels: {shown} labels seen so far: {','.join(map(str, kept.tolist()))}"
        )
    if (kept < 0).any():
        raise kernel_error(f"All labels must be nonnegative integers, batch: {b} labels: {shown}")
    return kept


@ctc_loss_op.shape
def ctc_loss_shape(inputs: Any, labels_indices: Any, labels_values: Any, sequence_length: Any) -> Any:
    times, batch, classes = with_rank(inputs, 3)
    merge_dim(with_rank(labels_indices, 2)[0], with_rank(labels_values, 1)[0])
    batch = merge_dim(batch, with_rank(sequence_length, 1)[0])
    return (batch,), (times, batch, classes)


@ctc_loss_op.gradient
def ctc_loss_grad(made: Operation, grad: Tensor, _: Any) -> list[Tensor | None]:
    known = array.prevent_gradient(
        made.outputs[1],
        message="Currently there is no way to take the second  derivative of ctc_loss due to the fused "
        "implementation's interaction  with tf.gradients()",
    )
    return [array.expand_dims(grad, -1) * known, None, None, None]


@public("nn.ctc_loss")
def ctc_loss(
    labels: Any,
    inputs: Any = None,
    sequence_length: Any = None,
    preprocess_collapse_repeated: bool = False,
    ctc_merge_repeated: bool = True,
    ignore_longer_outputs_than_inputs: bool = False,
    time_major: bool = True,
    logits: Any = None,
) -> Tensor:
    """Compute the CTC loss: minus the log probability of the labels, over all their alignments in time.

    Args:
        labels: an int32 `SparseTensor`: element `[b, i]` is the `i`-th label of sequence `b`, in `[0, classes - 1)`.
        inputs: logits, float32 or float64, `[time, batch, classes]`; the last class is the blank.
        sequence_length: int32, `[batch]`: how many times each sequence has.
        preprocess_collapse_repeated: merge repeated labels first.
        ctc_merge_repeated: whether repeated classes along a path are one label; if not, each is one of its own.
        ignore_longer_outputs_than_inputs: give loss and gradient zero for sequences with more labels than times.
        time_major: if not, `inputs` is `[batch, time, classes]`.
        logits: another name of `inputs`.

    Returns:
        The losses, `[batch]`: infinity for labels that no path makes.

    Raises:
        TypeError: if `labels` is not a `SparseTensor`.
        InvalidArgumentError: at run time, for labels or lengths that cannot be.
    """
    if not isinstance(labels, SparseTensor):
        raise TypeError("Expected labels (first argument) to be a SparseTensor")
    inputs = either("logits", logits, "inputs", inputs)
    if not time_major:
        inputs = array.transpose(inputs, [1, 0, 2])
    loss, _ = ctc_loss_op(
        inputs,
        labels.indices,
        labels.values,
        sequence_length,
        preprocess_collapse_repeated=preprocess_collapse_repeated,
        ctc_merge_repeated=ctc_merge_repeated,
        ignore_longer_outputs_than_inputs=ignore_longer_outputs_than_inputs,
    )
    return loss
