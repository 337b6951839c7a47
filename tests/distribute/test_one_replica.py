"""Strategies of one replica: what is current where, and what code that asks for it gets."""

import pytest

import evergraph as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def test_without_a_strategy_code_runs_in_the_only_replica():
    assert not tf.distribute.has_strategy() and not tf.distribute.in_cross_replica_context()
    strategy = tf.distribute.get_strategy()
    with strategy.scope():
        assert not tf.distribute.has_strategy()
    assert strategy.num_replicas_in_sync == 1
    assert strategy.experimental_run_v2(lambda x, y: x - y, (5,), {"y": 2}) == 3
    context = tf.distribute.get_replica_context()
    assert context.merge_call(lambda of, x: (of is strategy, x), (7,)) == (True, 7)
    with tf.Session() as session:
        assert session.run(context.replica_id_in_sync_group) == 0
        values = tf.constant([1.0, 3.0])
        reduced = [strategy.reduce(op, values, axis=0) for op in (tf.distribute.ReduceOp.MEAN, "SUM")]
        assert session.run(reduced) == [2.0, 4.0]


def test_a_scope_speaks_for_all_replicas_and_a_run_for_one():
    strategy = tf.distribute.MirroredStrategy(["/cpu:0"])
    seen = []

    def merged(of):
        seen.append((of is strategy, tf.distribute.get_replica_context()))

    def replica():
        seen.append((tf.distribute.get_strategy() is strategy, tf.distribute.in_cross_replica_context()))
        tf.distribute.get_replica_context().merge_call(merged)

    with strategy.scope():
        assert tf.distribute.has_strategy() and tf.distribute.get_replica_context() is None
        v = tf.get_variable("v", [])
        strategy.experimental_run_v2(replica)
    assert seen == [(True, False), (True, None)]
    assert v.dtype is tf.float32 and v.device == "/device:CPU:0" and v.handle.dtype is tf.resource
    assert not tf.distribute.has_strategy()


def test_several_devices_are_refused():
    with pytest.raises(tf.errors.UnimplementedError, match="one device"):
        tf.distribute.MirroredStrategy(["/cpu:0", "/gpu:0"])


def test_a_batch_is_divided_evenly_or_not_at_all():
    assert tf.distribute.InputContext(num_replicas_in_sync=2).get_per_replica_batch_size(6) == 3
    with pytest.raises(ValueError, match="7 is not divisible"):
        tf.distribute.InputContext(num_replicas_in_sync=2).get_per_replica_batch_size(7)
