"""Names of layers: the class's name in snake case, with a number that counts the layers of that name in a graph."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from evergraph.framework.graph import get_default_graph


def snake_case(name: str) -> str:
    """`BatchNormalization` as `batch_normalization`, `Conv2D` as `conv2d`."""
    broken = re.sub("(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    lower = re.sub("([a-z])([A-Z])", r"\1_\2", broken).lower()
    return "private" + lower if lower[0] == "_" else lower


def counts_of_default_graph() -> Any:
    """How many layers of each name the default graph has had."""
    return get_default_graph()._attachments.setdefault("layer names", defaultdict(int))


def unique_object_name(
    name: str, counts: Any = None, avoid_names: Any = None, namespace: str = "", zero_based: bool = False
) -> str:
    """`name` with a number: `dense_1`, `dense_2`, ..., or `dense`, `dense_1`, ... if `zero_based`."""
    counts = counts_of_default_graph() if counts is None else counts
    key = (namespace, name)
    while True:
        if zero_based:
            proposed = f"{name}_{counts[key]}" if counts[key] else name
            counts[key] += 1
        else:
            counts[key] += 1
            proposed = f"{name}_{counts[key]}"
        if not avoid_names or proposed not in avoid_names:
            return proposed
