"""Variables by name in checkpoints that were written by object: the object graph in such a checkpoint has both."""

from __future__ import annotations

from typing import Any

from evergraph.formats import messages
from evergraph.formats.checkpoint import open_checkpoint
from evergraph.framework import errors
from evergraph.training.saveable import SaveableObject, validate_and_slice_inputs

OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"


def read_object_graph(prefix: str) -> Any:
    """The `TrackableObjectGraph` message in a checkpoint.

    Raises:
        NotFoundError: if the checkpoint was not written by object.
    """
    with open_checkpoint(prefix) as reader:
        return messages.TrackableObjectGraph.FromString(reader.read(OBJECT_GRAPH_KEY).item())


def object_graph_key_mapping(checkpoint_path: str) -> dict[str, str]:
    """The names that variables had when the checkpoint was written, with their keys in it."""
    graph = read_object_graph(checkpoint_path)
    return {attribute.full_name: attribute.checkpoint_key for node in graph.nodes for attribute in node.attributes}


def remapped_saveables(var_list: Any, names_to_keys: dict[str, str]) -> list[SaveableObject]:
    """What saves `var_list`, with the keys of an object-based checkpoint in place of names.

    Raises:
        NotFoundError: if the checkpoint lacks some of the variables.
    """
    saveables = validate_and_slice_inputs(var_list)
    names = {spec.name for saveable in saveables for spec in saveable.specs}
    missing = names - set(names_to_keys)
    if missing:
        raise errors.NotFoundError(
            None,
            None,
            f"\n\nExisting variables not in the checkpoint: {', '.join(sorted(missing))}\n\n"
            "Variables names when this checkpoint was written which don't exist now: "
            f"{', '.join(sorted(set(names_to_keys) - names))}\n\n"
            f"({len(names & set(names_to_keys))} variable name(s) did match)\n\n"
            "Could not find some variables in the checkpoint, which tf.train.Checkpoint or save_weights wrote. Names "
            "may have changed since; a tf.train.Saver with a dict of the old names reads it, as does "
            "tf.train.Checkpoint.",
        )
    for saveable in saveables:
        for spec in saveable.specs:
            spec.name = names_to_keys[spec.name]
    return saveables
