"""`tf.profiler.profile`, `tf.profiler.advise` and `tf.profiler.Profiler`.

    parameters = tf.profiler.profile(
        graph, options=tf.profiler.ProfileOptionBuilder.trainable_variables_parameter()
    ).total_parameters

A report is printed (or written to a file, or neither), and given back as a message. Four reports there are: ops by
their scopes ("scope") or along their inputs ("graph"), one line an op; by their types ("op") or by the lines of the
program that built them ("code"), one line several ops.
"""

from __future__ import annotations

import sys
from typing import Any

from evergraph.formats import files, messages
from evergraph.framework import errors
from evergraph.framework.api import public, publish
from evergraph.framework.graph import get_default_graph
from evergraph.runtime.timeline import Timeline
from evergraph.training.profiler.advice import ALL_ADVICE, advice
from evergraph.training.profiler.group_reports import CodeReport, OpReport
from evergraph.training.profiler.node_reports import GraphReport, ScopeReport
from evergraph.training.profiler.op_log import merge_default_with_oplog
from evergraph.training.profiler.option_builder import ProfileOptionBuilder
from evergraph.training.profiler.pprof import objection, pprof
from evergraph.training.profiler.profile import Profile
from evergraph.training.profiler.profile_message import profile_message
from evergraph.training.profiler.text import Options
from evergraph.training.profiler.tree_timeline import tree_timeline

for _name in ("AdviceProto", "GraphNodeProto", "MultiGraphNodeProto", "OpLogProto"):
    publish(f"profiler.{_name}", getattr(messages, _name))

_REPORTS: dict[str, Any] = {"scope": ScopeReport, "graph": GraphReport, "op": OpReport, "code": CodeReport}
_NO_STREAMS = (
    "\n\nFound accelerator operation but misses accelerator stream stats!\n\n"
    "It's likely a gpu tracing issue rather than tf-profiler issue.\n"
    "If you found your operation missing accelerator time, consider filing a bug to xprof-dev@!\n\n"
)


def _report(of: Profile, command: str, given: dict[str, Any]) -> Any:
    """Make a report, put it where the options say, and give it as a message."""
    options = Options.of(given)
    to_stdout = options.output == "stdout"
    if to_stdout:
        sys.stdout.write("\n=========================Options=============================\n")
        sys.stdout.write(options.text())
        sys.stdout.write("\n==================Model Analysis Report======================\n")
    made = _made(of, command, options)
    if to_stdout:
        sys.stdout.write("\n======================End of Report==========================\n")
        sys.stdout.flush()
    return made


def _made(of: Profile, command: str, options: Options) -> Any:
    empty = messages.GraphNodeProto() if command in ("scope", "graph") else messages.MultiGraphNodeProto()
    if options.step >= 0 and options.step not in of.steps:
        known = "".join(f"{step} " for step in sorted(of.steps))
        sys.stderr.write(f"Options -step={options.step} not found.\nAvailable steps: {known}\n")
        return empty
    if command == "code" and not of.has_traces:
        sys.stderr.write("No code trace information\n")
        return empty
    if options.output == "timeline" and command == "op":
        sys.stderr.write("op view doesn't support timeline yet. Consider graph/scope/code view.\n")
        return empty
    if options.output == "pprof" and (why_not := objection(command, options.select)):
        sys.stderr.write(why_not + "\n")
        return empty
    report = _REPORTS[command](of)
    lines, message = report.made(options)
    whole = f"{_NO_STREAMS if of.misses_stream else ''}{options.explained(command)}Profile:\n{lines}"
    if options.output == "stdout":
        sys.stdout.write(whole)
    elif options.output == "file":
        files.write_file(options.outfile, whole.encode())
    elif options.output == "pprof":
        (selected,) = options.select
        files.write_file(options.outfile, pprof(report, selected, options.step))
        sys.stderr.write(f"\nRun pprof -png --nodecount=100 --sample_index=1 <{options.outfile}>\n")
    elif options.output == "timeline" and command != "graph":
        files.write_file(f"{options.outfile}_{options.step}", tree_timeline(message).encode())
    elif options.output == "timeline":
        for step in sorted(of.steps) if options.step < 0 else [options.step]:
            statistics = messages.StepStats()
            for run in of.steps[step]:
                statistics.MergeFrom(run)
            trace = Timeline(statistics).generate_chrome_trace_format()
            files.write_file(f"{options.outfile}_{step}", trace.encode())
    return message


def _new_profile(graph: Any, op_log: Any, run_meta: Any = None) -> Profile:
    sys.stdout.write("Parsing Inputs...\n")
    return Profile(graph, op_log, run_meta)


