"""The op that fills all tables of a graph."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public
from evergraph.framework.scopes import GraphKeys, get_collection
from evergraph.ops.grouping import group, no_op


@public("tables_initializer", "initializers.tables_initializer")
def tables_initializer(name: str = "init_all_tables") -> Any:
    """An op that fills every table of the default graph (collection `TABLE_INITIALIZERS`)."""
    initializers = get_collection(GraphKeys.TABLE_INITIALIZERS)
    return group(*initializers, name=name) if initializers else no_op(name=name)


@public("initialize_all_tables")
def initialize_all_tables(name: str = "init_all_tables") -> Any:
    """The older name of `tf.tables_initializer`."""
    return tables_initializer(name)
