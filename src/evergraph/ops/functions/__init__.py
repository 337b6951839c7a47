"""Functions of a graph: definitions in Python, calls, and their gradients."""
