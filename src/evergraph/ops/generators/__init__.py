"""Random numbers whose stream is in a variable: `tf.random.experimental.Generator`."""
