"""What all optimizers share. Their numbers are held against TensorFlow's in `tests/session` and `tests/ops`, their
graphs in `tests/graph_identity`."""

import numpy as np
import pytest

import evergraph as tf

KINDS = pytest.mark.parametrize("use_resource", [False, True], ids=["ref", "resource"])
OPTIMIZERS = {
    "GradientDescent": (lambda: tf.train.GradientDescentOptimizer(0.1), []),
    "Momentum": (lambda: tf.train.MomentumOptimizer(0.1, 0.9), ["momentum"]),
    "Adam": (lambda: tf.train.AdamOptimizer(0.1), ["m", "v"]),
    "Adagrad": (lambda: tf.train.AdagradOptimizer(0.3), ["accumulator"]),
    "AdagradDA": (
        lambda: tf.train.AdagradDAOptimizer(0.3, tf.train.get_or_create_global_step()),
        ["gradient_accumulator", "gradient_squared_accumulator"],
    ),
    "RMSProp": (lambda: tf.train.RMSPropOptimizer(0.1), ["momentum", "rms"]),
    "CenteredRMSProp": (lambda: tf.train.RMSPropOptimizer(0.1, centered=True), ["mg", "momentum", "rms"]),
    "Adadelta": (lambda: tf.train.AdadeltaOptimizer(2.0, epsilon=1e-2), ["accum", "accum_update"]),
    "Ftrl": (lambda: tf.train.FtrlOptimizer(0.3), ["accum", "linear"]),
    "FtrlV2": (lambda: tf.train.FtrlOptimizer(0.3, l2_shrinkage_regularization_strength=0.1), ["accum", "linear"]),
    "ProximalGradientDescent": (lambda: tf.train.ProximalGradientDescentOptimizer(0.1, 0.01), []),
    "ProximalAdagrad": (lambda: tf.train.ProximalAdagradOptimizer(0.3), ["accumulator"]),
}


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def started(session):
    session.run(tf.global_variables_initializer())
    return session


@KINDS
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_loss_falls(name, use_resource):
    make, slots = OPTIMIZERS[name]
    w = tf.get_variable("w", initializer=[3.0, -2.0, 1.0], use_resource=use_resource)
    rows = tf.get_variable("rows", initializer=np.ones([4, 2], np.float32), use_resource=use_resource)
    loss = tf.reduce_sum(w**2) + tf.reduce_sum(tf.gather(rows, [0, 2, 2]) ** 2)
    optimizer = make()
    step = tf.train.get_or_create_global_step()
    train = optimizer.minimize(loss, global_step=step)
    assert optimizer.get_slot_names() == slots
    for slot in slots:
        assert optimizer.get_slot(w, slot).shape == w.shape
    with tf.Session() as session:
        started(session)
        losses = []
        for _ in range(12):
            losses.append(session.run(loss))
            session.run(train)
        assert losses[-1] < 0.6 * losses[0], losses
        assert session.run(step) == 12
        table = session.run(rows)
        np.testing.assert_array_equal(table[[1, 3]], 1.0)


@KINDS
def test_rows_named_twice_count_twice(use_resource):
    w = tf.get_variable("w", initializer=np.zeros([3, 2], np.float32), use_resource=use_resource)
    grad = tf.IndexedSlices(tf.ones([3, 2]), tf.constant([1, 2, 1]), tf.constant([3, 2]))
    for optimizer in (tf.train.GradientDescentOptimizer(1.0), tf.train.MomentumOptimizer(1.0, 0.0)):
        train = optimizer.apply_gradients([(grad, w)])
        with tf.Session() as session:
            started(session).run(train)
            np.testing.assert_array_equal(session.run(w), [[0, 0], [-2, -2], [-1, -1]])


@KINDS
def test_constraint_is_applied_after_each_step(use_resource):
    w = tf.get_variable("w", initializer=[3.0], constraint=lambda v: tf.maximum(v, 2.5), use_resource=use_resource)
    train = tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_sum(w))
    with tf.Session() as session:
        started(session)
        values = []
        for _ in range(7):
            session.run(train)
            values.append(float(session.run(w)[0]))
    np.testing.assert_allclose(values, [2.9, 2.8, 2.7, 2.6, 2.5, 2.5, 2.5], rtol=1e-6)
    sparse = tf.IndexedSlices(tf.ones([1]), tf.constant([0]), tf.constant([1]))
    with pytest.raises(RuntimeError, match="constraint"):
        tf.train.GradientDescentOptimizer(0.1).apply_gradients([(sparse, w)])


def test_learning_rate_may_be_fed_or_computed():
    rate = tf.placeholder(tf.float32, [])
    w = tf.Variable(1.0)
    by_feed = tf.train.GradientDescentOptimizer(rate).minimize(w)
    by_function = tf.train.GradientDescentOptimizer(lambda: 0.25).minimize(w)
    with tf.Session() as session:
        started(session)
        session.run(by_feed, {rate: 0.5})
        assert session.run(w) == 0.5
        session.run(by_function)
        assert session.run(w) == 0.25


