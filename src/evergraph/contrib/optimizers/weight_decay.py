"""Weight decay apart from the gradient: `AdamWOptimizer`, `MomentumWOptimizer`, and any other optimizer with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import control_dependencies
from evergraph.ops import state
from evergraph.ops.gather import gather
from evergraph.ops.grouping import no_op
from evergraph.ops.opdef import raw_op
from evergraph.training.adam import AdamOptimizer
from evergraph.training.momentum import MomentumOptimizer
from evergraph.training.optimizer import Optimizer


@public("contrib.opt.DecoupledWeightDecayExtension")
class DecoupledWeightDecayExtension:
    """Makes an optimizer shrink variables by `weight_decay * variable` before each update (Loshchilov and Hutter).

    To be inherited from before the optimizer's class; see `extend_with_decoupled_weight_decay`.

    Args:
        weight_decay: a float, a scalar tensor, or a function that gives one. It is not multiplied by the learning rate.
        **kwargs: for the optimizer.
    """

    _use_locking: bool  # of the optimizer

    def __init__(self, weight_decay: Any, **kwargs: Any) -> None:
        self._decay_var_list: Any = None
        self._weight_decay = weight_decay
        self._weight_decay_tensor: Any = None
        super().__init__(**kwargs)

    def minimize(
        self,
        loss: Any,
        global_step: Any = None,
        var_list: Any = None,
        gate_gradients: int = Optimizer.GATE_OP,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        name: str | None = None,
        grad_loss: Any = None,
        decay_var_list: Any = None,
    ) -> Any:
        """As `Optimizer.minimize`. As in TensorFlow 1.15, `decay_var_list` has no effect here: all variables decay.

        To choose, call `compute_gradients`, then `apply_gradients` with `decay_var_list`.
        """
        return super().minimize(  # type: ignore[misc]  # of the optimizer
            loss,
            global_step=global_step,
            var_list=var_list,
            gate_gradients=gate_gradients,
            aggregation_method=aggregation_method,
            colocate_gradients_with_ops=colocate_gradients_with_ops,
            name=name,
            grad_loss=grad_loss,
        )

    def apply_gradients(
        self, grads_and_vars: Any, global_step: Any = None, name: str | None = None, decay_var_list: Any = None
    ) -> Any:
        """As `Optimizer.apply_gradients`; `decay_var_list` are the variables that decay, by default all."""
        self._decay_var_list = set(decay_var_list) if decay_var_list else None
        return super().apply_gradients(grads_and_vars, global_step=global_step, name=name)  # type: ignore[misc]  # of the optimizer

    def _prepare(self) -> None:
        decay = self._weight_decay
        self._weight_decay_tensor = convert_to_tensor(decay() if callable(decay) else decay, name="weight_decay")
        super()._prepare()  # type: ignore[misc]  # of the optimizer

    def _decays(self, var: Any) -> bool:
        return not self._decay_var_list or var in self._decay_var_list

    def _decay_weights_op(self, var: Any) -> Any:
        if not self._decays(var):
            return no_op()
        return var.assign_sub(self._weight_decay * var, self._use_locking)

    def _decay_weights_sparse_op(self, var: Any, indices: Any, scatter_add: Callable[..., Any]) -> Any:
        if not self._decays(var):
            return no_op()
        update = -self._weight_decay * gather(var, indices)
        return scatter_add(var, indices, update, self._use_locking)

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        with control_dependencies([self._decay_weights_op(var)]):
            return super()._apply_dense(grad, var)  # type: ignore[misc]  # of the optimizer

    def _resource_apply_dense(self, grad: Any, var: Any) -> Any:
        with control_dependencies([self._decay_weights_op(var)]):
            return super()._resource_apply_dense(grad, var)  # type: ignore[misc]  # of the optimizer

    def _apply_sparse(self, grad: Any, var: Any) -> Any:
        with control_dependencies([self._decay_weights_sparse_op(var, grad.indices, state.scatter_add)]):
            return super()._apply_sparse(grad, var)  # type: ignore[misc]  # of the optimizer

    def _resource_apply_sparse(self, grad: Any, var: Any, indices: Any) -> Any:
        with control_dependencies([self._decay_weights_sparse_op(var, indices, _resource_scatter_add)]):
            return super()._resource_apply_sparse(grad, var, indices)  # type: ignore[misc]  # of the optimizer


def _resource_scatter_add(x: Any, indices: Any, values: Any, use_locking: Any = None) -> Any:
    with control_dependencies([raw_op("ResourceScatterAdd")(x.handle, indices, values)]):
        return x.value()


@public("contrib.opt.extend_with_decoupled_weight_decay")
def extend_with_decoupled_weight_decay(base_optimizer: Any) -> Any:
    """A class that is `base_optimizer` with weight decay; `weight_decay` is the first argument of its constructor.

    AdamW = tf.contrib.opt.extend_with_decoupled_weight_decay(tf.train.AdamOptimizer)
    optimizer = AdamW(weight_decay=1e-4, learning_rate=0.01)
    """

    class OptimizerWithDecoupledWeightDecay(DecoupledWeightDecayExtension, base_optimizer):
        """An optimizer with weight decay."""

        def __init__(self, weight_decay: Any, *args: Any, **kwargs: Any) -> None:
            self._decay_var_list = None
            self._weight_decay = weight_decay
            self._weight_decay_tensor = None
            base_optimizer.__init__(self, *args, **kwargs)

    return OptimizerWithDecoupledWeightDecay


@public("contrib.opt.MomentumWOptimizer")
class MomentumWOptimizer(DecoupledWeightDecayExtension, MomentumOptimizer):
    """`tf.train.MomentumOptimizer` with weight decay.

    Args:
        weight_decay: as for `DecoupledWeightDecayExtension`.
        learning_rate, momentum, use_locking, name, use_nesterov: as for the optimizer.
    """

    def __init__(
        self,
        weight_decay: Any,
        learning_rate: Any,
        momentum: Any,
        use_locking: bool = False,
        name: str = "MomentumW",
        use_nesterov: bool = False,
    ) -> None:
        super().__init__(
            weight_decay,
            learning_rate=learning_rate,
            momentum=momentum,
            use_locking=use_locking,
            name=name,
            use_nesterov=use_nesterov,
        )


@public("contrib.opt.AdamWOptimizer")
class AdamWOptimizer(DecoupledWeightDecayExtension, AdamOptimizer):
    """`tf.train.AdamOptimizer` with weight decay.

    Args:
        weight_decay: as for `DecoupledWeightDecayExtension`.
        learning_rate, beta1, beta2, epsilon, use_locking, name: as for the optimizer.
    """

    def __init__(
        self,
        weight_decay: Any,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "AdamW",
    ) -> None:
        super().__init__(
            weight_decay,
            learning_rate=learning_rate,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
            use_locking=use_locking,
            name=name,
        )
