"""A `Tensor` is a symbol: one output of one op. It has a type and a static shape, and never a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evergraph.framework import shapes, stacks
from evergraph.framework.dtypes import DType
from evergraph.framework.errors import OperatorNotAllowedInGraphError
from evergraph.framework.shapes import Shape, TensorShape

if TYPE_CHECKING:
    from evergraph.framework.operation import Operation


class Tensor:
    """One output of an `Operation`. A program may hang attributes of its own on it, as on TF's."""

    __slots__ = ("op", "value_index", "dtype", "static_shape", "_readers", "_handle_data", "__dict__", "__weakref__")

    __array_priority__ = 100

    op: Operation
    value_index: int
    dtype: DType
    static_shape: Shape

    def __init__(self, op: Operation, value_index: int, dtype: DType, shape: Shape = None) -> None:
        self.op = op
        self.value_index = value_index
        self.dtype = dtype
        self.static_shape = shape
        self._readers: list[Operation] | None = None
        self._handle_data: Any = None  # for a resource handle: (shape, dtype) of what it refers to

    if TYPE_CHECKING:  # ops.operators and ops.slicing plug these in

        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __rfloordiv__(self, other: Any) -> Tensor: ...
        def __mod__(self, other: Any) -> Tensor: ...
        def __rmod__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __rand__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __ror__(self, other: Any) -> Tensor: ...
        def __xor__(self, other: Any) -> Tensor: ...
        def __rxor__(self, other: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __getitem__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...

    @property
    def graph(self) -> Any:
        return self.op.graph

    @property
    def name(self) -> str:
        return f"{self.op.name}:{self.value_index}"

    @property
    def device(self) -> str:
        return self.op.device

    @property
    def shape(self) -> TensorShape:
        return shapes.from_sizes(self.static_shape)

    def get_shape(self) -> TensorShape:
        return shapes.from_sizes(self.static_shape)

    @property
    def _rank(self) -> int | None:
        return None if self.static_shape is None else len(self.static_shape)

    def _shape_as_list(self) -> list[int | None] | None:
        return None if self.static_shape is None else list(self.static_shape)

    def _shape_tuple(self) -> Shape:
        return self.static_shape

    def set_shape(self, shape: Any) -> None:
        """Refine the static shape with what the program knows.

        Raises:
            ValueError: if `shape` contradicts what is known already.
        """
        try:
            self.static_shape = shapes.merge(self.static_shape, shapes.static_shape(shape))
        except shapes.ShapeError as error:
            raise ValueError(f"Cannot set the shape of {self.name!r}: {error}") from None

    @property
    def _value_index(self) -> int:
        return self.value_index

    def consumers(self) -> list[Operation]:
        """The ops that take this tensor as an input, in creation order: an op as often as it takes it."""
        return list(self._readers or ())

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """Compute this tensor in `session`, or in the default session."""
        return stacks.session_for("eval()", "evaluate tensor", self.graph, session).run(self, feed_dict)

    def _as_node_def_input(self) -> str:
        return self.op.name if self.value_index == 0 else f"{self.op.name}:{self.value_index}"

    def _as_tf_output(self) -> Tensor:
        return self

    def _as_graph_element(self) -> Tensor:
        return self

    def experimental_ref(self) -> Any:
        return _Ref(self)

    def __iter__(self) -> Any:
        raise OperatorNotAllowedInGraphError(
            "iterating over `tf.Tensor` is not allowed in Graph execution: a tensor has no values until a session runs "
            f"it. To iterate over tensor {self.name!r} of shape {self.shape} use tf.map_fn, or tf.unstack for a known "
            "size."
        )

    def __bool__(self) -> Any:
        raise OperatorNotAllowedInGraphError(
            "using a `tf.Tensor` as a Python `bool` is not allowed in Graph execution. "
            "Use `if t is not None:` instead of `if t:` to test if a tensor is defined, and use TensorFlow ops such as "
            f"tf.cond to execute subgraphs conditioned on the value of a tensor. The tensor is {self!r}."
        )

    __nonzero__ = __bool__

    def __len__(self) -> int:
        raise TypeError(
            f"len is not well defined for symbolic Tensors. ({self.name}) Please call `x.shape` rather than `len(x)` "
            "for shape information."
        )

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"Cannot convert a symbolic Tensor ({self.name}) to a numpy array.")

    # Equality and hash are object's own: a tensor is itself, and a dict look-up by tensor costs no Python call.

    def __copy__(self) -> Tensor:
        return self

    def __deepcopy__(self, memo: Any) -> Tensor:
        return self

    def __repr__(self) -> str:
        return f"<tf.Tensor {self.name!r} shape={shapes.shape_text(self.static_shape)} dtype={self.dtype.name}>"

    def __str__(self) -> str:
        shape = "" if self.static_shape is None else f", shape={shapes.shape_text(self.static_shape)}"
        device = f", device={self.device}" if self.device else ""
        return f'Tensor("{self.name}"{shape}, dtype={self.dtype.name}{device})'


class _Ref:
    """A hashable stand-in for a tensor, compared by identity."""

    __slots__ = ("_tensor",)

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor

    def deref(self) -> Tensor:
        return self._tensor

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Ref) and other._tensor is self._tensor

    def __hash__(self) -> int:
        return id(self._tensor)