@public("profiler.profile")
def profile(graph: Any = None, run_meta: Any = None, op_log: Any = None, cmd: str = "scope", options: Any = 0) -> Any:
    """Report parameters, float operations, times or memory of a graph.

    Args:
        graph: by default the default graph.
        run_meta: a `RunMetadata` of a traced run: times, memory, and shapes that the graph does not know.
        op_log: an `OpLogProto` with types of ops for `account_type_regexes`, and float operations.
        cmd: "scope", "graph", "op" or "code".
        options: a dict, see `ProfileOptionBuilder`; by default the parameters of trainable variables.

    Returns:
        A `GraphNodeProto` for "scope" and "graph", a `MultiGraphNodeProto` for "op" and "code". The numbers of all are
        in the fields `total_parameters`, `total_float_ops`, ...

    Raises:
        InvalidArgumentError: for another `cmd` or output.

    >>> v = tf.get_variable("v", [3, 5])
    >>> options = tf.profiler.ProfileOptionBuilder.trainable_variables_parameter() | {"output": "none"}
    >>> tf.profiler.profile(options=options).total_parameters
    Parsing Inputs...
    15
    """
    if cmd not in _REPORTS:
        raise errors.InvalidArgumentError(None, None, f"unknown cmd: {cmd}\n")
    graph = graph or get_default_graph()
    if options == 0:
        options = ProfileOptionBuilder.trainable_variables_parameter()
    merged = merge_default_with_oplog(graph, op_log, run_meta, add_trace=cmd == "code")
    return _report(_new_profile(graph, merged, run_meta), cmd, options)


@public("profiler.advise")
def advise(graph: Any = None, run_meta: Any = None, options: Any = 0) -> Any:
    """Say what is worth looking at in a graph.

    Args:
        graph: by default the default graph.
        run_meta: a `RunMetadata` of a traced run.
        options: a dict whose keys are the checkers to run; by default all.

    Returns:
        An `AdviceProto`.
    """
    graph = graph or get_default_graph()
    merged = merge_default_with_oplog(graph, None, run_meta, add_trace=True)
    return advice(_new_profile(graph, merged, run_meta), ALL_ADVICE if options == 0 else options or {})


@public("profiler.Profiler")
class Profiler:
    """Reports on several steps.

        profiler = tf.profiler.Profiler(sess.graph)
        profiler.add_step(step, run_metadata)
        profiler.profile_operations(tf.profiler.ProfileOptionBuilder.time_and_memory())

    Args:
        graph: by default the default graph.
        op_log: an `OpLogProto`, see `tf.profiler.profile`.
    """

    def __init__(self, graph: Any = None, op_log: Any = None) -> None:
        self._graph = graph or get_default_graph()
        self._coverage = 0.0
        self._profile = _new_profile(self._graph, merge_default_with_oplog(self._graph, op_log=op_log))

    def add_step(self, step: int, run_meta: Any) -> None:
        """Add what a run was measured to take.

        Args:
            step: its number; runs of the same number are added up.
            run_meta: a `RunMetadata` of a traced run.
        """
        merged = merge_default_with_oplog(self._graph, run_meta=run_meta)
        self._profile.add_step(step, self._graph, run_meta, merged)
        self._coverage = self._profile.coverage

    def profile_python(self, options: dict[str, Any]) -> Any:
        """Report by the lines of the program that built the ops; gives a `MultiGraphNodeProto`."""
        return _report(self._profile, "code", options)

    def profile_operations(self, options: dict[str, Any]) -> Any:
        """Report by types of ops; gives a `MultiGraphNodeProto`."""
        return _report(self._profile, "op", options)

    def profile_name_scope(self, options: dict[str, Any]) -> Any:
        """Report by the scopes of ops; gives a `GraphNodeProto`."""
        return _report(self._profile, "scope", options)

    def profile_graph(self, options: dict[str, Any]) -> Any:
        """Report along the inputs of ops; gives a `GraphNodeProto`."""
        return _report(self._profile, "graph", options)

    def advise(self, options: Any = 0) -> Any:
        """See `tf.profiler.advise`."""
        return advice(self._profile, ALL_ADVICE if options == 0 else options or {})

    def serialize_to_string(self) -> bytes:
        """All that is known, as the bytes of a `ProfileProto`."""
        return profile_message(self._profile).SerializeToString()

    def _write_profile(self, filename: Any) -> None:
        name = filename.decode() if isinstance(filename, bytes) else filename
        files.write_file(name, self.serialize_to_string())
