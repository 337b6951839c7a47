"""From logits to labels: the likeliest class at each time, or a search for the likeliest labellings."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import errors
from evergraph.framework.api import public
from evergraph.framework.shapes import merge_dim, with_rank
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops.ctc.beam_search import Beam
from evergraph.ops.opdef import kernel_error, op


def _check_inputs(inputs: Any, lengths: Any) -> None:
    if inputs.ndim != 3:
        raise kernel_error("inputs is not a 3-Tensor")
    times, batch, classes = inputs.shape
    if not times:
        raise kernel_error("max_time is 0")
    if lengths.ndim != 1:
        raise kernel_error("sequence_length is not a vector")
    if batch != lengths.shape[0]:
        raise kernel_error(
            f"len(sequence_length) != batch_size.  len(sequence_length):  {lengths.shape[0]} batch_size: {batch}",
            errors.FailedPreconditionError,
        )
    if (lengths > times).any():
        b = int(np.argmax(lengths > times))
        raise kernel_error(f"sequence_length({b}) <= {times}", errors.FailedPreconditionError)
    if not classes:
        raise kernel_error("inputs has no classes")


def _sparse(sequences: list[Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sequences of labels as the three parts of a sparse matrix."""
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    rows = np.repeat(np.arange(len(sequences)), lengths)
    places = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    values = np.concatenate([np.asarray(sequence, np.int64) for sequence in sequences] or [np.zeros(0, np.int64)])
    return np.stack([rows, places], axis=1), values, np.array([len(sequences), lengths.max(initial=0)], np.int64)


@op("CTCGreedyDecoder", host=True, differentiable=False)
def ctc_greedy_decoder_op(xp: Any, inputs: Any, sequence_length: Any, *, merge_repeated: bool) -> Any:
    """The likeliest class at each time, without blanks and, if wanted, without repetitions."""
    _check_inputs(inputs, sequence_length)
    times = inputs.shape[0]
    counts = np.arange(times)[:, None] < sequence_length[None, :]
    best = inputs.argmax(axis=2)
    kept = counts & (best != inputs.shape[2] - 1)
    if merge_repeated:
        kept[1:] &= best[1:] != best[:-1]
    score = np.where(counts, inputs.max(axis=2), inputs.dtype.type(0)).sum(axis=0, dtype=inputs.dtype)
    made = _sparse([best[kept[:, b], b] for b in range(inputs.shape[1])])
    return *made, -score[:, None]


@ctc_greedy_decoder_op.shape
def ctc_greedy_decoder_shape(inputs: Any, sequence_length: Any) -> Any:
    batch = merge_dim(with_rank(inputs, 3)[1], with_rank(sequence_length, 1)[0])
    return (None, 2), (None,), (2,), (batch, 1)


@op("CTCBeamSearchDecoder", host=True, differentiable=False)
def ctc_beam_search_decoder_op(
    xp: Any, inputs: Any, sequence_length: Any, *, beam_width: int, top_paths: int, merge_repeated: bool
) -> Any:
    """The likeliest labellings of each sequence, and their log probabilities."""
    _check_inputs(inputs, sequence_length)
    batch = inputs.shape[1]
    paths: list[list[list[int]]] = [[] for _ in range(top_paths)]
    scores = np.zeros((batch, top_paths), inputs.dtype)
    if top_paths > beam_width:
        raise kernel_error("requested more paths than the beam width.")
    for b in range(batch):
        beam = Beam(beam_width, inputs.dtype)
        for t in range(int(sequence_length[b])):
            beam.step(inputs[t, b])
        if top_paths > len(beam.total):
            raise kernel_error("Less leaves in the beam search than requested.")
        scores[b] = beam.total[:top_paths]
        for place in range(top_paths):
            paths[place].append(beam.labels_of(place, merge_repeated))
    made = [_sparse(sequences) for sequences in paths]
    return [part[i] for i in range(3) for part in made] + [scores]


@ctc_beam_search_decoder_op.shape
def ctc_beam_search_decoder_shape(inputs: Any, sequence_length: Any, *, top_paths: int) -> Any:
    batch = merge_dim(with_rank(inputs, 3)[1], with_rank(sequence_length, 1)[0])
    return [(None, 2)] * top_paths + [(None,)] * top_paths + [(2,)] * top_paths + [(batch, top_paths)]


@public("nn.ctc_greedy_decoder")
def ctc_greedy_decoder(
    inputs: Any, sequence_length: Any, merge_repeated: bool = True
) -> tuple[list[SparseTensor], Tensor]:
    """Decode logits by taking the likeliest class at each time.

    Args:
        inputs: logits, float32 or float64, `[time, batch, classes]`; the last class is the blank.
        sequence_length: int32, `[batch]`.
        merge_repeated: merge a class that is repeated without a blank in between.

    Returns:
        A list of one int64 `SparseTensor`, `[batch, longest]`: the labels; and, `[batch, 1]`, minus the sum of the
        greatest logit at each time.

    Raises:
        FailedPreconditionError: at run time, for lengths that do not fit.
    """
    *parts, score = ctc_greedy_decoder_op(inputs, sequence_length, merge_repeated=merge_repeated)
    return [SparseTensor(*parts)], score


@public("nn.ctc_beam_search_decoder")
def ctc_beam_search_decoder(
    inputs: Any, sequence_length: Any, beam_width: int = 100, top_paths: int = 1, merge_repeated: bool = True
) -> tuple[list[SparseTensor], Tensor]:
    """Decode logits by a search for the likeliest labellings.

    Args:
        inputs: logits, float32 or float64, `[time, batch, classes]`; the last class is the blank.
        sequence_length: int32, `[batch]`.
        beam_width: how many beginnings to keep at each time.
        top_paths: how many labellings to give.
        merge_repeated: merge repeated labels of the result.

    Returns:
        A list of `top_paths` int64 `SparseTensor`s, `[batch, longest]`, the likeliest first; and their log
        probabilities, `[batch, top_paths]`.

    Raises:
        InvalidArgumentError: at run time, if `top_paths` is more than there are labellings in the beam.
    """
    indices, values, shapes, scores = ctc_beam_search_decoder_op(
        inputs, sequence_length, beam_width=beam_width, top_paths=top_paths, merge_repeated=merge_repeated
    )
    return [SparseTensor(*parts) for parts in zip(indices, values, shapes, strict=True)], scores


@public("nn.ctc_beam_search_decoder_v2")
def ctc_beam_search_decoder_v2(
    inputs: Any, sequence_length: Any, beam_width: int = 100, top_paths: int = 1
) -> tuple[list[SparseTensor], Tensor]:
    """`ctc_beam_search_decoder` that leaves repeated labels as they are."""
    return ctc_beam_search_decoder(inputs, sequence_length, beam_width, top_paths, merge_repeated=False)
