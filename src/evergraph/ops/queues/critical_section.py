"""`tf.CriticalSection`: parts of a graph that run one at a time.

execute(fn):    MutexLock ──► the ops of fn ──► ConsumeMutexLock ──► the results
                    ▲
             whatever fn uses from outside
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from evergraph.framework import dtypes, nest
from evergraph.framework.api import public
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import colocate_with, control_dependencies, init_scope, name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops.grouping import group, tuple_
from evergraph.ops.identity import identity
from evergraph.ops.queues.mutexes import consume_mutex_lock_op, mutex_lock_op, mutex_op
from evergraph.ops.tensor_array import TensorArray

CRITICAL_SECTIONS = "critical_sections"
CRITICAL_SECTION_EXECUTIONS = "critical_section_executions"


class Execution(NamedTuple):
    """One call of `execute`: its MutexLock, the handle of its section, and the resources that its function uses."""

    op: Operation
    handle: Tensor
    resources: list[Tensor]
    exclusive_resource_access: bool


@public("CriticalSection")
class CriticalSection:
    """A lock of the session; the functions given to `execute` run under it, one after the other.

    Args:
        name: the scope of the op.
        shared_name: sections of one shared name are one in a session.

    >>> v = tf.get_variable("v", initializer=0.0, use_resource=True)
    >>> section = tf.CriticalSection()
    >>> def count():
    ...     value = v.read_value()
    ...     with tf.control_dependencies([value]), tf.control_dependencies([v.assign_add(1.0)]):
    ...         return tf.identity(value)
    >>> counts = [section.execute(count) for _ in range(3)]
    >>> _ = sess.run(v.initializer)
    >>> sorted(sess.run(counts))
    [0.0, 1.0, 2.0]
    """

    def __init__(
        self,
        name: str | None = None,
        shared_name: str | None = None,
        critical_section_def: Any = None,
        import_scope: str | None = None,
    ) -> None:
        if critical_section_def:
            if name is not None:
                raise ValueError("critical_section_def and shared_name are mutually exclusive.")
            raise NotImplementedError("a CriticalSection cannot be made from a proto")
        with name_scope(name, "CriticalSection", []) as scope, init_scope():
            shared = scope if shared_name is None else shared_name
            container = get_default_graph()._container
            self._handle = mutex_op(shared_name=shared, container=container, name=scope)
        get_default_graph().add_to_collection(CRITICAL_SECTIONS, self)

    @property
    def name(self) -> str:
        return self._handle.op.name

    def execute(self, fn: Callable[[], Any], exclusive_resource_access: bool = True, name: str | None = None) -> Any:
        """The results of `fn()`, whose ops run while the section is held.

        Args:
            fn: builds ops; gives a tensor, an op, a `TensorArray`, or a structure of those.
            exclusive_resource_access: whether no other section may use the resources (variables, ...) that `fn` uses.
            name: the scope of the ops.

        Raises:
            ValueError: if `fn` enters this section itself, or another section uses the same resources and one of the
                two insists on having them for itself.
        """
        graph = get_default_graph()
        with name_scope(name, "critical_section_execute", []):
            lock = mutex_lock_op(self._handle)
            before = len(graph.get_operations())
            with control_dependencies([lock]):
                results = fn()
            made = graph.get_operations()[before:]
            _lock_after_arguments(lock.op, made)
            resources = list({t: None for op in made for t in op.inputs if t.dtype is dtypes.resource})
            if any(self._is_own_handle(t) for t in resources):
                raise ValueError(
                    "The function fn attempts to directly access the CriticalSection in which it would be running.  "
                    "This is illegal and would cause deadlocks."
                )
            self._check_others(resources, exclusive_resource_access)
            flat = [_same(result) for result in nest.flatten(results)]
            with control_dependencies(flat):
                with colocate_with(self._handle):
                    used_up = consume_mutex_lock_op(lock)
                results = nest.pack_sequence_as(results, tuple_(nest.flatten(results)))
            with control_dependencies([used_up]):
                outputs = nest.map_structure(_same, results)
            graph.add_to_collection(
                CRITICAL_SECTION_EXECUTIONS, Execution(lock.op, self._handle, resources, exclusive_resource_access)
            )
            return outputs

    def _is_own_handle(self, t: Tensor) -> bool:
        """Whether `t` is the handle of this section, or of another one that is the same in a session."""
        shared = t.op.attrs.get("shared_name")
        own = self._handle.op
        if t.op.type != "MutexV2" or not shared or shared != own.attrs["shared_name"]:
            return False
        return t.op.device == own.device or t.op.attrs.get("_class") == own.attrs.get("_class")

    def _check_others(self, resources: list[Tensor], is_exclusive: bool) -> None:
        for other in get_default_graph().get_collection(CRITICAL_SECTION_EXECUTIONS):
            if self._is_own_handle(other.handle) or not (is_exclusive or other.exclusive_resource_access):
                continue
            common = [t for t in resources if any(t is theirs for theirs in other.resources)]
            if common:
                raise ValueError(
                    f"This execution would access resources: {common}.  Either this lock (CriticalSection: "
                    f"{self._handle}) or lock '{other}' (CriticalSection: {other.handle}) requested exclusive resource "
                    "access of this resource.  Did you mean to call execute with keyword argument "
                    "exclusive_resource_access=False?"
                )


def _same(x: Any) -> Any:
    if isinstance(x, TensorArray):
        return x.identity()
    return group(x) if isinstance(x, Operation) else identity(x)


def _lock_after_arguments(lock: Operation, made: Iterable[Operation]) -> None:
    """Have `lock` wait for all that the ops `made` use from outside: none of it may need the section itself."""
    inside = set(made)
    used = {t.op for op in inside for t in op.inputs} | {c for op in inside for c in op.control_inputs}
    used -= inside | {lock, *lock.control_inputs, *(t.op for t in lock.inputs)}
    if used:
        # A group: it brings ops from outside of the branch or loop that the lock is in into it.
        lock._add_control_input(group(*sorted(used, key=lambda op: op._id)))
