"""Bytes to objects and back: graphs, tensors, checkpoints, SavedModels, records, events."""
