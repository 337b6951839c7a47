"""Running ops with control flow: branches and loops, as TF 1's graphs spell them.

A plan that holds Switch, Merge, Enter, Exit or NextIteration is not a list of ops to run once each. It runs as TF
describes it: values flow along the edges as *tokens*, an op runs when all its tokens are there, and each loop has
frames, in which the same op runs once per iteration.

    Switch gives a dead token on the side not taken; an op with a dead input gives dead outputs, and does not run
    Merge gives on the token that is alive
    Enter makes its token the one of iteration 0 of a loop (of every iteration, when it is constant)
    NextIteration hands its token to the next iteration, Exit to what surrounds the loop

The ops run through their NumPy kernels, in order of iteration, then of creation. A token carries, for each variable,
how many writes happened before it, so an op sees the same values of variables here as in a plan without control flow
(see compiler/effects.py). Nothing is kept in the session unless the whole run succeeds.
"""

from __future__ import annotations

import heapq
from contextlib import nullcontext
from typing import Any

import numpy as np

from evergraph.compiler.effects import VARIABLE_OPS, shared_reference, variable_key, variable_of
from evergraph.compiler.interpret import as_array, as_value, located
from evergraph.compiler.plan import Plan, is_fed_placeholder
from evergraph.compiler.regions import ENTERS, EXITS, MERGES, NEXTS, SWITCHES, in_order
from evergraph.framework import dtypes, errors
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor
from evergraph.ops.control_flow import DEAD
from evergraph.ops.opdef import grouped_inputs
from evergraph.ops.running import Running
from evergraph.runtime.state import State


class Reference:
    """The token of a reference or a handle: which variable, not its value."""

    __slots__ = ("key", "op")

    def __init__(self, op: Operation) -> None:
        self.key, self.op = variable_key(op), op


class Frame:
    """One run of a loop, or (without a parent) the run itself."""

    __slots__ = ("children", "constants", "dead", "depth", "iteration", "missing", "newest", "parent", "tokens")

    def __init__(self, parent: Frame | None = None, iteration: int = 0, enters: int = 0) -> None:
        self.parent = parent
        self.missing = enters  # how many values are still to come in
        self.iteration = iteration  # of the parent, in which this loop runs
        self.children: dict[tuple[str, int], Frame] = {}
        self.tokens: dict[int, dict[Operation, dict[Any, Any]]] = {}  # by iteration
        self.newest = 0  # the latest iteration in which an op ran: those before it are over
        self.constants: list[tuple[Operation, Token]] = []
        self.dead = False
        self.depth: tuple[int, ...] = () if parent is None else (*parent.depth, iteration)


Seen = tuple[int, ...]  # per variable, in the order of their first writes, the last write that happened before
Token = tuple[Any, Seen]  # a value, and the writes before it


def _later(a: Seen, b: Seen) -> Seen:
    """The writes that happened before one of two tokens."""
    if a is b or not b:
        return a
    if not a or len(a) == 1 == len(b):
        return b if not a or b > a else a
    if len(a) < len(b):
        a, b = b, a
    return (*map(max, a, b), *a[len(b) :])


