"""The op `Einsum`, which newer graphs hold in place of the products that `tf.einsum` of TF 1 builds (einsum.py)."""

from __future__ import annotations

import string
from typing import Any

from evergraph.framework.shapes import Shape, ShapeError
from evergraph.ops.opdef import kernel_error, op


def _parsed(equation: bytes, count: int) -> tuple[list[str], str]:
    """The axes of each input and of the result."""
    inputs, arrow, result = equation.decode().replace(" ", "").partition("->")
    labels = inputs.split(",")
    if not arrow:
        raise ShapeError(f"Expecting exactly one '->' in einsum equation: {equation.decode()}")
    if count > 2:
        raise ShapeError(f"Expected either 1 or 2 inputs but got: {count}")
    if count != len(labels):
        raise ShapeError(f"Expected {len(labels)} inputs for equation {equation.decode()} but got: {count}")
    for own in (*labels, result):
        if own.count("...") > 1 or "." in own.replace("...", ""):
            raise ShapeError(f"Invalid subscripts '{own}' in einsum equation: {equation.decode()}")
    return labels, result


def _spelled_out(labels: list[str], result: str, ranks: list[int]) -> tuple[list[str], str, str]:
    """The axes, with a letter for each that `...` stands for, and those letters."""
    named = {c for own in (*labels, result) for c in own if c != "."}
    counts = []
    for i, (own, rank) in enumerate(zip(labels, ranks)):
        letters = len(own.replace("...", ""))
        if "..." not in own and rank != letters:
            raise ShapeError(f"Expected input {i} to have rank {letters} but got: {rank}")
        if rank < letters:
            raise ShapeError(f"Expected input {i} to have rank at least {letters} but got: {rank}")
        counts.append(rank - letters)
    spare = [c for c in string.ascii_letters if c not in named][: max(counts, default=0)]
    if spare and "..." not in result:
        raise ShapeError(
            f"Output contains {len(spare)} broadcasting dimension(s) but no ellipsis (...) was found in the output "
            "subscripts."
        )
    shared = "".join(spare)
    spelled = [own.replace("...", shared[len(shared) - n :]) for own, n in zip(labels, counts)]
    return spelled, result.replace("...", shared), shared


def _sizes(labels: list[str], shared: str, shapes: list[Any]) -> dict[str, int | None]:
    """The size of each axis; only those of `...` may be 1 in one input and another size in the other."""
    sizes: dict[str, int | None] = {}
    for i, (own, shape) in enumerate(zip(labels, shapes)):
        for axis, (label, size) in enumerate(zip(own, shape)):
            known = sizes.get(label)
            if label in shared:
                if size not in (known, None, 1) and known not in (None, 1):
                    raise ShapeError(f"Invalid broadcasting dimensions: {shapes[0]} vs. {shapes[1]}")
                if label not in sizes or known == 1 or size not in (None, 1):
                    sizes[label] = size
            elif known is not None and size is not None and known != size:
                raise ShapeError(f"Expected dimension {known} at axis {axis} of input {i} but got dimension {size}")
            else:
                sizes[label] = known if known is not None else size
    return sizes


def _checked(equation: bytes, shapes: list[Any]) -> tuple[list[str], str, dict[str, int | None]]:
    labels, result = _parsed(equation, len(shapes))
    spelled, out, shared = _spelled_out(labels, result, [len(shape) for shape in shapes])
    sizes = _sizes(spelled, shared, shapes)
    for label in out:
        if label not in sizes:
            raise ShapeError(
                f"Einsum output subscripts for equation '{equation.decode()}' has label '{label}' which is not present "
                "in the input subscripts"
            )
    return spelled, out, sizes


@op("Einsum")
def einsum_op(xp: Any, inputs: Any, *, equation: bytes) -> Any:
    """The sum of products over named axes. An axis that the result names twice is a diagonal of it."""
    try:
        labels, result, _ = _checked(equation, [x.shape for x in inputs])
    except ShapeError as error:
        raise kernel_error(str(error)) from None
    distinct = "".join(dict.fromkeys(result))
    product = xp.einsum(",".join(labels) + "->" + distinct, *inputs)
    for label in distinct:
        # [.., n, ..] becomes [.., n, .., n] with zeros off the diagonal, once for each further time it is named.
        for _ in range(result.count(label) - 1):
            axis, size = distinct.index(label), product.shape[distinct.index(label)]
            around = [size if i == axis else 1 for i in range(product.ndim)]
            product = product[..., None] * xp.eye(size, dtype=product.dtype).reshape((*around, size))
    if result == distinct:
        return xp.asarray(product, inputs[0].dtype)
    places: dict[str, list[int]] = {label: [axis] for axis, label in enumerate(distinct)}
    repeated = [label for label in distinct for _ in range(result.count(label) - 1)]
    for axis, label in enumerate(repeated, len(distinct)):
        places[label].append(axis)
    return xp.transpose(product, [places[label].pop(0) for label in result])


@einsum_op.shape
def einsum_shape(inputs: list[Shape], *, equation: bytes) -> Any:
    _, result = _parsed(equation, len(inputs))
    if any(shape is None for shape in inputs):
        return None if "..." in result else (None,) * len(result)
    _, out, sizes = _checked(equation, inputs)
    return tuple(sizes[label] for label in out)
