"""Checks that run before the program whose values they check.

A program that finds a label out of range must leave every variable as it was, although it gave their buffers away. It
can choose at the end, `where(all checks hold, new, old)`, but then each variable is read and written once more: an Adam
step of a 670,000-parameter network took 1.1 to 1.4 times as long. Mostly the checks need little: they look at
what is fed. Then they become a small program of their own, and the large one has no choice to make:

    checks(inputs) ──► all hold? ──► main(variables given away, inputs) ──► outputs, new values
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

# What the checks may cost to run apart from the rest: equations, and elements made by all of them.
MOST_EQUATIONS = 200
MOST_ELEMENTS = 65_536


def checks_apart(
    function: Callable[..., Any], *args: Any
) -> tuple[Callable[..., bool] | None, Callable[..., Any]] | None:
    """Split `function(*args) -> (outputs, writes, conditions)`, whose first argument is given away.

    Returns:
        `check(*args)`, which says whether all conditions hold (None if there are none), and `main(*args) -> (outputs, writes, None)`; or None when
        the conditions are too much work to be computed twice.
    """
    import jax
    from jax.extend.core import Literal, jaxpr_as_fun

    closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
    results = jax.tree.structure(shapes[:2])
    count = len(jax.tree.leaves(shapes[:2]))
    jaxpr = closed.jaxpr
    wanted = list(jaxpr.outvars[count:])
    needed, equations, elements = {v for v in wanted if not isinstance(v, Literal)}, 0, 0
    for equation in reversed(jaxpr.eqns):
        if needed.isdisjoint(equation.outvars):
            continue
        if equation.primitive.name in ("while", "scan", "cond"):
            return None
        equations += 1
        needed.update(v for v in equation.invars if not isinstance(v, Literal))
        elements += sum(math.prod(v.aval.shape) for v in equation.outvars)
        if equations > MOST_EQUATIONS or elements > MOST_ELEMENTS:
            return None
    positions = [i for i, v in enumerate(jaxpr.invars) if v in needed]
    whole = jaxpr_as_fun(closed)

    def conditions_hold(*values: Any) -> Any:
        flat = [jax.numpy.zeros(v.aval.shape, v.aval.dtype) for v in jaxpr.invars]  # most of them are not looked at
        for i, value in zip(positions, values, strict=True):
            flat[i] = value
        return jax.numpy.stack(whole(*flat)[count:]).all()

    def without_conditions(*args: Any) -> Any:
        outputs, writes = jax.tree.unflatten(results, whole(*jax.tree.leaves(args))[:count])
        return outputs, writes, None

    small = jax.jit(conditions_hold)
    on_cpu = jax.default_backend() == "cpu"

    def check(*args: Any) -> bool:
        leaves = jax.tree.leaves(args)
        needed_leaves = [leaves[i] for i in positions]
        if on_cpu or not all(isinstance(leaf, np.ndarray | np.generic) for leaf in needed_leaves):
            return bool(np.asarray(small(*needed_leaves)))
        # What is fed is here: asking an accelerator, and waiting for its answer, takes longer than looking.
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
            return bool(np.asarray(small(*needed_leaves)))

    return check if wanted else None, jax.jit(without_conditions, donate_argnums=(0,))
