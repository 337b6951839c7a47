"""GatherTree: the sequences of a beam search, from the ids and parents of its steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.ops.opdef import kernel_error, op


@public("contrib.seq2seq.gather_tree")
@op(
    "GatherTree",
    signature="(step_ids: T, parent_ids: T, max_sequence_lengths: int32, end_token: T) -> (beams: T)"
    ' | T: type in ["int32"]',
    host=True,
    differentiable=False,
    shape=lambda step_ids, parent_ids, max_sequence_lengths, end_token: step_ids,
)
def gather_tree(xp: Any, step_ids: Any, parent_ids: Any, max_sequence_lengths: Any, end_token: Any) -> Any:
    """Follow each final beam back to the first step: `[time, batch, beam]`, `end_token` past each sequence's end."""
    steps, batch, width = step_ids.shape
    beams = np.full(step_ids.shape, end_token, step_ids.dtype)
    rows = np.arange(batch)[:, None]
    last = np.minimum(steps, max_sequence_lengths)[:, None] - 1
    parents = np.broadcast_to(np.arange(width), (batch, width))
    for t in reversed(range(steps)):
        inside = last >= t
        outside = inside & ((parents < 0) | (parents >= width))
        if outside.any():
            i, j = np.argwhere(outside)[0]
            raise kernel_error(f"Saw invalid parent id {parents[i, j]} at (batch, time, beam) == ({i}, {t}, {j})")
        safe = np.where(inside, parents, 0)
        beams[t] = np.where(inside, step_ids[t][rows, safe], end_token)
        parents = np.where(inside, parent_ids[t][rows, safe], parents)
    is_over = np.cumsum(beams == end_token, axis=0) > 0
    return np.where(is_over, end_token, beams).astype(step_ids.dtype)
