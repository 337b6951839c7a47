"""Decoders as loops in the graph, and the loss of what they give."""

from __future__ import annotations

import contextlib
from collections import namedtuple
from typing import Any

from evergraph.contrib.sequence_models.sampling import Helper
from evergraph.framework import dtypes, nest
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.layers.cells import check_is_cell, zero_state_tensors
from evergraph.layers.layer import Layer
from evergraph.layers.rnn_step import cache_variables, time_and_batch_swapped
from evergraph.ops import array, math
from evergraph.ops.constant import constant
from evergraph.ops.cross_entropy import sparse_softmax_cross_entropy_with_logits
from evergraph.ops.opdef import constant_value
from evergraph.ops.tensor_array import TensorArray
from evergraph.ops.variable_scope import variable_scope
from evergraph.ops.while_loop import while_loop


@public("contrib.seq2seq.Decoder")
class Decoder:
    """What all decoders have."""

    @property
    def batch_size(self) -> Any:
        """The batch size."""
        raise NotImplementedError

    @property
    def output_size(self) -> Any:
        """The sizes of the outputs, in their structure, without the batch."""
        raise NotImplementedError

    @property
    def output_dtype(self) -> Any:
        """Their types, in the same structure."""
        raise NotImplementedError

    def initialize(self, name: str | None = None) -> Any:
        """Which sequences are over at the start, the first inputs and the first state."""
        raise NotImplementedError

    def step(self, time: Any, inputs: Any, state: Any, name: str | None = None) -> Any:
        """A step: outputs, next state, next inputs, and which sequences are over."""
        raise NotImplementedError

    def finalize(self, outputs: Any, final_state: Any, sequence_lengths: Any) -> Any:
        """What to make of all outputs and the final state at the end."""
        raise NotImplementedError

    @property
    def tracks_own_finished(self) -> bool:
        """Whether a sequence that was over may go on: in a beam search it may be another one."""
        return False


