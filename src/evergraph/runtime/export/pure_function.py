"""`evergraph.to_jax`: a part of a graph as a pure JAX function, and the values of its variables as parameters.

    plan(fetches, feeds) ──► instructions, all on one device ──► Tracer ──► function(parameters, *feeds)

The function calls the kernels that a session compiles; nothing of the graph is copied. What a pure function cannot do
(write variables, work on the host) is refused, all of it at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from evergraph.compiler.plan import Instruction, Plan, make_plan
from evergraph.compiler.stages import HOST, HOST_STATE, runs_on_host
from evergraph.compiler.tracing import Counters, Tracer
from evergraph.framework import errors, shapes, stacks
from evergraph.framework.api import public
from evergraph.framework.frames import built_at
from evergraph.framework.graph import get_default_graph
from evergraph.framework.tensor import Tensor
from evergraph.ops.control_flow import DEAD
from evergraph.ops.opdef import CheckCollector, collectors
from evergraph.ops.traced_lists import Untraceable
from evergraph.runtime.executor import uninitialized
from evergraph.runtime.feeds import feed_tensor
from evergraph.runtime.fetches import Fetches
from evergraph.runtime.state import value_of

MOST_TRIPS = 1024
ONE_DEVICE = "device:CPU:0"
BLOCKS_PER_CALL = 1 << 40
# Places of random ops without seeds: multiples of 2^64 / golden ratio, which lie far from each other.
_SPREAD = 0x9E3779B97F4A7C15


@public("to_jax")
def to_jax(
    fetches: Any, feeds: Any = (), session: Any = None, most_trips: int = MOST_TRIPS
) -> tuple[PureFunction, dict[str, np.ndarray]]:
    """Make a pure JAX function of a part of a graph.

    Args:
        fetches: what the function gives: a tensor, a name, or any nesting of them in lists, tuples and dicts.
        feeds: what it takes: tensors or names, in order; or a dict of argument names to tensors.
        session: the session that holds the variables; by default, the default session.
        most_trips: how many iterations to provide for where a loop's values are kept for its gradient, and how many
            there will be does not follow from shapes.

    Returns:
        `(function, parameters)`. `parameters` is a dict of the variables' values by name.
        `function(parameters, *feeds)` gives the structure of `fetches`. Feeds may also come by name:
        `function(parameters, x=...)`; the name is that of the op (`**{"tower/x": ...}`), or the key in `feeds`. The
        function can go through `jax.jit`, `jax.vmap`, `jax.grad` and so on.

        Random ops give the numbers of a first run in a new session, the same at every call; `counter=n` gives other
        numbers for each n. A compiled function cannot raise: where a session would (a label out of range, an `Assert`),
        floating-point results are NaN; so they are where a loop takes more than `most_trips`. A `tf.while_loop` whose
        number of iterations does not follow from shapes has forward derivatives only (`jax.jvp`): for the others, fetch
        what `tf.gradients` gives.

        64-bit types are JAX's: the function computes with 32 bits in their place unless `jax_enable_x64` is on.

    Raises:
        UnimplementedError: if ops work on the host (strings, files, queues), or write variables; it names them all.
        FailedPreconditionError: if a variable has no value in the session.
        ValueError: if a placeholder that is needed is not among the feeds, or there is no session and there are
            variables.

    >>> x = tf.placeholder(tf.float32, [None, 2], name="x")
    >>> w = tf.Variable([[1.0], [2.0]], name="w")
    >>> sess.run(w.initializer)
    >>> function, parameters = tf.to_jax(tf.matmul(x, w), [x], sess)
    >>> parameters
    {'w': array([[1.], [2.]], dtype=float32)}
    >>> np.asarray(function(parameters, np.array([[3.0, 4.0]], np.float32)))
    array([[11.]], dtype=float32)
    """
    session, graph = session_and_graph(session)
    names, tensors = named_feeds(graph, feeds)
    taken = Fetches(graph, fetches)
    plan = pure_plan(list(taken.elements), tensors)
    for instruction in _all_instructions(plan):
        if instruction.loop is not None:
            instruction.loop.op.most_trips = most_trips
    pure = PureFunction(plan, taken, names)
    return pure, pure.parameters(session)


def session_and_graph(session: Any) -> tuple[Any, Any]:
    """The session asked for, or the default one if it runs the default graph, or none; and the graph."""
    if session is not None:
        return session, session.graph
    graph, default = get_default_graph(), stacks.get_default_session()
    return (default if default is not None and default.graph is graph else None), graph


def named_feeds(graph: Any, feeds: Any) -> tuple[list[str], list[Tensor]]:
    """The names of a function's arguments, and the tensors they take the place of."""
    if isinstance(feeds, Mapping):
        names, tensors = [str(k) for k in feeds], [feed_tensor(graph, t) for t in feeds.values()]
    else:
        if isinstance(feeds, Tensor | str):
            feeds = [feeds]
        tensors = [feed_tensor(graph, t) for t in feeds]
        names = [t.op.name if t.value_index == 0 else t.name for t in tensors]
    if len(set(tensors)) < len(tensors):
        raise ValueError(f"a tensor is twice among the feeds: {', '.join(t.name for t in tensors)}")
    return names, tensors


