"""What restoring an object-based checkpoint comes to: which objects found their values.

Objects may be made after `restore`: they are looked for whenever the status is asked, or told to run.
"""

from __future__ import annotations

from typing import Any

from evergraph.formats.checkpoint import open_checkpoint
from evergraph.framework import convert, stacks
from evergraph.framework.graph import get_default_graph
from evergraph.ops.grouping import group
from evergraph.ops.opdef import raw_op
from evergraph.training.saveable import SaveableObject
from evergraph.training.saver import Saver
from evergraph.training.tracking.object_graph import PYTHON_STATE, gather, node_paths, slot_of
from evergraph.training.tracking.trackable import PythonState, children, walk


def default_session(session: Any) -> Any:
    """`session`, or the default session, or the one that Keras uses."""
    found = session or stacks.get_default_session()
    if found is None:
        raise ValueError(
            "Restoring or saving a checkpoint needs a session: pass one, or make one the default with `with sess:`"
        )
    return found


class LoadStatus:
    """The objects of a checkpoint and those of a program, matched by the names on the way from the root.

    Args:
        root: the program's object that stands for the first one of the checkpoint.
        prefix: the checkpoint.
        proto: its `TrackableObjectGraph`.
        cache: restore ops made before, by what they restore.
    """

    def __init__(self, root: Any, prefix: str, proto: Any, cache: dict[Any, Any]) -> None:
        self._root, self._prefix, self._proto, self._cache = root, prefix, proto, cache

    # Matching

    def _matched(self) -> dict[int, Any]:
        """Number in the checkpoint to object."""
        nodes = self._proto.nodes
        found = {0: self._root}
        waiting = [0]
        while waiting:
            number = waiting.pop(0)
            there = dict(children(found[number]))
            for child in nodes[number].children:
                if child.local_name in there and child.node_id < len(nodes) and child.node_id not in found:
                    found[child.node_id] = there[child.local_name]
                    waiting.append(child.node_id)
        for number, thing in list(found.items()):
            for slot in nodes[number].slot_variables:
                original = found.get(slot.original_variable_node_id)
                if original is not None:
                    variable = slot_of(thing, original, slot.slot_name)
                    if variable is not None:
                        found[slot.slot_variable_node_id] = variable
        return found

    def _values(self) -> tuple[list[tuple[SaveableObject, str]], list[tuple[PythonState, str]], list[str]]:
        """(saveable, key) and (state, key) pairs to restore, and names of values that nobody wants."""
        saveables: list[tuple[SaveableObject, str]] = []
        states: list[tuple[PythonState, str]] = []
        unused = []
        matched = self._matched()
        by_key: dict[str, list[SaveableObject]] = {}
        gathered = gather(self._root)
        own = {id(thing): node for thing, node in zip(gathered.objects, gathered.proto.nodes)}
        for saveable in gathered.saveables:
            for known in {saveable.name, *(spec.name for spec in saveable.specs[:1])}:
                by_key.setdefault(known, []).append(saveable)
        seen: set[int] = set()
        paths = node_paths(self._proto)
        for number, thing in matched.items():
            node = own.get(id(thing))
            keys = {} if node is None else {a.name: a.checkpoint_key for a in node.attributes}
            for attribute in self._proto.nodes[number].attributes:
                key = keys.get(attribute.name)
                if isinstance(thing, PythonState) and attribute.name == PYTHON_STATE:
                    states.append((thing, attribute.checkpoint_key))
                elif key is None:
                    unused.append(f"{paths[number]}: {attribute.name}")
                elif id(thing) not in seen or len(keys) > 1:
                    for saveable in by_key.get(key, ()):
                        saveables.append((saveable, attribute.checkpoint_key))
            seen.add(id(thing))
        return saveables, states, unused

    # What a program asks

    def assert_consumed(self) -> LoadStatus:
        """Insist that every object of the program has found its value, and every value its object.

        Raises:
            AssertionError: if not; it names the first that did not.
        """
        self.assert_existing_objects_matched()
        matched, paths = self._matched(), node_paths(self._proto)
        missing = [paths[number] for number in range(len(self._proto.nodes)) if number not in matched]
        if missing:
            raise AssertionError(
                f"Unresolved object in checkpoint {missing[0]}: {len(missing)} object(s) of {self._prefix} have no "
                f"counterpart: {', '.join(missing[:20])}"
            )
        unused = self._values()[2]
        if unused:
            raise AssertionError(
                "Unused attributes in these objects (the attributes exist in the checkpoint but were not restored):\n"
                + "\n".join(unused)
            )
        return self

    def assert_existing_objects_matched(self) -> LoadStatus:
        """Insist that every object of the program has found its value.

        Raises:
            AssertionError: if not.
        """
        matched = {id(thing) for thing in self._matched().values()}
        objects = gather(self._root).objects
        lost = [t for t in objects if id(t) not in matched and not (isinstance(t, list | dict) and not children(t))]
        if lost:
            raise AssertionError(
                "Some Python objects were not bound to checkpointed values, likely due to changes in the Python "
                f"program: {lost}"
            )
        return self

    def assert_nontrivial_match(self) -> LoadStatus:
        """Insist that something beside the root was found.

        Raises:
            AssertionError: if not.
        """
        if len(self._matched()) <= 1:
            others = [thing for thing in walk(self._root)[0] if thing is not self._root]
            if others:
                raise AssertionError(
                    "Nothing except the root object matched a checkpointed value. Typically this means that the "
                    "checkpoint does not match the Python program. The following objects have no matching checkpointed "
                    f"value: {others}"
                )
            raise AssertionError(f"Nothing to load. No dependencies have been added to {self._root} yet.")
        return self

    def expect_partial(self) -> LoadStatus:
        """Say that not every value will find an object; nothing is reported then."""
        return self

    # Restoring

    def run_restore_ops(self, session: Any = None) -> None:
        """Give the objects their values in `session`."""
        session = default_session(session)
        saveables, states, _ = self._values()
        if states:
            with open_checkpoint(self._prefix) as reader:
                for state, key in states:
                    state.deserialize(reader.read(key).item())
        if saveables:
            op, given = self._restore_op(saveables)
            session.run(op, {given: self._prefix})

    def _restore_op(self, saveables: list[tuple[SaveableObject, str]]) -> Any:
        key = get_default_graph(), *((id(saveable.op), name) for saveable, name in saveables)
        if key not in self._cache:
            graph = get_default_graph()
            with graph.device("/cpu:0"):
                given = convert.convert_to_tensor("model")
                specs = [(name, spec) for saveable, name in saveables for spec in saveable.specs]
                names = [_renamed(spec.name, saveable, name) for saveable, name in saveables for spec in saveable.specs]
                tensors = raw_op("RestoreV2")(
                    given, names, [spec.slice_spec for _, spec in specs], [s.dtype.base_dtype for _, s in specs]
                )
            ops = []
            position = 0
            for saveable, _ in saveables:
                ops.append(saveable.restore(tensors[position : position + len(saveable.specs)], None))
                position += len(saveable.specs)
            self._cache[key] = group(*ops), given, [saveable.op for saveable, _ in saveables]
        return self._cache[key][:2]

    def initialize_or_restore(self, session: Any = None) -> None:
        """Give the objects their values in `session`; run the initializers of variables that found none."""
        session = default_session(session)
        matched = {id(thing) for thing in self._matched().values()}
        lost = [t.initializer for t in gather(self._root).objects if id(t) not in matched and hasattr(t, "initializer")]
        self.run_restore_ops(session)
        session.run(lost)


