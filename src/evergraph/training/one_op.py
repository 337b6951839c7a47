"""Optimizers whose step is one op of `ops/training_ops.py`: they differ in slots, numbers and the op's name."""

from __future__ import annotations

from typing import Any

from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.operation import Operation
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops.cast import cast
from evergraph.ops.opdef import raw_op
from evergraph.training.optimizer import Optimizer


class OneOpOptimizer(Optimizer):
    """What those optimizers share. A subclass gives `_rule`, the others as it needs them."""

    def _rule(self) -> tuple[str, tuple[str, ...]]:
        """The last part of the op's name, and the slots that it takes after the variable."""
        raise NotImplementedError

    def _before_gradient(self, var: Any) -> list[Any]:
        """The numbers that the op takes before the gradient."""
        return []

    def _after_gradient(self, var: Any) -> list[Any]:
        """The numbers that the op takes after the gradient."""
        return []

    def _last(self) -> tuple[Any, ...]:
        """What the op takes last of all, of a type of its own."""
        return ()

    def _attributes(self) -> dict[str, Any]:
        """Attributes of the op."""
        return {}

    def _tensor(self, value: Any, name: str) -> Tensor:
        """A number of the optimizer's (or a function that gives it) as a tensor."""
        return convert_to_tensor(self._call_if_callable(value), name=name)

    def _apply(self, prefix: str, var: Any, gradient: tuple[Any, ...]) -> Any:
        suffix, slot_names = self._rule()
        variables = [var, *(self.get_slot(var, name) for name in slot_names)]
        if prefix.startswith("Resource"):
            variables = [v.handle for v in variables]
        kind = gradient[0].dtype.base_dtype
        before = [cast(x, kind) for x in self._before_gradient(var)]
        after = [cast(x, kind) for x in self._after_gradient(var)]
        build = raw_op(prefix + suffix)
        inputs = (*variables, *before, *gradient, *after, *self._last())
        made = build(*inputs, use_locking=self._use_locking, **self._attributes())
        return made if isinstance(made, Operation) else made.op

    def _apply_dense(self, grad: Tensor, var: Any) -> Any:
        return self._apply("Apply", var, (grad,))

    def _resource_apply_dense(self, grad: Tensor, var: Any) -> Any:
        return self._apply("ResourceApply", var, (grad,))

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        return self._apply("SparseApply", var, (grad.values, grad.indices))

    def _resource_apply_sparse(self, grad: Tensor, var: Any, indices: Tensor) -> Any:
        return self._apply("ResourceSparseApply", var, (grad, indices))
