"""Recurrent cells: one step of a recurrent network, from an input and a state to an output and a new state.

`RNNCell` is what all are; here too are the plain cell and the gated one (GRU). A cell's state may be a tensor or any
structure of tensors; `state_size` has the same structure and says their sizes without the batch.
"""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes, nest, shapes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor, is_tensor_like
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.layers.input_spec import InputSpec
from evergraph.layers.named import activation_of, described, initializer_of
from evergraph.layers.scoped_layer import ScopedLayer
from evergraph.ops import array, initializers, math
from evergraph.ops.bias import bias_add
from evergraph.ops.constant import constant
from evergraph.ops.opdef import constant_value
from evergraph.ops.partitioned import PartitionedVariable
from evergraph.ops.products import matmul
from evergraph.ops.variable_scope import get_variable_scope, variable_scope
from evergraph.ops.variables import trainable_variables


def check_is_cell(name: str, cell: Any) -> None:
    """Raise TypeError unless `cell` has what a recurrent cell has."""
    missing = []
    if not _has(cell, "output_size"):
        missing.append("'output_size' property is missing")
    if not _has(cell, "state_size"):
        missing.append("'state_size' property is missing")
    if not (_has(cell, "get_initial_state") or _has(cell, "zero_state")):
        missing.append("either 'zero_state' or 'get_initial_state' method is required")
    if not callable(cell):
        missing.append("is not callable")
    if missing:
        raise TypeError(f"The argument {name!r} ({cell}) is not an RNNCell: {', '.join(missing)}.")


def _has(thing: Any, attribute: str) -> bool:
    try:
        getattr(thing, attribute)
    except AttributeError:
        return False
    return True


def joined_shape(prefix: Any, suffix: Any) -> Tensor:
    """The shape `prefix + suffix` as a tensor; each is a size, a shape, or a tensor of one."""
    first, second = _shape_tensor(prefix, "prefix"), _shape_tensor(suffix, "suffix")
    if first is None or second is None:
        raise ValueError(f"Provided a prefix or suffix of None: {prefix} and {suffix}")
    return array.concat((first, second), 0)


def _shape_tensor(given: Any, what: str) -> Any:
    if isinstance(given, Tensor):
        if given.shape.rank == 0:
            return array.expand_dims(given, 0)
        if given.shape.rank != 1:
            raise ValueError(f"{what} tensor must be either a scalar or vector, but saw tensor: {given}")
        return given
    shape = shapes.as_shape(given)
    return constant(shape.as_list(), dtype=dtypes.int32) if shape.is_fully_defined() else None


def joined_static_shape(prefix: Any, suffix: Any) -> Any:
    """The shape `prefix + suffix` as far as it is known: a list, or None. A tensor must be checked as before."""
    parts = []
    for given, what in ((prefix, "prefix"), (suffix, "suffix")):
        _shape_tensor(given, what)  # TF adds these ops here too
        if isinstance(given, Tensor):
            known = constant_value(given)
            parts.append(shapes.TensorShape(None) if known is None else shapes.as_shape(known.tolist()))
        else:
            parts.append(shapes.as_shape(given))
    joined = parts[0].concatenate(parts[1])
    return None if joined.rank is None else joined.as_list()


def zero_state_tensors(state_size: Any, batch_size: Any, dtype: Any) -> Any:
    """Zeros of the structure `state_size`, each of shape `[batch_size, size]`."""

    def zeros(size: Any) -> Tensor:
        made = array.zeros(joined_shape(batch_size, size), dtype=dtype)
        made.set_shape(joined_static_shape(batch_size, size))
        return made

    return nest.map_structure(zeros, state_size)


