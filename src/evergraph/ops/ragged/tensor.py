"""`RaggedTensor`: a tensor some of whose dimensions have rows of different lengths.

It is the rows put together, `values`, and `row_splits`, where each row ends and the next starts. The values can be
ragged again; at the bottom are the `flat_values`, a tensor.
"""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes, stacks
from evergraph.framework.api import public
from evergraph.framework.composite import CompositeTensor
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape, dimension_at_index
from evergraph.framework.tensor import Tensor
from evergraph.framework.type_spec import TensorSpec
from evergraph.ops.arithmetic import maximum
from evergraph.ops.cast import cast
from evergraph.ops.filling import ones
from evergraph.ops.gather import gather
from evergraph.ops.joining import concat, stack
from evergraph.ops.ragged import partitions
from evergraph.ops.ragged.splits import SPLITS_TYPES, positive_axis, row_splits_to_segment_ids
from evergraph.ops.ragged.value import RaggedTensorValue, nested_value
from evergraph.ops.reductions import reduce_max
from evergraph.ops.shaping import shape


@public("RaggedTensor", "compat.v2.RaggedTensor")
class RaggedTensor(CompositeTensor):
    """A tensor with rows of different lengths: row `i` is `values[row_splits[i]:row_splits[i + 1]]`.

    Made by `tf.ragged.constant`, the methods `from_...`, and by ops that take or give ragged tensors. Ops that work
    element by element take it as they take a tensor.

    >>> rt = tf.RaggedTensor.from_row_splits([3, 1, 4, 1, 5], [0, 4, 4, 5])
    >>> sess.run(rt).to_list()
    [[3, 1, 4, 1], [], [5]]
    """

    __array_priority__ = 100

    def __init__(
        self,
        values: Any,
        row_splits: Any,
        cached_row_lengths: Any = None,
        cached_value_rowids: Any = None,
        cached_nrows: Any = None,
        internal: bool = False,
    ) -> None:
        if not internal:
            raise ValueError(
                "RaggedTensor constructor is private; please use one of the factory methods instead (e.g., "
                "RaggedTensor.from_row_lengths())"
            )
        is_spec = isinstance(row_splits, TensorSpec)
        if not is_spec and not isinstance(row_splits, Tensor):
            raise TypeError(f"Row-partitioning argument must be a Tensor, got {row_splits!r}")
        if not isinstance(values, RaggedTensor | (TensorSpec if is_spec else Tensor)):
            raise TypeError(f"values must be a Tensor or RaggedTensor, got {values!r}")
        if row_splits.dtype not in SPLITS_TYPES:
            raise ValueError("Row-partitioning argument must be int32 or int64")
        row_splits.shape.assert_has_rank(1)
        values.shape.with_rank_at_least(1)
        if not is_spec:
            row_splits.set_shape([None])
        if isinstance(values, RaggedTensor):
            assert row_splits.dtype == values.row_splits.dtype
        for cached in (cached_row_lengths, cached_value_rowids, cached_nrows):
            if cached is not None:
                if not isinstance(cached, Tensor):
                    raise TypeError("Cached value must be a Tensor or None.")
                if cached.dtype not in SPLITS_TYPES:
                    raise TypeError("Cached value must be int32 or int64.")
        self._values = values
        self._row_splits = row_splits
        self._cached_row_lengths = cached_row_lengths
        self._cached_value_rowids = cached_value_rowids
        self._cached_nrows = cached_nrows

    # Making one

    @classmethod
    def from_value_rowids(
        cls, values: Any, value_rowids: Any, nrows: Any = None, name: str | None = None, validate: bool = True
    ) -> RaggedTensor:
        """A ragged tensor of values that say which row they belong to.

        Args:
            values: `[n, ...]`, a tensor or a ragged tensor.
            value_rowids: int32 or int64, `[n]`, sorted.
            nrows: int scalar; by default one more than the last of `value_rowids`.
            name: the ops' scope.
            validate: whether to check at run time that the arguments fit together.
        """
        return partitions.from_value_rowids(cls, values, value_rowids, nrows, name, validate)

    @classmethod
    def from_row_splits(
        cls, values: Any, row_splits: Any, name: str | None = None, validate: bool = True
    ) -> RaggedTensor:
        """A ragged tensor whose row `i` is `values[row_splits[i]:row_splits[i + 1]]`.

        Args:
            values: `[n, ...]`, a tensor or a ragged tensor.
            row_splits: int32 or int64, `[rows + 1]`, sorted, from 0 to `n`.
            name: the ops' scope.
            validate: whether to check at run time that the arguments fit together.
        """
        return partitions.from_row_splits(cls, values, row_splits, name, validate)

    @classmethod
    def from_row_lengths(
        cls, values: Any, row_lengths: Any, name: str | None = None, validate: bool = True
    ) -> RaggedTensor:
        """A ragged tensor with rows of these lengths.

        Args:
            values: `[n, ...]`, a tensor or a ragged tensor.
            row_lengths: int32 or int64, `[rows]`; their sum is `n`.
            name: the ops' scope.
            validate: whether to check at run time that the arguments fit together.
        """
        return partitions.from_row_lengths(cls, values, row_lengths, name, validate)

    @classmethod
    def from_row_starts(
        cls, values: Any, row_starts: Any, name: str | None = None, validate: bool = True
    ) -> RaggedTensor:
        """A ragged tensor with rows that start at these positions: int32 or int64, `[rows]`, sorted, the first 0."""
        return partitions.from_row_starts(cls, values, row_starts, name, validate)

    @classmethod
    def from_row_limits(
        cls, values: Any, row_limits: Any, name: str | None = None, validate: bool = True
    ) -> RaggedTensor:
        """A ragged tensor with rows that end before these positions: int32 or int64, `[rows]`, sorted, the last `n`."""
        return partitions.from_row_limits(cls, values, row_limits, name, validate)

    @classmethod
    def from_nested_value_rowids(
        cls,
        flat_values: Any,
        nested_value_rowids: Any,
        nested_nrows: Any = None,
        name: str | None = None,
        validate: bool = True,
    ) -> RaggedTensor:
        """`from_value_rowids` for several partitions, the outermost first."""
        partitions.check_flag(validate)
        if isinstance(nested_value_rowids, Tensor):
            raise TypeError("nested_value_rowids must be a list of Tensors")
        if nested_nrows is None:
            nested_nrows = [None] * len(nested_value_rowids)
        elif isinstance(nested_nrows, Tensor):
            raise TypeError("nested_nrows must be a list of Tensors")
        elif len(nested_nrows) != len(nested_value_rowids):
            raise ValueError("nested_nrows must have the same length as nested_value_rowids")
        given = [flat_values, *nested_value_rowids, *nested_nrows]
        with name_scope(name, "RaggedFromNestedValueRowIds", given):
            result = flat_values
            for rowids, rows in reversed(list(zip(nested_value_rowids, nested_nrows, strict=True))):
                result = cls.from_value_rowids(result, rowids, rows, validate=validate)
            return result

    @classmethod
    def from_nested_row_splits(
        cls, flat_values: Any, nested_row_splits: Any, name: str | None = None, validate: bool = True
    ) -> RaggedTensor:
        """`from_row_splits` for several partitions, the outermost first."""
        partitions.check_flag(validate)
        if isinstance(nested_row_splits, Tensor):
            raise TypeError("nested_row_splits must be a list of Tensors")
        with name_scope(name, "RaggedFromNestedRowSplits", [flat_values, *nested_row_splits]):
            result = flat_values
            for splits in reversed(nested_row_splits):
                result = cls.from_row_splits(result, splits, validate=validate)
            return result

    @classmethod
    def from_nested_row_lengths(
        cls, flat_values: Any, nested_row_lengths: Any, name: str | None = None, validate: bool = True
    ) -> RaggedTensor:
        """`from_row_lengths` for several partitions, the outermost first."""
        partitions.check_flag(validate)
        if isinstance(nested_row_lengths, Tensor):
            raise TypeError("nested_row_lengths must be a list of Tensors")
        with name_scope(name, "RaggedFromNestedRowlengths", [flat_values, *nested_row_lengths]):
            result = flat_values
            for lengths in reversed(nested_row_lengths):
                result = cls.from_row_lengths(result, lengths, validate=validate)
            return result

    @classmethod
    def from_tensor(
        cls,
        tensor: Any,
        lengths: Any = None,
        padding: Any = None,
        ragged_rank: int = 1,
        name: str | None = None,
        row_splits_dtype: Any = dtypes.int64,
    ) -> RaggedTensor:
        """A ragged tensor of the rows of a tensor, cut off at their end.

        Args:
            tensor: rank at least `ragged_rank + 1`.
            lengths: int vector, how much of each row to keep; or a list of such vectors, one for each partition.
            padding: a value of the shape of `tensor[0, 0]`: keep what comes before those at the end of a row.
            ragged_rank: how many partitions to make.
            name: the ops' scope.
            row_splits_dtype: int32 or int64.
        """
        from evergraph.ops.ragged.dense import from_tensor

        return from_tensor(cls, tensor, lengths, padding, ragged_rank, name, row_splits_dtype)

    def to_tensor(self, default_value: Any = None, name: str | None = None) -> Tensor:
        """A tensor with every row filled up to the longest one, with `default_value` (by default 0 or "")."""
        from evergraph.ops.ragged.dense import to_tensor

        return to_tensor(self, default_value, name)

    @classmethod
    def from_sparse(cls, st_input: Any, name: str | None = None, row_splits_dtype: Any = dtypes.int64) -> RaggedTensor:
        """A ragged tensor of the rows of a sparse one of rank 2, whose rows have no holes."""
        from evergraph.ops.ragged.dense import from_sparse

        return from_sparse(cls, st_input, name, row_splits_dtype)

    def to_sparse(self, name: str | None = None) -> Any:
        """The `SparseTensor` that stores exactly the values of this ragged tensor."""
        from evergraph.ops.ragged.dense import to_sparse

        return to_sparse(self, name)

    def _to_variant(self, batched_input: bool = False, name: str | None = None) -> Tensor:
        from evergraph.ops.ragged.variants import to_variant

        return to_variant(self, batched_input, name)

    @classmethod
    def _from_variant(
        cls,
        variant: Any,
        dtype: Any,
        output_ragged_rank: int,
        input_ragged_rank: int | None = None,
        name: str | None = None,
    ) -> RaggedTensor:
        from evergraph.ops.ragged.variants import from_variant

        return from_variant(cls, variant, dtype, output_ragged_rank, input_ragged_rank, name)

    # What it consists of

    @property
    def dtype(self) -> dtypes.DType:
        return self._values.dtype

    @property
    def shape(self) -> TensorShape:
        """The static shape; ragged dimensions are None."""
        rows = dimension_at_index(self._row_splits.shape, 0) - 1
        return TensorShape([rows, None]).concatenate(self._values.shape[1:])

    @property
    def ragged_rank(self) -> int:
        """How many partitions there are: at least 1."""
        return self._values.ragged_rank + 1 if isinstance(self._values, RaggedTensor) else 1

    @property
    def values(self) -> Any:
        """The rows put together: a tensor, or a ragged tensor with one partition less."""
        return self._values

    @property
    def row_splits(self) -> Any:
        """Where each row ends and the next starts: a tensor of int32 or int64, `[rows + 1]`."""
        return self._row_splits

    @property
    def flat_values(self) -> Any:
        """The innermost values, a tensor."""
        return self._values.flat_values if isinstance(self._values, RaggedTensor) else self._values

    @property
    def nested_row_splits(self) -> tuple[Tensor, ...]:
        """The row splits of all partitions, the outermost first."""
        inner = self._values.nested_row_splits if isinstance(self._values, RaggedTensor) else ()
        return (self._row_splits, *inner)

    @property
    def op(self) -> Operation:
        """The op that makes the innermost values."""
        return self.flat_values.op

    @property
    def graph(self) -> Any:
        return self.flat_values.graph

    def _as_graph_element(self) -> Any:
        return self.flat_values

    def consumers(self) -> list[Operation]:
        """The ops that take one of the tensors."""
        return list(dict.fromkeys(op for part in self._parts() for op in part.consumers()))

    def value_rowids(self, name: str | None = None) -> Tensor:
        """The number of the row of each of `values`."""
        if self._cached_value_rowids is not None:
            return self._cached_value_rowids
        with name_scope(name, "RaggedValueRowIds", [self]):
            return row_splits_to_segment_ids(self._row_splits)

    def nested_value_rowids(self, name: str | None = None) -> tuple[Tensor, ...]:
        """`value_rowids` of all partitions, the outermost first."""
        with name_scope(name, "RaggedNestedValueRowIds", [self]):
            return tuple(level.value_rowids() for level in self._levels())

    def nrows(self, out_type: Any = None, name: str | None = None) -> Tensor:
        """How many rows there are: a scalar of `out_type`, by default the type of the row splits."""
        kind = self._row_splits.dtype if out_type is None else dtypes.as_dtype(out_type)
        if self._cached_nrows is not None:
            return cast(self._cached_nrows, kind)
        with name_scope(name, "RaggedNRows", [self]):
            return shape(self._row_splits, out_type=kind)[0] - 1

    def row_starts(self, name: str | None = None) -> Tensor:
        """Where each row starts in `values`."""
        with name_scope(name, "RaggedRowStarts", [self]):
            return self._row_splits[:-1]

    def row_limits(self, name: str | None = None) -> Tensor:
        """Where each row ends in `values`."""
        with name_scope(name, "RaggedRowLimits", [self]):
            return self._row_splits[1:]

    def row_lengths(self, axis: int = 1, name: str | None = None) -> Any:
        """The lengths of the rows of dimension `axis`: of the shape that the dimensions before it have."""
        if self._cached_row_lengths is not None:
            return self._cached_row_lengths
        with name_scope(name, "RaggedRowLengths", [self]):
            axis = positive_axis(axis, self.shape.ndims)
            if axis == 0:
                return self.nrows()
            if axis == 1:
                splits = self._row_splits
                return splits[1:] - splits[:-1]
            if isinstance(self._values, RaggedTensor):
                return self.with_values(self._values.row_lengths(axis - 1))
            sizes = shape(self._values, out_type=self._row_splits.dtype)
            return self.with_values(ones(sizes[: axis - 1], self._row_splits.dtype) * sizes[axis - 1])

    def nested_row_lengths(self, name: str | None = None) -> tuple[Tensor, ...]:
        """The lengths of the rows of all partitions, the outermost first."""
        with name_scope(name, "RaggedNestedRowLengths", [self]):
            return tuple(level.row_lengths() for level in self._levels())

    def bounding_shape(self, axis: Any = None, name: str | None = None, out_type: Any = None) -> Tensor:
        """The shape of the smallest tensor that every row fits in, or its entries at `axis`."""
        kind = self._row_splits.dtype if out_type is None else dtypes.as_dtype(out_type)
        with name_scope(name, "RaggedBoundingBox", [self, axis]):
            nested = self.nested_row_splits
            if isinstance(axis, int) and axis == 0:
                return shape(nested[0], out_type=kind)[0] - 1
            if isinstance(axis, int) and axis == 1:
                return maximum(reduce_max(self.row_lengths()), 0)
            outer = shape(self._row_splits, out_type=kind)
            inner = shape(self.flat_values, out_type=kind)
            ragged = stack([outer[0] - 1] + [maximum(reduce_max(s[1:] - s[:-1]), 0) for s in nested])
            whole = concat([ragged, inner[1:]], axis=0)
            return whole if axis is None else gather(whole, axis)

    # One like it

    def with_values(self, new_values: Any) -> RaggedTensor:
        """The same rows, of other values."""
        new_values.shape.with_rank_at_least(1)
        self._values.shape[:1].assert_is_compatible_with(new_values.shape[:1])
        if isinstance(new_values, RaggedTensor) and self._row_splits.dtype != new_values.row_splits.dtype:
            raise ValueError(
                "self and new_values have mismatched row_splits dtypes; use RaggedTensor.with_row_splits_dtype() to "
                "convert them to compatible dtypes."
            )
        return RaggedTensor(
            new_values,
            self._row_splits,
            self._cached_row_lengths,
            self._cached_value_rowids,
            self._cached_nrows,
            internal=True,
        )

    def with_flat_values(self, new_values: Any) -> RaggedTensor:
        """The same rows, of other innermost values."""
        if isinstance(self._values, RaggedTensor):
            new_values = self._values.with_flat_values(new_values)
        return self.with_values(new_values)

    def with_row_splits_dtype(self, dtype: Any) -> RaggedTensor:
        """The same with row splits of int32 or int64."""
        kind = dtypes.as_dtype(dtype)
        if kind not in SPLITS_TYPES:
            raise ValueError("dtype must be int32 or int64")
        if self._row_splits.dtype == kind:
            return self
        splits = cast(self._row_splits, kind)
        values = self._values.with_row_splits_dtype(kind) if isinstance(self._values, RaggedTensor) else self._values
        lengths, rowids = (
            None if x is None else cast(x, kind) for x in (self._cached_row_lengths, self._cached_value_rowids)
        )
        return RaggedTensor(values, splits, lengths, rowids, self._cached_nrows, internal=True)

    # As a value

    def to_list(self) -> list[Any]:
        """Not in graphs: run the ragged tensor, and use `RaggedTensorValue.to_list`."""
        raise ValueError(
            "RaggedTensor.to_list() is only supported in eager mode; in graph mode, evaluate the RaggedTensor first "
            "and then use RaggedTensorValue.to_list()."
        )

    def eval(self, feed_dict: Any = None, session: Any = None) -> RaggedTensorValue:
        """Compute it in `session`, or in the default session."""
        found = stacks.session_for("eval()", "evaluate tensor", self.graph, session)
        return found.run(self, feed_dict)

    def _is_eager(self) -> bool:
        return False

    def _levels(self) -> list[RaggedTensor]:
        inner = self._values._levels() if isinstance(self._values, RaggedTensor) else []
        return [self, *inner]

    def _parts(self) -> list[Tensor]:
        return [self.flat_values, *self.nested_row_splits]

    def _with_parts(self, parts: list[Any]) -> Any:
        return self._type_spec._from_components(parts)

    def _fetched(self, arrays: list[Any]) -> Any:
        return nested_value(arrays[0], arrays[1:])

    def _fed(self, value: Any) -> list[Any]:
        return [value.flat_values, *value.nested_row_splits]

    def _invariants(self, shape: Any) -> list[Any]:
        spec = self._type_spec if shape is None else self._shape_invariant_to_type_spec(shape)
        return [part.shape for part in spec._component_specs]

    @property
    def _type_spec(self) -> Any:
        from evergraph.ops.ragged.spec import RaggedTensorSpec

        return RaggedTensorSpec(self.shape, self.dtype, self.ragged_rank, self._row_splits.dtype)

    def _shape_invariant_to_type_spec(self, shape: Any) -> Any:
        from evergraph.ops.ragged.spec import RaggedTensorSpec

        return RaggedTensorSpec(shape, self.dtype, self.ragged_rank, self._row_splits.dtype)

    def __getitem__(self, key: Any) -> Any:
        """Rows, ranges of rows and of inner dimensions; `tf.newaxis` and `...` as for tensors.

        Raises:
            ValueError: for a number or a tensor at a ragged inner dimension: rows may be too short for it.
        """
        from evergraph.ops.ragged.indexing import picked

        return picked(self, key)

    def __iter__(self) -> Any:
        raise TypeError("RaggedTensor objects are only iterable when eager execution is enabled.")

    def __bool__(self) -> bool:
        raise TypeError("RaggedTensor may not be used as a boolean.")

    def __repr__(self) -> str:
        return f"tf.RaggedTensor(values={self._values}, row_splits={self._row_splits})"


