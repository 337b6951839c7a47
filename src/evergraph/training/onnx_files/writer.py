"""An ONNX graph under construction, and the table of which op becomes what.

Images are NHWC in TensorFlow and NCHW in ONNX. A tensor is kept in the layout in which it was made, and transposed when
somebody asks for the other one; an element-wise op after a convolution stays in the convolution's layout. So a chain of
convolutions has one transposition at its start and one at its end.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor

Mapping = Callable[["Writer", Operation], Any]
MAPPINGS: dict[str, Mapping] = {}
"""Op type to the function that writes ONNX nodes for an op: it gives the names of the outputs, or one name."""

DEEPEST = 30  # graphs inside of graphs: readers of protobuf stop at 100 messages, and each takes three
TO_NCHW, TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)


class NotMapped(Exception):
    """An op that has no counterpart in ONNX; the text says what is in the way."""


def maps(*types: str) -> Callable[[Mapping], Mapping]:
    """Declare how ops of these types are written."""

    def declare(function: Mapping) -> Mapping:
        MAPPINGS.update(dict.fromkeys(types, function))
        return function

    return declare


class Dilated(NamedTuple):
    """A tensor inside of SpaceToBatchND, Conv2D, BatchToSpaceND, which together are a dilated convolution."""

    image: Tensor
    block: list[int]
    paddings: np.ndarray
    convolution: Operation | None = None


class Writer:
    """Collects nodes and constants.

    Args:
        onnx: the package.
        known: the tensors whose values are known, with their values.
    """

    def __init__(self, onnx: Any, known: dict[Tensor, np.ndarray]) -> None:
        self.onnx = onnx
        self.known = known
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self._of_value: dict[Any, str] = {}
        self.arrays: dict[Tensor, Any] = {}  # what arrays.py knows of handles and flows
        self.later: ChainMap[Tensor, Callable[[], str]] = ChainMap()  # tensors written where somebody asks for them
        self.dilated: dict[Tensor, Dilated] = {}
        self.scope = ""  # the op that nodes are named after
        self._names: ChainMap[Tensor, str] = ChainMap()
        self._nchw: ChainMap[Tensor, str] = ChainMap()
        self._of_known: dict[Tensor, str] = {}
        self._taken: set[str] = set()
        self._depth = 0

    def unique(self, name: str) -> str:
        found, number = name, 1
        while found in self._taken:
            found, number = f"{name}_{number}", number + 1
        self._taken.add(found)
        return found

    @contextmanager
    def layer(self) -> Iterator[None]:
        """Within it, names hide those from before; at its end they are forgotten."""
        before = self._names, self._nchw, self.later
        self._names, self._nchw = self._names.new_child(), self._nchw.new_child()
        self.later = self.later.new_child()
        try:
            yield
        finally:
            self._names, self._nchw, self.later = before

    @contextmanager
    def subgraph(self) -> Iterator[list[Any]]:
        """Within it, nodes go to the list that it gives: a graph inside, which sees the names of those outside."""
        if self._depth == DEEPEST:
            raise NotMapped(f"more than {DEEPEST} branches or loops inside one another, which no reader takes")
        nodes, self.nodes = self.nodes, []
        self._depth += 1
        try:
            with self.layer():
                yield self.nodes
        finally:
            self.nodes = nodes
            self._depth -= 1

    def results(self, names: Sequence[str]) -> list[str]:
        """These values as the outputs of a graph inside: each made by a node of its own there."""
        made = {name for node in self.nodes for name in node.output}
        found: list[str] = []
        for name in names:
            found.append(name if name in made and name not in found else self.node("Identity", [name]))
        return found

    def op(self, op: Operation) -> None:
        """Write one op of the graph."""
        self.scope = op.name
        made = MAPPINGS[op.type](self, op)
        if made is not None:
            for t, name in zip(op.outputs, [made] if isinstance(made, str) else made):
                self._names[t] = name

    def node(self, kind: str, inputs: Sequence[str], outputs: int = 1, **attrs: Any) -> Any:
        """Add a node; gives the name of its output, or of its outputs."""
        names = [self.unique(f"{self.scope}:{kind}" if outputs == 1 else f"{self.scope}:{i}") for i in range(outputs)]
        title = self.unique(f"{self.scope}/{kind}")
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), names, name=title, **attrs))
        return names[0] if outputs == 1 else names

    def constant(self, value: Any, dtype: Any = None, name: str = "") -> str:
        """The name of a constant; equal small ones are one."""
        array = np.ascontiguousarray(np.asarray(value, dtype)).reshape(np.shape(value))
        key = (array.dtype.str, array.shape, array.tobytes()) if array.size <= 64 and not name else None
        if key is not None and key in self._of_value:
            return self._of_value[key]
        found = self.unique(name or f"{self.scope}/const")
        if array.dtype.kind in "OSU":
            flat = [v if isinstance(v, bytes) else str(v).encode() for v in array.reshape(-1).tolist()]
            proto = self.onnx.helper.make_tensor(found, self.onnx.TensorProto.STRING, array.shape, flat)
        else:
            proto = self.onnx.numpy_helper.from_array(array, found)
        self.constants[found] = proto
        if key is not None:
            self._of_value[key] = found
        return found

    def ints(self, *values: Any) -> str:
        """A constant vector of int64, as ONNX takes axes and shapes."""
        return self.constant(np.array(values, np.int64))

    def vector(self, values: Sequence[int | str]) -> str:
        """A vector of int64 out of numbers and of names of vectors of one."""
        if all(isinstance(v, int) for v in values):
            return self.ints(*values)
        parts = [self.ints(v) if isinstance(v, int) else v for v in values]
        return parts[0] if len(parts) == 1 else str(self.node("Concat", parts, axis=0))

    def elements(self, t: Tensor, what: str) -> list[int | str]:
        """The elements of a vector of integers: numbers where they are known, else names of vectors of one."""
        if t in self.known:
            return [int(v) for v in self.known[t]]
        if t.op.type == "Pack":
            return [
                int(self.known[part]) if part in self.known else self.node("Reshape", [self.int64(part), self.ints(1)])
                for part in t.op.inputs
            ]
        if t.static_shape is None or len(t.static_shape) != 1 or t.static_shape[0] is None:
            raise NotMapped(f"how many entries its {what} has depends on the feeds")
        whole = self.int64(t)
        return [self.node("Slice", [whole, self.ints(i), self.ints(i + 1)]) for i in range(t.static_shape[0])]

    def like(self, t: Tensor, value: Any) -> str:
        """A scalar constant of the type of `t`."""
        return self.constant(np.array(value, t.dtype._base.np))

    def put(self, t: Tensor, name: str) -> None:
        self._names[t] = name

    def has(self, t: Tensor) -> bool:
        """Whether a tensor has been written, or needs no op to be written."""
        return t in self._names or t in self._nchw or t in self.known or t in self.later or t in self.dilated

    def name(self, t: Tensor) -> str:
        """The value that stands for a tensor."""
        found = self._names.get(t)
        if found is None:
            if t in self.known:
                return self._known_name(t)
            if t in self.later:
                found = self.later[t]()
            elif t in self.dilated:
                raise NotMapped(f"{t.op.type} {t.op.name!r} is no part of a dilated convolution")
            elif t not in self._nchw:
                raise NotMapped(f"{t.name!r} is not among what ONNX gives")
            else:
                found = self.node("Transpose", [self._nchw[t]], perm=TO_NHWC)
            self._names[t] = found
        return found

    def _known_name(self, t: Tensor) -> str:
        if t not in self._of_known:
            name = t.op.name if t.value_index == 0 else t.name
            self._of_known[t] = self.constant(self.known[t], name=name)
        return self._of_known[t]

    def names(self, op: Operation) -> list[str]:
        return [self.name(t) for t in op.inputs]

    def nchw(self, t: Tensor) -> str:
        """The value of an NHWC tensor as NCHW."""
        found = self._nchw.get(t)
        if found is None:
            found = self._nchw[t] = self.node("Transpose", [self.name(t)], perm=TO_NCHW)
        return found

    def put_nchw(self, t: Tensor, name: str) -> None:
        self._nchw[t] = name

    def is_nchw(self, t: Tensor) -> bool:
        """Whether a tensor was made as NCHW and nobody has needed it otherwise so far."""
        return t in self._nchw and t not in self._names

    def int64(self, t: Tensor) -> str:
        """A tensor of integers as int64."""
        if t in self.known:
            return self.constant(self.known[t].astype(np.int64))
        return self.name(t) if t.dtype.name == "int64" else self.cast(self.name(t), np.int64)

    def cast(self, name: str, dtype: Any) -> str:
        return str(self.node("Cast", [name], to=self.type_of(dtype)))

    def type_of(self, dtype: Any) -> int:
        if np.dtype(dtype).kind in "OSU":
            return int(self.onnx.TensorProto.STRING)
        try:
            return int(self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
        except (KeyError, ValueError):
            raise NotMapped(f"type {np.dtype(dtype).name}") from None

    def static(self, t: Tensor, what: str) -> np.ndarray:
        """The value of an operand that has to be known."""
        if t not in self.known:
            raise NotMapped(f"its {what} depends on the feeds")
        return self.known[t]


def entries(w: Writer, t: Tensor) -> list[int | None]:
    """The elements of a vector of integers, as far as they are known."""
    if t in w.known:
        return [int(v) for v in w.known[t]]
    if t.op.type == "Pack":
        return [int(w.known[part]) if part in w.known else None for part in t.op.inputs]
    raise NotMapped(f"what {t.name!r} is depends on the feeds")


def rank_of(t: Tensor) -> int:
    if t.static_shape is None:
        raise NotMapped(f"the number of dimensions of {t.name!r} is unknown")
    return len(t.static_shape)
