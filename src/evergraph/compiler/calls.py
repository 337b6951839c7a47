"""Calls of functions, and branches and loops whose parts are functions, spelled out in ops.

    y = PartitionedCall(x, f)          y = the ops of f's body, on x
    y = If(pred, x, f, g)              y = Merge(g's body on Switch(x):0, f's body on Switch(x):1)
    y = Case(i, x, [f, g, h])          y = the body of If on i == 0, of f and of Case(i - 1, x, [g, h])
    y = While(x, cond, body)           Enter, Merge, cond's body, Switch, body's body, NextIteration, Exit

The ops of a body are copied for each call. A copy belongs to no graph's list of ops: only plans know it, and it stays
the same from plan to plan, so that a random op inside goes on where it was. Every op behind a call is copied as well,
since what it takes in is another tensor now. `regions.py` then deals with the branches and loops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from evergraph.autodiff.gradients import gradients
from evergraph.compiler.effects import VARIABLE_OPS
from evergraph.compiler.regions import ENTERS, Unstructured, in_order
from evergraph.formats.functions import body_of
from evergraph.framework import dtypes, errors, opdefs
from evergraph.framework.dtypes import DType
from evergraph.framework.function_graph import FunctionGraph
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Shape
from evergraph.framework.tensor import Tensor
from evergraph.ops.arithmetic import add
from evergraph.ops.comparisons import greater, less, logical_and, logical_or
from evergraph.ops.filling import zeros_like
from evergraph.ops.functions.calls import call as call_function
from evergraph.ops.static_values import get_static_value

_Side = Callable[[list[Tensor], list[Operation]], tuple[list[Tensor], list[Operation]]]

_BY_ATTRIBUTE = {"PartitionedCall": "f", "StatefulPartitionedCall": "f", "RemoteCall": "f"}
_BRANCHES = frozenset(("If", "StatelessIf"))
_CASES = frozenset(("Case", "StatelessCase"))
_LOOPS = frozenset(("While", "StatelessWhile", "For"))
_BY_FUNCTIONS = frozenset((*_BY_ATTRIBUTE, *_BRANCHES, *_CASES, *_LOOPS, "SymbolicGradient"))


def is_call(op: Operation) -> bool:
    """Whether what `op` computes is said by functions of its graph's library."""
    return op.type in _BY_FUNCTIONS or op.type in op.graph._functions


class Spelled:
    """Ops without calls, and where the tensors of the ops with calls went."""

    def __init__(self) -> None:
        self.copies: dict[Operation, Operation] = {}
        self.results: dict[Tensor, Tensor] = {}
        self.made: dict[Operation, list[Operation]] = {}  # by call: all ops of its body

    def tensor(self, t: Any) -> Any:
        """What stands for a tensor or an op."""
        if isinstance(t, Operation):
            return self.copies.get(t, t)
        found = self.results.get(t)
        if found is None:
            found = self.copies[t.op].outputs[t.value_index] if t.op in self.copies else t
        return found


def spelled_out(ops: Sequence[Operation], fed: frozenset[Tensor]) -> tuple[list[Operation], Spelled] | None:
    """`ops` (those of a plan) without calls; None if there are none anyway."""
    if not any(is_call(op) for op in ops):
        return None
    graph = next(op for op in ops if is_call(op)).graph
    ordered = in_order(ops, fed)
    behind: set[Operation] = set()
    for op in ordered:
        sources = [t.op for t in op.inputs if t not in fed] + op._control_inputs
        if is_call(op) or not behind.isdisjoint(sources):
            behind.add(op)
    grew = True
    while grew:  # what comes behind a call through the back edge of a loop
        more = {
            op
            for op in ordered
            if op not in behind
            and (any(t.op in behind for t in op.inputs if t not in fed) or not behind.isdisjoint(op._control_inputs))
        }
        behind |= more
        grew = bool(more)
    fed_behind = frozenset(t for t in fed if t.op in behind)
    kept = graph._attachments.setdefault("spelled", {})
    spelled = kept.setdefault(fed_behind, Spelled())
    has_loops = any(op.type in ("Enter", "RefEnter") for op in ordered)
    result: list[Operation] = []
    for op in ordered:
        if op not in behind:
            result.append(op)
        elif is_call(op):
            if op not in spelled.made:
                _spell(op, spelled, fed, has_loops)
            result += spelled.made[op]
        else:
            if op not in spelled.copies:
                spelled.copies[op] = _copy(op, op.inputs, [], op.name, op._id)
            result.append(spelled.copies[op])
    for op in ordered:
        if op in behind and not is_call(op):
            copied = spelled.copies[op]
            copied.inputs = tuple(t if t in fed else spelled.tensor(t) for t in op.inputs)
            copied._control_inputs = [spelled.copies.get(c, c) for c in op._control_inputs]
    return sorted(dict.fromkeys(result), key=lambda op: op._id), spelled


