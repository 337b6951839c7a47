"""`evergraph.to_stablehlo`: a module for other compilers, and the graph it was made of beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from evergraph.formats import files
from evergraph.framework import errors
from evergraph.framework.api import public
from evergraph.framework.convert import as_text
from evergraph.framework.tensor import Tensor
from evergraph.runtime.export.pure_function import named_feeds, session_and_graph
from evergraph.runtime.export.stablehlo import exported
from evergraph.runtime.fetches import Fetches
from evergraph.runtime.session import Session
from evergraph.training.graph_util import convert_variables_to_constants


@public("to_stablehlo")
def to_stablehlo(
    fetches: Any,
    feeds: Any = (),
    path: Any = None,
    session: Any = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    platforms: Sequence[str] = ("cpu", "cuda"),
) -> Any:
    """Make a StableHLO module of a part of a graph. Variables become constants in it.

    Args:
        fetches, feeds, session: as for `to_jax`.
        path: the file to write: the module as text if the name ends with `.mlir`, else as StableHLO's portable bytes.
            Consumers promise to read such bytes for some months only, so the frozen `GraphDef` is written beside
            it, as `path + ".pb"`: from it the module can be made anew.
        shapes: feed name to shape, for those with unknown sizes. Without, unknown sizes stay open, where the ops allow
            it.
        platforms: what the module can run on.

    Returns:
        The `jax.export.Exported`: `.call(*feeds)` runs it, `.mlir_module()` is its text.

    Raises:
        UnimplementedError: if ops work on the host or write variables; it names them all.
        InvalidArgumentError: if the shapes do not fit, or have to be given.

    >>> x = tf.placeholder(tf.float32, [None, 2], name="x")
    >>> module = tf.to_stablehlo(tf.reduce_sum(x, axis=1), [x])
    >>> "stablehlo.reduce" in module.mlir_module()
    True
    """
    session, graph = session_and_graph(session)
    made = exported(fetches, feeds, session, shapes, tuple(platforms))
    if path is not None:
        name = files.local(as_text(os.fspath(path)))
        text = name.endswith(".mlir")
        files.write_file(name, made.mlir_module().encode() if text else bytes(made.mlir_module_serialized))
        files.write_file(name + ".pb", frozen(graph, session, fetches, feeds).SerializeToString())
    return made


def frozen(graph: Any, session: Any, fetches: Any, feeds: Any) -> Any:
    """The `GraphDef` of what `fetches` need, with constants in place of variables.

    A tensor among `feeds` that an op computes still has that op before it.
    """
    elements = list(Fetches(graph, fetches).elements)
    _, fed = named_feeds(graph, feeds)
    outputs = list(dict.fromkeys(e.op.name if isinstance(e, Tensor) else e.name for e in elements))
    outputs += [t.op.name for t in fed if t.op.name not in outputs]
    own = Session(graph=graph) if session is None else session
    if not outputs:
        raise errors.InvalidArgumentError(None, None, "nothing is fetched")
    return convert_variables_to_constants(own, graph.as_graph_def(), outputs)