def pure_plan(fetches: list[Any], feeds: list[Tensor]) -> Plan:
    """The plan of a function that only computes.

    Raises:
        UnimplementedError: naming all ops that do something else.
        ValueError: naming all placeholders that are not fed.
    """
    plan = make_plan(fetches, feeds, lambda op: ONE_DEVICE)
    if plan.readers is not None:
        raise errors.UnimplementedError(
            None, None, "the branches and loops of this graph are not nested in each other: only a session can run it"
        )
    missing = [op for op in plan.ops if op.type in ("Placeholder", "PlaceholderV2") and op.outputs[0] not in feeds]
    if missing:
        raise ValueError(
            "what is fetched also needs these placeholders, which are not among the feeds: "
            + ", ".join(repr(op.name) for op in missing)
        )
    instructions = list(_all_instructions(plan))
    on_host = {id(i) for i in _all_instructions(plan, (HOST, HOST_STATE))}
    refused = [i.op for i in instructions if id(i) in on_host and runs_on_host(i.op) and i.loop is None]
    _refuse(refused, "work on the host")
    _refuse([i.op for i in instructions if i.op.opdef.updates], "write variables")
    return plan


def _all_instructions(plan: Plan, kinds: Sequence[str] | None = None) -> Any:
    for stage in plan.stages:
        if kinds is not None and stage.kind not in kinds:
            continue
        for instruction in stage.instructions:
            yield instruction
            if instruction.loop is not None:
                yield from instruction.loop.instructions()


def _refuse(ops: Sequence[Any], what: str) -> None:
    if not ops:
        return
    lines = [
        f"{op.name!r} ({op.type})" + (f", built at {place}" if (place := built_at(op.frames)) else "") for op in ops
    ]
    raise errors.UnimplementedError(
        None,
        ops[0],
        f"a pure function cannot be made of these fetches: {len(ops)} op(s) {what}:\n  "
        + "\n  ".join(lines)
        + "\nFetch tensors that do not need them, or put the outputs of these ops among the feeds.",
    )


class PureFunction:
    """The function that `to_jax` gives."""

    def __init__(self, plan: Plan, fetches: Fetches, names: list[str]) -> None:
        self.plan, self.names, self._fetches = plan, names, fetches
        self.__name__ = self.__qualname__ = "graph_function"
        declared = plan.effects.declared
        keys: dict[str, None] = {}
        self._optional: set[str] = set()
        for stage in plan.stages:
            keys.update(dict.fromkeys(stage.reads))
            self._optional |= stage.optional_reads | stage.guarded_reads
        keys.update(dict.fromkeys(key for _, key in plan.variable_fetches))
        self.name_of = {key: declared[key].name for key in keys}
        """A variable's key in a session to its name among the parameters."""
        if len(set(self.name_of.values())) < len(self.name_of):
            self.name_of = {key: key for key in keys}
        made = [*plan.feeds, *(t for i in _all_instructions(plan) for t in i.op.outputs)]
        self._doubles = [t.name for t in made if t.dtype._base.name in ("float64", "complex128")]
        self.__doc__ = f"A function of (parameters, {', '.join(names)}), made of a graph.\n\nParameters: {self.name_of}"

    def parameters(self, session: Any) -> dict[str, np.ndarray]:
        """The values of the variables in a session, by name."""
        if not self.name_of:
            return {}
        if session is None:
            raise ValueError(
                "the function needs the values of variables "
                + ", ".join(map(repr, self.name_of.values()))
                + ": give the session that holds them, as evergraph.to_jax(fetches, feeds, session)"
            )
        state, found = session._state, {}
        with state.lock:
            for key, name in self.name_of.items():
                value = state.variables.get(key)
                if value is not None:
                    found[name] = value_of(value)
                elif key not in self._optional:
                    raise uninitialized(self.plan, state, key, None)
        return found

    @cached_property
    def _compiled(self) -> Any:
        import jax

        return jax.jit(self._computed)

    def __call__(self, parameters: Mapping[str, Any], *feeds: Any, counter: Any = 0, **named: Any) -> Any:
        given = self._given(feeds, named)
        self._warn_of_doubles()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Explicitly requested dtype")  # 64 bits without `jax_enable_x64`
            return self._fetches.values(self._compiled(dict(parameters), given, counter))

    def _warn_of_doubles(self) -> None:
        import jax.numpy as jnp

        if self._doubles and jnp.result_type(float) != np.float64:
            warnings.warn(
                f"{self._doubles[0]!r} is of 64 bits, and JAX computes with 32 in their place: "
                'jax.config.update("jax_enable_x64", True) changes that',
                stacklevel=4,
            )
            self._doubles = []  # said once

    def _given(self, feeds: tuple[Any, ...], named: dict[str, Any]) -> list[Any]:
        if len(feeds) > len(self.names):
            raise TypeError(
                f"this function takes {len(self.names)} feed(s) ({', '.join(self.names)}); got {len(feeds)}"
            )
        given = dict(zip(self.names, feeds))
        for name, value in named.items():
            if name not in self.names:
                raise TypeError(f"this function has no feed {name!r}; there are: {', '.join(self.names) or 'none'}")
            if name in given:
                raise TypeError(f"feed {name!r} is given twice")
            given[name] = value
        if missing := [n for n in self.names if n not in given]:
            raise TypeError(f"feeds that are not given: {', '.join(missing)}")
        return [given[name] for name in self.names]

    def _computed(self, parameters: Mapping[str, Any], given: list[Any], counter: Any) -> list[Any]:
        import jax
        import jax.numpy as jnp

        plan, narrow = self.plan, jnp.result_type(float) != np.float64
        values: dict[int, Any] = {r: v for r, v in enumerate(plan.registers) if v is not None}
        for t, register, name, value in zip(plan.feeds, plan.feed_registers, self.names, given, strict=True):
            values[register] = _fed(t, name, value)
        by_key = {
            key: jnp.asarray(parameters[name]) if name in parameters else None for key, name in self.name_of.items()
        }
        for key, name in self.name_of.items():
            if by_key[key] is None and key not in self._optional:
                raise ValueError(f"no value for {name!r} among the parameters")
        for position, key in plan.variable_fetches:
            values[plan.fetch_registers[position]] = by_key[key]
        checks = CheckCollector(jnp)
        checks.may_run_again = False
        collectors.append(checks)
        try:
            unseeded = 0
            for stage in plan.stages:
                for key, register in zip(stage.reads, stage.read_registers, strict=True):
                    values[register] = by_key[key]
                starts = []
                for op in stage.random_ops:
                    has_seed = bool(op.attrs.get("seed") or op.attrs.get("seed2"))
                    unseeded += not has_seed
                    starts.append(_place(0 if has_seed else unseeded * _SPREAD % 2**64, counter))
                tracer = Tracer(jnp, values, Counters(starts, len(starts)))
                for instruction in stage.instructions:
                    if narrow and not _is_random(instruction):
                        instruction = _narrowed(instruction, tracer.values)
                        tracer.one(instruction)
                        continue
                    with jax.enable_x64(True):
                        tracer.one(instruction)
                values = dict(tracer.values)
        except Untraceable as error:
            raise errors.UnimplementedError(
                None,
                None,
                f"{error}: XLA must know it before the program is compiled. In place of the feed that decides it, put "
                "a constant into the graph.",
            ) from None
        finally:
            collectors.pop()
        fetched = []
        for t, register in zip(plan.fetches, plan.fetch_registers, strict=True):
            if values[register] is DEAD:
                raise errors.InvalidArgumentError(None, t.op, f"{t.name!r} is in a branch that is never taken")
            fetched.append(jnp.asarray(values[register]))
        ok = checks.holds()
        return fetched if ok is None else [jnp.where(ok, v, np.nan) if v.dtype.kind in "fcV" else v for v in fetched]


