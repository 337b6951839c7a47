"""`tf.train.experimental.MixedPrecisionLossScaleOptimizer`, and switching mixed precision on.

TensorFlow's graph rewrite to 16 bits changes what a GPU computes with, not what a program means. Here the rewrite is
not done: the loss is scaled, as asked for, and ops run in the types that the graph says.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from evergraph.framework import log
from evergraph.framework.api import public
from evergraph.framework.graph import get_default_graph
from evergraph.framework.sparse import IndexedSlices
from evergraph.ops.cond import cond
from evergraph.ops.grouping import group, no_op
from evergraph.training.loss_scale import DynamicLossScale, loss_scale_for
from evergraph.training.optimizer import Optimizer
from evergraph.training.tracking.trackable import TrackableReference


@public("train.experimental.MixedPrecisionLossScaleOptimizer")
class MixedPrecisionLossScaleOptimizer(Optimizer):
    """Scales the loss, and divides the gradients by the same number.

    With a `DynamicLossScale`, a step whose gradients are not finite changes nothing but the scale.

    Args:
        opt: the optimizer.
        loss_scale: a `LossScale`, a number, or "dynamic".

    Raises:
        ValueError: if `opt` is no `tf.train.Optimizer`.
    """

    def __init__(self, opt: Any, loss_scale: Any) -> None:
        if not isinstance(opt, Optimizer):
            raise ValueError(f'"opt" must be an instance of Optimizer, but got: {type(opt)}')
        self._optimizer = opt
        super().__init__(opt._use_locking, opt.get_name())
        self._loss_scale: Any = loss_scale_for(loss_scale)

    @property
    def _checkpoint_dependencies(self) -> list[TrackableReference]:
        return [
            TrackableReference("base_optimizer", self._optimizer),
            TrackableReference("loss_scale", self._loss_scale),
        ]

    def _doing_dynamic_loss_scaling(self) -> bool:
        return isinstance(self._loss_scale, DynamicLossScale)

    def compute_gradients(
        self,
        loss: Any,
        var_list: Any = None,
        gate_gradients: int = Optimizer.GATE_OP,
        aggregation_method: int | None = None,
        colocate_gradients_with_ops: bool = False,
        grad_loss: Any = None,
    ) -> list[tuple[Any, Any]]:
        """The gradients of the loss, computed from the scaled loss; arguments as for `Optimizer.compute_gradients`."""
        pairs = self._optimizer.compute_gradients(
            loss=self._scaled_loss(loss),
            var_list=var_list,
            gate_gradients=gate_gradients,
            aggregation_method=aggregation_method,
            colocate_gradients_with_ops=colocate_gradients_with_ops,
            grad_loss=grad_loss,
        )
        factor = 1 / self._loss_scale()
        return [(_scaled(grad, factor), var) for grad, var in pairs]

    def _scaled_loss(self, loss: Any) -> Any:
        scale = self._loss_scale()
        return (lambda: loss() * scale) if callable(loss) else loss * scale

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        """Add the op that changes variables; arguments as for `Optimizer.apply_gradients`."""
        if not self._doing_dynamic_loss_scaling():
            return self._optimizer.apply_gradients(grads_and_vars, global_step, name)
        pairs = tuple(grads_and_vars)
        name = self.get_name() if name is None else name
        scale_update, finite = self._loss_scale.update([grad for grad, _ in pairs])

        def apply() -> Any:
            return group(self._optimizer.apply_gradients(pairs, global_step, f"{name}-wrapped"))

        return group(cond(finite, apply, no_op), scale_update, name=name)


def _scaled(grad: Any, factor: Any) -> Any:
    if grad is None:
        return None
    if isinstance(grad, IndexedSlices):
        return IndexedSlices(grad.values * factor, grad.indices, grad.dense_shape)
    return grad * factor


@public("train.experimental.auto_mixed_precision_scope")
@contextmanager
def auto_mixed_precision_scope(select: bool = True) -> Iterator[None]:
    """A context whose ops are marked for TensorFlow's rewrite to mixed precision, or kept from it."""
    from evergraph.formats import messages

    with get_default_graph()._attr_scope({"_AutoMixedPrecisionScopeInclude": messages.AttrValue(b=select)}):
        yield


@public("train.experimental.enable_mixed_precision_graph_rewrite")
def enable_mixed_precision_graph_rewrite(opt: Any, loss_scale: Any = "dynamic") -> Any:
    """Wrap `opt` in a `MixedPrecisionLossScaleOptimizer`. Ops stay in the types that the graph says.

    Raises:
        ValueError: if `opt` is no optimizer, or wrapped already.
    """
    if isinstance(opt, MixedPrecisionLossScaleOptimizer):
        raise ValueError(
            '"opt" must not already be an instance of a MixedPrecisionLossScaleOptimizer. '
            "`enable_mixed_precision_graph_rewrite` will automatically wrap the optimizer."
        )
    if not isinstance(opt, Optimizer):
        raise ValueError(
            f'"opt" must be an instance of a tf.train.Optimizer or a tf.keras.optimizers.Optimizer, but got: {opt}'
        )
    wrapped = MixedPrecisionLossScaleOptimizer(opt, loss_scale)
    _rewrite[0] = True
    return wrapped


_rewrite = [False]


@public("train.experimental.disable_mixed_precision_graph_rewrite")
def disable_mixed_precision_graph_rewrite() -> None:
    """Take back what `enable_mixed_precision_graph_rewrite` did for optimizers to come: nothing, but a warning."""
    if not _rewrite[0]:
        log.warn("disable_mixed_precision_graph_rewrite() called when mixed precision is already disabled.")
    _rewrite[0] = False
