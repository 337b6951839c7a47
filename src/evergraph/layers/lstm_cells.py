"""LSTM cells: a cell state that gates write, keep and forget (Hochreiter and Schmidhuber, 1997)."""

from __future__ import annotations

import logging
from collections import namedtuple
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.layers.cells import LayerRNNCell, check_type, check_types, input_depth
from evergraph.layers.input_spec import InputSpec
from evergraph.layers.named import activation_of, described, initializer_of
from evergraph.ops import array, initializers, math
from evergraph.ops.bias import bias_add
from evergraph.ops.clip import clip_by_value
from evergraph.ops.constant import constant
from evergraph.ops.partitioned import fixed_size_partitioner
from evergraph.ops.products import matmul

_log = logging.getLogger("tensorflow")


@public("nn.rnn_cell.LSTMStateTuple")
class LSTMStateTuple(namedtuple("LSTMStateTuple", ("c", "h"))):
    """The state of an LSTM cell: the cell state `c` and the output `h`."""

    __slots__ = ()

    @property
    def dtype(self) -> dtypes.DType:
        """The type of both.

        Raises:
            TypeError: if they differ.
        """
        if self.c.dtype != self.h.dtype:
            raise TypeError(f"Inconsistent internal state: {self.c.dtype} vs {self.h.dtype}")
        return self.c.dtype


def _warn_of_joined_state(cell: Any, state_is_tuple: bool) -> None:
    if not state_is_tuple:
        _log.warning("%s: the state is one tensor, c and h side by side; state_is_tuple=True is faster.", cell)


