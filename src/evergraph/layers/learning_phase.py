"""Whether Keras's layers behave as in training: a scalar that the program feeds, or a number it has set."""

from __future__ import annotations

from typing import Any

from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import init_scope, name_scope
from evergraph.ops.identity import placeholder_with_default


def learning_phase() -> Any:
    """The default graph's learning phase: what `set_learning_phase` gave it, else a bool placeholder that is False."""
    kept = get_default_graph()._attachments
    if "learning phase" not in kept:
        with init_scope(), name_scope(""):
            kept["learning phase"] = placeholder_with_default(False, shape=(), name="keras_learning_phase")
    return kept["learning phase"]


def set_learning_phase(value: int) -> None:
    """Fix the default graph's learning phase to 0 or 1.

    Raises:
        ValueError: for any other value.
    """
    if value not in (0, 1):
        raise ValueError("Expected learning phase to be 0 or 1.")
    get_default_graph()._attachments["learning phase"] = value
