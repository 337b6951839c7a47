"""One measurement in a process of its own: `python measure.py ROW MODULE`. Runs under Python 3.7 and later.

MODULE is imported as `tf`, or is `jax` for the rows that have a hand-written JAX form. The last line printed is the
result as JSON: figures in the unit of the row.
"""

import importlib
import json
import os
import sys
import time

import numpy as np
from networks import NETWORKS

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
now = time.perf_counter
LAYERS = [(784, 512), (512, 512), (512, 10)]
RANDOM = np.random.RandomState(0)
IMAGES = RANDOM.rand(128, 784).astype(np.float32)
LABELS = RANDOM.randint(0, 10, 128)


def load(name):
    tf = importlib.import_module(name)
    if name.startswith("tensorflow"):
        tf.disable_v2_behavior()
        tf.logging.set_verbosity(tf.logging.ERROR)
    return tf


def median_us(call, inner, samples=9, clock=now):
    """The median time of one call, in microseconds."""
    for _ in range(3):
        call()
    times = []
    for _ in range(samples):
        start = clock()
        for _ in range(inner):
            call()
        times.append((clock() - start) / inner * 1e6)
    return sorted(times)[samples // 2]


def run_variable(tf):
    v = tf.Variable(42.0)
    session = tf.Session()
    session.run(v.initializer)
    return median_us(lambda: session.run(v), 300)


def run_small_op(tf):
    x = tf.placeholder(tf.float32, [None, 4])
    y = tf.reduce_sum(x * 2.0)
    session, fed = tf.Session(), np.ones((3, 4), np.float32)
    return median_us(lambda: session.run(y, {x: fed}), 300)


def run_small_op_jax():
    import jax
    import jax.numpy as jnp

    compiled, fed = jax.jit(lambda x: jnp.sum(x * 2.0)), np.ones((3, 4), np.float32)
    return median_us(lambda: np.asarray(compiled(fed)), 300)


def build_op(tf):
    x, w, b = (tf.placeholder(tf.float32, s) for s in ([None, 8], [8, 8], [8]))
    h = x

    def layers(h, n):
        for _ in range(n):
            h = tf.nn.relu(tf.nn.bias_add(tf.matmul(h, w), b)) * 0.5
        return h

    h = layers(h, 50)
    graph = tf.get_default_graph()
    before, start = len(graph.get_operations()), now()
    layers(h, 1000)
    return (now() - start) / (len(graph.get_operations()) - before) * 1e6


def gradients(tf):
    x, b = tf.placeholder(tf.float32, [None, 8]), tf.placeholder(tf.float32, [8])
    weights = [tf.placeholder(tf.float32, [8, 8]) for _ in range(500)]
    h = x
    for w in weights:
        h = tf.nn.relu(tf.matmul(h, w) + b)
    loss = tf.reduce_mean(h)
    forward, start = len(tf.get_default_graph().get_operations()), now()
    tf.gradients(loss, weights + [b])
    return (now() - start) / forward * 1e6


def import_time(name):
    start = now()
    importlib.import_module(name)
    return (now() - start) * 1e6


def mlp(tf):
    x, y = tf.placeholder(tf.float32, [None, 784]), tf.placeholder(tf.int64, [None])
    h = x
    for i, shape in enumerate(LAYERS):
        with tf.variable_scope(f"layer{i}"):
            w = tf.get_variable("w", shape)
            b = tf.get_variable("b", shape[1:], initializer=tf.zeros_initializer())
            h = tf.nn.bias_add(tf.matmul(h, w), b)
            h = tf.nn.relu(h) if i < 2 else h
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=h))
    train = tf.train.AdamOptimizer(1e-3).minimize(loss)
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    return lambda: session.run([train, loss], {x: IMAGES, y: LABELS})


def mlp_step(tf):
    return median_us(mlp(tf), 10, 15)


def mlp_first_step(tf):
    step = mlp(tf)
    start = now()
    step()
    return (now() - start) * 1e6


def mlp_step_jax():
    import jax
    import jax.numpy as jnp

    parameters = []
    for rows, columns in LAYERS:
        limit = (6.0 / (rows + columns)) ** 0.5
        parameters += [jnp.asarray(RANDOM.uniform(-limit, limit, (rows, columns)), jnp.float32), jnp.zeros(columns)]

    def loss_of(parameters, x, y):
        h = x
        for i in range(3):
            h = h @ parameters[2 * i] + parameters[2 * i + 1]
            h = jax.nn.relu(h) if i < 2 else h
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(h), y[:, None], 1))

    def step(state, x, y):
        parameters, m, v, t = state
        loss, grads = jax.value_and_grad(loss_of)(parameters, x, y)
        t = t + 1
        rate = 1e-3 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        m = [0.9 * a + 0.1 * g for a, g in zip(m, grads)]
        v = [0.999 * a + 0.001 * g * g for a, g in zip(v, grads)]
        parameters = [p - rate * a / (jnp.sqrt(b) + 1e-8) for p, a, b in zip(parameters, m, v)]
        return (parameters, m, v, t), loss

    compiled = jax.jit(step, donate_argnums=0)
    zeros = [jnp.zeros_like(p) for p in parameters]
    state = [(parameters, zeros, [jnp.zeros_like(p) for p in parameters], jnp.zeros(()))]
    labels = LABELS.astype(np.int32)

    def run():
        state[0], loss = compiled(state[0], IMAGES, labels)
        return float(loss)

    return median_us(run, 10, 15)