@public("nn.rnn_cell.RNNCell")
class RNNCell(ScopedLayer):
    """What all recurrent cells are: called as `cell(inputs, state)`, it gives `(output, new_state)`.

    A subclass defines `state_size`, `output_size` and `call(inputs, state)`, and may define `build(inputs_shape)`.
    """

    def __init__(self, trainable: bool = True, name: Any = None, dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(trainable=trainable, name=name, dtype=dtype, **kwargs)
        self._is_tf_rnn_cell = True

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:
        """One step.

        Args:
            inputs: shape `[batch, input size]`.
            state: of the structure of `state_size`, each of shape `[batch, size]`.
            scope: a variable scope for the cell's variables.

        Returns:
            The output, `[batch, output size]`, and the new state.
        """
        if scope is not None:
            with variable_scope(scope, custom_getter=self._rnn_get_variable) as entered:
                return super().__call__(inputs, state, scope=entered)
        opened = getattr(self, "rnncell_scope", None)
        if opened is None:
            opened = self.rnncell_scope = variable_scope(get_variable_scope(), custom_getter=self._rnn_get_variable)
        with opened:
            return super().__call__(inputs, state)

    def _rnn_get_variable(self, getter: Any, *args: Any, **kwargs: Any) -> Any:
        variable = getter(*args, **kwargs)
        first = next(iter(variable)) if isinstance(variable, PartitionedVariable) else variable
        is_trained = any(first is v for v in trainable_variables())
        weights = self._trainable_weights if is_trained else self._non_trainable_weights
        if all(variable is not v for v in weights):
            weights.append(variable)
        return variable

    @property
    def state_size(self) -> Any:
        """The sizes of the state's tensors without the batch: ints or shapes, in the state's structure."""
        raise NotImplementedError("Abstract method")

    @property
    def output_size(self) -> Any:
        """The size of the output without the batch."""
        raise NotImplementedError("Abstract method")

    def build(self, _: Any) -> None:
        pass

    def get_initial_state(self, inputs: Any = None, batch_size: Any = None, dtype: Any = None) -> Any:
        """The state to start with: zeros.

        Args:
            inputs: the inputs to take batch size and type from.
            batch_size: the batch size, else.
            dtype: the type, else.

        Raises:
            ValueError: if neither is given, or they contradict each other.
        """
        if inputs is not None:
            inputs = convert_to_tensor(inputs, name="inputs")
            own = inputs.shape.as_list()[0]
            if batch_size is not None:
                static = batch_size
                if is_tensor_like(batch_size):
                    known = constant_value(batch_size)
                    static = None if known is None else int(known)
                if own != static:
                    raise ValueError(
                        "batch size from input tensor is different from the input param. Input tensor batch: "
                        f"{own}, batch_size: {batch_size}"
                    )
            if dtype is not None and inputs.dtype != dtype:
                raise ValueError(
                    "dtype from input tensor is different from the input param. Input tensor dtype: "
                    f"{inputs.dtype}, dtype: {dtype}"
                )
            batch_size = own or array.shape(inputs)[0]
            dtype = inputs.dtype
        if batch_size is None or dtype is None:
            raise ValueError(
                "batch_size and dtype cannot be None while constructing initial state: "
                f"batch_size={batch_size}, dtype={dtype}"
            )
        return self.zero_state(batch_size, dtype)

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """Zeros in the state's structure, each of shape `[batch_size, size]`."""
        with name_scope(type(self).__name__ + "ZeroState", values=[batch_size]):
            return zero_state_tensors(self.state_size, batch_size, dtype)

    def get_config(self) -> dict[str, Any]:
        return super().get_config()


class LayerRNNCell(RNNCell):
    """A cell whose variables are a layer's: made in `build`, in a scope named after the cell."""

    def __call__(self, inputs: Any, state: Any, scope: Any = None, *args: Any, **kwargs: Any) -> Any:
        return ScopedLayer.__call__(self, inputs, state, *args, scope=scope, **kwargs)


def input_depth(inputs_shape: Any) -> int:
    """The size of the inputs' last axis.

    Raises:
        ValueError: if it is unknown.
    """
    depth = shapes.as_shape(inputs_shape).as_list()[-1]
    if depth is None:
        raise ValueError(f"Expected inputs.shape[-1] to be known, saw shape: {inputs_shape}")
    return depth


def check_types(values: Any) -> None:
    """Raise ValueError unless all tensors are floats or complex numbers."""
    for t in nest.flatten(values):
        check_type(t.dtype)


def check_type(dtype: Any) -> None:
    if dtype is not None:
        kind = dtypes.as_dtype(dtype)
        if not (kind.is_floating or kind.is_complex):
            raise ValueError(f"RNN cell only supports floating point inputs, but saw dtype: {kind}")


@public("nn.rnn_cell.BasicRNNCell")
class BasicRNNCell(LayerRNNCell):
    """The plain cell: `output = new_state = activation(W * [input, state] + b)`.

    Args:
        num_units: the size of output and state.
        activation: a function, or its name; tanh by default.
        reuse: whether to reuse the variables of the scope.
        name: the cell's name.
        dtype: the type of the variables.
        **kwargs: options of all layers.
    """

    def __init__(
        self,
        num_units: int,
        activation: Any = None,
        reuse: Any = None,
        name: Any = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **kwargs)
        check_type(self.dtype)
        self.input_spec = InputSpec(ndim=2)
        self._num_units = num_units
        self._activation = activation_of(activation) if activation else math.tanh

    @property
    def state_size(self) -> Any:
        return self._num_units

    @property
    def output_size(self) -> Any:
        return self._num_units

    def build(self, inputs_shape: Any) -> None:
        depth = input_depth(inputs_shape)
        check_type(self.dtype)
        self._kernel = self.add_variable("kernel", shape=[depth + self._num_units, self._num_units])
        self._bias = self.add_variable(
            "bias", shape=[self._num_units], initializer=initializers.Zeros(dtype=self.dtype or dtypes.float32)
        )
        self.built = True

    def call(self, inputs: Any, state: Any) -> Any:
        check_types([inputs, state])
        gates = matmul(array.concat([inputs, state], 1), self._kernel)
        output = self._activation(bias_add(gates, self._bias))
        return output, output

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "num_units": self._num_units,
            "activation": described(self._activation),
            "reuse": self._reuse,
        }


