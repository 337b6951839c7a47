"""Contexts: which branch or loop an op is made in.

While a branch of `tf.cond` or the body of `tf.while_loop` is built, its context is the graph's current one. Every op
made then passes through `ControlFlowContext.add_op`, after it has its inputs and its shape, and the context

- *captures* inputs from outside: the op gets the output of a `Switch` (for a branch) or of an `Enter` (for a loop) in
  their place, through as many contexts as lie between;
- ties an op that has no inputs from inside to the context's *pivot* by a control input, so that it runs only when, and
  as often as, the branch or the body does;
- takes control inputs from outside of a loop away.

An op made before its capture has the lower number, as in TF 1.15. Outside of all contexts an op is only checked for
inputs from inside of a loop, and in a graph without contexts nothing is looked at.
"""

from __future__ import annotations

import logging
from typing import Any

from evergraph.framework.frames import built_at
from evergraph.framework.graph import Graph, get_default_graph
from evergraph.framework.nest import flatten
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor

ENTERS = frozenset(("Enter", "RefEnter"))
EXITS = frozenset(("Exit", "RefExit"))
SWITCHES = frozenset(("Switch", "RefSwitch"))
MERGES = frozenset(("Merge", "RefMerge"))


class ControlFlowContext:
    """What branches and loops have in common. A context can be entered with `Enter`, and left with `Exit`, often."""

    def __init__(self) -> None:
        graph = get_default_graph()
        graph._op_added = process_new_op
        self.graph: Graph = graph
        self._name = ""
        self._outer_context: ControlFlowContext | None = graph._control_flow_context
        self._nested_contexts: list[ControlFlowContext] = []
        if self._outer_context is not None:
            self._outer_context._nested_contexts.append(self)
        self._context_stack: list[ControlFlowContext | None] = []
        # What this context has seen: tensors made in it, and those from outside that it has captured.
        self._values: set[Tensor] = set()
        # Tensor outside -> the tensor that stands for it in here.
        self._external_values: dict[Tensor, Tensor] = {}

    @property
    def name(self) -> str:
        return self._name

    @property
    def outer_context(self) -> ControlFlowContext | None:
        return self._outer_context

    @property
    def grad_state(self) -> Any:
        """While gradients of a loop are built, and this is the context they are built in: what is known of the loop."""
        raise NotImplementedError

    @property
    def back_prop(self) -> bool:
        raise NotImplementedError

    def Enter(self) -> None:
        """Make this the graph's current context."""
        graph = get_default_graph()
        self._context_stack.append(graph._control_flow_context)
        graph._control_flow_context = self

    def Exit(self) -> None:
        """Make the context before the last `Enter` current again."""
        get_default_graph()._control_flow_context = self._context_stack.pop()

    def exit_result(self, result: Any) -> None:
        """Tell the context around of tensors that it may use from now on."""
        if self._outer_context is not None:
            self._outer_context._values.update(
                t for t in flatten(result, expand_composites=True) if isinstance(t, Tensor)
            )

    def add_value(self, value: Tensor) -> Tensor:
        """The tensor that stands for `value` in this context; captures it if need be."""
        raise NotImplementedError

    def add_op(self, op: Operation) -> None:
        """Take in an op just made."""
        self.take(op)

    def take(self, op: Operation) -> None:
        """Capture the inputs of an op, tie it to the pivot, note its outputs."""
        raise NotImplementedError

    def add_inner_op(self, op: Operation) -> None:
        """Hear of an op added to a context inside this one."""
        if self._outer_context is not None:
            self._outer_context.add_inner_op(op)

    def control_pivot(self) -> Tensor | None:
        """What ops without inputs wait for."""
        return None

    def while_context(self) -> Any:
        """The innermost loop that this context is, or is in; None outside of loops."""
        return None if self._outer_context is None else self._outer_context.while_context()

    def drop_external_control_inputs(self, op: Operation) -> tuple[list[Operation], list[Operation]]:
        """Take from `op` the control inputs from outside of the loop; gives (those that stay, those taken)."""
        loop = self.while_context()
        controls = op.control_inputs
        if loop is None or not controls:
            return controls, []
        inside: list[Operation] = []
        outside: list[Operation] = []
        for control in controls:
            context = output_context(control)
            (inside if context is not None and context.while_context() is loop else outside).append(control)
        if outside:
            op._remove_all_control_inputs()
            op._add_control_inputs(inside)
        return inside, outside

    def capture_inputs(self, op: Operation) -> None:
        """Replace inputs of `op` from outside by what stands for them in here."""
        for index, t in enumerate(op.inputs):
            if op.type == "Merge" and t.op.type == "NextIteration":
                continue  # a loop being imported into this context: its back edge comes later
            inside = self.add_value(t)
            if inside is not t:
                op._update_input(index, inside)

    def note_outputs(self, op: Operation) -> None:
        context: ControlFlowContext | None = self
        while context is not None:
            context._values.update(op.outputs)
            context = context._outer_context

    is_while = False
    is_cond = False

    # TF's names of the above, for programs that look at contexts.

    def IsWhileContext(self) -> bool:
        return self.is_while

    def IsCondContext(self) -> bool:
        return self.is_cond

    def IsXLAContext(self) -> bool:
        return False

    def GetWhileContext(self) -> Any:
        return self.while_context()

    def GetControlPivot(self) -> Tensor | None:
        return self.control_pivot()

    def AddValue(self, val: Tensor) -> Tensor:
        return self.add_value(val)

    def AddOp(self, op: Operation) -> None:
        self.add_op(op)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name!r}>"

    def __str__(self) -> str:
        return self._name


