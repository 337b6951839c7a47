"""`tf.contrib.legacy_seq2seq`: encoders and decoders unrolled over lists of steps."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from evergraph.contrib.recurrent.linear import Linear
from evergraph.contrib.recurrent.projections import EmbeddingWrapper, OutputProjectionWrapper
from evergraph.contrib.sequence_models.legacy_losses import _names
from evergraph.framework import dtypes, nest
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.layers.cells import RNNCell
from evergraph.layers.static_rnn import static_rnn
from evergraph.ops import array, math
from evergraph.ops.bias import xw_plus_b
from evergraph.ops.cond import cond
from evergraph.ops.convolution import conv2d
from evergraph.ops.embedding import embedding_lookup
from evergraph.ops.softmax import softmax
from evergraph.ops.variable_scope import get_variable, get_variable_scope, variable_scope


def _best_embedded(embedding: Any, output_projection: Any = None, update_embedding: bool = True) -> Any:
    """A loop function: the vector of the symbol that the last output is best for."""

    def loop_function(prev: Any, _: int) -> Any:
        if output_projection is not None:
            prev = xw_plus_b(prev, output_projection[0], output_projection[1])
        found = embedding_lookup(embedding, math.argmax(prev, 1))
        return found if update_embedding else array.stop_gradient(found)

    return loop_function


def _check_projection(output_projection: Any, num_symbols: int, dtype: Any) -> None:
    if output_projection is not None:
        weights = convert_to_tensor(output_projection[0], dtype=dtype)
        weights.shape.assert_is_compatible_with([None, num_symbols])
        biases = convert_to_tensor(output_projection[1], dtype=dtype)
        biases.shape.assert_is_compatible_with([num_symbols])


def _by_feeding(feed_previous: Any, decode: Callable[[bool], Any], count: int, structure: Any) -> tuple[Any, Any]:
    """`decode(True)` or `decode(False)` by a tensor, in one set of variables."""

    def flat(feeds: bool) -> Any:
        with variable_scope(get_variable_scope(), reuse=None if feeds else True):
            outputs, state = decode(feeds)
            return outputs + (nest.flatten(state) if nest.is_nested(state) else [state])

    found = cond(feed_previous, lambda: flat(True), lambda: flat(False))
    states = found[count:]
    structure = structure() if callable(structure) else structure
    state = nest.pack_sequence_as(structure, states) if nest.is_nested(structure) else states[0]
    return found[:count], state


@public(*_names("rnn_decoder"))
def rnn_decoder(
    decoder_inputs: Any, initial_state: Any, cell: Any, loop_function: Any = None, scope: Any = None
) -> tuple[list[Any], Any]:
    """Run a cell over steps.

    Args:
        decoder_inputs: a list of tensors `[batch, size]`.
        initial_state: the first state.
        cell: the cell.
        loop_function: a function of the last output and the step's number that gives the next input, in place of
            `decoder_inputs` past the first.
        scope: the variable scope.
    """
    with variable_scope(scope or "rnn_decoder"):
        state = initial_state
        outputs: list[Any] = []
        prev = None
        for i, inp in enumerate(decoder_inputs):
            if loop_function is not None and prev is not None:
                with variable_scope("loop_function", reuse=True):
                    inp = loop_function(prev, i)
            if i > 0:
                get_variable_scope().reuse_variables()
            output, state = cell(inp, state)
            outputs.append(output)
            if loop_function is not None:
                prev = output
    return outputs, state


@public(*_names("basic_rnn_seq2seq"))
def basic_rnn_seq2seq(
    encoder_inputs: Any, decoder_inputs: Any, cell: Any, dtype: Any = dtypes.float32, scope: Any = None
) -> tuple[list[Any], Any]:
    """Encode with one cell, decode with another like it from its last state."""
    with variable_scope(scope or "basic_rnn_seq2seq"):
        _, state = static_rnn(copy.deepcopy(cell), encoder_inputs, dtype=dtype)
        return rnn_decoder(decoder_inputs, state, cell)


@public(*_names("tied_rnn_seq2seq"))
def tied_rnn_seq2seq(
    encoder_inputs: Any,
    decoder_inputs: Any,
    cell: Any,
    loop_function: Any = None,
    dtype: Any = dtypes.float32,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """Encode and decode with the same variables."""
    with variable_scope("combined_tied_rnn_seq2seq"):
        scope = scope or "tied_rnn_seq2seq"
        _, state = static_rnn(cell, encoder_inputs, dtype=dtype, scope=scope)
        get_variable_scope().reuse_variables()
        return rnn_decoder(decoder_inputs, state, cell, loop_function=loop_function, scope=scope)


@public(*_names("embedding_rnn_decoder"))
def embedding_rnn_decoder(
    decoder_inputs: Any,
    initial_state: Any,
    cell: Any,
    num_symbols: int,
    embedding_size: int,
    output_projection: Any = None,
    feed_previous: bool = False,
    update_embedding_for_previous: bool = True,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """`rnn_decoder` over ids.

    Args:
        decoder_inputs: a list of int32 tensors `[batch]`.
        initial_state: the first state.
        cell: the cell.
        num_symbols: how many ids there are.
        embedding_size: the size of their vectors.
        output_projection: weights and biases from outputs to symbols.
        feed_previous: whether each step gets the best symbol of the one before, in place of `decoder_inputs`.
        update_embedding_for_previous: whether gradients go through such an input.
        scope: the variable scope.
    """
    with variable_scope(scope or "embedding_rnn_decoder") as entered:
        _check_projection(output_projection, num_symbols, entered.dtype)
        table = get_variable("embedding", [num_symbols, embedding_size])
        loop = _best_embedded(table, output_projection, update_embedding_for_previous) if feed_previous else None
        return rnn_decoder((embedding_lookup(table, i) for i in decoder_inputs), initial_state, cell, loop)


@public(*_names("embedding_rnn_seq2seq"))
def embedding_rnn_seq2seq(
    encoder_inputs: Any,
    decoder_inputs: Any,
    cell: Any,
    num_encoder_symbols: int,
    num_decoder_symbols: int,
    embedding_size: int,
    output_projection: Any = None,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
) -> tuple[Any, Any]:
    """`basic_rnn_seq2seq` over ids. `embedding_rnn_decoder` has the arguments; `feed_previous` may be a tensor."""
    with variable_scope(scope or "embedding_rnn_seq2seq") as entered:
        if dtype is None:
            dtype = entered.dtype
        else:
            entered.set_dtype(dtype)
        encoder = EmbeddingWrapper(copy.deepcopy(cell), num_encoder_symbols, embedding_size)
        _, encoder_state = static_rnn(encoder, encoder_inputs, dtype=dtype)
        if output_projection is None:
            cell = OutputProjectionWrapper(cell, num_decoder_symbols)

        def decode(feeds: bool, updates: bool = False) -> Any:
            return embedding_rnn_decoder(
                decoder_inputs,
                encoder_state,
                cell,
                num_decoder_symbols,
                embedding_size,
                output_projection=output_projection,
                feed_previous=feeds,
                update_embedding_for_previous=updates,
            )

        if isinstance(feed_previous, bool):
            return decode(feed_previous, True)
        return _by_feeding(feed_previous, decode, len(decoder_inputs), encoder_state)


@public(*_names("embedding_tied_rnn_seq2seq"))
def embedding_tied_rnn_seq2seq(
    encoder_inputs: Any,
    decoder_inputs: Any,
    cell: Any,
    num_symbols: int,
    embedding_size: int,
    num_decoder_symbols: int | None = None,
    output_projection: Any = None,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
) -> tuple[Any, Any]:
    """`tied_rnn_seq2seq` over ids, with one table. `embedding_rnn_decoder` has the arguments."""
    with variable_scope(scope or "embedding_tied_rnn_seq2seq", dtype=dtype) as entered:
        dtype = entered.dtype
        _check_projection(output_projection, num_symbols, dtype)
        table = get_variable("embedding", [num_symbols, embedding_size], dtype=dtype)
        encoder_vectors = [embedding_lookup(table, x) for x in encoder_inputs]
        decoder_vectors = [embedding_lookup(table, x) for x in decoder_inputs]
        if output_projection is None:
            cell = OutputProjectionWrapper(cell, num_symbols if num_decoder_symbols is None else num_decoder_symbols)

        def decode(feeds: bool, updates: bool = False) -> Any:
            loop = _best_embedded(table, output_projection, updates) if feeds else None
            return tied_rnn_seq2seq(encoder_vectors, decoder_vectors, cell, loop_function=loop, dtype=dtype)

        if isinstance(feed_previous, bool):
            return decode(feed_previous, True)

        def zero_state() -> Any:
            batch = encoder_inputs[0].shape[0]
            for inp in encoder_inputs[1:]:
                batch.merge_with(inp.shape[0])
            size = array.shape(encoder_inputs[0])[0] if batch.value is None else batch.value
            return cell.zero_state(size, dtype)

        return _by_feeding(feed_previous, decode, len(decoder_inputs), zero_state)


@public(*_names("attention_decoder"))
def attention_decoder(
    decoder_inputs: Any,
    initial_state: Any,
    attention_states: Any,
    cell: Any,
    output_size: int | None = None,
    num_heads: int = 1,
    loop_function: Any = None,
    dtype: Any = None,
    scope: Any = None,
    initial_state_attention: bool = False,
) -> tuple[list[Any], Any]:
    """`rnn_decoder` with attention to what an encoder gave (Vinyals et al., 2014).

    Args:
        decoder_inputs: a list of tensors `[batch, size]`.
        initial_state: the first state.
        attention_states: `[batch, length, size]`.
        cell: the cell.
        output_size: the size of the outputs, the cell's by default.
        num_heads: how many reads there are at each step.
        loop_function: as for `rnn_decoder`.
        dtype: the type of the variables.
        scope: the variable scope.
        initial_state_attention: whether the first step reads too.

    Raises:
        ValueError: without inputs or heads, or if the size of `attention_states` is unknown.
    """
    if not decoder_inputs:
        raise ValueError("Must provide at least 1 input to attention decoder.")
    if num_heads < 1:
        raise ValueError("With less than 1 heads, use a non-attention decoder.")
    size = attention_states.shape.as_list()[2]
    if size is None:
        raise ValueError(f"Shape[2] of attention_states must be known: {attention_states.shape}")
    if output_size is None:
        output_size = cell.output_size
    with variable_scope(scope or "attention_decoder", dtype=dtype) as entered:
        dtype = entered.dtype
        batch = array.shape(decoder_inputs[0])[0]
        length = attention_states.shape.as_list()[1]
        if length is None:
            length = array.shape(attention_states)[1]
        hidden = array.reshape(attention_states, [-1, length, 1, size])
        features, vectors = [], []
        for a in range(num_heads):
            k = get_variable(f"AttnW_{a}", [1, 1, size, size], dtype=dtype)
            features.append(conv2d(hidden, k, [1, 1, 1, 1], "SAME"))
            vectors.append(get_variable(f"AttnV_{a}", [size], dtype=dtype))

        def attention(query: Any) -> list[Any]:
            if nest.is_nested(query):
                query = array.concat(nest.flatten(query), 1)
            reads = []
            for a in range(num_heads):
                with variable_scope(f"Attention_{a}"):
                    y = Linear(query, size, True)(query)
                    y = math.cast(array.reshape(y, [-1, 1, 1, size]), dtype)
                    s = math.reduce_sum(vectors[a] * math.tanh(features[a] + y), [2, 3])
                    share = math.cast(softmax(math.cast(s, dtype=dtypes.float32)), dtype)
                    d = math.reduce_sum(array.reshape(share, [-1, length, 1, 1]) * hidden, [1, 2])
                    reads.append(array.reshape(d, [-1, size]))
            return reads

        shape = array.stack([batch, size])
        reads = [array.zeros(shape, dtype=dtype) for _ in range(num_heads)]
        for read in reads:
            read.set_shape([None, size])
        if initial_state_attention:
            reads = attention(initial_state)
        state = initial_state
        outputs: list[Any] = []
        prev = None
        for i, inp in enumerate(decoder_inputs):
            if i > 0:
                get_variable_scope().reuse_variables()
            if loop_function is not None and prev is not None:
                with variable_scope("loop_function", reuse=True):
                    inp = loop_function(prev, i)
            input_size = inp.shape.with_rank(2).as_list()[1]
            if input_size is None:
                raise ValueError(f"Could not infer input size from input: {inp.name}")
            inputs = [math.cast(e, dtype) for e in [inp, *reads]]
            cell_output, state = cell(Linear(inputs, input_size, True)(inputs), state)
            if i == 0 and initial_state_attention:
                with variable_scope(get_variable_scope(), reuse=True):
                    reads = attention(state)
            else:
                reads = attention(state)
            with variable_scope("AttnOutputProjection"):
                inputs = [math.cast(cell_output, dtype), *reads]
                output = Linear(inputs, output_size, True)(inputs)
            if loop_function is not None:
                prev = output
            outputs.append(output)
    return outputs, state


@public(*_names("embedding_attention_decoder"))
def embedding_attention_decoder(
    decoder_inputs: Any,
    initial_state: Any,
    attention_states: Any,
    cell: Any,
    num_symbols: int,
    embedding_size: int,
    num_heads: int = 1,
    output_size: int | None = None,
    output_projection: Any = None,
    feed_previous: bool = False,
    update_embedding_for_previous: bool = True,
    dtype: Any = None,
    scope: Any = None,
    initial_state_attention: bool = False,
) -> tuple[list[Any], Any]:
    """`attention_decoder` over ids. `embedding_rnn_decoder` and `attention_decoder` have the arguments."""
    if output_size is None:
        output_size = cell.output_size
    if output_projection is not None:
        biases = convert_to_tensor(output_projection[1], dtype=dtype)
        biases.shape.assert_is_compatible_with([num_symbols])
    with variable_scope(scope or "embedding_attention_decoder", dtype=dtype):
        table = get_variable("embedding", [num_symbols, embedding_size])
        loop = _best_embedded(table, output_projection, update_embedding_for_previous) if feed_previous else None
        return attention_decoder(
            [embedding_lookup(table, i) for i in decoder_inputs],
            initial_state,
            attention_states,
            cell,
            output_size=output_size,
            num_heads=num_heads,
            loop_function=loop,
            initial_state_attention=initial_state_attention,
        )


@public(*_names("embedding_attention_seq2seq"))
def embedding_attention_seq2seq(
    encoder_inputs: Any,
    decoder_inputs: Any,
    cell: Any,
    num_encoder_symbols: int,
    num_decoder_symbols: int,
    embedding_size: int,
    num_heads: int = 1,
    output_projection: Any = None,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
    initial_state_attention: bool = False,
) -> tuple[Any, Any]:
    """`embedding_rnn_seq2seq` with attention to the encoder's outputs."""
    with variable_scope(scope or "embedding_attention_seq2seq", dtype=dtype) as entered:
        encoder = EmbeddingWrapper(copy.deepcopy(cell), num_encoder_symbols, embedding_size)
        encoder_outputs, encoder_state = static_rnn(encoder, encoder_inputs, dtype=entered.dtype)
        tops = [array.reshape(e, [-1, 1, cell.output_size]) for e in encoder_outputs]
        attention_states = array.concat(tops, 1)
        output_size = None
        if output_projection is None:
            cell = OutputProjectionWrapper(cell, num_decoder_symbols)
            output_size = num_decoder_symbols

        def decode(feeds: bool, updates: bool = False) -> Any:
            return embedding_attention_decoder(
                decoder_inputs,
                encoder_state,
                attention_states,
                cell,
                num_decoder_symbols,
                embedding_size,
                num_heads=num_heads,
                output_size=output_size,
                output_projection=output_projection,
                feed_previous=feeds,
                update_embedding_for_previous=updates,
                initial_state_attention=initial_state_attention,
            )

        if isinstance(feed_previous, bool):
            return decode(feed_previous, True)
        return _by_feeding(feed_previous, decode, len(decoder_inputs), encoder_state)


