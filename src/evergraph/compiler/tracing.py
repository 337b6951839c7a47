"""Tracing instructions: what `interpret.py` does with arrays, done once with JAX's tracers.

A value that is already known (constants, `tf.shape` of a known shape, and what follows from them) stays a NumPy array,
so that shapes, axes and loop counts become static by themselves.

**Branches.** When the predicate of a guard is known, the side not taken is left out. Else both sides are computed, a
Merge selects, and what a guarded op does (new values of variables, blocks of a random stream, checks) counts only if it
runs:

    (pred, True)   v' = where(pred, update(v), v)          Merge   where(pred, first, second)

**Loops** become `lax.while_loop`. What the body changes is carried along: loop variables, the buffers of TensorArrays
and stacks, the random counters, and whether all checks held so far. A first, abstract pass over the body finds out
which buffers those are, and their shapes.

A variable that only gathers products, as the gradient of a matrix used in each iteration does,

    total' = total + a[t]ᵀ b[t]

is taken out of the loop: the factors are kept, and one product of all of them follows, `total + Σ a[t]ᵀ b[t]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from evergraph.compiler.families import Family
from evergraph.compiler.interpret import blocks_used, located, wrong_shape
from evergraph.compiler.plan import Instruction, LoopProgram, Register
from evergraph.framework import dtypes
from evergraph.framework.shapes import size_of
from evergraph.ops.control_flow import DEAD
from evergraph.ops.opdef import CheckCollector, collectors
from evergraph.ops.tensor_lists.traced import TracedTensorList
from evergraph.ops.traced_lists import TracedList, Untraceable

# A folded value above this many elements is computed by the program rather than carried inside it.
FOLD_LIMIT = 16_384


class Counters:
    """How many blocks each random op of a stage has used up: ints while that is known, tracers otherwise."""

    def __init__(self, starts: Any, count: int) -> None:
        self.starts = starts
        self.used: list[Any] = [0] * count

    def at(self, number: int) -> Any:
        used = self.used[number]
        return self.starts[number] if type(used) is int and used == 0 else self.starts[number] + np.uint64(1) * used

    def advance(self, xp: Any, number: int, blocks: int, live: Any) -> None:
        more: Any = blocks if live is None else xp.where(live, np.uint64(blocks), np.uint64(0))
        used = self.used[number]
        if type(used) is int and type(more) is not int:
            used = np.uint64(used)
        self.used[number] = used + (more if type(used) is int else xp.asarray(more, np.uint64))

    def are_static(self) -> bool:
        return all(type(n) is int for n in self.used)


class _Values(dict[Register, Any]):
    """Values by register; the rows of a family's array are cut out when somebody asks for one."""

    def __init__(self, values: dict[Register, Any]) -> None:
        super().__init__(values)
        self.stacks: dict[tuple[Register, ...], Any] = {}
        self._row: dict[Register, tuple[Any, int]] = {}

    def put_stack(self, registers: tuple[Register, ...], stack: Any) -> None:
        self.stacks[registers] = stack
        for position, register in enumerate(registers):
            self.pop(register, None)
            self._row[register] = stack, position

    def stack(self, xp: Any, registers: tuple[Register, ...]) -> Any:
        """The values of `registers` as one array."""
        found = self.stacks.get(registers)
        return xp.stack([self[r] for r in registers]) if found is None else found

    def __missing__(self, register: Register) -> Any:
        stack, position = self._row[register]
        value = self[register] = stack[position]
        return value


