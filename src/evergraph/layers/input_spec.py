"""What a layer asks of its inputs: rank, sizes of some axes, type."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes, nest
from evergraph.framework.api import public


@public("layers.InputSpec")
class InputSpec:
    """Constraints on one input of a layer.

    Args:
        dtype: its type.
        shape: its shape, with None for sizes that may be any.
        ndim: its rank.
        max_ndim: the largest rank allowed.
        min_ndim: the least rank allowed.
        axes: axis to the size it must have.
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Any = None,
    ) -> None:
        self.dtype = None if dtype is None else dtypes.as_dtype(dtype).name
        self.ndim = ndim if shape is None else len(shape)
        self.shape = shape
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        try:
            self.axes = {int(axis): size for axis, size in (axes or {}).items()}
        except (ValueError, TypeError, AttributeError):
            raise TypeError("The keys in axes must be integers.") from None
        if self.axes and (self.ndim is not None or max_ndim is not None):
            largest = (self.ndim or max_ndim or 0) - 1
            if max(self.axes) > largest:
                raise ValueError(f"Axis {max(self.axes)} is greater than the maximum allowed value: {largest}")

    def __repr__(self) -> str:
        parts = ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes")
        return f"InputSpec({', '.join(f'{part}={getattr(self, part)}' for part in parts if getattr(self, part))})"

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments that make this again."""
        return {
            "dtype": self.dtype,
            "shape": self.shape,
            "ndim": self.ndim,
            "max_ndim": self.max_ndim,
            "min_ndim": self.min_ndim,
            "axes": self.axes,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InputSpec:
        return cls(**config)


def check_inputs(input_spec: Any, inputs: Any, layer_name: str) -> None:
    """Raise ValueError unless `inputs` are what `input_spec` asks for."""
    if not input_spec:
        return
    tensors, specs = nest.flatten(inputs), nest.flatten(input_spec)
    if len(tensors) != len(specs):
        raise ValueError(
            f"Layer {layer_name} expects {len(specs)} inputs, but it received {len(tensors)} input tensors. "
            f"Inputs received: {tensors}"
        )
    for i, (x, spec) in enumerate(zip(tensors, specs, strict=True)):
        if spec is not None:
            problem = _problem(x, spec)
            if problem:
                raise ValueError(f"Input {i} of layer {layer_name} is incompatible with the layer: {problem}")


def _problem(x: Any, spec: InputSpec) -> str | None:
    rank = x.shape.rank
    if rank is None:
        if spec.ndim is None and spec.min_ndim is None and spec.max_ndim is None:
            return _wrong_type(x, spec)
        return "its rank is undefined, but the layer requires a defined rank."
    sizes = x.shape.as_list()
    if spec.ndim is not None and rank != spec.ndim:
        return f"expected ndim={spec.ndim}, found ndim={rank}. Full shape received: {sizes}"
    if spec.max_ndim is not None and rank > spec.max_ndim:
        return f"expected max_ndim={spec.max_ndim}, found ndim={rank}"
    if spec.min_ndim is not None and rank < spec.min_ndim:
        return f": expected min_ndim={spec.min_ndim}, found ndim={rank}. Full shape received: {sizes}"
    wrong = _wrong_type(x, spec)
    if wrong:
        return wrong
    for axis, size in spec.axes.items():
        size = getattr(size, "value", size)
        if size is not None and sizes[axis] not in (size, None):
            return f"expected axis {axis} of input shape to have value {size} but received input with shape {sizes}"
    if spec.shape is not None:
        for wanted, found in zip(spec.shape, sizes, strict=True):
            if wanted is not None and found is not None and wanted != found:
                return f"expected shape={spec.shape}, found shape={x.shape}"
    return None


def _wrong_type(x: Any, spec: InputSpec) -> str | None:
    if spec.dtype is not None and x.dtype != spec.dtype:
        return f"expected dtype={spec.dtype}, found dtype={x.dtype}"
    return None
