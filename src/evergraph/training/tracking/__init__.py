"""Checkpoints by object: what an object holds, and saving and restoring all of that."""
