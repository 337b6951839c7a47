"""What a `Saver` saves so that its checkpoint is one that `tf.train.Checkpoint` reads: objects, as they are now."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.scopes import device
from evergraph.ops.constant import constant
from evergraph.ops.grouping import no_op
from evergraph.training.object_names import OBJECT_GRAPH_KEY
from evergraph.training.saveable import SaveableObject, SaveSpec
from evergraph.training.tracking.object_graph import gather


class _SavedOnly(SaveableObject):
    """A tensor that goes into a checkpoint and that no restore reads."""

    def __init__(self, tensor: Any, name: str) -> None:
        super().__init__(tensor, [SaveSpec(tensor, "", name)], name)

    def restore(self, restored_tensors: Any, restored_shapes: Any) -> Any:
        return no_op()


def frozen_saveables(root: Any) -> list[SaveableObject]:
    """The saveables of everything below `root`, and one more for the object graph itself."""
    found = gather(root)
    with device("/cpu:0"):
        graph = constant(found.proto.SerializeToString(), dtype=dtypes.string)
    return [*found.saveables, _SavedOnly(graph, OBJECT_GRAPH_KEY)]
