"""The ops that optimizers end in: one step of one rule, on a variable and what the rule remembers of it.

A rule is written once, over whole arrays. From it come up to four ops:

    ApplyMomentum, ResourceApplyMomentum                the rule, on reference and on resource variables
    SparseApplyMomentum, ResourceSparseApplyMomentum    the rule on the rows that `indices` names; the others stay

A rule takes the op's inputs in their order and gives the new values of those that are variables. In the sparse ops
no row may be named twice (optimizers sum the gradients of a row first): of two updates to a row, the last one stays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.framework import dtypes, opdefs
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Shape, with_rank, with_rank_at_least
from evergraph.ops.opdef import kernel_error, op, require
from evergraph.ops.scatter import scatter_set
from evergraph.ops.state import same_shape, variable_static_shape

Rule = Callable[..., Any]


def rule(name: str) -> Callable[[Rule], Rule]:
    """Declare every op that TF 1.15 has for this rule."""

    def declare(kernel: Rule) -> Rule:
        for prefix in ("Apply", "ResourceApply"):
            _declare(prefix + name, kernel, sparse=False)
        for prefix in ("SparseApply", "ResourceSparseApply"):
            _declare(prefix + name, kernel, sparse=True)
        return kernel

    return declare


def _declare(name: str, kernel: Rule, sparse: bool) -> None:
    opdef = opdefs.lookup(name)
    if opdef is None:
        return
    names = [arg.name for arg in opdef.inputs]
    variables = tuple(a.name for a in opdef.inputs if a.is_ref or a.type is dtypes.resource)
    on_rows = _on_rows(kernel, len(variables), names.index("indices")) if sparse else kernel
    declared = op(name, updates=variables, differentiable=False)(on_rows)
    code = kernel.__code__
    declared.opdef.kernel_attrs = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    declared.shape_from_op(_shape_rule(names, len(variables)))


def _on_rows(kernel: Rule, count: int, position: int) -> Rule:
    def sparse_kernel(xp: Any, *inputs: Any, **attrs: Any) -> Any:
        variables, indices = inputs[:count], inputs[position]
        _require_rows(xp, indices, variables[0].shape[0])
        rows = [xp.take(v, indices, axis=0, mode="clip") for v in variables]
        others = (x for i, x in enumerate(inputs) if i >= count and i != position)
        found = kernel(xp, *rows, *others, **attrs)
        found = found if isinstance(found, tuple) else (found,)
        return tuple(
            v if new is old else scatter_set(xp, v, indices, new)
            for v, old, new in zip(variables, rows, found, strict=True)
        )

    sparse_kernel.__name__ = f"sparse_{kernel.__name__}"
    sparse_kernel.__doc__ = f"{kernel.__doc__} Only in the rows that `indices` names."
    return sparse_kernel


def _require_rows(xp: Any, indices: Any, size: int) -> None:
    inside = (indices >= 0) & (indices < size)

    def refuse() -> Exception:
        first = int(np.argmin(inside))
        return kernel_error(f"Index {indices[first]} at offset {first} in indices is out of range")

    require(xp, inside, refuse)


def _shape_rule(names: list[str], count: int) -> Callable[[Operation], Any]:
    gradient = names.index("grad" if "grad" in names else "delta")
    indices = names.index("indices") if "indices" in names else None

    def shape(made: Operation) -> Any:
        variable: Shape = None
        for t in made.inputs[:count]:
            variable = same_shape(variable, variable_static_shape(t))
        grad = made.inputs[gradient].static_shape
        if indices is None:
            variable = same_shape(variable, grad)
        else:
            (rows,) = with_rank(made.inputs[indices].static_shape, 1)
            with_rank_at_least(variable, 1)
            if grad is not None and variable is not None:
                same_shape(grad, (rows, *variable[1:]))
        for i, t in enumerate(made.inputs[count:], count):
            if i not in (gradient, indices):
                with_rank(t.static_shape, 0)
        return variable if made.opdef.outputs else ()

    return shape


def _rsqrt(xp: Any, x: Any) -> Any:
    return 1 / xp.sqrt(x)


def _soft_threshold(xp: Any, x: Any, threshold: Any) -> Any:
    """`x` moved towards zero by `threshold`, and no further than zero."""
    return xp.sign(x) * xp.maximum(xp.abs(x) - threshold, 0)


@rule("GradientDescent")
def gradient_descent(xp: Any, var: Any, alpha: Any, delta: Any) -> Any:
    """Step against the gradient."""
    return var - delta * alpha


@rule("Momentum")
def momentum(xp: Any, var: Any, accum: Any, lr: Any, grad: Any, momentum: Any, *, use_nesterov: bool) -> Any:
    """Step along a decaying sum of gradients; Nesterov's way looks one step ahead."""
    accum = accum * momentum + grad
    return var - (grad * lr + accum * momentum * lr if use_nesterov else accum * lr), accum


