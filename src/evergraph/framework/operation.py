"""An `Operation` is a vertex of a graph: a type, inputs, attributes, outputs. It never runs by itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from evergraph.framework import errors, stacks
from evergraph.framework import frames as _frames
from evergraph.framework.codec import codec
from evergraph.framework.opdefs import OpDef
from evergraph.framework.shapes import ShapeError, bracket_text, merge
from evergraph.framework.tensor import Tensor

if TYPE_CHECKING:
    from evergraph.framework.graph import Graph

NAME = re.compile(r"^[A-Za-z0-9.][A-Za-z0-9_.\\/-]*$")
SCOPE_NAME = re.compile(r"^[A-Za-z0-9_.\\/-]*$")


class Operation:
    """A computation on tensors: made by the functions of the API, or by `Graph.create_op`."""

    __slots__ = (
        "graph", "name", "type", "opdef", "inputs", "attrs", "outputs", "frames",
        "_id", "_control_inputs", "_control_outputs", "_device", "_original_op", "_control_flow_context",
        "_gradient_function", "__dict__", "__weakref__",
    )  # fmt: skip

    graph: Graph
    name: str
    type: str
    opdef: OpDef
    inputs: tuple[Tensor, ...]
    attrs: dict[str, Any]
    outputs: list[Tensor]

    def __init__(
        self,
        graph: Graph,
        number: int,
        name: str,
        opdef: OpDef,
        inputs: tuple[Tensor, ...],
        attrs: dict[str, Any],
        frames: _frames.Frames,
    ) -> None:
        self.graph = graph
        self.name = name
        self.type = opdef.name
        self.opdef = opdef
        self.inputs = inputs
        self.attrs = attrs
        self.outputs = []
        self.frames = frames
        self._id = number
        self._control_inputs: list[Operation] = []
        self._control_outputs: list[Operation] | None = None
        self._device = ""
        self._original_op: Operation | None = None
        self._control_flow_context: Any = None
        self._gradient_function: Any = None

    # What an op is made of

    @property
    def control_inputs(self) -> list[Operation]:
        return list(self._control_inputs)

    @property
    def _control_outputs_list(self) -> list[Operation]:
        return list(self._control_outputs or ())

    @property
    def device(self) -> str:
        return self._device

    def values(self) -> tuple[Tensor, ...]:
        return tuple(self.outputs)

    @property
    def op_def(self) -> Any:
        """TF's `OpDef` message for this op's type."""
        return codec().op_def(self.opdef)

    @property
    def node_def(self) -> Any:
        """TF's `NodeDef` message for this op."""
        return codec().node_def(self)

    def get_attr(self, name: str) -> Any:
        """The value of an attribute, as TF's Python gives it.

        Raises:
            ValueError: if the op has no attribute of that name.
        """
        if name not in self.attrs:
            raise ValueError(f"Operation {self.name!r} has no attr named {name!r}.")
        return codec().attr_for_python(self, name)

    @property
    def traceback(self) -> list[tuple[str, int, str, str | None]]:
        """The program's lines that built this op, outermost first, as `traceback.extract_stack` gives them."""
        return [(f.filename, f.lineno or 0, f.name, f.line) for f in _frames.summaries(self.frames)]

    @property
    def traceback_with_start_lines(self) -> list[tuple[str, int, str, str | None, int]]:
        starts = [code.co_firstlineno for code, _ in reversed(self.frames)]
        return [(*entry, start) for entry, start in zip(self.traceback, starts, strict=True)]

    @property
    def _output_types(self) -> list[Any]:
        return [t.dtype for t in self.outputs]

    @property
    def _input_types(self) -> list[Any]:
        """What the op takes: references where its OpDef says so, and values elsewhere."""
        if not self.opdef.has_ref_inputs:
            return [t.dtype.base_dtype for t in self.inputs]
        if not self.opdef.plain:  # RefMerge
            return [t.dtype for t in self.inputs]
        return [
            t.dtype if arg.is_ref else t.dtype.base_dtype for arg, t in zip(self.opdef.inputs, self.inputs, strict=True)
        ]

    @property
    def _is_stateful(self) -> bool:
        return self.opdef.is_stateful

    def colocation_groups(self) -> list[bytes]:
        """The groups this op shares a device with; its own when it names no other."""
        groups = [c for c in self.attrs.get("_class", ()) if c.startswith(b"loc:@")]
        return groups or [b"loc:@" + self.name.encode()]

    # The few things that may change after an op is made; each makes the plans made so far stale

    def _add_control_inputs(self, ops: Any) -> None:
        for op in ops:
            self._add_control_input(op)

    def _add_control_input(self, op: Operation) -> None:
        if op.graph is not self.graph:
            raise ValueError(f"control input {op.name!r} is of another graph than {self.name!r}")
        if op not in self._control_inputs:
            self._control_inputs.append(op)
            self._note_as_reader(op)
            self.graph._changed()

    def _note_as_reader(self, op: Operation) -> None:
        if op._control_outputs is None:
            op._control_outputs = []
        op._control_outputs.append(self)

    def _remove_all_control_inputs(self) -> None:
        for op in self._control_inputs:
            assert op._control_outputs is not None
            op._control_outputs.remove(self)
        self._control_inputs = []
        self.graph._changed()

    def _update_input(self, index: int, tensor: Tensor) -> None:
        if tensor.graph is not self.graph:
            raise ValueError(f"{tensor.name} must be from the same graph as {self.name}.")
        if index >= len(self.inputs):
            raise errors.OutOfRangeError(
                None,
                None,
                f"Cannot update edge. Input index [{index}] is greater than the number of total inputs "
                f"[{len(self.inputs)}].",
            )
        old = self.inputs[index]
        try:
            merge(old.static_shape, tensor.static_shape)
        except ShapeError:
            old_text, new_text = bracket_text(old.static_shape), bracket_text(tensor.static_shape)
            raise errors.InvalidArgumentError(
                None, None, f"Cannot update edge, incompatible shapes: {new_text} and {old_text}."
            ) from None
        if old._readers:
            old._readers.remove(self)
        self.inputs = (*self.inputs[:index], tensor, *self.inputs[index + 1 :])
        if tensor._readers is None:
            tensor._readers = []
        tensor._readers.append(self)
        self.graph._changed()

    def _set_device(self, device: Any) -> None:
        from_spec = device.to_string() if hasattr(device, "to_string") else device
        self._device = from_spec or ""
        self.graph._changed()

    _set_device_from_string = _set_device

    def _set_attr(self, name: str, value: Any) -> None:
        """Set an attribute; `value` is an `AttrValue` message or a plain value."""
        self.attrs[name] = codec().attr_from_proto(value) if hasattr(value, "WhichOneof") else value
        self.graph._changed()

    def _clear_attr(self, name: str) -> None:
        self.attrs.pop(name, None)
        self.graph._changed()

    def _get_control_flow_context(self) -> Any:
        return self._control_flow_context

    def _set_control_flow_context(self, context: Any) -> None:
        self._control_flow_context = context

    # Running

    def run(self, feed_dict: Any = None, session: Any = None) -> None:
        """Run this op in `session`, or in the default session."""
        stacks.session_for("run()", "execute operation", self.graph, session).run(self, feed_dict)

    def _as_graph_element(self) -> Operation:
        return self

    def __copy__(self) -> Operation:
        return self

    def __deepcopy__(self, memo: Any) -> Operation:
        return self

    def __repr__(self) -> str:
        return f"<tf.Operation {self.name!r} type={self.type}>"

    def __str__(self) -> str:
        return str(self.node_def)
