"""Beam search: the best sequences so far, `beam_width` of them for each example, step by step."""

from __future__ import annotations

import logging
from collections import namedtuple
from typing import Any

import numpy as np

from evergraph.contrib.sequence_models.attention_cell import AttentionWrapperState
from evergraph.contrib.sequence_models.decoding import Decoder, layer_output_size
from evergraph.contrib.sequence_models.gather_tree import gather_tree
from evergraph.contrib.sequence_models.sampling import _lookup
from evergraph.framework import dtypes, nest
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.shapes import TensorShape, as_shape
from evergraph.framework.tensor import Tensor
from evergraph.layers.cells import check_is_cell
from evergraph.layers.layer import Layer
from evergraph.ops import array, math
from evergraph.ops.checks import Assert
from evergraph.ops.cond import cond
from evergraph.ops.opdef import constant_value, raw_op
from evergraph.ops.softmax import log_softmax
from evergraph.ops.sorting import top_k
from evergraph.ops.tensor_array import TensorArray

_log = logging.getLogger("tensorflow")


@public("contrib.seq2seq.BeamSearchDecoderState")
class BeamSearchDecoderState(
    namedtuple(
        "BeamSearchDecoderState", ("cell_state", "log_probs", "finished", "lengths", "accumulated_attention_probs")
    )
):
    """The state of a `BeamSearchDecoder`, each part `[batch, beam, ...]`."""


@public("contrib.seq2seq.BeamSearchDecoderOutput")
class BeamSearchDecoderOutput(namedtuple("BeamSearchDecoderOutput", ("scores", "predicted_ids", "parent_ids"))):
    """What a step of a `BeamSearchDecoder` gives, each part `[batch, beam]`."""


@public("contrib.seq2seq.FinalBeamSearchDecoderOutput")
class FinalBeamSearchDecoderOutput(
    namedtuple("FinalBeamDecoderOutput", ["predicted_ids", "beam_search_decoder_output"])
):
    """What a `BeamSearchDecoder` gives in the end: the sequences, and what the steps gave."""


def _tiled(t: Any, multiplier: Any) -> Tensor:
    t = convert_to_tensor(t, name="t")
    shape = array.shape(t)
    if t.shape.rank is None or t.shape.rank < 1:
        raise ValueError("t must have statically known rank")
    tiling: list[Any] = [1] * (t.shape.rank + 1)
    tiling[1] = multiplier
    size = t.shape.as_list()[0]
    tiled = array.tile(array.expand_dims(t, 1), tiling)
    tiled = array.reshape(tiled, array.concat(([shape[0] * multiplier], shape[1:]), 0))
    tiled.set_shape(TensorShape([None if size is None else size * multiplier]).concatenate(t.shape[1:]))
    return tiled


@public("contrib.seq2seq.tile_batch")
def tile_batch(t: Any, multiplier: Any, name: str | None = None) -> Any:
    """Each example `multiplier` times in a row, for a beam search.

    Args:
        t: a tensor `[batch, ...]`, or a structure of such.
        multiplier: the beam's width.
        name: the name scope.
    """
    flat = nest.flatten(t)
    with name_scope(name, "tile_batch", [*flat, multiplier]):
        return nest.map_structure(lambda x: _tiled(x, multiplier), t)


@public("contrib.seq2seq.gather_tree_from_array")
def gather_tree_from_array(t: Any, parent_ids: Any, sequence_length: Any) -> Tensor:
    """What belongs to each final beam at each step.

    Args:
        t: `[time, batch, beam, ...]`, or `[time, batch * beam, ...]`.
        parent_ids: int32, `[time, batch, beam]`.
        sequence_length: ints, `[batch, beam]`.
    """
    static = parent_ids.shape.as_list()
    steps, batch, width = (static[i] or array.shape(parent_ids)[i] for i in range(3))
    beam_ids = array.expand_dims(array.expand_dims(math.range(width), 0), 0)
    beam_ids = array.tile(beam_ids, [steps, batch, 1])
    longest = math.cast(math.reduce_max(sequence_length, axis=1), dtypes.int32)
    ordered_ids = gather_tree(
        step_ids=beam_ids, parent_ids=parent_ids, max_sequence_lengths=longest, end_token=width + 1
    )
    inside = array.transpose(array.sequence_mask(sequence_length, maxlen=steps), perm=[2, 0, 1])
    ordered_ids = array.where(inside, x=ordered_ids, y=beam_ids)
    time_index = array.tile(array.reshape(math.range(steps), [-1, 1, 1]), [1, batch, width])
    batch_index = array.tile(array.reshape(math.range(batch), [-1, 1, 1]), [1, steps, width])
    batch_index = array.transpose(batch_index, perm=[1, 0, 2])
    indices = array.stack([time_index, batch_index, ordered_ids], -1)
    shape = array.shape(t)
    rows = array.reshape(t, [steps, batch, width, -1])
    return array.reshape(array.gather_nd(rows, indices), shape)


