"""Programs built from `tf.nn.rnn_cell` and the loops around cells."""


def rnn_cells_called_once(tf):
    cells = tf.nn.rnn_cell
    x = tf.placeholder(tf.float32, [None, 4], name="x")
    made = [
        cells.BasicRNNCell(3),
        cells.GRUCell(3, bias_initializer=tf.zeros_initializer(), name="gru"),
        cells.BasicLSTMCell(3),
        cells.BasicLSTMCell(3, state_is_tuple=False, forget_bias=0.5, activation=tf.nn.relu, name="joined"),
        cells.LSTMCell(3, use_peepholes=True, num_proj=2, cell_clip=1.0, proj_clip=0.5),
        cells.MultiRNNCell([cells.BasicRNNCell(3), cells.GRUCell(2)]),
        cells.MultiRNNCell([cells.GRUCell(3), cells.GRUCell(2)], state_is_tuple=False),
        cells.ResidualWrapper(cells.GRUCell(4, name="residual")),
        cells.DeviceWrapper(cells.GRUCell(3, name="placed"), "/cpu:0"),
    ]
    for i, cell in enumerate(made):
        with tf.variable_scope(f"number_{i}"):
            cell(x, cell.zero_state(tf.shape(x)[0], tf.float32))
    cells.LSTMCell(3)(x, cells.LSTMCell(3).zero_state(5, tf.float32), scope="scoped")


def rnn_dropout(tf):
    tf.set_random_seed(4)
    cells = tf.nn.rnn_cell
    x = tf.placeholder(tf.float32, [2, 5, 4], name="x")
    keep = tf.placeholder(tf.float32, [], name="keep")
    tf.nn.dynamic_rnn(cells.DropoutWrapper(cells.GRUCell(3), 0.5, 0.6, 0.7, seed=3), x, dtype=tf.float32, scope="a")
    tf.nn.dynamic_rnn(cells.DropoutWrapper(cells.BasicLSTMCell(3), output_keep_prob=keep), x, dtype=tf.float32)
    tied = cells.DropoutWrapper(
        cells.BasicLSTMCell(3), 0.5, 0.6, 0.7, variational_recurrent=True, input_size=4, dtype=tf.float32, seed=5
    )
    tf.nn.dynamic_rnn(tied, x, initial_state=tied.zero_state(2, tf.float32), scope="b")


def rnn_in_a_loop(tf):
    cells = tf.nn.rnn_cell
    x = tf.placeholder(tf.float32, [None, None, 4], name="x")
    lengths = tf.placeholder(tf.int64, [None], name="lengths")
    tf.nn.dynamic_rnn(cells.BasicLSTMCell(3), x, dtype=tf.float32)
    tf.nn.dynamic_rnn(cells.GRUCell(3), x, lengths, dtype=tf.float32, scope="with_lengths")
    tf.nn.dynamic_rnn(cells.GRUCell(3), tf.ones([5, 2, 4]), time_major=True, dtype=tf.float32, scope="time_first")
    tf.nn.bidirectional_dynamic_rnn(cells.GRUCell(3), cells.BasicRNNCell(2), x, lengths, dtype=tf.float32)


def rnn_gradients(tf):
    cells = tf.nn.rnn_cell
    x = tf.placeholder(tf.float32, [None, None, 4], name="x")
    lengths = tf.placeholder(tf.int32, [None], name="lengths")
    outputs, _ = tf.nn.dynamic_rnn(cells.BasicLSTMCell(3), x, lengths, dtype=tf.float32)
    tf.gradients(outputs, tf.trainable_variables())


def rnn_with_a_loop_function(tf):
    cell = tf.nn.rnn_cell.BasicRNNCell(3)
    x = tf.placeholder(tf.float32, [5, 3, 4], name="x")

    def loop(time, output, state, so_far):
        if output is None:
            return tf.zeros([3], tf.bool), x[0], cell.zero_state(3, tf.float32), None, None
        return time >= [1, 2, 3], x[1], state, output, None

    tf.nn.raw_rnn(cell, loop)


def rnn_unrolled(tf):
    cells = tf.nn.rnn_cell
    x = [tf.placeholder(tf.float32, [3, 4]) for _ in range(3)]
    tf.nn.static_rnn(cells.BasicLSTMCell(3), x, dtype=tf.float32)
    tf.nn.static_rnn(cells.GRUCell(3), x[:2], dtype=tf.float32, sequence_length=[1, 2, 0], scope="with_lengths")
    tf.nn.static_bidirectional_rnn(cells.GRUCell(3), cells.GRUCell(3), x, dtype=tf.float32, sequence_length=[1, 2, 3])
    tf.nn.static_bidirectional_rnn(cells.GRUCell(3), cells.GRUCell(3), x, dtype=tf.float32, scope="without")
