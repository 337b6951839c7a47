"""From a stage to an XLA program.

A device stage becomes one pure function

    (variables overwritten, variables read, inputs, large constants, random counters)
        -> (outputs, new values of the variables, whether all checks hold)

traced once per input signature and compiled by XLA. Buffers of the variables it overwrites are donated, so an update
is in place. Where checks (of label ranges, say) are little work they become a program of their own, which runs first
(checks.py). How instructions are traced, and what stays known meanwhile, says tracing.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evergraph.compiler import disk_cache, kept_programs, malloc, pieces
from evergraph.compiler.checks import Checks, checks_apart
from evergraph.compiler.families import families
from evergraph.compiler.plan import Instruction, Register, Stage
from evergraph.compiler.tracing import Counters, Tracer
from evergraph.ops.control_flow import DEAD
from evergraph.ops.opdef import CheckCollector, collectors
from evergraph.ops.tensor_lists import traced as tensor_lists

# A constant above this many elements is an argument of the program: XLA would copy and hash it at every compilation.
LIFT_LIMIT = 65_536

# A stage of fewer steps is not looked at for whether its program is large.
MANY_INSTRUCTIONS = 300


class Program:
    """A compiled device stage for one signature of inputs."""

    def __init__(
        self,
        stage: Stage,
        constants: list[Any],
        static_values: dict[Register, Any],
        variables: Mapping[str, Any],
        is_checked: bool = False,
    ) -> None:
        malloc.keep_freed_memory()
        disk_cache.keep_programs()
        tensor_lists.register()
        import jax

        self.stage = stage
        self.blocks: list[int] = [0] * len(stage.random_ops)
        self.static_values = static_values
        self.dead_outputs: list[int] = []  # positions of outputs in branches that do not run
        self.dynamic_inputs = tuple(r for r in stage.inputs if r not in self.static_values)
        self.constants = {r: constants[r] for r in _constants_of(stage, constants)}
        self.lifted_registers = tuple(r for r, v in self.constants.items() if getattr(v, "size", 0) > LIFT_LIMIT)
        # A variable whose old value no kernel looks at (Assign) is no argument: it need not even have one.
        looked_at = [k for k in stage.reads if k not in stage.optional_reads]
        by_key = dict(zip(stage.reads, stage.read_registers, strict=True))
        key_of = {r: k for k, r in by_key.items()}
        read = {by_key[k]: (k, variables.get(k)) for k in looked_at}
        self.steps, packs = families(_updates_last(stage.instructions), read, self.constants)
        self.packs = tuple(tuple(key_of[r] for r in pack) for pack in packs)
        """Variables that come and go as one array each, in this order, after the others of their kind."""
        in_packs = {k for pack in self.packs for k in pack}
        donated_packs = [p for p in self.packs if stage.donated.issuperset(p)]
        kept_packs = [p for p in self.packs if not stage.donated.issuperset(p)]
        self.donated: tuple[Any, ...] = (
            *(k for k in looked_at if k in stage.donated and k not in in_packs),
            *donated_packs,
        )
        self.kept: tuple[Any, ...] = (
            *(k for k in looked_at if k not in stage.donated and k not in in_packs),
            *kept_packs,
        )
        write_of = dict(zip(stage.writes, stage.write_registers, strict=True))
        written = set(stage.writes)
        whole = [p for p in self.packs if written.issuperset(p)]
        as_one = {k for p in whole for k in p}
        self.writes: tuple[Any, ...] = (*(k for k in stage.writes if k not in as_one), *whole)
        self.write_registers = _by_key(self.writes, write_of)
        self.donated_registers = _by_key(self.donated, by_key)
        self.kept_registers = _by_key(self.kept, by_key)
        self.device = jax_device(stage.kind)
        self.moves = self.device is not None and self.device != jax.local_devices()[0]
        # An array that was put on a named device binds all results to it, and next time, as inputs, they count as
        # others than those of the first run: JAX would compile once more.
        self.place = self.device if self.moves else None
        with jax.enable_x64(True):
            self.lifted = [jax.device_put(self.constants[r], self.place) for r in self.lifted_registers]
        self._compiled: Any = None
        self._wants_check_first = is_checked and bool(self.donated)
        self._check: Checks | None = None
        self._name: str | None = None  # of the file that it is kept in
        self._is_new = True
        self._described = (
            is_checked,
            [(k, None if v is None else (tuple(v.shape), v.dtype)) for k, v in read.values()],
            [(r, static_values[r]) for r in sorted(static_values)],
            [
                (r, (v.shape, v.dtype) if r in self.lifted_registers else v)
                for r, v in sorted(self.constants.items(), key=lambda pair: pair[0])
            ],
        )
        self._x64 = jax.enable_x64
        self._put = jax.device_put

    @property
    def size(self) -> int:
        """How many instructions and families of them there are to trace."""
        return len(self.steps)

    def __call__(
        self, donated: list[Any], kept: list[Any], inputs: list[Any], counters: np.ndarray | None
    ) -> tuple[list[Any], list[Any] | None, Any]:
        """Outputs (and how far the random streams went, if values decide that), new values, whether checks hold."""
        with self._x64(True):
            if self.moves:
                donated, kept, inputs = self._put((donated, kept, inputs), self.device)
            if self._is_new:
                self._is_new = False
                self._look_for_kept(donated, kept, inputs, counters)
            if self._wants_check_first:
                self._put_check_first(donated, kept, inputs, counters)
            if self._check is not None and not self._check(donated, kept, inputs, self.lifted, counters):
                return [], None, False
            if self._compiled is None:
                self._compile(self._trace, donated, kept, inputs, counters)
            return self._compiled(donated, kept, inputs, self.lifted, counters)

    def settled(self, value: np.ndarray) -> Any:
        """An array of the host, brought to where the program runs."""
        with self._x64(True):
            return self._put(value, self.place)

    def _put_check_first(self, *args: Any) -> None:
        """Make a program of its own of the checks, if they are little work; the other then needs no guards."""
        self._wants_check_first = False
        donated, kept, inputs, counters = args
        found = checks_apart(self._unguarded, donated, kept, inputs, self.lifted, counters)
        if found is not None:
            self._check, main = found
            self._compile(main, donated, kept, inputs, counters)

    def _look_for_kept(self, *args: Any) -> None:
        """Take over what an earlier process made of the same."""
        import jax

        donated, kept, inputs, counters = args
        if self.device is None or self.device.platform != "cpu" or self.moves:
            return  # elsewhere, JAX's own cache alone
        leaves = jax.tree.leaves((donated, kept, inputs, self.lifted, counters))
        shapes = [(tuple(leaf.shape), leaf.dtype) for leaf in leaves], [len(donated), len(kept), len(inputs)]
        self._name = kept_programs.name_of(self.stage, (self._described, shapes, counters is None))
        found = None if self._name is None else kept_programs.load(self._name)
        if found is None:
            return
        try:
            check = None if found["check"] is None else Checks.of_kept(found["check"])
            self._compiled = _of_kept(found["program"])
        except Exception:  # as if it was not there
            return
        self._check, self._wants_check_first, self._name = check, False, None
        self.blocks, self.dead_outputs = found["blocks"], found["dead_outputs"]

    def _keep(self) -> None:
        assert self._name is not None
        kept_programs.save(
            self._name,
            lambda: {
                "check": None if self._check is None else self._check.kept(),
                "program": _kept(self._compiled),
                "blocks": self.blocks,
                "dead_outputs": self.dead_outputs,
            },
        )

    def _compile(self, function: Any, donated: Any, kept: Any, inputs: Any, counters: Any) -> None:
        """Have `function` compiled, whole or, if it is large, in pieces."""
        import jax
        from jax.extend.core import jaxpr_as_fun

        if len(self.steps) < MANY_INSTRUCTIONS:
            self._finish(function, donated, kept, inputs, counters)
            return
        args = donated, kept, inputs, self.lifted, counters
        closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
        results = jax.tree.structure(shapes)
        if len(closed.jaxpr.eqns) >= pieces.MANY_EQUATIONS:
            given_away = [True] * len(jax.tree.leaves(donated))
            rest = len(closed.jaxpr.invars) - len(given_away)
            parts = pieces.Pieces(closed, results, given_away + [False] * rest)
            if parts.pay():
                if self._name is None:
                    parts.compile()
                else:
                    with kept_programs.Compiling() as compiling:
                        parts.compile()
                self._compiled = parts
                if self._name is not None and compiling.is_new:
                    self._keep()
                return
        whole = jaxpr_as_fun(closed)

        def traced(*args: Any) -> Any:
            return jax.tree.unflatten(results, whole(*jax.tree.leaves(args)))

        self._finish(traced, *args[:3], counters)

    def _finish(self, function: Any, donated: Any, kept: Any, inputs: Any, counters: Any) -> None:
        import jax

        self._compiled = jax.jit(function, donate_argnums=(0,))
        if self._name is None:
            return
        lowered = self._compiled.lower(donated, kept, inputs, self.lifted, counters)
        with kept_programs.Compiling() as compiling:
            self._compiled = lowered.compile()
        if compiling.is_new:
            self._keep()

    def _trace(
        self, donated: list[Any], kept: list[Any], inputs: list[Any], lifted: list[Any], counters: Any
    ) -> tuple[list[Any], list[Any], Any]:
        import jax.numpy as jnp

        outputs, writes, checks = self._run(donated, kept, inputs, lifted, counters)
        ok = checks.holds()
        if ok is not None:
            old = dict(zip(self.donated, donated, strict=True))
            writes = [
                new if key not in old or checks.is_guarded(new) else jnp.where(ok, new, old[key])
                for key, new in zip(self.writes, writes, strict=True)
            ]
        return outputs, writes, ok

    def _unguarded(
        self, donated: list[Any], kept: list[Any], inputs: list[Any], lifted: list[Any], counters: Any
    ) -> tuple[list[Any], list[Any], Any]:
        outputs, writes, checks = self._run(donated, kept, inputs, lifted, counters, guards=False)
        return outputs, writes, checks.conditions

    def _run(
        self,
        donated: list[Any],
        kept: list[Any],
        inputs: list[Any],
        lifted: list[Any],
        counters: Any,
        guards: bool = True,
    ) -> tuple[list[Any], list[Any], CheckCollector]:
        import jax.numpy as jnp

        values: dict[Register, Any] = dict(self.constants)
        values.update(zip(self.lifted_registers, lifted, strict=True))
        values.update(zip(self.dynamic_inputs, inputs, strict=True))
        values.update(self.static_values)
        values.update(dict.fromkeys(self.stage.read_registers))
        stacks = []
        for registers, value in zip((*self.donated_registers, *self.kept_registers), (*donated, *kept), strict=True):
            if type(registers) is tuple:
                stacks.append((registers, value))
            else:
                values[registers] = value
        checks = CheckCollector(jnp, donated, guards)
        drawn = Counters(counters, len(self.stage.random_ops))
        collectors.append(checks)
        try:
            tracer = Tracer(jnp, values, drawn)
            for registers, value in stacks:
                tracer.values.put_stack(registers, value)
            tracer.run(self.steps)
            values = tracer.values
        finally:
            collectors.pop()
        if drawn.are_static():
            self.blocks, used = drawn.used, None
        else:
            self.blocks, used = [0] * len(drawn.used), jnp.stack([jnp.asarray(n, np.uint64) for n in drawn.used])
        self.dead_outputs = [i for i, r in enumerate(self.stage.outputs) if values[r] is DEAD]
        outputs = [jnp.zeros(()) if values[r] is DEAD else jnp.asarray(values[r]) for r in self.stage.outputs]
        writes = [
            tracer.values.stack(jnp, r) if type(r) is tuple else jnp.asarray(values[r]) for r in self.write_registers
        ]
        return [*outputs, used], writes, checks


def _kept(compiled: Any) -> Any:
    return compiled.kept() if isinstance(compiled, pieces.Pieces) else kept_programs.serialized(compiled)


def _of_kept(kept: Any) -> Any:
    return pieces.Pieces.of_kept(kept) if isinstance(kept, dict) else kept_programs.deserialized(kept)


def _by_key(keys: Sequence[Any], registers: Mapping[str, Register]) -> tuple[Any, ...]:
    """The registers of variables, and tuples of registers of packs."""
    return tuple(tuple(registers[k] for k in key) if type(key) is tuple else registers[key] for key in keys)


def _updates_last(instructions: Sequence[Instruction]) -> tuple[list[Instruction], list[Instruction]]:
    """The instructions with updates of variables, and what follows from them, apart from the others and after them.

    So the checks of all the others are known when an update is traced, and a scatter can guard itself with them.
    """
    after: set[Register] = set()
    first: list[Instruction] = []
    last: list[Instruction] = []
    for instruction in instructions:
        sources = [r for s in instruction.inputs for r in (s if type(s) is tuple else (s,))]
        sources += [r for r, _ in instruction.guards]
        if instruction.selector is not None:
            sources.append(instruction.selector[0])
        if instruction.op.opdef.updates or not after.isdisjoint(sources):
            last.append(instruction)
            after.update(instruction.outputs)
        else:
            first.append(instruction)
    return first, last


def _constants_of(stage: Stage, constants: list[Any]) -> list[Register]:
    found: dict[Register, None] = {}
    for instruction in stage.instructions:
        deciding = [r for r, _ in instruction.guards] + ([instruction.selector[0]] if instruction.selector else [])
        for source in (*instruction.inputs, *deciding):
            for register in source if type(source) is tuple else (source,):
                if constants[register] is not None:
                    found[register] = None
    return list(found)


def jax_device(kind: str) -> Any:
    """The JAX device that a stage of this kind runs on."""
    import jax

    _, platform, index = kind.split(":")
    return jax.local_devices(backend=platform.lower())[int(index)]