def _require_rank(t: Any) -> None:
    if t.shape.rank is None:
        raise ValueError(f"Expected tensor ({t}) to have known rank, but ndims == None.")


def _static(t: Any) -> int | None:
    known = constant_value(t)
    return None if known is None else int(known)


@public("contrib.seq2seq.BeamSearchDecoder")
class BeamSearchDecoder(Decoder):
    """A decoder that follows the best `beam_width` sequences.

    Args:
        cell: a recurrent cell; memory and state must be tiled with `tile_batch` where it attends.
        embedding: a table of vectors, or a function of ids.
        start_tokens: int32, `[batch]`: the first ids.
        end_token: an int32 scalar: the id that ends a sequence.
        initial_state: the first state, tiled with `tile_batch`.
        beam_width: how many sequences are followed.
        output_layer: a layer on the outputs.
        length_penalty_weight: how much to favour long sequences; 0.0 not at all.
        coverage_penalty_weight: how much to favour that all of the memory is attended to.
        reorder_tensor_arrays: whether `TensorArray`s in the state are put in the order of the final beams.
    """

    def __init__(
        self,
        cell: Any,
        embedding: Any,
        start_tokens: Any,
        end_token: Any,
        initial_state: Any,
        beam_width: int,
        output_layer: Any = None,
        length_penalty_weight: float = 0.0,
        coverage_penalty_weight: float = 0.0,
        reorder_tensor_arrays: bool = True,
    ) -> None:
        check_is_cell("cell", cell)
        if output_layer is not None and not isinstance(output_layer, Layer):
            raise TypeError(f"output_layer must be a Layer, received: {type(output_layer)}")
        self._cell = cell
        self._output_layer = output_layer
        self._reorder_tensor_arrays = reorder_tensor_arrays
        self._beam_width = beam_width
        self._length_penalty_weight = length_penalty_weight
        self._coverage_penalty_weight = coverage_penalty_weight
        self._embedding_fn = _lookup(embedding)
        self._start_tokens = convert_to_tensor(start_tokens, dtype=dtypes.int32, name="start_tokens")
        if self._start_tokens.shape.rank != 1:
            raise ValueError("start_tokens must be a vector")
        self._end_token = convert_to_tensor(end_token, dtype=dtypes.int32, name="end_token")
        if self._end_token.shape.rank != 0:
            raise ValueError("end_token must be a scalar")
        self._batch_size = array.size(start_tokens)
        self._initial_cell_state = nest.map_structure(
            self._maybe_split_batch_beams, initial_state, self._cell.state_size
        )
        self._start_tokens = array.tile(array.expand_dims(self._start_tokens, 1), [1, beam_width])
        self._start_inputs = self._embedding_fn(self._start_tokens)
        self._finished = array.one_hot(
            array.zeros([self._batch_size], dtype=dtypes.int32),
            depth=beam_width,
            on_value=False,
            off_value=True,
            dtype=dtypes.bool,
        )

    @property
    def batch_size(self) -> Any:
        return self._batch_size

    def _rnn_output_size(self) -> Any:
        return layer_output_size(self._cell, self._output_layer)

    @property
    def tracks_own_finished(self) -> bool:
        return True

    @property
    def output_size(self) -> Any:
        beam = TensorShape([self._beam_width])
        return BeamSearchDecoderOutput(beam, beam, beam)

    @property
    def output_dtype(self) -> Any:
        dtype = nest.flatten(self._initial_cell_state)[0].dtype
        return BeamSearchDecoderOutput(
            nest.map_structure(lambda _: dtype, self._rnn_output_size()), dtypes.int32, dtypes.int32
        )

    def initialize(self, name: str | None = None) -> Any:
        dtype = nest.flatten(self._initial_cell_state)[0].dtype
        log_probs = array.one_hot(
            array.zeros([self._batch_size], dtype=dtypes.int32),
            depth=self._beam_width,
            on_value=convert_to_tensor(0.0, dtype=dtype),
            off_value=convert_to_tensor(-np.inf, dtype=dtype),
            dtype=dtype,
        )
        attended = attention_probabilities(self._initial_cell_state, self._coverage_penalty_weight)
        state = BeamSearchDecoderState(
            cell_state=self._initial_cell_state,
            log_probs=log_probs,
            finished=self._finished,
            lengths=array.zeros([self._batch_size, self._beam_width], dtype=dtypes.int64),
            accumulated_attention_probs=() if attended is None else attended,
        )
        return self._finished, self._start_inputs, state

    def finalize(self, outputs: Any, final_state: Any, sequence_lengths: Any) -> Any:
        """The sequences `[time, batch, beam]`, from the ids and parents of all steps."""
        longest = math.cast(math.reduce_max(final_state.lengths, axis=1), dtypes.int32)
        ids = gather_tree(
            outputs.predicted_ids, outputs.parent_ids, max_sequence_lengths=longest, end_token=self._end_token
        )
        if self._reorder_tensor_arrays:
            final_state = final_state._replace(
                cell_state=nest.map_structure(
                    lambda t: self._sorted_array(t, outputs.parent_ids, final_state.lengths), final_state.cell_state
                )
            )
        return FinalBeamSearchDecoderOutput(ids, outputs), final_state

    # Between [batch * beam, ...] and [batch, beam, ...]

    def _merge_batch_beams(self, t: Any, s: Any = None) -> Tensor:
        shape = _as_shape(s)
        runtime = array.shape(t)
        batch = _static(self._batch_size)
        merged = array.reshape(t, array.concat(([self._batch_size * self._beam_width], runtime[2:]), 0))
        rows = None if batch is None else batch * self._beam_width
        merged.set_shape(TensorShape([rows]).concatenate(shape))
        return merged

    def _split_batch_beams(self, t: Any, s: Any = None) -> Tensor:
        shape = _as_shape(s)
        runtime = array.shape(t)
        split = array.reshape(t, array.concat(([self._batch_size, self._beam_width], runtime[1:]), 0))
        expected = TensorShape([_static(self._batch_size), self._beam_width]).concatenate(shape)
        if not split.shape.is_compatible_with(expected):
            raise ValueError(
                "Unexpected behavior when reshaping between beam width and batch size.  The reshaped tensor has "
                f"shape: {split.shape}.  We expected it to have shape (batch_size, beam_width, depth) == {expected}.  "
                "Perhaps you forgot to create a zero_state with batch_size=encoder_batch_size * beam_width?"
            )
        split.set_shape(expected)
        return split

    def _maybe_split_batch_beams(self, t: Any, s: Any) -> Any:
        if isinstance(t, TensorArray):
            return t
        _require_rank(t)
        return self._split_batch_beams(t, s) if t.shape.rank >= 1 else t

    def _maybe_merge_batch_beams(self, t: Any, s: Any) -> Any:
        if isinstance(t, TensorArray):
            return t
        _require_rank(t)
        return self._merge_batch_beams(t, s) if t.shape.rank >= 2 else t

    def _sorted_array(self, t: Any, parent_ids: Any, lengths: Any) -> Any:
        if not isinstance(t, TensorArray):
            return t
        shape = t.element_shape
        if shape.rank is None or shape.rank < 1:
            _log.warning(
                "The TensorArray %s in the cell state cannot be sorted: its elements' rank is unknown or 0.", t
            )
            return t
        batch, width = _static(self._batch_size), self._beam_width
        sizes = shape.as_list()
        if batch is not None and sizes[0] is not None:
            is_split = sizes[0] == batch and (len(sizes) < 2 or sizes[1] in (None, width))
            if sizes[0] != batch * width or (len(sizes) >= 2 and sizes[1] is not None and not is_split):
                _log.warning(
                    "TensorArray reordering expects elements of shape [%s, %s, ...], not %s; "
                    "reorder_tensor_arrays=False switches it off.", batch, width, shape,
                )  # fmt: skip
                return t
        stacked = t.stack()
        with control_dependencies([self._check_beams(stacked)]):
            return gather_tree_from_array(stacked, parent_ids, lengths)

    def _check_beams(self, t: Any) -> Any:
        shape = array.shape(t)
        condition = math.equal(shape[1], self._batch_size * self._beam_width)
        if t.shape.rank != 2:
            is_split = math.logical_and(math.equal(shape[1], self._batch_size), math.equal(shape[2], self._beam_width))
            condition = math.logical_or(condition, is_split)
        return Assert(
            condition,
            [
                "TensorArray reordering expects elements to be reshapable to [batch_size, beam_size, -1] which is "
                f"incompatible with the dynamic shape of {t.name} elements. Consider setting reorder_tensor_arrays to "
                "False to disable TensorArray reordering during the beam search."
            ],
        )

    def step(self, time: Any, inputs: Any, state: Any, name: str | None = None) -> Any:
        with name_scope(name, "BeamSearchDecoderStep", (time, inputs, state)):
            inputs = nest.map_structure(lambda inp: self._merge_batch_beams(inp, s=inp.shape[2:]), inputs)
            cell_state = nest.map_structure(self._maybe_merge_batch_beams, state.cell_state, self._cell.state_size)
            outputs, cell_state = self._cell(inputs, cell_state)
            outputs = nest.map_structure(lambda out: self._split_batch_beams(out, out.shape[1:]), outputs)
            cell_state = nest.map_structure(self._maybe_split_batch_beams, cell_state, self._cell.state_size)
            if self._output_layer is not None:
                outputs = self._output_layer(outputs)
            found, next_state = _step(
                time,
                outputs,
                cell_state,
                state,
                self._batch_size,
                self._beam_width,
                self._end_token,
                self._length_penalty_weight,
                self._coverage_penalty_weight,
            )
            ids = found.predicted_ids
            next_inputs = cond(
                math.reduce_all(next_state.finished), lambda: self._start_inputs, lambda: self._embedding_fn(ids)
            )
        return found, next_state, next_inputs, next_state.finished


