"""The CTC loss of dense labels, put together from ordinary ops.

The states of a labelling are counted otherwise than in `forward_backward`: first a start state and one state for each
label, then a blank before the first label and one after each. A matrix of transitions joins them, and the forward and
the backward variables are two scans over time. Class 0 is the blank.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from evergraph.framework import dtypes, nest
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import name_scope
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops import (
    array,
    cast,
    comparisons,
    elementwise,
    linear_algebra,
    reductions,
    sequences,
    softmax,
)
from evergraph.ops.constant import constant
from evergraph.ops.ctc.labels import size_along
from evergraph.ops.ctc.loss import ctc_loss
from evergraph.ops.opdef import raw_op
from evergraph.ops.tensor_array import TensorArray
from evergraph.ops.while_loop import while_loop

_numbers = itertools.count()

_log = elementwise.log


# States


def _ctc_state_trans(label_seq: Any) -> Tensor:
    """The probability of each transition between states, 0 or 1: `[batch, states, states]`."""
    with name_scope(None, "ctc_state_trans"):
        label_seq = convert_to_tensor(label_seq, name="label_seq")
        batch = size_along(label_seq, 0)
        labels = size_along(label_seq, 1)
        label_states_count = labels + 1
        states = 2 * label_states_count
        label_states = sequences.range_(label_states_count)
        blank_states = label_states + label_states_count
        start_to_label = [[1, 0]]
        blank_to_label = array.stack([label_states[1:], blank_states[:-1]], 1)
        label_to_blank = array.stack([blank_states, label_states], 1)
        indices = array.concat([start_to_label, blank_to_label, label_to_blank], 0)
        values = array.ones([size_along(indices, 0)])
        common = array.scatter_nd(indices, values, shape=[states, states])
        common += linear_algebra.eye(states)
        # From a label to the next one without a blank, unless they are the same.
        sequence = array.zeros_like(label_states[2:])
        indices = array.stack([sequence, label_states[2:], label_states[1:-1]], 1)
        indices = array.tile(array.expand_dims(indices, 0), [batch, 1, 1])
        sequence = array.expand_dims(sequences.range_(batch), 1) * [1, 0, 0]
        indices += array.expand_dims(sequence, 1)
        repeats = comparisons.equal(label_seq[:, :-1], label_seq[:, 1:])
        values = 1.0 - cast.cast(repeats, dtypes.float32)
        own = array.scatter_nd(indices, values, [batch, states, states])
        return array.expand_dims(common, 0) + own


def ctc_state_log_probs(seq_lengths: Tensor, max_seq_length: Any) -> tuple[Tensor, Tensor]:
    """The log probabilities of the states to begin in and to end in: `[batch, states]` each."""
    batch = size_along(seq_lengths, 0)
    label_states = max_seq_length + 1
    kinds = 2
    states = kinds * label_states
    log_0 = cast.cast(_log(cast.cast(0, dtypes.float64) + 1e-307), dtypes.float32)
    initial = array.one_hot(
        indices=array.zeros([batch], dtype=dtypes.int32), depth=states, on_value=0.0, off_value=log_0, axis=1
    )
    label_mask = array.one_hot(seq_lengths, depth=label_states, axis=0)
    mask = array.ones([kinds, 1, batch]) * label_mask
    final = array.reshape((1.0 - mask) * log_0, [states, batch])
    return initial, array.transpose(final)


def _ilabel_to_state(labels: Tensor, num_labels: Any, ilabel_log_probs: Tensor) -> Tensor:
    """Log probabilities of classes as those of states: `[time, batch, states]`."""
    label_states = size_along(labels, 1)
    blank = ilabel_log_probs[:, :, :1]
    blank = array.tile(blank, [1, 1, label_states + 1])
    one_hot = array.expand_dims(array.one_hot(labels, depth=num_labels), axis=0)
    ilabel_log_probs = array.expand_dims(ilabel_log_probs, axis=2)
    of_labels = reductions.reduce_sum(ilabel_log_probs * one_hot, axis=3)
    of_states = array.concat([of_labels, blank], axis=2)
    return array.pad(of_states, [[0, 0], [0, 0], [1, 0]], constant_values=_log(0.0))


def _parts_of_states(labels: Tensor, states: Tensor) -> tuple[Any, Tensor, Tensor]:
    count = size_along(labels, 1) + 1
    return count, states[:, :, 1:count], states[:, :, count:]


def _state_to_olabel(labels: Tensor, num_labels: Any, states: Tensor) -> Tensor:
    """Log probabilities of states as those of classes: `[time, batch, classes]`."""
    _, label_states, blank_states = _parts_of_states(labels, states)
    one_hot = array.one_hot(labels - 1, depth=num_labels - 1, on_value=0.0, off_value=_log(0.0))
    one_hot = array.expand_dims(one_hot, axis=0)
    label_states = array.expand_dims(label_states, axis=3)
    of_labels = reductions.reduce_logsumexp(label_states + one_hot, axis=2)
    of_blank = reductions.reduce_logsumexp(blank_states, axis=2, keepdims=True)
    return array.concat([of_blank, of_labels], axis=-1)


def _state_to_olabel_unique(labels: Tensor, num_labels: Any, states: Tensor, unique: Any) -> Tensor:
    """The same, by way of the distinct labels that `ctc_unique_labels` found."""
    count, label_states, blank_states = _parts_of_states(labels, states)
    unique_y, unique_idx = unique
    summed = _sum_states(unique_idx, label_states)
    frames, batch = states.shape[0], states.shape[1]
    of_batch = array.transpose(summed, perm=[1, 2, 0])
    of_batch = array.reshape(of_batch, [batch * (count - 1), frames])
    offset = sequences.range_(batch, dtype=unique_y.dtype) * num_labels
    indices = unique_y + array.expand_dims(offset, axis=-1)
    indices = array.reshape(indices, [-1, 1])
    scattered = array.scatter_nd(indices=indices, updates=of_batch, shape=[batch * num_labels, frames])
    scattered = array.reshape(scattered, [batch, num_labels, frames])
    is_zero = comparisons.equal(scattered, 0.0)
    scattered = array.where(is_zero, array.fill(array.shape(scattered), _log(0.0)), scattered)
    of_labels = array.transpose(scattered, [2, 0, 1])[:, :, 1:]
    of_blank = reductions.reduce_logsumexp(blank_states, axis=2, keepdims=True)
    return array.concat([of_blank, of_labels], axis=-1)


def _sum_states(idx: Any, states: Tensor) -> Tensor:
    """Add up, in logarithms, the states that `idx` gives one number."""
    with name_scope(None, "sum_states"):
        idx = convert_to_tensor(idx, name="idx")
        count = size_along(states, 2)
        states = array.expand_dims(states, axis=2)
        one_hot = array.one_hot(idx, depth=count, on_value=0.0, off_value=_log(0.0), axis=1)
        return reductions.reduce_logsumexp(states + one_hot, axis=-1)


# Recursion


def _scan(
    fn: Callable[..., Any],
    elems: Any,
    initial: Any,
    reverse: bool = False,
    inclusive: bool = False,
    final_only: bool = False,
) -> Any:
    """What `fn(state, element)` makes of `initial`, element after element.

    Args:
        fn: gives the next state, of the structure of `initial`.
        elems: tensors, nested; elements are along their first dimensions.
        initial: the first state.
        reverse: go from the last element to the first.
        inclusive: give the first state too: before the others, or, going backwards, after them.
        final_only: give the last state alone.
    """
    rows = [convert_to_tensor(x) for x in nest.flatten(elems)]
    count = array.shape(rows[0])[0]
    states = [convert_to_tensor(x) for x in nest.flatten(initial)]
    arrays = [TensorArray(x.dtype, size=count + int(inclusive), element_shape=x.shape) for x in states]
    first = count - 1 if reverse else constant(0, dtype=dtypes.int32)
    if inclusive and not final_only:
        arrays = [a.write(first + 1 if reverse else first, x) for a, x in zip(arrays, states, strict=True)]

    def more(i: Tensor, *_: Any) -> Tensor:
        return i >= 0 if reverse else i < count

    def step(i: Tensor, made: list[Any], state: list[Tensor]) -> Any:
        here = nest.pack_sequence_as(structure=elems, flat_sequence=[array.gather(x, i) for x in rows])
        after = nest.flatten(fn(nest.pack_sequence_as(structure=initial, flat_sequence=state), here))
        if not final_only:
            place = i + 1 if inclusive and not reverse else i
            made = [a.write(place, x) for a, x in zip(made, after, strict=True)]
        return (i - 1 if reverse else i + 1), made, after

    _, arrays, last = while_loop(more, step, (first, arrays, states))
    flat = last if final_only else [a.stack() for a in arrays]
    return nest.pack_sequence_as(structure=initial, flat_sequence=flat)


def _forward_backward_log(
    state_trans_log_probs: Tensor,
    initial_state_log_probs: Tensor,
    final_state_log_probs: Tensor,
    observed_log_probs: Tensor,
    sequence_length: Tensor,
) -> tuple[Tensor, Tensor]:
    """How likely each state is at each time, `[time, batch, states]`, and the whole, `[batch]`: log probabilities."""
    rank = state_trans_log_probs.shape.ndims
    if rank not in (2, 3):
        raise ValueError(f"state_trans_log_probs rank must be known and == 2 or 3, is: {rank}")
    backward_trans = array.transpose(state_trans_log_probs, [1, 0] if rank == 2 else [0, 2, 1])
    batch = size_along(observed_log_probs, 1)

    def normalized(state: Tensor) -> tuple[Tensor, Tensor]:
        total = reductions.reduce_logsumexp(state, axis=-1, keepdims=True)
        return state - total, total

    def forward_step(state: Tensor, observed: Tensor) -> Tensor:
        state = array.expand_dims(state, axis=1) + state_trans_log_probs
        state = reductions.reduce_logsumexp(state, axis=-1) + observed
        return normalized(state)[0]

    forward = _scan(forward_step, observed_log_probs, initial_state_log_probs, inclusive=True)

    def backward_step(state_and_sum: Any, elements: Any) -> tuple[Tensor, Tensor]:
        (state, log_sum), (observed, is_inside) = state_and_sum, elements
        state = array.expand_dims(state + observed, axis=1) + backward_trans
        state, total = normalized(reductions.reduce_logsumexp(state, axis=-1))
        log_sum += array.squeeze(total) * is_inside
        mask = array.expand_dims(is_inside, axis=1)
        return state * mask + final_state_log_probs * (1.0 - mask), log_sum

    no_sum = array.zeros([batch])
    longest = size_along(observed_log_probs, 0)
    mask = array.sequence_mask(sequence_length, longest, dtypes.float32)
    mask = array.transpose(mask, perm=[1, 0])
    backward, log_sum = _scan(
        backward_step, (observed_log_probs, mask), (final_state_log_probs, no_sum), reverse=True, inclusive=True
    )
    both = forward[1:] + backward[1:]
    both -= reductions.reduce_logsumexp(both, axis=2, keepdims=True)
    both += _log(array.expand_dims(mask, axis=2))
    return both, backward[0, :, 0] + log_sum[0]


# The loss


def ctc_loss_and_grad(
    logits: Tensor, labels: Tensor, label_length: Tensor, logit_length: Tensor, unique: Any = None
) -> tuple[Tensor, Tensor]:
    """The losses, `[batch]`, and their gradients with respect to the logits, `[time, batch, classes]`."""
    classes = size_along(logits, 2)
    longest = size_along(labels, 1)
    log_y = softmax.log_softmax(logits)
    observed = _ilabel_to_state(labels, classes, log_y)
    transitions = _ctc_state_trans(labels)
    initial, final = ctc_state_log_probs(label_length, longest)
    through, log_likelihood = _forward_backward_log(
        state_trans_log_probs=_log(transitions),
        initial_state_log_probs=initial,
        final_state_log_probs=final,
        observed_log_probs=observed,
        sequence_length=logit_length,
    )
    if unique:
        shares = _state_to_olabel_unique(labels, classes, through, unique)
    else:
        shares = _state_to_olabel(labels, classes, through)
    gradient = elementwise.exp(log_y) - elementwise.exp(shares)
    return -log_likelihood, gradient


def ctc_loss_dense(
    labels: Any,
    logits: Any,
    label_length: Any,
    logit_length: Any,
    logits_time_major: bool = True,
    unique: Any = None,
    blank_index: Any = 0,
    name: str | None = None,
) -> Tensor:
    """The CTC loss of dense labels; the arguments are those of `ctc_loss_v2`."""
    with name_scope(name, "ctc_loss_dense", [logits, labels, label_length, logit_length]):
        logits = convert_to_tensor(logits, name="logits")
        labels = convert_to_tensor(labels, name="labels")
        label_length = convert_to_tensor(label_length, name="label_length")
        logit_length = convert_to_tensor(logit_length, name="logit_length")
        if not logits_time_major:
            logits = array.transpose(logits, perm=[1, 0, 2])
        if blank_index != 0:
            if blank_index < 0:
                blank_index += size_along(logits, 2)
            logits = array.concat(
                [
                    logits[:, :, blank_index : blank_index + 1],
                    logits[:, :, :blank_index],
                    logits[:, :, blank_index + 1 :],
                ],
                axis=2,
            )
            labels = array.where(labels < blank_index, labels + 1, labels)
        inputs = [logits, labels, label_length, logit_length, *(unique or ())]
        loss, gradient = ctc_loss_and_grad(logits, labels, label_length, logit_length, unique)
        return _with_gradient(loss, gradient, inputs)


def _with_gradient(loss: Tensor, gradient: Tensor, inputs: list[Any]) -> Tensor:
    """The loss as a function of `inputs` whose gradient with respect to the first is known."""

    def rule(op: Any, *grads: Any) -> list[Any]:
        return [None, array.reshape(grads[0], [1, -1, 1]) * gradient] + [None] * (len(inputs) - 1)

    with get_default_graph().gradient_override_map({"IdentityN": f"CTCLossDense-{next(_numbers)}"}):
        passed = raw_op("IdentityN")([loss, *inputs])
    passed[0].op._gradient_function = rule
    return passed[0]


@public("nn.ctc_loss_v2")
def ctc_loss_v2(
    labels: Any,
    logits: Any,
    label_length: Any,
    logit_length: Any,
    logits_time_major: bool = True,
    unique: Any = None,
    blank_index: Any = None,
    name: str | None = None,
) -> Tensor:
    """Compute the CTC loss: minus the log probability of the labels, over all their alignments in time.

    Args:
        labels: int, `[batch, longest]`, padded with zeros; or a `SparseTensor`, as of `ctc_loss`.
        logits: float32, `[time, batch, classes]`.
        label_length: int, `[batch]`: how many labels each sequence has; None for sparse labels.
        logit_length: int, `[batch]`: how many times each sequence has.
        logits_time_major: if not, `logits` is `[batch, time, classes]`.
        unique: what `ctc_unique_labels(labels)` gives, to save memory where there are many classes.
        blank_index: the class of the blank, 0 by default; negative counts from the end. Sparse labels need it.
        name: the scope of the ops.

    Returns:
        The losses, `[batch]`.

    Raises:
        ValueError: for sparse labels without `blank_index`.
    """
    if not isinstance(labels, SparseTensor):
        return ctc_loss_dense(
            labels,
            logits,
            label_length,
            logit_length,
            logits_time_major,
            unique,
            0 if blank_index is None else blank_index,
            name,
        )
    if blank_index is None:
        raise ValueError("blank_index must be given when using SparseTensor labels.")
    if blank_index < 0:
        blank_index += size_along(logits, 2)
    if blank_index != size_along(logits, 2) - 1:
        logits = array.concat(
            [logits[:, :, :blank_index], logits[:, :, blank_index + 1 :], logits[:, :, blank_index : blank_index + 1]],
            axis=2,
        )
        values = array.where(labels.values < blank_index, labels.values, labels.values - 1)
        labels = SparseTensor(labels.indices, values, labels.dense_shape)
    return ctc_loss(labels=labels, inputs=logits, sequence_length=logit_length, time_major=logits_time_major)