def _copy(op: Operation, inputs: Sequence[Tensor], controls: list[Operation], name: str, number: Any) -> Operation:
    attrs = op.attrs
    if op.type in ENTERS:  # the loop of another call is another loop
        attrs = {**attrs, "frame_name": name[: -len(op.name)].encode() + attrs["frame_name"]}
    made = Operation(op.graph, number, name, op.opdef, tuple(inputs), attrs, op.frames)
    made._device = op._device
    made._control_inputs = controls
    made.outputs = [Tensor(made, t.value_index, t.dtype, t.static_shape) for t in op.outputs]
    for ours, theirs in zip(made.outputs, op.outputs, strict=True):
        ours._handle_data = theirs._handle_data
    return made


class _Writer:
    """Makes the ops that take the place of one call."""

    def __init__(self, call: Operation, fed: frozenset[Tensor]) -> None:
        self.call, self.fed = call, fed
        self.ops: list[Operation] = []

    def number(self) -> float:
        """Each op comes after the ones before, and all between the call and the op made after it."""
        return float(self.call._id) + 1.0 - 1.0 / (len(self.ops) + 2)

    def op(
        self,
        kind: str,
        inputs: Sequence[Tensor],
        outputs: Sequence[tuple[DType, Shape]],
        attrs: dict[str, Any] | None = None,
        controls: Sequence[Operation] = (),
    ) -> Operation:
        opdef = opdefs.usable(kind)
        assert opdef is not None
        name = f"{self.call.name}/{kind}_{len(self.ops)}"
        made = Operation(self.call.graph, self.number(), name, opdef, tuple(inputs), attrs or {}, self.call.frames)  # type: ignore[arg-type]  # between two ints
        made._device = self.call._device
        made._control_inputs = list(controls)
        made.outputs = [Tensor(made, i, dtype, shape) for i, (dtype, shape) in enumerate(outputs)]
        self.ops.append(made)
        return made

    def body(
        self,
        body: FunctionGraph,
        arguments: Sequence[Tensor],
        controls: list[Operation],
        first: Operation | None = None,
    ) -> tuple[list[Tensor], list[Operation]]:
        """Copy a body; gives its results, and the ops in it that do something. Stateful ones wait for `first`."""
        if len(arguments) != len(body.arguments):
            raise errors.InvalidArgumentError(
                None,
                self.call,
                f"{self.call.name!r} calls {body.function_name!r} with {len(arguments)} arguments; it takes "
                f"{len(body.arguments)}",
            )
        given = frozenset(body.arguments)
        given_by = {argument.op: t.op for argument, t in zip(body.arguments, arguments, strict=True)}
        effects = body.effects
        seen: dict[Operation, None] = {}
        stack = [t.op for t in body.results if t not in given] + effects
        while stack:
            op = stack.pop()
            if op not in seen:
                seen[op] = None
                stack += [t.op for t in op.inputs if t not in given]
                stack += [c for c in op._control_inputs if c not in given_by]
        inside = Spelled()
        inside.results.update(zip(body.arguments, arguments, strict=True))
        for op in in_order(sorted(seen, key=lambda op: op._id), given):
            inputs = [inside.tensor(t) for t in op.inputs]
            before = [inside.copies.get(c) or given_by.get(c) for c in op._control_inputs]
            waits = [*(c for c in before if c is not None), *controls]
            if first is not None and op.opdef.is_stateful and op.type not in VARIABLE_OPS:
                waits.append(first)
            if is_call(op):
                stand_in = _copy(op, inputs, waits, f"{self.call.name}/{op.name}", self.number())
                inner = _Writer(stand_in, self.fed)
                inner.number = self.number  # type: ignore[method-assign]  # counts with this one
                inner.ops = self.ops
                results, done = inner.spell()
                inside.results.update(zip(op.outputs, results, strict=True))
                inside.copies[op] = done
            else:
                made = _copy(op, inputs, waits, f"{self.call.name}/{op.name}", self.number())
                if not made._device:
                    made._device = self.call._device
                inside.copies[op] = made
                self.ops.append(made)
        for op in seen:  # back edges of loops in the body
            if op in inside.copies and not is_call(op):
                inside.copies[op].inputs = tuple(inside.tensor(t) for t in op.inputs)
        return [inside.tensor(t) for t in body.results], [inside.copies[op] for op in effects if op in inside.copies]

    def spell(self) -> tuple[list[Tensor], Operation]:
        """Write the ops; gives what stands for the call's outputs, and an op that runs when the call is done."""
        call = self.call
        graph, inputs, controls = call.graph, list(call.inputs), list(call._control_inputs)
        if call.type in _BRANCHES:
            sides = [self.caller(body_of(graph, call.attrs[name])) for name in ("else_branch", "then_branch")]
            return self.branch(inputs[0], inputs[1:], controls, sides)
        if call.type in _CASES:
            bodies = [body_of(graph, branch) for branch in call.attrs["branches"]]
            results, effects = self.case(bodies, 0, inputs, controls)
            return results, self.op("NoOp", (), (), None, list(dict.fromkeys([*controls, *effects])))
        if call.type in _LOOPS:
            return self.loop(inputs, controls)
        if call.type == "SymbolicGradient":
            body = gradient_body(graph, call.attrs["f"])
            if len(body.results) != len(call.outputs):
                raise errors.InvalidArgumentError(
                    None,
                    call,
                    f"SymGrad expects to return {len(call.outputs)} (s) outputs but get {len(body.results)} (s) "
                    f"outputs instead: {body.function_name!r} gives them",
                )
        elif call.type in _BY_ATTRIBUTE:
            executor = call.attrs.get("executor_type", b"")
            if executor not in (b"", "", b"DEFAULT", b"SINGLE_THREADED_EXECUTOR"):
                text = f"No executor factory registered for the given executor type: {executor!r}"
                raise errors.NotFoundError(None, call, text)
            body = body_of(graph, call.attrs[_BY_ATTRIBUTE[call.type]])
            inputs = inputs[1:] if call.type == "RemoteCall" else inputs
        else:
            body = body_of(graph, call.type)
        first = None
        if call.type == "StatefulPartitionedCall":  # whatever looks at a variable waits for all arguments
            first = self.op("NoOp", (), (), None, list(dict.fromkeys(t.op for t in inputs)))
        results, effects = self.body(body, inputs, controls, first)
        done = self.op("NoOp", (), (), None, list(dict.fromkeys([*controls, *effects, *(t.op for t in results)])))
        return results, done

    def caller(self, body: FunctionGraph) -> _Side:
        return lambda arguments, controls: self.body(body, arguments, controls)

    def case(
        self, bodies: Sequence[FunctionGraph], number: int, inputs: list[Tensor], controls: list[Operation]
    ) -> tuple[list[Tensor], list[Operation]]:
        """The body that the index, the first input, asks for, from `number` on; the last one for any other index."""
        if number == len(bodies) - 1:
            return self.body(bodies[-1], inputs[1:], controls)
        value = {"value": np.array(number, np.int32), "dtype": dtypes.int32}
        compared = self.op("Const", (), [(dtypes.int32, ())], value, controls).outputs[0]
        hit = self.op("Equal", [inputs[0], compared], [(dtypes.bool, ())], {"T": dtypes.int32}).outputs[0]
        sides: list[_Side] = [
            lambda arguments, pivot: self.case(bodies, number + 1, arguments, pivot),
            lambda arguments, pivot: self.body(bodies[number], arguments[1:], pivot),
        ]
        results, done = self.branch(hit, inputs, controls, sides)
        return results, [done]

    def branch(
        self, predicate: Tensor, arguments: list[Tensor], controls: list[Operation], branches: Sequence[_Side]
    ) -> tuple[list[Tensor], Operation]:
        """What one of two branches gives: the first if `predicate` is false, the second if it is true."""
        if predicate.dtype.base_dtype is not dtypes.bool:
            attrs = {"SrcT": predicate.dtype.base_dtype, "DstT": dtypes.bool, "Truncate": False}
            predicate = self.op("Cast", [predicate], [(dtypes.bool, ())], attrs).outputs[0]

        def switch(t: Tensor) -> Operation:
            kind = (t.dtype.base_dtype, t.static_shape)
            made = self.op("Switch", [t, predicate], [kind, kind], {"T": t.dtype.base_dtype}, controls)
            for out in made.outputs:
                out._handle_data = t._handle_data
            return made

        sides = [switch(t) for t in arguments]
        turn = switch(predicate)
        found, done = [], []
        for side, branch in enumerate(branches):
            pivot = self.op("Identity", [turn.outputs[side]], [(dtypes.bool, ())], {"T": dtypes.bool})
            results, effects = branch([op.outputs[side] for op in sides], [pivot])
            found.append([self.passed(t, pivot) for t in results])
            done.append(self.op("Identity", [pivot.outputs[0]], [(dtypes.bool, ())], {"T": dtypes.bool}, effects))
        merged = [self.merge(pair) for pair in zip(*found, strict=True)]
        end = self.merge([op.outputs[0] for op in done])
        return merged, self.op("NoOp", (), (), None, [end.op, *controls])

    def passed(self, t: Tensor, pivot: Operation) -> Tensor:
        kind = t.dtype.base_dtype
        return self.op("Identity", [t], [(kind, t.static_shape)], {"T": kind}, [pivot]).outputs[0]

    def merge(self, pair: Sequence[Tensor]) -> Tensor:
        kind = pair[0].dtype.base_dtype
        shape = pair[0].static_shape if pair[0].static_shape == pair[1].static_shape else None
        return self.op("Merge", pair, [(kind, shape), (dtypes.int32, ())], {"T": kind, "N": 2}).outputs[0]

    def loop(self, arguments: list[Tensor], controls: list[Operation]) -> tuple[list[Tensor], Operation]:
        call = self.call
        if call.type == "For":
            condition, body, arguments = for_as_while(call, arguments, self.fed)
        else:
            condition, body = body_of(call.graph, call.attrs["cond"]), body_of(call.graph, call.attrs["body"])
        self.check_loop(condition, body, len(arguments))
        shapes_out = [None] * (len(arguments) - len(call.outputs)) + [t.static_shape for t in call.outputs]
        inside: list[Tensor] = []
        turning: list[int] = []
        for i, t in enumerate(arguments):
            stays = body.results[i] is body.arguments[i]
            attrs = {
                "T": t.dtype.base_dtype,
                "frame_name": call.name.encode(),
                "is_constant": stays,
                "parallel_iterations": call.attrs.get("parallel_iterations", 10),
            }
            shape = t.static_shape if stays else None
            entered = self.op("Enter", [t], [(t.dtype.base_dtype, shape)], attrs, controls).outputs[0]
            entered._handle_data = t._handle_data
            if not stays:
                if t.dtype is dtypes.resource:
                    raise Unstructured(f"{call.name!r} changes which resource it works on from iteration to iteration")
                turning.append(i)
                entered = self.merge([entered, entered])  # the second one becomes the next value, below
            inside.append(entered)
        if not turning:
            raise Unstructured(f"nothing changes in {call.name!r}")
        first = self.passed(inside[turning[0]], inside[turning[0]].op).op
        (go, *_), _ = self.body(condition, inside, [first])
        decided = self.op("LoopCond", [go], [(dtypes.bool, ())]).outputs[0]
        switched: dict[int, Operation] = {}
        for i in turning:
            side = (inside[i].dtype, inside[i].static_shape)
            switched[i] = self.op("Switch", [inside[i], decided], [side, side], {"T": inside[i].dtype})
        bodies = [self.passed(switched[i].outputs[1], decided.op) if i in switched else t for i, t in enumerate(inside)]
        results, effects = self.body(body, bodies, [bodies[turning[0]].op])
        outputs = list(arguments)
        for number, i in enumerate(turning):
            kind = inside[i].dtype
            waits = effects if number == 0 else ()
            back = self.op("NextIteration", [results[i]], [(kind, None)], {"T": kind}, waits)
            inside[i].op.inputs = (inside[i].op.inputs[0], back.outputs[0])
            outputs[i] = self.op("Exit", [switched[i].outputs[0]], [(kind, shapes_out[i])], {"T": kind}).outputs[0]
        done = self.op("NoOp", (), (), None, [outputs[turning[0]].op, *controls])
        return outputs[len(outputs) - len(call.outputs) :], done

    def check_loop(self, condition: FunctionGraph, body: FunctionGraph, n: int) -> None:
        call, hidden = self.call, n - len(self.call.outputs)
        if len(condition.results) != 1:
            text = (
                f"Expected a single scalar return value from the cond of a While, got {len(condition.results)} tensors."
            )
            raise errors.InvalidArgumentError(None, call, text)
        if len(body.results) != n:
            text = (
                f"{'For' if hidden else 'While'} loop body returned {len(body.results) - hidden} arguments. Expected: "
            )
            raise errors.InvalidArgumentError(None, call, f"{text}{n - hidden}")


