"""`optimize_loss`: an optimizer, clipping, noise, summaries and all that in one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public, publish
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import GraphKeys, get_collection
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, initializers, math
from evergraph.ops.checks import assert_scalar
from evergraph.ops.clip import clip_by_global_norm, global_norm
from evergraph.ops.grouping import with_dependencies
from evergraph.ops.random import truncated_normal
from evergraph.ops.summary.functions import histogram, scalar
from evergraph.ops.variable_scope import get_variable, variable_scope
from evergraph.ops.variables import trainable_variables
from evergraph.training.adagrad import AdagradOptimizer
from evergraph.training.adam import AdamOptimizer
from evergraph.training.ftrl import FtrlOptimizer
from evergraph.training.global_step import assert_global_step, get_global_step
from evergraph.training.gradient_descent import GradientDescentOptimizer
from evergraph.training.momentum import MomentumOptimizer
from evergraph.training.moving_averages import assign_moving_average
from evergraph.training.optimizer import Optimizer
from evergraph.training.rmsprop import RMSPropOptimizer

OPTIMIZER_CLS_NAMES: dict[str, Callable[..., Any]] = {
    "Adagrad": AdagradOptimizer,
    "Adam": AdamOptimizer,
    "Ftrl": FtrlOptimizer,
    "Momentum": lambda learning_rate: MomentumOptimizer(learning_rate, momentum=0.9),
    "RMSProp": RMSPropOptimizer,
    "SGD": GradientDescentOptimizer,
}
OPTIMIZER_SUMMARIES = ["learning_rate", "loss", "gradients", "gradient_norm", "global_gradient_norm"]
publish("contrib.layers.OPTIMIZER_CLS_NAMES", OPTIMIZER_CLS_NAMES)
publish("contrib.layers.OPTIMIZER_SUMMARIES", OPTIMIZER_SUMMARIES)


@public("contrib.layers.optimize_loss", "contrib.layers.optimizers.optimize_loss")
def optimize_loss(
    loss: Any,
    global_step: Any,
    learning_rate: Any,
    optimizer: Any,
    gradient_noise_scale: float | None = None,
    gradient_multipliers: Any = None,
    clip_gradients: Any = None,
    learning_rate_decay_fn: Any = None,
    update_ops: Any = None,
    variables: Any = None,
    name: str | None = None,
    summaries: Any = None,
    colocate_gradients_with_ops: bool = False,
    increment_global_step: bool = True,
) -> Tensor:
    """The loss, after a step of training.

    Args:
        loss: a scalar.
        global_step: the step to count up; the graph's by default.
        learning_rate: a float (kept in a variable), or a scalar tensor; None if the optimizer has its own.
        optimizer: a key of `OPTIMIZER_CLS_NAMES`, an optimizer, its class, or a function of the learning rate.
        gradient_noise_scale: how much noise to add to the gradients.
        gradient_multipliers: variables (or their names) to what their gradients are multiplied by.
        clip_gradients: a bound on the global norm, or a function of the gradients and variables.
        learning_rate_decay_fn: a function of learning rate and step.
        update_ops: ops to run before; `GraphKeys.UPDATE_OPS` by default.
        variables: those to train; all trainable ones by default.
        name: the variable scope.
        summaries: those of `OPTIMIZER_SUMMARIES` to make.
        colocate_gradients_with_ops: as for `tf.gradients`.
        increment_global_step: whether to count the step.

    Raises:
        ValueError: if an argument is of none of these forms.
    """
    loss = convert_to_tensor(loss)
    assert_scalar(loss)
    if global_step is None:
        global_step = get_global_step()
    else:
        assert_global_step(global_step)
    with variable_scope(name, "OptimizeLoss", [loss, global_step]):
        if update_ops is None:
            update_ops = list(dict.fromkeys(get_collection(GraphKeys.UPDATE_OPS)))
        if update_ops:
            loss = with_dependencies(list(update_ops), loss)
        rate = _rate(learning_rate)
        if summaries is None:
            summaries = ["loss", "learning_rate", "global_gradient_norm"]
        for kind in summaries:
            if kind not in OPTIMIZER_SUMMARIES:
                raise ValueError(f"Summaries should be one of [{', '.join(OPTIMIZER_SUMMARIES)}], you provided {kind}.")
        if learning_rate is not None and learning_rate_decay_fn is not None:
            if global_step is None:
                raise ValueError("global_step is required for learning_rate_decay_fn.")
            rate = learning_rate_decay_fn(rate, global_step)
            if "learning_rate" in summaries:
                scalar("learning_rate", rate)
        opt = _optimizer(optimizer, rate, learning_rate)
        gradients = opt.compute_gradients(
            loss,
            trainable_variables() if variables is None else variables,
            colocate_gradients_with_ops=colocate_gradients_with_ops,
        )
        if gradient_noise_scale is not None:
            gradients = _with_noise(gradients, gradient_noise_scale)
        if gradient_multipliers is not None:
            gradients = _multiplied(gradients, gradient_multipliers)
            if not gradients:
                raise ValueError(
                    "Empty list of (gradient, var) pairs encountered. This is most likely to be caused by an "
                    "improper value of gradient_multipliers."
                )
        wants_norm = "global_gradient_norm" in summaries or "gradient_norm" in summaries
        if wants_norm:
            scalar("global_norm/gradient_norm", global_norm([g for g, _ in gradients]))
        if isinstance(clip_gradients, float):
            clipped, _ = clip_by_global_norm([g for g, _ in gradients], clip_gradients)
            gradients = list(zip(clipped, [v for _, v in gradients], strict=True))
        elif callable(clip_gradients):
            gradients = clip_gradients(gradients)
        elif clip_gradients is not None:
            raise ValueError(f"Unknown type {type(clip_gradients)} for clip_gradients")
        if "loss" in summaries:
            scalar("loss", loss)
        for gradient, variable in gradients:
            values = gradient.values if isinstance(gradient, IndexedSlices) else gradient
            if values is not None:
                label = variable.name.replace(":", "_")
                if "gradients" in summaries:
                    histogram(f"gradients/{label}", values)
                if "gradient_norm" in summaries:
                    scalar(f"gradient_norm/{label}", global_norm([values]))
        if clip_gradients is not None and wants_norm:
            scalar("global_norm/clipped_gradient_norm", global_norm([g for g, _ in gradients]))
        update = opt.apply_gradients(
            gradients, global_step=global_step if increment_global_step else None, name="train"
        )
        return with_dependencies([update], loss)


def _rate(learning_rate: Any) -> Any:
    if learning_rate is None:
        return None
    if isinstance(learning_rate, Tensor) and learning_rate.shape.rank == 0:
        return learning_rate
    if isinstance(learning_rate, float):
        if learning_rate < 0.0:
            raise ValueError("Invalid learning_rate %s.", learning_rate)
        return get_variable("learning_rate", [], trainable=False, initializer=initializers.Constant(learning_rate))
    raise ValueError(f"Learning rate should be 0d Tensor or float. Got {learning_rate} of type {type(learning_rate)}")


def _optimizer(given: Any, rate: Any, learning_rate: Any) -> Any:
    def require_rate(what: str) -> None:
        if rate is None:
            raise ValueError(f"Learning rate is None, but should be specified if optimizer is {what} ({given}).")

    if isinstance(given, str):
        require_rate("string")
        if given not in OPTIMIZER_CLS_NAMES:
            raise ValueError(
                f"Optimizer name should be one of [{', '.join(OPTIMIZER_CLS_NAMES)}], you provided {given}."
            )
        return OPTIMIZER_CLS_NAMES[given](learning_rate=rate)
    if isinstance(given, type) and issubclass(given, Optimizer):
        require_rate("class")
        return given(learning_rate=rate)  # type: ignore[call-arg]  # what derives from `Optimizer` takes it
    if isinstance(given, Optimizer):
        return given
    if callable(given):
        made = given(rate) if learning_rate is not None else given()
        if not isinstance(made, Optimizer):
            raise ValueError(f"Unrecognized optimizer: function should return subclass of Optimizer. Got {made}.")
        return made
    raise ValueError(
        "Unrecognized optimizer: should be string, subclass of Optimizer, instance of subclass of Optimizer or "
        f"function with one argument. Got {given}."
    )


def _with_noise(gradients: Any, scale: float) -> list[Any]:
    noisy = []
    for gradient, variable in gradients:
        if gradient is None:
            noisy.append((None, variable))
            continue
        shape = gradient.dense_shape if isinstance(gradient, IndexedSlices) else gradient.shape
        noisy.append((gradient + truncated_normal(shape) * scale, variable))
    return noisy


def _multiplied(gradients: Any, multipliers: Any) -> list[Any]:
    found = []
    for gradient, variable in gradients:
        key = variable if variable in multipliers else variable.name
        if gradient is not None and key in multipliers:
            if isinstance(gradient, IndexedSlices):
                values = gradient.values * multipliers[key]
                gradient = IndexedSlices(values, gradient.indices, gradient.dense_shape)
            else:
                gradient *= math.cast(multipliers[key], gradient.dtype)
        found.append((gradient, variable))
    return found


@public("contrib.layers.adaptive_clipping_fn", "contrib.layers.optimizers.adaptive_clipping_fn")
def adaptive_clipping_fn(
    std_factor: float = 2.0,
    decay: float = 0.95,
    static_max_norm: Any = None,
    global_step: Any = None,
    report_summary: bool = False,
    epsilon: float = 1e-8,
    name: str | None = None,
) -> Callable[[Any], Any]:
    """A function for `clip_gradients` that bounds the norm by what is usual: its mean plus some deviations.

    Args:
        std_factor: how many deviations.
        decay: of the moving averages of the logarithm of the norm and of its square.
        static_max_norm: a further bound.
        global_step: the step, to let the averages move faster at the start.
        report_summary: whether to make a summary of the bound.
        epsilon: added to the norm before its logarithm.
        name: the variable scope.
    """

    def clipped(grads_and_vars: Any) -> list[Any]:
        gradients = [g for g, _ in grads_and_vars]
        norm = global_norm(gradients)
        greatest, log_mean = _usual_norm(norm, std_factor, decay, global_step, epsilon, name)
        if report_summary:
            scalar("global_norm/adaptive_max_gradient_norm", greatest)
        factor = array.where(norm < greatest, array.ones_like(norm), math.exp(log_mean) / norm)
        if static_max_norm is not None:
            factor = math.minimum(static_max_norm / norm, factor)
        result: list[Any] = []
        for gradient, variable in grads_and_vars:
            if isinstance(gradient, IndexedSlices):
                gradient = IndexedSlices(gradient.values * factor, gradient.indices, gradient.dense_shape)
            elif gradient is not None:
                gradient = gradient * factor
            result.append((gradient, variable))
        return result

    return clipped


def _usual_norm(norm: Any, std_factor: float, decay: Any, global_step: Any, epsilon: float, name: Any) -> Any:
    with variable_scope(name, "AdaptiveMaxNorm", [norm]):
        log_norm = math.log(norm + epsilon)

        def average(name: str, value: Any, decay: Any) -> Any:
            variable = get_variable(
                name, shape=value.shape, dtype=value.dtype, initializer=initializers.Zeros(), trainable=False
            )
            return assign_moving_average(variable, value, decay, zero_debias=False)

        if global_step is not None:
            n = math.cast(global_step, dtypes.float32)
            decay = math.minimum(decay, n / (n + 1.0))
        mean = average("mean", log_norm, decay)
        mean_of_squares = average("sq_mean", math.square(log_norm), decay)
        variance = mean_of_squares - math.square(mean)
        deviation = math.sqrt(math.maximum(epsilon, variance))
        return math.exp(mean + std_factor * deviation), mean