@public("nn.rnn_cell.GRUCell")
class GRUCell(LayerRNNCell):
    """The gated recurrent unit of Cho et al., 2014: https://arxiv.org/abs/1406.1078

    Args:
        num_units: the size of output and state.
        activation: a function, or its name; tanh by default.
        reuse: whether to reuse the variables of the scope.
        kernel_initializer: what the weights start with.
        bias_initializer: what the biases start with; by default 1 for the gates, 0 for the candidate.
        name: the cell's name.
        dtype: the type of the variables.
        **kwargs: options of all layers.
    """

    def __init__(
        self,
        num_units: int,
        activation: Any = None,
        reuse: Any = None,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        name: Any = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **kwargs)
        check_type(self.dtype)
        self.input_spec = InputSpec(ndim=2)
        self._num_units = num_units
        self._activation = activation_of(activation) if activation else math.tanh
        self._kernel_initializer = initializer_of(kernel_initializer)
        self._bias_initializer = initializer_of(bias_initializer)

    @property
    def state_size(self) -> Any:
        return self._num_units

    @property
    def output_size(self) -> Any:
        return self._num_units

    def build(self, inputs_shape: Any) -> None:
        rows = input_depth(inputs_shape) + self._num_units
        check_type(self.dtype)
        dtype = self.dtype or dtypes.float32
        given = self._bias_initializer
        self._gate_kernel = self.add_variable(
            "gates/kernel", shape=[rows, 2 * self._num_units], initializer=self._kernel_initializer
        )
        self._gate_bias = self.add_variable(
            "gates/bias",
            shape=[2 * self._num_units],
            initializer=initializers.Constant(1.0, dtype=dtype) if given is None else given,
        )
        self._candidate_kernel = self.add_variable(
            "candidate/kernel", shape=[rows, self._num_units], initializer=self._kernel_initializer
        )
        self._candidate_bias = self.add_variable(
            "candidate/bias",
            shape=[self._num_units],
            initializer=initializers.Zeros(dtype=dtype) if given is None else given,
        )
        self.built = True

    def call(self, inputs: Any, state: Any) -> Any:
        check_types([inputs, state])
        gates = bias_add(matmul(array.concat([inputs, state], 1), self._gate_kernel), self._gate_bias)
        r, u = array.split(value=math.sigmoid(gates), num_or_size_splits=2, axis=1)
        candidate = matmul(array.concat([inputs, r * state], 1), self._candidate_kernel)
        c = self._activation(bias_add(candidate, self._candidate_bias))
        new_h = u * state + (1 - u) * c
        return new_h, new_h

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "num_units": self._num_units,
            "kernel_initializer": described(self._kernel_initializer),
            "bias_initializer": described(self._bias_initializer),
            "activation": described(self._activation),
            "reuse": self._reuse,
        }
