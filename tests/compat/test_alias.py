"""`import tensorflow` gives Evergraph, in a process of its own for each way to install it."""

import subprocess
import sys
import textwrap

import pytest

from evergraph.compat import internal_names


def run(program, *options):
    program = "from evergraph.compat import alias\nalias.install()\n" + textwrap.dedent(program)
    done = subprocess.run(
        [sys.executable, *options, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


FORMS = ["import tensorflow as tf", "import tensorflow.compat.v1 as tf", "from tensorflow.compat import v1 as tf"]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_import_gives_the_same_module(form):
    output = run(f"""
        {form}
        import tensorflow, evergraph
        assert tf is tensorflow and tf.compat.v1 is tensorflow and tf.compat.v1.compat.v1 is tensorflow
        assert tf.Session is evergraph.Session and tf.nn is evergraph.nn
        tf.disable_v2_behavior()
        print(tf.__version__, tf.VERSION, tf.Session().run(tf.constant(2) + 3))
    """)
    assert output == "1.15.5 1.15.5 5\n"


def test_namespaces_can_be_imported():
    run("""
        import tensorflow.nn as nn
        from tensorflow.train import AdamOptimizer
        from tensorflow import flags, Session, errors
        import tensorflow as tf
        assert nn is tf.nn and AdamOptimizer is tf.train.AdamOptimizer and flags is tf.flags and errors is tf.errors
    """)


def test_modules_inside_contrib_packages():
    run("""
        import tensorflow as tf
        from tensorflow.contrib.opt.python.training.sign_decay import get_linear_decay_fn
        from tensorflow.contrib.opt.python.training.matrix_functions import matrix_square_root
        from tensorflow.contrib.opt.python.training import weight_decay_optimizers
        from tensorflow.contrib.summary import summary
        import tensorflow.contrib.summary.summary as again
        from tensorflow.python.profiler.model_analyzer import ALL_ADVICE, profile
        from tensorflow.python.framework.ops import RegisterStatistics
        from tensorflow.contrib.tfprof import model_analyzer
        assert weight_decay_optimizers.AdamWOptimizer is tf.contrib.opt.AdamWOptimizer
        assert summary is again is tf.contrib.summary
        assert profile is tf.profiler.profile and model_analyzer.ALL_ADVICE is ALL_ADVICE
    """)


def test_internal_modules_give_public_things():
    run("""
        import tensorflow as tf
        from tensorflow.python.framework import dtypes, graph_util, ops, tensor_shape
        from tensorflow.python.framework.ops import convert_to_tensor
        from tensorflow.python.ops import array_ops, gradients_impl, init_ops, math_ops, nn_ops, random_ops, state_ops
        from tensorflow.python.ops import control_flow_ops, gen_nn_ops, variable_scope
        from tensorflow.python.platform import flags, tf_logging
        from tensorflow.python.training import optimizer
        from tensorflow.python.util import compat, nest, tf_inspect
        import tensorflow.python.ops.math_ops as again
        assert again is math_ops
        assert ops.Tensor is tf.Tensor and convert_to_tensor is tf.convert_to_tensor
        assert dtypes.float32 is tf.float32 and tensor_shape.TensorShape is tf.TensorShape
        assert array_ops.space_to_depth_v2 is tf.nn.space_to_depth and gradients_impl.gradients is tf.gradients
        assert nn_ops.softmax_cross_entropy_with_logits is not None and state_ops.assign is tf.assign
        assert variable_scope.get_variable is tf.get_variable and flags.FLAGS is tf.flags.FLAGS
        assert optimizer.Optimizer is tf.train.Optimizer and nest.flatten is tf.nest.flatten
        assert init_ops.Zeros is tf.zeros_initializer
        x = tf.constant([1.0, -1.0])
        assert gen_nn_ops.relu_grad(x, x).op.type == "ReluGrad"
        with tf.Session() as session:
            assert session.run(control_flow_ops.with_dependencies([x], tf.constant(3))) == 3
    """)


def test_messages_are_found_by_name_in_any_file():
    run("""
        from tensorflow.core.framework import attr_value_pb2, graph_pb2, node_def_pb2, types_pb2
        from tensorflow.core.framework.summary_pb2 import Summary
        from tensorflow.core.protobuf import config_pb2, meta_graph_pb2
        import tensorflow as tf
        assert graph_pb2.GraphDef is tf.GraphDef and config_pb2.ConfigProto is tf.ConfigProto
        assert types_pb2.DT_FLOAT == 1 and Summary is tf.Summary
        assert node_def_pb2.NodeDef(name="x").name == "x"
    """)


def test_devices_are_listed():
    assert "CPU" in run("""
        from tensorflow.python.client import device_lib
        print([d.device_type for d in device_lib.list_local_devices() if d.memory_limit])
    """)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("import tensorflow.feature_column", "tensorflow.feature_column is not there yet"),
        ("from tensorflow.contrib import nothing", "tensorflow.contrib.nothing is not there yet"),
        ("import tensorflow.contrib.nothing as n", "tensorflow.contrib.nothing is not there yet"),
        ("from tensorflow.contrib.tpu.python.tpu import tpu_config", "tensorflow.contrib.tpu is not there yet"),
        ("from tensorflow.train import Nothing", "tensorflow.train.Nothing is not there yet"),
        ("from tensorflow.python.ops import array_opps", "tensorflow.python.ops has array_ops"),
        ("from tensorflow.python.ops.array_ops import nothing", "tensorflow.python.ops.array_ops.nothing is not there"),
        ("from tensorflow.compat import v2", "tf.compat.v1 is all of it"),
        ("import tensorflow.core.nothing_pb2.More.x", "tensorflow.core"),
    ],
)
def test_an_import_of_what_is_not_there_names_it(statement, message):
    assert message in run(f"""
        try:
            {statement}
        except ImportError as error:
            print(error)
    """)


