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
        self._checks_first = is_checked and bool(self.donated)
        self._check: Checks | None = None
        # What tracing follows from, beside the stage and the arguments.
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
            if self._compiled is None:
                self._prepare(donated, kept, inputs, counters)
            if self._check is not None and not self._check(donated, kept, inputs, self.lifted, counters):
                return [], None, False
            return self._compiled(donated, kept, inputs, self.lifted, counters)

    def settled(self, value: np.ndarray) -> Any:
        """An array of the host, brought to where the program runs."""
        with self._x64(True):
            return self._put(value, self.place)

    def _prepare(self, donated: Any, kept: Any, inputs: Any, counters: Any) -> None:
        """Take over what an earlier process made of the same, or compile.

        Where the checks are little work they become a program of their own; the other then needs no guards.
        """
        args = donated, kept, inputs, self.lifted, counters
        name = self._name(args)
        if name is not None and self._take_over(kept_programs.load(name)):
            return
        function: Any = self._trace
        if self._checks_first:
            found = checks_apart(self._unguarded, *args)
            if found is not None:
                self._check, function = found
        if name is None:
            self._compiled = self._program(function, args)
            return
        with kept_programs.Compiling() as compiling:
            program = self._program(function, args)
            self._compiled = program if isinstance(program, pieces.Pieces) else program.lower(*args).compile()
            if self._check is not None:
                self._check.compile()
        if compiling.is_new:
            kept_programs.save(name, self._to_keep)

    def _name(self, args: tuple[Any, ...]) -> str | None:
        """Under which name the program is kept; None: it is not, or only by JAX."""
        import jax

        if self.device is None or self.device.platform != "cpu" or self.moves:
            return None
        shapes = [(tuple(leaf.shape), leaf.dtype) for leaf in jax.tree.leaves(args)]
        numbers = [None if part is None else len(part) for part in args]
        return kept_programs.name_of(self.stage, (self._described, shapes, numbers))

    def _to_keep(self) -> dict[str, Any]:
        program = self._compiled
        in_pieces = isinstance(program, pieces.Pieces)
        return {
            "check": None if self._check is None else self._check.kept(),
            "pieces" if in_pieces else "whole": program.kept() if in_pieces else kept_programs.serialized(program),
            "blocks": self.blocks,
            "dead_outputs": self.dead_outputs,
        }

    def _take_over(self, kept: dict[str, Any] | None) -> bool:
        if kept is None:
            return False
        try:
            self._check = None if kept["check"] is None else Checks.of_kept(kept["check"])
            in_pieces = "pieces" in kept
            self._compiled = (
                pieces.Pieces.of_kept(kept["pieces"]) if in_pieces else kept_programs.deserialized(kept["whole"])
            )
        except Exception:  # by another version of something: as if it was not there
            self._check = None
            return False
        self.blocks, self.dead_outputs = kept["blocks"], kept["dead_outputs"]
        return True

    def _program(self, function: Any, args: tuple[Any, ...]) -> Any:
        """`function` to be compiled when it is called; or, if it is large, compiled in pieces."""
        import jax
        from jax.extend.core import jaxpr_as_fun

        if len(self.steps) < MANY_INSTRUCTIONS:
            return jax.jit(function, donate_argnums=(0,))
        closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
        results = jax.tree.structure(shapes)
        if len(closed.jaxpr.eqns) >= pieces.MANY_EQUATIONS:
            given_away = [True] * len(jax.tree.leaves(args[0]))
            rest = len(closed.jaxpr.invars) - len(given_away)
            parts = pieces.Pieces(closed, results, given_away + [False] * rest)
            if parts.pay():
                parts.compile()
                return parts
        whole = jaxpr_as_fun(closed)

        def traced(*args: Any) -> Any:
            return jax.tree.unflatten(results, whole(*jax.tree.leaves(args)))

        return jax.jit(traced, donate_argnums=(0,))

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
