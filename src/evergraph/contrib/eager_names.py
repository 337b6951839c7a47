"""`tf.contrib.eager` as programs of graphs use it: in libraries that are written for both ways of execution."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public, publish
from evergraph.ops.functions.traced_function import function
from evergraph.ops.resource_variable import ResourceVariable
from evergraph.runtime.devices import gpu_count
from evergraph.training.tracking.checkpoint import Checkpoint

publish("contrib.eager.Variable", ResourceVariable)
publish("contrib.eager.Checkpoint", Checkpoint)


@public("contrib.eager.executing_eagerly", "contrib.eager.in_eager_mode")
def executing_eagerly() -> bool:
    """Whether ops run as they are called: never."""
    return False


@public("contrib.eager.num_gpus")
def num_gpus() -> int:
    """How many GPUs there are."""
    return gpu_count()


@public("contrib.eager.defun")
def defun(func: Any = None, input_signature: Any = None, autograph: bool = True, **options: Any) -> Any:
    """`tf.function` under its former name."""
    return function(func, input_signature=input_signature, autograph=autograph)
