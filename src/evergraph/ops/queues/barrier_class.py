"""The class for barriers, which TensorFlow has under an internal name: `data_flow_ops.Barrier`."""

from __future__ import annotations

from typing import Any

from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import constant_value, raw_op
from evergraph.ops.queues.components import shape_list, type_list


class Barrier:
    """Elements whose components come one by one, each under a string key, and that are given when they are complete.

    Args:
        types: the types of the components.
        shapes: their shapes; none may be empty.
        shared_name: barriers of one shared name are one in a session.

    Raises:
        ValueError: for a shape without elements.
    """

    def __init__(self, types: Any, shapes: Any = None, shared_name: str | None = None, name: str = "barrier") -> None:
        self._types = type_list(types)
        if shapes is None:
            self._shapes = [TensorShape(None) for _ in self._types]
        else:
            self._shapes = [TensorShape(s) for s in shape_list(shapes) or ()]
            for i, shape in enumerate(self._shapes):
                if shape.num_elements() == 0:
                    raise ValueError(f"Empty tensors are not supported, but received shape '{shape}' at index {i}")
        self._barrier_ref = raw_op("Barrier")(
            component_types=self._types, shapes=self._shapes, shared_name=shared_name, name=name
        )
        self._name = self._barrier_ref.op.name.split("/")[-1]

    @property
    def barrier_ref(self) -> Tensor:
        """The handle of the barrier."""
        return self._barrier_ref

    @property
    def name(self) -> str:
        return self._barrier_ref.op.name

    def _named(self, name: str | None, what: str) -> str:
        return f"{self._name}_Barrier{what}" if name is None else name

    def insert_many(self, component_index: int, keys: Any, values: Any, name: str | None = None) -> Any:
        """An op that gives the elements of `keys` one of their components."""
        return raw_op("BarrierInsertMany")(
            self._barrier_ref, keys, values, component_index, name=self._named(name, "InsertMany")
        )

    def take_many(
        self, num_elements: Any, allow_small_batch: bool = False, timeout: int | None = None, name: str | None = None
    ) -> Any:
        """`(indices, keys, values)` of complete elements. It waits until there are `num_elements`."""
        taken = raw_op("BarrierTakeMany")(
            self._barrier_ref,
            num_elements,
            self._types,
            allow_small_batch,
            timeout_ms=timeout,
            name=self._named(name, "TakeMany"),
        )
        made = taken[0].op
        known = None if allow_small_batch else constant_value(made.inputs[1])
        batch = None if known is None else int(known)
        shapes = [TensorShape([]), TensorShape([]), *self._shapes]
        for output, shape in zip(made.outputs, shapes, strict=True):
            output.set_shape(TensorShape([batch]).concatenate(shape))
        return taken

    def close(self, cancel_pending_enqueues: bool = False, name: str | None = None) -> Any:
        """An op that takes no new keys from then on; with `cancel_pending_enqueues`, nothing at all."""
        return raw_op("BarrierClose")(
            self._barrier_ref, cancel_pending_enqueues=cancel_pending_enqueues, name=self._named(name, "Close")
        )

    def ready_size(self, name: str | None = None) -> Tensor:
        """How many elements are complete: an int32 scalar."""
        return raw_op("BarrierReadySize")(self._barrier_ref, name=self._named(name, "ReadySize"))

    def incomplete_size(self, name: str | None = None) -> Tensor:
        """How many elements still lack a component: an int32 scalar."""
        return raw_op("BarrierIncompleteSize")(self._barrier_ref, name=self._named(name, "IncompleteSize"))