@rule("KerasMomentum")
def keras_momentum(xp: Any, var: Any, accum: Any, lr: Any, grad: Any, momentum: Any, *, use_nesterov: bool) -> Any:
    """Momentum whose accumulator holds steps rather than gradients."""
    accum = accum * momentum - grad * lr
    return var + (accum * momentum - grad * lr if use_nesterov else accum), accum


@rule("Adam")
def adam(
    xp: Any, var: Any, m: Any, v: Any, beta1_power: Any, beta2_power: Any, lr: Any, beta1: Any, beta2: Any,
    epsilon: Any, grad: Any, *, use_nesterov: bool,
) -> Any:  # fmt: skip
    """Step along the mean of the gradients, divided by the root of the mean of their squares."""
    alpha = lr * xp.sqrt(1 - beta2_power) / (1 - beta1_power)
    m = m + (grad - m) * (1 - beta1)
    v = v + (grad * grad - v) * (1 - beta2)
    direction = grad * (1 - beta1) + beta1 * m if use_nesterov else m
    return var - (direction * alpha) / (xp.sqrt(v) + epsilon), m, v


@rule("AdamWithAmsgrad")
def adam_with_amsgrad(
    xp: Any, var: Any, m: Any, v: Any, vhat: Any, beta1_power: Any, beta2_power: Any, lr: Any, beta1: Any, beta2: Any,
    epsilon: Any, grad: Any,
) -> Any:  # fmt: skip
    """Adam whose divisor never shrinks."""
    alpha = lr * xp.sqrt(1 - beta2_power) / (1 - beta1_power)
    m = m + (grad - m) * (1 - beta1)
    v = v + (grad * grad - v) * (1 - beta2)
    vhat = xp.maximum(vhat, v)
    return var - (m * alpha) / (xp.sqrt(vhat) + epsilon), m, v, vhat


@rule("AdaMax")
def ada_max(
    xp: Any, var: Any, m: Any, v: Any, beta1_power: Any, lr: Any, beta1: Any, beta2: Any, epsilon: Any, grad: Any
) -> Any:
    """Adam with the decaying largest gradient as divisor."""
    m = m + (grad - m) * (1 - beta1)
    v = xp.maximum(beta2 * v, xp.abs(grad))
    return var - lr / (1 - beta1_power) * (m / (v + epsilon)), m, v


@rule("Adagrad")
def adagrad(xp: Any, var: Any, accum: Any, lr: Any, grad: Any, *, update_slots: bool) -> Any:
    """Step against the gradient, divided by the root of the sum of all squared gradients."""
    if update_slots:
        accum = accum + grad * grad
    return var - grad * lr * _rsqrt(xp, accum), accum


@rule("AdagradV2")
def adagrad_v2(xp: Any, var: Any, accum: Any, lr: Any, epsilon: Any, grad: Any, *, update_slots: bool) -> Any:
    """Adagrad with a term that keeps the divisor from zero."""
    if update_slots:
        accum = accum + grad * grad
    return var - grad * lr / (xp.sqrt(accum) + epsilon), accum


@rule("AdagradDA")
def adagrad_da(
    xp: Any, var: Any, gradient_accumulator: Any, gradient_squared_accumulator: Any, grad: Any, lr: Any, l1: Any,
    l2: Any, global_step: Any,
) -> Any:  # fmt: skip
    """Adagrad by dual averaging: the variable follows from the sums of the gradients and of their squares."""
    steps = xp.asarray(global_step).astype(var.dtype)
    total = gradient_accumulator + grad
    squares = gradient_squared_accumulator + grad * grad
    var = -lr * _soft_threshold(xp, total, steps * l1) / (l2 * (steps * lr) + xp.sqrt(squares))
    return var, total, squares


@rule("Adadelta")
def adadelta(xp: Any, var: Any, accum: Any, accum_update: Any, lr: Any, rho: Any, epsilon: Any, grad: Any) -> Any:
    """Step by the ratio of the sizes of past steps and past gradients."""
    accum = accum * rho + grad * grad * (1 - rho)
    update = xp.sqrt(accum_update + epsilon) * _rsqrt(xp, accum + epsilon) * grad
    return var - update * lr, accum, accum_update * rho + update * update * (1 - rho)


