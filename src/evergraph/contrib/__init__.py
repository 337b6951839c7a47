"""Parts of `tf.contrib`. The names of these modules are our own; `tf.contrib.layers` and so on are namespaces."""
