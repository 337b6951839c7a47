"""Layers: objects that hold variables and are called with tensors; recurrent cells and the loops around them."""