class inside:
    """`with inside(context)`: ops made here are made in `context`; with None, where they would be anyway."""

    __slots__ = ("context",)

    def __init__(self, context: ControlFlowContext | None) -> None:
        self.context = context

    def __enter__(self) -> None:
        if self.context is not None:
            self.context.Enter()

    def __exit__(self, *exc: object) -> None:
        if self.context is not None:
            self.context.Exit()


def process_new_op(op: Operation) -> None:
    """Check a new op of a graph that has contexts, and let the current one take it in."""
    context = op._control_flow_context
    for t in op.inputs:
        source = output_context(t.op)
        if source is not None and source is not context:
            _check_input(op, context, t.op, source)
    if context is not None:
        graph = op.graph
        stack = graph._name_stack
        if op.type != "Const":  # TF makes constants, and no other op, without a name scope of their own
            graph._name_stack = op.name
        try:
            context.add_op(op)
        finally:
            graph._name_stack = stack


# Where ops are


def output_context(op: Operation) -> Any:
    """The context that the outputs of `op` belong to: for an `Exit`, the one around its loop."""
    context = op._control_flow_context
    if context is not None and op.type in EXITS:
        return context.outer_context
    return context


def while_context_of(op: Operation) -> Any:
    """The innermost loop that `op` is in, or None."""
    context = op._control_flow_context
    return None if context is None else context.while_context()


def is_inside(context: Any, outer: Any) -> bool:
    """Whether `context` is `outer` or lies in it; everything lies in None."""
    while context is not outer:
        if context is None:
            return False
        context = context.outer_context
    return True


def is_loop_constant(op: Operation) -> bool:
    """Whether `op` brings a value into a loop that is the same in each iteration."""
    return op.type in ENTERS and op.attrs["is_constant"]


def loop_constant_enter(value: Tensor) -> Operation | None:
    """The `Enter` that `value` comes from unchanged, if it is the same in each iteration."""
    op = value.op
    while op.type in ("Switch", "RefSwitch", "Identity", "RefIdentity"):
        op = op.inputs[0].op
    return op if is_loop_constant(op) else None


def is_cond_switch(op: Operation) -> bool:
    """Whether `op` is the Switch of a branch: all that read it are in branches."""
    if op.type not in SWITCHES:
        return False
    for t in op.outputs:
        for reader in t._readers or ():
            context = reader._control_flow_context
            if reader.type in ENTERS and context is not None:
                context = context.outer_context
            if context is None or not context.is_cond:
                return False
    return True


def is_loop_switch(op: Operation) -> bool:
    """Whether `op` is the Switch of a loop variable."""
    if op.type not in SWITCHES:
        return False
    context = op._control_flow_context
    return context is not None and context.is_while and not is_cond_switch(op)


def _tell_places(*ops: Operation) -> None:
    """Write to the log where ops that do not go together were made."""
    for op in ops:
        logging.getLogger("tensorflow").info("%s (%s) was built at %s", op.name, op.type, built_at(op.frames))


def _check_input(op: Operation, context: Any, source_op: Operation, source: Any) -> None:
    """Refuse an input from a loop that `op` is not in.

    Raises:
        ValueError: if a value of one loop is used in another, or outside of all.
    """
    loop = None if context is None else context.while_context()
    source_loop = source.while_context()
    if loop is None:
        if source_loop is None or op.type in ENTERS or op.type in SWITCHES:
            return
        _tell_places(op, source_op)
        raise ValueError(
            f"Cannot use '{source_op.name}' as input to '{op.name}' because '{source_op.name}' is in a while loop. See "
            "info log for more details. Only what the body returns leaves a loop: make it a loop variable."
        )
    if is_inside(loop, source_loop):
        return
    # Gradients are built in a loop of their own, which takes values from the loop that they belong to.
    forward = loop.grad_state.forward_context if loop.grad_state else None
    if forward is not None and (is_inside(forward, source_loop) or source_loop._outer_context is forward):
        return
    if source_loop.grad_state:
        source_forward = source_loop.grad_state.forward_context
        if source_forward is loop:
            return
        if source_forward.grad_state and source_forward.grad_state.forward_context is loop:
            return
    _tell_places(op, source_op)
    raise ValueError(
        f"Cannot use '{source_op.name}' as input to '{op.name}' because they are in different while loops. "
        "See info log for more details."
    )
