"""Functions of the library: definitions in Python, calls, gradients, and branches and loops made of them."""

import numpy as np
import pytest

import evergraph as tf
from evergraph.formats import messages
from evergraph.ops.functions import branches, library
from evergraph.ops.functions.defun import DefinedFunction, Defun, get_extra_args, get_extra_inputs, get_extra_vars


@pytest.fixture(autouse=True)
def _own_graph():
    with tf.Graph().as_default():
        yield


def run(*fetches, feeds=None):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(list(fetches), feeds)


def scalars(f, count=1):
    return Defun(*[tf.float32] * count)(f)


class TestDefinition:
    def test_a_call_is_one_op_named_after_the_function(self):
        add = Defun(tf.float32, func_name="AddOne")(lambda x: x + 1.0)
        y = add(2.0)
        assert isinstance(add, DefinedFunction)
        assert (y.op.type, y.op.name, add(y, name="again").op.name) == ("AddOne", "AddOne", "again")
        assert run(y) == [3.0]

    def test_several_results_come_as_a_tuple_and_none_as_the_op(self):
        pair = scalars(lambda x: (x, -x))(1.0)
        assert isinstance(pair, tuple)
        assert run(*pair) == [1.0, -1.0]
        nothing = scalars(lambda x: None)(1.0)
        assert isinstance(nothing, tf.Operation)

    @pytest.mark.parametrize(
        "function, kinds, text",
        [
            (lambda x=1: x, [], "defaults"),
            (lambda **x: x, [], "keyword arguments"),
            (lambda x, y: x, [tf.float32], "2 arguments, more than the number of specified input types, 1"),
            (lambda x: x, [tf.float32] * 2, "1 arguments, less than the number of specified input types, 2"),
        ],
    )
    def test_what_can_be_no_function(self, function, kinds, text):
        with pytest.raises(ValueError, match=text):
            Defun(*kinds)(function)

    def test_wrong_calls(self):
        with pytest.raises(ValueError, match="can not return None"):
            _ = Defun()(lambda: (None, None)).definition
        add = scalars(lambda x: x + 1.0)
        with pytest.raises(ValueError, match="arguments: 1, received: 2"):
            add(1.0, 2.0)
        with pytest.raises(ValueError, match="Unknown keyword arguments: device"):
            add(1.0, device="/cpu:0")
        named = Defun(tf.float32, out_names=["a", "b"])(lambda x: x)
        with pytest.raises(tf.errors.InvalidArgumentError, match="names size = 2 outputs size = 1"):
            named(1.0)

    def test_attributes_names_and_text_of_the_definition(self):
        @Defun(tf.int32, experimental_tag=3.0, _implements="x", noinline=True, out_names=["result"])
        def named(i):
            """What it does."""
            return tf.identity(i)

        attr = named.definition.attr
        assert (attr["experimental_tag"].f, attr["_implements"].s, attr["_noinline"].b) == (3.0, b"x", True)
        assert named.definition.signature.description == "What it does."
        assert [arg.name for arg in named.definition.signature.output_arg] == ["result"]

    def test_body_has_the_device_around_the_definition(self):
        with tf.device("/cpu:0"):
            double = scalars(lambda x: x * 2.0)
        double(1.0)
        assert {node.device for node in double.definition.node_def} == {"/device:CPU:0"}

    def test_two_functions_of_one_name(self):
        Defun(tf.float32, func_name="F")(lambda x: x + 1.0)(1.0)
        with pytest.raises(tf.errors.InvalidArgumentError, match="Cannot add function 'F'"):
            Defun(tf.float32, func_name="F")(lambda x: x + 2.0)(1.0)

    def test_overloads(self):
        half = Defun(func_name="half")(lambda x: x / 2)
        a, b = half(tf.constant(1.0)), half(tf.constant(1.0, tf.float64))
        assert (a.op.type, b.op.type, b.dtype) == ("half_f32", "half_f64", tf.float64)
        assert run(a, b) == [0.5, 0.5]


