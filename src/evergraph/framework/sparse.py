"""Values with holes in them: `IndexedSlices` (some rows of a larger tensor) and `SparseTensor` (some of its elements).

Both are a few tensors side by side, without an op of their own. `IndexedSlices` is what the gradient of a gather is;
where a dense tensor is wanted, `ops.indexed_slices` makes it one.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from functools import wraps
from typing import Any

from evergraph.framework import convert, dtypes, shapes, stacks
from evergraph.framework.api import public, publish
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import Shape, TensorShape
from evergraph.framework.tensor import Tensor

# The static shape that a dense_shape tensor holds. The framework knows no op: `ops.indexed_slices` plugs it in.
shape_held: list[Callable[[Tensor], Shape]] = [lambda tensor: None]


@public("IndexedSlices")
class IndexedSlices:
    """Rows of a larger tensor: `dense[indices[i]] = values[i]`; rows named twice add up.

    Args:
        values: the rows, shape `[n, ...]`.
        indices: int32 or int64, shape `[n]`: where each row belongs.
        dense_shape: the shape of the whole, if it is known: an int vector.
    """

    is_tensor_like = True

    def __init__(self, values: Any, indices: Any, dense_shape: Any = None) -> None:
        _check_one_graph(values, indices, dense_shape)
        self._values = values
        self._indices = indices
        self._dense_shape = dense_shape

    @property
    def values(self) -> Any:
        return self._values

    @property
    def indices(self) -> Any:
        return self._indices

    @property
    def dense_shape(self) -> Any:
        return self._dense_shape

    @property
    def name(self) -> str:
        return self._values.name

    @property
    def device(self) -> str:
        return self._values.device

    @property
    def op(self) -> Operation:
        """The op that makes `values`."""
        return self._values.op

    @property
    def dtype(self) -> dtypes.DType:
        return self._values.dtype

    @property
    def graph(self) -> Any:
        return self._values.graph

    def consumers(self) -> list[Operation]:
        """The ops that take one of the tensors, in no repeated order."""
        return _consumers(self._values, self._indices, self._dense_shape)

    def __neg__(self) -> IndexedSlices:
        return IndexedSlices(-self._values, self._indices, self._dense_shape)

    def __str__(self) -> str:
        whole = "" if self._dense_shape is None else f", dense_shape={self._dense_shape}"
        return f"IndexedSlices(indices={self._indices}, values={self._values}{whole})"


IndexedSlicesValue = namedtuple("IndexedSlicesValue", ["values", "indices", "dense_shape"])
IndexedSlicesValue.__doc__ = "What a session gives for an `IndexedSlices`: NumPy arrays, None for no dense_shape."


@public("SparseTensor", "sparse.SparseTensor")
class SparseTensor:
    """The non-zero elements of a tensor: `dense[tuple(indices[i])] = values[i]`.

    Most ops expect `indices` in row-major order; `tf.sparse.reorder` puts them so.

    Args:
        indices: int64, shape `[n, rank]`.
        values: any dtype, shape `[n]`.
        dense_shape: int64, shape `[rank]`.

    Raises:
        ValueError: if the three shapes contradict each other.
    """

    is_tensor_like = True

    def __init__(self, indices: Any, values: Any, dense_shape: Any) -> None:
        with name_scope(None, "SparseTensor", [indices, values, dense_shape]):
            self._indices = convert.converted(indices, dtypes.int64, "indices")
            self._values = convert.converted(values, None, "values")
            self._dense_shape = convert.converted(dense_shape, dtypes.int64, "dense_shape")
        rows, columns = self._indices.shape.with_rank(2).dims
        rows.merge_with(self._values.shape.with_rank(1).dims[0])
        columns.merge_with(self._dense_shape.shape.with_rank(1).dims[0])

    @classmethod
    def from_value(cls, sparse_tensor_value: Any) -> SparseTensor:
        """A `SparseTensor` of constants from a `SparseTensorValue`; a `SparseTensor` gives one of the same tensors."""
        if not is_sparse(sparse_tensor_value):
            raise TypeError(f"Neither a SparseTensor nor SparseTensorValue: {sparse_tensor_value}.")
        return SparseTensor(*(getattr(sparse_tensor_value, part) for part in SparseTensorValue._fields))

    @property
    def indices(self) -> Tensor:
        return self._indices

    @property
    def values(self) -> Tensor:
        return self._values

    @property
    def dense_shape(self) -> Tensor:
        return self._dense_shape

    @property
    def op(self) -> Operation:
        """The op that makes `values`."""
        return self._values.op

    @property
    def dtype(self) -> dtypes.DType:
        return self._values.dtype

    @property
    def graph(self) -> Any:
        return self._indices.graph

    @property
    def shape(self) -> TensorShape:
        """The static shape of the whole tensor, as far as `dense_shape` is known."""
        return shapes.as_shape(shape_held[0](self._dense_shape))

    def get_shape(self) -> TensorShape:
        return self.shape

    def consumers(self) -> list[Operation]:
        """The ops that take one of the three tensors."""
        return _consumers(self._indices, self._values, self._dense_shape)

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """Compute the three tensors in `session`, or in the default session: a `SparseTensorValue`."""
        found = stacks.session_for("eval()", "evaluate tensor", self.graph, session)
        return SparseTensorValue(*found.run([self._indices, self._values, self._dense_shape], feed_dict))

    @staticmethod
    def _override_operator(operator: str, function: Any) -> None:
        setattr(SparseTensor, operator, function)

    def __str__(self) -> str:
        return f"SparseTensor(indices={self._indices}, values={self._values}, dense_shape={self._dense_shape})"


SparseTensorValue = namedtuple("SparseTensorValue", ["indices", "values", "dense_shape"])
SparseTensorValue.__doc__ = "A `SparseTensor` of NumPy arrays: what a session gives for one, and takes as its feed."
publish("SparseTensorValue", SparseTensorValue)
publish("compat.v1.SparseTensorValue", SparseTensorValue)


ELEMENT_WISE = frozenset(("Neg", "Sign", "Square", "Sqrt", "Erf", "Tanh", "BesselI0e", "BesselI1e"))
"""The ops that take a `SparseTensor` too, and go over its stored values; zero stays zero (but for BesselI0e)."""


def over_stored_too(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function of a tensor `x` take a `SparseTensor`: it goes over the stored values then."""

    @wraps(function)
    def either(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except (TypeError, ValueError):
            x = args[0] if args else kwargs.pop("x", None)
            if not isinstance(x, SparseTensor):
                raise
        return SparseTensor(x.indices, function(x.values, *args[1:], **kwargs), x.dense_shape)

    return either


def is_sparse(x: Any) -> bool:
    """Whether `x` is a `SparseTensor` or a `SparseTensorValue`."""
    return isinstance(x, SparseTensor | SparseTensorValue)


@public("convert_to_tensor_or_sparse_tensor")
def convert_to_tensor_or_sparse_tensor(value: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Convert `value` to a `Tensor`, or leave it the `SparseTensor` that it is; a `SparseTensorValue` becomes one.

    Raises:
        RuntimeError: if a `SparseTensor` is not of `dtype`.
    """
    if isinstance(value, SparseTensorValue):
        value = SparseTensor.from_value(value)
    if not isinstance(value, SparseTensor):
        return convert.converted(value, dtype, name)
    if dtype is not None and not dtypes.as_dtype(dtype).is_compatible_with(value.dtype):
        raise RuntimeError(f"Sparse dtype: requested = {dtypes.as_dtype(dtype).name}, actual = {value.dtype.name}")
    return value


@public("convert_to_tensor_or_indexed_slices")
def convert_to_tensor_or_indexed_slices(value: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Convert `value` to a `Tensor`; `IndexedSlices` and `SparseTensor` stay what they are.

    Raises:
        ValueError: if `value` has another type than `dtype`.
    """
    return dense_or_slices(value, dtype, name)


def dense_or_slices(value: Any, dtype: Any = None, name: str | None = None, as_ref: bool = False) -> Any:
    """`convert_to_tensor_or_indexed_slices`; with `as_ref` a variable gives its reference."""
    if not isinstance(value, IndexedSlices | SparseTensor):
        return convert.converted(value, dtype, name, as_ref)
    if dtype is not None and not dtypes.as_dtype(dtype).is_compatible_with(value.dtype):
        raise ValueError(
            f"Tensor conversion requested dtype {dtypes.as_dtype(dtype).name} for Tensor with dtype "
            f"{value.dtype.name}: {str(value)!r}"
        )
    return value


def each_dense_or_slices(values: Any, dtype: Any = None, name: str | None = None, as_ref: bool = False) -> list[Any]:
    """`dense_or_slices` of each value, None staying None; the i-th is named `name_i`."""
    if not isinstance(values, list | tuple):
        raise TypeError("values must be a sequence.")
    return [
        None if v is None else dense_or_slices(v, dtype, None if name is None else f"{name}_{i}", as_ref)
        for i, v in enumerate(values)
    ]


def _check_one_graph(*parts: Any) -> None:
    first = None
    for part in parts:
        if type(part) is Tensor:
            if first is None:
                first = part
            elif part.op.graph is not first.op.graph and not (
                # what is of a graph around a function is captured
                part.op.graph._building_function or first.op.graph._building_function
            ):
                raise ValueError(f"{part} must be from the same graph as {first}.")


def _consumers(*parts: Any) -> list[Operation]:
    return list(dict.fromkeys(op for part in parts if part is not None for op in part.consumers()))


__all__ = [
    "ELEMENT_WISE",
    "IndexedSlices",
    "IndexedSlicesValue",
    "SparseTensor",
    "SparseTensorValue",
    "convert_to_tensor_or_indexed_slices",
    "convert_to_tensor_or_sparse_tensor",
    "dense_or_slices",
    "each_dense_or_slices",
    "is_sparse",
    "over_stored_too",
    "shape_held",
]
