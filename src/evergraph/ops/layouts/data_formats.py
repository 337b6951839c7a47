"""Axes and per-axis numbers told in one order, wanted in another."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework.shapes import ShapeError
from evergraph.ops.opdef import kernel_error, op, unchanged_shape


def _checked(src: bytes, dst: bytes) -> tuple[bytes, bytes]:
    for what, given in (("Source", src), ("Destination", dst)):
        if len(given) not in (4, 5):
            raise kernel_error(f"{what} format must be of length 4 or 5, received {given.decode()}")
    if sorted(src) != sorted(dst) or len(set(src)) < len(src):
        raise kernel_error(
            f"Destination and source format must determine a permutation, got {src.decode()} and {dst.decode()}"
        )
    return src, dst


@op("DataFormatDimMap", shape=unchanged_shape, differentiable=False)
def data_format_dim_map(xp: Any, x: Any, *, src_format: bytes, dst_format: bytes) -> Any:
    """Numbers of axes in one format, as those of the same axes in another."""
    src, dst = _checked(src_format, dst_format)
    return xp.asarray(np.array([dst.index(axis) for axis in src], x.dtype))[x % len(src)]


@op("DataFormatVecPermute", differentiable=False)
def data_format_vec_permute(xp: Any, x: Any, *, src_format: bytes, dst_format: bytes) -> Any:
    """One number (or two) for each axis, put in the order of another format."""
    src, dst = _checked(src_format, dst_format)
    if x.ndim not in (1, 2):
        raise kernel_error(f"input must be a vector or 2D tensor, but got shape {list(x.shape)}")
    if x.ndim == 1 and x.shape[0] not in (4, 5):
        raise kernel_error(f"1D input must be of size 4 or 5, but got shape {list(x.shape)}")
    if x.ndim == 2 and x.shape[0] != 4:
        raise kernel_error(f"First dimension of 2D input must be of size 4, but got shape {list(x.shape)}")
    if x.ndim == 2 and x.shape[1] != 2:
        raise kernel_error(f"Second dimension of 2D input must be of size 2, but got shape {list(x.shape)}")
    return x[np.array([src.index(axis) for axis in dst])]


@data_format_vec_permute.shape
def data_format_vec_permute_shape(x: Any) -> Any:
    if x is not None and not 1 <= len(x) <= 2:
        raise ShapeError(f"input must be a vector or 2D tensor, but is of rank {len(x)}")
    return x
