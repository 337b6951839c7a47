"""Sessions themselves: defaults, closing, options, callables, partial runs, threads, what two of them share."""

import threading

from session.outcome import fails


def default_session_stack(tf):
    outside = tf.get_default_session()
    with tf.Session() as first:
        with tf.Session() as second:
            inner = tf.get_default_session() is second
        return [outside, inner, tf.get_default_session() is first, tf.get_default_session() is second]


def default_session_after_with(tf):
    with tf.Session():
        pass
    return tf.get_default_session()


def as_default_leaves_the_session_open(tf):
    a = tf.constant(1)
    sess = tf.Session()
    with sess.as_default() as given:
        inside = [given is sess, a.eval()]
    return [*inside, tf.get_default_session(), sess.run(a)]


def session_makes_its_graph_the_default(tf):
    other = tf.Graph()
    with tf.Session(graph=other) as sess:
        a = tf.constant(1)
        return [a.graph is other, sess.graph is other, sess.run(a)]


def session_is_on_the_default_graph(tf):
    return tf.Session().graph is tf.get_default_graph()


def eval_and_run(tf):
    a = tf.constant([1, 2])
    v = tf.Variable(3.0)
    with tf.Session() as sess:
        v.initializer.run()
        given = [a.eval(session=sess), v.eval(sess), tf.global_variables_initializer().run(session=sess)]
        return [a.eval(), v.eval(), (v + 1.0).eval(), *given]


def interactive_session(tf):
    a = tf.constant(1)
    sess = tf.InteractiveSession()
    values = [a.eval(), tf.get_default_session() is sess]
    sess.close()
    return [*values, tf.get_default_session()]


def graph_grows_between_runs(tf):
    a = tf.constant(1)
    with tf.Session() as sess:
        first = sess.run(a)
        b = a + 1
        second = sess.run(b)
        v = tf.Variable(b)
        sess.run(v.initializer)
        return [first, second, sess.run(v * 10)]


def two_sessions_share_no_variable(tf):
    v = tf.Variable(1.0)
    add = v.assign_add(1.0)
    with tf.Session() as first, tf.Session() as second:
        first.run(v.initializer)
        second.run(v.initializer)
        first.run(add)
        first.run(add)
        return [first.run(v), second.run(v)]


def a_new_session_starts_without_values(tf):
    v = tf.Variable(1.0, name="v")
    known = tf.is_variable_initialized(v)
    with tf.Session() as sess:
        sess.run(v.initializer)
        first = sess.run(known)
    with tf.Session() as sess:
        return [first, sess.run(known), sess.run(tf.report_uninitialized_variables())]


def threads_share_a_session(tf):
    v = tf.Variable(0)
    add = v.assign_add(1, use_locking=True)
    with tf.Session() as sess:
        sess.run(v.initializer)

        def work():
            for _ in range(25):
                sess.run(add)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sess.run(v)


def list_devices(tf):
    with tf.Session() as sess:
        cpu = [device for device in sess.list_devices() if device.device_type == "CPU"]
        return [[device.name, device.device_type] for device in cpu]


def two_cpu_devices(tf):
    with tf.Session(config=tf.ConfigProto(device_count={"CPU": 2})) as sess:
        names = [device.name for device in sess.list_devices() if device.device_type == "CPU"]
        with tf.device("/cpu:1"):
            a = tf.constant(1)
        return [sorted(names), sess.run(a + 1)]


def session_options(tf):
    config = tf.ConfigProto(allow_soft_placement=True, log_device_placement=False, intra_op_parallelism_threads=1)
    config.gpu_options.allow_growth = True
    config.graph_options.optimizer_options.global_jit_level = tf.OptimizerOptions.ON_1
    with tf.device("/gpu:0"):
        a = tf.constant(1)
    with tf.Session("", config=config) as sess:
        return sess.run(a)


def run_options_and_metadata(tf):
    metadata = tf.RunMetadata()
    options = tf.RunOptions(trace_level=tf.RunOptions.NO_TRACE, timeout_in_ms=60000)
    with tf.Session() as sess:
        value = sess.run(tf.constant(1), options=options, run_metadata=metadata)
        return [value, len(metadata.step_stats.dev_stats)]


def full_trace_gives_step_stats(tf):
    metadata = tf.RunMetadata()
    v = tf.Variable([[1.0]])
    y = tf.matmul(v, v, name="product")
    with tf.Session() as sess:
        sess.run(v.initializer)
        sess.run(y, options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), run_metadata=metadata)
    return len(metadata.step_stats.dev_stats) > 0


def callable_without_feeds(tf):
    a = tf.constant(1)
    v = tf.Variable(0)
    with tf.Session() as sess:
        sess.run(v.initializer)
        add = sess.make_callable(v.assign_add(1))
        return [sess.make_callable(a)(), sess.make_callable([a, {"a": a}])(), add(), add()]


def callable_of_an_op(tf):
    v = tf.Variable(5)
    with tf.Session() as sess:
        return [sess.make_callable(v.initializer)(), sess.make_callable([v.initializer, v.op])(), sess.run(v)]


def callable_with_feeds(tf):
    x, y = tf.placeholder(tf.float32, [None]), tf.placeholder(tf.float32, [])
    with tf.Session() as sess:
        scaled = sess.make_callable({"z": x * y}, feed_list=[x, y])
        return [scaled([1.0, 2.0], 3.0), scaled([1.0], 2.0)]