@public(*_names("one2many_rnn_seq2seq"))
def one2many_rnn_seq2seq(
    encoder_inputs: Any,
    decoder_inputs_dict: Any,
    enc_cell: Any,
    dec_cells_dict: Any,
    num_encoder_symbols: int,
    num_decoder_symbols_dict: Any,
    embedding_size: int,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """One encoder and several decoders, by name.

    Raises:
        TypeError: for a cell that is none.
        ValueError: if the dictionaries' names differ.
    """
    if not isinstance(enc_cell, RNNCell):
        raise TypeError(f"enc_cell is not an RNNCell: {type(enc_cell)}")
    if set(dec_cells_dict) != set(decoder_inputs_dict):
        raise ValueError("keys of dec_cells_dict != keys of decodre_inputs_dict")
    for dec_cell in dec_cells_dict.values():
        if not isinstance(dec_cell, RNNCell):
            raise TypeError(f"dec_cell is not an RNNCell: {type(dec_cell)}")
    outputs, states = {}, {}
    with variable_scope(scope or "one2many_rnn_seq2seq", dtype=dtype) as entered:
        encoder = EmbeddingWrapper(enc_cell, num_encoder_symbols, embedding_size)
        _, encoder_state = static_rnn(encoder, encoder_inputs, dtype=entered.dtype)
        for name, decoder_inputs in decoder_inputs_dict.items():
            symbols = num_decoder_symbols_dict[name]
            with variable_scope(f"one2many_decoder_{name}"):
                cell = OutputProjectionWrapper(dec_cells_dict[name], symbols)

                def decode(feeds: bool, cell: Any = cell, symbols: Any = symbols, inputs: Any = decoder_inputs) -> Any:
                    return embedding_rnn_decoder(
                        inputs, encoder_state, cell, symbols, embedding_size, feed_previous=feeds
                    )

                if isinstance(feed_previous, bool):
                    outputs[name], states[name] = decode(feed_previous)
                else:
                    outputs[name], states[name] = _by_feeding(feed_previous, decode, len(decoder_inputs), encoder_state)
    return outputs, states
