"""Cells around cells: dropout on what goes in and out, a residual connection, a device."""

from __future__ import annotations

import hashlib
import numbers
from collections.abc import Callable
from typing import Any

from evergraph.framework import nest
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import device, name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.layers.cells import RNNCell, check_is_cell
from evergraph.layers.lstm_cells import LSTMStateTuple
from evergraph.ops import array, math
from evergraph.ops.dropout import dropout
from evergraph.ops.opdef import constant_value
from evergraph.ops.random import random_uniform
from evergraph.ops.tensor_array import TensorArray


class CellWrapper(RNNCell):
    """What all cells around a cell are: sizes and zeros are the inner cell's."""

    def __init__(self, cell: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        check_is_cell("cell", cell)
        self.cell = cell
        if hasattr(cell, "_checkpoint_dependencies"):
            self._track_trackable(cell, "cell")

    @property
    def wrapped_cell(self) -> Any:
        """The inner cell."""
        return self.cell

    @property
    def state_size(self) -> Any:
        return self.cell.state_size

    @property
    def output_size(self) -> Any:
        return self.cell.output_size

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        with name_scope(type(self).__name__ + "ZeroState", values=[batch_size]):
            return self.cell.zero_state(batch_size, dtype)

    def _call_wrapped_cell(self, inputs: Any, state: Any, cell_call_fn: Callable[..., Any], **kwargs: Any) -> Any:
        raise NotImplementedError

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:
        return self._call_wrapped_cell(inputs, state, cell_call_fn=self.cell.__call__, scope=scope)

    def get_config(self) -> dict[str, Any]:
        inner = {"class_name": type(self.cell).__name__, "config": self.cell.get_config()}
        return super().get_config() | {"cell": inner}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The wrapper that `get_config` described, with a cell in place of its description.

        Raises:
            ValueError: if there is no cell in the description.
        """
        config = dict(config)
        cell = config.pop("cell")
        try:
            check_is_cell("cell", cell)
        except TypeError:
            raise ValueError(
                "RNNCellWrapper cannot reconstruct the wrapped cell. Please overwrite the cell in the config with a "
                "RNNCell instance."
            ) from None
        return cls(cell, **config)


def _is_dropped_by_default(substate: Any) -> Any:
    if isinstance(substate, LSTMStateTuple):
        return LSTMStateTuple(c=False, h=True)  # a cell state forgets by its own gate
    return not isinstance(substate, TensorArray)


def _numbered_map_up_to(shallow: Any, function: Callable[..., Any], *structures: Any) -> Any:
    """`map_structure_up_to` with the element's number as the first argument."""
    count = iter(range(1_000_000))
    return nest.map_structure_up_to(shallow, lambda *items: function(next(count), *items), *structures)


@public("nn.rnn_cell.DropoutWrapper")
class DropoutWrapper(CellWrapper):
    """Dropout on a cell's inputs, outputs and state.

    Args:
        cell: the cell.
        input_keep_prob: the probability to keep an input, a number or a scalar tensor.
        output_keep_prob: the probability to keep an output.
        state_keep_prob: the probability to keep an element of the state.
        variational_recurrent: use one choice for all steps (Gal and Ghahramani, https://arxiv.org/abs/1512.05287).
        input_size: the inputs' size; needed for that if inputs are dropped.
        dtype: the type of inputs, outputs and states; needed for that.
        seed: a seed that those of the ops follow from.
        dropout_state_filter_visitor: a function of a part of the state that says whether it may be dropped; by
            default all but the cell state of an LSTM.
        **kwargs: options of all layers.
    """

    def __init__(
        self,
        cell: Any,
        input_keep_prob: Any = 1.0,
        output_keep_prob: Any = 1.0,
        state_keep_prob: Any = 1.0,
        variational_recurrent: bool = False,
        input_size: Any = None,
        dtype: Any = None,
        seed: int | None = None,
        dropout_state_filter_visitor: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(cell, dtype=dtype, **kwargs)
        if dropout_state_filter_visitor is not None and not callable(dropout_state_filter_visitor):
            raise TypeError("dropout_state_filter_visitor must be callable")
        self._dropout_state_filter = dropout_state_filter_visitor or _is_dropped_by_default
        with name_scope("DropoutWrapperInit"):
            self._input_keep_prob = _probability("input_keep_prob", input_keep_prob)
            self._state_keep_prob = _probability("state_keep_prob", state_keep_prob)
            self._output_keep_prob = _probability("output_keep_prob", output_keep_prob)
        self._variational_recurrent = variational_recurrent
        self._input_size = input_size
        self._seed = seed
        self._recurrent_input_noise = None
        self._recurrent_state_noise = None
        self._recurrent_output_noise = None
        if variational_recurrent:
            if dtype is None:
                raise ValueError("When variational_recurrent=True, dtype must be provided")
            self._draw_noise(cell, input_size, dtype)

    def _draw_noise(self, cell: Any, input_size: Any, dtype: Any) -> None:
        def noise_of(what: str, sizes: Any) -> Any:
            def noise(i: int, size: Any) -> Tensor:
                shape = array.concat(([1], TensorShape(size).as_list()), 0)
                return random_uniform(shape, seed=self._gen_seed(what, i), dtype=dtype)

            return _numbered_map_up_to(sizes, noise, sizes)

        if not isinstance(self._input_keep_prob, numbers.Real) or self._input_keep_prob < 1.0:
            if input_size is None:
                raise ValueError(
                    "When variational_recurrent=True and input_keep_prob < 1.0 or is unknown, input_size must be "
                    "provided"
                )
            self._recurrent_input_noise = noise_of("input", input_size)
        self._recurrent_state_noise = noise_of("state", cell.state_size)
        self._recurrent_output_noise = noise_of("output", cell.output_size)

    def _gen_seed(self, salt_prefix: str, index: int) -> int | None:
        if self._seed is None:
            return None
        salted = f"{self._seed}{salt_prefix}_{index}".encode()
        return int(hashlib.md5(salted).hexdigest()[:8], 16) & 0x7FFFFFFF

    def _variational_recurrent_dropout_value(self, unused_index: int, value: Any, noise: Any, keep_prob: Any) -> Tensor:
        kept = math.floor(keep_prob + noise)
        result = math.div(value, keep_prob) * kept
        result.set_shape(value.shape)
        return result

    def _dropout(self, values: Any, salt_prefix: str, recurrent_noise: Any, keep_prob: Any, which: Any = None) -> Any:
        which = values if which is None else which

        def dropped(i: int, wanted: Any, value: Any, *noise: Any) -> Any:
            if isinstance(wanted, bool) and not wanted:
                return value
            if noise:
                return self._variational_recurrent_dropout_value(i, value, noise[0], keep_prob)
            return dropout(value, rate=1.0 - keep_prob, seed=self._gen_seed(salt_prefix, i))

        noise = (recurrent_noise,) if self._variational_recurrent else ()
        return _numbered_map_up_to(which, dropped, which, values, *noise)

    def _call_wrapped_cell(self, inputs: Any, state: Any, cell_call_fn: Callable[..., Any], **kwargs: Any) -> Any:
        def is_dropped(probability: Any) -> bool:
            return not isinstance(probability, float) or probability < 1

        if is_dropped(self._input_keep_prob):
            inputs = self._dropout(inputs, "input", self._recurrent_input_noise, self._input_keep_prob)
        output, new_state = cell_call_fn(inputs, state, **kwargs)
        if is_dropped(self._state_keep_prob):
            which = nest.get_traverse_shallow_structure(self._dropout_state_filter, new_state)
            new_state = self._dropout(new_state, "state", self._recurrent_state_noise, self._state_keep_prob, which)
        if is_dropped(self._output_keep_prob):
            output = self._dropout(output, "output", self._recurrent_output_noise, self._output_keep_prob)
        return output, new_state

    def get_config(self) -> dict[str, Any]:
        config = super().get_config() | {
            "input_keep_prob": self._input_keep_prob,
            "output_keep_prob": self._output_keep_prob,
            "state_keep_prob": self._state_keep_prob,
            "variational_recurrent": self._variational_recurrent,
            "input_size": self._input_size,
            "seed": self._seed,
        }
        if self._dropout_state_filter is not _is_dropped_by_default:
            config["dropout_state_filter_visitor"] = self._dropout_state_filter
        return config


def _probability(name: str, value: Any) -> Any:
    """A probability as a float if it is known, else as a tensor."""
    tensor = convert_to_tensor(value)
    known = constant_value(tensor)
    if known is None:
        return tensor
    if not 0 <= known <= 1:
        raise ValueError(f"Parameter {name} must be between 0 and 1: {int(known)}")
    return float(known)


@public("nn.rnn_cell.ResidualWrapper")
class ResidualWrapper(CellWrapper):
    """A cell's output, plus its input.

    Args:
        cell: the cell.
        residual_fn: a function of inputs and outputs that gives the result, in place of their sum.
        **kwargs: options of all layers.
    """

    def __init__(self, cell: Any, residual_fn: Any = None, **kwargs: Any) -> None:
        super().__init__(cell, **kwargs)
        self._residual_fn = residual_fn

    def _call_wrapped_cell(self, inputs: Any, state: Any, cell_call_fn: Callable[..., Any], **kwargs: Any) -> Any:
        outputs, new_state = cell_call_fn(inputs, state, **kwargs)
        return (self._residual_fn or _sum)(inputs, outputs), new_state

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if self._residual_fn is not None:
            config["residual_fn"] = self._residual_fn
        return config


def _sum(inputs: Any, outputs: Any) -> Any:
    nest.assert_same_structure(inputs, outputs)
    nest.map_structure(lambda x, y: x.shape.assert_is_compatible_with(y.shape), inputs, outputs)
    return nest.map_structure(lambda x, y: x + y, inputs, outputs)


@public("nn.rnn_cell.DeviceWrapper")
class DeviceWrapper(CellWrapper):
    """A cell whose ops are placed on a device.

    Args:
        cell: the cell.
        device: the device, as for `tf.device`.
        **kwargs: options of all layers.
    """

    def __init__(self, cell: Any, device: Any, **kwargs: Any) -> None:
        super().__init__(cell, **kwargs)
        self._device = device

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        with name_scope(type(self).__name__ + "ZeroState", values=[batch_size]), device(self._device):
            return self.cell.zero_state(batch_size, dtype)

    def _call_wrapped_cell(self, inputs: Any, state: Any, cell_call_fn: Callable[..., Any], **kwargs: Any) -> Any:
        with device(self._device):
            return cell_call_fn(inputs, state, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"device": self._device}
