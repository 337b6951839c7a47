"""Optimizers take the steps that TensorFlow's take, with the same ops."""

import json
from pathlib import Path

import numpy as np
import pytest
from training import cases_contrib_optimizers as cases

import evergraph as tf

RECORDED = json.loads((Path(__file__).parent / "recordings" / "contrib_optimizers.json").read_text())


@pytest.mark.parametrize(("name", "resource"), cases.RUNS)
def test_steps_are_tensorflows(name, resource):
    found, recorded = cases.run(tf, name, resource), RECORDED[f"{name} {resource}"]
    assert found["ops"] == recorded["ops"]
    # Roots of matrices magnify the last digits.
    assert_same_steps(found, recorded, 1e-5 if name.startswith(("shampoo", "ggt")) else 2e-6)


def assert_same_steps(found, recorded, rtol):
    for step, expected in zip(found["values"], recorded["values"], strict=True):
        assert [v for v, _ in step] == [v for v, _ in expected]
        for (variable, value), (_, wanted) in zip(step, expected, strict=True):
            np.testing.assert_allclose(value, wanted, rtol=rtol, atol=1e-7, err_msg=variable)


@pytest.mark.parametrize("name", sorted(cases.WORKERS))
def test_workers_take_tensorflows_steps(name):
    found, recorded = cases.run_worker(tf, name), RECORDED[f"worker {name}"]
    # TensorFlow reads the copy of the shared variable outside of the branch, so that a Switch leads into it; the
    # new value is seen there because the read shares its memory.
    for part in ("ops", "devices"):
        if len(found[part]) == 2:  # a digest
            assert found[part] == recorded[part]
            continue
        mine = {tuple(entry) for entry in found[part]}
        expected = [entry for entry in recorded[part] if not entry[0].endswith("/Switch_1") or tuple(entry) in mine]
        assert found[part] == expected
    assert found["collections"] == recorded["collections"]
    assert_same_steps(found, recorded, 2e-6)


