"""An LSTM cell with layer normalization, and a cell that attends to its own past."""

from __future__ import annotations

import logging
from typing import Any

from evergraph.contrib.layer_toolkit.normalizations import layer_norm
from evergraph.contrib.recurrent.linear import Linear
from evergraph.framework import dtypes, nest
from evergraph.framework.api import public
from evergraph.layers.cells import RNNCell, check_is_cell
from evergraph.layers.lstm_cells import LSTMStateTuple
from evergraph.ops import array, initializers, math
from evergraph.ops.bias import bias_add
from evergraph.ops.convolution import conv2d
from evergraph.ops.dropout import dropout
from evergraph.ops.products import matmul
from evergraph.ops.softmax import softmax
from evergraph.ops.variable_scope import get_variable, variable_scope

_log = logging.getLogger("tensorflow")


@public("contrib.rnn.LayerNormBasicLSTMCell")
class LayerNormBasicLSTMCell(RNNCell):
    """An LSTM cell with layer normalization (Ba et al., 2016) and dropout of the candidate (Semeniuta et al., 2016).

    Args:
        num_units: the size of output and cell state.
        forget_bias: added to the forget gate.
        input_size: not used.
        activation: a function.
        layer_norm: whether to normalize.
        norm_gain: what the normalization's scale starts with.
        norm_shift: what its shift starts with.
        dropout_keep_prob: the probability to keep an element of the candidate.
        dropout_prob_seed: a seed of the dropout's own.
        reuse: whether to reuse the variables of the scope.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        input_size: Any = None,
        activation: Any = math.tanh,
        layer_norm: bool = True,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
        dropout_keep_prob: Any = 1.0,
        dropout_prob_seed: int | None = None,
        reuse: Any = None,
    ) -> None:
        super().__init__(_reuse=reuse)
        if input_size is not None:
            _log.warning("%s: The input_size parameter is deprecated.", self)
        self._num_units = num_units
        self._activation = activation
        self._forget_bias = forget_bias
        self._keep_prob = dropout_keep_prob
        self._seed = dropout_prob_seed
        self._layer_norm = layer_norm
        self._norm_gain = norm_gain
        self._norm_shift = norm_shift
        self._reuse = reuse

    @property
    def state_size(self) -> Any:
        return LSTMStateTuple(self._num_units, self._num_units)

    @property
    def output_size(self) -> Any:
        return self._num_units

    def _norm(self, inp: Any, scope: str, dtype: Any = dtypes.float32) -> Any:
        shape = inp.shape[-1:]
        gamma, beta = initializers.Constant(self._norm_gain), initializers.Constant(self._norm_shift)
        with variable_scope(scope):
            get_variable("gamma", shape=shape, initializer=gamma, dtype=dtype)
            get_variable("beta", shape=shape, initializer=beta, dtype=dtype)
        return layer_norm(inp, reuse=True, scope=scope)

    def _linear(self, args: Any) -> Any:
        size = 4 * self._num_units
        weights = get_variable("kernel", [args.shape[-1], size], dtype=args.dtype)
        out = matmul(args, weights)
        return out if self._layer_norm else bias_add(out, get_variable("bias", [size], dtype=args.dtype))

    def call(self, inputs: Any, state: Any) -> Any:
        c, h = state
        args = array.concat([inputs, h], 1)
        joined = self._linear(args)
        i, j, f, o = array.split(value=joined, num_or_size_splits=4, axis=1)
        if self._layer_norm:
            i = self._norm(i, "input", dtype=args.dtype)
            j = self._norm(j, "transform", dtype=args.dtype)
            f = self._norm(f, "forget", dtype=args.dtype)
            o = self._norm(o, "output", dtype=args.dtype)
        g = self._activation(j)
        if not isinstance(self._keep_prob, float) or self._keep_prob < 1:
            g = dropout(g, self._keep_prob, seed=self._seed)
        new_c = c * math.sigmoid(f + self._forget_bias) + math.sigmoid(i) * g
        if self._layer_norm:
            new_c = self._norm(new_c, "state", dtype=args.dtype)
        new_h = self._activation(new_c) * math.sigmoid(o)
        return new_h, LSTMStateTuple(new_c, new_h)


@public("contrib.rnn.AttentionCellWrapper")
class AttentionCellWrapper(RNNCell):
    """A cell that attends to its last outputs (Bahdanau et al., 2014).

    Args:
        cell: the cell.
        attn_length: how many outputs it remembers.
        attn_size: the size of what it attends to; the cell's output size by default.
        attn_vec_size: the size that attention is computed in; `attn_size` by default.
        input_size: the size that inputs and attention are projected to; that of the inputs by default.
        state_is_tuple: whether the state is a tuple, or one tensor with its parts side by side.
        reuse: whether to reuse the variables of the scope.
    """

    def __init__(
        self,
        cell: Any,
        attn_length: int,
        attn_size: int | None = None,
        attn_vec_size: int | None = None,
        input_size: int | None = None,
        state_is_tuple: bool = True,
        reuse: Any = None,
    ) -> None:
        super().__init__(_reuse=reuse)
        check_is_cell("cell", cell)
        if nest.is_nested(cell.state_size) and not state_is_tuple:
            raise ValueError(
                "Cell returns tuple of states, but the flag state_is_tuple is not set. State size is: "
                f"{cell.state_size}"
            )
        if attn_length <= 0:
            raise ValueError(f"attn_length should be greater than zero, got {attn_length}")
        if not state_is_tuple:
            _log.warning("%s: the state is one tensor; state_is_tuple=True is faster.", self)
        self._state_is_tuple = state_is_tuple
        self._cell = cell
        self._input_size = input_size
        self._attn_size = cell.output_size if attn_size is None else attn_size
        self._attn_vec_size = self._attn_size if attn_vec_size is None else attn_vec_size
        self._attn_length = attn_length
        self._reuse = reuse
        self._linear1: Any = None
        self._linear2: Any = None
        self._linear3: Any = None

    @property
    def state_size(self) -> Any:
        size = (self._cell.state_size, self._attn_size, self._attn_size * self._attn_length)
        return size if self._state_is_tuple else sum(size)

    @property
    def output_size(self) -> Any:
        return self._attn_size

    def call(self, inputs: Any, state: Any) -> Any:
        if self._state_is_tuple:
            state, attns, attn_states = state
        else:
            states = state
            state = array.slice(states, [0, 0], [-1, self._cell.state_size])
            attns = array.slice(states, [0, self._cell.state_size], [-1, self._attn_size])
            attn_states = array.slice(
                states,
                [0, self._cell.state_size + self._attn_size],
                [-1, self._attn_size * self._attn_length],
            )
        attn_states = array.reshape(attn_states, [-1, self._attn_length, self._attn_size])
        input_size = self._input_size
        if input_size is None:
            input_size = inputs.shape.as_list()[1]
        if self._linear1 is None:
            self._linear1 = Linear([inputs, attns], input_size, True)
        inputs = self._linear1([inputs, attns])
        cell_output, new_state = self._cell(inputs, state)
        query = array.concat(nest.flatten(new_state), 1) if self._state_is_tuple else new_state
        new_attns, new_attn_states = self._attention(query, attn_states)
        with variable_scope("attn_output_projection"):
            if self._linear2 is None:
                self._linear2 = Linear([cell_output, new_attns], self._attn_size, True)
            output = self._linear2([cell_output, new_attns])
        new_attn_states = array.concat([new_attn_states, array.expand_dims(output, 1)], 1)
        new_attn_states = array.reshape(new_attn_states, [-1, self._attn_length * self._attn_size])
        new_state = (new_state, new_attns, new_attn_states)
        if not self._state_is_tuple:
            new_state = array.concat(list(new_state), 1)
        return output, new_state

    def _attention(self, query: Any, attn_states: Any) -> Any:
        with variable_scope("attention"):
            k = get_variable("attn_w", [1, 1, self._attn_size, self._attn_vec_size])
            v = get_variable("attn_v", [self._attn_vec_size])
            hidden = array.reshape(attn_states, [-1, self._attn_length, 1, self._attn_size])
            features = conv2d(hidden, k, [1, 1, 1, 1], "SAME")
            if self._linear3 is None:
                self._linear3 = Linear(query, self._attn_vec_size, True)
            y = self._linear3(query)
            y = array.reshape(y, [-1, 1, 1, self._attn_vec_size])
            s = math.reduce_sum(v * math.tanh(features + y), [2, 3])
            a = softmax(s)
            d = math.reduce_sum(array.reshape(a, [-1, self._attn_length, 1, 1]) * hidden, [1, 2])
            new_attns = array.reshape(d, [-1, self._attn_size])
            return new_attns, array.slice(attn_states, [0, 1, 0], [-1, -1, -1])
