"""`tf.cond` and `tf.switch_case` as one op each, whose branches are functions: `If` and `Case`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.nest import assert_same_structure, flatten, is_nested_or_composite
from evergraph.framework.scopes import name_scope
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops.cast import cast
from evergraph.ops.functions.bodies import Part, controls_of, finished, packed, part_name
from evergraph.ops.opdef import raw_op
from evergraph.ops.shaping import squeeze


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any], name: str | None = None) -> Any:
    """`tf.cond` as an `If`, or a `StatelessIf` if no op of the branches is stateful.

    Raises:
        TypeError: if `pred` is a Python bool, or what the functions give differs in structure or type.
        ValueError: if a branch takes a tensor of the other.
    """
    if isinstance(pred, bool):
        raise TypeError("pred must not be a Python bool", pred)
    with name_scope(name or "cond") as scope:
        graph = get_default_graph()
        names = [part_name(scope, part, graph) for part in ("true", "false")]
        pred = as_scalar(convert_to_tensor(pred))
        parts = _built(names, ("true_fn", "false_fn"), (true_fn, false_fn), pred)
        inputs, shapes = _matched("cond", parts)
        stateful = any(part.does_something for part in parts)
        with controls_of(parts):
            made = raw_op("If" if stateful else "StatelessIf")(
                pred, inputs, [t.dtype for t in parts[0].results], *(part.add_to_library() for part in parts),
                output_shapes=shapes, name=scope,
            )  # fmt: skip
        return _results(made, parts)


def indexed_case(branch_index: Any, branch_fns: Sequence[Callable[[], Any]], name: str = "indexed_case") -> Any:
    """`tf.switch_case` as a `Case`.

    Raises:
        TypeError: if `branch_index` is a Python int, or what the functions give differs in structure or type.
        ValueError: if a branch takes a tensor of another.
    """
    if isinstance(branch_index, int):
        raise TypeError("branch_index must not be a Python int", branch_index)
    with name_scope(name) as scope:
        graph = get_default_graph()
        names = [part_name(scope, f"branch{i}", graph) for i in range(len(branch_fns))]
        branch_index = convert_to_tensor(branch_index, name="branch_index")
        parts = _built(names, [f"branch {i}" for i in range(len(branch_fns))], branch_fns, branch_index)
        inputs, shapes = _matched("switch_case", parts)
        with controls_of(parts):
            made = raw_op("Case")(
                branch_index, inputs, [t.dtype for t in parts[0].results], [part.add_to_library() for part in parts],
                output_shapes=shapes, name=scope,
            )  # fmt: skip
        return _results(made, parts)


def as_scalar(t: Any) -> Any:
    """A condition without dimensions of size 1, if it is not known to be a scalar."""
    return squeeze(t) if isinstance(t, Tensor) and (t.static_shape is None or len(t.static_shape)) else t


def _built(names: Sequence[str], roles: Sequence[str], functions: Sequence[Callable[[], Any]], of_op: Tensor) -> Any:
    graph = get_default_graph()
    parts = []
    for name, role, function in zip(names, roles, functions, strict=True):
        parts.append(Part(name, graph, role))
        parts[-1].build(function, (), of_op)
    return parts


def _results(made: Any, parts: Sequence[Part]) -> Any:
    if not parts[0].results:
        raise ValueError(f"{' and '.join(part.role for part in parts[:2])} must return at least one result.")
    tensors = finished(made, parts[0].results)
    get_default_graph().prevent_fetching(tensors[0].op.inputs[0].op)
    return packed(parts[0].structure, tensors)


def _matched(what: str, parts: Sequence[Part]) -> tuple[list[Tensor], list[Any]]:
    """Give all parts the same arguments, and results of the same types: (the inputs, the shapes of the results)."""
    _match_slices(what, parts)
    _check_results(what, parts)
    inputs = list(dict.fromkeys(t for part in parts for t in part.captured))
    for part in parts:
        mine = dict(zip(part.captured, part.arguments, strict=True))
        with part.as_default():
            part.arguments = [mine[t] if t in mine else part.placeholder_like(t, "Placeholder") for t in inputs]
        part._outside = dict(zip(part.arguments, inputs, strict=True))
        part.captures.update(zip(inputs, part.arguments, strict=True))
    shapes = [_common_shape(found) for found in zip(*(part.results for part in parts), strict=True)]
    return inputs, shapes


def _common_shape(tensors: Sequence[Tensor]) -> Any:
    shape = tensors[0].shape
    for t in tensors[1:]:
        shape = shape.most_specific_compatible_shape(t.shape)
    return shape


def _match_slices(what: str, parts: Sequence[Part]) -> None:
    """Indices of `IndexedSlices` become int64 where they are int64 in one branch and int32 in another."""
    flat = [flatten(part.structure) for part in parts]
    if len({len(f) for f in flat}) != 1:
        return  # `_check_results` says so
    position = 0
    for i, found in enumerate(zip(*flat, strict=True)):
        if len({isinstance(x, IndexedSlices) for x in found}) != 1:
            raise TypeError(f"Cannot reconcile tf.{what} {i}-th outputs:\n  branches returned: {found}")
        if isinstance(found[0], IndexedSlices) and len({x.indices.dtype for x in found}) != 1:
            for part, x in zip(parts, found, strict=True):
                if x.indices.dtype is dtypes.int32:
                    with part.as_default():
                        part.results[position + 1] = cast(part.results[position + 1], dtypes.int64)
                        part.structure = packed(part.structure, part.results)
        first = found[0]
        if first is not None:
            position += len(flatten(first, expand_composites=True)) if is_nested_or_composite(first) else 1


def _check_results(what: str, parts: Sequence[Part]) -> None:
    first, *others = parts
    for i, other in enumerate(others):
        problem = None
        try:
            assert_same_structure(first.structure, other.structure, expand_composites=True)
        except (TypeError, ValueError) as error:
            problem = str(error)
        if problem is None:
            for a, b in zip(first.results, other.results, strict=True):
                if a.dtype is not b.dtype:
                    problem = f"{a} and {b} have different types"
                    break
        if problem is not None:
            names = ("true_fn", "false_fn") if what == "cond" else ("branches[0]", f"branches[{i + 1}]")
            raise TypeError(
                f"{names[0]} and {names[1]} arguments to tf.{what} must have the same number, type, and overall "
                f"structure of return values.\n\n{names[0]} output: {first.structure}\n{names[1]} output: "
                f"{other.structure}\n\nError details:\n{problem}"
            )
