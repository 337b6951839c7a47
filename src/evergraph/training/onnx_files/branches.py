"""Branches whose predicate is known: what runs stays, the rest goes.

A graph that was trained has `tf.cond(is_training, ...)` inside, and for inference `is_training` is a constant, or a
placeholder with a default:

    Switch(data, False) ──► :0 data          Merge(what runs, what does not) ──► what runs
                        └─► :1 gone, and all that depends on it
"""

from __future__ import annotations

from typing import Any

from evergraph.formats import messages
from evergraph.formats.tensors import proto_to_array

_SWITCHES, _MERGES = ("Switch", "RefSwitch"), ("Merge", "RefMerge")
_OF_REFERENCES = ("RefEnter", "RefExit", "RefIdentity", "RefMerge", "RefNextIteration", "RefSwitch")
_NEXTS = ("NextIteration", "RefNextIteration")


def without_known_branches(graph_def: Any, fed: set[str]) -> tuple[Any, dict[str, list[str]]]:
    """A `GraphDef` without the branches that do not run, and without control inputs.

    Args:
        graph_def: the graph.
        fed: the names of ops that are fed; other placeholders with a default have that value.

    Returns:
        The `GraphDef`, and by op those of its control inputs that say in which branch or loop it runs.
    """
    nodes = {node.name: node for node in graph_def.node}
    gone: set[tuple[str, int]] = set()  # outputs that are never there; (name, -1) is a whole op
    chosen: dict[str, str] = {}  # a switch or merge to what passes it

    def is_gone(source: str) -> bool:
        name, number = _parts(source)
        return (name, -1) in gone or (name, number) in gone

    before = -1
    while len(gone) + len(chosen) > before:  # an op may come before the switch that it reads
        before = len(gone) + len(chosen)
        for node in graph_def.node:
            data = [i for i in node.input if not i.startswith("^")]
            if node.op in _MERGES:
                data = [i for i in data if nodes[_parts(i)[0]].op not in _NEXTS] or data  # a loop goes as it starts
                live = [i for i in data if not is_gone(i)]
                if len(live) == 1 and len(data) > 1:
                    chosen[node.name] = live[0]
                elif not live:
                    gone.add((node.name, -1))
            elif any((i[1:], -1) in gone if i.startswith("^") else is_gone(i) for i in node.input):
                gone.add((node.name, -1))
            elif node.op in _SWITCHES:
                value = _truth(nodes, data[1], fed)
                if value is not None:
                    chosen[node.name] = data[0]
                    gone.add((node.name, int(not value)))
            elif node.op == "PlaceholderWithDefault" and node.name not in fed:
                chosen[node.name] = data[0]
    pivots: dict[str, list[str]] = {}
    made = messages.GraphDef(versions=graph_def.versions, library=graph_def.library)
    for node in graph_def.node:
        if (node.name, -1) in gone:
            continue
        if found := [i[1:] for i in node.input if i.startswith("^") and _is_pivot(nodes, i[1:], chosen)]:
            pivots[node.name] = found
        copied = made.node.add()
        if node.name in chosen:
            copied.name, copied.op, copied.device = node.name, "Identity", node.device
            kind = node.attr["dtype" if node.op == "PlaceholderWithDefault" else "T"]
            copied.attr["T"].CopyFrom(kind)
            inputs = [chosen[node.name]]
        else:
            copied.CopyFrom(node)
            if node.op in _OF_REFERENCES:
                copied.op = node.op.removeprefix("Ref")  # the variable is a constant now
            del copied.input[:]
            inputs = [i for i in node.input if not i.startswith("^")]
        # The second output of what was a switch is the first one of what took its place.
        copied.input.extend(_parts(i)[0] if _parts(i)[0] in chosen else i for i in inputs)
    return made, pivots


def _is_pivot(nodes: dict[str, Any], name: str, chosen: dict[str, str]) -> bool:
    """Whether an op is the Identity of a Switch with which a branch or a loop starts.

    Ops inside that take nothing from there wait for it.
    """
    node = nodes.get(name)
    if node is None or node.op != "Identity" or name in chosen:
        return False
    source = nodes[_parts(node.input[0])[0]]
    return source.op in _SWITCHES and source.name not in chosen


def _parts(source: str) -> tuple[str, int]:
    name, _, number = source.partition(":")
    return name, int(number or 0)


def _truth(nodes: dict[str, Any], source: str, fed: set[str]) -> bool | None:
    """The value of a predicate, if it is known."""
    flips = False
    for _ in range(len(nodes)):
        name = _parts(source)[0]
        node = nodes.get(name)
        if node is None or name in fed:
            return None
        if node.op == "Const":
            value = proto_to_array(node.attr["value"].tensor)
            return bool(value.reshape(-1)[0]) != flips if value.size == 1 else None
        if node.op not in ("Identity", "PlaceholderWithDefault", "LogicalNot", *_SWITCHES):
            return None
        flips ^= node.op == "LogicalNot"
        source = node.input[0]
    return None
