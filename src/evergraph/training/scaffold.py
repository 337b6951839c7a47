"""`tf.train.Scaffold`: the ops that a training loop needs besides the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework import log
from evergraph.framework.api import public
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import GraphKeys, add_to_collection, get_collection
from evergraph.ops.grouping import group
from evergraph.ops.joining import concat
from evergraph.ops.summary.functions import merge_all
from evergraph.ops.table_initializers import tables_initializer
from evergraph.ops.variables import (
    global_variables,
    global_variables_initializer,
    local_variables_initializer,
    report_uninitialized_variables,
)
from evergraph.training.resources import (
    initialize_resources,
    local_resources,
    report_uninitialized_resources,
    shared_resources,
)
from evergraph.training.saver import Saver, get_saver_or_default
from evergraph.training.tracking.checkpoint import Checkpoint
from evergraph.training.tracking.frozen import frozen_saveables


@public("train.Scaffold")
class Scaffold:
    """Initialisers, the test whether they have run, summaries and a saver: given, or found in collections, or made.

    Args:
        init_op: initialises what all workers share; by default all global variables.
        init_feed_dict: what to feed to it.
        init_fn: a function of the scaffold and a session, called after it.
        ready_op: gives the names of what is not initialised: a string vector.
        ready_for_local_init_op: gives the names of what `local_init_op` waits for.
        local_init_op: initialises what each worker has for itself: local variables and tables.
        summary_op: gives all summaries: a string scalar.
        saver: a `Saver`, or a `tf.train.Checkpoint`.
        copy_from_scaffold: another one, for what is not given.
    """

    def __init__(
        self,
        init_op: Any = None,
        init_feed_dict: Any = None,
        init_fn: Callable[[Any, Any], Any] | None = None,
        ready_op: Any = None,
        ready_for_local_init_op: Any = None,
        local_init_op: Any = None,
        summary_op: Any = None,
        saver: Any = None,
        copy_from_scaffold: Scaffold | None = None,
    ) -> None:
        given = {
            "init_op": init_op,
            "init_feed_dict": init_feed_dict,
            "user_init_fn": init_fn,
            "ready_op": ready_op,
            "ready_for_local_init_op": ready_for_local_init_op,
            "local_init_op": local_init_op,
            "summary_op": summary_op,
            "saver": saver,
        }
        if copy_from_scaffold is not None and not isinstance(copy_from_scaffold, Scaffold):
            raise TypeError("copy_from_scaffold is not a Scaffold instance.")
        for name, value in given.items():
            if value is None and copy_from_scaffold is not None:
                value = getattr(copy_from_scaffold, f"_{name}")
            setattr(self, f"_{name}", value)

    _init_op: Any
    _init_feed_dict: Any
    _user_init_fn: Any
    _ready_op: Any
    _ready_for_local_init_op: Any
    _local_init_op: Any
    _summary_op: Any
    _saver: Any

    def finalize(self) -> Scaffold:
        """Make what is missing, and finalize the graph."""
        default = Scaffold.get_or_default
        if self._init_op is None:
            self._init_op = default("init_op", GraphKeys.INIT_OP, _init)
        if self._ready_op is None:
            self._ready_op = default("ready_op", GraphKeys.READY_OP, _not_ready)
        if self._ready_for_local_init_op is None:
            self._ready_for_local_init_op = default(
                "ready_for_local_init_op", GraphKeys.READY_FOR_LOCAL_INIT_OP, _not_ready_for_local_init
            )
        if self._local_init_op is None:
            self._local_init_op = default("local_init_op", GraphKeys.LOCAL_INIT_OP, Scaffold.default_local_init_op)
        if self._summary_op is None:
            self._summary_op = default("summary_op", GraphKeys.SUMMARY_OP, merge_all)
        if self._saver is None:
            self._saver = get_saver_or_default()
        if isinstance(self._saver, Checkpoint):
            self._saver = Saver(var_list=frozen_saveables(self._saver), sharded=True)
        else:
            self._saver.build()
        get_default_graph().finalize()
        log.info("Graph was finalized.")
        return self

    @property
    def init_fn(self) -> Callable[[Any], Any] | None:
        """The function given, as one of a session alone."""
        function = self._user_init_fn
        return (lambda session: function(self, session)) if function else None

    @property
    def init_op(self) -> Any:
        return self._init_op

    @property
    def ready_op(self) -> Any:
        return self._ready_op

    @property
    def ready_for_local_init_op(self) -> Any:
        return self._ready_for_local_init_op

    @property
    def local_init_op(self) -> Any:
        return self._local_init_op

    @property
    def summary_op(self) -> Any:
        return self._summary_op

    @property
    def saver(self) -> Any:
        return self._saver

    @property
    def init_feed_dict(self) -> Any:
        return self._init_feed_dict

    @staticmethod
    def get_or_default(arg_name: str, collection_key: str, default_constructor: Callable[[], Any]) -> Any:
        """The one thing in a collection, which is made and put there if it is empty.

        Raises:
            RuntimeError: if there is more than one.
        """
        found = get_collection(collection_key)
        if len(found) > 1:
            raise RuntimeError(
                f'More than one item in the collection "{collection_key}". Please indicate which one to use by passing '
                f"it to the tf.Scaffold constructor as:  tf.Scaffold({arg_name}=item to use)"
            )
        if found:
            return found[0]
        made = default_constructor()
        if made is not None:
            add_to_collection(collection_key, made)
        return made

    @staticmethod
    def default_local_init_op() -> Any:
        """The op that initialises local variables, tables and local resources."""
        return group(local_variables_initializer(), tables_initializer(), initialize_resources(local_resources()))


def _init() -> Any:
    return group(global_variables_initializer(), initialize_resources(shared_resources()))


def _not_ready() -> Any:
    return concat([report_uninitialized_variables(), report_uninitialized_resources()], 0)


def _not_ready_for_local_init() -> Any:
    return concat(
        [report_uninitialized_variables(global_variables()), report_uninitialized_resources(shared_resources())], 0
    )
