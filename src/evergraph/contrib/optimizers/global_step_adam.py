"""Adam that takes the number of steps from a global step, rather than keeping powers of its own."""

from __future__ import annotations

from typing import Any

from evergraph.contrib.optimizers.adam_variants import LazyAdamOptimizer
from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.operation import Operation
from evergraph.ops.cast import cast
from evergraph.ops.grouping import group
from evergraph.ops.opdef import raw_op
from evergraph.training.adam import AdamOptimizer


@public("contrib.opt.AdamGSOptimizer")
class AdamGSOptimizer(AdamOptimizer):
    """`tf.train.AdamOptimizer` whose powers of `beta1` and `beta2` follow from a global step.

    Args:
        global_step: a variable, or a number: how many steps were done before.
        learning_rate, beta1, beta2, epsilon, use_locking, name: as for `tf.train.AdamOptimizer`.
    """

    def __init__(
        self,
        global_step: Any = 0,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adam",
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, use_locking, name)
        self._global_step = global_step

    def _get_beta_accumulators(self) -> tuple[Any, Any]:
        """Tensors that are `beta1 ** step` and `beta2 ** step`."""
        power = raw_op("Pow")
        return power(self._beta1_t, self._step), power(self._beta2_t, self._step)

    def _create_slots(self, var_list: Any) -> None:
        for v in var_list:
            self._zeros_slot(v, "m", self._name)
            self._zeros_slot(v, "v", self._name)

    def _prepare(self) -> None:
        super()._prepare()
        self._step = cast(raw_op("Identity")(self._global_step) + 1, dtypes.float32)

    def _finish(self, update_ops: list[Any], name_scope: str) -> Operation:
        return group(*update_ops, name=name_scope)


@public("contrib.opt.LazyAdamGSOptimizer")
class LazyAdamGSOptimizer(AdamGSOptimizer):
    """`AdamGSOptimizer` whose sparse updates touch only the rows that have a gradient."""

    _apply_sparse = LazyAdamOptimizer._apply_sparse
    _resource_apply_sparse = LazyAdamOptimizer._resource_apply_sparse  # type: ignore[assignment]  # an argument has another name