class Tracer:
    """Instructions under a trace, and the values of their registers."""

    def __init__(self, xp: Any, values: dict[Register, Any], counters: Counters) -> None:
        self.xp, self.values, self.counters = xp, _Values(values), counters

    def run(self, steps: Sequence[Instruction | Family]) -> None:
        for step in steps:
            if isinstance(step, Family):
                self.family(step)
            else:
                self.one(step)

    def family(self, family: Family) -> None:
        """All members at once: an argument that they share stays as it is, any other gets a row for each."""
        import jax

        values, members = self.values, family.members
        args: list[Any] = []
        axes: list[int | None] = []
        for registers in zip(*(m.inputs for m in members), strict=True):
            shared = registers[0] in values and all(r == registers[0] for r in registers)
            if not shared and registers not in values.stacks:
                all_ = [values[r] for r in registers]
                shared = all(map(is_known, all_)) and all(
                    a.dtype == all_[0].dtype and np.array_equal(a, all_[0]) for a in all_
                )
            args.append(values[registers[0]] if shared else values.stack(self.xp, registers))
            axes.append(None if shared else 0)
        first = members[0]
        if all(axis is None for axis in axes):
            for member in members:
                self.one(member)
            return
        statics = [a for a, is_static, axis in zip(args, first.static, axes, strict=True) if is_static and axis is None]
        if len(statics) != sum(first.static) or not all(map(is_known, statics)):
            raise Untraceable(f"an operand of {first.op.name!r} ({first.op.type}) depends on a value")

        def one(*batched: Any) -> Any:
            rest = iter(batched)
            whole = [a if axis is None else next(rest) for a, axis in zip(args, axes, strict=True)]
            return first.kernel(self.xp, *whole, **first.attrs)

        checks = CheckCollector(self.xp)
        collectors.append(checks)
        try:
            result = jax.vmap(one)(*(a for a, axis in zip(args, axes, strict=True) if axis == 0))
        except Exception as error:
            raise located(error, first.op, args) from error
        finally:
            collectors.pop()
        if checks.conditions:
            raise Untraceable(f"{first.op.name!r} checks its values")
        outputs = result if type(result) in (tuple, list) else (result,)
        for place, (value, kind) in enumerate(zip(outputs, first.types, strict=True)):
            rows = _typed(value, kind or members[0].op.inputs[0].dtype.base_dtype.np)
            values.put_stack(tuple(m.outputs[place] for m in members), rows)

    def one(self, instruction: Instruction) -> None:
        checks = collectors[-1]
        around = checks.live
        live = around
        if instruction.guards:
            holds = self.holds(instruction.guards)
            if holds is False:
                self.leave_out(instruction)
                return
            if holds is not True:
                live = holds if around is None else holds & around
        checks.live = live
        try:
            if instruction.loop is not None:
                self.loop(instruction, instruction.loop)
            elif instruction.selector is not None:
                self.select(instruction, *instruction.selector)
            else:
                self.compute(instruction, live)
        finally:
            checks.live = around
        if live is not None and instruction.bases:
            for register, base in zip(instruction.outputs, instruction.bases, strict=False):
                self.values[register] = self.xp.where(live, self.values[register], self.values[base])

    def holds(self, guards: Sequence[tuple[Register, bool]]) -> Any:
        """Whether all literals hold: True or False where that is known, else a tracer."""
        found: Any = True
        for register, side in guards:
            value = self.values[register]
            if value is DEAD or is_known(value) and bool(value) != side:
                return False
            if not is_known(value):
                value = value.reshape(())
                literal = value if side else ~value
                found = literal if found is True else found & literal
        return found

    def leave_out(self, instruction: Instruction) -> None:
        for register, base in zip(instruction.outputs, instruction.bases, strict=False):
            self.values[register] = self.values[base]
        for register in instruction.outputs[len(instruction.bases) :]:
            self.values[register] = DEAD

    def select(self, instruction: Instruction, predicate: Register, side: bool) -> None:
        first, second = (self.values[r] for r in instruction.inputs[0])
        holds = self.holds([(predicate, side)])
        result, position = instruction.outputs
        if holds is True or holds is False:
            self.values[result] = first if holds else second
            self.values[position] = np.int32(0 if holds else 1)
            return
        if isinstance(first, TracedList) or isinstance(second, TracedList):
            raise Untraceable("which list of tensors a branch gives depends on a value")
        if isinstance(first, TracedTensorList):
            self.values[result] = first.selected(self.xp, holds, second)
            self.values[position] = self.xp.where(holds, np.int32(0), np.int32(1))
            return
        if np.shape(first) != np.shape(second):
            raise Untraceable("the two sides of a branch have different shapes")
        self.values[result] = first if first is second else self.xp.where(holds, first, second)
        self.values[position] = self.xp.where(holds, np.int32(0), np.int32(1))

    def compute(self, instruction: Instruction, live: Any) -> None:
        values, xp = self.values, self.xp
        if instruction.op.type == "AddN" and instruction.inputs[0] in values.stacks:
            values[instruction.outputs[0]] = values.stacks[instruction.inputs[0]].sum(0)
            return
        args = [
            tuple(values[r] for r in source) if type(source) is tuple else values[source]
            for source in instruction.inputs
        ]
        op = instruction.op
        if op.type not in ("Merge", "RefMerge") and any(DEAD is a for arg in args for a in _each(arg)):
            self.leave_out(
                instruction
            )  # its branch was left out in an earlier stage, whose predicate this one is given
            return
        for value, is_static, arg in zip(args, instruction.static, op.opdef.inputs, strict=True):
            if is_static and not is_known(value) and arg.name not in op.opdef.dynamic:
                raise Untraceable(f"operand {arg.name!r} of {op.name!r} ({op.type}) depends on a value")
        try:
            if instruction.random >= 0:
                counter = self.counters.at(instruction.random)
                result = instruction.kernel(xp, *args, counter=counter, **instruction.attrs)
                self.counters.advance(xp, instruction.random, blocks_used(instruction, args), live)
            elif _may_fold(instruction) and all(map(is_known, args)) and _folds(instruction):
                kernel = op.opdef.numpy_kernel or instruction.kernel
                with np.errstate(all="ignore"):
                    result = kernel(np, *args, **instruction.attrs)
            elif op.opdef.host:
                raise Untraceable(f"{op.name!r} ({op.type}) needs its values in the hands of NumPy")
            else:
                result = instruction.kernel(xp, *args, **instruction.attrs)
        except Untraceable:
            raise
        except Exception as error:
            raise located(error, op, args) from error
        if instruction.declared_shape is not None and np.shape(args[1]) != instruction.declared_shape:
            raise located(wrong_shape(instruction.declared_shape, np.shape(args[1])), op)
        outputs = instruction.outputs
        if len(outputs) == 1:
            if type(result) is tuple or type(result) is list:
                result = result[0]
            values[outputs[0]] = _typed(result, instruction.types[0])
            if op.type in _BOUNDED:
                self.note_bound(op.type, args, values[outputs[0]])
        else:
            for register, kind, value in zip(outputs, instruction.types, result or (), strict=True):
                values[register] = _typed(value, kind)

    def note_bound(self, kind: str, args: list[Any], result: Any) -> None:
        """Remember how large an integer can become at most."""
        bounds = collectors[-1].bounds
        known = [_bound(bounds, a) for a in args]
        if kind == "Minimum":
            bound = min((k for k in known if k is not None), default=None)
        else:
            bound = known[0]
        if bound is not None and not is_known(result):
            bounds[id(result)] = result, bound

    def loop(self, instruction: Instruction, loop: LoopProgram) -> None:
        _Loop(self, instruction, loop).run()


