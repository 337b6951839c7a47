"""Plans, as text: what runs, in which stage, and which value of a variable each op sees."""

import textwrap

import pytest

import evergraph as tf
from evergraph.compiler.plan import make_plan
from evergraph.compiler.text import plan_text


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as g:
        yield g


def planned(fetches, feeds=()):
    return plan_text(make_plan(fetches, feeds, lambda op: "device:CPU:0"))


def expected(text):
    return textwrap.dedent(text).strip()


def variable(name, value=0.0):
    return tf.Variable(value, name=name)


def test_only_what_the_fetches_need_is_planned():
    x = tf.placeholder(tf.float32, [2], name="x")
    y = tf.square(x, name="y")
    tf.sqrt(x, name="not_needed")
    assert planned([y], [x]) == expected("""
        stage 0 on device:CPU:0
          y = Square(x:0)
        fetches y:0
    """)


def test_a_fed_tensor_cuts_off_what_made_it():
    x = tf.placeholder(tf.float32, [2], name="x")
    y = tf.square(x, name="y")
    z = tf.sqrt(y, name="z")
    assert planned([z], [y]) == expected("""
        stage 0 on device:CPU:0
          z = Sqrt(y:0)
        fetches z:0
    """)


def test_an_unordered_read_sees_the_value_at_the_start_of_the_run():
    v = variable("v")
    write = v.assign(1.0)
    read = tf.identity(v._ref(), name="read")
    assert planned([write.op, read], []) == expected("""
        stage 0 on device:CPU:0, reads v, writes v
          v/Assign_1 = Assign(v@0, Assign/value:0) -> v@1
          read = Identity(v@0)
        fetches read:0
    """).replace("v/Assign_1", write.op.name).replace("Assign/value:0", write.op.inputs[1].name)


def test_a_read_after_a_write_sees_that_write_and_no_later_one():
    v = variable("v")
    first = tf.assign_add(v, 1.0, name="first")
    with tf.control_dependencies([first]):
        read = tf.identity(v._ref(), name="read")
    second = tf.assign_add(v, 10.0, name="second")
    text = planned([second.op, read], [])
    assert "first = AssignAdd(v@0, first/value:0) -> v@1" in text
    assert "second = AssignAdd(v@1, second/value:0) -> v@2" in text
    assert "read = Identity(v@1)" in text


def test_unordered_writes_apply_in_creation_order():
    v = variable("v")
    a = tf.assign_add(v, 1.0, name="a")
    b = tf.assign(v, tf.constant(5.0, name="five"), name="b")
    text = planned([b.op, a.op], [])
    assert text.index("a = AssignAdd(v@0") < text.index("b = Assign(v@1, five:0) -> v@2")


def test_a_fetched_reference_gives_the_last_value_of_its_variable():
    v = variable("v")
    up = tf.assign_add(v, 1.0, name="up")
    more = tf.assign_add(v, 2.0, name="more")
    assert planned([up, v._ref(), more], []).splitlines()[-1] == "fetches v@2, v@2, v@2"


def test_a_host_op_between_device_ops_makes_three_stages():
    x = tf.placeholder(tf.float32, [None], name="x")
    y = tf.square(x, name="y")
    rows = tf.where(y > 1.0, name="rows")
    z = tf.reduce_sum(tf.cast(rows, tf.float32, name="cast"), name="z")
    kinds = [line.split(" on ")[1] for line in planned([z], [x]).splitlines() if line.startswith("stage")]
    assert kinds == ["device:CPU:0", "host", "device:CPU:0"]


def test_shape_arithmetic_on_feeds_runs_first_on_the_host():
    x = tf.placeholder(tf.float32, [None, 4], name="x")
    n = tf.placeholder(tf.int32, [], name="n")
    y = tf.reshape(tf.square(x, name="square"), [n * 2, -1], name="y")
    text = planned([y], [x, n])
    kinds = [line.split(" on ")[1] for line in text.splitlines() if line.startswith("stage")]
    assert kinds == ["host", "device:CPU:0"], text


def test_the_shape_of_a_computed_tensor_costs_no_stage():
    x = tf.placeholder(tf.float32, [None, 4], name="x")
    y = tf.square(x, name="y")
    z = tf.reshape(y, [tf.shape(y)[0] * 2, -1], name="z")
    kinds = [line for line in planned([z], [x]).splitlines() if line.startswith("stage")]
    assert len(kinds) == 1


def test_a_long_chain_is_planned_without_recursion():
    x = tf.placeholder(tf.float32, [], name="x")
    y = x
    for _ in range(20_000):
        y = tf.identity(y)
    assert planned([y], [x]).count(" = Identity(") == 20_000


def test_a_cycle_is_refused_by_name(graph):
    x = tf.placeholder(tf.float32, [], name="x")
    a = tf.identity(x, name="a")
    b = tf.identity(a, name="b")
    a.op._update_input(0, b)
    with pytest.raises(tf.errors.InvalidArgumentError, match="a cycle with 2 nodes, including: a, b"):
        planned([b], [x])


def test_every_op_that_cannot_run_is_named_at_once():
    from evergraph.ops.opdef import raw_op

    a = raw_op("TPUReplicatedInput")([tf.constant(1.0)], name="first")
    b = raw_op("XlaRecv")(tf.float32, "tensor", [2], name="second")
    with pytest.raises(tf.errors.UnimplementedError, match="(?s)'first'.*'second'"):
        planned([a, b], [])