def _place(own: int, counter: Any) -> Any:
    """At which block the stream of a random op goes on."""
    import jax
    import jax.numpy as jnp

    with jax.enable_x64(True):
        return np.uint64(own) + jnp.asarray(counter).astype(np.uint64) * np.uint64(BLOCKS_PER_CALL)


# A program traced with 64-bit types cannot be compiled without them: some lowerings look at the setting once more. So
# the setting is the caller's; but counters of random streams always have 64 bits, and their few plain ops are no such
# lowerings.


def _is_random(instruction: Instruction) -> bool:
    inner = [] if instruction.loop is None else instruction.loop.instructions()
    return instruction.random >= 0 or any(i.random >= 0 for i in inner)


_NARROW = {np.dtype(wide): np.dtype(narrow) for wide, narrow in zip("dDqQ", "fFiI")}


def _narrow(value: Any) -> Any:
    kind = _NARROW.get(value.dtype) if isinstance(value, np.ndarray | np.generic) else None
    return value if kind is None else np.asarray(value).astype(kind)


def _narrowed(instruction: Instruction, values: dict[int, Any]) -> Instruction:
    """Make 32 bits of the constants that an instruction gets.

    JAX does so itself, but not reliably once a kernel was traced with 64-bit types in the same process.
    """
    for source in instruction.inputs:
        for register in source if type(source) is tuple else (source,):
            if register in values:
                values[register] = _narrow(values[register])
    loop = instruction.loop
    if loop is None:
        return instruction
    head, body = ([_narrowed(i, {}) for i in block] for block in (loop.head, loop.body))
    return replace(
        instruction, loop=replace(loop, registers=[_narrow(v) for v in loop.registers], head=head, body=body)
    )


def _fed(tensor: Tensor, name: str, value: Any) -> Any:
    import jax.numpy as jnp

    array = jnp.asarray(value, tensor.dtype._base.np)
    wanted = tensor.static_shape
    if wanted is not None and (
        len(wanted) != array.ndim or any(w is not None and w != g for w, g in zip(wanted, array.shape, strict=True))
    ):
        raise ValueError(f"feed {name!r} is of shape {array.shape}, and has to be of {shapes.shape_text(wanted)}")
    return array
