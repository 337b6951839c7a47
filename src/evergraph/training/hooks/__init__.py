"""The hooks that come with `tf.train`."""
