"""`tf.while_loop` as one op whose condition and body are functions: `While`.

    loop_counter, maximum_iterations, loop variables, captured tensors ──► While ──► the same, after the last iteration

The counter and the limit come first in every loop, as TF puts them there; what the functions take from outside are
further loop variables, which the body gives back as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.nest import assert_same_structure, flatten, is_nested_or_composite, map_structure
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape, static_shape
from evergraph.framework.tensor import Tensor
from evergraph.ops.comparisons import logical_and
from evergraph.ops.constant import constant
from evergraph.ops.functions.bodies import Part, controls_of, finished, packed, part_name
from evergraph.ops.functions.functional_cond import as_scalar
from evergraph.ops.opdef import raw_op
from evergraph.ops.tensor_array import as_flow
from evergraph.ops.while_loop import check_shape, invariant_of, loop_value

_OWN = 2  # loop variables that every loop has: the counter and the limit


def while_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    shape_invariants: Any = None,
    parallel_iterations: int = 10,
    maximum_iterations: Any = None,
    name: str | None = None,
    return_same_structure: bool = True,
    back_prop: bool = True,
) -> Any:
    """`tf.while_loop` as a `While`; the arguments are those there.

    `back_prop` changes nothing: the loop gathers what a gradient needs once one is asked for. The results are in the
    form of `loop_vars`.

    Raises:
        TypeError: if a loop variable changes its type.
        ValueError: if it changes its shape, or the body gives another structure.
    """
    originals = list(loop_vars)
    flat_values = [loop_value(v) for v in flatten(originals)]
    if shape_invariants is None:
        invariants = [invariant_of(v) for v in flat_values]
    else:
        assert_same_structure(loop_vars, shape_invariants)
        invariants = map_structure(invariant_of, originals, list(shape_invariants))
    tensors = flatten(flat_values, expand_composites=True)
    flat_invariants = flatten(invariants)
    if not all(isinstance(shape, TensorShape) for shape in flat_invariants):
        raise ValueError("`shapes` must be a (possibly nested) list of shapes.")
    # What a composite says of its parts may leave out the last ones.
    flat_invariants += [TensorShape(None)] * (len(tensors) - len(flat_invariants))
    with name_scope(name or "while") as scope:
        graph = get_default_graph()
        names = [part_name(scope, part, graph) for part in ("cond", "body")]
        limit = convert_to_tensor(
            -1 if maximum_iterations is None else maximum_iterations, dtypes.int32, name="maximum_iterations"
        )
        counter = constant(0, dtypes.int32, name="loop_counter")
        arguments = [(t.dtype.base_dtype, t.static_shape, t.op.name, None) for t in (counter, limit)]
        for t, shape in zip(tensors, flat_invariants, strict=True):
            arguments.append((t.dtype.base_dtype, static_shape(shape), t.op.name, t._handle_data))

        def goes_on(i: Tensor, most: Tensor, *values: Any) -> Any:
            decided = as_scalar(cond(*packed(originals, values)))
            return decided if maximum_iterations is None else logical_and(i < most, decided)

        def turn(i: Tensor, most: Tensor, *values: Any) -> Any:
            for t in condition.captured:
                get_default_graph().capture(t)  # type: ignore[attr-defined]  # the body's graph
            found = body(*packed(originals, values))
            found = found if is_nested_or_composite(found) else [found]
            assert_same_structure(list(found), originals, expand_composites=True)
            return [i + 1, most, *map_structure(as_flow, list(found), expand_composites=True)]

        condition, repeated = Part(names[0], graph, "cond"), Part(names[1], graph, "body")
        condition.build(goes_on, arguments, None)
        repeated.build(turn, arguments, None)
        for t in repeated.captured:
            with condition.as_default():
                condition.capture(t)
        n = _OWN + len(tensors)
        repeated.results += repeated.arguments[n:]
        starts = [counter, limit, *tensors, *repeated.captured]
        for result, t, shape in zip(repeated.results[_OWN:], tensors, flat_invariants, strict=False):
            check_shape(t, result, static_shape(shape))
        _check_types(repeated, starts)
        shapes = [t.shape for t in repeated.results]
        shapes[_OWN:n] = flat_invariants
        with controls_of((condition, repeated)):
            # TF 1.15 builds no StatelessWhile here.
            made = raw_op("While")(
                starts, condition.add_to_library(), repeated.add_to_library(), output_shapes=shapes,
                parallel_iterations=parallel_iterations, name=scope,
            )  # fmt: skip
        made[0].op.attrs["_num_original_outputs"] = len(made)
        outputs = finished(made, repeated.results)
    result = packed(loop_vars, outputs[_OWN:n])
    flat = flatten(result, expand_composites=True)
    return flat[0] if len(flat) == 1 and not return_same_structure else result


def _check_types(body: Part, starts: list[Tensor]) -> None:
    for given, result, start in zip(body.arguments, body.results, starts, strict=True):
        if given.dtype is not result.dtype.base_dtype:
            raise TypeError(
                f"Loop var {start.name} enters the loop with type {given.dtype} but has type {result.dtype} after "
                "1 iteration."
            )