def _as_shape(s: Any) -> TensorShape:
    if isinstance(s, Tensor):
        known = constant_value(s)
        return as_shape(None if known is None else known.tolist())
    return TensorShape(s)


def _step(
    time: Any,
    logits: Any,
    cell_state: Any,
    state: Any,
    batch_size: Any,
    beam_width: int,
    end_token: Any,
    length_penalty_weight: Any,
    coverage_penalty_weight: Any,
) -> tuple[Any, Any]:
    """The best `beam_width` continuations of the beams."""
    batch = _static(batch_size)
    not_finished = math.logical_not(state.finished)
    log_probs = _only_end_if_finished(log_softmax(logits), end_token, state.finished)
    total = array.expand_dims(state.log_probs, 2) + log_probs
    vocabulary = logits.shape.as_list()[-1] or array.shape(logits)[-1]
    added = array.one_hot(
        indices=array.fill([batch_size, beam_width], end_token),
        depth=vocabulary,
        on_value=math.to_int64(0),
        off_value=math.to_int64(1),
        dtype=dtypes.int64,
    )
    added *= array.expand_dims(math.cast(not_finished, dtypes.int64), 2)
    lengths = added + array.expand_dims(state.lengths, 2)
    accumulated = None
    attended = attention_probabilities(cell_state, coverage_penalty_weight)
    if attended is not None:
        attended *= array.expand_dims(math.cast(not_finished, dtypes.float32), 2)
        accumulated = state.accumulated_attention_probs + attended
    scores = _scores(total, lengths, length_penalty_weight, coverage_penalty_weight, state.finished, accumulated)
    convert_to_tensor(time, name="time")
    flat = array.reshape(scores, [batch_size, -1])
    width = convert_to_tensor(beam_width, dtype=dtypes.int32, name="beam_width")
    best, words = top_k(flat, k=width)
    best.set_shape([batch, beam_width])
    words.set_shape([batch, beam_width])

    def of_beams(indices: Any, values: Any, count: Any, shape: Any, name: str | None = None) -> Tensor:
        return _gathered(indices, values, batch_size, count, shape, name)

    next_probs = of_beams(words, total, beam_width * vocabulary, [-1], "next_beam_probs")
    ids = math.cast(raw_op("FloorMod")(words, vocabulary, name="next_beam_word_ids"), dtypes.int32)
    parents = math.cast(words / vocabulary, dtypes.int32, name="next_beam_parent_ids")
    was_finished = of_beams(parents, state.finished, beam_width, [-1])
    finished = math.logical_or(was_finished, math.equal(ids, end_token), name="next_beam_finished")
    still = math.cast(math.logical_not(was_finished), dtypes.int64)
    next_lengths = of_beams(parents, state.lengths, beam_width, [-1])
    next_lengths += still
    next_accumulated: Any = ()
    if accumulated is not None:
        rows = [batch_size * beam_width, -1]
        next_accumulated = of_beams(parents, accumulated, beam_width, rows, "next_accumulated_attention_probs")

    def part(values: Any) -> Any:
        rows = [batch_size * beam_width, -1]  # ops of its own for each part, also where they are not needed
        if isinstance(values, TensorArray):
            return values
        _require_rank(values)
        return of_beams(parents, values, beam_width, rows) if values.shape.rank >= 2 else values

    next_state = BeamSearchDecoderState(
        cell_state=nest.map_structure(part, cell_state),
        log_probs=next_probs,
        lengths=next_lengths,
        finished=finished,
        accumulated_attention_probs=next_accumulated,
    )
    return BeamSearchDecoderOutput(best, ids, parents), next_state


