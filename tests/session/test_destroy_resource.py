"""`DestroyResourceOp`: variables lose their value; tables and iterators are made anew by the op of their handle."""

import numpy as np
import pytest

import evergraph as tf


@pytest.fixture
def sess():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


def destroyed(handle, **attrs):
    return tf.raw_ops.DestroyResourceOp(resource=handle, **attrs)


def test_variable_has_no_value_afterwards_and_can_get_one_of_another_shape(sess):
    v = tf.get_variable("v", initializer=np.ones([3, 4], np.float32), use_resource=True, validate_shape=False)
    double, destroy = v * 2.0, destroyed(v.handle)
    value = tf.placeholder(tf.float32)
    assign = tf.raw_ops.AssignVariableOp(resource=v.handle, value=value)
    for _ in range(2):
        sess.run(v.initializer)
        for _ in range(3):  # compiled, in the end
            assert sess.run(double).shape == (3, 4)
        assert sess.run(tf.is_variable_initialized(v))
        sess.run(destroy)
        assert not sess.run(tf.is_variable_initialized(v))
        with pytest.raises(tf.errors.FailedPreconditionError, match="'v' has no value"):
            sess.run(double)
        sess.run(assign, {value: np.ones([3, 4], np.float32)})
        sess.run(destroy)
    sess.run(destroy)  # nothing is there: no error by default
    with pytest.raises(tf.errors.NotFoundError, match="Resource v does not exist"):
        sess.run(destroyed(v.handle, ignore_lookup_error=False))


def test_small_variables_that_programs_work_on_together(sess):
    variables = [tf.get_variable(f"v{i}", initializer=np.float32([i, 1]), use_resource=True) for i in range(12)]
    steps = tf.group(*[v.assign_add([1.0, 1.0]) for v in variables])
    destroy = destroyed(variables[3].handle)
    sess.run(tf.global_variables_initializer())
    for _ in range(4):
        sess.run(steps)
    sess.run(destroy)
    with pytest.raises(tf.errors.NotFoundError):
        sess.run(steps)
    assert sess.run(variables[2].read_value()).tolist() == [6, 5]
    sess.run(variables[3].initializer)
    sess.run(steps)
    assert sess.run(variables[3].read_value()).tolist() == [4, 2]


def test_table_is_empty_afterwards(sess):
    table = tf.contrib.lookup.MutableHashTable(tf.string, tf.int64, -1)
    insert = table.insert(tf.constant(["a"]), tf.constant([5], tf.int64))
    found, size, destroy = table.lookup(tf.constant(["a"])), table.size(), destroyed(table.resource_handle)
    sess.run(insert)
    assert sess.run(found).tolist() == [5]
    sess.run(destroy)
    assert sess.run(size) == 0 and sess.run(found).tolist() == [-1]


def test_iterator_is_not_initialized_afterwards(sess):
    iterator = tf.data.make_initializable_iterator(tf.data.Dataset.range(5).prefetch(1))
    element, destroy = iterator.get_next(), destroyed(iterator._iterator_resource)
    sess.run(iterator.initializer)
    sess.run(element)
    sess.run(destroy)
    with pytest.raises(tf.errors.FailedPreconditionError):
        sess.run(element)
    sess.run(iterator.initializer)
    assert sess.run(element) == 0


def test_attribute_that_was_taken_away_has_its_default(sess):
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1]), -1)
    found = table.lookup(tf.constant(["a", "b"]))
    table.resource_handle.op._clear_attr("shared_name")
    sess.run(table.initializer)
    assert sess.run(found).tolist() == [1, -1]