def callable_with_options(tf):
    x = tf.placeholder(tf.float32)
    with tf.Session() as sess:
        doubled = sess.make_callable(x * 2, [x], accept_options=True)
        return [doubled(1.0), doubled(2.0, options=tf.RunOptions(), run_metadata=tf.RunMetadata())]


def callable_without_initialized_variable(tf):
    v = tf.Variable(1, name="v")
    with tf.Session() as sess:
        read = sess.make_callable(v)
        try:
            read()
            failed = False
        except tf.errors.FailedPreconditionError:
            failed = True
        sess.run(v.initializer)
        return [failed, read()]


@fails("closed")
def callable_after_close(tf):
    sess = tf.Session()
    one = sess.make_callable(tf.constant(1))
    sess.close()
    one()


def partial_run(tf):
    a, b, c = (tf.placeholder(tf.float32, []) for _ in "abc")
    first = a + b
    second = first * c
    with tf.Session() as sess:
        handle = sess.partial_run_setup([first, second], [a, b, c])
        one = sess.partial_run(handle, first, feed_dict={a: 1, b: 2})
        return [one, sess.partial_run(handle, second, feed_dict={c: one * 17})]


def partial_run_twice(tf):
    a, b = tf.placeholder(tf.float32, []), tf.placeholder(tf.float32, [])
    with tf.Session() as sess:
        handles = [sess.partial_run_setup([a + 1, a * b], [a, b]) for _ in range(2)]
        return len(set(handles))


@fails("was not specified in partial_run_setup")
def partial_run_of_a_fetch_not_set_up(tf):
    a = tf.placeholder(tf.float32, [], name="a")
    b = a + 1.0
    with tf.Session() as sess:
        handle = sess.partial_run_setup([b], [a])
        sess.partial_run(handle, a * 2.0, feed_dict={a: 1.0})


@fails("fetch")
def partial_run_setup_without_fetches(tf):
    a = tf.placeholder(tf.float32, [])
    with tf.Session() as sess:
        sess.partial_run_setup([], [a])


@fails("closed Session")
def run_after_close(tf):
    a = tf.constant(1)
    sess = tf.Session()
    sess.run(a)
    sess.close()
    sess.run(a)


@fails("closed Session")
def run_after_with(tf):
    a = tf.constant(1)
    with tf.Session() as sess:
        pass
    sess.run(a)


def close_twice(tf):
    sess = tf.Session()
    return [sess.close(), sess.close()]


@fails("The Session graph is empty")
def run_on_an_empty_graph(tf):
    tf.Session().run([])


@fails("No default session is registered")
def eval_without_a_session(tf):
    tf.constant(1).eval()


@fails("No default session is registered")
def run_an_op_without_a_session(tf):
    tf.no_op().run()


@fails("No default session is registered")
def eval_a_variable_without_a_session(tf):
    tf.Variable(1).eval()


@fails("graph is different from the")
def eval_in_a_session_of_another_graph(tf):
    with tf.Session(graph=tf.Graph()) as sess:
        pass
    tf.constant(1).eval(session=sess)


@fails("graph is different from the")
def eval_in_a_default_session_of_another_graph(tf):
    a = tf.constant(1)
    with tf.Session(graph=tf.Graph()):
        a.eval()


@fails("Graph is finalized")
def add_to_a_finalized_graph(tf):
    a = tf.constant(1)
    tf.get_default_graph().finalize()
    a + 1


def run_a_finalized_graph(tf):
    a = tf.constant(1) + 1
    graph = tf.get_default_graph()
    before = graph.finalized
    graph.finalize()
    with tf.Session() as sess:
        return [before, graph.finalized, sess.run(a)]


@fails("graph must be a tf.Graph")
def session_of_what_is_no_graph(tf):
    tf.Session(graph="graph")


@fails("config must be a tf.ConfigProto")
def session_with_what_is_no_config(tf):
    tf.Session(config={"allow_soft_placement": True})


@fails("target must be a string")
def session_with_an_int_for_target(tf):
    tf.Session(target=3)


@fails("No session factory registered")
def session_on_an_unknown_target(tf):
    tf.Session("nowhere")


@fails("Cannot assign a device for operation")
def place_on_a_device_that_is_not_there(tf):
    with tf.device("/device:GPU:99"):
        a = tf.constant(1.0, name="a") + 1.0
    tf.Session().run(a)


def place_softly_on_a_device_that_is_not_there(tf):
    with tf.device("/device:GPU:99"):
        v = tf.Variable(1.0)
    with tf.Session(config=tf.ConfigProto(allow_soft_placement=True)) as sess:
        sess.run(v.initializer)
        return sess.run(v + 1.0)


def reset_default_graph_gives_a_new_one(tf):
    with tf.Graph().as_default() as graph:
        tf.constant(1)
        names = [op.name for op in graph.get_operations()]
    return [names, len(tf.get_default_graph().get_operations())]


def errors_tell_their_op(tf):
    x = tf.placeholder(tf.int32, [], name="x")
    y = tf.floordiv(1, x, name="quotient")
    with tf.Session() as sess:
        try:
            sess.run(y, {x: 0})
        except tf.errors.OpError as error:
            base = isinstance(error, tf.errors.InvalidArgumentError)
            code = error.error_code == tf.errors.INVALID_ARGUMENT
            return [base, code, error.op.name, error.op.type, error.node_def.name, "division by zero" in error.message]