def _status_mb(key):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) / 1024.0 for line in lines if line.startswith(key + ":"))


def _peak_copies(steps, warm):
    """Peak memory while `steps` run, in copies of 1 GB above what the process held before the variable."""
    before, session, step = warm
    with open("/proc/self/clear_refs", "w") as reset:
        reset.write("5")
    for _ in range(steps):
        session.run(step)
    return (_status_mb("VmHWM") - before) / 1024.0


def _big_variable(tf):
    """A session in which everything is loaded, and SGD on a variable of 1 GB in it, not yet run."""
    rate = tf.placeholder_with_default(0.1, [])
    small = tf.Variable(np.zeros(10, np.float32))
    small_step = tf.train.GradientDescentOptimizer(rate).minimize(tf.reduce_sum(small * rate))
    v = tf.get_variable("v", [256, 1024, 1024], initializer=tf.zeros_initializer())
    step = tf.train.GradientDescentOptimizer(rate).minimize(tf.reduce_sum(v * rate))
    session = tf.Session()
    session.run(small.initializer)
    for _ in range(3):
        session.run(small_step)
    before = _status_mb("VmRSS")
    session.run(v.initializer)
    return before, session, step


def big_variable(tf):
    """Peak copies of a 1 GB variable during SGD steps, once the first two are done."""
    warm = _big_variable(tf)
    _peak_copies(2, warm)
    return _peak_copies(3, warm)


def big_variable_first(tf):
    """Peak copies during the first two steps."""
    return _peak_copies(2, _big_variable(tf))


def many_variables(tf):
    """CPU time of a step that updates 1,000 small variables."""
    rate = tf.placeholder(tf.float32, [])
    variables = [tf.Variable(np.ones(10, np.float32)) for _ in range(1000)]
    loss = tf.add_n([tf.reduce_sum(tf.square(v)) for v in variables])
    step = tf.train.GradientDescentOptimizer(rate).minimize(loss)
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    return median_us(lambda: session.run([step, loss], {rate: 0.01}), 3, 7, time.process_time)


def _records(tf, count=20_000, longest=0):
    """A file of records, what to parse of them, and how many there are; with lists if they may have elements."""
    import tempfile

    path = tempfile.mkstemp(suffix=".tfrecord")[1]
    feature = tf.train.Feature
    with tf.python_io.TFRecordWriter(path) as writer:
        for i in range(count):
            features = {
                "label": feature(int64_list=tf.train.Int64List(value=[i % 10])),
                "x": feature(float_list=tf.train.FloatList(value=RANDOM.rand(8))),
                "name": feature(bytes_list=tf.train.BytesList(value=[b"record %d" % i])),
            }
            if longest:
                n = RANDOM.randint(longest + 1)
                features["ids"] = feature(int64_list=tf.train.Int64List(value=RANDOM.randint(0, 100_000, n)))
                features["weights"] = feature(float_list=tf.train.FloatList(value=RANDOM.rand(n)))
                features["tags"] = feature(bytes_list=tf.train.BytesList(value=[b"tag %d" % k for k in range(n % 4)]))
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    wanted = {
        "label": tf.FixedLenFeature([], tf.int64),
        "x": tf.FixedLenFeature([8], tf.float32),
        "name": tf.FixedLenFeature([], tf.string),
    }
    if longest:
        kinds = {"ids": tf.int64, "weights": tf.float32, "tags": tf.string}
        wanted.update((key, tf.VarLenFeature(kind)) for key, kind in kinds.items())
    return path, wanted, count