def test_numbers_follow_the_type_of_the_variable():
    w = tf.get_variable("w", initializer=np.array([1.0]))
    for make, _ in OPTIMIZERS.values():
        make().minimize(tf.reduce_sum(w**2))
    with tf.Session() as session:
        started(session)
        session.run(tf.get_collection(tf.GraphKeys.TRAIN_OP))
        assert session.run(w).dtype == np.float64


def test_only_the_variables_named_are_changed():
    a, b = tf.Variable(1.0), tf.Variable(1.0)
    optimizer = tf.train.MomentumOptimizer(0.1, 0.9)
    pairs = optimizer.compute_gradients(a * b, var_list=[a])
    assert [v for _, v in pairs] == [a]
    optimizer.apply_gradients(pairs)
    assert optimizer.get_slot(b, "momentum") is None
    assert optimizer.variables() == [optimizer.get_slot(a, "momentum")]


def test_an_optimizer_serves_several_losses_with_the_same_slots():
    w = tf.Variable(1.0)
    optimizer = tf.train.AdamOptimizer()
    optimizer.minimize(w**2)
    before = optimizer.variables()
    optimizer.minimize(w**4)
    assert optimizer.variables() == before
    assert [v.name for v in before] == ["Variable/Adam:0", "Variable/Adam_1:0", "beta1_power:0", "beta2_power:0"]


def test_slots_are_not_trained_and_not_partitioned():
    with tf.variable_scope("s", partitioner=tf.fixed_size_partitioner(2)):
        v = tf.get_variable("v", [4])
    tf.get_variable_scope().set_partitioner(tf.fixed_size_partitioner(2))
    tf.train.MomentumOptimizer(0.1, 0.9).minimize(tf.reduce_sum(v.as_tensor()))
    assert [v.name for v in tf.trainable_variables()] == ["s/v/part_0:0", "s/v/part_1:0"]
    slots = [v for v in tf.global_variables() if "Momentum" in v.name]
    assert [v._get_save_slice_info().spec for v in slots] == ["4 0,2", "4 2,2"]
    assert [v._get_save_slice_info().full_name for v in slots] == ["s/v/Momentum"] * 2


def test_gates():
    w = tf.Variable(1.0)
    for gate in (tf.train.Optimizer.GATE_NONE, tf.train.Optimizer.GATE_OP, tf.train.Optimizer.GATE_GRAPH):
        train = tf.train.GradientDescentOptimizer(0.1).minimize(w * w, gate_gradients=gate)
        with tf.Session() as session:
            started(session).run(train)
            np.testing.assert_allclose(session.run(w), 0.8)
    with pytest.raises(ValueError, match="gate_gradients"):
        tf.train.GradientDescentOptimizer(0.1).minimize(w * w, gate_gradients=9)


def test_refusals():
    sgd = tf.train.GradientDescentOptimizer(0.1)
    with pytest.raises(ValueError, match="No variables to optimize"):
        sgd.minimize(tf.constant(1.0))
    w = tf.Variable(1.0)
    with pytest.raises(ValueError, match="No gradients provided for any variable"):
        sgd.minimize(tf.constant(1.0))
    with pytest.raises(ValueError, match="No variables provided"):
        sgd.apply_gradients([])
    with pytest.raises(ValueError, match="No gradients provided for any variable"):
        sgd.apply_gradients([(None, w)])
    with pytest.raises(TypeError, match="Gradient must be convertible"):
        sgd.apply_gradients([(object(), w)])
    with pytest.raises(ValueError, match="Invalid type tf.int32"):
        sgd.minimize(tf.constant(1), var_list=[tf.Variable(1)])
    with pytest.raises(NotImplementedError):
        sgd.apply_gradients([(1.0, "w")])
    with pytest.raises(NotImplementedError):
        tf.train.Optimizer(False, "mine").apply_gradients([(tf.constant(1.0), w)])
    with pytest.raises(ValueError, match="name"):
        tf.train.Optimizer(False, "")
    with pytest.raises(ValueError, match="initial_accumulator_value"):
        tf.train.AdagradOptimizer(0.1, 0.0)
    with pytest.raises(ValueError, match="learning_rate_power"):
        tf.train.FtrlOptimizer(0.1, learning_rate_power=1.0)


def test_an_optimizer_of_ones_own():
    class Signs(tf.train.Optimizer):
        def __init__(self):
            super().__init__(False, "Signs")

        def _create_slots(self, var_list):
            for v in var_list:
                self._zeros_slot(v, "count", self._name)

        def _apply_dense(self, grad, var):
            count = self.get_slot(var, "count").assign_add(tf.ones(var.shape))
            return var.assign_sub(tf.sign(grad) * count)

    w = tf.Variable([5.0, -5.0])
    train = Signs().minimize(tf.reduce_sum(w**2))
    with tf.Session() as session:
        started(session)
        session.run(train)
        session.run(train)
        assert session.run(w).tolist() == [2.0, -2.0]
