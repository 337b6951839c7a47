"""Learning rates that change with the step: `tf.train.exponential_decay` and the like.

Each builds a tensor from the step, to be given to an optimizer as its learning rate.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_n_to_tensor, convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import random
from evergraph.ops.case import case
from evergraph.ops.cast import cast
from evergraph.ops.cond import cond
from evergraph.ops.constant import constant
from evergraph.ops.opdef import raw_op

_minimum = raw_op("Minimum")
_multiply = raw_op("Mul")
_add = raw_op("Add")
_divide = raw_op("RealDiv")
_power = raw_op("Pow")
_floor = raw_op("Floor")
_cos = raw_op("Cos")


@public("train.exponential_decay")
def exponential_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """`learning_rate * decay_rate ** (global_step / decay_steps)`.

    Args:
        learning_rate: the rate at step 0: a float scalar.
        global_step: the step: an integer scalar.
        decay_steps: after how many steps the rate has been multiplied by `decay_rate` once.
        decay_rate: a float scalar.
        staircase: whether the exponent is rounded down, so that the rate changes every `decay_steps` steps only.
        name: the scope of the ops.

    >>> step = tf.Variable(50, trainable=False)
    >>> rate = tf.train.exponential_decay(0.1, step, 100, 0.25)
    >>> sess.run(step.initializer)
    >>> sess.run(rate)
    0.05
    """
    with name_scope(name or "ExponentialDecay") as scope:
        rate = convert_to_tensor(learning_rate, name="initial_learning_rate")
        steps = cast(decay_steps, rate.dtype)
        factor = cast(decay_rate, rate.dtype)
        exponent = cast(global_step, rate.dtype) / steps
        if staircase:
            exponent = _floor(exponent)
        return _multiply(rate, _power(factor, exponent), name=scope)


@public("train.natural_exp_decay")
def natural_exp_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """`learning_rate * exp(-decay_rate * global_step / decay_steps)`; the arguments are `exponential_decay`'s."""
    factor = raw_op("Exp")(raw_op("Neg")(decay_rate))
    return exponential_decay(learning_rate, global_step, decay_steps, factor, staircase, name)


@public("train.inverse_time_decay")
def inverse_time_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """`learning_rate / (1 + decay_rate * global_step / decay_steps)`; the arguments are `exponential_decay`'s."""
    with name_scope(name or "InverseTimeDecay") as scope:
        rate = convert_to_tensor(learning_rate, name="initial_learning_rate")
        steps = cast(decay_steps, rate.dtype)
        factor = cast(decay_rate, rate.dtype)
        periods = cast(global_step, rate.dtype) / steps
        if staircase:
            periods = _floor(periods)
        one = cast(constant(1), rate.dtype)
        return _divide(rate, _add(one, _multiply(factor, periods)), name=scope)


@public("train.polynomial_decay")
def polynomial_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    end_learning_rate: Any = 0.0001,
    power: Any = 1.0,
    cycle: bool = False,
    name: str | None = None,
) -> Tensor:
    """From `learning_rate` to `end_learning_rate` in `decay_steps` steps, as a power of the steps that are left.

    Args:
        learning_rate: the rate at step 0: a float scalar.
        global_step: the step: an integer scalar.
        decay_steps: at which step the end is reached.
        end_learning_rate: the rate from then on.
        power: 1 for a straight line, 2 for a parabola, ...
        cycle: whether to go on beyond `decay_steps` with twice, three times, ... as many.
        name: the scope of the ops.
    """
    with name_scope(name or "PolynomialDecay") as scope:
        rate = convert_to_tensor(learning_rate, name="initial_learning_rate")
        end = cast(end_learning_rate, rate.dtype)
        exponent = cast(power, rate.dtype)
        step = cast(global_step, rate.dtype)
        steps = cast(decay_steps, rate.dtype)
        if cycle:
            periods = cond(raw_op("Equal")(step, 0), lambda: 1.0, lambda: raw_op("Ceil")(step / decay_steps))
            steps = _multiply(steps, periods)
        else:
            step = _minimum(step, decay_steps)
        part = step / steps
        return _add(_multiply(rate - end, _power(1 - part, exponent)), end, name=scope)


@public("train.cosine_decay")
def cosine_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, alpha: float = 0.0, name: str | None = None
) -> Tensor:
    """From `learning_rate` to `alpha * learning_rate` along half a period of the cosine (arXiv:1608.03983).

    Args:
        learning_rate: the rate at step 0: a float scalar.
        global_step: the step: an integer scalar.
        decay_steps: at which step the end is reached.
        alpha: what part of the rate is left then.
        name: the scope of the ops.
    """
    with name_scope(name or "CosineDecay"):
        rate = convert_to_tensor(learning_rate, name="initial_learning_rate")
        steps = cast(decay_steps, rate.dtype)
        part = _minimum(cast(global_step, rate.dtype), steps) / steps
        cosine = 0.5 * (1.0 + _cos(constant(math.pi) * part))
        return _multiply(rate, (1 - alpha) * cosine + alpha)


