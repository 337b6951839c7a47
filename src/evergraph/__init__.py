"""Evergraph: the Graph and Session of TensorFlow 1, rebuilt on XLA.

    import evergraph as tf

A `Graph` defines computation; a `Session` runs it and holds the values. The public names are TensorFlow 1.15's.
"""

from evergraph._api import assemble as _assemble

# Of the API: programs look here for what they may use. `importlib.metadata.version("evergraph")` is the package's own.
__version__ = "1.15.5"

_assemble(globals())
