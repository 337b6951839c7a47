"""Checks of values that run before the program: by NumPy, or compiled."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from evergraph.compiler.checks import _NumPyProgram, checks_apart


def step(donated, table, ids, others):
    """A program with conditions on what it is given, some of them stated twice."""
    both = jnp.concatenate([ids.reshape(-1), others])
    conditions = [
        jnp.all((ids >= 0) & (ids < 10)),
        jnp.all((both >= 0) & (both < 10)),
        jnp.all((both >= 0) & (both < 10)),
        jnp.all(jnp.max(others) - jnp.min(others) < 8),
    ]
    return [table[both].sum()], [donated[0] + 1.0], conditions


ARGS = [np.zeros(3, np.float32)], np.arange(10.0, dtype=np.float32), np.array([[1], [2]]), np.array([3, 4, 5])


@pytest.mark.parametrize(
    ("ids", "others", "holds"),
    [
        ([[1], [2]], [3, 4, 5], True),
        ([[-1], [2]], [3, 4, 5], False),
        ([[1], [2]], [3, 10, 5], False),
        ([[1], [2]], [0, 9, 5], False),
        ([[0], [9]], [9, 9, 9], True),
    ],
)
def test_numpy_says_what_the_compiled_conditions_say(ids, others, holds):
    args = *ARGS[:2], np.array(ids), np.array(others)
    with jax.enable_x64(True):
        check, main = checks_apart(step, *ARGS)
        assert check(*args) is holds
        assert bool(jnp.stack(step(ARGS[0], *map(jnp.asarray, args[1:]))[2]).all()) is holds
        if holds:
            assert main(*args)[2] is None


def test_numpy_does_the_same_only_once():
    def conditions(x, y):
        return jnp.all((x >= 0) & (x < 9)), jnp.all((x >= 0) & (x < 9)), jnp.all((y >= 0) & (y < 9))

    with jax.enable_x64(True):
        closed = jax.make_jaxpr(conditions)(np.arange(4), np.arange(5))
    jaxpr = closed.jaxpr
    needed = {*jaxpr.invars, *(v for e in jaxpr.eqns for v in e.outvars)}
    program = _NumPyProgram.of(jaxpr, closed.consts, needed, jaxpr.outvars)
    assert len(program.steps) == 8  # four each for x and y
    assert program.all_hold([np.arange(4), np.arange(5)])
    assert not program.all_hold([np.arange(4), np.arange(10)])


def test_floats_are_left_to_the_compiler():
    def function(donated, x):
        return [x], [donated[0]], [jnp.all(x < 3.0)]

    with jax.enable_x64(True):
        check, _ = checks_apart(function, [np.zeros(2)], np.array([1.0, 2.0]))
        assert check([np.zeros(2)], np.array([1.0, 2.0]))
        assert not check([np.zeros(2)], np.array([1.0, np.nan]))
