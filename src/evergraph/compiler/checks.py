"""Checks that run before the program whose values they check.

A program that finds a label out of range must leave every variable as it was, although it gave their buffers away. It
can choose at the end, `where(all checks hold, new, old)`, but then each variable is read and written once more: an Adam
step of a 670,000-parameter network took 1.1 to 1.4 times as long. Mostly the checks need little: they look at
what is fed. Then they become a small program of their own, and the large one has no choice to make:

    checks(inputs) ──► all hold? ──► main(variables given away, inputs) ──► outputs, new values

Where they are a few comparisons of small arrays, NumPy does them: 20 us for the labels and sampled classes of a
word2vec step, where a compiled program takes 100.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from evergraph.compiler import kept_programs

# What the checks may cost to run apart from the rest: equations, and elements made by all of them.
MOST_EQUATIONS = 200
MOST_ELEMENTS = 65_536


_WITH_NUMPY: dict[str, Callable[..., Any]] = {
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "not": np.invert,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "concatenate": lambda *parts, dimension: np.concatenate(parts, dimension),
    "convert_element_type": lambda x, *, new_dtype, **_: x.astype(new_dtype),
    "reduce_and": lambda x, *, axes, **_: x.all(axes),
    "reduce_max": lambda x, *, axes, **_: x.max(axes),
    "reduce_min": lambda x, *, axes, **_: x.min(axes),
    "reduce_or": lambda x, *, axes, **_: x.any(axes),
    "reshape": lambda x, *, new_sizes, **_: x.reshape(new_sizes),
    "squeeze": lambda x, *, dimensions: x.squeeze(dimensions),
}
"""What NumPy does for JAX's primitives, on integers and booleans."""


class _NumPyProgram:
    """The equations that lead to some conditions, done by NumPy; what is the same in two of them is done once."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, tuple[int, ...], dict[str, Any]]] = []
        self.known: list[Any] = []  # constants; values of the inputs, then of the steps, come after them
        self.wanted: list[int] = []

    @classmethod
    def of(cls, jaxpr: Any, constants: Sequence[Any], needed: set[Any], wanted: Sequence[Any]) -> _NumPyProgram | None:
        """The program from the needed inputs of `jaxpr` to `wanted`; None where NumPy had better not do it."""
        from jax.extend.core import Literal

        self = cls()
        equations = [e for e in jaxpr.eqns if not needed.isdisjoint(e.outvars)]
        literals: list[Any] = [v for e in equations for v in e.invars if isinstance(v, Literal)]
        held = [v for v in jaxpr.constvars if v in needed]
        value_of = dict(zip(jaxpr.constvars, constants, strict=True))
        self.known = [np.asarray(v.val, v.aval.dtype) for v in literals] + [np.asarray(value_of[v]) for v in held]
        place: dict[Any, int] = {id(v): i for i, v in enumerate(literals)}
        variables = [*held, *(v for v in jaxpr.invars if v in needed)]
        place.update((v, i) for i, v in enumerate(variables, len(literals)))
        following = len(literals) + len(variables)
        same: dict[Any, int] = {}
        for equation in equations:
            name, kinds = equation.primitive.name, {v.aval.dtype.kind for v in (*equation.invars, *equation.outvars)}
            if name not in _WITH_NUMPY or not kinds <= set("iub") or len(equation.outvars) > 1:
                return None
            sources = tuple(place[id(v) if isinstance(v, Literal) else v] for v in equation.invars)
            alike = tuple((self.known[i].tolist(),) if i < len(literals) else i for i in sources)
            key = name, alike, repr(equation.params)
            if key not in same:
                same[key] = following
                following += 1
                parameters = {k: v for k, v in equation.params.items() if k in _PARAMETERS}
                self.steps.append((name, sources, parameters))
            place[equation.outvars[0]] = same[key]
        self.wanted = sorted({place[v] for v in wanted if not isinstance(v, Literal)})
        return self

    def all_hold(self, inputs: Sequence[Any]) -> bool:
        values = [*self.known, *map(np.asarray, inputs)]
        for name, sources, parameters in self.steps:
            values.append(_WITH_NUMPY[name](*[values[i] for i in sources], **parameters))
        return all(values[i].all() for i in self.wanted)


_PARAMETERS = frozenset(("axes", "dimension", "dimensions", "new_dtype", "new_sizes"))


class Checks:
    """The conditions of a program, as a program of their own: whether all hold, for the arguments of the other one."""

    def __init__(self, positions: Sequence[int], program: Any, examples: Sequence[Any] = ()) -> None:
        """Take the inputs at `positions` for `program`: one for NumPy, or a jitted function of `examples`."""
        import jax

        self.positions, self.program, self.examples = positions, program, examples
        self.leaves = jax.tree.leaves
        self.on_cpu = jax.default_backend() == "cpu"

    def __call__(self, *args: Any) -> bool:
        import jax

        leaves = self.leaves(args)
        needed = [leaves[i] for i in self.positions]
        if isinstance(self.program, _NumPyProgram):
            return self.program.all_hold(needed)
        if self.on_cpu or not all(isinstance(leaf, np.ndarray | np.generic) for leaf in needed):
            return bool(np.asarray(self.program(*needed)))
        # What is fed is here: asking an accelerator, and waiting for its answer, takes longer than looking.
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
            return bool(np.asarray(self.program(*needed)))

    def compile(self) -> None:
        """Compile now what would be at the first call."""
        if not isinstance(self.program, _NumPyProgram):
            self.program = self.program.lower(*self.examples).compile()

    def kept(self) -> Any:
        """What another process makes the same of, once it was compiled."""
        if isinstance(self.program, _NumPyProgram):
            return self.positions, self.program, None
        return self.positions, None, kept_programs.serialized(self.program)

    @classmethod
    def of_kept(cls, kept: Any) -> Checks:
        positions, with_numpy, compiled = kept
        return cls(positions, with_numpy if compiled is None else kept_programs.deserialized(compiled))


def checks_apart(function: Callable[..., Any], *args: Any) -> tuple[Checks | None, Callable[..., Any]] | None:
    """Split `function(*args) -> (outputs, writes, conditions)`, whose first argument is given away.

    Returns:
        The checks (None if there are none), and `main(*args) -> (outputs, writes, None)`; or None when the conditions
        are too much work to be computed twice.
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

    with_numpy = _NumPyProgram.of(jaxpr, closed.consts, needed, wanted)
    if not wanted:
        return None, without_conditions
    if with_numpy is not None:
        return Checks(positions, with_numpy), without_conditions
    examples = [jax.ShapeDtypeStruct(jaxpr.invars[i].aval.shape, jaxpr.invars[i].aval.dtype) for i in positions]
    return Checks(positions, jax.jit(conditions_hold), examples), without_conditions