def test_an_attribute_that_is_not_there_is_an_attribute_error_that_names_it():
    output = run("""
        import operator
        import tensorflow as tf
        assert not hasattr(tf, "no_such_name") and getattr(tf, "feature_column", 5) == 5
        for name in ("feature_column", "python.ops.rnn.dynamic_rnn", "nn.rellu", "placeholders"):
            try:
                operator.attrgetter(name)(tf)
            except AttributeError as error:
                print(error)
            else:
                print()
    """)
    assert "tensorflow.feature_column is not there yet" in output
    assert "relu" in output
    assert "TensorFlow 1.15 has no tensorflow.placeholders: there are tf.placeholder" in output


def test_eager_execution_is_refused_with_a_word_on_what_to_do():
    assert "fetch values with tf.Session().run" in run("""
        import tensorflow as tf
        try:
            tf.enable_eager_execution()
        except NotImplementedError as error:
            print(error)
    """)


def test_without_the_alias_tensorflow_is_what_is_installed():
    program = "import evergraph, sys; assert not any('tensorflow' == name.split('.')[0] for name in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_alias_can_be_taken_away():
    run("""
        import sys
        import tensorflow
        alias.uninstall()
        assert "tensorflow" not in sys.modules
    """)


def test_it_is_not_put_over_another_tensorflow():
    program = """
import sys, types
sys.modules["tensorflow"] = types.ModuleType("tensorflow")
from evergraph.compat import alias
alias.install()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "tensorflow is imported already" in done.stderr


def test_the_table_of_internal_names_says_where_things_are():
    table = internal_names.table()
    assert table["python.ops.array_ops"]["space_to_depth_v2"] == "nn.space_to_depth"
    assert table["python.framework.ops"]["Graph"] == "Graph"
    assert "python.ops" in table
    assert "train.Saver" in internal_names.public_names()


def test_evergraph_itself_has_compat_v1():
    import evergraph
    import evergraph.compat.v1 as v1

    assert v1 is evergraph and evergraph.compat.v1 is evergraph
    assert evergraph.compat.as_bytes("a") == b"a"
