"""What `tf.contrib.rnn` has from `tf.nn`."""

from __future__ import annotations

import evergraph.layers.cell_stack as cell_stack
import evergraph.layers.cell_wrappers as cell_wrappers
import evergraph.layers.cells as cells
import evergraph.layers.lstm_cells as lstm_cells
import evergraph.layers.rnn_step as rnn_step
from evergraph.framework.api import publish
from evergraph.layers.static_rnn import static_bidirectional_rnn, static_rnn, static_state_saving_rnn

for _thing in (
    cells.RNNCell,
    cells.LayerRNNCell,
    cells.BasicRNNCell,
    cells.GRUCell,
    lstm_cells.BasicLSTMCell,
    lstm_cells.LSTMCell,
    lstm_cells.LSTMStateTuple,
    cell_stack.MultiRNNCell,
    cell_wrappers.DropoutWrapper,
    cell_wrappers.ResidualWrapper,
    cell_wrappers.DeviceWrapper,
    static_rnn,
    static_bidirectional_rnn,
    static_state_saving_rnn,
):
    publish(f"contrib.rnn.{_thing.__name__}", _thing)
publish("contrib.rnn.transpose_batch_time", rnn_step.time_and_batch_swapped)
publish("contrib.rnn.best_effort_input_batch_size", rnn_step.batch_size_of)
