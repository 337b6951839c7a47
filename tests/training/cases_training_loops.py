"""Training loops recorded with TensorFlow 1.15 (tools/record_training_loops.py). Python 3.7 reads this, too.

Each case is a function of the module `tf` and a folder; what it gives is compared with what TensorFlow gave, and so are
the lines it logs.
"""

import logging
import os
import re
import shutil
import tempfile

CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


class _Lines(logging.Handler):
    def __init__(self, folder):
        logging.Handler.__init__(self)
        self.lines = []
        self.folder = folder

    def emit(self, record):
        text = record.getMessage().replace(self.folder, "FOLDER")
        text = re.sub(r"<.* object at .*>", "OBJECT", text).split(". ")[0]  # our own words follow the first sentence
        text = re.sub(r"\d+\.\d+ sec|/sec: [0-9.e+-]+|\d{4}-\d\d-\d\dT?-?[0-9:]+Z?", "TIME", text)
        text = re.sub(r"^global step \d+", "global step N", text)  # read in the run that changes it: before or after
        self.lines.append(record.levelname + ":" + text)


def run(tf, name):
    """What the case gives, and the lines it logs."""
    folder = tempfile.mkdtemp()
    handler = _Lines(folder)
    logger = logging.getLogger("tensorflow")
    before = tf.logging.get_verbosity()
    tf.logging.set_verbosity(tf.logging.INFO)
    logger.addHandler(handler)
    propagate, logger.propagate = logger.propagate, False
    handlers, logger.handlers = logger.handlers, [handler]
    try:
        with tf.Graph().as_default():
            given = CASES[name](tf, folder)
        tf.summary.FileWriterCache.clear()
    finally:
        logger.handlers, logger.propagate = handlers, propagate
        logger.removeHandler(handler)
        tf.logging.set_verbosity(before)
        shutil.rmtree(folder)
    return {"given": given, "lines": [line for line in handler.lines if not _noise(line, name)]}


def _noise(line, name):
    """Warnings of TensorFlow about itself; and of a step that stands still, which TensorFlow reads before or after."""
    if "It seems that global step" in line:
        return name != "a_step_that_stands_still"
    if line.startswith("WARNING") and "global step" not in line and "NaN" not in line:
        return True
    return "Error reported to Coordinator" in line


def recorder(tf, calls, name, stop_at=None, fetch=None):
    class Recorder(tf.train.SessionRunHook):
        def begin(self):
            calls.append(name + ".begin")

        def after_create_session(self, session, coord):
            calls.append(name + ".after_create_session")

        def before_run(self, run_context):
            calls.append(f"{name}.before_run {type(run_context.original_args).__name__}")
            return None if fetch is None else tf.train.SessionRunArgs(fetch)

        def after_run(self, run_context, run_values):
            calls.append(f"{name}.after_run {run_values.results}")
            if stop_at is not None and run_values.results is not None and run_values.results >= stop_at:
                run_context.request_stop()

        def end(self, session):
            calls.append(name + ".end")

    return Recorder()


def counting(tf):
    step = tf.train.get_or_create_global_step()
    return step, tf.assign_add(step, 1)


def files(folder):
    return sorted(re.sub(r"tfevents\..*", "tfevents", n) for n in os.listdir(folder))


def events(tf, folder):
    """Steps and what was written at them, from all event files of a folder."""
    tf.summary.FileWriterCache.clear()
    found = []
    for name in sorted(os.listdir(folder)):
        if "tfevents" not in name:
            continue
        for event in tf.train.summary_iterator(os.path.join(folder, name)):
            kind = event.WhichOneof("what")
            if kind == "summary":
                found.append([event.step, sorted(v.tag for v in event.summary.value)])
            elif kind == "session_log":
                found.append([event.step, f"session_log {event.session_log.status}"])
            else:
                found.append([event.step, kind])
    return found


@case
def order_of_hook_calls(tf, folder):
    calls = []
    _, count = counting(tf)
    hooks = [recorder(tf, calls, "first"), recorder(tf, calls, "second", stop_at=2, fetch=count)]
    with tf.train.MonitoredSession(hooks=hooks) as session:
        while not session.should_stop():
            calls.append(f"run {session.run(count)}")
    return calls


@case
def an_error_skips_end(tf, folder):
    calls = []
    _, count = counting(tf)
    try:
        with tf.train.MonitoredSession(hooks=[recorder(tf, calls, "hook")]) as session:
            session.run(count)
            raise ValueError("no")
    except ValueError as error:
        calls.append(str(error))
    try:
        with tf.train.MonitoredSession(hooks=[recorder(tf, calls, "again")]) as session:
            session.run(count)
            raise tf.errors.OutOfRangeError(None, None, "end of data")
    except tf.errors.OutOfRangeError as error:
        calls.append(str(error))
    return calls