class _Loop:
    """One loop under a trace."""

    def __init__(self, outer: Tracer, instruction: Instruction, loop: LoopProgram) -> None:
        self.outer, self.instruction, self.loop = outer, instruction, loop
        self.xp = outer.xp
        self.base = {r: v for r, v in enumerate(loop.registers) if v is not None}
        for register, source in zip(loop.inputs, instruction.inputs, strict=True):
            self.base[register] = outer.values[source]
        self.random = [i.random for i in loop.instructions() if i.random >= 0]
        self.starts = [self.array(self.base[loop.inputs[i]]) for i in loop.starts]
        if any(i.random >= 0 or i.op.type in _MUTATING for i in loop.head):
            raise Untraceable(f"the condition of loop {loop.op.name!r} changes something")
        self.checks = collectors[-1]
        self.capacity, self.has_bound = self.most_trips()
        self.sums = _sums_of_products(loop) if self.has_bound or collectors[0].may_run_again else []
        apart = {id(i) for s in self.sums for i in (s.add, s.product)}
        self.body = [i for i in loop.body if id(i) not in apart]

    def array(self, value: Any) -> Any:
        if isinstance(value, TracedTensorList):
            return value
        if isinstance(value, TracedList) or value is DEAD or getattr(value, "dtype", None) == np.dtype(object):
            raise Untraceable(f"a variable of loop {self.loop.op.name!r} is no array")
        return self.xp.asarray(value)

    def most_trips(self) -> tuple[int, bool]:
        """How many iterations to provide for, and whether that is certainly enough."""
        seen = max(1, self.loop.op.most_trips)
        bound = self.bound_from_condition()
        if bound is not None and bound <= max(2 * seen, 64):
            return max(1, bound), True
        return seen, False

    def bound_from_condition(self) -> int | None:
        """The limit, for a loop that counts a variable up from 0 by at least 1, while it is less than the limit."""
        loop = self.loop
        made_by = {r: i for i in (*loop.head, *loop.body) for r in i.outputs}

        def source(register: Register) -> Register:
            while register in made_by and made_by[register].op.type == "Identity":
                register = made_by[register].inputs[0]
            return register

        def limits(register: Register) -> list[int]:
            made = made_by.get(source(register))
            if made is None or made.guards:
                return []
            if made.op.type == "LogicalAnd":
                return limits(made.inputs[0]) + limits(made.inputs[1])
            if made.op.type == "Less":
                counter, limit = (source(r) for r in made.inputs)
            elif made.op.type == "Greater":
                limit, counter = (source(r) for r in made.inputs)
            else:
                return []
            if counter not in loop.variables or limit not in self.base:
                return []
            position = loop.variables.index(counter)
            start = self.base[loop.inputs[loop.starts[position]]]
            step = made_by.get(source(loop.nexts[position]))
            if not is_known(start) or int(start) < 0 or step is None or step.op.type not in ("Add", "AddV2"):
                return []
            terms = [source(r) for r in step.inputs]
            if counter not in terms:
                return []
            other = self.base.get(terms[1 - terms.index(counter)])
            bound = _bound(self.checks.bounds, self.base[limit])
            if bound is None or other is None or not is_known(other) or int(other) < 1:
                return []
            self.counters.append((counter, bound))
            return [bound]

        self.counters: list[tuple[Register, int]] = []
        return min(limits(loop.go), default=None)

    def run(self) -> None:
        from jax import lax

        xp, loop, counters = self.xp, self.loop, self.outer.counters
        lists = self.lists()
        before = [(a, a.state) for a in lists]
        changed = self.discover(lists, before)
        for a in changed:
            if a.state is None:
                assert a.row_shape is not None
                self.checks.capacity, around = self.capacity, self.checks.capacity
                a.allocate(xp, a.row_shape)
                self.checks.capacity = around
        used = tuple(xp.asarray(counters.used[n], np.uint64) for n in self.random)
        live = self.checks.live
        go = self.go(self.starts)
        go = go if live is None else go & live
        factors = tuple(xp.zeros((self.capacity, *f.shape), f.dtype) for pair in self.factors for f in pair)
        states = tuple(a.state for a in changed)
        carry = (tuple(self.starts), states, used, factors, xp.asarray(np.int32(0)), xp.asarray(True), go)

        def body(carry: Any) -> Any:
            values, states, used, factors, trip, ok, _ = carry
            for a, state in zip(changed, states, strict=True):
                a.state = state
            values, used, made, holds = self.turn(values, used)
            kept = zip(factors, (f for pair in made for f in pair), strict=True)
            factors = tuple(lax.dynamic_update_index_in_dim(rows, row, trip, 0) for rows, row in kept)
            if self.sums and not self.has_bound:
                holds = holds & (trip < self.capacity)
            states = tuple(a.state for a in changed)
            return values, states, used, factors, trip + np.int32(1), ok & holds, self.go(values)

        if self.has_bound and not collectors[0].may_run_again:
            # A function that others differentiate: a scan has a reverse mode, a while loop has none.
            carry, _ = lax.scan(
                lambda c, _: (lax.cond(c[6], body, lambda same: same, c), None), carry, length=self.capacity
            )
        else:
            carry = lax.while_loop(lambda c: c[6], body, carry)
        after, states, used, factors, _, ok, _ = carry
        values = list(after)
        for i, total in enumerate(self.sums):
            a, b = (f.reshape(-1, f.shape[-1]) for f in factors[2 * i : 2 * i + 2])
            values[total.variable] = values[total.variable] + a.T @ b
        for a, state in zip(changed, states, strict=True):
            a.state = state
        for n, blocks in zip(self.random, used, strict=True):
            counters.used[n] = blocks
        if self.has_checks or self.sums and not self.has_bound:
            self.checks.conditions.append(ok)
        for register, position in zip(self.instruction.outputs, loop.results, strict=True):
            self.outer.values[register] = values[position]

    def lists(self) -> list[TracedList]:
        """All lists that are there before the loop, and (as it grows) the gradients made of them inside."""
        return [a for checks in collectors for a in checks.lists]

    def discover(self, lists: list[TracedList], before: list[tuple[TracedList, Any]]) -> list[TracedList]:
        """Trace an iteration abstractly: which lists it changes, of what shapes, and whether it checks anything."""
        import jax

        def once(values: Any, used: Any) -> Any:
            return self.turn(values, used)[:3]

        used = tuple(self.xp.asarray(self.outer.counters.used[n], np.uint64) for n in self.random)
        kept = list(self.outer.counters.used)
        next_values, _, self.factors = jax.eval_shape(once, tuple(self.starts), used)
        self.outer.counters.used = kept
        for i, (value, after) in enumerate(zip(self.starts, next_values, strict=True)):
            if isinstance(value, TracedTensorList):
                self.starts[i] = value = value.like(self.xp, after)
            if value.shape != after.shape:
                raise Untraceable(f"a variable of loop {self.loop.op.name!r} changes its shape")
        old = {id(a): state for a, state in before}
        changed = []
        for a in self.lists():
            was = old.get(id(a))
            if not _same_state(a.state, was):
                changed.append(a)
                a.state = was
        return changed

    def registers(self, values: Sequence[Any]) -> Tracer:
        own = dict(self.base)
        own.update(zip(self.loop.variables, values, strict=True))
        return Tracer(self.xp, own, self.outer.counters)

    def go(self, values: Sequence[Any]) -> Any:
        """Whether there is another iteration from `values`."""
        checks = CheckCollector(self.xp)
        collectors.append(checks)
        try:
            tracer = self.registers(values)
            tracer.run(self.loop.head)
        finally:
            collectors.pop()
        return self.xp.asarray(tracer.values[self.loop.go]).reshape(())

    def turn(self, values: Sequence[Any], used: Sequence[Any]) -> tuple[Any, Any, Any, Any]:
        """One iteration: the next values, the random blocks used, factors of sums of products, whether checks hold."""
        loop, counters = self.loop, self.outer.counters
        for n, blocks in zip(self.random, used, strict=True):
            counters.used[n] = blocks
        checks = CheckCollector(self.xp)
        checks.capacity, checks.has_bound = self.capacity, self.has_bound
        checks.bounds = dict(self.checks.bounds)
        by_register = dict(zip(loop.variables, values, strict=True))
        for counter, bound in self.counters:
            checks.bounds[id(by_register[counter])] = by_register[counter], bound
        collectors.append(checks)
        try:
            tracer = self.registers(values)
            tracer.run(loop.head)
            tracer.run(self.body)
            for total in self.sums:
                tracer.values[loop.nexts[total.variable]] = by_register[loop.variables[total.variable]]
            after = tuple(
                found if isinstance(found, TracedTensorList) else self.xp.asarray(found, start.dtype)
                for found, start in zip((self.array(tracer.values[r]) for r in loop.nexts), self.starts, strict=True)
            )
            factors = [[self.array(tracer.values[r]) for r in total.product.inputs] for total in self.sums]
        finally:
            collectors.pop()
        self.has_checks = bool(checks.conditions)
        holds = self.xp.asarray(True) if not checks.conditions else checks.holds()
        return after, tuple(self.xp.asarray(counters.used[n], np.uint64) for n in self.random), factors, holds


