"""Matrices known by what they do rather than by their elements: `tf.linalg.LinearOperator` and its kinds."""
