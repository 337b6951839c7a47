"""Ops that write tensors to checkpoints and read them back."""
