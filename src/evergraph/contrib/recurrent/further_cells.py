"""Further cells: found by search (NAS), update gate only (UGRNN), convolutional LSTMs."""

from __future__ import annotations

from typing import Any

from evergraph.contrib.recurrent.linear import Linear
from evergraph.framework.api import public
from evergraph.framework.shapes import TensorShape
from evergraph.layers.cells import LayerRNNCell, RNNCell
from evergraph.layers.lstm_cells import LSTMStateTuple
from evergraph.ops import activations, array, initializers, math
from evergraph.ops.bias import bias_add
from evergraph.ops.convolution import conv1d, conv2d, conv3d
from evergraph.ops.products import matmul
from evergraph.ops.variable_scope import get_variable, get_variable_scope, variable_scope


@public("contrib.rnn.NASCell")
class NASCell(LayerRNNCell):
    """The cell that Zoph and Le's search found, 2017: https://arxiv.org/abs/1611.01578

    Args:
        num_units: the size of the cell state.
        num_proj: the size of the output, if it is projected.
        use_bias: whether there is a bias.
        reuse: whether to reuse the variables of the scope.
        **kwargs: options of all layers.
    """

    _NAS_BASE = 8

    def __init__(
        self, num_units: int, num_proj: int | None = None, use_bias: bool = False, reuse: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(_reuse=reuse, **kwargs)
        self._num_units = num_units
        self._num_proj = num_proj
        self._use_bias = use_bias
        self._reuse = reuse
        self._output_size = num_units if num_proj is None else num_proj

    @property
    def state_size(self) -> Any:
        return LSTMStateTuple(self._num_units, self._output_size)

    @property
    def output_size(self) -> Any:
        return self._output_size

    def build(self, inputs_shape: Any) -> None:
        size = TensorShape(inputs_shape).with_rank(2).as_list()[1]
        if size is None:
            raise ValueError("Could not infer input size from inputs.get_shape()[-1]")
        columns = self._NAS_BASE * self._num_units
        self.recurrent_kernel = self.add_variable("recurrent_kernel", [self._output_size, columns])
        self.kernel = self.add_variable("kernel", [size, columns])
        if self._use_bias:
            self.bias = self.add_variable("bias", shape=[columns], initializer=initializers.Zeros)
        if self._num_proj is not None:
            self.projection_weights = self.add_variable("projection_weights", [self._num_units, self._num_proj])
        self.built = True

    def call(self, inputs: Any, state: Any) -> Any:
        sigmoid, tanh, relu = math.sigmoid, math.tanh, activations.relu
        c_prev, m_prev = state
        from_state = matmul(m_prev, self.recurrent_kernel)
        from_input = matmul(inputs, self.kernel)
        if self._use_bias:
            from_state = bias_add(from_state, self.bias)
        m = array.split(axis=1, num_or_size_splits=self._NAS_BASE, value=from_state)
        x = array.split(axis=1, num_or_size_splits=self._NAS_BASE, value=from_input)
        first = [
            sigmoid(x[0] + m[0]),
            relu(x[1] + m[1]),
            sigmoid(x[2] + m[2]),
            relu(x[3] * m[3]),
            tanh(x[4] + m[4]),
            sigmoid(x[5] + m[5]),
            tanh(x[6] + m[6]),
            sigmoid(x[7] + m[7]),
        ]
        second = [
            tanh(first[0] * first[1]),
            tanh(first[2] + first[3]),
            tanh(first[4] * first[5]),
            sigmoid(first[6] + first[7]),
        ]
        new_c = tanh(second[0] + c_prev) * second[1]
        new_m = tanh(new_c * tanh(second[2] + second[3]))
        if self._num_proj is not None:
            new_m = matmul(new_m, self.projection_weights)
        return new_m, LSTMStateTuple(new_c, new_m)


@public("contrib.rnn.UGRNNCell")
class UGRNNCell(RNNCell):
    """A cell with an update gate alone (Collins et al., 2017).

    Args:
        num_units: the size of output and state.
        initializer: what the weights start with.
        forget_bias: added to the gate.
        activation: a function.
        reuse: whether to reuse the variables of the scope.
    """

    def __init__(
        self,
        num_units: int,
        initializer: Any = None,
        forget_bias: float = 1.0,
        activation: Any = math.tanh,
        reuse: Any = None,
    ) -> None:
        super().__init__(_reuse=reuse)
        self._num_units = num_units
        self._initializer = initializer
        self._forget_bias = forget_bias
        self._activation = activation
        self._reuse = reuse
        self._linear: Any = None

    @property
    def state_size(self) -> Any:
        return self._num_units

    @property
    def output_size(self) -> Any:
        return self._num_units

    def call(self, inputs: Any, state: Any) -> Any:
        if inputs.shape.with_rank(2).as_list()[1] is None:
            raise ValueError("Could not infer input size from inputs.get_shape()[-1]")
        with variable_scope(get_variable_scope(), initializer=self._initializer):
            joined = array.concat([inputs, state], 1)
            if self._linear is None:
                self._linear = Linear(joined, 2 * self._num_units, True)
            gate, candidate = array.split(axis=1, num_or_size_splits=2, value=self._linear(joined))
            c = self._activation(candidate)
            g = math.sigmoid(gate + self._forget_bias)
            new_state = g * state + (1.0 - g) * c
        return new_state, new_state


@public("contrib.rnn.ConvLSTMCell")
class ConvLSTMCell(RNNCell):
    """An LSTM whose states are images and whose products are convolutions (Shi et al., 2015).

    Args:
        conv_ndims: the number of spatial dimensions, 1 to 3.
        input_shape: the inputs' shape without the batch, `[*spatial, channels]`.
        output_channels: the number of the state's channels.
        kernel_shape: the filter's size, one int for each spatial dimension.
        use_bias: whether there is a bias.
        skip_connection: whether the inputs are part of the output.
        forget_bias: added to the forget gate.
        initializers: not used.
        name: the cell's name.
    """

    def __init__(
        self,
        conv_ndims: int,
        input_shape: Any,
        output_channels: int,
        kernel_shape: Any,
        use_bias: bool = True,
        skip_connection: bool = False,
        forget_bias: float = 1.0,
        initializers: Any = None,
        name: Any = "conv_lstm_cell",
    ) -> None:
        super().__init__(name=name)
        if conv_ndims != len(input_shape) - 1:
            raise ValueError(f"Invalid input_shape {input_shape} for conv_ndims={conv_ndims}.")
        self._conv_ndims = conv_ndims
        self._output_channels = output_channels
        self._kernel_shape = list(kernel_shape)
        self._use_bias = use_bias
        self._forget_bias = forget_bias
        self._skip_connection = skip_connection
        spatial = list(input_shape[:-1])
        total = output_channels + (input_shape[-1] if skip_connection else 0)
        self._state_shape = TensorShape([*spatial, output_channels])
        self._output_shape = TensorShape([*spatial, total])

    @property
    def state_size(self) -> Any:
        return LSTMStateTuple(self._state_shape, self._state_shape)

    @property
    def output_size(self) -> Any:
        return self._output_shape

    def call(self, inputs: Any, state: Any, scope: Any = None) -> Any:
        cell, hidden = state
        joined = _convolved([inputs, hidden], self._kernel_shape, 4 * self._output_channels, self._use_bias)
        i, j, f, o = array.split(value=joined, num_or_size_splits=4, axis=self._conv_ndims + 1)
        new_cell = math.sigmoid(f + self._forget_bias) * cell
        new_cell += math.sigmoid(i) * math.tanh(j)
        output = math.tanh(new_cell) * math.sigmoid(o)
        if self._skip_connection:
            output = array.concat([output, inputs], axis=-1)
        return output, LSTMStateTuple(new_cell, output)


def _convolved(args: list[Any], filter_size: list[int], features: int, bias: bool) -> Any:
    shapes = [a.shape.as_list() for a in args]
    rank = len(shapes[0])
    for shape in shapes:
        if len(shape) not in (3, 4, 5):
            raise ValueError(f"Conv Linear expects 3D, 4D or 5D arguments: {shapes}")
        if len(shape) != rank:
            raise ValueError(f"Conv Linear expects all args to be of same Dimension: {shapes}")
    dtype = args[0].dtype
    convolve: Any = {3: conv1d, 4: conv2d, 5: conv3d}[rank]
    depth = sum(shape[-1] for shape in shapes)
    kernel = get_variable("kernel", [*filter_size, depth, features], dtype=dtype)
    joined = args[0] if len(args) == 1 else array.concat(axis=rank - 1, values=args)
    result = convolve(joined, kernel, 1 if rank == 3 else rank * [1], padding="SAME")
    if not bias:
        return result
    return result + get_variable("biases", [features], dtype=dtype, initializer=initializers.Constant(0.0, dtype=dtype))


def _of_dimensions(n: int) -> Any:
    def __init__(self: Any, name: str = f"conv_{n}d_lstm_cell", **kwargs: Any) -> None:
        ConvLSTMCell.__init__(self, conv_ndims=n, name=name, **kwargs)

    made = type(
        f"Conv{n}DLSTMCell",
        (ConvLSTMCell,),
        {"__init__": __init__, "__doc__": f"`ConvLSTMCell` over {n} spatial dimension{'s' * (n > 1)}."},
    )
    return public(f"contrib.rnn.Conv{n}DLSTMCell")(made)


Conv1DLSTMCell = _of_dimensions(1)
Conv2DLSTMCell = _of_dimensions(2)
Conv3DLSTMCell = _of_dimensions(3)
