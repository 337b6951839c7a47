"""The object graph of a checkpoint: objects by number, their children, and the keys of their values.

model/layer/kernel/.ATTRIBUTES/VARIABLE_VALUE                                a variable
model/layer/kernel/.OPTIMIZER_SLOT/optimizer/momentum/.ATTRIBUTES/...        what an optimizer remembers of it
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from evergraph.formats import messages
from evergraph.training.optimizer import Optimizer
from evergraph.training.saveable import SaveableObject, op_list_to_dict, saveable_objects_for_op
from evergraph.training.tracking.trackable import PythonState, own_values, walk

_ATTRIBUTES, _SLOTS = ".ATTRIBUTES", ".OPTIMIZER_SLOT"
PYTHON_STATE = "py_state"


def _escaped(name: str) -> str:
    return name.replace(".", "..").replace("/", ".S")


@dataclass
class Gathered:
    """The objects below a root, as a message, and what there is to save."""

    proto: Any
    objects: list[Any]
    saveables: list[SaveableObject] = field(default_factory=list)
    states: list[tuple[str, PythonState]] = field(default_factory=list)  # key, object


def gather(root: Any) -> Gathered:
    """Number all objects below `root`, and find what to save of each."""
    objects, paths = walk(root)
    names = {key: "/".join(map(_escaped, path)) for key, path in paths.items()}
    numbers = {id(thing): i for i, thing in enumerate(objects)}
    found = Gathered(messages.TrackableObjectGraph(), objects)
    slots = _add_slots(objects, numbers, names)
    from evergraph.training.tracking.trackable import children

    for thing in objects:
        node = found.proto.nodes.add()
        for slot_name, original, slot in slots.get(id(thing), ()):
            node.slot_variables.add(slot_name=slot_name, original_variable_node_id=original, slot_variable_node_id=slot)
        for name, child in children(thing):
            node.children.add(node_id=numbers[id(child)], local_name=name)
        _add_values(thing, node, names[id(thing)], found)
    return found


def _add_slots(
    objects: list[Any], numbers: dict[int, int], names: dict[int, str]
) -> dict[int, list[tuple[str, int, int]]]:
    """Append the optimizers' slot variables to `objects`."""
    slots: dict[int, list[tuple[str, int, int]]] = {}
    known = list(objects)
    for optimizer in known:
        if not (isinstance(optimizer, Optimizer) or hasattr(optimizer, "_create_or_restore_slot_variable")):
            continue
        for slot_name in optimizer.get_slot_names():
            for number, variable in enumerate(known):
                slot = slot_of(optimizer, variable, slot_name)
                if slot is None:
                    continue
                identifier = f"/{_SLOTS}/{names[id(optimizer)]}/"
                names[id(slot)] = names[id(variable)] + identifier + _escaped(slot_name)
                numbers[id(slot)] = len(objects)
                objects.append(slot)
                slots.setdefault(id(optimizer), []).append((slot_name, number, numbers[id(slot)]))
    return slots


def slot_of(optimizer: Any, variable: Any, slot_name: str) -> Any:
    """What an optimizer remembers of a variable under a name; None if nothing."""
    try:
        return optimizer.get_slot(variable, slot_name)
    except (AttributeError, KeyError, TypeError):
        return None


def _add_values(thing: Any, node: Any, path: str, found: Gathered) -> None:
    def key(name: str) -> str:
        return f"{path}/{_ATTRIBUTES}/{_escaped(name)}"

    if isinstance(thing, PythonState):
        node.attributes.add(name=PYTHON_STATE, checkpoint_key=key(PYTHON_STATE))
        found.states.append((key(PYTHON_STATE), thing))
        return
    for name, value in own_values(thing).items():
        attribute = node.attributes.add(name=name, checkpoint_key=key(name))
        made = value(name=key(name)) if callable(value) and not hasattr(value, "initializer") else value
        if isinstance(made, SaveableObject):
            found.saveables.append(made)
            continue
        (attribute.full_name,) = op_list_to_dict([made], convert_variable_to_tensor=False)
        found.saveables.extend(saveable_objects_for_op(made, key(name)))


def node_paths(proto: Any) -> list[str]:
    """A name for each object of a message, for messages to people."""
    paths = {0: "(root)"}
    for number, node in enumerate(proto.nodes):
        for child in node.children:
            paths.setdefault(child.node_id, f"{paths.get(number, '?')}.{child.local_name}")
        for slot in node.slot_variables:
            original = paths.get(slot.original_variable_node_id, "?")
            paths.setdefault(
                slot.slot_variable_node_id, f"{paths.get(number, '?')}'s state {slot.slot_name!r} for {original}"
            )
    return [paths.get(number, "?") for number in range(len(proto.nodes))]
