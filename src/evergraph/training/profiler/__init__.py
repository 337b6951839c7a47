"""`tf.profiler`: how many parameters, float operations, microseconds and bytes each part of a graph has."""
