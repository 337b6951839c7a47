"""Einstein summation, as a chain of matrix products.

    einsum("bij,jk->bik", x, y):   x as [b, i, j], y as [j, k]  ->  reshape, matmul, reshape  ->  [b, i, k]

Two inputs at a time are brought into the form (kept axes, own axes of the first, summed axes) times (kept axes, summed
axes, own axes of the second), which is a batched matrix product; where nothing is summed it is an element-wise one.
An axis summed over three inputs or more does not fit that: all inputs are then spread to all axes, multiplied and
reduced.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from typing import Any

from evergraph.framework.api import public
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import arithmetic, array, linear_algebra, products, reductions

_EQUATION = re.compile(r"^([a-zA-Z,.]+)(->[a-zA-Z.]*)?$")


@public("einsum", "linalg.einsum")
def einsum(equation: str, *inputs: Any, **kwargs: Any) -> Tensor:
    """Sum products of elements over the axes that an equation names.

    Args:
        equation: the axes of each input, a letter each, and those of the result: `"ij,jk->ik"`. Without `->` the result
            has, in alphabetical order, the letters that appear once. `...` stands for any further axes.
        *inputs: tensors of one dtype and known rank.
        name: the scope of the ops.

    Raises:
        ValueError: if the equation is malformed, names an axis twice for one input, or does not fit the inputs.

    >>> sess.run(tf.einsum("ij,jk->ik", tf.constant([[1, 2]]), tf.constant([[3], [4]])))
    array([[11]], dtype=int32)
    """
    name = kwargs.pop("name", None)
    if kwargs:
        raise TypeError(f"invalid keyword arguments for this function: {', '.join(sorted(kwargs))}")
    with name_scope(name, "einsum", [equation, inputs]):
        tensors = list(inputs)
        labels, result = _resolved(equation, [t.get_shape().ndims for t in tensors])
        for own in labels:
            is_palindrome = own == own[::-1] and any(own.count(axis) == 2 for axis in own)
            if len(labels) == 1 and is_palindrome and "->" not in equation:
                return linear_algebra.trace(tensors[0])
            if len(set(own)) < len(own):
                raise ValueError(f"Subscript not supported: an axis appears more than once: {own}")
        every = set("".join(labels) + result)
        if any(sum(axis in own for own in labels) > 2 and axis not in result for axis in every):
            return _spread_to_all_axes(tensors, labels, result)
        product, axes = tensors[0], labels[0]
        for t, own in zip(tensors[1:], labels[1:]):
            product, axes = _contracted(product, axes, t, own, (set(axes) & set(own)) - set(result))
        if set(axes) - set(result):
            product = reductions.reduce_sum(product, axis=[i for i, a in enumerate(axes) if a not in result])
            axes = "".join(a for a in axes if a in result)
        if sorted(axes) != sorted(result):
            raise ValueError(f"Invalid equation: {equation}")
        return _transposed(product, [axes.index(a) for a in result])


def _resolved(equation: str, ranks: Sequence[int | None]) -> tuple[list[str], str]:
    """The axes of each input and of the result, with letters for what `...` stands for."""
    equation = equation.replace(" ", "")
    match = _EQUATION.match(equation)
    if not match:
        raise ValueError(f"Indices have incorrect format: {equation}")
    labels = match.group(1).split(",")
    result = match.group(2)[2:] if match.group(2) else None
    if len(ranks) != len(labels):
        raise ValueError(f'Got {len(ranks)} arguments for equation "{equation}", expecting {len(labels)}')
    spare = ""
    if "..." in equation:
        unused = "".join(c for c in string.ascii_letters if c not in "".join(labels))
        for i, own in enumerate(labels):
            if "..." not in own:
                continue
            named = own.split("...")
            rank = ranks[i]
            if len(named) != 2:
                raise ValueError("Unable to resolve ellipsis. Excess number found.")
            if rank is None:
                raise ValueError("Unable to statically infer ellipsis axes.")
            count = rank - len("".join(named))
            if count < 0:
                raise ValueError("Ellipses lengths do not match.")
            if len(unused) < count:
                raise ValueError("Unable to resolve ellipsis, too many distinct labels.")
            letters = unused[-count:] if count else ""
            labels[i] = own.replace("...", letters)
            spare = max(spare, letters, key=len)
        if any("." in own for own in labels):
            raise ValueError('period "." found outside of ellipsis')
        if result is not None:
            result = result.replace("...", spare)
            if "." in result:
                raise ValueError('period "." found outside of ellipsis')
    if result is None:
        every = "".join(labels)
        result = spare + "".join(sorted(a for a in set(every) - set(spare) if every.count(a) == 1))
    return labels, result


def _contracted(x: Tensor, x_axes: str, y: Tensor, y_axes: str, summed: set[str]) -> tuple[Tensor, str]:
    """The product of two tensors, summed over some common axes, and the axes that it has."""
    for i, (t, axes) in enumerate(((x, x_axes), (y, y_axes))):
        if len(axes) != t._rank:
            raise ValueError(f"Tensor t{i} of rank {t._rank} does not match einsum reduction of length {len(axes)}")
    kept = (set(x_axes) & set(y_axes)) - summed
    x_own, y_own = set(x_axes) - kept - summed, set(y_axes) - kept - summed
    x_order = sorted(x_axes, key=lambda a: (-1 if a in kept else 0 if a in x_own else 1, a))
    y_order = sorted(y_axes, key=lambda a: (-1 if a in kept else 0 if a in summed else 1, a))
    x = _transposed(x, [x_axes.find(a) for a in x_order])
    y = _transposed(y, [y_axes.find(a) for a in y_order])
    if not summed:
        for _ in y_own:
            x = array.expand_dims(x, -1)
        for _ in x_own:
            y = array.expand_dims(y, len(kept))
        return arithmetic.multiply(x, y), "".join(x_order + y_order[len(kept) :])
    n = len(kept)
    x_sizes = _sizes(x)
    x_own_size, summed_size = _product(x_sizes[n : -len(summed)]), _product(x_sizes[-len(summed) :])
    x = _reshaped(x, [*x_sizes[:n], x_own_size, summed_size])
    y_sizes = _sizes(y)
    y_own_size = _product(y_sizes[n + len(summed) :])
    y = _reshaped(y, [*y_sizes[:n], summed_size, y_own_size])
    product = products.matmul(x, y)
    y_from = len(y_order) - len(y_own)
    product = _reshaped(product, x_sizes[: n + len(x_own)] + y_sizes[y_from:])
    return product, "".join(x_order[: n + len(x_own)] + y_order[y_from:])


def _transposed(x: Tensor, perm: list[int]) -> Tensor:
    return x if perm == list(range(len(perm))) else array.transpose(x, perm=perm)


def _reshaped(x: Tensor, sizes: list[Any]) -> Tensor:
    wanted = tuple(-1 if size is None else size for size in sizes)
    known = x.static_shape
    assert known is not None
    if len(known) == len(wanted) and all(
        not isinstance(new, Tensor) and (new in (old, -1)) for old, new in zip(known, wanted)
    ):
        return x
    return array.reshape(x, wanted)


def _sizes(x: Tensor) -> list[Any]:
    """The sizes of `x`: ints where they are known, scalar tensors where not."""
    sizes: list[Any] = x._shape_as_list() or []
    if None in sizes:
        runtime = array.shape(x)
        sizes = [runtime[i] if size is None else size for i, size in enumerate(sizes)]
    return sizes


def _product(sizes: list[Any]) -> Any:
    total: Any = 1
    for size in sizes:
        total *= size
    return total


def _spread_to_all_axes(tensors: list[Tensor], labels: list[str], result: str) -> Tensor:
    every = sorted(set("".join(labels) + result))
    order = [a for a in every if a not in result] + list(result)
    position = {a: i for i, a in enumerate(order)}
    spread = []
    for i, (t, own) in enumerate(zip(tensors, labels)):
        if t._rank != len(own):
            raise ValueError(
                f"Input {i} with axes {own} has incorrect number of dimensions (expected {len(own)}, got {t._rank})"
            )
        ordered = sorted(own, key=position.__getitem__)
        if list(own) != ordered:
            t = array.transpose(t, [own.find(a) for a in ordered])
        spread.append((t, ordered))
    shapes = []
    sizes: dict[str, set[int]] = {a: set() for a in order}
    for t, own_axes in spread:
        by_axis = dict(zip(own_axes, t._shape_as_list() or []))
        shapes.append([(by_axis[a] or -1) if a in by_axis else 1 for a in order])
        for a, size in by_axis.items():
            if size and size > 1:
                sizes[a].add(size)
    for a, found in sizes.items():
        if len(found) > 1:
            raise ValueError(f"Dimension mismatch on axis: {a}")
    factors = [array.reshape(t, shape) for (t, _), shape in zip(spread, shapes)]
    total: Any = 1
    for factor in factors:
        total *= factor
    return reductions.reduce_sum(total, [i for i, a in enumerate(order) if a not in result])
