"""`evergraph run`: unmodified programs, their arguments and exit codes, and what is said when something is missing."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

STORY = """
import tensorflow as tf

foo = tf.Variable(42, name='foo')
initialise = tf.global_variables_initializer()
assign = foo.assign(13)

with tf.Session() as session:
    session.run(initialise)
    session.run(assign)
    print(session.run(foo))

with tf.Session() as session:
    try:
        session.run(foo)
    except tf.errors.FailedPreconditionError as error:
        print(error.message.splitlines()[0])
    session.run(initialise)
    print(session.run(foo))
"""


def evergraph(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "evergraph", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


@pytest.fixture
def program(tmp_path):
    def write(text, name="program.py"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        return str(path)

    return write


def test_the_story_as_a_program(program):
    done = evergraph("run", program(STORY))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["13", "Attempting to use uninitialized value foo", "42"]


def test_a_program_gets_its_arguments_and_its_own_directory(program, tmp_path):
    program("VALUE = 5", "beside.py")
    path = program("import sys, beside\nprint(sys.argv[1:], beside.VALUE, __name__)")
    done = evergraph("run", path, "--rate", "0.1", "-h")
    assert done.stdout == "['--rate', '0.1', '-h'] 5 __main__\n", done.stderr


@pytest.mark.parametrize(
    ("statement", "code"), [("sys.exit(3)", 3), ("sys.exit()", 0), ("sys.exit('no')", 1), ("1/0", 1)]
)
def test_the_exit_code_is_the_programs(program, statement, code):
    assert evergraph("run", program(f"import sys\n{statement}")).returncode == code


def test_names_that_numpy_dropped_are_there(program):
    path = program(
        """
        import numpy as np
        import tensorflow as tf

        x = tf.placeholder(np.float, [None])
        with tf.Session() as session:
            print(session.run(x + 1.0, {x: np.asfarray([1, 2])}), np.array([1.5], np.int), np.NaN, np.product([2, 3]))
        """
    )
    done = evergraph("run", path)
    assert done.stdout == "[2. 3.] [1] nan 6\n", done.stderr


def test_a_module_runs_by_name(program, tmp_path):
    program("import tensorflow as tf; print(tf.__version__)", "mine.py")
    assert evergraph("run", "-m", "mine", cwd=tmp_path).stdout == "1.15.5\n"


def test_names_of_all_kinds_resolve(program):
    done = evergraph("run", program("""
        import tensorflow.compat.v1 as v1
        import tensorflow as tf
        from tensorflow.python.framework import dtypes, ops
        from tensorflow.python.ops import array_ops, math_ops
        from tensorflow.core.framework import graph_pb2
        assert v1.Session is tf.Session and ops.Graph is tf.Graph and dtypes.float32 is tf.float32
        assert isinstance(tf.get_default_graph().as_graph_def(), graph_pb2.GraphDef)
        assert array_ops.reshape is tf.reshape and math_ops.reduce_sum is tf.reduce_sum
    """))  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_missing_name_is_named_with_the_programs_line(program):
    done = evergraph("run", program("import tensorflow as tf\n\ntf.estimator.Estimator(None)\n"))
    assert done.returncode == 1
    assert "line 3" in done.stderr
    assert "tf.estimator.Estimator" in done.stderr
    assert "site-packages/evergraph" not in done.stderr and "src/evergraph" not in done.stderr


def test_all_that_is_missing_is_listed_at_once(program):
    done = evergraph("run", program("""
        import tensorflow as tf
        from tensorflow.python.ops import array_ops
        def later():
            tf.estimator.Estimator()
            return tf.nn.relu(array_ops.no_such_function())
        tf.estimator.RunConfig
        tf.contrib.tpu.CrossShardOptimizer
    """))  # fmt: skip
    assert done.returncode == 1
    listed = done.stderr.splitlines()[-5:]
    assert "Not there:" in listed[0]
    assert [line.strip() for line in listed[1:]] == [
        "line 5: tf.estimator.Estimator",
        "line 6: tf.python.ops.array_ops.no_such_function",
        "line 7: tf.estimator.RunConfig",
        "line 8: tf.contrib.tpu.CrossShardOptimizer",
    ]


def test_our_frames_are_shown_when_asked_for(program):
    path = program("import tensorflow as tf\ntf.matmul(tf.zeros([2, 3]), tf.zeros([2, 3]))")
    done = evergraph("run", path, env={**os.environ, "EVERGRAPH_FULL_TRACEBACK": "1"})
    assert "opdef.py" in done.stderr


def test_the_program_is_main_for_its_threads_and_exit_handlers(program):
    done = evergraph("run", program("""
        import atexit, sys, threading, time
        value = 5
        atexit.register(lambda: print("end", sys.modules["__main__"].value))
        threading.Thread(target=lambda: (time.sleep(0.05), print(value))).start()
    """))  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "5\nend 5\n"), done.stderr


def test_an_error_behind_an_error_keeps_the_programs_frames(program):
    done = evergraph("run", program("""
        try:
            {}["a"]
        except KeyError as error:
            raise ValueError("outer") from error
    """))  # fmt: skip
    assert "KeyError: 'a'" in done.stderr and "direct cause" in done.stderr and "ValueError: outer" in done.stderr


def test_python_2_is_recognised(program):
    done = evergraph("run", program("print 'hello'\n"))
    assert done.returncode == 1
    assert "Python 2" in done.stderr


def test_an_error_shows_the_users_line_and_none_of_ours(program):
    done = evergraph("run", program("""
        import tensorflow as tf
        x = tf.placeholder(tf.float32, [2, 3])
        tf.matmul(x, x)
    """))  # fmt: skip
    assert done.returncode == 1
    assert "tf.matmul(x, x)" in done.stderr
    assert "Dimensions must be equal, but are 3 and 2" in done.stderr
    assert "opdef.py" not in done.stderr


def test_no_program_and_no_file_are_usage_errors():
    assert evergraph("run").returncode == 2
    done = evergraph("run", "nowhere.py")
    assert done.returncode == 2
    assert "nowhere.py" in done.stderr


def test_version_as_json():
    found = json.loads(evergraph("version", "--json").stdout)
    assert {"evergraph", "jax", "numpy"} <= set(found)
