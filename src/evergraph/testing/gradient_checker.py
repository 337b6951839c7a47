"""`tf.test.compute_gradient`: derivatives from `tf.gradients` beside derivatives from finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.autodiff.gradients import gradients
from evergraph.framework import stacks
from evergraph.framework.api import public
from evergraph.framework.sparse import IndexedSlices
from evergraph.ops.constant import constant


@public("test.compute_gradient")
def compute_gradient(
    x: Any,
    x_shape: Any,
    y: Any,
    y_shape: Any,
    x_init_value: Any = None,
    delta: float = 1e-3,
    init_targets: Any = None,
    extra_feed_dict: Any = None,
) -> Any:
    """The Jacobian of `y` in `x` by `tf.gradients`, and by finite differences. Needs a default session.

    Args:
        x: a tensor, or a list of tensors.
        x_shape: the shape of `x`, or the list of shapes.
        y: a tensor.
        y_shape: the shape of `y`.
        x_init_value: where to take the derivative; by default at random numbers in [0, 1).
        delta: half the step of the finite differences.
        init_targets: ops to run first.
        extra_feed_dict: what else to feed.

    Returns:
        Two arrays of shape `[size of x, size of y]` (a complex number counts as two), or a list of such pairs.
    """
    session = stacks.get_default_session()
    if session is None:
        raise ValueError("compute_gradient needs a default session: `with tf.Session():`")
    if isinstance(x, list):
        starts = x_init_value or [None] * len(x)
        return [
            _jacobians(session, one, shape, y, y_shape, start, delta, init_targets, extra_feed_dict)
            for one, shape, start in zip(x, x_shape, starts)
        ]
    return _jacobians(session, x, x_shape, y, y_shape, x_init_value, delta, init_targets, extra_feed_dict)


@public("test.compute_gradient_error")
def compute_gradient_error(
    x: Any,
    x_shape: Any,
    y: Any,
    y_shape: Any,
    x_init_value: Any = None,
    delta: float = 1e-3,
    init_targets: Any = None,
    extra_feed_dict: Any = None,
) -> float:
    """The largest difference between the two Jacobians of `compute_gradient`, which see."""
    found = compute_gradient(x, x_shape, y, y_shape, x_init_value, delta, init_targets, extra_feed_dict)
    pairs = [found] if isinstance(found, tuple) else found
    return max((float(np.fabs(a - b).max()) for a, b in pairs if a.size or b.size), default=0.0)


def _jacobians(
    session: Any, x: Any, x_shape: Any, y: Any, y_shape: Any, start: Any, delta: float, targets: Any, extra: Any
) -> tuple[np.ndarray, np.ndarray]:
    kind = x.dtype.base_dtype.as_numpy_dtype
    dy = constant(np.ones(list(y_shape)), dtype=y.dtype.base_dtype)
    dx = gradients([y], [x], grad_ys=[dy])[0]
    for target in (targets if isinstance(targets, list | tuple) else [targets]) if targets is not None else ():
        session.run(target)
    x_value = np.asarray(np.random.random_sample(list(x_shape)) if start is None else start).astype(kind)
    feed = dict(extra or {})
    return (
        _from_gradients(session, x, x_value, y, list(y_shape), dx, dy, feed),
        _from_differences(session, x, x_value, y, delta, feed),
    )


def _reals(array: np.ndarray) -> np.ndarray:
    """The numbers of an array one after the other; a complex number as two."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(flat.real.dtype) if np.iscomplexobj(flat) else flat


def _from_gradients(
    session: Any, x: Any, x_value: np.ndarray, y: Any, y_shape: list[int], dx: Any, dy: Any, feed: dict[Any, Any]
) -> np.ndarray:
    direction = np.zeros(y_shape, y.dtype.base_dtype.as_numpy_dtype)
    entries = _reals(direction)  # a view
    jacobian = np.zeros((_reals(x_value).size, entries.size), _reals(x_value).dtype)
    for column in range(entries.size):
        entries[:] = 0
        entries[column] = 1
        found = None if dx is None else session.run(dx, {**feed, x: x_value, dy: direction})
        if found is None:
            continue
        if isinstance(dx, IndexedSlices):
            dense = np.zeros(x_value.shape, x_value.dtype)
            np.add.at(dense, found.indices, found.values)
            found = dense
        jacobian[:, column] = _reals(np.asarray(found))
    return jacobian


def _from_differences(
    session: Any, x: Any, x_value: np.ndarray, y: Any, delta: float, feed: dict[Any, Any]
) -> np.ndarray:
    moved = x_value.copy()
    entries = _reals(moved)
    rows = []
    for row in range(entries.size):
        before = entries[row]
        values = []
        for step in (delta, -delta):
            entries[row] = before + entries.dtype.type(step)
            values.append(_reals(np.asarray(session.run(y, {**feed, x: moved.reshape(x_value.shape)}))))
        entries[row] = before
        rows.append((values[0] - values[1]) / (2 * delta))
    return np.array(rows).reshape(entries.size, -1)
