"""`tf.layers`' poolings: classes, and functions that make a layer and call it at once."""

from __future__ import annotations

from typing import Any

import evergraph.layers.pooling as pooling
from evergraph.framework.api import public, publish
from evergraph.layers.layer_functions import layer_function
from evergraph.layers.scoped_layer import ScopedLayer


def _require_strides(strides: Any) -> None:
    if strides is None:
        raise ValueError("Argument `strides` must not be None.")


@public("layers.AveragePooling1D")
class AveragePooling1D(pooling.AveragePooling1D, ScopedLayer):
    """The mean under a window, over sequences; `pooling.Pooling` has the arguments."""

    def __init__(
        self,
        pool_size: Any,
        strides: Any,
        padding: str = "valid",
        data_format: str = "channels_last",
        name: Any = None,
        **kwargs: Any,
    ) -> None:
        _require_strides(strides)
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)


@public("layers.MaxPooling1D")
class MaxPooling1D(pooling.MaxPooling1D, ScopedLayer):
    """The largest value under a window, over sequences; `pooling.Pooling` has the arguments."""

    def __init__(
        self,
        pool_size: Any,
        strides: Any,
        padding: str = "valid",
        data_format: str = "channels_last",
        name: Any = None,
        **kwargs: Any,
    ) -> None:
        _require_strides(strides)
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)


@public("layers.AveragePooling2D")
class AveragePooling2D(pooling.AveragePooling2D, ScopedLayer):
    """The mean under a window, over images; `pooling.Pooling` has the arguments."""

    def __init__(
        self,
        pool_size: Any,
        strides: Any,
        padding: str = "valid",
        data_format: str = "channels_last",
        name: Any = None,
        **kwargs: Any,
    ) -> None:
        _require_strides(strides)
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)


@public("layers.MaxPooling2D")
class MaxPooling2D(pooling.MaxPooling2D, ScopedLayer):
    """The largest value under a window, over images; `pooling.Pooling` has the arguments."""

    def __init__(
        self,
        pool_size: Any,
        strides: Any,
        padding: str = "valid",
        data_format: str = "channels_last",
        name: Any = None,
        **kwargs: Any,
    ) -> None:
        _require_strides(strides)
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)


@public("layers.AveragePooling3D")
class AveragePooling3D(pooling.AveragePooling3D, ScopedLayer):
    """The mean under a window, over volumes; `pooling.Pooling` has the arguments."""

    def __init__(
        self,
        pool_size: Any,
        strides: Any,
        padding: str = "valid",
        data_format: str = "channels_last",
        name: Any = None,
        **kwargs: Any,
    ) -> None:
        _require_strides(strides)
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)


@public("layers.MaxPooling3D")
class MaxPooling3D(pooling.MaxPooling3D, ScopedLayer):
    """The largest value under a window, over volumes; `pooling.Pooling` has the arguments."""

    def __init__(
        self,
        pool_size: Any,
        strides: Any,
        padding: str = "valid",
        data_format: str = "channels_last",
        name: Any = None,
        **kwargs: Any,
    ) -> None:
        _require_strides(strides)
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)


for _cls, _name, _doc in (
    (AveragePooling1D, "average_pooling1d", "The mean under a window, over sequences."),
    (MaxPooling1D, "max_pooling1d", "The largest value under a window, over sequences."),
    (AveragePooling2D, "average_pooling2d", "The mean under a window, over images."),
    (MaxPooling2D, "max_pooling2d", "The largest value under a window, over images."),
    (AveragePooling3D, "average_pooling3d", "The mean under a window, over volumes."),
    (MaxPooling3D, "max_pooling3d", "The largest value under a window, over volumes."),
):
    publish(f"layers.{_name}", layer_function(_name, _cls, _doc, reusable=False))