@case
def a_lost_session_is_made_again(tf, folder):
    calls = []
    _, count = counting(tf)
    fail = [True]

    class Losing(tf.train.SessionRunHook):
        def after_create_session(self, session, coord):
            calls.append("created")

        def after_run(self, run_context, run_values):
            if fail[0]:
                fail[0] = False
                raise tf.errors.AbortedError(None, None, "lost")

    with tf.train.MonitoredSession(hooks=[Losing()]) as session:
        calls.append(int(session.run(count)))
        calls.append(int(session.run(count)))
    try:
        fail[0] = True
        with tf.train.SingularMonitoredSession(hooks=[Losing()]) as session:
            session.run(count)
    except tf.errors.AbortedError:
        calls.append("aborted")
    del tf.get_collection_ref(tf.GraphKeys.SAVERS)[:]
    return calls


@case
def a_training_session_saves_and_summarises(tf, folder):
    step, _ = counting(tf)
    w = tf.Variable(3.0, name="w")
    loss = w**2
    tf.summary.scalar("loss", loss)
    train = tf.train.GradientDescentOptimizer(0.25).minimize(loss, global_step=step)
    hooks = [
        tf.train.StopAtStepHook(last_step=5),
        tf.train.LoggingTensorHook({"loss": loss}, every_n_iter=2),
    ]
    given = []
    with tf.train.MonitoredTrainingSession(
        checkpoint_dir=folder, hooks=hooks, save_checkpoint_steps=2, save_summaries_steps=2, log_step_count_steps=None
    ) as session:
        while not session.should_stop():
            _, value = session.run([train, loss])
            given.append(float(value))
    names = [o.name for o in tf.get_default_graph().get_operations() if "report_uninit" in o.name or "init" in o.name]
    return [given, files(folder), events(tf, folder), sorted(names)]


@case
def step_hooks_by_steps(tf, folder):
    step, count = counting(tf)
    saves = []

    class Listener(tf.train.CheckpointSaverListener):
        def begin(self):
            saves.append("begin")

        def before_save(self, session, global_step_value):
            saves.append(f"before {global_step_value}")

        def after_save(self, session, global_step_value):
            saves.append(f"after {global_step_value}")
            return global_step_value >= 6

        def end(self, session, global_step_value):
            saves.append(f"end {global_step_value}")

    hooks = [
        tf.train.CheckpointSaverHook(folder, save_steps=3, listeners=[Listener()]),
        tf.train.StepCounterHook(every_n_steps=2, output_dir=folder),
        tf.train.FinalOpsHook(step * 10),
    ]
    runs = 0
    with tf.train.SingularMonitoredSession(hooks=hooks) as session:
        while not session.should_stop():
            session.run(count)
            runs += 1
    return [runs, saves, int(hooks[2].final_ops_values), events(tf, folder)]


@case
def a_step_that_stands_still(tf, folder):
    counting(tf)
    with tf.train.MonitoredSession(hooks=[tf.train.StepCounterHook(every_n_steps=10)]) as session:
        for _ in range(3):
            session.run(tf.get_default_graph().get_tensor_by_name("global_step:0"))
    return


@case
def a_loss_that_is_no_number(tf, folder):
    _, count = counting(tf)
    loss = tf.log(-1.0)
    given = []
    try:
        with tf.train.MonitoredSession(hooks=[tf.train.NanTensorHook(loss)]) as session:
            session.run(count)
    except tf.train.NanLossDuringTrainingError as error:
        given.append(str(error))
    with tf.train.MonitoredSession(hooks=[tf.train.NanTensorHook(loss, fail_on_nan_loss=False)]) as session:
        while not session.should_stop():
            given.append(int(session.run(count)))
    return given


@case
def feeds_and_steps_without_hooks(tf, folder):
    calls = []
    _, count = counting(tf)
    fed = tf.placeholder(tf.float32, [])
    more = fed + 1

    def step_fn(step_context):
        step_context.session.run(count)
        value = step_context.run_with_hooks(more)
        if value > 2:
            step_context.request_stop()
        return float(value)

    values = iter([0.5, 1.5])
    hooks = [tf.train.FeedFnHook(lambda: {fed: next(values)}), recorder(tf, calls, "hook")]
    with tf.train.MonitoredSession(hooks=hooks) as session:
        while not session.should_stop():
            calls.append(session.run_step_fn(step_fn))
    for wrong in (lambda: 1, lambda a, b: 1):
        try:
            with tf.train.MonitoredSession() as session:
                session.run_step_fn(wrong)
        except ValueError:
            calls.append("ValueError")
    return calls


@case
def a_supervisor(tf, folder):
    step, count = counting(tf)
    w = tf.Variable(1.0, name="w")
    tf.summary.scalar("w", w)
    supervisor = tf.train.Supervisor(logdir=folder, save_summaries_secs=0, save_model_secs=0)
    given = [supervisor.save_path.replace(folder, "FOLDER")]
    with supervisor.managed_session() as session:
        for _ in range(3):
            session.run(count)
        supervisor.summary_computed(session, session.run(supervisor.summary_op))
        given.append(supervisor.saver.save(session, supervisor.save_path, step).replace(folder, "FOLDER"))
        given.append(supervisor.should_stop())
    given += [supervisor.should_stop(), files(folder), events(tf, folder)]
    names = [o.name for o in tf.get_default_graph().get_operations() if not o.name.startswith("save/")]
    return given + [names]


