"""The global step as hooks read it, and how many steps one run takes."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import GraphKeys
from evergraph.framework.tensor import Tensor
from evergraph.ops.initializers import Ones
from evergraph.ops.variable_scope import get_variable, variable_scope
from evergraph.ops.variable_store import AUTO_REUSE
from evergraph.training.global_step import read_global_step

STEPS_PER_RUN = "hooks_steps_per_run"


def step_tensor(hook: str) -> Tensor:
    """The value of the global step; a hook that needs it says its name.

    Raises:
        RuntimeError: if the graph has no global step.
    """
    step = read_global_step()
    if step is None:
        raise RuntimeError(f"Global step should be created to use {hook}.")
    return step


def get_or_create_steps_per_run_variable() -> Any:
    """The graph's variable that holds how many steps a loop inside of one run takes.

    Raises:
        RuntimeError: if there is more than one.
    """
    found = get_default_graph().get_collection(STEPS_PER_RUN)
    if len(found) > 1:
        raise RuntimeError("Multiple steps_per_run_var in collection.")
    if found:
        return found[0]
    with variable_scope("hooks", reuse=AUTO_REUSE):
        return get_variable(
            "steps_per_run",
            initializer=Ones(),
            shape=[],
            dtype=dtypes.int32,
            trainable=False,
            collections=[STEPS_PER_RUN, GraphKeys.LOCAL_VARIABLES],
            use_resource=True,
        )
