"""Variables that each worker has a copy of, besides the common ones on the parameter servers.

A custom getter, given to `tf.variable_scope`, makes for each trainable variable that is asked for

    w                           what the worker trains, in its local collection and on its device
    global_center_variable/w    what all workers share, in the global collection
    <own prefix>/w              a third one, on the worker again, that the optimizer says the use of

and an optimizer of the same family brings them together now and then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework.scopes import GraphKeys, device
from evergraph.ops.variables import global_variables_initializer, local_variables_initializer
from evergraph.training.session_run_hook import SessionRunHook

GLOBAL_VARIABLE_NAME = "global_center_variable"


def make_copies(
    getter: Callable[..., Any], name: str, worker_device: Any, own_prefix: str, args: Any, kwargs: dict[str, Any]
) -> tuple[Any, list[tuple[Any, Any, Any]]]:
    """The trained variable, and triples of it, the shared one and the third one (a triple for each partition).

    No triples for a variable that is there already.
    """
    with device(worker_device):
        local = getter(name, *args, trainable=True, collections=[GraphKeys.LOCAL_VARIABLES], **kwargs)
    if kwargs["reuse"] is True:
        return local, []
    given = {"trainable": False, **kwargs}
    shared = getter(f"{GLOBAL_VARIABLE_NAME}/{name}", *args, collections=[GraphKeys.GLOBAL_VARIABLES], **given)
    with device(worker_device):
        third = getter(f"{own_prefix}/{name}", *args, collections=[GraphKeys.LOCAL_VARIABLES], **given)
    if kwargs["partitioner"] is None:
        return local, [(local, shared, third)]
    return local, list(zip(local, shared, third, strict=True))


def untrained(getter: Callable[..., Any], name: str, worker_device: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """A variable that is not trained: on the worker if it is a local one."""
    if GraphKeys.LOCAL_VARIABLES in kwargs["collections"]:
        with device(worker_device):
            return getter(name, *args, **kwargs)
    return getter(name, *args, **kwargs)


class InitialCopyHook(SessionRunHook):
    """Makes a worker start with the values of the common variables.

    Args:
        initialiser: gives the op that does it, when the graph is there.
        is_chief: whether this worker initialises the common variables.
    """

    def __init__(self, initialiser: Callable[[], Any], is_chief: bool) -> None:
        self._initialiser = initialiser
        self._is_chief = is_chief

    def begin(self) -> None:
        self._local_init_op = local_variables_initializer()
        self._global_init_op = global_variables_initializer() if self._is_chief else None
        self._variable_init_op = self._initialiser()

    def after_create_session(self, session: Any, coord: Any) -> None:
        session.run(self._variable_init_op)
