"""`tf.ConditionalAccumulator`: gradients of several workers, added up until there are enough."""

from __future__ import annotations

from typing import Any

from evergraph.framework import convert, dtypes
from evergraph.framework.api import public
from evergraph.framework.shapes import TensorShape
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops.cast import cast
from evergraph.ops.opdef import raw_op


def _int64(value: Any) -> Tensor:
    return cast(convert.converted(value), dtypes.int64)


@public("ConditionalAccumulatorBase")
class ConditionalAccumulatorBase:
    """What both kinds share.

    Args:
        dtype: the type of the gradients.
        shape: their shape, or None.
        accumulator_ref: the handle.
    """

    _prefix = "Resource"

    def __init__(self, dtype: Any, shape: Any, accumulator_ref: Tensor) -> None:
        self._dtype = dtype
        self._shape = TensorShape(shape)
        self._accumulator_ref = accumulator_ref
        self._name = accumulator_ref.op.name.split("/")[-1]

    @property
    def accumulator_ref(self) -> Tensor:
        """The handle of the accumulator."""
        return self._accumulator_ref

    @property
    def name(self) -> str:
        return self._name

    @property
    def dtype(self) -> Any:
        """The type of the gradients."""
        return self._dtype

    def num_accumulated(self, name: str | None = None) -> Tensor:
        """How many gradients have been added since the last `take_grad`: an int32 scalar."""
        name = f"{self._name}_NumAccumulated" if name is None else name
        return raw_op(f"{self._prefix}AccumulatorNumAccumulated")(self._accumulator_ref, name=name)

    def set_global_step(self, new_global_step: Any, name: str | None = None) -> Any:
        """An op that says which step it is: gradients of earlier steps are left out from then on."""
        kind = f"{self._prefix}AccumulatorSetGlobalStep"
        return raw_op(kind)(self._accumulator_ref, _int64(new_global_step), name=name)


@public("ConditionalAccumulator")
class ConditionalAccumulator(ConditionalAccumulatorBase):
    """Adds gradients up, those that are not too old.

    Args:
        dtype: the type of the gradients.
        shape: their shape, or None.
        shared_name: accumulators of one shared name are one in a session.
        reduction_type: "MEAN" or "SUM".

    >>> total = tf.ConditionalAccumulator(tf.float32, shape=[2])
    >>> with tf.Session() as s:
    ...     s.run(total.apply_grad([1.0, 2.0]))
    ...     s.run(total.apply_grad([3.0, 6.0]))
    ...     s.run(total.take_grad(2))
    array([2., 4.], dtype=float32)
    """

    def __init__(
        self,
        dtype: Any,
        shape: Any = None,
        shared_name: str | None = None,
        name: str = "conditional_accumulator",
        reduction_type: str = "MEAN",
    ) -> None:
        handle = raw_op("ResourceConditionalAccumulator")(
            dtype=dtype, shape=shape, shared_name=shared_name, name=name, reduction_type=reduction_type
        )
        super().__init__(dtype, shape, handle)

    def apply_grad(self, grad: Any, local_step: Any = 0, name: str | None = None) -> Any:
        """An op that adds a gradient computed at `local_step`, unless that is before the accumulator's step.

        Raises:
            ValueError: if the shape does not fit.
        """
        gradient = convert.converted(grad, self._dtype)
        gradient.get_shape().assert_is_compatible_with(self._shape)
        return raw_op("ResourceAccumulatorApplyGradient")(
            self._accumulator_ref, local_step=_int64(local_step), gradient=gradient, name=name
        )

    def take_grad(self, num_required: Any, name: str | None = None) -> Tensor:
        """The mean (or sum) of the gradients; it waits until there are `num_required`, and starts anew then.

        In a run it raises:
            InvalidArgumentError: if `num_required` is not positive.
        """
        taken = raw_op("ResourceAccumulatorTakeGradient")(
            self._accumulator_ref, num_required, dtype=self._dtype, name=name
        )
        taken.set_shape(self._shape)
        return taken


@public("SparseConditionalAccumulator", "sparse.SparseConditionalAccumulator")
class SparseConditionalAccumulator(ConditionalAccumulatorBase):
    """Adds gradients up that are given by some of their rows. The mean of a row is that of the gradients that have it.

    Args:
        dtype, shape, shared_name, reduction_type: as for `ConditionalAccumulator`.
    """

    _prefix = ""

    def __init__(
        self,
        dtype: Any,
        shape: Any = None,
        shared_name: str | None = None,
        name: str = "sparse_conditional_accumulator",
        reduction_type: str = "MEAN",
    ) -> None:
        handle = raw_op("SparseConditionalAccumulator")(
            dtype=dtype, shape=shape, shared_name=shared_name, name=name, reduction_type=reduction_type
        )
        super().__init__(dtype, shape, handle)

    def apply_indexed_slices_grad(self, grad: IndexedSlices, local_step: Any = 0, name: str | None = None) -> Any:
        """`apply_grad` of `IndexedSlices`."""
        return self.apply_grad(
            grad_indices=grad.indices,
            grad_values=grad.values,
            grad_shape=grad.dense_shape,
            local_step=local_step,
            name=name,
        )

    def apply_grad(
        self,
        grad_indices: Any,
        grad_values: Any,
        grad_shape: Any = None,
        local_step: Any = 0,
        name: str | None = None,
    ) -> Any:
        """An op that adds a gradient computed at `local_step`, unless that is before the accumulator's step.

        Args:
            grad_indices: the numbers of its rows, ascending.
            grad_values: the rows.
            grad_shape: the shape of the whole, or None.
        """
        step = _int64(local_step)
        return raw_op("SparseAccumulatorApplyGradient")(
            self._accumulator_ref,
            local_step=step,
            gradient_indices=cast(grad_indices, dtypes.int64),
            gradient_values=grad_values,
            gradient_shape=cast([] if grad_shape is None else grad_shape, dtypes.int64),
            has_known_shape=grad_shape is not None,
            name=name,
        )

    def take_grad(self, num_required: Any, name: str | None = None) -> Any:
        """`(indices, values, shape)` of the mean (or sum); it waits until there are `num_required` gradients."""
        return raw_op("SparseAccumulatorTakeGradient")(
            self._accumulator_ref, num_required, dtype=self._dtype, name=name
        )

    def take_indexed_slices_grad(self, num_required: Any, name: str | None = None) -> IndexedSlices:
        """`take_grad` as `IndexedSlices`."""
        taken = self.take_grad(num_required, name)
        return IndexedSlices(indices=taken.indices, values=taken.values, dense_shape=taken.shape)
