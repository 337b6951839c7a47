"""Ops on sparse tensors: the elements that are stored, their row-major indices, and the shape of the whole."""