@public("nn.rnn_cell.BasicLSTMCell")
class BasicLSTMCell(LayerRNNCell):
    """The LSTM cell without peepholes, clipping or projection.

    Args:
        num_units: the size of output and cell state.
        forget_bias: added to the forget gate, so that little is forgotten at the start of training.
        state_is_tuple: whether the state is an `LSTMStateTuple`, or one tensor with both side by side.
        activation: a function, or its name; tanh by default.
        reuse: whether to reuse the variables of the scope.
        name: the cell's name.
        dtype: the type of the variables.
        **kwargs: options of all layers.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Any = None,
        reuse: Any = None,
        name: Any = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **kwargs)
        check_type(self.dtype)
        _warn_of_joined_state(self, state_is_tuple)
        self.input_spec = InputSpec(ndim=2)
        self._num_units = num_units
        self._forget_bias = forget_bias
        self._state_is_tuple = state_is_tuple
        self._activation = activation_of(activation) if activation else math.tanh

    @property
    def state_size(self) -> Any:
        return LSTMStateTuple(self._num_units, self._num_units) if self._state_is_tuple else 2 * self._num_units

    @property
    def output_size(self) -> Any:
        return self._num_units

    def build(self, inputs_shape: Any) -> None:
        depth = input_depth(inputs_shape)
        check_type(self.dtype)
        self._kernel = self.add_variable("kernel", shape=[depth + self._num_units, 4 * self._num_units])
        self._bias = self.add_variable(
            "bias", shape=[4 * self._num_units], initializer=initializers.Zeros(dtype=self.dtype or dtypes.float32)
        )
        self.built = True

    def call(self, inputs: Any, state: Any) -> Any:
        check_types([inputs, state])
        one = constant(1, dtype=dtypes.int32)
        if self._state_is_tuple:
            c, h = state
        else:
            c, h = array.split(value=state, num_or_size_splits=2, axis=one)
        gates = bias_add(matmul(array.concat([inputs, h], 1), self._kernel), self._bias)
        i, j, f, o = array.split(value=gates, num_or_size_splits=4, axis=one)
        forget_bias = constant(self._forget_bias, dtype=f.dtype)
        kept = math.multiply(c, math.sigmoid(math.add(f, forget_bias)))
        new_c = math.add(kept, math.multiply(math.sigmoid(i), self._activation(j)))
        new_h = math.multiply(self._activation(new_c), math.sigmoid(o))
        if self._state_is_tuple:
            return new_h, LSTMStateTuple(new_c, new_h)
        return new_h, array.concat([new_c, new_h], 1)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "num_units": self._num_units,
            "forget_bias": self._forget_bias,
            "state_is_tuple": self._state_is_tuple,
            "activation": described(self._activation),
            "reuse": self._reuse,
        }


@public("nn.rnn_cell.LSTMCell")
class LSTMCell(LayerRNNCell):
    """The LSTM cell with peepholes, clipping and projection (Sak et al., 2014), each where asked for.

    Args:
        num_units: the size of the cell state.
        use_peepholes: whether the gates see the cell state.
        cell_clip: a bound on the cell state.
        initializer: what weights, peepholes and projection start with.
        num_proj: the size of the output, if it is projected.
        proj_clip: a bound on the projected output.
        num_unit_shards: into how many parts the weights are cut; a scope's partitioner does it too.
        num_proj_shards: into how many parts the projection is cut.
        forget_bias: added to the forget gate, so that little is forgotten at the start of training.
        state_is_tuple: whether the state is an `LSTMStateTuple`, or one tensor with both side by side.
        activation: a function, or its name; tanh by default.
        reuse: whether to reuse the variables of the scope.
        name: the cell's name.
        dtype: the type of the variables.
        **kwargs: options of all layers.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        cell_clip: float | None = None,
        initializer: Any = None,
        num_proj: int | None = None,
        proj_clip: float | None = None,
        num_unit_shards: int | None = None,
        num_proj_shards: int | None = None,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Any = None,
        reuse: Any = None,
        name: Any = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **kwargs)
        check_type(self.dtype)
        _warn_of_joined_state(self, state_is_tuple)
        if num_unit_shards is not None or num_proj_shards is not None:
            _log.warning("%s: num_unit_shards and num_proj_shards are deprecated: use a scope's partitioner.", self)
        self.input_spec = InputSpec(ndim=2)
        self._num_units = num_units
        self._use_peepholes = use_peepholes
        self._cell_clip = cell_clip
        self._initializer = initializer_of(initializer)
        self._num_proj = num_proj
        self._proj_clip = proj_clip
        self._num_unit_shards = num_unit_shards
        self._num_proj_shards = num_proj_shards
        self._forget_bias = forget_bias
        self._state_is_tuple = state_is_tuple
        self._activation = activation_of(activation) if activation else math.tanh
        self._output_size = num_proj or num_units
        self._state_size: Any = LSTMStateTuple(num_units, self._output_size)
        if not state_is_tuple:
            self._state_size = num_units + self._output_size

    @property
    def state_size(self) -> Any:
        return self._state_size

    @property
    def output_size(self) -> Any:
        return self._output_size

    def build(self, inputs_shape: Any) -> None:
        depth = input_depth(inputs_shape)
        check_type(self.dtype)
        rows = depth + (self._num_units if self._num_proj is None else self._num_proj)
        self._kernel = self.add_variable(
            "kernel",
            shape=[rows, 4 * self._num_units],
            initializer=self._initializer,
            partitioner=_partitioner(self._num_unit_shards),
        )
        zeros: Any = initializers.Zeros if self.dtype is None else initializers.Zeros(dtype=self.dtype)
        self._bias = self.add_variable("bias", shape=[4 * self._num_units], initializer=zeros)
        if self._use_peepholes:
            self._w_f_diag, self._w_i_diag, self._w_o_diag = (
                self.add_variable(f"w_{gate}_diag", shape=[self._num_units], initializer=self._initializer)
                for gate in "fio"
            )
        if self._num_proj is not None:
            self._proj_kernel = self.add_variable(
                "projection/kernel",
                shape=[self._num_units, self._num_proj],
                initializer=self._initializer,
                partitioner=_partitioner(self._num_proj_shards),
            )
        self.built = True

    def call(self, inputs: Any, state: Any) -> Any:
        check_types([inputs, state])
        sigmoid = math.sigmoid
        if self._state_is_tuple:
            c_prev, m_prev = state
        else:
            width = self._num_units if self._num_proj is None else self._num_proj
            c_prev = array.slice(state, [0, 0], [-1, self._num_units])
            m_prev = array.slice(state, [0, self._num_units], [-1, width])
        if inputs.shape.with_rank(2).as_list()[1] is None:
            raise ValueError("Could not infer input size from inputs.get_shape()[-1]")
        gates = bias_add(matmul(array.concat([inputs, m_prev], 1), self._kernel), self._bias)
        i, j, f, o = array.split(value=gates, num_or_size_splits=4, axis=1)
        if self._use_peepholes:
            kept = sigmoid(f + self._forget_bias + self._w_f_diag * c_prev) * c_prev
            c = kept + sigmoid(i + self._w_i_diag * c_prev) * self._activation(j)
        else:
            kept = sigmoid(f + self._forget_bias) * c_prev
            c = kept + sigmoid(i) * self._activation(j)
        if self._cell_clip is not None:
            c = clip_by_value(c, -self._cell_clip, self._cell_clip)
        gate = sigmoid(o + self._w_o_diag * c) if self._use_peepholes else sigmoid(o)
        m = gate * self._activation(c)
        if self._num_proj is not None:
            m = matmul(m, self._proj_kernel)
            if self._proj_clip is not None:
                m = clip_by_value(m, -self._proj_clip, self._proj_clip)
        if self._state_is_tuple:
            return m, LSTMStateTuple(c, m)
        return m, array.concat([c, m], 1)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "num_units": self._num_units,
            "use_peepholes": self._use_peepholes,
            "cell_clip": self._cell_clip,
            "initializer": described(self._initializer),
            "num_proj": self._num_proj,
            "proj_clip": self._proj_clip,
            "num_unit_shards": self._num_unit_shards,
            "num_proj_shards": self._num_proj_shards,
            "forget_bias": self._forget_bias,
            "state_is_tuple": self._state_is_tuple,
            "activation": described(self._activation),
            "reuse": self._reuse,
        }


def _partitioner(parts: int | None) -> Any:
    return None if parts is None else fixed_size_partitioner(parts)
