"""Static shapes.

Inside Evergraph a static shape is a plain value: `None` when even the rank is unknown, else a tuple whose
entries are ints, or `None` for a size that is not known yet. Shape rules work on those and nothing else.
`TensorShape` and `Dimension` are what TF programs see of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeGuard

from evergraph.framework.dtypes import DType

Shape = tuple[int | None, ...] | None


class ShapeError(ValueError):
    """A shape rule's refusal: the sizes that do not fit, in one sentence. The graph adds which op and where."""


def with_rank(shape: Shape, rank: int) -> tuple[int | None, ...]:
    """`shape`, known to have `rank` dimensions; an unknown shape becomes `rank` unknown sizes."""
    if shape is None:
        return (None,) * rank
    if len(shape) != rank:
        raise ShapeError(f"Shape must be rank {rank} but is rank {len(shape)}")
    return shape


def with_rank_at_least(shape: Shape, rank: int) -> Shape:
    if shape is not None and len(shape) < rank:
        raise ShapeError(f"Shape must be at least rank {rank} but is rank {len(shape)}")
    return shape


def with_rank_at_most(shape: Shape, rank: int) -> Shape:
    if shape is not None and len(shape) > rank:
        raise ShapeError(f"Shape must be at most rank {rank} but is rank {len(shape)}")
    return shape


def merge_dim(a: int | None, b: int | None) -> int | None:
    if a is None or a == b:
        return b
    if b is None:
        return a
    raise ShapeError(f"Dimensions must be equal, but are {a} and {b}")


def merge(a: Shape, b: Shape) -> Shape:
    """What two descriptions of one shape say together.

    Raises:
        ShapeError: when they contradict each other.
    """
    if a is None or a == b:
        return b
    if b is None:
        return a
    if len(a) != len(b):
        raise ShapeError(f"Shapes must be equal rank, but are {len(a)} and {len(b)}")
    merged: list[int | None] = []
    for i, (x, y) in enumerate(zip(a, b, strict=True)):
        if x is not None and y is not None and x != y:
            raise ShapeError(
                f"Dimension {i} in both shapes must be equal, but are {x} and {y}. Shapes are {bracket_text(a)} and "
                f"{bracket_text(b)}."
            )
        merged.append(y if x is None else x)
    return tuple(merged)


def broadcast_static(a: Shape, b: Shape) -> Shape:
    """The shape of an element-wise op on `a` and `b` under NumPy's broadcasting."""
    if a == b and a is not None and None not in a:
        return a
    if a is None or b is None:
        return None
    n = max(len(a), len(b))
    out: list[int | None] = []
    for x, y in zip((1,) * (n - len(a)) + a, (1,) * (n - len(b)) + b, strict=True):
        if x == y:
            out.append(x)
        elif x is None or y is None:
            known = y if x is None else x
            out.append(None if known == 1 else known)
        elif x == 1 or y == 1:
            out.append(y if x == 1 else x)
        else:
            raise ShapeError(f"Dimensions must be equal, but are {x} and {y}")
    return tuple(out)


def size_of(shape: Shape) -> int | None:
    """How many elements, or None when unknown."""
    if shape is None or None in shape:
        return None
    n = 1
    for d in shape:
        n *= d  # type: ignore[operator]  # `shape` holds no None
    return n


def is_static(shape: Shape) -> TypeGuard[tuple[int, ...]]:
    return shape is not None and None not in shape


