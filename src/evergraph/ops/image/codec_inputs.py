"""What the image codecs share: which format the bytes are in, and where the optional libraries come from."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from evergraph.framework import errors
from evergraph.framework.shapes import ShapeError, with_rank
from evergraph.ops.opdef import kernel_error

JPEG, PNG, GIF = "JPEG", "PNG", "GIF"

_MAGIC = ((b"\xff\xd8\xff", JPEG), (b"\x89PNG\r\n\x1a\n", PNG), (b"GIF8", GIF))


def scalar_bytes(contents: Any) -> bytes:
    """The one string of a string array."""
    if np.ndim(contents):
        raise kernel_error(f"contents must be scalar, got shape {list(np.shape(contents))}")
    value = np.asarray(contents, dtype=object).item()
    return value if isinstance(value, bytes) else bytes(value)


def image_format(data: bytes) -> str:
    """Which of JPEG, PNG and GIF the bytes are."""
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    seen = f"unknown format starting with {data[:16]!r}" if data else "empty file"
    raise kernel_error(f"Expected image (JPEG, PNG, or GIF), got {seen}")


def library(name: str, what_for: str) -> ModuleType:
    """An optional library of the extra `image`."""
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        package = "pillow" if name.startswith("PIL") else name
        raise kernel_error(
            f"{what_for} needs the package {package}, which is not installed: pip install 'evergraph[image]'",
            errors.UnimplementedError,
        ) from None


def decoded_shape(contents: Any, *, channels: int) -> Any:
    """The static shape of one decoded image."""
    with_rank(contents, 0)
    if channels < 0:
        raise ShapeError(f"channels must be non-negative, got {channels}")
    return (None, None, channels or None)


def encoded_shape(image: Any, *_: Any) -> Any:
    """The static shape of one encoded image: a string."""
    with_rank(image, 3)
    return ()