def attention_probabilities(cell_state: Any, coverage_penalty_weight: Any) -> Any:
    """How much each place of the memory is attended to, averaged over the cells that do; None if it does not matter."""
    if coverage_penalty_weight == 0.0:
        return None
    states = cell_state if isinstance(cell_state, tuple) else ()
    if isinstance(cell_state, AttentionWrapperState):
        states = (cell_state,)
    found = [_alignments(s) for s in states if isinstance(s, AttentionWrapperState)]
    if not found:
        raise ValueError("coverage_penalty_weight must be 0.0 if no cell is attentional.")
    return found[0] if len(found) == 1 else _mean_of(found)


def _alignments(state: Any) -> Any:
    return _mean_of(state.alignments) if isinstance(state.alignments, tuple) else state.alignments


def _mean_of(tensors: Any) -> Tensor:
    joined = array.concat([array.expand_dims(t, -1) for t in tensors], -1)
    return math.reduce_mean(joined, -1)


def _scores(
    log_probs: Any, lengths: Any, length_weight: Any, coverage_weight: Any, finished: Any, accumulated: Any
) -> Tensor:
    penalty = math.cast(_length_penalty(lengths, length_weight), dtype=log_probs.dtype)
    scores = log_probs / penalty
    coverage_weight = convert_to_tensor(coverage_weight, name="coverage_penalty_weight")
    if coverage_weight.shape.rank != 0:
        raise ValueError(f"coverage_penalty_weight should be a scalar, but saw shape: {coverage_weight.shape}")
    if constant_value(coverage_weight) == 0.0:
        return scores
    if accumulated is None:
        raise ValueError("accumulated_attention_probs can be None only if coverage penalty is disabled.")
    accumulated = array.where(math.equal(accumulated, 0.0), array.ones_like(accumulated), accumulated)
    coverage = math.reduce_sum(math.log(math.minimum(accumulated, 1.0)), 2)
    coverage *= math.cast(finished, dtypes.float32)
    return scores + array.expand_dims(coverage * coverage_weight, 2)