@public("contrib.seq2seq.dynamic_decode")
def dynamic_decode(
    decoder: Any,
    output_time_major: bool = False,
    impute_finished: bool = False,
    maximum_iterations: Any = None,
    parallel_iterations: int = 32,
    swap_memory: bool = False,
    scope: Any = None,
    **kwargs: Any,
) -> tuple[Any, Any, Any]:
    """Run a decoder until all sequences are over.

    Args:
        decoder: a `Decoder`.
        output_time_major: whether the outputs have time before batch.
        impute_finished: whether sequences that are over give zeros and keep their state.
        maximum_iterations: a bound on the number of steps.
        parallel_iterations: how many steps TF may run at once.
        swap_memory: whether TF may keep values for the gradient in host memory.
        scope: the variable scope.
        **kwargs: none.

    Returns:
        The outputs of all steps, the final state, and the lengths, int32 of shape `[batch]`.

    Raises:
        TypeError: if `decoder` is none.
        ValueError: if `maximum_iterations` is no scalar.
    """
    if not isinstance(decoder, Decoder):
        raise TypeError(f"Expected decoder to be type Decoder, but saw: {type(decoder)}")
    with variable_scope(scope, "decoder") as varscope:
        cache_variables(varscope)
        if maximum_iterations is not None:
            maximum_iterations = convert_to_tensor(maximum_iterations, dtype=dtypes.int32, name="maximum_iterations")
            if maximum_iterations.shape.rank != 0:
                raise ValueError("maximum_iterations must be a scalar")
        finished, inputs, state = decoder.initialize()
        zero_outputs = nest.map_structure(
            lambda size, kind: zero_state_tensors(size, decoder.batch_size, kind),
            decoder.output_size,
            decoder.output_dtype,
        )
        if maximum_iterations is not None:
            finished = math.logical_or(finished, 0 >= maximum_iterations)  # noqa: SIM300
        lengths = array.zeros_like(finished, dtype=dtypes.int32)
        time = constant(0, dtype=dtypes.int32)

        def output_array(size: Any, kind: Any) -> TensorArray:
            shape = None
            if isinstance(size, TensorShape) and size.rank != 0:
                batch = constant_value(convert_to_tensor(decoder.batch_size, name="batch_size"))
                shape = TensorShape([None if batch is None else int(batch)]).concatenate(size)
            return TensorArray(dtype=kind, size=0, dynamic_size=True, element_shape=shape)

        arrays = nest.map_structure(output_array, decoder.output_size, decoder.output_dtype)

        def body(time: Any, arrays: Any, state: Any, inputs: Any, finished: Any, lengths: Any) -> Any:
            outputs, decoder_state, next_inputs, decoder_finished = decoder.step(time, inputs, state)
            if decoder.tracks_own_finished:
                next_finished = decoder_finished
            else:
                next_finished = math.logical_or(decoder_finished, finished)
            next_lengths = array.where(math.logical_not(finished), array.fill(array.shape(lengths), time + 1), lengths)
            nest.assert_same_structure(state, decoder_state)
            nest.assert_same_structure(arrays, outputs)
            nest.assert_same_structure(inputs, next_inputs)
            emitted, next_state = outputs, decoder_state
            if impute_finished:
                emitted = nest.map_structure(lambda out, zero: array.where(finished, zero, out), outputs, zero_outputs)

                def kept(new: Any, old: Any) -> Any:
                    if isinstance(old, TensorArray):
                        return new
                    new.set_shape(old.shape)
                    return new if new.shape.rank == 0 else array.where(finished, old, new)

                next_state = nest.map_structure(kept, decoder_state, state)
            arrays = nest.map_structure(lambda a, out: a.write(time, out), arrays, emitted)
            return time + 1, arrays, next_state, next_inputs, next_finished, next_lengths

        _, arrays, final_state, _, _, final_lengths = while_loop(
            lambda time, arrays, state, inputs, finished, lengths: math.logical_not(math.reduce_all(finished)),
            body,
            loop_vars=(time, arrays, state, inputs, finished, lengths),
            parallel_iterations=parallel_iterations,
            maximum_iterations=maximum_iterations,
            swap_memory=swap_memory,
        )
        outputs = nest.map_structure(lambda a: a.stack(), arrays)
        with contextlib.suppress(NotImplementedError):  # a decoder need not have it
            outputs, final_state = decoder.finalize(outputs, final_state, final_lengths)
        if not output_time_major:
            outputs = nest.map_structure(time_and_batch_swapped, outputs)
    return outputs, final_state, final_lengths


@public("contrib.seq2seq.BasicDecoderOutput")
class BasicDecoderOutput(namedtuple("BasicDecoderOutput", ("rnn_output", "sample_id"))):
    """What a `BasicDecoder` gives: the cell's outputs and the samples."""


def layer_output_size(cell: Any, output_layer: Any) -> Any:
    """The size of a cell's outputs, after a layer if there is one."""
    size = cell.output_size
    if output_layer is None:
        return size
    with_batch = nest.map_structure(lambda s: TensorShape([None]).concatenate(s), size)
    return nest.map_structure(lambda s: s[1:], output_layer.compute_output_shape(with_batch))


@public("contrib.seq2seq.BasicDecoder")
class BasicDecoder(Decoder):
    """A cell, a helper that samples its outputs and makes its inputs, and maybe a layer on its outputs.

    Args:
        cell: a recurrent cell.
        helper: a `Helper`.
        initial_state: the first state.
        output_layer: a layer, as `tf.layers.Dense`, applied to the outputs before they are sampled.

    Raises:
        TypeError: if one is none of those.
    """

    def __init__(self, cell: Any, helper: Any, initial_state: Any, output_layer: Any = None) -> None:
        check_is_cell("cell", cell)
        if not isinstance(helper, Helper):
            raise TypeError(f"helper must be a Helper, received: {type(helper)}")
        if output_layer is not None and not isinstance(output_layer, Layer):
            raise TypeError(f"output_layer must be a Layer, received: {type(output_layer)}")
        self._cell = cell
        self._helper = helper
        self._initial_state = initial_state
        self._output_layer = output_layer

    @property
    def batch_size(self) -> Any:
        return self._helper.batch_size

    def _rnn_output_size(self) -> Any:
        return layer_output_size(self._cell, self._output_layer)

    @property
    def output_size(self) -> Any:
        return BasicDecoderOutput(self._rnn_output_size(), self._helper.sample_ids_shape)

    @property
    def output_dtype(self) -> Any:
        dtype = nest.flatten(self._initial_state)[0].dtype
        return BasicDecoderOutput(
            nest.map_structure(lambda _: dtype, self._rnn_output_size()), self._helper.sample_ids_dtype
        )

    def initialize(self, name: str | None = None) -> Any:
        return (*self._helper.initialize(), self._initial_state)

    def step(self, time: Any, inputs: Any, state: Any, name: str | None = None) -> Any:
        with name_scope(name, "BasicDecoderStep", (time, inputs, state)):
            outputs, cell_state = self._cell(inputs, state)
            if self._output_layer is not None:
                outputs = self._output_layer(outputs)
            ids = self._helper.sample(time=time, outputs=outputs, state=cell_state)
            finished, next_inputs, next_state = self._helper.next_inputs(
                time=time, outputs=outputs, state=cell_state, sample_ids=ids
            )
        return BasicDecoderOutput(outputs, ids), next_state, next_inputs, finished


