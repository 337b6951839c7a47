"""Names of its own for what is loaded: SavedModels, and loads of one SavedModel, share neither functions nor tables.

function "look_up"                            "look_up_7"
HashTableV2(shared_name="words.txt")          HashTableV2(shared_name="words.txt_load_7")
"""

from __future__ import annotations

import itertools
from typing import Any

from evergraph.formats import messages
from evergraph.formats.function_def import references
from evergraph.framework import opdefs
from evergraph.framework.graph import Graph

_numbers = itertools.count(1)

# Without a shared name they go by the name of the node, which is another one wherever a function is called.
_NAMED_BY_NODE = frozenset(("HashTable", "HashTableV2", "Variable", "VariableV2"))


def with_own_names(graph_def: Any, graph: Graph) -> tuple[Any, dict[str, str]]:
    """A copy of a `GraphDef` with other names for functions and shared objects, and the functions' names, old to new.

    Args:
        graph_def: the message.
        graph: where it is to be loaded: none of its functions has one of the new names.
    """
    made = messages.GraphDef.FromString(graph_def.SerializeToString())
    taken = graph._functions
    saved = [function.signature.name for function in made.library.function]
    number = next(n for n in _numbers if not any(f"{name}_{n}" in taken for name in saved))
    names = {name: f"{name}_{number}" for name in saved}
    suffix = f"_load_{number}".encode()
    for node in made.node:
        _rename(node, names, suffix)
    for function in made.library.function:
        function.signature.name = names[function.signature.name]
        for node in function.node_def:
            _rename(node, names, suffix)
    for pair in made.library.gradient:
        pair.function_name, pair.gradient_func = names[pair.function_name], names[pair.gradient_func]
    return made, names


def _rename(node: Any, names: dict[str, str], suffix: bytes) -> None:
    node.op = names.get(node.op, node.op)
    for func in references(node):
        func.name = names.get(func.name, func.name)
    if node.op == "VarHandleOp":  # it has the name of a variable
        return
    opdef = opdefs.usable(node.op)
    if opdef is None or "shared_name" not in opdef.attr_map:
        return
    sharing = "use_node_name_sharing"
    if "shared_name" in node.attr or node.op in _NAMED_BY_NODE or sharing in node.attr and node.attr[sharing].b:
        node.attr["shared_name"].s = (node.attr["shared_name"].s or node.name.encode()) + suffix