@case
def a_supervisor_restores(tf, folder):
    given = []
    for _ in range(2):
        with tf.Graph().as_default():
            step, count = counting(tf)
            supervisor = tf.train.Supervisor(
                logdir=folder, save_summaries_secs=0, save_model_secs=0, summary_writer=None
            )
            with supervisor.managed_session() as session:
                given.append(int(session.run(step)))
                session.run(count)
                supervisor.saver.save(session, supervisor.save_path, step)
    return given


@case
def evaluation_of_a_checkpoint(tf, folder):
    w = tf.Variable(2.0, name="w")
    with tf.Session() as session:
        session.run(w.initializer)
        session.run(w.assign(5.0))
        path = tf.train.Saver([w]).save(session, os.path.join(folder, "model"))
    total = tf.Variable(0.0, collections=[tf.GraphKeys.LOCAL_VARIABLES], name="total")
    value = tf.contrib.training.evaluate_once(
        path,
        eval_ops=total.assign_add(w),
        final_ops=total,
        hooks=[tf.contrib.training.StopAfterNEvalsHook(3)],
    )
    return [float(value), [o.name for o in tf.get_default_graph().get_operations() if o.name.startswith("eval_step")]]


@case
def slim_training(tf, folder):
    slim = tf.contrib.slim
    w = tf.Variable(4.0, name="w")
    train = slim.learning.create_train_op(w**2, tf.train.GradientDescentOptimizer(0.25))
    loss = slim.learning.train(train, None, number_of_steps=3, save_summaries_secs=0, log_every_n_steps=2)
    return float(loss)


@case
def loss_scales(tf, folder):
    w = tf.Variable(2.0, name="w", use_resource=True)
    scale = tf.train.experimental.DynamicLossScale(initial_loss_scale=4, increment_period=2, multiplier=2)
    optimizer = tf.train.experimental.MixedPrecisionLossScaleOptimizer(tf.train.GradientDescentOptimizer(0.25), scale)
    x = tf.placeholder(tf.float32, [])
    train = optimizer.minimize(w * x)
    given = []
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for value in (1.0, 1.0, float("inf"), 1.0, float("nan"), 2.0):
            session.run(train, {x: value})
            given.append([float(v) for v in session.run([w, scale()])])
    return [given, repr(scale), [v.name for v in tf.global_variables()]]


@case
def devices_by_replica_device_setter(tf, folder):
    given = []
    cluster = {"ps": ["p0:1", "p1:1"], "worker": ["w0:1"]}
    for arguments in (
        {"ps_tasks": 2},
        {"cluster": cluster, "worker_device": "/job:worker/task:0"},
        {"ps_tasks": 2, "merge_devices": False},
        {"ps_tasks": 0},
    ):
        with tf.Graph().as_default() as graph:
            with tf.device(tf.train.replica_device_setter(**arguments)):
                tf.Variable(1.0, name="a")
                with tf.device("/cpu:0"):
                    tf.Variable(1.0, name="b")
                tf.constant(1.0, name="c")
            given.append([[o.name, o.type, o.device] for o in graph.get_operations()])
    return given


@case
def clusters(tf, folder):
    cluster = tf.train.ClusterSpec({"ps": ["a:1", "b:2"], "worker": {0: "c:3", 2: "d:4"}})
    given = [str(cluster), cluster.jobs, cluster.num_tasks("worker"), cluster.job_tasks("worker")]
    given += [cluster.task_indices("worker"), bool(tf.train.ClusterSpec({})), str(cluster.as_cluster_def())]
    server = tf.train.Server(tf.train.ClusterSpec({"local": ["localhost:0"]}), start=False)
    given.append(str(server.server_def))
    for arguments in ((5,), ({"a": ["x:1"], "b": ["y:1"]},), ({"a": ["x:1", "x:2"]},)):
        try:
            tf.train.Server(*arguments, start=False)
        except (TypeError, ValueError) as error:
            given.append(type(error).__name__)
    return given


@case
def synchronous_replicas(tf, folder):
    step, _ = counting(tf)
    w = tf.Variable(1.0, name="w")
    optimizer = tf.train.SyncReplicasOptimizer(
        tf.train.GradientDescentOptimizer(0.5), replicas_to_aggregate=1, total_num_replicas=1
    )
    train = optimizer.minimize(w**2, global_step=step)
    names = [[o.name, o.type] for o in tf.get_default_graph().get_operations()]
    hook = optimizer.make_session_run_hook(is_chief=True, num_tokens=0)
    # The chief's thread waits for gradients when the session closes; TensorFlow does not end that wait either.
    with tf.train.MonitoredSession(hooks=[hook], stop_grace_period_secs=0.1) as session:
        session.run(train)
        session.run(train)
        value = session.run(step)
    return [names, int(value) >= 2]