@public("contrib.seq2seq.sequence_loss")
def sequence_loss(
    logits: Any,
    targets: Any,
    weights: Any,
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
    sum_over_timesteps: bool = False,
    sum_over_batch: bool = False,
    softmax_loss_function: Any = None,
    name: str | None = None,
) -> Tensor:
    """The weighted cross-entropy of sequences.

    Args:
        logits: `[batch, time, symbols]`.
        targets: ints, `[batch, time]`.
        weights: floats, `[batch, time]`: 0 past a sequence's end.
        average_across_timesteps: divide the sum over time by that of the weights.
        average_across_batch: divide the sum over the batch by that of the weights.
        sum_over_timesteps: divide the sum over time by the number of weights that are not 0.
        sum_over_batch: divide the sum over the batch by the number of weights that are not 0.
        softmax_loss_function: a function `(labels, logits)` in place of the softmax cross-entropy.
        name: the name scope.

    Raises:
        ValueError: for another rank, or both ways along one axis.
    """
    if len(logits.shape) != 3:
        raise ValueError("Logits must be a [batch_size x sequence_length x logits] tensor")
    if len(targets.shape) != 2:
        raise ValueError("Targets must be a [batch_size x sequence_length] tensor")
    if len(weights.shape) != 2:
        raise ValueError("Weights must be a [batch_size x sequence_length] tensor")
    if average_across_timesteps and sum_over_timesteps:
        raise ValueError("average_across_timesteps and sum_over_timesteps cannot be set to True at same time.")
    if average_across_batch and sum_over_batch:
        raise ValueError("average_across_batch and sum_over_batch cannot be set to True at same time.")
    with name_scope(name, "sequence_loss", [logits, targets, weights]):
        rows = array.reshape(logits, [-1, array.shape(logits)[2]])
        targets = array.reshape(targets, [-1])
        if softmax_loss_function is None:
            loss = sparse_softmax_cross_entropy_with_logits(labels=targets, logits=rows)
        else:
            loss = softmax_loss_function(labels=targets, logits=rows)
        loss *= array.reshape(weights, [-1])
        if average_across_timesteps and average_across_batch:
            loss = math.reduce_sum(loss)
            return math.div_no_nan(loss, math.reduce_sum(weights))
        if sum_over_timesteps and sum_over_batch:
            loss = math.reduce_sum(loss)
            return math.div_no_nan(loss, math.cast(math.count_nonzero(weights), loss.dtype))
        loss = array.reshape(loss, array.shape(logits)[0:2])
        if average_across_timesteps or average_across_batch:
            axis = [0] if average_across_batch else [1]
            loss = math.reduce_sum(loss, axis=axis)
            return math.div_no_nan(loss, math.reduce_sum(weights, axis=axis))
        if sum_over_timesteps or sum_over_batch:
            axis = [0] if sum_over_batch else [1]
            loss = math.reduce_sum(loss, axis=axis)
            count = math.cast(math.count_nonzero(weights, axis=axis), dtype=loss.dtype)
            return math.div_no_nan(loss, count)
        return loss