def _length_penalty(lengths: Any, weight: Any) -> Any:
    weight = convert_to_tensor(weight, name="penalty_factor")
    weight.set_shape(())
    known = constant_value(weight)
    if known is not None and known == 0:
        return 1.0
    return math.div((5.0 + math.cast(lengths, dtypes.float32)) ** weight, (5.0 + 1.0) ** weight)


def _only_end_if_finished(probs: Any, end_token: Any, finished: Any) -> Tensor:
    """`probs`, but for finished beams all on the end token."""
    vocabulary = array.shape(probs)[2]
    row = array.one_hot(
        end_token,
        vocabulary,
        dtype=probs.dtype,
        on_value=convert_to_tensor(0.0, dtype=probs.dtype),
        off_value=probs.dtype.min,
    )
    rows = array.tile(array.reshape(row, [1, 1, -1]), array.concat([array.shape(finished), [1]], 0))
    mask = array.tile(array.expand_dims(finished, 2), [1, 1, vocabulary])
    return array.where(mask, rows, probs)


def _gathered(
    indices: Any, values: Any, batch_size: Any, count: Any, shape: list[Any], name: str | None = None
) -> Tensor:
    """For each example, the rows of its own that `indices` says."""
    with name_scope(name, "tensor_gather_helper"):
        starts = array.expand_dims(math.range(batch_size) * count, 1)
        flat = array.reshape(indices + starts, [-1])
        output = array.gather(array.reshape(values, shape), flat)
        final_shape = array.shape(values)[: 1 + len(shape)]
        static = TensorShape([_static(batch_size)]).concatenate(values.shape[1 : 1 + len(shape)])
        output = array.reshape(output, final_shape, name="output")
        output.set_shape(static)
        return output