def _renamed(spec_name: str, saveable: SaveableObject, key: str) -> str:
    """The name of a tensor in the checkpoint, where the object has the key `key`."""
    own = saveable.name
    return key + spec_name[len(own) :] if spec_name.startswith(own) else key


class InitializationOnlyStatus:
    """What `restore(None)` gives: nothing is restored."""

    def __init__(self, root: Any) -> None:
        self._root = root

    def _refuse(self, *unused: Any) -> Any:
        raise AssertionError("No checkpoint specified (save_path=None); nothing is being restored.")

    assert_consumed = assert_existing_objects_matched = assert_nontrivial_match = run_restore_ops = _refuse

    def expect_partial(self) -> InitializationOnlyStatus:
        return self

    def initialize_or_restore(self, session: Any = None) -> None:
        """Run the initializers of all variables."""
        session = default_session(session)
        session.run([t.initializer for t in gather(self._root).objects if getattr(t, "initializer", None) is not None])


class NameBasedStatus:
    """A checkpoint of `tf.train.Saver`, which knows variables by their names."""

    def __init__(self, root: Any, prefix: str) -> None:
        self._root, self._prefix = root, prefix

    def _variables(self) -> dict[str, Any]:
        return {v.op.name: v for v in gather(self._root).objects if hasattr(v, "initializer") and hasattr(v, "op")}

    def assert_consumed(self) -> NameBasedStatus:
        """Insist that every variable is in the checkpoint."""
        with open_checkpoint(self._prefix) as reader:
            lost = [name for name in self._variables() if not reader.has(name)]
        if lost:
            raise AssertionError(f"Object not restored: {', '.join(lost)}")
        return self

    assert_existing_objects_matched = assert_nontrivial_match = assert_consumed

    def expect_partial(self) -> NameBasedStatus:
        return self

    def run_restore_ops(self, session: Any = None) -> None:
        """Give the variables their values in `session`."""
        with get_default_graph().device("/cpu:0"):
            Saver(self._variables()).restore(default_session(session), self._prefix)

    initialize_or_restore = run_restore_ops
