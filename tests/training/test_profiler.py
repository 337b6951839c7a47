"""Reports of `tf.profiler` are TensorFlow's, word for word."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from training import cases_profiler as cases

import evergraph as tf
from evergraph.formats import messages, varint

RECORDINGS = Path(__file__).parent / "recordings"
RECORDED = json.loads((RECORDINGS / "profiles.json").read_text())
BUILDER = tf.profiler.ProfileOptionBuilder


@pytest.fixture(scope="module")
def recorded_run():
    return tf.RunMetadata.FromString((RECORDINGS / "profiled_run.binpb").read_bytes())


@pytest.mark.parametrize("name", sorted(cases.CASES))
def test_reports_are_tensorflows(name, recorded_run, tmp_path):
    found = cases.run(tf, name, recorded_run, str(tmp_path / "report"))
    assert found["text"].splitlines() == RECORDED[name]["text"].splitlines()
    assert found["text"] == RECORDED[name]["text"]
    assert found["numbers"] == RECORDED[name]["numbers"]
    assert found["message"] == RECORDED[name]["message"]


@pytest.fixture
def small():
    """A graph, and what a traced run of it took."""
    with tf.Graph().as_default() as graph, tf.Session() as session:
        x = tf.placeholder_with_default(np.ones([16, 8], np.float32), [None, 8], name="x")
        w = tf.get_variable("w", [8, 4])
        y = tf.matmul(x, w, name="y")
        session.run(tf.global_variables_initializer())
        metadata = tf.RunMetadata()
        session.run(y, None, tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), metadata)
        yield graph, metadata


def test_the_default_prints_the_parameters(small, capsys):
    found = tf.profiler.profile(small[0])
    printed = capsys.readouterr().out
    assert found.total_parameters == 32
    assert printed.startswith("Parsing Inputs...\n\n=========================Options====")
    assert "\n_TFProfRoot (--/32 params)\n  w (8x4, 32/32 params)\n" in printed
    assert printed.endswith("\n======================End of Report==========================\n")


def test_a_run_completes_shapes_and_gives_times_and_memory(small, capsys):
    graph, metadata = small
    options = BUILDER(BUILDER.float_operation()).with_empty_output().build()
    assert tf.profiler.profile(graph, options=options).total_float_ops == 65  # the initial value's
    assert "1 ops no flops stats due to incomplete shapes.\n" in capsys.readouterr().err
    options = BUILDER(BUILDER.time_and_memory()).with_empty_output().select(["micros", "bytes", "float_ops"]).build()
    root = tf.profiler.profile(graph, metadata, cmd="op", options=options)
    (matmul,) = [node for node in root.children if node.name == "MatMul"]
    assert matmul.exec_micros > 0
    assert matmul.requested_bytes == 16 * 4 * 4
    assert matmul.float_ops == 2 * 8 * 16 * 4


def test_an_op_log_gives_types_and_float_operations(small):
    log = tf.profiler.OpLogProto()
    log.log_entries.add(name="y", types=["ours"], float_ops=7)
    options = BUILDER(BUILDER.float_operation()).with_empty_output().with_accounted_types(["ours"]).build()
    assert tf.profiler.profile(small[0], op_log=log, options=options).total_float_ops == 7


def test_a_profiler_keeps_steps_apart(small, tmp_path, capsys):
    graph, metadata = small
    profiler = tf.profiler.Profiler(graph)
    options = BUILDER(BUILDER.time_and_memory(min_micros=0, min_bytes=0)).with_empty_output()
    assert profiler.profile_operations(options.build()).total_exec_micros == 0
    profiler.add_step(3, metadata)
    profiler.add_step(5, metadata)
    profiler.add_step(5, metadata)
    once = profiler.profile_operations(options.with_step(3).build()).total_exec_micros
    twice = profiler.profile_operations(options.with_step(5).build()).total_exec_micros
    assert once > 0
    assert twice == 2 * once
    assert profiler.profile_name_scope(options.with_step(-1).build()).total_requested_bytes == 384
    assert profiler.profile_graph(options.build()).name == "_TFProfRoot"
    profiler.profile_operations(options.with_step(4).build())
    assert "Options -step=4 not found.\nAvailable steps: 3 5 \n" in capsys.readouterr().err
    profile = messages.ProfileProto.FromString(profiler.serialize_to_string())
    by_name = {node.name: node for node in profile.nodes.values()}
    assert list(profile.steps) == [3, 5]
    assert by_name["y"].execs[5].run_count == 2
    assert list(by_name["w"].shape) == [8, 4]
    assert by_name["y"].inputs[0] == by_name["x"].id


def test_code_reports_name_the_lines_of_the_program(small):
    options = BUILDER(BUILDER.trainable_variables_parameter()).with_empty_output()
    options.with_node_names(show_name_regexes=[".*test_profiler.py.*"])
    found = tf.profiler.profile(small[0], cmd="code", options=options.build())
    assert found.total_parameters == 32
    (line,) = found.children
    while line.children:
        (line,) = line.children
    assert line.name.startswith("test_profiler.py:")
    assert line.name.endswith(":small")
    assert [node.name for node in line.graph_nodes] == ["w"]


def test_a_timeline_is_written_for_each_step(small, tmp_path):
    graph, metadata = small
    options = BUILDER(BUILDER.time_and_memory()).with_timeline_output(str(tmp_path / "line")).build()
    tf.profiler.profile(graph, metadata, cmd="graph", options=options)
    events = json.loads((tmp_path / "line_0").read_text())["traceEvents"]
    assert "MatMul" in [event["name"] for event in events]


def test_timeline_of_scopes_is_tensorflows(tmp_path):
    """Names, durations and starts, as TensorFlow 1.15 writes them for the recorded run."""
    metadata = tf.RunMetadata.FromString((RECORDINGS / "profiled_run.binpb").read_bytes())
    with tf.Graph().as_default() as graph:
        cases.model(tf)
        options = BUILDER(BUILDER.time_and_memory()).with_max_depth(2).with_timeline_output(str(tmp_path / "t")).build()
        tf.profiler.profile(graph, metadata, cmd="scope", options=options)
    text = (tmp_path / "t_-1").read_text()
    assert text.startswith(
        '{"traceEvents":[{"args":{"name":"Scope:0"},"name":"process_name","ph":"M","pid":0},'
        '{"args":{"name":"_TFProfRoot","op":"_TFProfRoot"},"cat":"Op","dur":13,"name":"_TFProfRoot","ph":"X","pid":0,'
    )
    events = [e for e in json.loads(text)["traceEvents"] if e["ph"] == "X"]
    found = [(e["name"], e["dur"], e["ts"], e["pid"]) for e in events]
    assert found == [("_TFProfRoot", 13, 0, 0), ("sub", 12, 0, 1), ("GradientDescent", 1, 12, 1)]


def test_timeline_of_types_of_ops_is_not_there(small, tmp_path, capsys):
    options = BUILDER(BUILDER.time_and_memory()).with_timeline_output(str(tmp_path / "t")).build()
    assert tf.profiler.profile(*small, cmd="op", options=options).total_exec_micros == 0
    assert "op view doesn't support timeline yet" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def fields(data):
    """The fields of a message: numbers and bytes by the field's number."""
    found, at = {}, 0
    while at < len(data):
        tag, at = varint.decoded(data, at)
        value, at = varint.decoded(data, at)
        if tag & 7 == 2:
            value, at = data[at : at + value], at + value
        found.setdefault(tag >> 3, []).append(value)
    return found


