"""The shape of a ragged tensor as tensors, and broadcasting between such shapes."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.shapes import dimension_value
from evergraph.framework.tensor import Tensor
from evergraph.ops.cast import cast
from evergraph.ops.checks import Assert
from evergraph.ops.comparisons import equal
from evergraph.ops.constant import constant
from evergraph.ops.filling import ones
from evergraph.ops.gather import gather
from evergraph.ops.identity import identity
from evergraph.ops.joining import concat, stack
from evergraph.ops.ragged.rearranging import tile
from evergraph.ops.ragged.splits import as_integers, lengths_to_splits, repeat_ranges
from evergraph.ops.ragged.tensor import RaggedTensor, as_tensor_or_ragged
from evergraph.ops.reductions import reduce_all, reduce_sum
from evergraph.ops.selecting import where
from evergraph.ops.sequences import range_
from evergraph.ops.shaping import broadcast_to as dense_broadcast_to
from evergraph.ops.shaping import reshape, shape, size
from evergraph.ops.static_values import get_static_value


class RaggedTensorDynamicShape:
    """The sizes of the dimensions of a tensor or ragged tensor, as tensors.

    Args:
        partitioned_dim_sizes: the sizes of the outer dimensions, the last of which is ragged: a scalar for a
            uniform one, for a ragged one a vector with the length of each of its rows. The first is uniform.
        inner_dim_sizes: int vector: the sizes of the inner dimensions, which are uniform.
        dim_size_dtype: int32 or int64; by default the type of the ragged sizes.
    """

    def __init__(self, partitioned_dim_sizes: Any, inner_dim_sizes: Any, dim_size_dtype: Any = None) -> None:
        assert isinstance(partitioned_dim_sizes, list | tuple)
        with name_scope(None, "RaggedTensorDynamicShape", (partitioned_dim_sizes, inner_dim_sizes)):
            outer = [
                convert_to_tensor(s, name=f"partitioned_dimension_size_{i}")
                for i, s in enumerate(partitioned_dim_sizes)
            ]
            inner = convert_to_tensor(inner_dim_sizes, name="inner_dim_sizes")
            for axis, s in enumerate(outer):
                if s.shape.ndims is None:
                    raise ValueError(f"rank of partitioned_dim_sizes[{axis}] is unknown")
                s.shape.with_rank_at_most(1)
            if outer and outer[0].shape.ndims == 1:
                raise ValueError("outermost partitioned dimension must be uniform")
            if outer and outer[-1].shape.ndims == 0:
                raise ValueError("innermost partitioned dimension must be ragged")
            inner.shape.assert_has_rank(1)
            if dim_size_dtype is None:
                found = {s.dtype for s in outer if s.shape.ndims == 1}
                if len(found) > 1:
                    raise ValueError("partitioned_dim_sizes must have matching dtypes")
                dim_size_dtype = found.pop() if found else dtypes.int64
            self._partitioned_dim_sizes = tuple(cast(s, dim_size_dtype) for s in outer)
            self._inner_dim_sizes = cast(inner, dim_size_dtype)

    def __repr__(self) -> str:
        return (
            f"RaggedTensorDynamicShape(partitioned_dim_sizes={self._partitioned_dim_sizes!r}, "
            f"inner_dim_sizes={self._inner_dim_sizes!r})"
        )

    @staticmethod
    def from_dim_sizes(dim_sizes: Any) -> RaggedTensorDynamicShape:
        """The shape with these sizes: scalars for uniform, vectors for ragged dimensions."""
        with name_scope(None, "RaggedTensorDynamicShapeFromDimensionSizes", [dim_sizes]):
            sizes = tuple(convert_to_tensor(s, preferred_dtype=dtypes.int64, name="dim_sizes") for s in dim_sizes)
            outer = 0
            for axis, s in enumerate(sizes):
                if s.shape.ndims == 1:
                    outer = axis + 1
                elif s.shape.ndims != 0:
                    raise ValueError("Each dim_size must be a scalar or a vector")
            return RaggedTensorDynamicShape(sizes[:outer], sizes[outer:])

    @classmethod
    def from_tensor(cls, rt_input: Any, dim_size_dtype: Any = None) -> RaggedTensorDynamicShape:
        """The shape of a tensor or a ragged tensor."""
        with name_scope(None, "RaggedTensorDynamicShapeFromTensor", [rt_input]):
            x = as_tensor_or_ragged(rt_input)
            if not isinstance(x, RaggedTensor):
                return cls([], shape(x))
            outer = (x.nrows(), *x.nested_row_lengths())
            return RaggedTensorDynamicShape(outer, shape(x.flat_values)[1:], dim_size_dtype=dim_size_dtype)

    def dimension_size(self, axis: int) -> Tensor:
        """The size of a dimension: a scalar, or a vector for a ragged one."""
        if not isinstance(axis, int):
            raise TypeError("axis must be an integer")
        outer = len(self._partitioned_dim_sizes)
        return self._partitioned_dim_sizes[axis] if axis < outer else self._inner_dim_sizes[axis - outer]

    def is_ragged(self, axis: int) -> bool:
        """Whether a dimension is ragged."""
        if not isinstance(axis, int):
            raise TypeError("axis must be an integer")
        if axis < 0:
            raise ValueError("Negative axis values are not supported")
        rank = self.rank
        if rank is not None and axis >= rank:
            raise ValueError(f"Expected axis={axis} < rank={rank}")
        sizes = self._partitioned_dim_sizes
        return 0 < axis < len(sizes) and sizes[axis].shape.ndims == 1

    @property
    def rank(self) -> int | None:
        inner = self.num_inner_dimensions
        return None if inner is None else len(self._partitioned_dim_sizes) + inner

    @property
    def partitioned_dim_sizes(self) -> tuple[Tensor, ...]:
        return self._partitioned_dim_sizes

    @property
    def inner_dim_sizes(self) -> Tensor:
        return self._inner_dim_sizes

    @property
    def num_partitioned_dimensions(self) -> int:
        return len(self._partitioned_dim_sizes)

    @property
    def num_inner_dimensions(self) -> int | None:
        return dimension_value(self._inner_dim_sizes.shape[0])

    @property
    def dim_size_dtype(self) -> dtypes.DType:
        return self._inner_dim_sizes.dtype

    def broadcast_to_rank(self, rank: int) -> RaggedTensorDynamicShape:
        """The shape with dimensions of size 1 put before it."""
        if self.rank is None:
            raise ValueError("Unable to broadcast: self.rank is unknown")
        more = rank - self.rank
        if more < 0:
            raise ValueError(f"Unable to broadcast: rank={rank} must be greater than self.rank={self.rank}.")
        if more == 0:
            return self
        if self._partitioned_dim_sizes:
            return RaggedTensorDynamicShape((1,) * more + self._partitioned_dim_sizes, self._inner_dim_sizes)
        return RaggedTensorDynamicShape([], concat([ones([more], self.dim_size_dtype), self._inner_dim_sizes], axis=0))

    def broadcast_dimension(self, axis: int, lengths: Any) -> RaggedTensorDynamicShape:
        """The shape with dimension `axis` broadcast to `lengths`: a scalar, or a vector with the length of each row.

        Raises:
            InvalidArgumentError: at run time, if neither is 1 and they differ.
        """
        lengths = as_integers(lengths, "lengths", self.dim_size_dtype)
        if lengths.shape.ndims is None:
            raise ValueError("lengths must have a known rank.")
        if lengths.shape.ndims > 1:
            raise ValueError("lengths must be a scalar or vector")
        is_scalar = lengths.shape.ndims == 0
        if self.is_ragged(axis):
            fits = equal(lengths, 1) if is_scalar else reduce_all(equal(lengths, self.dimension_size(axis)))
        else:
            own = self.dimension_size(axis)
            fits = equal(lengths, 1) | equal(own, 1) | equal(own, lengths) if is_scalar else equal(own, 1)
        message = [
            "Unable to broadcast: dimension size mismatch in dimension",
            axis,
            "lengths=",
            lengths,
            "dim_size=",
            self.dimension_size(axis),
        ]
        with control_dependencies([Assert(fits, data=message, summarize=10)]):
            if axis < self.num_partitioned_dimensions:
                if self.is_ragged(axis):
                    return RaggedTensorDynamicShape(self._partitioned_dim_sizes, identity(self._inner_dim_sizes))
                return self._uniform_partitioned_broadcast(axis, lengths)
            if is_scalar:
                return self._inner_broadcast_to_uniform(axis, lengths)
            if axis == 0:
                raise ValueError("Unable to broadcast: outermost dimension must be uniform.")
            return self._inner_broadcast_to_ragged(axis, lengths)

    def num_slices_in_dimension(self, axis: int) -> Tensor:
        """How many slices there are if all dimensions up to `axis` are flattened."""
        if axis < 0:
            return constant(1, dtype=self.dim_size_dtype)
        if self.is_ragged(axis):
            return reduce_sum(self._partitioned_dim_sizes[axis])
        return self.dimension_size(axis) * self.num_slices_in_dimension(axis - 1)

    def _uniform_partitioned_broadcast(self, axis: int, lengths: Tensor) -> RaggedTensorDynamicShape:
        own = self.dimension_size(axis)
        sizes = list(self._partitioned_dim_sizes[:axis])
        if lengths.shape.ndims == 0:
            lengths = where(equal(own, 1), lengths, own)
            repeats = where(equal(own, 1), lengths, 1)
            splits = stack([0, self.num_slices_in_dimension(axis)])
        else:
            splits = range_(size(lengths, out_type=self.dim_size_dtype) + 1)
            repeats = lengths
        sizes.append(lengths)
        for s in self._partitioned_dim_sizes[axis + 1 :]:
            if s.shape.ndims == 0:
                sizes.append(s)
                splits *= s
            else:
                sizes.append(repeat_ranges(s, splits, repeats))
                splits = gather(lengths_to_splits(s), splits)
        return RaggedTensorDynamicShape(sizes, self._inner_dim_sizes)

    def _inner_broadcast_to_uniform(self, axis: int, length: Tensor) -> RaggedTensorDynamicShape:
        own = self.dimension_size(axis)
        at = axis - self.num_partitioned_dimensions
        inner = self._inner_dim_sizes
        sizes = concat([inner[:at], [where(equal(own, 1), length, own)], inner[at + 1 :]], axis=0)
        return RaggedTensorDynamicShape(self._partitioned_dim_sizes, sizes)

    def _inner_broadcast_to_ragged(self, axis: int, lengths: Tensor) -> RaggedTensorDynamicShape:
        at = axis - self.num_partitioned_dimensions
        between = tuple(self._inner_dim_sizes[i] for i in range(at))
        return RaggedTensorDynamicShape(
            (*self._partitioned_dim_sizes, *between, lengths), self._inner_dim_sizes[at + 1 :]
        )

    def with_dim_size_dtype(self, dtype: Any) -> RaggedTensorDynamicShape:
        """The same with sizes of int32 or int64."""
        if dtype not in (dtypes.int32, dtypes.int64):
            raise ValueError("dtype must be int32 or int64")
        if self.dim_size_dtype == dtype:
            return self
        outer = [cast(s, dtype) for s in self._partitioned_dim_sizes]
        return RaggedTensorDynamicShape(outer, cast(self._inner_dim_sizes, dtype))


def broadcast_dynamic_shape(
    shape_x: RaggedTensorDynamicShape, shape_y: RaggedTensorDynamicShape
) -> RaggedTensorDynamicShape:
    """The shape that two shapes broadcast to.

    Raises:
        TypeError: if they are not `RaggedTensorDynamicShape`s.
        ValueError: if a rank is unknown.
    """
    if not isinstance(shape_x, RaggedTensorDynamicShape):
        raise TypeError("shape_x must be a RaggedTensorDynamicShape")
    if not isinstance(shape_y, RaggedTensorDynamicShape):
        raise TypeError("shape_y must be a RaggedTensorDynamicShape")
    if shape_x.rank is None or shape_y.rank is None:
        raise ValueError("Unable to broadcast: unknown rank")
    rank = max(shape_x.rank, shape_y.rank)
    x, y = shape_x.broadcast_to_rank(rank), shape_y.broadcast_to_rank(rank)
    for axis in range(rank):
        x = x.broadcast_dimension(axis, y.dimension_size(axis))
        y = y.broadcast_dimension(axis, x.dimension_size(axis))
    return x


def broadcast_to(rt_input: Any, shape: RaggedTensorDynamicShape, broadcast_inner_dimensions: bool = True) -> Any:
    """A tensor or ragged tensor broadcast to `shape`.

    Args:
        rt_input: a tensor or a ragged tensor.
        shape: what to broadcast to.
        broadcast_inner_dimensions: whether to broadcast the inner, uniform dimensions too.
    """
    if not isinstance(shape, RaggedTensorDynamicShape):
        raise TypeError("shape must be a RaggedTensorDynamicShape")
    x = as_tensor_or_ragged(rt_input)
    if shape.num_partitioned_dimensions:
        return _to_ragged_shape(x, shape, broadcast_inner_dimensions)
    if isinstance(x, RaggedTensor):
        raise ValueError("Incompatible with shape: ragged rank mismatch")
    return dense_broadcast_to(x, shape.inner_dim_sizes) if broadcast_inner_dimensions else x


def _to_ragged_shape(x: Any, wanted: RaggedTensorDynamicShape, inner_too: bool) -> RaggedTensor:
    kind = wanted.dim_size_dtype
    if isinstance(x, RaggedTensor) and x.row_splits.dtype != kind:
        raise ValueError(
            "rt_input and dst_shape have different row_split dtypes; use RaggedTensor.with_row_splits_dtype() or "
            "RaggedTensorDynamicShape.with_dim_size_dtype() to convert to a compatible dtype."
        )
    if x.shape.ndims is None or wanted.rank is None:
        raise ValueError("Unable to broadcast: unknown rank")
    if x.shape.ndims > wanted.rank:
        raise ValueError("Incompatible with shape: rank mismatch")
    outer = wanted.num_partitioned_dimensions
    if isinstance(x, RaggedTensor) and x.ragged_rank >= outer:
        raise ValueError("Incompatible with shape: ragged rank mismatch")
    own = RaggedTensorDynamicShape.from_tensor(x).broadcast_to_rank(wanted.rank)
    x = _with_rank(x, wanted)
    if isinstance(x, RaggedTensor):
        more = x.flat_values.shape.ndims - 1 - (wanted.num_inner_dimensions or 0)
        if more > 0:
            inner = RaggedTensor.from_tensor(x.flat_values, ragged_rank=more, row_splits_dtype=kind)
            x = x.with_flat_values(inner)
    else:
        x = RaggedTensor.from_tensor(x, ragged_rank=outer - 1, row_splits_dtype=kind)
    multiples: list[Any] = [1] * wanted.rank
    for axis in range(outer):
        if not own.is_ragged(axis) and not wanted.is_ragged(axis):
            have, want = own.dimension_size(axis), wanted.dimension_size(axis)
            if get_static_value(have) in (1, None) and get_static_value(want) != 1:
                multiples[axis] = where(equal(have, 1), want, 1)
    if not all(isinstance(m, int) and m == 1 for m in multiples):
        x = tile(x, stack(multiples, axis=0))
    if inner_too:
        x = x.with_flat_values(reshape(x.flat_values, concat([[-1], wanted.inner_dim_sizes], axis=0)))
    for axis in range(outer):
        if not own.is_ragged(axis) and wanted.is_ragged(axis):
            x = _tiled_to_lengths(x, axis, wanted.dimension_size(axis), kind)
    return x


def _with_rank(x: Any, wanted: RaggedTensorDynamicShape) -> Any:
    """`x` with dimensions of one row put around it, up to the rank wanted."""
    rank = wanted.rank
    assert rank is not None
    if rank > x.shape.ndims:
        if x.shape.ndims < (wanted.num_inner_dimensions or 0) + 1:
            x = reshape(x, concat([[-1], wanted.inner_dim_sizes], axis=0))
        more: int = rank - x.shape.ndims
        for _ in range(more):
            is_ragged = isinstance(x, RaggedTensor)
            rows = x.nrows() if is_ragged else shape(x, out_type=wanted.dim_size_dtype)[0]
            x = RaggedTensor.from_row_lengths(x, [rows], validate=False)
    return x


def _tiled_to_lengths(x: Any, axis: int, repeats: Tensor, kind: Any) -> RaggedTensor:
    """Repeat the rows of dimension `axis`, each of length 1, `repeats[i]` times."""
    if not isinstance(x, RaggedTensor):
        x = RaggedTensor.from_tensor(x, ragged_rank=1, row_splits_dtype=kind)
    if axis > 1:
        return x.with_values(_tiled_to_lengths(x.values, axis - 1, repeats, kind))
    nested, lengths = x.nested_row_splits, x.nested_row_lengths()
    splits = nested[0]
    tiled = [repeats]
    for i in range(1, len(lengths)):
        tiled.append(repeat_ranges(lengths[i], splits, repeats))
        splits = gather(nested[i], splits)
    values = repeat_ranges(x.flat_values, splits, repeats)
    return RaggedTensor.from_nested_row_lengths(values, tiled, validate=False)


__all__ = ["RaggedTensorDynamicShape", "broadcast_dynamic_shape", "broadcast_to"]
