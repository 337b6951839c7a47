"""A large program as a row of smaller ones, most of which are the same few over and over.

XLA takes more than linear time over a program, and compiles a layer that is there sixteen times sixteen times. So a
program of thousands of equations is cut into pieces of some hundred; alike ones are compiled once, and different ones
at the same time, on all cores:

    eqn eqn eqn │ eqn eqn eqn eqn │ eqn eqn eqn eqn │ eqn eqn           A B B C
        A               B                 B             C

For that, the same layer must be cut at the same places wherever it is. As in backup programs, the cuts follow from
the content: there is one where a hash of the equations around it is a multiple of a number. What lives on from piece to
piece are arrays; an array that only one more piece looks at is given away to it.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from evergraph.compiler import kept_programs
from evergraph.ops.processors import processors

# Programs of fewer equations stay whole; and others if more than this part of their equations is in pieces that differ,
# unless there are very many. CPU seconds to compile the training step of a Transformer of four layers, of 1,823
# equations, whole and in pieces: 5.3 and 3.8, and a step takes as long. Of ResNet-50, half of whose pieces differ: 18
# and 25.
MANY_EQUATIONS, VERY_MANY_EQUATIONS = 1_500, 12_000
MOST_DIFFERENT = 0.5

LEAST, USUAL, MOST = 30, 60, 300
"""Equations of a piece: at least, on average, at most. Larger ones span several layers, and fewer are alike."""

_AROUND = 3  # equations before and after a place that decide whether it is a cut


class Pieces:
    """A program `function(*args)`, traced and cut up; once `compile` was called, it can be called."""

    def __init__(self, closed: Any, results: Any, donated: Sequence[bool]) -> None:
        """Cut up.

        Args:
            closed: the closed jaxpr of the whole.
            results: the structure of what the program gives.
            donated: for each input, whether its buffer is given away.
        """
        import jax
        from jax.extend.core import Literal

        jaxpr = closed.jaxpr
        self._results = results
        equations = _arranged(jaxpr)
        bounds = _bounds([_token(e) for e in equations])
        slots: dict[Any, int] = {}
        for v in (*jaxpr.constvars, *jaxpr.invars):
            slots.setdefault(v, len(slots))
        self._constants = list(closed.consts)
        self._inputs = [slots[v] for v in jaxpr.invars]
        last: dict[Any, int] = {}  # the piece that looks at a variable last
        made_in: dict[Any, int] = {}
        for number, (start, end) in enumerate(bounds):
            for equation in equations[start:end]:
                for v in equation.invars:
                    if not isinstance(v, Literal):
                        last[v] = number
                for v in equation.outvars:
                    made_in[v] = number
        wanted = {v for v in jaxpr.outvars if not isinstance(v, Literal)}
        held = {v for v, d in zip(jaxpr.invars, donated, strict=True) if not d} | set(jaxpr.constvars)
        kept = held | wanted
        given = {v for v, d in zip(jaxpr.invars, donated, strict=True) if d}
        made: dict[Any, Any] = {}  # by what a piece is
        steps: list[tuple[Any, list[int], list[int], list[int]]] = []
        for number, (start, end) in enumerate(bounds):
            own = equations[start:end]
            inputs = _inputs(own)
            outputs = [
                v for e in own for v in e.outvars if v in wanted or made_in[v] == number and last.get(v, -1) > number
            ]
            free = [(i, v) for i, v in enumerate(inputs) if last[v] == number and v not in kept]
            free.sort(key=lambda pair: pair[1] not in given)  # above all the old values of variables
            given_away = _useful(free, outputs)
            key = _likeness(own, inputs, outputs, given_away)
            if key not in made:
                made[key] = _function(closed, own, inputs, outputs), inputs, given_away
            for v in outputs:
                slots.setdefault(v, len(slots))
            done = [slots[v] for v in inputs if last[v] == number and v not in wanted]
            steps.append((key, [slots[v] for v in inputs], [slots[v] for v in outputs], done))
        self._made, self._steps = made, steps
        self._equations = len(equations)
        self._different_equations = sum(len(lines) - 1 for lines, *_ in made)
        self._outputs = self._results_at(jaxpr.outvars, slots, held)
        self._slots = len(slots)
        self.different = len(made)
        self._leaves, self._unflatten = jax.tree.leaves, jax.tree.unflatten

    @staticmethod
    def _results_at(variables: Sequence[Any], slots: dict[Any, int], held: set[Any]) -> list[tuple[Any, Any, bool]]:
        """For each result the slot that it is in, or its value, and whether to copy it: no two results share an array,
        nor does one with an input that its owner keeps. A variable that gets a result may give its array away."""
        from jax.extend.core import Literal

        found: list[tuple[Any, Any, bool]] = []
        taken = set(held)
        for v in variables:
            if isinstance(v, Literal):
                found.append((None, np.asarray(v.val), True))
            else:
                found.append((slots[v], None, v in taken))
                taken.add(v)
        return found

    def pay(self) -> bool:
        """Whether to compile the pieces, rather than the whole."""
        if self._equations >= VERY_MANY_EQUATIONS:
            return True
        return self._different_equations <= MOST_DIFFERENT * self._equations

    def compile(self) -> None:
        compiled = dict(zip(self._made, _compiled(list(self._made.values())), strict=True))
        self._steps = [(compiled[key], *rest) for key, *rest in self._steps]
        self._made = {}

    def kept(self) -> dict[str, Any]:
        """What another process makes the same of."""
        compiled = list(dict.fromkeys(function for function, *_ in self._steps))
        number = {function: i for i, function in enumerate(compiled)}
        return {
            "pieces": [kept_programs.serialized(c) for c in compiled],
            "steps": [(number[function], *rest) for function, *rest in self._steps],
            "constants": [np.asarray(c) for c in self._constants],
            "rest": (self._results, self._inputs, self._outputs, self._slots, self.different),
        }

    @classmethod
    def of_kept(cls, kept: dict[str, Any]) -> Pieces:
        import jax

        self = cls.__new__(cls)
        compiled = [kept_programs.deserialized(piece) for piece in kept["pieces"]]
        self._steps = [(compiled[number], *rest) for number, *rest in kept["steps"]]
        self._constants = kept["constants"]
        self._results, self._inputs, self._outputs, self._slots, self.different = kept["rest"]
        self._leaves, self._unflatten = jax.tree.leaves, jax.tree.unflatten
        return self

    def __len__(self) -> int:
        return len(self._steps)

    def __call__(self, *args: Any) -> Any:
        values: list[Any] = [None] * self._slots
        values[: len(self._constants)] = self._constants
        leaves = self._leaves(args)
        for slot, leaf in zip(self._inputs, leaves, strict=True):
            values[slot] = leaf
        for function, inputs, outputs, done in self._steps:
            made = function(*[values[i] for i in inputs])
            for slot in done:
                values[slot] = None
            for slot, value in zip(outputs, made, strict=True):
                values[slot] = value
        results = []
        for slot, value, is_shared in self._outputs:
            found = value if slot is None else values[slot]
            results.append(_copied(found) if is_shared else found)
        return self._unflatten(self._results, results)


def _copied(value: Any) -> Any:
    import jax.numpy as jnp

    return jnp.array(value, copy=True)


_CUTS_OUT = frozenset(("slice", "squeeze", "reshape"))
_BY_ELEMENT = frozenset(
    (
        "add", "sub", "mul", "div", "neg", "max", "min", "sqrt", "rsqrt", "integer_pow", "pow", "sign", "abs",
        "select_n", "exp", "log", "square", "convert_element_type", "broadcast_in_dim", "slice", "squeeze", "reshape",
    )
)  # fmt: skip


def _arranged(jaxpr: Any) -> list[Any]:
    """The equations in an order in which layers look alike.

    First comes what is cut out of inputs: which row of an array it is differs from layer to layer. And what is only on
    its way to be a new value of a variable follows at once what it is made of, rather than at the end of everything.
    """
    from jax.extend.core import Literal

    equations = list(jaxpr.eqns)
    given = {*jaxpr.invars, *jaxpr.constvars}
    cut_out = [False] * len(equations)
    for i, equation in enumerate(equations):
        if equation.primitive.name in _CUTS_OUT and given.issuperset(equation.invars):
            cut_out[i] = True
            given.update(equation.outvars)
    readers: dict[Any, list[int]] = {}
    for i, equation in enumerate(equations):
        for v in equation.invars:
            if not isinstance(v, Literal):
                readers.setdefault(v, []).append(i)
    only_leads_out = [False] * len(equations)
    for i in reversed(range(len(equations))):
        if equations[i].primitive.name in _BY_ELEMENT:
            only_leads_out[i] = all(only_leads_out[j] for v in equations[i].outvars for j in readers.get(v, ()))
    place: dict[
        Any, int
    ] = {}  # a new value takes over the buffer of the old one, so it is made after that is looked at
    for v in jaxpr.invars:
        place[v] = max((i for i in readers.get(v, ()) if not only_leads_out[i]), default=-1)
    order = []
    for i, equation in enumerate(equations):
        at = i
        if cut_out[i]:
            at = -1
        elif only_leads_out[i]:
            at = max((place.get(v, -1) for v in equation.invars if not isinstance(v, Literal)), default=i)
        place.update(dict.fromkeys(equation.outvars, at))
        order.append((at, i))
    return [equations[i] for _, i in sorted(order)]


def _useful(given_away: Sequence[tuple[int, Any]], outputs: Sequence[Any]) -> tuple[int, ...]:
    """The positions of inputs whose buffers outputs can take over."""
    wanted = Counter((v.aval.shape, v.aval.dtype) for v in outputs)
    found = []
    for position, v in given_away:
        kind = v.aval.shape, v.aval.dtype
        if wanted[kind]:
            wanted[kind] -= 1
            found.append(position)
    return tuple(sorted(found))


def _token(equation: Any) -> bytes:
    """What an equation does, without saying to which values; the arrays in it to the last bit."""
    shapes = ",".join(v.aval.str_short() for v in equation.invars)
    text = f"{equation.primitive.name} {shapes} {equation.params}".encode()
    return text + b"".join(_arrays(equation))


def _arrays(equation: Any) -> Iterator[bytes]:
    """Literals of an equation and of those inside it, and constants there: a text may leave parts of them out."""
    from jax.extend.core import Literal

    for v in equation.invars:
        yield np.asarray(v.val).tobytes() if isinstance(v, Literal) else b"."
    for parameter in equation.params.values():
        for part in parameter if isinstance(parameter, tuple | list) else (parameter,):
            if isinstance(part, np.ndarray):
                yield part.tobytes()
            for constant in getattr(part, "consts", ()):
                yield np.asarray(constant).tobytes()
            for inner in getattr(part, "eqns", ()):
                yield from _arrays(inner)


def _bounds(tokens: Sequence[bytes]) -> list[tuple[int, int]]:
    """Start and end of each piece."""
    hashes = [zlib.crc32(t) for t in tokens]
    bounds, start = [], 0
    for place in range(1, len(tokens)):
        size = place - start
        if size < LEAST or len(tokens) - place < LEAST:
            continue
        around = hashes[max(place - _AROUND, 0) : place + _AROUND]
        if size >= MOST or zlib.crc32(repr(around).encode()) % (USUAL - LEAST) == 0:
            bounds.append((start, place))
            start = place
    return [*bounds, (start, len(tokens))]


def _inputs(equations: Sequence[Any]) -> list[Any]:
    """What the equations read and do not make, in order of use."""
    from jax.extend.core import Literal

    made: set[Any] = set()
    found: dict[Any, None] = {}
    for equation in equations:
        for v in equation.invars:
            if not isinstance(v, Literal) and v not in made:
                found[v] = None
        made.update(equation.outvars)
    return list(found)


def _likeness(equations: Sequence[Any], inputs: Sequence[Any], outputs: Sequence[Any], given_away: Any) -> Any:
    """Equal for pieces that are the same program."""
    from jax.extend.core import Literal

    number: dict[Any, int] = {v: i for i, v in enumerate(inputs)}
    lines: list[Any] = [tuple(v.aval.str_short() for v in inputs)]
    for equation in equations:
        sources = tuple(-1 if isinstance(v, Literal) else number[v] for v in equation.invars)
        for v in equation.outvars:
            number[v] = len(number)
        lines.append((_token(equation), sources))
    return tuple(lines), tuple(number[v] for v in outputs), given_away


def _function(closed: Any, equations: Sequence[Any], inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
    """What traces some equations of `closed` again."""
    from jax.extend.core import jaxpr_as_fun

    jaxpr = closed.jaxpr.replace(constvars=[], invars=list(inputs), outvars=list(outputs), eqns=list(equations))
    return jaxpr_as_fun(closed.replace(jaxpr=jaxpr, consts=[]))


def _compiled(pieces: Sequence[tuple[Callable[..., Any], Sequence[Any], tuple[int, ...]]]) -> list[Any]:
    """Compile all pieces, on as many cores as there are."""
    import jax

    def compiled(piece: tuple[Callable[..., Any], Sequence[Any], tuple[int, ...]]) -> Any:
        function, inputs, given_away = piece

        def piece_of_program(*args: Any) -> Any:
            return function(*args)

        with jax.enable_x64(True):
            examples = [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in inputs]
            return jax.jit(piece_of_program, donate_argnums=given_away).lower(*examples).compile()

    with ThreadPoolExecutor(processors(), thread_name_prefix="evergraph-compile") as pool:
        return list(pool.map(compiled, pieces))