def for_as_while(
    call: Operation, inputs: Sequence[Tensor], fed: frozenset[Tensor]
) -> tuple[FunctionGraph, FunctionGraph, list[Tensor]]:
    """The condition, the body and the arguments, (i, limit, delta, ...), of the While that does what a For does.

    Raises:
        InvalidArgumentError: if start, limit or delta is no scalar, or they are known and lead nowhere.
    """
    for name, t in zip(("start", "limit", "delta"), inputs, strict=False):
        if t.static_shape not in (None, ()):
            raise errors.InvalidArgumentError(None, call, f"{name} must be a scalar, not of shape {t.static_shape}")
    known = [get_static_value(t) for t in inputs[:3] if t not in fed]
    if len(known) == 3 and not any(value is None for value in known):
        first, last, step = (int(value) for value in known)
        if (last - first) * step < 0 or step == 0 and first != last:
            raise errors.InvalidArgumentError(None, call, f"Invalid start/limit/delta: {first} {last} {step}")
    graph = call.graph
    kept = graph._attachments.setdefault("for loops", {})
    if call._id not in kept:
        bodies = []
        for part in ("cond", "body"):
            made = FunctionGraph(f"{call.name}_{part}", graph)
            with made.as_default():
                arguments = [made.argument(t.dtype, t.static_shape if k < 3 else None) for k, t in enumerate(inputs)]
                for ours, theirs in zip(arguments, inputs, strict=True):
                    ours._handle_data = theirs._handle_data
                i, limit, delta = arguments[:3]
                if part == "cond":
                    up, down = greater(delta, 0), less(delta, 0)
                    ahead = logical_or(logical_and(up, less(i, limit)), logical_and(down, greater(i, limit)))
                    made.finish([ahead])
                else:
                    inner = body_of(graph, call.attrs["body"])
                    turn = call_function(made, inner.function_name, [i, *arguments[3:]])
                    results = [
                        carried if given is result else found
                        for carried, given, result, found in zip(
                            arguments[3:], inner.arguments[1:], inner.results, turn.outputs, strict=False
                        )
                    ]
                    made.finish([add(i, delta), limit, delta, *results, *turn.outputs[len(results) :]])
            bodies.append(made)
        kept[call._id] = bodies
    condition, body = kept[call._id]
    return condition, body, list(inputs)


