"""`tf.timestamp`."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.ops.opdef import op


@public("timestamp")
@op("Timestamp", host=True, differentiable=False, shape=lambda: ())
def timestamp(xp: Any) -> Any:
    """When the op runs: seconds since 1970, float64."""
    return np.float64(time.time())
