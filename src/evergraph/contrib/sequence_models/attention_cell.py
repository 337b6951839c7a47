"""A cell that attends to a memory at each step."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from evergraph.contrib.sequence_models.attention import AttentionMechanism
from evergraph.framework import dtypes, nest
from evergraph.framework.api import public
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.shapes import TensorShape, dimension_value
from evergraph.framework.tensor import Tensor
from evergraph.layers.cells import RNNCell, check_is_cell, zero_state_tensors
from evergraph.layers.scoped_core import Dense
from evergraph.ops import array
from evergraph.ops.checks import assert_equal
from evergraph.ops.products import matmul
from evergraph.ops.shaping import ensure_shape
from evergraph.ops.tensor_array import TensorArray


@public("contrib.seq2seq.AttentionWrapperState")
class AttentionWrapperState(
    namedtuple(
        "AttentionWrapperState",
        ("cell_state", "attention", "time", "alignments", "alignment_history", "attention_state"),
    )
):
    """The state of an `AttentionWrapper`: the inner cell's, and what was attended to."""

    def clone(self, **kwargs: Any) -> AttentionWrapperState:
        """This with some parts replaced by others of the same shapes."""

        def same_shape(old: Any, new: Any) -> Any:
            if isinstance(old, Tensor) and isinstance(new, Tensor):
                if old.shape.is_fully_defined() and new.shape.is_fully_defined() and old.shape != new.shape:
                    raise ValueError(
                        "The shape of the AttentionWrapperState is expected to be same as the one to clone. "
                        f"self.shape: {old.shape}, input.shape: {new.shape}"
                    )
                if old is not new and not new.shape.is_fully_defined():
                    return ensure_shape(new, old.shape)
            return new

        return nest.map_structure(same_shape, self, self._replace(**kwargs))


def _attended(mechanism: Any, cell_output: Any, attention_state: Any, attention_layer: Any) -> Any:
    alignments, next_state = mechanism(cell_output, state=attention_state)
    context = matmul(array.expand_dims(alignments, 1), mechanism.values)
    context = array.squeeze(context, [1])
    if attention_layer is None:
        return context, alignments, next_state
    return attention_layer(array.concat([cell_output, context], 1)), alignments, next_state


_TILING = (
    "You may need to tile your {} via the tf.contrib.seq2seq.tile_batch function with argument multiple=beam_width."
)


