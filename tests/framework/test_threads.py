"""Which scopes of a graph belong to a thread and which to the graph, and threads that build at the same time.

What a thread sees of the scopes that another has open was read off TensorFlow 1.15.5, with `probe`.
"""

import sys
from threading import Barrier, Event, Thread

import pytest

import evergraph as tf


def in_thread(work):
    """What `work()` gives in a thread of its own."""
    found = []
    thread = Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def together(*works):
    """Run all `works` at the same time, switching between them as often as Python can; raise what one raised."""
    errors, barrier, interval = [], Barrier(len(works)), sys.getswitchinterval()

    def run(work):
        barrier.wait()
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [Thread(target=run, args=(work,)) for work in works]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    if errors:
        raise errors[0]


def probe(graph):
    with graph.as_default():
        op = tf.constant(1.0, name="c").op
        return {
            "name": op.name,
            "device": op.device,
            "waits for": [c.name for c in op.control_inputs],
            "with": op.colocation_groups(),
            "variables": tf.get_variable_scope().name,
            "session": tf.get_default_session(),
            "container": tf.Variable(1.0, name="v", use_resource=True).handle.op.get_attr("container"),
            "gradient": op.node_def.attr["_gradient_op_type"].s,
        }


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def test_names_variable_scopes_and_sessions_are_those_of_the_thread(graph):
    a = tf.constant(0.0, name="a")
    with (
        tf.Session(),
        tf.name_scope("n"),
        tf.device("/cpu:0"),
        tf.control_dependencies([a]),
        tf.variable_scope("v"),
        graph.gradient_override_map({"Const": "Foo"}),
        graph.container("box"),
    ):
        seen = in_thread(lambda: probe(graph))
        here = probe(graph)
        assert in_thread(tf.get_default_graph) is not graph
        with graph.colocate_with(a.op):
            beside = in_thread(lambda: probe(graph))
    assert seen == {
        "name": "c",
        "device": "/device:CPU:0",
        "waits for": ["a"],
        "with": [b"loc:@c"],
        "variables": "",
        "session": None,
        "container": b"box",
        "gradient": b"Foo",
    }
    assert (here["name"], here["variables"], here["device"]) == ("n/v/c", "v", "/device:CPU:0")
    assert (beside["name"], beside["device"], beside["with"]) == ("c_1", "", [b"loc:@a"])


def test_scopes_of_a_graph_switched_to_thread_local_are_those_of_the_thread(graph):
    a = tf.constant(0.0, name="a")
    with tf.device("/cpu:1"):
        graph.switch_to_thread_local()
        with tf.device("/cpu:0"), tf.control_dependencies([a]), graph.colocate_with(a.op):
            seen = in_thread(lambda: probe(graph))
    assert (seen["device"], seen["waits for"], seen["with"]) == ("/device:CPU:1", [], [b"loc:@c"])


def test_a_branch_is_that_of_the_graph(graph):
    seen = []
    tf.cond(
        tf.constant(True),
        lambda: (seen.append(in_thread(lambda: constant_of(graph))), tf.constant(1.0))[1],
        lambda: tf.constant(2.0),
    )
    assert [(op.name, [c.name for c in op.control_inputs]) for op in seen] == [("c", ["cond/switch_t"])]


def constant_of(graph):
    with graph.as_default():
        return tf.constant(1.0, name="c").op


def test_creators_of_variables_are_those_of_the_thread(graph):
    asked = []

    def creator(next_creator, **kwargs):
        asked.append(kwargs["name"])
        return next_creator(**kwargs)

    def make(name):
        with graph.as_default():
            tf.Variable(1.0, name=name)

    with tf.variable_creator_scope(creator):
        in_thread(lambda: make("there"))
        make("here")
    assert asked == ["here"]


def test_names_of_variable_scopes_are_counted_by_thread(graph):
    def opened():
        with graph.as_default(), tf.variable_scope(None, "blk") as scope:
            return scope.name, graph.get_name_scope()

    found = [opened(), in_thread(opened), opened(), in_thread(opened)]
    assert found == [("blk", "blk"), ("blk", "blk_1"), ("blk_1", "blk_2"), ("blk", "blk_3")]


def test_threads_build_one_graph_at_the_same_time(graph):
    x = tf.constant(1.0, name="x")

    def work(number):
        with graph.as_default(), tf.name_scope(f"tower{number}"), tf.variable_scope(f"weights{number}"):
            for layer in range(15):
                with tf.name_scope(f"layer{layer}"):
                    made = tf.identity(x * 2.0, name="out")
                    assert made.op.name == f"tower{number}/weights{number}/layer{layer}/out"
                assert tf.get_variable(f"w{layer}", []).op.name == f"weights{number}/w{layer}"
                tf.add(x, 1.0, name="shared")

    together(*[lambda n=n: work(n) for n in range(6)])
    names = [op.name for op in graph.get_operations()]
    assert len(set(names)) == len(names)
    assert [op._id for op in graph.get_operations()] == list(range(1, len(names) + 1))
    for op in graph.get_operations():
        assert {t.op.name.partition("/")[0] for t in op.inputs} <= {
            op.name.partition("/")[0],
            "x",
        } or "weights" in op.name