class Dimension:
    """One size of a `TensorShape`; `value` is an int, or None when unknown."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        if value is None or isinstance(value, int) and type(value) is not bool:
            self._value: int | None = value
        elif isinstance(value, Dimension):
            self._value = value._value
        elif isinstance(value, DType):
            raise TypeError(f"Cannot convert {value} to Dimension")
        else:
            try:
                self._value = value.__index__() if hasattr(value, "__index__") else int(value)
            except (TypeError, ValueError):
                raise TypeError(f"Dimension value must be integer or None, got {value!r}") from None
            if not hasattr(value, "__index__") and self._value != value and not isinstance(value, str | bytes):
                raise ValueError(f"Ambiguous dimension: {value}")
        if self._value is not None and self._value < 0:
            raise ValueError(f"Dimension {self._value} must be >= 0")

    @property
    def value(self) -> int | None:
        return self._value

    def is_compatible_with(self, other: Any) -> bool:
        other = as_dimension(other)
        return self._value is None or other._value is None or self._value == other._value

    def assert_is_compatible_with(self, other: Any) -> None:
        if not self.is_compatible_with(other):
            raise ValueError(f"Dimensions {self} and {other} are not compatible")

    def merge_with(self, other: Any) -> Dimension:
        other = as_dimension(other)
        self.assert_is_compatible_with(other)
        return Dimension(other._value if self._value is None else self._value)

    def __repr__(self) -> str:
        return f"Dimension({self._value!r})"

    def __str__(self) -> str:
        return "?" if self._value is None else str(self._value)

    def __eq__(self, other: object) -> Any:
        try:
            other = as_dimension(other)
        except (TypeError, ValueError):
            return NotImplemented
        if self._value is None or other._value is None:
            return None
        return self._value == other._value

    def __ne__(self, other: object) -> Any:
        try:
            other = as_dimension(other)
        except (TypeError, ValueError):
            return NotImplemented
        if self._value is None or other._value is None:
            return None
        return self._value != other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __int__(self) -> Any:
        return self._value

    def __index__(self) -> Any:
        return self._value

    def __long__(self) -> Any:
        return self._value

    def _with(self, other: Any, compute: Any, reverse: bool = False) -> Any:
        try:
            other = as_dimension(other)
        except (TypeError, ValueError):
            return NotImplemented
        x, y = (other._value, self._value) if reverse else (self._value, other._value)
        return Dimension(None if x is None or y is None else compute(x, y))

    def _compare(self, other: Any, compute: Any) -> Any:
        other = as_dimension(other)
        return None if self._value is None or other._value is None else compute(self._value, other._value)

    def __add__(self, other: Any) -> Any:
        return self._with(other, lambda x, y: x + y)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self._with(other, lambda x, y: x - y)

    def __rsub__(self, other: Any) -> Any:
        return self._with(other, lambda x, y: x - y, reverse=True)

    def __mul__(self, other: Any) -> Any:
        return self._with(other, lambda x, y: x * y)

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Any:
        return self._with(other, lambda x, y: x // y)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._with(other, lambda x, y: x // y, reverse=True)

    def __div__(self, other: Any) -> Any:
        return self // other

    def __truediv__(self, other: Any) -> Any:
        raise TypeError(
            f"unsupported operand type(s) for /: 'Dimension' and '{type(other).__name__}', please use // instead"
        )

    def __rtruediv__(self, other: Any) -> Any:
        raise TypeError(
            f"unsupported operand type(s) for /: '{type(other).__name__}' and 'Dimension', please use // instead"
        )

    def __mod__(self, other: Any) -> Any:
        return self._with(other, lambda x, y: x % y)

    def __rmod__(self, other: Any) -> Any:
        return self._with(other, lambda x, y: x % y, reverse=True)

    def __lt__(self, other: Any) -> Any:
        return self._compare(other, lambda x, y: x < y)

    def __le__(self, other: Any) -> Any:
        return self._compare(other, lambda x, y: x <= y)

    def __gt__(self, other: Any) -> Any:
        return self._compare(other, lambda x, y: x > y)

    def __ge__(self, other: Any) -> Any:
        return self._compare(other, lambda x, y: x >= y)

    def __reduce__(self) -> Any:
        return Dimension, (self._value,)


def as_dimension(value: Any) -> Dimension:
    return value if isinstance(value, Dimension) else Dimension(value)


def dimension_value(dimension: Any) -> Any:
    """The int or None inside a `Dimension`; anything else is given back."""
    return dimension.value if isinstance(dimension, Dimension) else dimension


def dimension_at_index(shape: TensorShape, index: int) -> Dimension:
    return Dimension(None) if shape.rank is None else shape.dims[index]  # type: ignore[index]  # of known rank


class TensorShape:
    """The static shape of a tensor: fully known, partly known, or of unknown rank."""

    __slots__ = ("_sizes",)
    _v2_behavior = False  # entries are `Dimension` objects

    def __init__(self, dims: Any) -> None:
        self._sizes: Shape = static_shape(dims)

    @property
    def rank(self) -> int | None:
        return None if self._sizes is None else len(self._sizes)

    @property
    def ndims(self) -> int | None:
        return self.rank

    @property
    def dims(self) -> list[Dimension] | None:
        return None if self._sizes is None else [Dimension(d) for d in self._sizes]

    def as_list(self) -> list[int | None]:
        """The sizes, None for those unknown.

        Raises:
            ValueError: if the rank is unknown.
        """
        if self._sizes is None:
            raise ValueError("as_list() is not defined on an unknown TensorShape.")
        return list(self._sizes)

    def as_proto(self) -> Any:
        return TensorShape._to_proto(self._sizes)  # set by formats.graphdef

    _to_proto: Any = staticmethod(lambda sizes: None)

    def num_elements(self) -> int | None:
        return size_of(self._sizes)

    def is_fully_defined(self) -> bool:
        return is_static(self._sizes)

    def assert_is_fully_defined(self) -> None:
        if not self.is_fully_defined():
            raise ValueError(f"Shape {self} is not fully defined")

    def is_compatible_with(self, other: Any) -> bool:
        try:
            merge(self._sizes, as_shape(other)._sizes)
        except ShapeError:
            return False
        return True

    def assert_is_compatible_with(self, other: Any) -> None:
        if not self.is_compatible_with(other):
            raise ValueError(f"Shapes {self} and {as_shape(other)} are incompatible")

    def most_specific_compatible_shape(self, other: Any) -> TensorShape:
        a, b = self._sizes, as_shape(other)._sizes
        if a is None or b is None or len(a) != len(b):
            return unknown_shape()
        return TensorShape([x if x == y else None for x, y in zip(a, b, strict=True)])

    def merge_with(self, other: Any) -> TensorShape:
        other = as_shape(other)
        try:
            return _from_sizes(merge(self._sizes, other._sizes))
        except ShapeError:
            raise ValueError(f"Shapes {self} and {other} are not compatible") from None

    def concatenate(self, other: Any) -> TensorShape:
        a, b = self._sizes, as_shape(other)._sizes
        return _from_sizes(None if a is None or b is None else a + b)

    def assert_same_rank(self, other: Any) -> None:
        other = as_shape(other)
        if self.rank is not None and other.rank is not None and self.rank != other.rank:
            raise ValueError(f"Shapes {self} and {other} must have the same rank")

    def assert_has_rank(self, rank: int) -> None:
        if self.rank not in (None, rank):
            raise ValueError(f"Shape {self} must have rank {rank}")

    def with_rank(self, rank: int) -> TensorShape:
        try:
            return self.merge_with(unknown_shape(rank=rank))
        except ValueError:
            raise ValueError(f"Shape {self} must have rank {rank}") from None

    def with_rank_at_least(self, rank: int) -> TensorShape:
        if self.rank is not None and self.rank < rank:
            raise ValueError(f"Shape {self} must have rank at least {rank}")
        return self

    def with_rank_at_most(self, rank: int) -> TensorShape:
        if self.rank is not None and self.rank > rank:
            raise ValueError(f"Shape {self} must have rank at most {rank}")
        return self

    def __len__(self) -> int:
        if self._sizes is None:
            raise ValueError("Cannot take the length of shape with unknown rank.")
        return len(self._sizes)

    def __bool__(self) -> bool:
        return self._sizes is not None

    def __iter__(self) -> Iterator[Dimension]:
        if self._sizes is None:
            raise ValueError("Cannot iterate over a shape with unknown rank.")
        return iter([Dimension(d) for d in self._sizes])

    def __getitem__(self, key: Any) -> Any:
        if self._sizes is not None:
            if isinstance(key, slice):
                return _from_sizes(self._sizes[key])
            return Dimension(self._sizes[key])
        if isinstance(key, slice):
            start, stop = key.start or 0, key.stop
            if key.step is not None:
                raise ValueError("Steps are not yet handled")
            if stop is None or start < 0 or stop < 0:
                return unknown_shape()
            return unknown_shape(rank=max(0, stop - start))
        return Dimension(None)

    def __add__(self, other: Any) -> TensorShape:
        return self.concatenate(other)

    def __radd__(self, other: Any) -> TensorShape:
        return as_shape(other).concatenate(self)

    def __eq__(self, other: object) -> Any:
        """Whether both are the same for sure: of two unknown sizes nobody knows whether they are equal."""
        try:
            sizes = as_shape(other)._sizes
        except (TypeError, ValueError):
            return NotImplemented
        return self._sizes is sizes or self._sizes == sizes and self.is_fully_defined()

    def __ne__(self, other: object) -> Any:
        try:
            other = as_shape(other)
        except (TypeError, ValueError):
            return NotImplemented
        if self.rank is None or other.rank is None:
            raise ValueError("The inequality of unknown TensorShapes is undefined.")
        return not self == other

    def __hash__(self) -> int:
        return hash(self._sizes)

    def __repr__(self) -> str:
        return f"TensorShape({None if self._sizes is None else [Dimension(d) for d in self._sizes]})"

    def __str__(self) -> str:
        return shape_text(self._sizes)

    def __reduce__(self) -> Any:
        return TensorShape, (self.dims,)


def shape_text(shape: Shape) -> str:
    """A shape as TF prints it: `(?, 10)`, `(3,)`, `<unknown>`."""
    if shape is None:
        return "<unknown>"
    if len(shape) == 1:
        return f"({'?' if shape[0] is None else shape[0]},)"
    return "(" + ", ".join("?" if d is None else str(d) for d in shape) + ")"


def bracket_text(shape: Shape) -> str:
    """A shape as TF's shape errors print it: `[?,10]`, `<unknown>`."""
    return "<unknown>" if shape is None else "[" + ",".join("?" if d is None else str(d) for d in shape) + "]"


