"""Evergraph: the Graph and Session of TensorFlow 1, rebuilt on XLA.

    import evergraph as tf

A `Graph` defines computation; a `Session` runs it and holds the values. The public names are TensorFlow 1.15's.
"""

from evergraph._api import assemble as _assemble

__version__ = "0.1.0"

_assemble(globals())