def _cpu_us_an_element(tf, dataset, count, path=None):
    """CPU time of going through `dataset` once, on all threads, per element of what it is made of. Removes `path`."""
    iterator = dataset.make_initializable_iterator()
    parts = iterator.get_next()
    session = tf.Session()
    step = session.make_callable([parts[key] for key in sorted(parts)] if isinstance(parts, dict) else parts)
    times = []
    for _ in range(5):
        session.run(iterator.initializer)
        start = time.process_time()
        try:
            while True:
                step()
        except tf.errors.OutOfRangeError:
            times.append((time.process_time() - start) / count * 1e6)
    if path is not None:
        os.unlink(path)
    return sorted(times)[len(times) // 2]


def records_batch_parse(tf):
    """TFRecords in batches, parsed a batch at a time."""
    path, wanted, count = _records(tf)
    dataset = tf.data.TFRecordDataset(path).batch(128).map(lambda s: tf.parse_example(s, wanted))
    return _cpu_us_an_element(tf, dataset, count, path)


def records_parse_batch(tf):
    """TFRecords parsed one by one, then put into batches."""
    path, wanted, count = _records(tf)
    dataset = tf.data.TFRecordDataset(path).map(lambda s: tf.parse_single_example(s, wanted)).batch(128)
    return _cpu_us_an_element(tf, dataset, count, path)


def lists_batch_parse(tf):
    """Records with lists in batches, parsed a batch at a time."""
    path, wanted, count = _records(tf, longest=29)
    dataset = tf.data.TFRecordDataset(path).batch(128).map(lambda s: tf.parse_example(s, wanted))
    return _cpu_us_an_element(tf, dataset, count, path)


def lists_padded(tf):
    """Records with lists, parsed one by one; one of the lists is made dense by another function, then padded."""
    path, wanted, count = _records(tf, longest=29)
    dataset = tf.data.TFRecordDataset(path).map(lambda s: tf.parse_single_example(s, wanted))
    dataset = dataset.map(lambda parsed: (parsed["label"], tf.sparse_tensor_to_dense(parsed["ids"])))
    return _cpu_us_an_element(tf, dataset.padded_batch(128, ([], [None])), count, path)


def records_shuffled(tf):
    """TFRecords in random order, in batches, parsed a batch at a time, ahead of their use."""
    path, wanted, count = _records(tf)
    batches = tf.data.TFRecordDataset(path).shuffle(10_000).batch(128)
    parsed = batches.map(lambda s: tf.parse_example(s, wanted), num_parallel_calls=2)
    return _cpu_us_an_element(tf, parsed.prefetch(2), count, path)


def elements_mapped(tf):
    """A function of each of many numbers, and a condition that a third of the results meet."""
    count = 20_000
    numbers = tf.data.Dataset.range(count).map(lambda i: i * 2 + 1)
    return _cpu_us_an_element(tf, numbers.filter(lambda i: tf.equal(i % 3, 0)).batch(256), count)


def lines_parsed(tf):
    """Lines of a text file, each made four columns, then put into batches."""
    import tempfile

    count, path = 20_000, tempfile.mkstemp(suffix=".csv")[1]
    with open(path, "w") as file:
        file.writelines(f"{i},{i * 0.37:.3f},name {i},{i % 2}\n" for i in range(count))
    lines = tf.data.TextLineDataset(path).map(lambda s: tuple(tf.decode_csv(s, [[0], [0.0], [""], [0]])))
    return _cpu_us_an_element(tf, lines.batch(128), count, path)


def images_decoded(tf):
    """JPEG files of 448 x 336 decoded and resized, two at a time."""
    import tempfile

    count, path = 128, tempfile.mkstemp(suffix=".jpeg")[1]
    image = np.kron(RANDOM.randint(0, 255, (24, 32, 3)), np.ones((14, 14, 1))).astype(np.uint8)
    with open(path, "wb") as file:
        file.write(tf.Session().run(tf.image.encode_jpeg(image)))

    def load(name):
        return tf.image.resize_images(tf.image.decode_jpeg(tf.read_file(name), channels=3), [224, 224])

    images = tf.data.Dataset.from_tensor_slices([path] * count).map(load, num_parallel_calls=2)
    return _cpu_us_an_element(tf, images.batch(32).prefetch(1), count, path)


def rows_shuffled(tf):
    """Rows of an array in batches, in random order."""
    count = 20_000
    dataset = tf.data.Dataset.from_tensor_slices((np.zeros((count, 128), np.float32), np.arange(count)))
    return _cpu_us_an_element(tf, dataset.shuffle(1000).batch(128), count)


def network_step(tf, name):
    """The least of some steps of a network: CPU time on all threads, time by the clock, and the first step's."""
    step = NETWORKS[name](tf)
    start = now()
    step()
    first = now() - start
    for _ in range(2):
        step()
    times = []
    while len(times) < 3 or len(times) < 9 and sum(clock for _, clock in times) < 5:
        cpu, clock = time.process_time(), now()
        step()
        times.append((time.process_time() - cpu, now() - clock))
    parts = {"cpu": min(cpu for cpu, _ in times), "clock": min(clock for _, clock in times), "first": first}
    return {key: value * 1e6 for key, value in parts.items()}


def main():
    row, name = sys.argv[1:3]
    if row == "import_time":
        result = import_time(name)
    elif row in NETWORKS:
        result = network_step(load(name), row)
    elif name == "jax":
        result = globals()[row + "_jax"]()
    else:
        result = globals()[row](load(name))
    print("\n" + json.dumps(result))
    sys.stdout.flush()
    os._exit(0)  # some engines take long to close down


if __name__ == "__main__":
    main()
