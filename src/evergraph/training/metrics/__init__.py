"""Metrics that stream: local variables that add up over batches, an op that adds a batch, a tensor with the value."""
