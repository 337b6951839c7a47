"""`tf.contrib.tfprof`: the names that `tf.profiler` had before."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public, publish
from evergraph.training.profiler.advice import ALL_ADVICE
from evergraph.training.profiler.op_log import write_op_log
from evergraph.training.profiler.option_builder import ProfileOptionBuilder
from evergraph.training.profiler.profiler import Profiler, advise, profile

_OLD: dict[str, Any] = {"dump_to_file": ""}
_ALL: dict[str, Any] = {
    "TRAINABLE_VARS_PARAMS_STAT_OPTIONS": ProfileOptionBuilder.trainable_variables_parameter() | _OLD,
    "FLOAT_OPS_OPTIONS": ProfileOptionBuilder.float_operation() | _OLD,
    "PRINT_ALL_TIMING_MEMORY": ProfileOptionBuilder.time_and_memory() | _OLD | {"order_by": "name"},
    "ALL_ADVICE": ALL_ADVICE,
    "Profiler": Profiler,
}
for _name, _thing in _ALL.items():
    publish(f"contrib.tfprof.model_analyzer.{_name}", _thing)
publish("contrib.tfprof.tfprof_logger.write_op_log", write_op_log)


@public("contrib.tfprof.model_analyzer.print_model_analysis")
def print_model_analysis(
    graph: Any, run_meta: Any = None, op_log: Any = None, tfprof_cmd: str = "scope", tfprof_options: Any = 0
) -> Any:
    """`tf.profiler.profile` under its old name."""
    return profile(graph, run_meta, op_log, tfprof_cmd, tfprof_options)


@public("contrib.tfprof.model_analyzer.advise")
def advise_(graph: Any, run_meta: Any = None, tfprof_options: Any = 0) -> Any:
    """`tf.profiler.advise` under its old name."""
    return advise(graph, run_meta, tfprof_options)