def numbers(data):
    found, at = [], 0
    while at < len(data):
        value, at = varint.decoded(data, at)
        found.append(value)
    return found


def test_lines_are_written_for_pprof(small, tmp_path, capsys):
    options = {"max_depth": 1000, "select": ["float_ops"], "account_type_regexes": [".*"], "start_name_regexes": [".*"],
               "show_name_regexes": [".*"], "output": f"pprof:outfile={tmp_path / 'a'}"}  # fmt: skip
    whole = tf.profiler.profile(small[0], run_meta=small[1], cmd="code", options=options)
    assert f"<{tmp_path / 'a'}>" in capsys.readouterr().err
    found = fields(gzip.decompress((tmp_path / "a").read_bytes()))
    strings = [text.decode() for text in found[6]]
    kinds = [tuple(strings[n] for (n,) in fields(kind).values()) for kind in found[1]]
    assert kinds == [("count", "count"), ("float_ops", "count")]
    assert [strings[n] for n in numbers(found[13][0])] == ["Model float operations (Only available if defined)."]
    functions = {fields(f)[1][0]: fields(f) for f in found[5]}
    places = {}
    for message in map(fields, found[4]):
        line = fields(message[4][0])
        function = functions[line[1][0]]
        places[message[1][0]] = strings[function[4][0]], strings[function[2][0]], line[2][0]
    samples = {}
    for message in map(fields, found[2]):
        key, name = (strings[n] for (n,) in fields(message[3][0]).values())
        assert key == "graph node:"
        samples[name] = numbers(message[2][0]), [places[n] for n in numbers(message[1][0])]
    assert samples["y"][0] == [1, 1024]
    assert any(file == __file__ and function == "test_profiler:small" for file, function, _ in samples["y"][1])
    assert sum(values[1] for values, _ in samples.values()) == whole.total_float_ops
    assert list(samples) == sorted(samples)


