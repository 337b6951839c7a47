"""What the functions of `tf.image` ask of an image's shape: at once where it is known, else by assertions."""

from __future__ import annotations

from typing import Any

from evergraph.framework.operation import Operation
from evergraph.framework.shapes import with_rank, with_rank_at_least
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math
from evergraph.ops.checks import Assert, assert_equal, assert_greater_equal, assert_positive
from evergraph.ops.grouping import with_dependencies
from evergraph.ops.variables import Variable


def is_symbolic(x: Any) -> bool:
    """Whether `x` has its value only when the graph runs."""
    return isinstance(x, Tensor | Variable)


def asserted(condition: Any, message: str) -> list[Operation]:
    """An Assert op for a condition in the graph, in a list; for a Python one, nothing.

    Raises:
        ValueError: for a Python condition that does not hold.
    """
    if is_symbolic(condition):
        return [Assert(condition, [message])]
    if not condition:
        raise ValueError(message)
    return []


def dimensions(image: Tensor, rank: int) -> list[Any]:
    """The sizes of `image`: ints where they are known, else scalar tensors."""
    known = image.static_shape
    if known is not None and None not in known:
        return list(known)
    sizes = with_rank(known, rank)
    dynamic = array.unstack(array.shape(image), rank)
    return [d if s is None else s for s, d in zip(sizes, dynamic)]


def checks_of_image(image: Tensor) -> list[Operation]:
    """Assertions, where needed, that `image` has three axes or more, and none of the last three is empty."""
    known = image.static_shape
    try:
        sizes = with_rank(known, 3) if known is None else with_rank_at_least(known, 3)
    except ValueError:
        raise ValueError("'image' must be at least three-dimensional.") from None
    assert sizes is not None
    if 0 in sizes:
        raise ValueError(f"all dims of 'image.shape' must be > 0: {list(sizes)}")
    if None not in sizes:
        return []
    return [
        assert_positive(array.shape(image), ["all dims of 'image.shape' must be > 0."]),
        assert_greater_equal(array.rank(image), 3, message="'image' must be at least three-dimensional."),
    ]


def checked_image(image: Tensor) -> Tensor:
    """`image`, with the assertions that it needs in front of it."""
    return with_dependencies(checks_of_image(image), image)


def checked_grayscale(image: Tensor) -> Tensor:
    """`image`, whose last axis has to be of size 1, with the assertions that it needs in front of it."""
    known = image.static_shape
    if known is not None and len(known) < 2:
        raise ValueError("A grayscale image must be at least two-dimensional.")
    if known is not None and None not in known:
        if known[-1] != 1:
            raise ValueError("Last dimension of a grayscale image should be size 1.")
        return with_dependencies([], image)
    message = "A grayscale image must be at least two-dimensional."
    checks = [
        assert_equal(array.shape(image)[-1], 1, message="Last dimension of a grayscale image should be size 1."),
        assert_greater_equal(array.rank(image), 3, message=message),
    ]
    return with_dependencies(checks, image)


def as_batch(image: Tensor) -> tuple[Tensor, bool]:
    """`image` as a batch of images, and whether it was one."""
    known = image.static_shape
    if known is not None and len(known) == 4:
        return image, True
    if known is not None and len(known) != 3:
        raise ValueError("'image' must have either 3 or 4 dimensions.")
    batch = array.expand_dims(image, 0)
    if known is None:
        batch.set_shape([None] * 4)
    return batch, False


def larger(x: Any, y: Any) -> Any:
    return math.maximum(x, y) if is_symbolic(x) or is_symbolic(y) else max(x, y)


def smaller(x: Any, y: Any) -> Any:
    return math.minimum(x, y) if is_symbolic(x) or is_symbolic(y) else min(x, y)
