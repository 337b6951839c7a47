"""`tf.contrib.opt`: more optimizers, and wrappers around optimizers."""