def static_shape(dims: Any) -> Shape:
    """Any description of a shape (TensorShape, list, int, proto, None) as a plain static shape."""
    if dims is None:
        return None
    if isinstance(dims, TensorShape):
        return dims._sizes
    if isinstance(dims, str | bytes):
        raise TypeError(f"A string has ambiguous TensorShape, please wrap in a list or convert to an int: {dims!r}")
    if isinstance(dims, Sequence):
        return tuple(d if type(d) is int and d >= 0 else Dimension(d)._value for d in dims)
    if hasattr(dims, "unknown_rank"):  # a TensorShapeProto
        return None if dims.unknown_rank else tuple(None if d.size == -1 else int(d.size) for d in dims.dim)
    try:
        entries = list(dims)
    except TypeError:
        return (Dimension(dims)._value,)
    return tuple(Dimension(d)._value for d in entries)


def _from_sizes(sizes: Shape) -> TensorShape:
    shape = TensorShape.__new__(TensorShape)
    shape._sizes = sizes
    return shape


from_sizes = _from_sizes


def as_shape(shape: Any) -> TensorShape:
    return shape if isinstance(shape, TensorShape) else TensorShape(shape)


def unknown_shape(rank: int | None = None, ndims: int | None = None) -> TensorShape:
    rank = ndims if rank is None else rank
    return _from_sizes(None if rank is None else (None,) * rank)


def scalar() -> TensorShape:
    return TensorShape([])


def vector(length: Any) -> TensorShape:
    return TensorShape([length])


def matrix(rows: Any, cols: Any) -> TensorShape:
    return TensorShape([rows, cols])