class TestCaptures:
    def test_a_constant_outside_is_an_argument(self):
        c = tf.constant(10.0)
        add = scalars(lambda x: x + c)
        assert add.captured_inputs == [c]
        assert len(add.definition.signature.input_arg) == 2
        assert run(add(1.0)) == [11.0]

    def test_what_the_body_can_ask_for(self):
        seen = []
        w = tf.constant(2.0)

        @scalars
        def scale(x):
            v = tf.get_variable("v", [], initializer=tf.ones_initializer())
            y = x * w * v
            seen.extend((get_extra_inputs(), get_extra_args(), get_extra_vars()))
            return y

        scale(1.0)
        inputs, arguments, variables = seen
        assert inputs[0] is w
        assert [a.op.type for a in arguments] == ["Placeholder", "Placeholder"]
        assert [v.name for v in variables] == ["v:0"]
        assert get_extra_inputs() == get_extra_args() == get_extra_vars() == []

    def test_stateful_ops_are_copied_only_when_named(self):
        t = tf.random_uniform([3], maxval=10, dtype=tf.int32)
        with pytest.raises(ValueError, match="Cannot capture a stateful node"):
            Defun(capture_by_value=True)(lambda: t + 1)()
        y = Defun(capture_by_value=True, whitelisted_stateful_ops={t.op})(lambda: t + 1)()
        assert np.all(run(y)[0] >= 1)

    @pytest.mark.parametrize("use_resource", [False, True])
    @pytest.mark.parametrize("function_first", [False, True])
    def test_templates_share_variables_with_functions(self, use_resource, function_first):
        made = []

        def model(x):
            made.append(tf.get_variable("w", [], initializer=tf.ones_initializer(), use_resource=use_resource))
            return x * made[-1]

        template = tf.make_template("f", model, create_scope_now_=True)
        inside = Defun()(lambda x: template(x))
        x = tf.constant(3.0)
        for f in (inside, template) if function_first else (template, inside):
            f(x)
        assert made[0] is made[1]
        assert [v.name for v in tf.global_variables()] == ["f/w:0"]

    def test_variables_belong_to_the_scope_of_the_first_call(self):
        f = scalars(lambda x: x + tf.get_variable("v", [], initializer=tf.ones_initializer()))
        with tf.variable_scope("one"):
            a = f(1.0)
        with tf.variable_scope("two"):
            b = f(2.0)
        assert [v.name for v in tf.global_variables()] == ["one/v:0"]
        assert run(a, b) == [2.0, 3.0]

    def test_calls_draw_different_numbers(self):
        draw = Defun()(lambda: tf.random_uniform([10]))
        outer = Defun()(lambda: draw())
        tf.set_random_seed(1)
        a, b = run(outer(), outer())
        assert np.all(a != b)


class TestGradients:
    def test_each_definition_has_its_own_gradient(self):
        def default(x):
            @scalars
            def foo(x):
                return x * 2

            return foo(x)

        def by_function(x):
            bar = scalars(lambda x, dy: x + dy, 2)

            @Defun(tf.float32, grad_func=bar)
            def foo(x):
                return x * 2

            return foo(x)

        def by_python(x):
            @Defun(tf.float32, python_grad_func=lambda op, dy: op.inputs[0] * dy / 2)
            def foo(x):
                return x * 2

            return foo(x)

        x = tf.constant(100.0)
        found = [tf.gradients(f(x), x)[0] for f in (default, by_function, by_python)]
        assert run(*found) == [2.0, 101.0, 50.0]

    def test_shapes_and_wrong_counts(self):
        x = tf.placeholder(tf.float32, [25, 4])
        (dx,) = tf.raw_ops.SymbolicGradient(input=[x, tf.zeros([1])], Tout=[tf.float32], f="Foo")
        assert dx.shape.as_list() == [25, 4]
        wrong = scalars(lambda x, dy, dz: (x, dy + dz), 3)
        x = tf.constant(1.0)
        y = Defun(tf.float32, grad_func=wrong)(lambda x: (x, x + 1.0))(x)
        with pytest.raises(tf.errors.InvalidArgumentError, match="SymGrad expects to return 1.*but get 2.*instead"):
            run(tf.gradients(y[0], x)[0])

    def test_as_an_op(self):
        poly = scalars(lambda x: 2 * x * x * x + 3 * x * x)
        grad = scalars(lambda x: branches.Gradient([x, 1.0], poly)[0])
        assert run(grad(1.0)) == [12.0]

    def test_gradient_functions_survive_a_graph_def(self):
        bar = scalars(lambda x, dy: x + dy, 2)
        foo = Defun(tf.float32, grad_func=bar, func_name="foo")(lambda x: x * 2)
        foo(tf.placeholder(tf.float32, [], name="x"))
        written = tf.get_default_graph().as_graph_def()
        assert [(g.function_name, g.gradient_func) for g in written.library.gradient] == [("foo", bar.name)]
        with tf.Graph().as_default() as g:
            tf.import_graph_def(written, name="")
            x = g.get_tensor_by_name("x:0")
            (dx,) = tf.gradients(g.get_tensor_by_name("foo:0"), x)
            assert run(dx, feeds={x: 100.0}) == [101.0]


