"""Image ops: `tf.image`, and the poolings, morphology and patches that go with it."""