def is_ragged(value: Any) -> bool:
    """Whether `value` is a `RaggedTensor` or a `RaggedTensorValue`."""
    return isinstance(value, RaggedTensor | RaggedTensorValue)


def as_tensor_or_ragged(
    value: Any, dtype: Any = None, preferred_dtype: Any = None, name: str | None = None
) -> Tensor | RaggedTensor:
    """`value` as a tensor, if it is not ragged; a `RaggedTensorValue` becomes a `RaggedTensor` of constants.

    Raises:
        ValueError: if a ragged tensor has another type than `dtype`.
    """
    if isinstance(value, RaggedTensor):
        if dtype and not dtypes.as_dtype(dtype).is_compatible_with(value.dtype):
            raise ValueError(
                f"Tensor conversion requested dtype {dtypes.as_dtype(dtype).name} for RaggedTensor with dtype "
                f"{value.dtype.name}: {value!r}"
            )
        return value
    if isinstance(value, RaggedTensorValue):
        with name_scope(name, "ConvertToTensorOrRaggedTensor", []):
            flat = convert_to_tensor(value.flat_values, dtype, "flat_values", preferred_dtype)
            return RaggedTensor.from_nested_row_splits(flat, value.nested_row_splits, validate=False)
    return convert_to_tensor(value, dtype, name, preferred_dtype)


def splits_type_of(*values: Any) -> dtypes.DType:
    """The type that the row splits of all ragged tensors among `values` have; int64 if there are none.

    Raises:
        ValueError: if they differ.
    """
    found = {v.row_splits.dtype for v in values if isinstance(v, RaggedTensor)}
    if len(found) > 1:
        raise ValueError(
            "Input RaggedTensors have mismatched row_splits dtypes; use RaggedTensor.with_row_splits_dtype() to "
            "convert them to compatible dtypes."
        )
    return found.pop() if found else dtypes.int64


def match_row_splits_dtypes(*tensors: Any, return_dtype: bool = False) -> Any:
    """`tensors`, once it is certain that the row splits of those that are ragged have one type; `(dtype, tensors)`.

    Raises:
        ValueError: if they have not.
    """
    kind = splits_type_of(*tensors)
    return (kind, tensors) if return_dtype else tensors


__all__ = ["RaggedTensor", "as_tensor_or_ragged", "is_ragged", "match_row_splits_dtypes", "splits_type_of"]
