"""Writing a graph, or any message, to a file."""

from __future__ import annotations

import os
from typing import Any

from evergraph.formats import large_constants
from evergraph.formats.files import local, translated, write_file
from evergraph.formats.text import to_text
from evergraph.framework import convert
from evergraph.framework.api import public
from evergraph.framework.graph import Graph


@public("io.write_graph", "train.write_graph")
def write_graph(graph_or_graph_def: Any, logdir: Any, name: str, as_text: bool = True) -> str:
    """Write a graph to the file `name` in `logdir`, which is made if need be.

    Args:
        graph_or_graph_def: a `Graph`, or a message.
        logdir: the directory.
        name: the file's name.
        as_text: whether to write it as text rather than as bytes.

    Returns:
        The file's path.

    >>> tf.train.write_graph(tf.Graph(), folder, "graph.pbtxt") == folder + "/graph.pbtxt"
    True
    """
    message = graph_or_graph_def.as_graph_def() if isinstance(graph_or_graph_def, Graph) else graph_or_graph_def
    directory = convert.as_text(os.fspath(logdir))
    if directory and not os.path.exists(local(directory)):
        with translated(directory):
            os.makedirs(local(directory), exist_ok=True)
    path = os.path.join(directory, name)
    message = large_constants.to_file(path, message)
    write_file(path, to_text(message).encode() if as_text else message.SerializeToString())
    return path