def test_functions_without_a_known_start_have_none_in_a_file_for_pprof(tmp_path):
    with tf.Graph().as_default() as graph:
        tf.constant(1.0, name="c")
        log = tf.profiler.OpLogProto()
        entry = log.log_entries.add(name="c", float_ops=3)
        log.id_to_string[1] = "program.py"
        entry.code_def.traces.add(file_id=1, function_id=1, line_id=1, lineno=5, func_start_line=-1)
        options = {"max_depth": 9, "select": ["float_ops"], "account_type_regexes": [".*"],
                   "start_name_regexes": [".*"], "show_name_regexes": [".*"],
                   "output": f"pprof:outfile={tmp_path / 'a'}"}  # fmt: skip
        tf.profiler.profile(graph, op_log=log, cmd="code", options=options)
    (function,) = fields(gzip.decompress((tmp_path / "a").read_bytes()))[5]
    assert fields(function)[5] == [2**64 - 1]


def test_pprof_takes_lines_and_one_attribute(small, tmp_path, capsys):
    for cmd, select, text in (
        ("scope", ["micros"], "Only 'code' view supports pprof output now."),
        ("code", ["micros", "bytes"], "Can only select 1 attribute for pprof output."),
        ("code", ["device"], "pprof doesn't support -select=device"),
    ):
        options = {"max_depth": 9, "select": select, "output": f"pprof:outfile={tmp_path / 'a'}"}
        tf.profiler.profile(small[0], cmd=cmd, options=options)
        assert text in capsys.readouterr().err
        assert not (tmp_path / "a").exists()


def test_advice_names_what_takes_the_time(small, capsys):
    graph, metadata = small
    found = tf.profiler.advise(graph, metadata)
    assert set(found.checkers) == {
        "AcceleratorUtilizationChecker", "ExpensiveOperationChecker", "OperationChecker",
    }  # fmt: skip
    assert "top 1 operation type: " in found.checkers["ExpensiveOperationChecker"].reports[0]
    assert "\nExpensiveOperationChecker:\ntop 1 operation type: " in capsys.readouterr().out
    with tf.Graph().as_default() as slow:
        tf.zeros([2], name="BatchNorm/zeros")
        advice = tf.profiler.advise(slow, options={"OperationChecker": {}})
    assert list(advice.checkers["OperationChecker"].reports) == ["Maybe use faster FusedBatchNorm instead of BatchNorm"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="unknown checkers Luck"):
        tf.profiler.advise(graph, options={"Luck": {}})


def test_the_op_log_is_written(small, tmp_path):
    tf.profiler.write_op_log(small[0], str(tmp_path), run_meta=small[1])
    log = tf.profiler.OpLogProto.FromString((tmp_path / "tfprof_log").read_bytes())
    entries = {entry.name: entry for entry in log.log_entries}
    assert entries["y"].float_ops == 1024
    assert list(entries["w"].types) == ["_trainable_variables"]
    files = {log.id_to_string[trace.file_id] for trace in entries["y"].code_def.traces}
    assert __file__ in files


@pytest.mark.parametrize(
    ("output", "error", "message"),
    [
        ("screen", tf.errors.InvalidArgumentError, "Unknown output type: screen, Valid types: file,none,pprof"),
        ("file", tf.errors.InvalidArgumentError, "Missing required output_options for file"),
        ("file:name=a", tf.errors.InvalidArgumentError, "Unrecognized options name for output_type: file"),
        ("pprof", tf.errors.InvalidArgumentError, "Missing required output_options for pprof"),
    ],
)
def test_outputs_that_there_are_not(small, output, error, message):
    options = BUILDER.float_operation() | {"output": output}
    with pytest.raises(error, match=message):
        tf.profiler.profile(small[0], options=options)
    with pytest.raises(tf.errors.InvalidArgumentError, match="unknown cmd: lines"):
        tf.profiler.profile(small[0], cmd="lines")
    wrong = BUILDER().with_node_names(show_name_regexes=["(a"]).build()
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"show_name_regexes has '\(a', which is no regular"):
        tf.profiler.profile(small[0], options=wrong)