class _SumOfProducts(NamedTuple):
    """`total' = total + aᵀ b` for one variable of a loop, which nothing else in the loop looks at."""

    variable: int
    add: Instruction
    product: Instruction


def _sums_of_products(loop: LoopProgram) -> list[_SumOfProducts]:
    made_by = {r: i for i in loop.body for r in i.outputs}
    readers: dict[Register, int] = {}
    for instruction in (*loop.head, *loop.body):
        deciding = [r for r, _ in instruction.guards] + ([instruction.selector[0]] if instruction.selector else [])
        for source in (*instruction.inputs, *deciding):
            for register in source if type(source) is tuple else (source,):
                readers[register] = readers.get(register, 0) + 1
    for register in (*loop.nexts, loop.go):
        readers[register] = readers.get(register, 0) + 1
    found = []
    for position, register in enumerate(loop.nexts):
        add = made_by.get(register)
        if add is None or add.op.type not in ("Add", "AddV2") or add.guards or readers[register] > 1:
            continue
        total = add.inputs[0]
        while total in made_by and made_by[total].op.type == "Identity" and readers[total] == 1:
            total = made_by[total].inputs[0]
        product = made_by.get(add.inputs[1])
        if total != loop.variables[position] or readers[total] > 1 or product is None or product.guards:
            continue
        attrs = product.attrs
        is_product = product.op.type == "MatMul" and attrs["transpose_a"] and not attrs["transpose_b"]
        if is_product and readers[add.inputs[1]] == 1 and add.op.outputs[0].dtype.is_floating:
            found.append(_SumOfProducts(position, add, product))
    return found


