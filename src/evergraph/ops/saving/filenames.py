"""Names of the files of a sharded checkpoint."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework.shapes import Shape, with_rank
from evergraph.ops.opdef import kernel_error, op


def _check_scalar(name: str, x: Any) -> None:
    if np.ndim(x):
        raise kernel_error(f"{name} must be a scalar, got shape {np.shape(x)}")


def _name(basename: Any) -> bytes:
    return np.asarray(basename, object).reshape(-1)[0]


@op("ShardedFilename", host=True, differentiable=False)
def sharded_filename(xp: Any, basename: Any, shard: Any, num_shards: Any) -> np.ndarray:
    """`basename-00001-of-00003`."""
    for name, x in (("basename", basename), ("shard", shard), ("num_shards", num_shards)):
        _check_scalar(name, x)
    return np.array(b"%s-%05d-of-%05d" % (_name(basename), int(shard), int(num_shards)), object)


@sharded_filename.shape
def sharded_filename_shape(basename: Shape, shard: Shape, num_shards: Shape) -> Shape:
    for shape in basename, shard, num_shards:
        with_rank(shape, 0)
    return ()


@op("ShardedFilespec", host=True, differentiable=False)
def sharded_filespec(xp: Any, basename: Any, num_shards: Any) -> np.ndarray:
    """`basename-?????-of-00003`, the pattern that matches all of them."""
    for name, x in (("basename", basename), ("num_shards", num_shards)):
        _check_scalar(name, x)
    return np.array(b"%s-?????-of-%05d" % (_name(basename), int(num_shards)), object)


@sharded_filespec.shape
def sharded_filespec_shape(basename: Shape, num_shards: Shape) -> Shape:
    with_rank(basename, 0)
    with_rank(num_shards, 0)
    return ()