@public("contrib.seq2seq.AttentionWrapper")
class AttentionWrapper(RNNCell):
    """A cell around a cell: at each step, attention to a memory, which goes into output and next input.

    Args:
        cell: the inner cell.
        attention_mechanism: an `AttentionMechanism`, or a list of several.
        attention_layer_size: the size of a layer over output and context, or a list of sizes; none by default.
        alignment_history: whether to keep the alignments of all steps in a `TensorArray`.
        cell_input_fn: a function of input and attention that gives the inner cell's input; by default both, side by
            side.
        output_attention: whether the output is the attention, or the inner cell's output.
        initial_cell_state: the state that `zero_state` gives the inner cell.
        name: the cell's name.
        attention_layer: a layer, or a list of layers, in place of `attention_layer_size`.
        attention_fn: a function of mechanism, output, state and layer, in place of the usual attention.
        dtype: the type of the variables.

    Raises:
        TypeError: if an argument is of another kind.
        ValueError: if the numbers of layers and mechanisms differ.
    """

    def __init__(
        self,
        cell: Any,
        attention_mechanism: Any,
        attention_layer_size: Any = None,
        alignment_history: bool = False,
        cell_input_fn: Any = None,
        output_attention: bool = True,
        initial_cell_state: Any = None,
        name: Any = None,
        attention_layer: Any = None,
        attention_fn: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        check_is_cell("cell", cell)
        self._is_multi = isinstance(attention_mechanism, list | tuple)
        mechanisms = tuple(attention_mechanism) if self._is_multi else (attention_mechanism,)
        for mechanism in mechanisms:
            if not isinstance(mechanism, AttentionMechanism):
                wanted = (
                    "contain only instances of AttentionMechanism"
                    if self._is_multi
                    else "be an AttentionMechanism or list of multiple AttentionMechanism instances"
                )
                raise TypeError(f"attention_mechanism must {wanted}, saw type: {type(mechanism).__name__}")
        if cell_input_fn is None:
            cell_input_fn = _side_by_side
        elif not callable(cell_input_fn):
            raise TypeError(f"cell_input_fn must be callable, saw type: {type(cell_input_fn).__name__}")
        self._set_layers(cell, mechanisms, attention_layer_size, attention_layer)
        self._attention_fn = _attended if attention_fn is None else attention_fn
        self._cell = cell
        self._attention_mechanisms = mechanisms
        self._cell_input_fn = cell_input_fn
        self._output_attention = output_attention
        self._alignment_history = alignment_history
        with name_scope(name, "AttentionWrapperInit"):
            self._initial_cell_state = None
            if initial_cell_state is not None:
                last = nest.flatten(initial_cell_state)[-1]
                batch = dimension_value(last.shape[0]) or array.shape(last)[0]
                self._initial_cell_state = self._checked(
                    initial_cell_state,
                    batch,
                    f"When constructing AttentionWrapper {self._base_name}",
                    "initial_cell_state",
                    _TILING.format("initial state"),
                    "check_initial_cell_state",
                )

    def _set_layers(self, cell: Any, mechanisms: Any, sizes: Any, layers: Any) -> None:
        if sizes is not None and layers is not None:
            raise ValueError("Only one of attention_layer_size and attention_layer should be set")
        self._attention_layers: Any = None
        if sizes is not None:
            sizes = tuple(sizes) if isinstance(sizes, list | tuple) else (sizes,)
            if len(sizes) != len(mechanisms):
                raise ValueError(
                    "If provided, attention_layer_size must contain exactly one integer per attention_mechanism, "
                    f"saw: {len(sizes)} vs {len(mechanisms)}"
                )
            self._attention_layers = tuple(
                Dense(size, name="attention_layer", use_bias=False, dtype=mechanism.dtype)
                for size, mechanism in zip(sizes, mechanisms, strict=True)
            )
            self._attention_layer_size = sum(sizes)
        elif layers is not None:
            self._attention_layers = tuple(layers) if isinstance(layers, list | tuple) else (layers,)
            if len(self._attention_layers) != len(mechanisms):
                raise ValueError(
                    "If provided, attention_layer must contain exactly one layer per attention_mechanism, "
                    f"saw: {len(self._attention_layers)} vs {len(mechanisms)}"
                )
            self._attention_layer_size = sum(
                dimension_value(
                    layer.compute_output_shape([None, cell.output_size + dimension_value(mechanism.values.shape[-1])])[
                        -1
                    ]
                )
                for layer, mechanism in zip(self._attention_layers, mechanisms, strict=True)
            )
        else:
            self._attention_layer_size = sum(dimension_value(m.values.shape[-1]) for m in mechanisms)

    def _checked(self, state: Any, batch: Any, when: str, what: str, advice: str, name: str) -> Any:
        """`state`, once the memory is found to have the same batch size."""
        message = (
            f"{when}: Non-matching batch sizes between the memory (encoder output) and {what}.  Are you using the "
            f"BeamSearchDecoder?  {advice}"
        )
        checks = [assert_equal(batch, m.batch_size, message=message) for m in self._attention_mechanisms]
        with control_dependencies(checks):
            return nest.map_structure(lambda s: array.identity(s, name=name), state)

    def _item_or_tuple(self, items: Any) -> Any:
        items = tuple(items)
        return items if self._is_multi else items[0]

    @property
    def output_size(self) -> Any:
        return self._attention_layer_size if self._output_attention else self._cell.output_size

    @property
    def state_size(self) -> Any:
        mechanisms = self._attention_mechanisms
        return AttentionWrapperState(
            cell_state=self._cell.state_size,
            time=TensorShape([]),
            attention=self._attention_layer_size,
            alignments=self._item_or_tuple(m.alignments_size for m in mechanisms),
            attention_state=self._item_or_tuple(m.state_size for m in mechanisms),
            alignment_history=self._item_or_tuple(
                m.alignments_size if self._alignment_history else () for m in mechanisms
            ),
        )

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        with name_scope(type(self).__name__ + "ZeroState", values=[batch_size]):
            cell_state = self._initial_cell_state
            if cell_state is None:
                cell_state = self._cell.get_initial_state(batch_size=batch_size, dtype=dtype)
            cell_state = self._checked(
                cell_state,
                batch_size,
                f"When calling zero_state of AttentionWrapper {self._base_name}",
                "the requested batch size",
                "If so, make sure your encoder output has been tiled to beam_width via tf.contrib.seq2seq.tile_batch, "
                "and the batch_size= argument passed to zero_state is batch_size * beam_width.",
                "checked_cell_state",
            )
            mechanisms = self._attention_mechanisms
            alignments = [m.initial_alignments(batch_size, dtype) for m in mechanisms]
            return AttentionWrapperState(
                cell_state=cell_state,
                time=array.zeros([], dtype=dtypes.int32),
                attention=zero_state_tensors(self._attention_layer_size, batch_size, dtype),
                alignments=self._item_or_tuple(alignments),
                attention_state=self._item_or_tuple(m.initial_state(batch_size, dtype) for m in mechanisms),
                alignment_history=self._item_or_tuple(
                    TensorArray(dtype, size=0, dynamic_size=True, element_shape=a.shape)
                    if self._alignment_history
                    else ()
                    for a in alignments
                ),
            )

    def call(self, inputs: Any, state: Any) -> Any:
        if not isinstance(state, AttentionWrapperState):
            raise TypeError(
                f"Expected state to be instance of AttentionWrapperState. Received type {type(state)} instead."
            )
        cell_output, cell_state = self._cell(self._cell_input_fn(inputs, state.attention), state.cell_state)
        batch = dimension_value(cell_output.shape[0]) or array.shape(cell_output)[0]
        cell_output = self._checked(
            cell_output,
            batch,
            f"When applying AttentionWrapper {self.name}",
            "the query (decoder output)",
            _TILING.format("memory input"),
            "checked_cell_output",
        )
        states, histories = state.attention_state, state.alignment_history
        if not self._is_multi:
            states, histories = [states], [histories]
        found = []
        for i, mechanism in enumerate(self._attention_mechanisms):
            attention, alignments, next_state = self._attention_fn(
                mechanism,
                cell_output,
                states[i],
                self._attention_layers[i] if self._attention_layers else None,
            )
            history = histories[i].write(state.time, alignments) if self._alignment_history else ()
            found.append((attention, alignments, next_state, history))
        attentions, all_alignments, next_states, next_histories = zip(*found, strict=True)
        attention = array.concat(list(attentions), 1)
        next_state = AttentionWrapperState(
            time=state.time + 1,
            cell_state=cell_state,
            attention=attention,
            attention_state=self._item_or_tuple(next_states),
            alignments=self._item_or_tuple(all_alignments),
            alignment_history=self._item_or_tuple(next_histories),
        )
        return (attention if self._output_attention else cell_output), next_state


def _side_by_side(inputs: Any, attention: Any) -> Any:
    return array.concat([inputs, attention], -1)
