"""TensorFlow's internal functions for layers and cells, where Evergraph's own differ in arguments."""

from __future__ import annotations

from typing import Any

from evergraph.framework import nest
from evergraph.layers import cells, geometry
from evergraph.layers.smart_cond import known_truth

_WEIGHTS_VARIABLE_NAME = "kernel"
_BIAS_VARIABLE_NAME = "bias"
ASSERT_LIKE_RNNCELL_ERROR_REGEXP = "is not an RNNCell"


def _concat(prefix: Any, suffix: Any, static: bool = False) -> Any:
    return cells.joined_static_shape(prefix, suffix) if static else cells.joined_shape(prefix, suffix)


def constant_value(pred: Any) -> Any:
    """The value of a condition that is known while the graph is built, else None.

    Raises:
        TypeError: if it is no bool, 0, 1, tensor or variable.
    """
    if isinstance(pred, int) and pred not in (0, 1):
        raise TypeError(f"`pred` must be a Tensor, a Variable, or a Python bool or 1 or 0. Found instead: {pred!r}")
    return known_truth(pred)


def deconv_output_length(input_length: Any, filter_size: int, padding: str, stride: int) -> Any:
    """How long the output of a transposed convolution is."""
    return geometry.transposed_length(input_length, filter_size, padding, stride=stride)


def normalize_padding(value: str) -> str:
    """A padding's name in lower case.

    Raises:
        ValueError: unless it is "valid" or "same".
    """
    padding = value.lower()
    if padding not in ("valid", "same"):
        raise ValueError(f'The `padding` argument must be one of "valid", "same". Received: {padding}')
    return padding


def get_reachable_from_inputs(inputs: Any, targets: Any = None) -> set[Any]:
    """The tensors that depend on `inputs`, and these; the search ends when all `targets` are found."""
    reachable = set(inputs)
    wanted = set(targets or ())
    queue = list(nest.flatten(inputs))
    while queue:
        x = queue.pop()
        for operation in x.consumers() if hasattr(x, "consumers") else [x.op]:
            for output in operation.outputs:
                if output not in reachable:
                    reachable.add(output)
                    queue.insert(0, output)
        if wanted and wanted <= reachable:
            break
    return reachable
