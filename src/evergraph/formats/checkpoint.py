"""A checkpoint of either format."""

from __future__ import annotations

import os
from typing import TypeAlias

from evergraph.formats.bundle import PENDING, BundleReader, index_name
from evergraph.formats.checkpoint_v1 import CheckpointV1Reader
from evergraph.formats.files import local

CheckpointReader: TypeAlias = BundleReader | CheckpointV1Reader


def open_checkpoint(prefix: str) -> CheckpointReader:
    """Open the checkpoint `prefix`: `model.ckpt-7`, or a pattern of files for a sharded one of the older format.

    Raises:
        NotFoundError: if there is none.
        DataLossError: for a damaged index.
    """
    prefix = local(prefix)
    index = index_name(prefix)
    if os.path.exists(index) or os.path.exists(index + PENDING):
        return BundleReader(prefix)
    return CheckpointV1Reader(prefix)