_MUTATING = frozenset(("TensorArrayWriteV3", "TensorArrayScatterV3", "StackPushV2", "StackPopV2"))
_BOUNDED = frozenset(("Minimum", "Identity"))


def _bound(bounds: dict[int, tuple[Any, int]], value: Any) -> int | None:
    if is_known(value):
        return int(value) if np.ndim(value) == 0 and np.asarray(value).dtype.kind in "iu" else None
    entry = bounds.get(id(value))
    return None if entry is None else entry[1]


def _same_state(a: Any, b: Any) -> bool:
    if type(a) is tuple and type(b) is tuple:
        return all(x is y for x, y in zip(a, b, strict=True))
    return a is b


def is_known(value: Any) -> bool:
    if type(value) is tuple:
        return all(map(is_known, value))
    return isinstance(value, np.ndarray | np.generic)


def _may_fold(instruction: Instruction) -> bool:
    """Whether the op gives nothing but its outputs; that it may not run at all does not matter."""
    opdef = instruction.op.opdef
    return not (opdef.updates or opdef.random_blocks or opdef.is_stateful or opdef.session) and opdef.name not in (
        "StackV2", "StackPushV2", "StackPopV2", "StackCloseV2", "Assert", "CheckNumerics"
    )  # fmt: skip


def _folds(instruction: Instruction) -> bool:
    if instruction.op.opdef.host:
        return True  # only NumPy can do it
    for t in instruction.op.outputs:
        if t.dtype is dtypes.variant:
            return False  # a list of tensors, which has another form in a program
        size = size_of(t.static_shape)
        if size is not None and size > FOLD_LIMIT:
            return False
    return True


def _each(arg: Any) -> tuple[Any, ...]:
    return arg if type(arg) is tuple else (arg,)


def _typed(value: Any, kind: Any) -> Any:
    if kind is None:
        return value
    dtype = getattr(value, "dtype", None)
    if dtype == kind:
        return value
    if dtype is None:
        return np.asarray(value, kind)
    return value.astype(kind)
