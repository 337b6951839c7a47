"""`tf.train.import_meta_graph`: a saved graph with a saver for its variables."""

from __future__ import annotations

from typing import Any

from evergraph.framework import log
from evergraph.framework.api import public
from evergraph.ops.variables import saveable_objects
from evergraph.training import meta_graph
from evergraph.training.saver import Saver


@public("train.import_meta_graph")
def import_meta_graph(
    meta_graph_or_file: Any, clear_devices: bool = False, import_scope: str | None = None, **kwargs: Any
) -> Saver | None:
    """Add a saved graph with its collections to the default graph.

    Args:
        meta_graph_or_file: a `MetaGraphDef` message, or the path of a file that holds one, as `Saver.save` writes it.
        clear_devices: whether to forget on which devices its ops were.
        import_scope: a name scope to put it into.
        **kwargs: `input_map`, tensors to use in place of ones in it; `return_elements`; and others of little use.

    Returns:
        A `Saver` for its variables; None if it has none.

    Raises:
        OSError: if the file cannot be read.

    >>> v = tf.Variable([1.0, 2.0], name="v")
    >>> path = folder + "/graph.meta"
    >>> message = tf.train.export_meta_graph(path)
    >>> with tf.Graph().as_default():
    ...     saver = tf.train.import_meta_graph(path)
    ...     tf.global_variables()
    [<tf.Variable 'v:0' shape=(2,) dtype=float32_ref>]
    """
    return import_meta_graph_with_return_elements(meta_graph_or_file, clear_devices, import_scope, **kwargs)[0]


def import_meta_graph_with_return_elements(
    meta_graph_or_file: Any,
    clear_devices: bool = False,
    import_scope: str | None = None,
    return_elements: Any = None,
    **kwargs: Any,
) -> tuple[Saver | None, Any]:
    """As `import_meta_graph`; gives the elements that `return_elements` name too."""
    is_message = meta_graph.is_message(meta_graph_or_file, "MetaGraphDef")
    found = meta_graph_or_file if is_message else meta_graph.read_meta_graph_file(meta_graph_or_file)
    variables, elements = meta_graph.import_scoped_meta_graph_with_return_elements(
        found, clear_devices=clear_devices, import_scope=import_scope, return_elements=return_elements, **kwargs
    )
    return _saver(found, import_scope, variables), elements


def _saver(found: Any, import_scope: str | None, variables: dict[str, Any]) -> Saver | None:
    if found.HasField("saver_def"):
        scope = import_scope
        if variables:
            key, variable = next(iter(variables.items()))
            scope = variable.name[: -len(key)]
        return Saver(saver_def=found.saver_def, name=scope)
    if saveable_objects(scope=import_scope):
        return Saver()
    log.info("Saver not created because there are no variables in the graph to restore")
    return None