def test_shared_variables_are_saved_under_the_names_of_the_trained_ones(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        getter = tf.contrib.opt.ElasticAverageCustomGetter("")
        sgd = tf.train.GradientDescentOptimizer(0.5)
        optimizer = tf.contrib.opt.ElasticAverageOptimizer(sgd, 1, getter, communication_period=9)
        with pytest.raises(RuntimeError, match="global_center_variable is empty"):
            optimizer.swapping_saver()
        with tf.variable_scope("", custom_getter=getter):
            v = tf.get_variable("v", initializer=1.0)
        train = optimizer.apply_gradients(optimizer.compute_gradients(v * 2))
        saver = optimizer.swapping_saver()
        session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        session.run(optimizer.get_init_op(0))
        session.run(train)
        path = saver.save(session, str(tmp_path / "model"))
        assert session.run(v) == 0.0
        assert tf.train.load_variable(path, "v") == 1.0


def test_model_average_needs_variables_and_a_global_step():
    with tf.Graph().as_default():
        getter = tf.contrib.opt.ModelAverageCustomGetter("")
        sgd = tf.train.GradientDescentOptimizer(0.5)
        optimizer = tf.contrib.opt.ModelAverageOptimizer(sgd, 1, True, getter)
        with pytest.raises(ValueError, match="at least one variable"):
            optimizer.apply_gradients([], tf.train.get_or_create_global_step())
        with pytest.raises(ValueError, match="Global step is required"):
            optimizer.apply_gradients([(None, None)])


def test_sums_of_squares_can_be_left_alone():
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.Variable(1.0)
        optimizer = tf.contrib.opt.RegAdagradOptimizer(0.5, initial_accumulator_value=1.0)
        step = optimizer.minimize(v * 2)
        with optimizer.avoid_updating_slots():
            penalty_step = optimizer.minimize(v * 3)
        session.run(tf.global_variables_initializer())
        session.run(penalty_step)
        assert session.run(optimizer.get_slot(v, "accumulator")) == 1.0
        session.run(step)
        assert session.run(optimizer.get_slot(v, "accumulator")) == 5.0


def test_a_decaying_sign_needs_a_global_step():
    with tf.Graph().as_default():
        for name in ("linear", "cosine", "restart"):
            optimizer = tf.contrib.opt.AddSignOptimizer(sign_decay_fn=cases.decay(tf, name, 10))
            with pytest.raises(ValueError, match="global_step is required"):
                optimizer.minimize(tf.Variable(1.0) * 2)


def test_ggt_refuses_sparse_gradients():
    with tf.Graph().as_default():
        with pytest.raises(NotImplementedError, match="Sparse gradient"):
            tf.contrib.opt.GGTOptimizer().minimize(tf.gather(tf.Variable([[1.0], [2.0]]), [1]))


@pytest.mark.parametrize("size", [1, 2, 5])
def test_roots_of_matrices(size):
    from evergraph.contrib.optimizers import matrix_roots

    rng = np.random.RandomState(size)
    half = rng.uniform(-1, 1, (size, size))
    matrix = (half @ half.T + np.eye(size)).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        root, inverse = session.run(
            [
                matrix_roots.matrix_square_root(matrix, size, ridge_epsilon=0.0),
                matrix_roots.matrix_inverse_pth_root(matrix, size, -0.25, ridge_epsilon=0.0),
            ]
        )
    np.testing.assert_allclose(root @ root, matrix, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(np.linalg.matrix_power(inverse, 4) @ matrix, np.eye(size), rtol=1e-3, atol=1e-3)


def test_scipy_finds_the_least_within_bounds():
    pytest.importorskip("scipy")
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.Variable([7.0, 7.0])
        optimizer = tf.contrib.opt.ScipyOptimizerInterface(
            tf.reduce_sum(tf.square(v - 1)), var_to_bounds={v: ([1.5, -np.inf], np.inf)}
        )
        session.run(tf.global_variables_initializer())
        seen = []
        optimizer.minimize(session, fetches=[v], loss_callback=seen.append)
        np.testing.assert_allclose(session.run(v), [1.5, 1.0], atol=1e-5)
        np.testing.assert_array_equal(seen[0], [7.0, 7.0])


def test_averages_are_saved_in_the_place_of_variables(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.Variable(1.0, name="v")
        optimizer = tf.contrib.opt.MovingAverageOptimizer(tf.train.GradientDescentOptimizer(0.5), average_decay=0.5)
        with pytest.raises(RuntimeError, match="minimize"):
            optimizer.swapping_saver()
        train = optimizer.minimize(v)
        saver = optimizer.swapping_saver()
        session.run(tf.global_variables_initializer())
        session.run(train)
        path = saver.save(session, str(tmp_path / "model"))
        assert tf.train.load_variable(path, "v") == 0.75
        saver.restore(session, path)
        assert session.run(v) == 0.5


def test_several_losses_take_turns():
    with tf.Graph().as_default(), tf.Session() as session:
        v, x = tf.Variable(1.0), tf.placeholder(tf.float32, [])
        optimizer = tf.contrib.opt.MultitaskOptimizerWrapper(tf.train.MomentumOptimizer(0.5, 0.5))
        train = optimizer.minimize(v * x)
        session.run(tf.global_variables_initializer())
        values = []
        for fed in (1.0, 0.0, 0.0, 1.0):
            session.run(train, {x: fed})
            values.append(float(session.run(v)))
        assert values == [0.5, 0.5, 0.5, -0.25]


def test_a_function_as_loss_trains_the_resource_variables_it_reads():
    with tf.Graph().as_default(), tf.Session() as session:
        read, other = (tf.Variable(2.0, use_resource=True) for _ in range(2))
        train = tf.train.GradientDescentOptimizer(0.5).minimize(lambda: read * 3)
        session.run(tf.global_variables_initializer())
        session.run(train)
        assert session.run([read, other]) == [0.5, 2.0]
