"""Random numbers: the values themselves, from run to run, from session to session, with and without seeds."""


def _two_sessions(tf, *fetches):
    """Two runs in one session, then one in another."""
    with tf.Session() as first, tf.Session() as second:
        return [first.run(list(fetches)), first.run(list(fetches)), second.run(list(fetches))]


def op_seed(tf):
    return _two_sessions(tf, tf.random_uniform([3], seed=42))


def graph_seed(tf):
    tf.set_random_seed(1)
    return _two_sessions(tf, tf.random_uniform([3]), tf.random_uniform([3]))


def graph_and_op_seed(tf):
    tf.set_random_seed(1)
    return _two_sessions(tf, tf.random_uniform([6], seed=42), tf.random_normal([2], seed=42))


def same_op_seeds_give_the_same_numbers(tf):
    return _two_sessions(tf, tf.random_normal([2], seed=5), tf.random_normal([2], seed=5))


def seeds_of_zero(tf):
    tf.set_random_seed(0)
    return _two_sessions(tf, tf.random_uniform([2], seed=0), tf.random_uniform([2]))


def without_seeds_runs_differ(tf):
    (a,), (b,), (c,) = _two_sessions(tf, tf.random_uniform([4]))
    return [bool((a != b).any()), bool((a != c).any()), bool((b != c).any())]


def one_run_draws_once(tf):
    x = tf.random_uniform([3])
    with tf.Session() as sess:
        a, b, c = sess.run([x, x, x + 0.0])
    return [bool((a == b).all()), bool((a == c).all())]


def integers(tf):
    tf.set_random_seed(3)
    return _two_sessions(
        tf,
        tf.random_uniform([5], maxval=10, dtype=tf.int32),
        tf.random_uniform([5], minval=-3, maxval=2**40, dtype=tf.int64),
    )


def doubles_and_halves(tf):
    tf.set_random_seed(4)
    return _two_sessions(
        tf,
        tf.random_uniform([3], dtype=tf.float64),
        tf.random_normal([3], dtype=tf.float64),
        tf.random_uniform([3], dtype=tf.float16),
    )


def normals(tf):
    tf.set_random_seed(2)
    return _two_sessions(tf, tf.random_normal([7]), tf.random_normal([3], mean=10.0, stddev=2.0))


def truncated_normals(tf):
    return _two_sessions(tf, tf.truncated_normal([9], seed=1), tf.truncated_normal([3], mean=5.0, stddev=0.1, seed=2))


def large_arrays(tf):
    tf.set_random_seed(9)
    with tf.Session() as sess:
        uniform, normal, truncated = sess.run(
            [tf.random_uniform([1000]), tf.random_normal([100, 30]), tf.truncated_normal([5000])]
        )
    return [uniform[::125], normal[::20, 17], truncated[::600]]


def shuffles(tf):
    return _two_sessions(
        tf, tf.random_shuffle(tf.range(8), seed=1), tf.random_shuffle([[1, 2], [3, 4], [5, 6]], seed=3)
    )


def multinomials(tf):
    return _two_sessions(tf, tf.multinomial([[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]], 6, seed=1))


def gammas(tf):
    return _two_sessions(tf, tf.random_gamma([3], alpha=[0.5, 2.0], seed=1))


def poissons(tf):
    return _two_sessions(tf, tf.random_poisson([1.0, 20.0], [4], seed=1))


def stateless(tf):
    return _two_sessions(
        tf, tf.random.stateless_uniform([3], seed=[1, 2]), tf.random.stateless_normal([3], seed=[1, 2])
    )


def dropout(tf):
    return _two_sessions(
        tf, tf.nn.dropout(tf.ones([10]), keep_prob=0.5, seed=3), tf.nn.dropout([2.0] * 5, rate=0.2, seed=4)
    )


def random_crop(tf):
    return _two_sessions(tf, tf.random_crop(tf.reshape(tf.range(20), [4, 5]), [2, 2], seed=1))


def shape_from_a_feed(tf):
    n = tf.placeholder(tf.int32, [])
    x = tf.random_uniform([n], seed=1)
    with tf.Session() as sess:
        return [sess.run(x, {n: size}) for size in (2, 3, 1)]


def initializers(tf):
    tf.set_random_seed(12)
    values = [
        tf.get_variable("default", [2, 3]),
        tf.get_variable("normal", [3], initializer=tf.random_normal_initializer(stddev=0.02)),
        tf.get_variable("uniform", [3], initializer=tf.random_uniform_initializer(-1.0, 1.0)),
        tf.get_variable("truncated", [3], initializer=tf.truncated_normal_initializer(stddev=0.1)),
        tf.get_variable("scaled", [2, 3], initializer=tf.variance_scaling_initializer(2.0)),
        tf.get_variable("glorot", [3, 2], initializer=tf.glorot_normal_initializer()),
        tf.get_variable("he", [3, 2], initializer=tf.initializers.he_uniform()),
        tf.get_variable("orthogonal", [2, 3], initializer=tf.orthogonal_initializer()),
        tf.Variable(tf.random_normal([2])),
        tf.Variable(tf.random_normal([2], seed=3), use_resource=True),
    ]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return sess.run(values)


def initializing_again_draws_new_values(tf):
    tf.set_random_seed(1)
    v = tf.get_variable("v", [2])
    with tf.Session() as sess:
        sess.run(v.initializer)
        first = sess.run(v)
        sess.run(v.initializer)
        return [first, sess.run(v)]


def counters_belong_to_the_op(tf):
    a, b = tf.random_uniform([2], seed=1), tf.random_uniform([2], seed=2)
    with tf.Session() as sess:
        return [sess.run(a), sess.run([a, b]), sess.run(b), sess.run(a)]


def ops_added_before_change_derived_seeds(tf):
    tf.set_random_seed(1)
    tf.constant(0)
    x = tf.random_uniform([2])
    tf.constant(0)
    y = tf.random_uniform([2])
    with tf.Session() as sess:
        return sess.run([x, y])
