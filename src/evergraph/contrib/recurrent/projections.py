"""Cells around a cell: an embedding before it, a projection before or after it, a highway beside it."""

from __future__ import annotations

import logging
import math as numbers
from typing import Any

from evergraph.contrib.recurrent.linear import Linear
from evergraph.framework import nest
from evergraph.framework.api import public
from evergraph.framework.scopes import device, name_scope
from evergraph.layers.cells import RNNCell, check_is_cell
from evergraph.ops import array, initializers, math
from evergraph.ops.bias import xw_plus_b
from evergraph.ops.embedding import embedding_lookup
from evergraph.ops.variable_scope import get_variable, get_variable_scope

_log = logging.getLogger("tensorflow")


class _Around(RNNCell):
    _cell: Any

    @property
    def state_size(self) -> Any:
        return self._cell.state_size

    @property
    def output_size(self) -> Any:
        return self._cell.output_size

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        with name_scope(type(self).__name__ + "ZeroState", values=[batch_size]):
            return self._cell.zero_state(batch_size, dtype)


@public("contrib.rnn.EmbeddingWrapper")
class EmbeddingWrapper(_Around):
    """A cell whose inputs are ids, `[batch, 1]`, looked up in a table of variables.

    Args:
        cell: the cell.
        embedding_classes: how many ids there are.
        embedding_size: the size of their vectors.
        initializer: what the table starts with; by default the scope's, or uniform numbers of variance 1.
        reuse: whether to reuse the variables of the scope.
    """

    def __init__(
        self, cell: Any, embedding_classes: int, embedding_size: int, initializer: Any = None, reuse: Any = None
    ) -> None:
        super().__init__(_reuse=reuse)
        check_is_cell("cell", cell)
        if embedding_classes <= 0 or embedding_size <= 0:
            raise ValueError(
                f"Both embedding_classes and embedding_size must be > 0: {embedding_classes}, {embedding_size}."
            )
        self._cell = cell
        self._embedding_classes = embedding_classes
        self._embedding_size = embedding_size
        self._initializer = initializer

    def call(self, inputs: Any, state: Any) -> Any:
        with device("/cpu:0"):
            initializer = self._initializer or get_variable_scope().initializer
            if not initializer:
                limit = numbers.sqrt(3)
                initializer = initializers.RandomUniform(-limit, limit)
            table = get_variable(
                "embedding",
                [self._embedding_classes, self._embedding_size],
                initializer=initializer,
                dtype=(state[0] if isinstance(state, tuple) else state).dtype,
            )
            embedded = embedding_lookup(table, array.reshape(inputs, [-1]))
            return self._cell(embedded, state)


@public("contrib.rnn.InputProjectionWrapper")
class InputProjectionWrapper(_Around):
    """A cell whose inputs are projected first.

    Args:
        cell: the cell.
        num_proj: the size to project to.
        activation: a function of the projection.
        input_size: not used.
        reuse: whether to reuse the variables of the scope.
    """

    def __init__(
        self, cell: Any, num_proj: int, activation: Any = None, input_size: Any = None, reuse: Any = None
    ) -> None:
        super().__init__(_reuse=reuse)
        if input_size is not None:
            _log.warning("%s: The input_size parameter is deprecated.", self)
        check_is_cell("cell", cell)
        self._cell = cell
        self._num_proj = num_proj
        self._activation = activation
        self._linear: Any = None

    def call(self, inputs: Any, state: Any) -> Any:
        if self._linear is None:
            self._linear = Linear(inputs, self._num_proj, True)
        projected = self._linear(inputs)
        if self._activation:
            projected = self._activation(projected)
        return self._cell(projected, state)


@public("contrib.rnn.OutputProjectionWrapper")
class OutputProjectionWrapper(_Around):
    """A cell whose outputs are projected.

    Args:
        cell: the cell.
        output_size: the size to project to.
        activation: a function of the projection.
        reuse: whether to reuse the variables of the scope.
    """

    def __init__(self, cell: Any, output_size: int, activation: Any = None, reuse: Any = None) -> None:
        super().__init__(_reuse=reuse)
        check_is_cell("cell", cell)
        if output_size < 1:
            raise ValueError(f"Parameter output_size must be > 0: {output_size}.")
        self._cell = cell
        self._output_size = output_size
        self._activation = activation
        self._linear: Any = None

    @property
    def output_size(self) -> Any:
        return self._output_size

    def call(self, inputs: Any, state: Any) -> Any:
        output, new_state = self._cell(inputs, state)
        if self._linear is None:
            self._linear = Linear(output, self._output_size, True)
        projected = self._linear(output)
        if self._activation:
            projected = self._activation(projected)
        return projected, new_state


@public("contrib.rnn.HighwayWrapper")
class HighwayWrapper(_Around):
    """A cell's output mixed with its input by a gate (Srivastava et al., 2015).

    Args:
        cell: the cell.
        couple_carry_transform_gates: whether the output's share is what the input's leaves.
        carry_bias_init: what the gate's bias starts with.
    """

    def __init__(self, cell: Any, couple_carry_transform_gates: bool = True, carry_bias_init: float = 1.0) -> None:
        self._cell = cell
        self._couple_carry_transform_gates = couple_carry_transform_gates
        self._carry_bias_init = carry_bias_init

    def _highway(self, inp: Any, out: Any) -> Any:
        size = inp.shape.with_rank(2).as_list()[1]

        def gate(name: str, bias: float) -> Any:
            weights = get_variable(f"{name}_w", [size, size])
            biases = get_variable(f"{name}_b", [size], initializer=initializers.Constant(bias))
            return math.sigmoid(xw_plus_b(inp, weights, biases))

        carry = gate("carry", self._carry_bias_init)
        if self._couple_carry_transform_gates:
            transform = 1 - carry
        else:
            transform = gate("transform", -self._carry_bias_init)
        return inp * carry + out * transform

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:
        outputs, new_state = self._cell(inputs, state, scope=scope)
        nest.assert_same_structure(inputs, outputs)
        nest.map_structure(lambda x, y: x.shape.assert_is_compatible_with(y.shape), inputs, outputs)
        return nest.map_structure(self._highway, inputs, outputs), new_state
