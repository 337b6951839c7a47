"""Cells whose step, or whose whole sequence, is one op: fewer and larger ops than cells in pieces."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.shapes import TensorShape
from evergraph.layers.cells import LayerRNNCell
from evergraph.layers.input_spec import InputSpec
from evergraph.layers.lstm_cells import LSTMStateTuple
from evergraph.layers.scoped_layer import ScopedLayer
from evergraph.ops import array, initializers, math
from evergraph.ops.recurrent.gru import gru_block_cell
from evergraph.ops.recurrent.lstm import block_lstm, lstm_block_cell


@public("contrib.rnn.LSTMBlockCell")
class LSTMBlockCell(LayerRNNCell):
    """The LSTM cell as one op a step.

    Args:
        num_units: the size of output and cell state.
        forget_bias: added to the forget gate.
        cell_clip: a bound on the cell state.
        use_peephole: whether the gates see the cell state.
        dtype: the type of the variables.
        reuse: whether to reuse the variables of the scope.
        name: the cell's name; `LSTMCell` has the same by default, and the same variables.
    """

    _kernel: Any
    _bias: Any
    _peepholes: Any

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        dtype: Any = None,
        reuse: Any = None,
        name: Any = "lstm_cell",
    ) -> None:
        super().__init__(_reuse=reuse, dtype=dtype, name=name)
        self._num_units = num_units
        self._forget_bias = forget_bias
        self._use_peephole = use_peephole
        self._cell_clip = -1 if cell_clip is None else cell_clip
        self.input_spec = InputSpec(ndim=2)

    @property
    def state_size(self) -> Any:
        return LSTMStateTuple(self._num_units, self._num_units)

    @property
    def output_size(self) -> Any:
        return self._num_units

    def build(self, inputs_shape: Any) -> None:
        size = TensorShape(inputs_shape).as_list()[1]
        if not size:
            raise ValueError(f"Expecting inputs_shape[1] to be set: {inputs_shape}")
        self._peepholes = None
        _add_lstm_variables(self, size)
        self.built = True

    def call(self, inputs: Any, state: Any) -> Any:
        if len(state) != 2:
            raise ValueError("Expecting state to be a tuple with length 2.")
        peepholes = self._peepholes
        if peepholes is None:
            peepholes = (array.zeros([self._num_units], dtype=self.dtype),) * 3
        cs_prev, h_prev = state
        found = lstm_block_cell(
            inputs,
            cs_prev,
            h_prev,
            self._kernel,
            *peepholes,
            self._bias,
            forget_bias=self._forget_bias,
            cell_clip=self._cell_clip,
            use_peephole=self._use_peephole,
        )
        return found.h, LSTMStateTuple(found.cs, found.h)


def _add_lstm_variables(layer: Any, size: int) -> None:
    units = layer._num_units
    layer._kernel = layer.add_variable("kernel", [size + units, units * 4])
    layer._bias = layer.add_variable("bias", [units * 4], initializer=initializers.Constant(0.0))
    layer._peepholes = None
    if layer._use_peephole:
        layer._peepholes = tuple(layer.add_variable(f"w_{gate}_diag", [units]) for gate in "ifo")


@public("contrib.rnn.LSTMBlockWrapper")
class LSTMBlockWrapper(ScopedLayer):
    """What LSTMs over a whole sequence share: states to start with, and sequences that end early.

    A subclass defines `num_units` and `_call_cell`.
    """

    @property
    def num_units(self) -> int:
        raise NotImplementedError("Abstract method")

    def _call_cell(
        self, inputs: Any, initial_cell_state: Any, initial_output: Any, dtype: Any, sequence_length: Any
    ) -> Any:
        raise NotImplementedError("Abstract method")

    def call(self, inputs: Any, initial_state: Any = None, dtype: Any = None, sequence_length: Any = None) -> Any:
        """Run over a sequence.

        Args:
            inputs: `[time, batch, size]`, or a list of steps.
            initial_state: a pair `(c, h)`, each `[batch, num_units]`; zeros by default.
            dtype: the type of zeros to start with.
            sequence_length: ints, `[batch]`.

        Returns:
            The outputs of all steps, in the form of the inputs, and the final `LSTMStateTuple`.
        """
        is_list = isinstance(inputs, list)
        if is_list:
            inputs = array.stack(inputs)
        steps, batch, size = inputs.shape.with_rank(3).as_list()
        if not size:
            raise ValueError(f"Expecting inputs_shape[2] to be set: {inputs.shape}")
        batch = array.shape(inputs)[1] if batch is None else batch
        steps = array.shape(inputs)[0] if steps is None else steps
        if initial_state is None:
            if dtype is None:
                raise ValueError("Either initial_state or dtype needs to be specified")
            zeros = array.zeros(array.stack([batch, self.num_units]), dtype=dtype)
            initial_state = zeros, zeros
        else:
            if len(initial_state) != 2:
                raise ValueError("Expecting initial_state to be a tuple with length 2 or None")
            dtype = initial_state[0].dtype if dtype is None else dtype
        if sequence_length is not None:
            sequence_length = convert_to_tensor(sequence_length)
        first_cell_state, first_output = initial_state
        cell_states, outputs = self._call_cell(inputs, first_cell_state, first_output, dtype, sequence_length)
        if sequence_length is None:
            final_cell_state, final_output = cell_states[-1], outputs[-1]
        else:
            mask = array.transpose(array.sequence_mask(sequence_length, steps, dtype=dtype), [1, 0])
            mask = array.tile(array.expand_dims(mask, [-1]), [1, 1, self.num_units])
            outputs *= mask
            all_cell_states = array.concat([array.expand_dims(first_cell_state, [0]), cell_states], 0)
            all_outputs = array.concat([array.expand_dims(first_output, [0]), outputs], 0)
            final_cell_state = _last(all_cell_states, sequence_length, batch)
            final_output = _last(all_outputs, sequence_length, batch)
        if is_list:
            outputs = array.unstack(outputs)
        return outputs, LSTMStateTuple(final_cell_state, final_output)


def _last(data: Any, lengths: Any, batch: Any) -> Any:
    return array.gather_nd(data, array.stack([lengths, math.range(batch)], axis=1))


@public("contrib.rnn.LSTMBlockFusedCell")
class LSTMBlockFusedCell(LSTMBlockWrapper):
    """An LSTM over a whole sequence as one op. `LSTMBlockCell` has the arguments."""

    _kernel: Any
    _bias: Any
    _peepholes: Any

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        reuse: Any = None,
        dtype: Any = None,
        name: Any = "lstm_fused_cell",
    ) -> None:
        super().__init__(_reuse=reuse, name=name, dtype=dtype)
        self._num_units = num_units
        self._forget_bias = forget_bias
        self._cell_clip = -1 if cell_clip is None else cell_clip
        self._use_peephole = use_peephole
        self.input_spec = InputSpec(ndim=3)

    @property
    def num_units(self) -> int:
        return self._num_units

    def build(self, input_shape: Any) -> None:
        self._peepholes = None
        depth = TensorShape(input_shape).as_list()[2]
        assert depth is not None
        _add_lstm_variables(self, depth)
        self.built = True

    def _call_cell(
        self,
        inputs: Any,
        initial_cell_state: Any = None,
        initial_output: Any = None,
        dtype: Any = None,
        sequence_length: Any = None,
    ) -> Any:
        steps = inputs.shape.with_rank(3).as_list()[0]
        steps = array.shape(inputs)[0] if steps is None else steps
        peepholes = self._peepholes
        if peepholes is None:
            peepholes = (array.zeros([self._num_units], dtype=dtype),) * 3
        if sequence_length is None:
            longest = math.cast(steps, dtypes.int64)
        else:
            longest = math.cast(math.reduce_max(sequence_length), dtypes.int64)
        found = block_lstm(
            longest,
            inputs,
            initial_cell_state,
            initial_output,
            self._kernel,
            *peepholes,
            self._bias,
            forget_bias=self._forget_bias,
            cell_clip=self._cell_clip,
            use_peephole=self._use_peephole,
        )
        return found.cs, found.h


@public("contrib.rnn.GRUBlockCell")
class GRUBlockCell(LayerRNNCell):
    """The gated recurrent unit as one op a step.

    Args:
        num_units: the size of output and state.
        cell_size: an older name for `num_units`.
        reuse: whether to reuse the variables of the scope.
        name: the cell's name.
    """

    _names = ("w_ru", "b_ru", "w_c", "b_c")

    def __init__(
        self, num_units: int | None = None, cell_size: int | None = None, reuse: Any = None, name: Any = "gru_cell"
    ) -> None:
        super().__init__(_reuse=reuse, name=name)
        if (cell_size is None) == (num_units is None):
            raise ValueError("Exactly one of num_units or cell_size must be provided.")
        self._cell_size: Any = cell_size if num_units is None else num_units
        self.input_spec = InputSpec(ndim=2)

    @property
    def state_size(self) -> Any:
        return self._cell_size

    @property
    def output_size(self) -> Any:
        return self._cell_size

    def build(self, input_shape: Any) -> None:
        size = TensorShape(input_shape).as_list()[1]
        if size is None:
            raise ValueError("Expecting input_size to be set.")
        units = self._cell_size
        gate_kernel, gate_bias, kernel, bias = self._names
        self._gate_kernel = self.add_variable(gate_kernel, [size + units, units * 2])
        self._gate_bias = self.add_variable(gate_bias, [units * 2], initializer=initializers.Constant(1.0))
        self._candidate_kernel = self.add_variable(kernel, [size + units, units])
        self._candidate_bias = self.add_variable(bias, [units], initializer=initializers.Constant(0.0))
        self.built = True

    def call(self, inputs: Any, h_prev: Any) -> Any:
        size = h_prev.shape.with_rank(2)[1]
        if size != self._cell_size:
            raise ValueError(f"Shape of h_prev[1] incorrect: cell_size {self._cell_size} vs {size}")
        found = gru_block_cell(
            inputs, h_prev, self._gate_kernel, self._candidate_kernel, self._gate_bias, self._candidate_bias
        )
        return found.h, found.h


@public("contrib.rnn.GRUBlockCellV2")
class GRUBlockCellV2(GRUBlockCell):
    """`GRUBlockCell` whose variables are called as those of `GRUCell`."""

    _names = ("gates/kernel", "gates/bias", "candidate/kernel", "candidate/bias")
