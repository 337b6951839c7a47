"""`tf.distribute`: strategies, of which there are those that distribute nothing."""
