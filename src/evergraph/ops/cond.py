"""`tf.cond` and its kin: sub-graphs of which one runs.

    tf.cond(pred, f, g):    pred ──► Switch ──► switch_t ──► pivot of the ops of f ──┐
                                        └─────► switch_f ──► pivot of the ops of g ──┴──► Merge

Each branch is built in a `CondContext`, which puts a `Switch` on everything that comes from outside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import converted
from evergraph.framework.graph import get_default_graph
from evergraph.framework.nest import assert_same_structure, flatten, map_structure, pack_sequence_as
from evergraph.framework.operation import Operation
from evergraph.framework.proto_functions import proto_functions
from evergraph.framework.scopes import GraphKeys, control_dependencies, name_scope
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops import checks
from evergraph.ops.cast import cast
from evergraph.ops.control_flow import merge, switch, switch_beside
from evergraph.ops.control_flow_choice import control_flow_v2_enabled
from evergraph.ops.control_flow_context import EXITS, ControlFlowContext, is_inside
from evergraph.ops.grouping import no_op, with_dependencies
from evergraph.ops.identity import identity
from evergraph.ops.opdef import raw_op
from evergraph.ops.tensor_array import as_arrays, as_flow

SUMMARIES = GraphKeys._SUMMARY_COLLECTION
_identity = raw_op("Identity")


class CondContext(ControlFlowContext):
    """One branch of a `cond`.

    Attributes:
        pred: the condition.
        pivot: a tensor that is alive only if this branch is taken.
        branch: 1 for the branch taken when `pred` is true, 0 for the other.
    """

    is_cond = True

    def __init__(self, pred: Tensor, pivot: Tensor, branch: int, name: str = "cond_text") -> None:
        full_name = get_default_graph().unique_name(name)
        super().__init__()
        self._name = full_name
        self._pred, self._pivot, self._branch = pred, pivot, branch
        self._values.update((pred, pivot))
        self._external_values[pred] = pred
        pivot.op._control_flow_context = self

    def to_proto(self, export_scope: str | None = None) -> Any:
        """This context as a `CondContextDef`; None if it is outside of `export_scope`."""
        return proto_functions(GraphKeys.COND_CONTEXT).to_proto(self, export_scope)

    @staticmethod
    def from_proto(context_def: Any, import_scope: str | None = None) -> CondContext:
        """The context that a `CondContextDef` describes, of ops that the default graph has."""
        return proto_functions(GraphKeys.COND_CONTEXT).from_proto(context_def, import_scope)

    @property
    def pred(self) -> Tensor:
        return self._pred

    @property
    def pivot(self) -> Tensor:
        return self._pivot

    @property
    def branch(self) -> int:
        return self._branch

    @property
    def grad_state(self) -> Any:
        loop = self.while_context()
        return None if loop is None else loop.grad_state

    @property
    def back_prop(self) -> bool:
        return False

    def control_pivot(self) -> Tensor:
        return self._pivot

    def add_value(self, value: Tensor) -> Tensor:
        if value in self._values:
            return self._external_values.get(value, value)
        self._values.add(value)
        outside = self._seen_from_outside(value)
        with control_dependencies(None):
            inside = switch_beside(outside, self._pred)[self._branch]
            if self._outer_context is not None:
                self._outer_context.add_inner_op(inside.op)
        self.graph.prevent_fetching(inside.op)
        inside.op._control_flow_context = self
        context: ControlFlowContext | None = self
        while context is not None:
            context._values.add(inside)
            context = context._outer_context
        self._external_values[value] = inside
        return inside

    def _seen_from_outside(self, value: Tensor) -> Tensor:
        """`value` as the context around sees it."""
        if self._outer_context is None:
            return value
        outside = self._outer_context.add_value(value)
        self._values.add(outside)
        self._external_values[outside] = outside
        return outside

    def take(self, op: Operation) -> None:
        if op.inputs:
            self.capture_inputs(op)
            self.drop_external_control_inputs(op)
            if op.type == "SymbolicGradient" or op.graph._is_function(op.type):
                op._add_control_input(self._pivot.op)
        else:
            self.drop_external_control_inputs(op)
            if not any(is_inside(control._control_flow_context, self) for control in op._control_inputs):
                op._add_control_input(self._pivot.op)
        self.note_outputs(op)
        if self._outer_context is not None or op.type not in EXITS:
            op.graph.prevent_fetching(op)
        if self._outer_context is not None:
            self._outer_context.add_inner_op(op)

    # The branch itself

    def build_branch(self, function: Callable[[], Any]) -> tuple[Any, Any]:
        """Build the ops of `function()` in this context; gives (its result, the tensors for `Merge`)."""
        graph = get_default_graph()
        summaries_before = graph.get_collection(SUMMARIES)
        original = function()
        summaries = graph.get_collection(SUMMARIES)
        if len(summaries) > len(summaries_before):
            # Summaries of a branch run with it: they cannot be merged with those outside.
            graph.get_collection_ref(SUMMARIES)[:] = summaries_before
            with control_dependencies(summaries[len(summaries_before) :]):
                if original is None:
                    return no_op(), None
                original = map_structure(identity, original, expand_composites=True)
        if original is None:
            return None, None
        result = map_structure(self._branch_tensor, original, expand_composites=True)
        return original, result if isinstance(result, list | tuple) else [result]

    def _branch_tensor(self, item: Any) -> Tensor:
        if isinstance(item, Operation):
            return with_dependencies([item], self._pivot)
        return self._guarded(converted(as_flow(item)))

    def _guarded(self, value: Tensor) -> Tensor:
        """`value`, through a Switch if the branch gives back something from outside as it is."""
        if value in self._values:
            return self._external_values.get(value, value)
        self._values.add(value)
        inside = switch_beside(self._seen_from_outside(value), self._pred)[self._branch]
        self._external_values[value] = inside
        return inside


def _with_indices_alike(a: Any, b: Any) -> tuple[Any, Any]:
    """Two structures; where both have `IndexedSlices`, one with int32 and one with int64 indices, both get int64."""
    flat_a, flat_b = flatten(a), flatten(b)
    found = False
    for i, (x, y) in enumerate(zip(flat_a, flat_b)):
        if not (isinstance(x, IndexedSlices) and isinstance(y, IndexedSlices)) or x.indices.dtype is y.indices.dtype:
            continue
        found = True
        for flat, slices in ((flat_a, x), (flat_b, y)):
            if slices.indices.dtype is dtypes.int32:
                flat[i] = IndexedSlices(slices.values, cast(slices.indices, dtypes.int64), slices.dense_shape)
    return (pack_sequence_as(a, flat_a), pack_sequence_as(b, flat_b)) if found else (a, b)


def _only_element(result: Any) -> Any:
    return result[0] if isinstance(result, list | tuple) and len(result) == 1 else result


@public("cond")
def cond(
    pred: Any,
    true_fn: Any = None,
    false_fn: Any = None,
    strict: bool = False,
    name: str | None = None,
    fn1: Any = None,
    fn2: Any = None,
) -> Any:
    """Run the ops of `true_fn` if `pred` is true, else those of `false_fn`.

    Both functions are called once, while the graph is built. What they take from outside is computed in any case; only
    the ops made inside of them depend on `pred`.

    Args:
        pred: a scalar bool tensor.
        true_fn, false_fn: functions without arguments; each gives a tensor, an op, or a structure of those, of the
            same form and types.
        strict: give a list of one as a list, rather than as its element.
        name: the name scope of the ops.
        fn1, fn2: former names of `true_fn` and `false_fn`.

    Returns:
        What the functions give, as a structure of tensors; a tensor of type bool for an op.

    Raises:
        TypeError: if `pred` is a Python bool, a function is missing or not callable, or the structures differ in type.
        ValueError: if the functions give nothing, or tensors that differ in number or type.

    >>> x = tf.constant(3)
    >>> sess.run(tf.cond(x < 5, lambda: x * 10, lambda: x + 1))
    30
    """
    true_fn = _one_of(true_fn, fn1, "true_fn", "fn1")
    false_fn = _one_of(false_fn, fn2, "false_fn", "fn2")
    for label, function in (("true_fn", true_fn), ("false_fn", false_fn)):
        if not callable(function):
            raise TypeError(f"{label} must be callable.")
    if control_flow_v2_enabled():
        from evergraph.ops.functions import functional_cond

        return functional_cond.cond(pred, true_fn, false_fn, name)
    with name_scope(name, "cond", [pred]):
        if isinstance(pred, bool):
            raise TypeError("pred must not be a Python bool")
        graph = get_default_graph()
        alive_if_false, alive_if_true = switch(pred, pred)
        pivot_true = _identity(alive_if_true, name="switch_t")
        pivot_false = _identity(alive_if_false, name="switch_f")
        pred = _identity(pred, name="pred_id")
        for t in (alive_if_true, alive_if_false, pivot_true, pivot_false, pred):
            graph.prevent_fetching(t.op)
        context_true, original_true, tensors_true = _branch(pred, pivot_true, 1, true_fn, "true_fn")
        context_false, original_false, tensors_false = _branch(pred, pivot_false, 0, false_fn, "false_fn")
        if not strict:
            original_true, original_false = _only_element(original_true), _only_element(original_false)
        original_true, original_false = _with_indices_alike(original_true, original_false)
        tensors_true, tensors_false = _with_indices_alike(tensors_true, tensors_false)
        _check_same_form(original_true, original_false, tensors_true, tensors_false)
        if not tensors_true:
            raise ValueError("true_fn and false_fn must return at least one result.")
        flat_true = flatten(tensors_true, expand_composites=True)
        flat_false = flatten(tensors_false, expand_composites=True)
        for x, y in zip(flat_true, flat_false):
            if x.dtype.base_dtype is not y.dtype.base_dtype:
                raise ValueError(
                    f"Outputs of true_fn and false_fn must have the same type: {x.dtype.name}, {y.dtype.name}"
                )
        merged = [merge(pair)[0] for pair in zip(flat_false, flat_true)]
        merged = as_arrays(flatten(original_true, expand_composites=True), merged)
        if context_true.outer_context is None:
            graph.add_to_collection(GraphKeys.COND_CONTEXT, context_true)
            graph.add_to_collection(GraphKeys.COND_CONTEXT, context_false)
        result = pack_sequence_as(original_true, merged, expand_composites=True)
        return result if strict else _only_element(result)


def _one_of(function: Any, former: Any, label: str, former_label: str) -> Any:
    if former is not None:
        if function is not None:
            raise TypeError(f"cond(): {label} and {former_label} may not be set simultaneously.")
        return former
    if function is None:
        raise TypeError(f"cond(): {label} argument required")
    return function


def _branch(pred: Tensor, pivot: Tensor, branch: int, function: Any, label: str) -> tuple[CondContext, Any, Any]:
    context = CondContext(pred, pivot, branch)
    context.Enter()
    try:
        original, tensors = context.build_branch(function)
        if original is None:
            raise ValueError(f"{label} must have a return value.")
        context.exit_result(tensors)
    finally:
        context.Exit()
    return context, original, tensors


def _check_same_form(original_true: Any, original_false: Any, tensors_true: Any, tensors_false: Any) -> None:
    try:
        assert_same_structure(original_true, original_false, expand_composites=True)
    except (TypeError, ValueError):
        map_structure(_with_wide_indices, original_true, original_false)
        map_structure(_with_wide_indices, tensors_true, tensors_false)
        try:
            assert_same_structure(original_true, original_false, expand_composites=True)
        except TypeError as error:
            raise TypeError(f"Incompatible return types of true_fn and false_fn: {error}") from None
        except ValueError as error:
            raise ValueError(f"Incompatible return values of true_fn and false_fn: {error}") from None


def _with_wide_indices(a: Any, b: Any) -> None:
    if isinstance(a, IndexedSlices) and isinstance(b, IndexedSlices) and a.indices.dtype is not b.indices.dtype:
        a._indices = cast(a.indices, dtypes.int64)
        b._indices = cast(b.indices, dtypes.int64)


checks.guards[:] = [cond]
