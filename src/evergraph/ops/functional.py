"""`tf.map_fn`, `tf.foldl`, `tf.foldr`, `tf.scan`: a function applied to the rows of tensors, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from evergraph.framework.api import public
from evergraph.framework.convert import converted
from evergraph.framework.nest import assert_same_structure, flatten, is_nested, map_structure, pack_sequence_as
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import Dimension, TensorShape
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops.constant import constant
from evergraph.ops.shaping import shape
from evergraph.ops.tensor_array import TensorArray
from evergraph.ops.variable_scope import get_variable_scope
from evergraph.ops.while_loop import while_loop


@contextmanager
def _variables_cached() -> Iterator[None]:
    """Inside, variables are read once, in front of the loop, and not in each iteration."""
    scope = get_variable_scope()
    if scope.caching_device is not None:
        yield
        return
    scope.set_caching_device(lambda op: op.device)
    try:
        yield
    finally:
        scope.set_caching_device(None)


class _Form:
    """The form of a structure, or of a single value: to flatten and to pack values of that form."""

    def __init__(self, structure: Any) -> None:
        self.structure = structure
        self.nested = is_nested(structure)

    def flatten(self, x: Any) -> list[Any]:
        return flatten(x) if self.nested else [x]

    def pack(self, values: Any) -> Any:
        return pack_sequence_as(self.structure, values) if self.nested else values[0]


def _check_callable(fn: Any) -> None:
    if not callable(fn):
        raise TypeError("fn must be callable.")


def _rows(t: Tensor) -> Any:
    """How many rows `t` has: an int if that is known, and not 0, else a tensor."""
    known = t.static_shape[0] if t.static_shape else None
    return known or shape(t)[0]


def _set_rows(results: list[Tensor], elements: list[Tensor]) -> None:
    """Note that the results have as many rows as each of the elements."""
    rows = Dimension(None)
    for t in elements:
        rows = Dimension(t.shape.with_rank_at_least(1)[0].value) if rows.value is None else rows
    for t in results:
        t.set_shape(TensorShape([rows]).concatenate(t.shape[1:]))


@public("map_fn")
def map_fn(
    fn: Callable[..., Any],
    elems: Any,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    name: str | None = None,
) -> Any:
    """Apply `fn` to each row of `elems`, and stack what it gives.

    Args:
        fn: takes a row (a structure of rows, in the form of `elems`); gives a tensor or a structure of tensors.
        elems: a tensor, or a structure of tensors with equally many rows.
        dtype: the types of what `fn` gives, in its form; needed where they differ from those of `elems`.
        parallel_iterations, back_prop, swap_memory: as in `while_loop`.
        infer_shape: insist that `fn` gives the same shapes for each row.
        name: the name scope of the ops.

    Returns:
        For each tensor that `fn` gives, one of a dimension more.

    Raises:
        TypeError: if `fn` is not callable, gives another form than `dtype`, or `elems` is a `SparseTensor`.
        ValueError: if `elems` is a scalar.

    >>> sess.run(tf.map_fn(lambda x: x * x, tf.constant([1, 2, 3])))
    array([1, 4, 9], dtype=int32)
    """
    _check_callable(fn)
    if isinstance(elems, SparseTensor):
        raise TypeError(
            "To perform a map on the values of a sparse tensor use either SparseTensor(input.indices, "
            "fn(input.values), input.dense_shape) or SparseTensor(input.indices, map_fn(fn, input.values), "
            "input.dense_shape)"
        )
    given = _Form(elems)
    flat = given.flatten(elems)
    with name_scope(name, "map", flat), _variables_cached():
        flat = [converted(e, name="elem") for e in flat]
        made = given if dtype is None else _Form(dtype)
        dtype = dtype or given.pack([e.dtype for e in flat])
        if flat[0].shape.ndims == 0:
            raise ValueError(
                "elems must be a 1+ dimensional Tensor, not a scalar"
                if len(flat) == 1
                else "elements in elems must be 1+ dimensional Tensors, not scalars"
            )
        n = _rows(flat[0])
        arrays = [TensorArray(e.dtype, n, dynamic_size=False, infer_shape=True) for e in flat]
        arrays = [array.unstack(e) for array, e in zip(arrays, flat, strict=True)]
        start = constant(0)
        results = [TensorArray(t, n, dynamic_size=False, infer_shape=infer_shape) for t in made.flatten(dtype)]

        def body(i: Tensor, results: Any) -> Any:
            row = given.pack([array.read(i) for array in arrays])
            value = fn(row)
            assert_same_structure(dtype, value)
            written = [result.write(i, v) for result, v in zip(results, made.flatten(value), strict=False)]
            return i + 1, written

        _, results = while_loop(
            lambda i, _: i < n,
            body,
            (start, results),
            parallel_iterations=parallel_iterations or 10,
            back_prop=back_prop,
            swap_memory=swap_memory,
            maximum_iterations=n,
        )
        stacked = [result.stack() for result in results]
        _set_rows(stacked, flat)
        return made.pack(stacked)


def _unstacked(elems: Any) -> tuple[Any, Any]:
    """(how many rows, the arrays of rows) of a structure of tensors."""
    n = _rows([converted(e, name="elem") for e in flatten(elems)][0])  # noqa: RUF015 - all are converted, as in TF
    return n, map_structure(lambda e: TensorArray(e.dtype, n, dynamic_size=False, infer_shape=True).unstack(e), elems)


@public("foldl")
def foldl(
    fn: Callable[..., Any],
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
) -> Any:
    """Combine the rows of `elems` from the first to the last: `fn(... fn(fn(initializer, row_0), row_1) ...)`.

    Args:
        fn: takes what came out so far and a row; gives what comes out now, in the same form.
        elems: a tensor, or a structure of tensors with equally many rows.
        initializer: what to start with; by default the first row.
        parallel_iterations, back_prop, swap_memory: as in `while_loop`.
        name: the name scope of the ops.

    Returns:
        What `fn` gives last.

    Raises:
        TypeError: if `fn` is not callable.

    >>> sess.run(tf.foldl(lambda total, x: total + x, tf.constant([1, 2, 3])))
    6
    """
    _check_callable(fn)
    with name_scope(name, "foldl", [elems]), _variables_cached():
        n, arrays = _unstacked(elems)
        if initializer is None:
            so_far = map_structure(lambda array: array.read(0), arrays)
            start = constant(1)
        else:
            so_far, start = initializer, constant(0)

        def body(i: Tensor, so_far: Any) -> Any:
            row = map_structure(lambda array: array.read(i), arrays)
            so_far = fn(so_far, row)
            return [i + 1, so_far]

        return while_loop(
            lambda i, _: i < n,
            body,
            [start, so_far],
            parallel_iterations=parallel_iterations,
            back_prop=back_prop,
            swap_memory=swap_memory,
            maximum_iterations=n,
        )[1]


@public("foldr")
def foldr(
    fn: Callable[..., Any],
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
) -> Any:
    """Combine the rows of `elems` from the last to the first; otherwise as `foldl`.

    Raises:
        TypeError: if `fn` is not callable.

    >>> sess.run(tf.foldr(lambda total, x: 10 * total + x, tf.constant([1, 2, 3])))
    321
    """
    _check_callable(fn)
    with name_scope(name, "foldr", [elems]), _variables_cached():
        n, arrays = _unstacked(elems)
        if initializer is None:
            start = n - 1
            so_far = map_structure(lambda array: array.read(start), arrays)
        else:
            so_far, start = initializer, n

        def body(i: Tensor, so_far: Any) -> Any:
            i = i - 1
            row = map_structure(lambda array: array.read(i), arrays)
            return [i, fn(so_far, row)]

        return while_loop(
            lambda i, _: i > 0,
            body,
            [start, so_far],
            parallel_iterations=parallel_iterations,
            back_prop=back_prop,
            swap_memory=swap_memory,
            maximum_iterations=n,
        )[1]


@public("scan")
def scan(
    fn: Callable[..., Any],
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    reverse: bool = False,
    name: str | None = None,
) -> Any:
    """`foldl`, giving what `fn` gives for each row, stacked.

    Args:
        fn: takes what came out so far and a row; gives what comes out now, in the form of `initializer`.
        elems: a tensor, or a structure of tensors with equally many rows.
        initializer: what to start with; by default the first row, which is then the first result too.
        parallel_iterations, back_prop, swap_memory: as in `while_loop`.
        infer_shape: insist that what comes out has the same shape each time.
        reverse: go from the last row to the first.
        name: the name scope of the ops.

    Returns:
        For each tensor that `fn` gives, one of a dimension more: row i is what came out for row i of `elems`.

    Raises:
        TypeError: if `fn` is not callable, or gives another form than `initializer`.
        ValueError: if it gives another number of tensors.

    >>> sess.run(tf.scan(lambda total, x: total + x, tf.constant([1, 2, 3])))
    array([1, 3, 6], dtype=int32)
    """
    _check_callable(fn)
    given = _Form(elems)
    made = given if initializer is None else _Form(initializer)
    flat = given.flatten(elems)
    with name_scope(name, "scan", flat), _variables_cached():
        flat = [converted(e, name="elem") for e in flat]
        n = flat[0].static_shape[0] if flat[0].static_shape else None
        if n is None:
            n = shape(flat[0])[0]
        arrays = [
            TensorArray(e.dtype, n, dynamic_size=False, element_shape=e.shape[1:], infer_shape=True) for e in flat
        ]
        arrays = [array.unstack(e) for array, e in zip(arrays, flat, strict=True)]
        if initializer is None:
            so_far = [array.read(n - 1 if reverse else 0) for array in arrays]
            done = 1
        else:
            so_far = [converted(value) for value in made.flatten(initializer)]
            done = 0
        results = [
            TensorArray(
                value.dtype,
                n,
                element_shape=value.shape if infer_shape else None,
                dynamic_size=False,
                infer_shape=infer_shape,
            )
            for value in so_far
        ]
        if initializer is None:
            results = [
                result.write(n - 1 if reverse else 0, value) for result, value in zip(results, so_far, strict=True)
            ]

        def body(i: Tensor, so_far: Any, results: Any) -> Any:
            row = given.pack([array.read(i) for array in arrays])
            value = fn(made.pack(so_far), row)
            assert_same_structure(elems if initializer is None else initializer, value)
            values = made.flatten(value)
            results = [result.write(i, v) for result, v in zip(results, values, strict=False)]
            return i - 1 if reverse else i + 1, values, results

        _, _, results = while_loop(
            (lambda i, _1, _2: i >= 0) if reverse else (lambda i, _1, _2: i < n),
            body,
            (n - 1 - done if reverse else done, so_far, results),
            parallel_iterations=parallel_iterations,
            back_prop=back_prop,
            swap_memory=swap_memory,
            maximum_iterations=n,
        )
        stacked = [result.stack() for result in results]
        _set_rows(stacked, flat)
        return made.pack(stacked)