class TestLibraries:
    def test_functions_from_messages(self):
        g = scalars(lambda x, dy: x + dy, 2)
        f = Defun(tf.float32, grad_func=g)(lambda x: x * 2)
        f(1.0)
        made = {m.name: m for m in library.from_library(tf.get_default_graph().as_graph_def().library)}
        assert made[f.name].definition == f.definition
        assert (made[f.name].grad_func_name, made[g.name].grad_func_name) == (g.name, None)
        with tf.Graph().as_default():
            x = tf.constant(100.0)
            y = made[f.name](x)
            assert run(y, tf.gradients(y, x)[0]) == [200.0, 101.0]

    @pytest.mark.parametrize(
        "gradients, text", [([("F", "G")], "missing 'G'"), ([("F", "F")], "cyclic"), ([("H", "F")], "missing 'H'")]
    )
    def test_wrong_libraries(self, gradients, text):
        wrong = messages.FunctionDefLibrary()
        wrong.function.add().signature.name = "F"
        for f, g in gradients:
            wrong.gradient.add(function_name=f, gradient_func=g)
        with pytest.raises(ValueError, match=text):
            library.from_library(wrong)

    def test_part_of_a_graph(self):
        graph = tf.get_default_graph()
        s, u, v = tf.svd(tf.placeholder(tf.float32, [2, 2]))
        y = tf.reduce_sum(s) + tf.reduce_sum(u) + tf.reduce_sum(v)
        made = library.graph_to_function_def(graph, graph.get_operations()[1:], [s, u, v], [y])
        assert len({arg.name for arg in made.signature.input_arg}) == 3
        assert "Svd" not in {node.op for node in made.node_def}


class TestBranchesAndLoops:
    def test_while_with_captures(self):
        v = tf.Variable(2.0)
        go = scalars(lambda n, x: n > 0, 2)
        turn = scalars(lambda n, x: (n - 1, x + v), 2)
        found = branches.While([5.0, 0.0], go, turn)
        assert len(found) == 2
        assert run(found[1]) == [10.0]

    def test_while_errors(self):
        go, pair = scalars(lambda n, x: n > 0, 2), scalars(lambda n, x: (n > 0, x), 2)
        turn, triple = scalars(lambda n, x: (n - 1, x), 2), scalars(lambda n, x: (n - 1, x, x), 2)
        for g, t, text in ((pair, turn, "single scalar.*got 2 tensors"), (go, triple, "returned 3 arg.*Expected: 2")):
            with pytest.raises(tf.errors.InvalidArgumentError, match=text):
                run(branches.While([5.0, 0.0], g, t)[0])
        with pytest.raises(ValueError, match="signatures do not match"):
            branches.While([5.0], go, scalars(lambda n: n))

    @pytest.mark.parametrize("as_while", [False, True])
    @pytest.mark.parametrize("span", [(1, 10, 1), (0, 0, 1), (9, 0, -3)])
    def test_for(self, as_while, span):
        v = tf.Variable(1.0)
        turn = Defun(tf.int32, tf.float32)(lambda i, x: x + tf.to_float(i) + v)
        (found,) = branches.For(*span, [0.0], turn, rewrite_with_while=as_while)
        assert run(found) == [sum(i + 1.0 for i in range(*span))]
        ops = {op.type for op in tf.get_default_graph().get_operations()}
        assert ("For" in ops) != as_while

    def test_for_updates_a_variable_that_it_captures(self):
        v = tf.Variable(1.0, use_resource=True)
        turn = Defun(tf.int32)(lambda i: v.assign_add(tf.to_float(i)).op)
        branches.For(1, 5, 1, [], turn)
        with tf.Session() as session:
            session.run(v.initializer)
            session.run("For")
            assert session.run(v) == 11.0

    def test_for_errors(self):
        one = Defun(tf.int32, tf.float32)(lambda i, x: x)
        two = Defun(tf.int32, tf.float32)(lambda i, x: (x, x))
        for span, f, text in (
            (([0], 10, 1), one, "start must be a scalar"),
            ((0, 10, -1), one, "Invalid start/limit/delta: 0 10 -1"),
            ((0, 10, 1), two, "For loop body returned 2 arguments. Expected: 1"),
        ):
            with pytest.raises(tf.errors.InvalidArgumentError, match=text):
                run(branches.For(*span, [0.0], f)[0])

    def test_case(self):
        index, x = tf.placeholder(tf.int32, []), tf.constant(5.0)
        functions = [scalars(_times(k)) for k in (2.0, 3.0, 4.0)]
        for f in functions:
            f.add_to_graph(tf.get_default_graph())
        (y,) = tf.raw_ops.Case(branch_index=index, input=[x], Tout=[tf.float32], branches=functions)
        with tf.Session() as session:
            found = [session.run(y, {index: i}) for i in (0, 1, 2, 3, -1)]
        assert found == [10.0, 15.0, 20.0, 20.0, 20.0]

    def test_unknown_executor(self):
        f = scalars(lambda x: x)
        y = branches.partitioned_call([tf.constant(1.0)], f, executor_type="NONE")
        with pytest.raises(tf.errors.NotFoundError, match="NONE"):
            run(y)


def _times(k):
    return lambda x: x * k