def test_statistics_can_be_registered():
    from evergraph.training.profiler import statistics

    with tf.Graph().as_default() as graph:
        op = tf.identity(tf.zeros([3]), name="same").op

        @statistics.RegisterStatistics("Identity", "test_statistic")
        def three(graph, node):
            return statistics.OpStats("test_statistic", 3)

        found = statistics.get_stats_for_node_def(graph, op.node_def, "test_statistic")
        found += statistics.OpStats("test_statistic", 4)
        assert found.value == 7
        assert statistics.get_stats_for_node_def(graph, op.node_def, "flops").value is None
        with pytest.raises(KeyError, match="registered already"):
            statistics.RegisterStatistics("Identity", "test_statistic")(three)
        with pytest.raises(ValueError, match="Can't add"):
            found += statistics.OpStats("flops", 1)
        with pytest.raises(TypeError, match="comma"):
            statistics.RegisterStatistics("a,b", "flops")


def test_equal_numbers_are_ordered_as_by_the_cpp_library():
    from evergraph.training.profiler.order import _heap_sort, _sort

    rng = np.random.RandomState(0)
    for size in (0, 1, 15, 16, 17, 40, 300, 1000):
        items = [(int(key), i) for i, key in enumerate(rng.randint(0, 9, size))]
        by_heap = list(items)
        _sort(items, lambda a, b: a[0] < b[0])
        if by_heap:
            _heap_sort(by_heap, 0, len(by_heap), lambda a, b: a[0] < b[0])
        for found in (items, by_heap):
            assert [key for key, _ in found] == sorted(key for key, _ in found)
            assert sorted(i for _, i in found) == list(range(size))
        if size <= 16:
            assert items == sorted(items)


def test_a_context_traces_chosen_runs(tmp_path):
    with tf.Graph().as_default() as graph, tf.Session() as session:
        y = tf.exp(tf.get_variable("v", [4]))
        session.run(tf.global_variables_initializer())
        options = BUILDER(BUILDER.time_and_memory(min_micros=0, min_bytes=0)).with_empty_output().build()
        with tf.contrib.tfprof.ProfileContext(str(tmp_path), trace_steps=[1], dump_steps=[2]) as context:
            context.add_auto_profiling("op", options, [1, 3])
            for _ in range(5):
                session.run(y)
            with pytest.raises(tf.errors.InternalError, match="Already in context"):
                tf.contrib.tfprof.ProfileContext(str(tmp_path)).__enter__()
        session.run(y)
        assert sorted(context.get_profiles("op")) == [1, 3]
        assert context.get_profiles("op")[3].total_exec_micros > 0
        with pytest.raises(ValueError, match="No autoprofiler for command: scope"):
            context.get_profiles("scope")
        assert [path.name for path in tmp_path.iterdir()] == ["profile_2"]
        profile = messages.ProfileProto.FromString((tmp_path / "profile_2").read_bytes())
        assert list(profile.steps) == [1]
        assert graph is context.profiler._graph
    with pytest.raises(ValueError, match="Must have a directory"):
        tf.contrib.tfprof.ProfileContext("")
    with pytest.raises(ValueError, match="up to 100 steps"):
        tf.contrib.tfprof.ProfileContext("x", trace_steps=range(101))
    assert tf.contrib.tfprof.ProfileContext("", enabled=False).profiler is None


def test_a_deep_graph_is_no_problem():
    with tf.Graph().as_default() as graph:
        x = tf.zeros([2])
        for _ in range(3000):
            x = tf.identity(x)
        options = BUILDER().with_max_depth(10**6).with_empty_output().build()
        assert tf.profiler.profile(graph, cmd="graph", options=options).total_definition_count == 3001


def test_old_names():
    analyzer = tf.contrib.tfprof.model_analyzer
    with tf.Graph().as_default() as graph:
        tf.get_variable("v", [3, 5])
        options = analyzer.TRAINABLE_VARS_PARAMS_STAT_OPTIONS | {"output": "none"}
        assert analyzer.print_model_analysis(graph, tfprof_options=options).total_parameters == 15
