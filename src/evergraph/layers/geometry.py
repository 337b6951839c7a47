"""Arguments of layers on images: window sizes, paddings and layouts, and how large outputs are."""

from __future__ import annotations

from typing import Any


def per_dimension(value: Any, n: int, name: str) -> tuple[int, ...]:
    """`value` as a tuple of `n` ints; one int stands for all.

    Raises:
        ValueError: if it is none.
    """
    if isinstance(value, int):
        return (value,) * n
    wrong = f"The `{name}` argument must be a tuple of {n} integers. Received: {value}"
    try:
        values = tuple(value)
    except TypeError:
        raise ValueError(wrong) from None
    if len(values) != n:
        raise ValueError(wrong)
    for single in values:
        try:
            int(single)
        except (ValueError, TypeError):
            raise ValueError(f"{wrong} including element {single} of type {type(single)}") from None
    return values


def checked_padding(value: Any) -> Any:
    """A padding's name in lower case: "valid", "same" or "causal"."""
    if isinstance(value, list | tuple):
        return value
    padding = value.lower()
    if padding not in ("valid", "same", "causal"):
        raise ValueError(
            'The `padding` argument must be a list/tuple or one of "valid", "same" (or "causal", only for `Conv1D). '
            f"Received: {padding}"
        )
    return padding


# Keras may change what None stands for.
default_layout = ["channels_last"]


def checked_layout(value: str | None) -> str:
    """A data format's name in lower case; None stands for the default."""
    layout = (default_layout[0] if value is None else value).lower()
    if layout not in ("channels_first", "channels_last"):
        raise ValueError(
            'The `data_format` argument must be one of "channels_first", "channels_last". Received: ' + str(value)
        )
    return layout


def op_layout(layout: str, rank: int) -> str:
    """The data format as ops call it, as "NHWC"."""
    if layout not in ("channels_first", "channels_last"):
        raise ValueError("Invalid data_format:", layout)
    dimensions = {3: "W", 4: "HW", 5: "DHW"}.get(rank)
    if dimensions is None:
        raise ValueError("Input rank not supported:", rank)
    return f"NC{dimensions}" if layout == "channels_first" else f"N{dimensions}C"


def output_length(length: Any, window: int, padding: str, stride: int, dilation: int = 1) -> Any:
    """How many places a window has along a dimension; None if the length is None."""
    if length is None:
        return None
    spread = window + (window - 1) * (dilation - 1)
    length += {"same": 0, "causal": 0, "valid": 1 - spread, "full": spread - 1}[padding]
    return (length + stride - 1) // stride


def input_length(length: Any, window: int, padding: str, stride: int) -> Any:
    """How long an input is whose output has the given length."""
    if length is None:
        return None
    pad = {"same": window // 2, "valid": 0, "full": window - 1}[padding]
    return (length - 1) * stride - 2 * pad + window


def transposed_length(
    length: Any, window: int, padding: str, output_padding: int | None = None, stride: int = 0, dilation: int = 1
) -> Any:
    """How long the output of a transposed convolution is; `length` may be a tensor."""
    if length is None:
        return None
    spread = window + (window - 1) * (dilation - 1)
    if output_padding is None:
        if padding == "valid":
            return length * stride + max(spread - stride, 0)
        if padding == "full":
            return length * stride - (stride + spread - 2)
        return length * stride
    pad = {"same": spread // 2, "valid": 0, "full": spread - 1}[padding]
    return (length - 1) * stride + spread - 2 * pad + output_padding