class Dataflow:
    """One run of a plan with control flow."""

    def __init__(self, plan: Plan, state: State, fed: dict[Tensor, Any], run: Running) -> None:
        self.plan, self.state, self.fed, self.context = plan, state, fed, run
        self.readers = plan.readers or {}
        self.wanted = set(plan.fetches)
        self.results: dict[Tensor, Any] = {}
        self.history: dict[str, list[Any]] = {}  # the values that a variable got; the first is that of write 1
        self.place: dict[str, int] = {}  # of a variable in what a token has seen
        self.expected: dict[Operation, int] = {}
        self.enters: dict[str, int] = {}  # how many each loop has
        for op in plan.ops:
            if op.type in ENTERS:
                name = op.attrs["frame_name"].decode()
                self.enters[name] = self.enters.get(name, 0) + 1
        self.counters: dict[Operation, int] = {}
        self.queue: list[tuple[Any, ...]] = []
        self.order = 0
        # An op that may wait must not hold the session's lock. In a run with such ops each update holds the lock for
        # itself and is kept at once, so that those of several threads add up; in others the whole run holds it.
        self.at_once = any(op.opdef.session for op in plan.ops)

    def run(self) -> list[Any]:
        """The values of the plan's fetches."""
        root = Frame()
        # With the lock no other run comes between a look at a variable and the new value.
        alone = nullcontext() if self.at_once else self.state.lock
        with alone, np.errstate(all="ignore"):
            for op in self.plan.ops:
                if not self._expected(op):
                    self._enqueue(root, 0, op)
            while self.queue:
                *_, op, frame, iteration = heapq.heappop(self.queue)
                self._execute(op, frame, iteration)
            if self.at_once:
                return [self._result(t) for t in self.plan.fetches]
            with self.state.lock:
                for key, versions in self.history.items():
                    self.state.store([key], [np.array(versions[-1])])
                for op, at in self.counters.items():
                    self.state._counters[op] = at
        return [self._result(t) for t in self.plan.fetches]

    def _result(self, t: Tensor) -> Any:
        if t in self.fed:
            return self.fed[t]
        value, seen = self.results.get(t, (DEAD, ()))
        if value is DEAD:
            self._check_frames()
            raise errors.InvalidArgumentError(
                None, t.op, f"Retval[0] does not have value: {t.name!r} is in a branch that was not taken"
            )
        # A fetched reference is looked at when the run is over.
        reference = t if t.dtype._is_ref_dtype else shared_reference(t, frozenset(self.fed))
        declared = None if reference is None else variable_of(reference)
        if declared is not None and (versions := self.history.get(variable_key(declared))):
            return np.array(versions[-1])
        return self._value(value, seen) if isinstance(value, Reference) else value

    def _check_frames(self) -> None:
        """Refuse an op that waits for two loops at once: it never runs, nor what comes after it."""
        frames: dict[Operation, tuple[str, ...]] = {}
        for op in in_order(self.plan.ops, frozenset(self.fed)):
            places: dict[tuple[str, ...], Operation] = {}
            for t in op.inputs:
                source = t.op
                if t in self.fed or source not in frames or source.type == "Const":
                    continue
                path = frames[source][:-1] if source.type in EXITS else frames[source]
                places.setdefault(path, source)
            if len(places) > 1 and op.type not in MERGES:
                parts = "  ".join(
                    f"The input {{{{node {source.name}}}}} is in frame '{'/'.join(path)}'."
                    for path, source in places.items()
                )
                raise errors.InvalidArgumentError(
                    None, op, f"{{{{node {op.name}}}}} has inputs from different frames. {parts}"
                )
            path = max(places, key=len, default=())
            frames[op] = (*path, op.attrs["frame_name"].decode()) if op.type in ENTERS else path

    def _enqueue(self, frame: Frame, iteration: int, op: Operation) -> None:
        self.order += 1
        heapq.heappush(self.queue, ((*frame.depth, iteration), op._id, self.order, op, frame, iteration))

    # What an op receives

    def _deliver(self, frame: Frame, iteration: int, op: Operation, slot: Any, token: Token) -> None:
        """Put `token` into an op's input `slot` (a position, or a control input), and run the op if it is complete."""
        here = frame.tokens.get(iteration)
        if here is None:
            here = frame.tokens[iteration] = {}
        tokens = here.get(op)
        if tokens is None:
            tokens = here[op] = {}
        elif "ran" in tokens:
            return
        tokens[slot] = token
        if op.type in MERGES:
            ready = self._merge_is_ready(op, tokens)
        else:
            ready = len(tokens) == self._expected(op)
        if ready:
            tokens["ran"] = True
            self._enqueue(frame, iteration, op)

    def _expected(self, op: Operation) -> int:
        found = self.expected.get(op)
        if found is None:
            controls = sum(not is_fed_placeholder(c, self.fed) for c in op._control_inputs)
            found = self.expected[op] = sum(t not in self.fed for t in op.inputs) + controls
        return found

    def _merge_is_ready(self, op: Operation, tokens: dict[Any, Token]) -> bool:
        if any(c not in tokens for c in op._control_inputs if not is_fed_placeholder(c, self.fed)):
            return False
        arrived = [tokens[i] for i in range(len(op.inputs)) if i in tokens]
        if any(value is not DEAD for value, _ in arrived):
            return True
        # The Merge of a loop gets one token an iteration: from Enter, then from NextIteration.
        expected = sum(t.op.type not in NEXTS for t in op.inputs)
        return len(arrived) >= expected

    # Running an op

    def _execute(self, op: Operation, frame: Frame, iteration: int) -> None:
        if iteration > frame.newest and not frame.missing:
            # Nothing of an earlier iteration is left in the queue, which has those first, and nothing comes in.
            frame.newest = iteration
            for over in [n for n in frame.tokens if n < iteration]:
                del frame.tokens[over]
        here = frame.tokens.setdefault(iteration, {})
        tokens = here.pop(op, {})
        if frame.constants or frame.parent is not None or op.type in MERGES:
            here[op] = {"ran": True}
        seen: Seen = ()
        dead = False
        for slot, token in tokens.items():
            if slot == "ran":
                continue
            seen = _later(seen, token[1])
            if token[0] is DEAD and op.type not in MERGES and op.type != "ControlTrigger":
                dead = True
        inputs: list[Any] = []
        for position, t in enumerate(op.inputs):
            inputs.append(self.fed[t] if t in self.fed else tokens.get(position, (DEAD, ()))[0])
        if op.type in EXITS and dead and not frame.dead:
            return  # the loop goes on
        if op.type in NEXTS and dead:
            return
        outputs = [DEAD] * len(op.outputs) if dead else None
        if outputs is None:
            try:
                outputs, seen = self._outputs(op, inputs, seen)
            except Exception as error:
                raise located(error, op, inputs) from error
        self._send(op, outputs, seen, frame, iteration, dead)

    def _outputs(self, op: Operation, inputs: list[Any], seen: Seen) -> tuple[list[Any], Seen]:
        kind = op.type
        if kind in VARIABLE_OPS:
            return [Reference(op)], seen
        if kind in MERGES:
            position = next((i for i, v in enumerate(inputs) if v is not DEAD), None)
            return ([DEAD, DEAD], seen) if position is None else ([inputs[position], np.int32(position)], seen)
        keeps_reference = [t.dtype._is_ref_dtype or t.dtype is dtypes.resource for t in op.outputs]
        if kind in SWITCHES:
            keeps = keeps_reference[0] or isinstance(inputs[0], Reference)
            data = inputs[0] if keeps else self._plain(op, 0, inputs[0], seen)
            return ([DEAD, data] if self._plain(op, 1, inputs[1], seen) else [data, DEAD]), seen
        if kind in ENTERS | EXITS | NEXTS or kind in ("RefIdentity", "Identity"):
            # An Identity of a reference is read when its reader runs, as in a plan of stages (compiler/effects.py);
            # a loop that takes it from outside sees what it writes itself.
            passes = kind == "Identity" or kind in ENTERS and op.attrs.get("is_constant")
            keeps = keeps_reference[0] or bool(passes) and isinstance(inputs[0], Reference)
            return [inputs[0] if keeps else self._plain(op, 0, inputs[0], seen)], seen
        return self._computed(op, inputs, seen)

    def _computed(self, op: Operation, inputs: list[Any], seen: Seen) -> tuple[list[Any], Seen]:
        if self.at_once and (op.opdef.updates or op.opdef.random_blocks is not None):
            with self.state.lock:
                return self._computed_alone(op, inputs, seen)
        return self._computed_alone(op, inputs, seen)

    def _computed_alone(self, op: Operation, inputs: list[Any], seen: Seen) -> tuple[list[Any], Seen]:
        opdef = op.opdef
        written: list[str] = []
        args: list[Any] = []
        for position, value in enumerate(inputs):
            if isinstance(value, Reference):
                if opdef.updates and opdef.inputs[position].name in opdef.updates:
                    written.append(value.key)
                    versions = None if self.at_once else self.history.get(value.key)
                    current = versions[-1] if versions else self._at_start(value.key)
                else:
                    current = self._visible(value.key, seen)
                if current is None and opdef.inputs[position].name not in opdef.blind:
                    raise self._uninitialized(value, op)
                value = current
            args.append(value)
        if not opdef.plain:
            grouped, position = [], 0
            for arg, group in zip(opdef.inputs, grouped_inputs(op), strict=True):
                part = args[position : position + len(group)]
                grouped.append(tuple(part) if arg.is_list else part[0])
                position += len(group)
            args = grouped
        attrs = {name: op.attrs[name] for name in opdef.kernel_attrs}
        kernel = opdef.numpy_kernel or opdef.kernel
        assert kernel is not None
        if opdef.random_blocks is not None:
            at = None if self.at_once else self.counters.get(op)
            at = self.state.counters([op])[0] if at is None else at
            result = kernel(np, *args, counter=np.uint64(at), **attrs)
            used = int(opdef.random_blocks(*args, **attrs))
            self.counters[op] = (at + used) % 2**64
            if self.at_once:
                self.state.advance([op], [used])
        elif opdef.session:
            result = kernel(np, *args, run=self.context.at(op), **attrs)
        else:
            result = kernel(np, *args, **attrs)
        plain = [t for t in op.outputs if not (t.dtype._is_ref_dtype and opdef.updates)]
        n = len(written) + len(plain)
        values: list[Any] = []
        if n:
            values = list(result) if isinstance(result, tuple | list) else [result]
        if written:
            for key, value in zip(written, values, strict=False):
                versions = self.history.setdefault(key, [])
                versions.append(value)
                place = self.place.setdefault(key, len(self.place))
                seen = _later(seen, (*[0] * place, len(versions)))
                if self.at_once:
                    self.state.store([key], [np.array(value)])
            values = values[len(written) :]
        outputs: list[Any] = []
        rest = iter(values)
        for t in op.outputs:
            if t.dtype._is_ref_dtype and opdef.updates:
                outputs.append(next(v for v in inputs if isinstance(v, Reference)))
                continue
            value, kind = next(rest), t.dtype._base
            outputs.append(as_value(value) if kind._kind in "SRVq" else as_array(value, kind.np))
        return outputs, seen

    def _plain(self, op: Operation, position: int, value: Any, seen: Seen) -> Any:
        if not isinstance(value, Reference):
            return value
        current = self._visible(value.key, seen)
        if current is None:
            raise self._uninitialized(value, op)
        return current

    def _value(self, reference: Reference, seen: Seen) -> Any:
        current = self._visible(reference.key, seen)
        if current is None:
            raise self._uninitialized(reference, reference.op)
        return np.array(current)

    def _at_start(self, key: str) -> Any:
        value = self.state.variables.get(key)
        return None if value is None else np.asarray(value)

    def _visible(self, key: str, seen: Seen) -> Any:
        """The value of a variable for an op that comes after the writes `seen`."""
        place = self.place.get(key)
        last = seen[place] if place is not None and place < len(seen) else 0
        return self.history[key][last - 1] if last else self._at_start(key)

    def _uninitialized(self, reference: Reference, reader: Operation) -> errors.OpError:
        name = reference.op.name
        return errors.FailedPreconditionError(
            None,
            reader,
            f"Attempting to use uninitialized value {name}\n\t [[{{{{node {reader.name}}}}}]]\n  Variable {name!r} has "
            "no value in this session: run its initializer first, as sess.run(tf.global_variables_initializer()), or "
            "restore a checkpoint.",
        )

    # Where its outputs go

    def _send(self, op: Operation, outputs: list[Any], seen: Seen, frame: Frame, iteration: int, dead: bool) -> None:
        target: Frame | None
        target, at = frame, iteration
        if op.type in ENTERS:
            key = (op.attrs["frame_name"].decode(), iteration)
            target, at = frame.children.get(key), 0
            if target is None:
                target = frame.children[key] = Frame(frame, iteration, self.enters[key[0]])
            target.missing -= 1
            if outputs[0] is DEAD:
                target.dead = True
            if op.attrs.get("is_constant"):
                target.constants.append((op, (outputs[0], seen)))
                for n in sorted({*target.tokens, 0}):
                    self._send_to_readers(op, outputs, seen, target, n)
                return
        elif op.type in EXITS:
            assert frame.parent is not None
            target, at = frame.parent, frame.iteration
        elif op.type in NEXTS:
            at = iteration + 1
            if at not in frame.tokens:
                for constant, (value, before) in frame.constants:
                    self._send_to_readers(constant, [value], before, frame, at)
        self._send_to_readers(op, outputs, seen, target, at, dead)

    def _send_to_readers(
        self, op: Operation, outputs: list[Any], seen: Seen, frame: Frame, iteration: int, dead: bool = False
    ) -> None:
        """`dead`: whether the op did not run, which the outputs do not say when there are none."""
        if frame.parent is None:
            for t, value in zip(op.outputs, outputs, strict=True):
                if t in self.wanted:
                    self.results[t] = value, seen
        all_dead = all(value is DEAD for value in outputs) if outputs else dead
        for reader, slot, index in self.readers.get(op, ()):
            if index is None:
                self._deliver(frame, iteration, reader, slot, (DEAD if all_dead else None, seen))
            else:
                self._deliver(frame, iteration, reader, slot, (outputs[index], seen))
