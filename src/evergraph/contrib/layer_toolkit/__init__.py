"""`tf.contrib.layers`, which is most of `tf.contrib.slim` too: layers as functions, under `arg_scope`."""