def test_blocks_of_threads_that_overlap_leave_nothing_behind(graph):
    first, second = tf.constant(1.0, name="first"), tf.constant(2.0, name="second")

    def work(op, device):
        with graph.as_default():
            for _ in range(40):
                with tf.control_dependencies([op]), tf.device(device), graph.colocate_with(op):
                    tf.no_op()
                with tf.control_dependencies(None):
                    tf.no_op()

    together(lambda: work(first, "/cpu:0"), lambda: work(second, "/cpu:1"), lambda: work(first, None))
    made = tf.no_op()
    assert (made.control_inputs, made.device, made.colocation_groups()) == ([], "", [b"loc:@" + made.name.encode()])
    assert (graph._control_stack, graph._device_stack, graph._colocation_stack) == ([], [], [])


def test_blocks_that_close_in_the_order_they_opened_leave_nothing_behind(graph):
    first, second = tf.constant(1.0, name="first"), tf.constant(2.0, name="second")
    inside, leave = Event(), Event()

    def work():
        with graph.as_default(), tf.control_dependencies([second]), tf.device("/cpu:1"):
            inside.set()
            leave.wait()

    thread = Thread(target=work)
    with tf.control_dependencies([first]), tf.device("/cpu:0"):
        thread.start()
        inside.wait()
    made = tf.no_op()
    assert ([c.name for c in made.control_inputs], made.device) == (["second"], "/device:CPU:1")
    leave.set()
    thread.join()
    made = tf.no_op()
    assert (made.control_inputs, made.device) == ([], "")


@pytest.mark.parametrize("attempt", range(5))
@pytest.mark.parametrize("colocate", [False, True])
def test_gradients_in_one_graph_from_several_threads(graph, colocate, attempt):
    v, w = tf.Variable(3.0, name="v"), tf.Variable(2.0, name="w")
    losses = []
    for n in range(4):
        with tf.name_scope(f"train{n}"):
            scaled = tf.while_loop(lambda i, x, n=n: i < n + 1, lambda i, x: (i + 1, x + v), [0, 0.0])[1]
            losses.append(tf.square(scaled) * tf.minimum(w, 10.0))
    made = {}

    def work(n):
        with graph.as_default(), tf.name_scope(f"train{n}/"):
            made[n] = tf.gradients(losses[n], [v, w], gate_gradients=True, colocate_gradients_with_ops=colocate)

    together(*[lambda n=n: work(n) for n in range(4)])
    assert all(g.op.name.startswith(f"train{n}/gradients") for n, gradients in made.items() for g in gradients)
    for op in graph.get_operations():
        tower = op.name.partition("/")[0]
        if tower.startswith("train"):
            assert all(c.name.startswith(tower) for c in op.control_inputs), op.name
            together_with = [name.decode().removeprefix("loc:@") for name in op.colocation_groups()]
            assert {name.partition("/")[0] for name in together_with} <= {tower, "v", "w"}, op.name
    with tf.Session(graph=graph) as session:
        session.run(tf.global_variables_initializer())
        for n in range(4):
            assert session.run(made[n]) == [2.0 * 3.0 * (n + 1) ** 2 * 2.0, (3.0 * (n + 1)) ** 2]


def test_graphs_of_their_own_in_several_threads():
    values = {}

    def work(n):
        with tf.Graph().as_default() as graph, tf.Session() as session:
            with tf.control_dependencies([tf.no_op()]), tf.device("/cpu:0"), tf.name_scope("s"):
                x = tf.while_loop(lambda i: i < n, lambda i: tf.cond(i > 1, lambda: i + 1, lambda: i + 2), [0])
            values[n] = x.op.name, session.run(x), graph.version

    together(*[lambda n=n: work(n) for n in range(5)])
    assert {name for name, _, _ in values.values()} == {"s/while/Exit"}
    assert {version for _, _, version in values.values()} == {values[0][2]}
    assert {n: value for n, (_, value, _) in values.items()} == {0: 0, 1: 2, 2: 2, 3: 3, 4: 4}


def test_each_thread_has_a_default_graph_of_its_own():
    tf.reset_default_graph()
    here = tf.get_default_graph()
    tf.constant(1.0)

    def there():
        graph = tf.get_default_graph()
        session_graph = tf.Session().graph
        tf.constant(1.0)
        tf.reset_default_graph()
        return graph, session_graph, tf.get_default_graph()

    graph, session_graph, after = in_thread(there)
    assert graph is session_graph and len({id(g) for g in (here, graph, after)}) == 3
    assert tf.get_default_graph() is here and here.version == graph.version == 1


def test_loops_and_gradients_built_by_several_threads_in_graphs_of_their_own():
    def work():
        for _ in range(3):
            x, y = tf.placeholder(tf.float32), tf.placeholder(tf.float32)
            found = tf.while_loop(lambda x, y: x < 10, lambda x, y: (x + 1, x * y), [x, y])
            tf.gradients(found, [x, y])

    together(*[work] * 5)


def test_a_device_block_left_too_early_is_an_error(graph):
    outer = graph.device("/cpu:0")
    outer.__enter__()
    with graph.device("/cpu:1"), pytest.raises(RuntimeError, match="proper scope exit"):
        outer.__exit__(None, None, None)