@public("train.cosine_decay_restarts")
def cosine_decay_restarts(
    learning_rate: Any,
    global_step: Any,
    first_decay_steps: Any,
    t_mul: Any = 2.0,
    m_mul: Any = 1.0,
    alpha: Any = 0.0,
    name: str | None = None,
) -> Tensor:
    """`cosine_decay` that starts again and again (arXiv:1608.03983).

    Args:
        learning_rate: the rate at step 0: a float scalar.
        global_step: the step: an integer scalar.
        first_decay_steps: how many steps the first period has.
        t_mul: how many times longer each period is than the last.
        m_mul: how many times higher each period starts.
        alpha: what part of the rate is left at a period's end.
        name: the scope of the ops.
    """
    with name_scope(name or "SGDRDecay") as scope:
        rate = convert_to_tensor(learning_rate, name="initial_learning_rate")
        kind = rate.dtype
        first = cast(first_decay_steps, kind)
        least = cast(alpha, kind)
        longer = cast(t_mul, kind)
        higher = cast(m_mul, kind)
        periods = cast(global_step, kind) / first

        def equal_periods() -> tuple[Any, Any]:
            done = _floor(periods)
            return done, periods - done

        def growing_periods() -> tuple[Any, Any]:
            log = raw_op("Log")
            done = _floor(log(1.0 - periods * (1.0 - longer)) / log(longer))
            before = (1.0 - longer**done) / (1.0 - longer)
            return done, (periods - before) / longer**done

        done, part = cond(raw_op("Equal")(longer, 1.0), equal_periods, growing_periods)
        cosine = 0.5 * higher**done * (1.0 + _cos(constant(math.pi) * part))
        return _multiply(rate, (1 - least) * cosine + least, name=scope)


@public("train.linear_cosine_decay")
def linear_cosine_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    num_periods: Any = 0.5,
    alpha: Any = 0.0,
    beta: Any = 0.001,
    name: str | None = None,
) -> Tensor:
    """A straight line to zero times a cosine (arXiv:1709.07417).

    Args:
        learning_rate: the rate at step 0: a float scalar.
        global_step: the step: an integer scalar.
        decay_steps: at which step the end is reached.
        num_periods: how many periods the cosine goes through.
        alpha: added to the line.
        beta: added to the product.
        name: the scope of the ops.
    """
    with name_scope(name or "LinearCosineDecay") as scope:
        rate = convert_to_tensor(learning_rate, name="initial_learning_rate")
        kind = rate.dtype
        steps = cast(decay_steps, kind)
        periods = cast(num_periods, kind)
        above, least = cast(alpha, kind), cast(beta, kind)
        step = _minimum(cast(global_step, kind), steps)
        line = (steps - step) / steps
        part = step / steps
        turns = 2.0 * periods * part
        cosine = 0.5 * (1.0 + _cos(constant(math.pi) * turns))
        return _multiply(rate, (above + line) * cosine + least, name=scope)


@public("train.noisy_linear_cosine_decay")
def noisy_linear_cosine_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    initial_variance: Any = 1.0,
    variance_decay: Any = 0.55,
    num_periods: Any = 0.5,
    alpha: Any = 0.0,
    beta: Any = 0.001,
    name: str | None = None,
) -> Tensor:
    """`linear_cosine_decay` with noise on the line, of variance `initial_variance / (1 + step) ** variance_decay`."""
    with name_scope(name or "NoisyLinearCosineDecay") as scope:
        rate = convert_to_tensor(learning_rate, name="initial_learning_rate")
        kind = rate.dtype
        steps = cast(decay_steps, kind)
        start, decay = cast(initial_variance, kind), cast(variance_decay, kind)
        periods = cast(num_periods, kind)
        above, least = cast(alpha, kind), cast(beta, kind)
        step = _minimum(cast(global_step, kind), steps)
        line = (steps - step) / steps
        deviation = raw_op("Sqrt")(start / _power(1.0 + step, decay))
        line = line + random.random_normal(line.shape, stddev=deviation)
        part = step / steps
        turns = 2.0 * periods * part
        cosine = 0.5 * (1.0 + _cos(constant(math.pi) * turns))
        return _multiply(rate, (above + line) * cosine + least, name=scope)


def _itself(rate: Tensor) -> Tensor:
    return rate


@public("train.piecewise_constant_decay", "train.piecewise_constant")
def piecewise_constant(x: Any, boundaries: Any, values: Any, name: str | None = None) -> Tensor:
    """`values[0]` up to and with `boundaries[0]`, `values[1]` up to and with `boundaries[1]`, ...

    Args:
        x: the step: a scalar.
        boundaries: numbers of the same type, growing.
        values: one more than there are boundaries.
        name: the scope of the ops.

    Raises:
        ValueError: if types or counts do not agree.
    """
    limits = convert_n_to_tensor(boundaries)
    rates = convert_n_to_tensor(values)
    step = convert_to_tensor(x)
    for i, limit in enumerate(limits):
        given, wanted = limit.dtype.base_dtype, step.dtype.base_dtype
        if given is not wanted:
            if given is not dtypes.int32 or wanted is not dtypes.int64:
                raise ValueError(f"Boundaries ({given}) must have the same dtype as x ({wanted}).")
            limits[i] = cast(limit, wanted)
    for rate in rates[1:]:
        if rate.dtype.base_dtype is not rates[0].dtype.base_dtype:
            raise ValueError(
                f"Values must have elements all with the same dtype ({rates[0].dtype.base_dtype} vs "
                f"{rate.dtype.base_dtype})."
            )
    if len(limits) != len(rates) - 1:
        raise ValueError("The length of boundaries should be 1 less than the length of values")
    with name_scope(name or "PiecewiseConstant"):
        choices: list[Any] = [(step <= limits[0], lambda: rates[0]), (step > limits[-1], lambda: rates[-1])]
        for low, high, rate in zip(limits[:-1], limits[1:], rates[1:-1]):
            choices.append(((step > low) & (step <= high), functools.partial(_itself, rate)))
        return case(choices, lambda: rates[0], exclusive=True)
