"""Several cells as one: each step's output is the next one's input."""

from __future__ import annotations

import logging
from typing import Any

from evergraph.framework import nest
from evergraph.framework.api import public
from evergraph.framework.scopes import name_scope
from evergraph.layers.cells import RNNCell
from evergraph.layers.layer import Layer
from evergraph.ops import array
from evergraph.ops.variable_scope import variable_scope

_log = logging.getLogger("tensorflow")


@public("nn.rnn_cell.MultiRNNCell")
class MultiRNNCell(RNNCell):
    """A stack of cells.

    Args:
        cells: the cells, the one that gets the input first.
        state_is_tuple: whether the state is a tuple of the cells' states, or these side by side in one tensor.

    Raises:
        ValueError: if there are no cells, or one whose state is a tuple while `state_is_tuple` is False.
        TypeError: if `cells` is no list or tuple.
    """

    def __init__(self, cells: Any, state_is_tuple: bool = True) -> None:
        super().__init__()
        if not cells:
            raise ValueError("Must specify at least one cell for MultiRNNCell.")
        if not nest.is_nested(cells):
            raise TypeError(f"cells must be a list or tuple, but saw: {cells}.")
        if len({id(cell) for cell in cells}) < len(cells):
            _log.warning("At least two cells provided to MultiRNNCell are the same object and will share weights.")
        for i, cell in enumerate(cells):
            if hasattr(cell, "_checkpoint_dependencies"):
                self._track_trackable(cell, f"cell-{i}")
        self._cells = cells
        self._state_is_tuple = state_is_tuple
        if not state_is_tuple and any(nest.is_nested(cell.state_size) for cell in cells):
            raise ValueError(
                "Some cells return tuples of states, but the flag state_is_tuple is not set.  State sizes are: "
                f"{[cell.state_size for cell in cells]}"
            )

    @property
    def state_size(self) -> Any:
        sizes = tuple(cell.state_size for cell in self._cells)
        return sizes if self._state_is_tuple else sum(sizes)

    @property
    def output_size(self) -> Any:
        return self._cells[-1].output_size

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        with name_scope(type(self).__name__ + "ZeroState", values=[batch_size]):
            if self._state_is_tuple:
                return tuple(cell.zero_state(batch_size, dtype) for cell in self._cells)
            return super().zero_state(batch_size, dtype)

    def _weights_of_cells(self, attribute: str) -> list[Any]:
        return [v for cell in self._cells if isinstance(cell, Layer) for v in getattr(cell, attribute)]

    @property
    def trainable_weights(self) -> list[Any]:
        return self._weights_of_cells("trainable_weights") if self.trainable else []

    @property
    def non_trainable_weights(self) -> list[Any]:
        weights = self._weights_of_cells("non_trainable_weights")
        return weights if self.trainable else self._weights_of_cells("trainable_weights") + weights

    def call(self, inputs: Any, state: Any) -> Any:
        position = 0
        output = inputs
        new_states = []
        for i, cell in enumerate(self._cells):
            with variable_scope(f"cell_{i}"):
                if self._state_is_tuple:
                    if not nest.is_nested(state):
                        raise ValueError(
                            f"Expected state to be a tuple of length {len(self.state_size)}, but received: {state}"
                        )
                    own_state = state[i]
                else:
                    own_state = array.slice(state, [0, position], [-1, cell.state_size])
                    position += cell.state_size
                output, new_state = cell(output, own_state)
                new_states.append(new_state)
        return output, tuple(new_states) if self._state_is_tuple else array.concat(new_states, 1)
