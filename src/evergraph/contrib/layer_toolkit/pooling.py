"""Pooling as functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import evergraph.layers.scoped_pooling as layers
from evergraph.contrib.layer_toolkit.convolutions import IMAGES, VOLUMES, check_layout, layout
from evergraph.contrib.layer_toolkit.names import both
from evergraph.contrib.layer_toolkit.outputs import collect_named_outputs, n_positive_integers
from evergraph.contrib.scoped_arguments import add_arg_scope
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.ops import dilated


def _pooling(name: str, default_scope: str, kind: Any, what: str, formats: tuple[str, str]) -> Callable[..., Any]:
    def pooled(
        inputs: Any,
        kernel_size: Any,
        stride: Any = 2,
        padding: str = "VALID",
        data_format: str = formats[1],
        outputs_collections: Any = None,
        scope: Any = None,
    ) -> Any:
        check_layout(data_format, formats)
        with name_scope(scope, default_scope, [inputs]) as sc:
            inputs = convert_to_tensor(inputs)
            layer = kind(
                pool_size=kernel_size, strides=stride, padding=padding, data_format=layout(data_format), _scope=sc
            )
            return collect_named_outputs(outputs_collections, sc, layer.apply(inputs))

    pooled.__name__ = pooled.__qualname__ = name
    pooled.__doc__ = f"""The {what} under a window.

    Args:
        inputs: floats, `[batch, *spatial, channels]`, or `[batch, channels, *spatial]` for "NC...".
        kernel_size: the window's size, an int or one for each spatial dimension.
        stride: its steps, likewise.
        padding: "VALID" or "SAME".
        data_format: {formats[0]!r} or {formats[1]!r}.
        outputs_collections: collections for the outputs.
        scope: the name scope.
    """
    return public(*both(name))(add_arg_scope(pooled))


avg_pool2d = _pooling("avg_pool2d", "AvgPool2D", layers.AveragePooling2D, "mean", IMAGES)
avg_pool3d = _pooling("avg_pool3d", "AvgPool3D", layers.AveragePooling3D, "mean", VOLUMES)
max_pool2d = _pooling("max_pool2d", "MaxPool2D", layers.MaxPooling2D, "largest value", IMAGES)
max_pool3d = _pooling("max_pool3d", "MaxPool3D", layers.MaxPooling3D, "largest value", VOLUMES)


@public(*both("pool"))
@add_arg_scope
def pool(
    inputs: Any,
    kernel_size: Any,
    pooling_type: str,
    padding: str = "VALID",
    data_format: str | None = None,
    dilation_rate: Any = 1,
    stride: Any = 1,
    outputs_collections: Any = None,
    scope: Any = None,
) -> Any:
    """Pool over any number of spatial dimensions. `tf.nn.pool` has the arguments."""
    with name_scope(scope, f"{pooling_type.lower()}_pool", [inputs]) as sc:
        inputs = convert_to_tensor(inputs)
        rank = inputs.shape.rank
        if rank is None:
            raise ValueError("Rank of inputs must be known")
        if rank < 3:
            raise ValueError("Rank of inputs must be >= 3")
        outputs = dilated.pool(
            input=inputs,
            window_shape=n_positive_integers(rank - 2, kernel_size),
            pooling_type=pooling_type,
            padding=padding,
            data_format=data_format,
            dilation_rate=n_positive_integers(rank - 2, dilation_rate),
            strides=n_positive_integers(rank - 2, stride),
            name=sc,
        )
        return collect_named_outputs(outputs_collections, sc, outputs)
