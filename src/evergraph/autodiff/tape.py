"""`tf.GradientTape` and `tf.function` where a graph is built: gradients need no recording, functions no tracing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from evergraph.autodiff.gradients import gradients
from evergraph.autodiff.walk import UnconnectedGradients
from evergraph.framework import dtypes, nest
from evergraph.framework.api import NAMES, public
from evergraph.framework.convert import converted
from evergraph.framework.tensor import Tensor
from evergraph.ops.constant import constant
from evergraph.ops.joining import concat
from evergraph.ops.shaping import reshape, shape, size


@public("GradientTape")
class GradientTape:
    """Derivatives of what is built inside the `with` block.

    Args:
        persistent: whether `gradient` may be called more than once.
        watch_accessed_variables: accepted as in TF: in a graph every tensor can be differentiated with respect to.

    >>> x = tf.constant(3.0)
    >>> with tf.GradientTape() as tape:
    ...     tape.watch(x)
    ...     y = x * x
    >>> sess.run(tape.gradient(y, x))
    6.0
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self._persistent = persistent
        self._used = False
        self._watched: list[Any] = []

    def __enter__(self) -> GradientTape:
        return self

    def __exit__(self, *exc: Any) -> None:
        return None

    def watch(self, tensor: Any) -> None:
        """Note that gradients with respect to `tensor` (or each of a structure) will be asked for.

        Raises:
            ValueError: for a tensor that is not of a floating-point or complex type.
        """
        for t in nest.flatten(tensor):
            if not (t.dtype.is_floating or t.dtype.is_complex):
                raise ValueError(f"The dtype of the watched tensor must be floating (e.g. tf.float32), got {t.dtype!r}")
            self._watched.append(t)

    def watched_variables(self) -> tuple[Any, ...]:
        """The variables that `watch` was given."""
        return tuple(v for v in self._watched if not isinstance(v, Tensor))

    @contextmanager
    def stop_recording(self) -> Iterator[None]:
        """Nothing is recorded in a graph, so there is nothing to stop."""
        yield

    def reset(self) -> None:
        """Forget what was watched."""
        self._watched.clear()

    def _use(self) -> None:
        if self._used and not self._persistent:
            raise RuntimeError("GradientTape.gradient can only be called once on non-persistent tapes.")
        self._used = True

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: Any = UnconnectedGradients.NONE,
    ) -> Any:
        """Derivatives of the sum of `target` with respect to `sources`, in their structure; or None where none is."""
        self._use()
        flat = nest.flatten(sources)
        weights = None if output_gradients is None else nest.flatten(output_gradients)
        found = gradients(nest.flatten(target), flat, grad_ys=weights, unconnected_gradients=unconnected_gradients)
        return nest.pack_sequence_as(sources, found) if nest.is_nested(sources) else found[0]

    def jacobian(
        self,
        target: Any,
        sources: Any,
        unconnected_gradients: Any = UnconnectedGradients.NONE,
        parallel_iterations: int | None = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """Derivatives of each element of `target`: shape `target.shape + source.shape` for each of `sources`.

        `parallel_iterations` and `experimental_use_pfor` say how TF computes them; here a loop does.
        """
        self._use()
        flat = nest.flatten(sources)
        found = [_rows_of_derivatives(converted(target), s, unconnected_gradients) for s in flat]
        return nest.pack_sequence_as(sources, found) if nest.is_nested(sources) else found[0]


def _rows_of_derivatives(target: Tensor, source: Any, unconnected_gradients: Any) -> Tensor | None:
    # By their public names: loops come from a package that is put together with this one.
    while_loop, tensor_array = NAMES[""]["while_loop"], NAMES[""]["TensorArray"]
    if gradients(target, source, unconnected_gradients=unconnected_gradients)[0] is None:
        return None
    elements = reshape(target, [-1])
    n = size(elements)

    def row(i: Any, rows: Any) -> Any:
        (found,) = gradients(elements[i], source, unconnected_gradients=unconnected_gradients)
        return i + 1, rows.write(i, found)

    _, rows = while_loop(lambda i, _: i < n, row, [constant(0, dtypes.int32), tensor_array(source.dtype.base_dtype, n)])
    return reshape(rows.stack(), concat([shape(target), shape(source)], 0))