def _spell(call: Operation, spelled: Spelled, fed: frozenset[Tensor], has_loops: bool) -> None:
    inputs = tuple(t if t in fed else spelled.tensor(t) for t in call.inputs)
    controls = [spelled.copies.get(c, c) for c in call._control_inputs]
    if has_loops and not controls and inputs:
        controls = [inputs[0].op]  # a constant of the body is in the loop that the call is in
    writer = _Writer(_copy(call, inputs, controls, call.name, call._id), fed)
    results, done = writer.spell()
    spelled.results.update(zip(call.outputs, results, strict=True))
    spelled.copies[call] = done
    spelled.made[call] = writer.ops


def gradient_body(graph: Any, function: Any) -> FunctionGraph:
    """The body of a function's derivative: from its arguments and one gradient per result to one per argument."""
    forward = body_of(graph, function)
    outermost = graph
    while isinstance(outermost, FunctionGraph):
        outermost = outermost.outer_graph
    declared = outermost._attachments.get("gradient functions", {}).get(forward.function_name)
    if declared is not None:
        return body_of(graph, declared)
    kept = graph._attachments.setdefault("gradient bodies", {})
    found = kept.get(forward.function_name)
    if found is not None:
        return found
    body = FunctionGraph(f"{forward.function_name}_grad", graph)
    with body.as_default():
        copies: dict[Tensor, Tensor] = {}
        arguments = []
        for t in forward.arguments:
            copies[t] = body.argument(t.dtype, t.static_shape, t.op.name)
            arguments.append(copies[t])
        incoming = [body.argument(t.dtype, t.static_shape, "grad") for t in forward.results]
        of: dict[Operation, Operation] = {t.op: copies[t].op for t in forward.arguments}
        for op in forward._ops:
            if op in of:
                continue
            with body.control_dependencies([of[c] for c in op._control_inputs if c in of]):
                made = body.add_op(op.opdef, tuple(copies[t] for t in op.inputs), dict(op.attrs), op.name)
            made._gradient_function = op._gradient_function
            of[op] = made
            for theirs, ours in zip(op.outputs, made.outputs, strict=True):
                copies[theirs] = ours
                ours.static_shape = theirs.static_shape
        results = [copies[t] for t in forward.results]
        found_gradients = gradients(results, arguments, grad_ys=incoming)
        body.finish([zeros_like(a) if g is None else g for a, g in zip(arguments, found_gradients, strict=True)])
    kept[forward.function_name] = body
    return body
