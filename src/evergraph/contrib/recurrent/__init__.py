"""`tf.contrib.rnn`: the cells of `tf.nn.rnn_cell` and more, and further loops around them."""