@rule("RMSProp")
def rms_prop(xp: Any, var: Any, ms: Any, mom: Any, lr: Any, rho: Any, momentum: Any, epsilon: Any, grad: Any) -> Any:
    """Step, with momentum, against the gradient divided by the root of the mean of its squares."""
    ms = ms + (grad * grad - ms) * (1 - rho)
    mom = mom * momentum + (grad * lr) / xp.sqrt(ms + epsilon)
    return var - mom, ms, mom


@rule("CenteredRMSProp")
def centered_rms_prop(
    xp: Any, var: Any, mg: Any, ms: Any, mom: Any, lr: Any, rho: Any, momentum: Any, epsilon: Any, grad: Any
) -> Any:
    """RMSProp with the gradient's variance in place of its mean square."""
    ms = ms + (grad * grad - ms) * (1 - rho)
    mg = mg + (grad - mg) * (1 - rho)
    mom = mom * momentum + (grad * lr) / xp.sqrt(ms - mg * mg + epsilon)
    return var - mom, mg, ms, mom


@rule("Ftrl")
def ftrl(xp: Any, var: Any, accum: Any, linear: Any, grad: Any, lr: Any, l1: Any, l2: Any, lr_power: Any) -> Any:
    """Follow the regularized leader, for linear models: small weights become exactly zero."""
    return _ftrl(xp, var, accum, linear, grad, grad, lr, l1, l2, lr_power)


@rule("FtrlV2")
def ftrl_v2(
    xp: Any, var: Any, accum: Any, linear: Any, grad: Any, lr: Any, l1: Any, l2: Any, l2_shrinkage: Any, lr_power: Any
) -> Any:
    """Ftrl with an L2 penalty that acts on the gradient only."""
    return _ftrl(xp, var, accum, linear, grad, grad + 2 * l2_shrinkage * var, lr, l1, l2, lr_power)


def _ftrl(
    xp: Any, var: Any, accum: Any, linear: Any, grad: Any, shrunk: Any, lr: Any, l1: Any, l2: Any, lr_power: Any
) -> Any:
    new_accum = accum + grad * grad
    new_power, power = _minus_power(xp, new_accum, lr_power), _minus_power(xp, accum, lr_power)
    linear = linear + (shrunk - (new_power - power) / lr * var)
    return -_soft_threshold(xp, linear, l1) / (new_power / lr + 2 * l2), new_accum, linear


def _minus_power(xp: Any, x: Any, exponent: Any) -> Any:
    """`x ** -exponent`; a root is cheaper, and -0.5 is what nearly every program has."""
    if isinstance(exponent, np.ndarray | np.generic) and exponent == -0.5:
        return xp.sqrt(x)
    return xp.power(x, -exponent)


@rule("ProximalGradientDescent")
def proximal_gradient_descent(xp: Any, var: Any, alpha: Any, l1: Any, l2: Any, delta: Any) -> Any:
    """Step against the gradient, then apply the L1 and L2 penalties to the result."""
    return _soft_threshold(xp, var - delta * alpha, alpha * l1) / (1 + l2 * alpha)


@rule("ProximalAdagrad")
def proximal_adagrad(xp: Any, var: Any, accum: Any, lr: Any, l1: Any, l2: Any, grad: Any) -> Any:
    """Adagrad, then the L1 and L2 penalties applied to the result."""
    accum = accum + grad * grad
    rate = lr * _rsqrt(xp, accum)
    return _soft_threshold(xp, var - grad * rate, rate * l1) / (1 + l2 * rate), accum


@rule("AddSign")
def add_sign(xp: Any, var: Any, m: Any, lr: Any, alpha: Any, sign_decay: Any, beta: Any, grad: Any) -> Any:
    """Step further where the gradient agrees in sign with its mean."""
    m = m * beta + grad * (1 - beta)
    return var - lr * (alpha + sign_decay * xp.sign(grad) * xp.sign(m)) * grad, m


@rule("PowerSign")
def power_sign(xp: Any, var: Any, m: Any, lr: Any, logbase: Any, sign_decay: Any, beta: Any, grad: Any) -> Any:
    """Step exponentially further where the gradient agrees in sign with its mean."""
    m = m * beta + grad * (1 - beta)
    return var - lr * xp.exp(logbase * sign_decay * xp.sign(grad) * xp.sign(m)) * grad, m
