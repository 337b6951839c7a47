"""Queues, staging areas, accumulators and barriers: order, closing, batches, seeds, what is refused."""

import threading

import numpy as np
from session.outcome import fails


def fifo_order_and_batches(tf):
    queue = tf.FIFOQueue(10, [tf.int32, tf.string], shapes=[[], []])
    with tf.Session() as sess:
        sess.run(queue.enqueue_many([[1, 2, 3, 4], ["a", "b", "c", "d"]]))
        sess.run(queue.enqueue([5, "e"]))
        return sess.run(queue.dequeue()), sess.run(queue.dequeue_many(3)), sess.run(queue.size())


def elements_without_shapes(tf):
    queue = tf.FIFOQueue(3, tf.float32)
    with tf.Session() as sess:
        sess.run([queue.enqueue([1.0]), queue.enqueue([[2.0, 3.0]])])
        return sorted(np.shape(sess.run(queue.dequeue())) for _ in range(2))


def elements_that_are_dictionaries(tf):
    queue = tf.FIFOQueue(3, [tf.int32, tf.float32], shapes=[[], [2]], names=["n", "x"])
    with tf.Session() as sess:
        sess.run(queue.enqueue({"x": [1.0, 2.0], "n": 7}))
        sess.run(queue.enqueue_many({"x": [[1.0, 2.0]], "n": [8]}))
        return sess.run(queue.dequeue_many(2))


def closed_queue_gives_what_it_has(tf):
    queue = tf.FIFOQueue(5, tf.int32, shapes=())
    with tf.Session() as sess:
        sess.run(queue.enqueue_many([[1, 2, 3]]))
        sess.run(queue.close())
        return sess.run(queue.dequeue_up_to(2)), sess.run(queue.dequeue_up_to(2)), sess.run(queue.is_closed())


@fails("is closed and has insufficient elements (requested 2, current size 1)")
def closed_queue_has_too_few(tf):
    queue = tf.FIFOQueue(5, tf.int32, shapes=(), shared_name="q")
    with tf.Session() as sess:
        sess.run(queue.enqueue(1))
        sess.run(queue.close())
        sess.run(queue.dequeue_many(2))


@fails("FIFOQueue 'q' is closed and has insufficient elements (requested 1, current size 0)")
def closed_queue_is_empty(tf):
    queue = tf.FIFOQueue(5, tf.int32, shared_name="q")
    with tf.Session() as sess:
        sess.run(queue.close())
        sess.run(queue.dequeue())


@fails("FIFOQueue 'q' is closed.")
def enqueue_into_a_closed_queue(tf):
    queue = tf.FIFOQueue(5, tf.int32, shared_name="q")
    with tf.Session() as sess:
        sess.run(queue.close())
        sess.run(queue.enqueue(1))


@fails("Queue 'q' is already closed.")
def close_twice(tf):
    queue = tf.FIFOQueue(5, tf.int32, shared_name="q")
    with tf.Session() as sess:
        sess.run(queue.close())
        sess.run(queue.close())


def close_at_once_twice(tf):
    queue = tf.FIFOQueue(5, tf.int32)
    with tf.Session() as sess:
        close = queue.close(cancel_pending_enqueues=True)
        return sess.run(close), sess.run(close), sess.run(queue.is_closed())


@fails("DequeueMany and DequeueUpTo require the components to have specified shapes.")
def batch_without_shapes(tf):
    queue = tf.FIFOQueue(5, tf.int32)
    tf.Session().run(queue.dequeue_many(2))


@fails("Shape mismatch in tuple component 0. Expected [2], got [3]")
def element_of_another_shape(tf):
    queue = tf.FIFOQueue(5, tf.float32, shapes=[[2]])
    x = tf.placeholder(tf.float32)
    tf.Session().run(queue.enqueue(x), {x: [1.0, 2.0, 3.0]})


@fails("All input tensors must have the same size in the 0th dimension. Component 1 has 1, and should have 2")
def elements_of_different_numbers(tf):
    queue = tf.FIFOQueue(5, [tf.float32, tf.float32])
    x, y = tf.placeholder(tf.float32), tf.placeholder(tf.float32)
    tf.Session().run(queue.enqueue_many([x, y]), {x: [1.0, 2.0], y: [1.0]})


@fails("requested -1 < 0 elements")
def negative_batch(tf):
    queue = tf.FIFOQueue(5, tf.float32, shapes=())
    n = tf.placeholder(tf.int32, [])
    tf.Session().run(queue.dequeue_many(n), {n: -1})


@fails("has capacity 5 but requested capacity was 6")
def shared_queue_of_another_capacity(tf):
    first = tf.FIFOQueue(5, tf.float32, shared_name="q")
    second = tf.FIFOQueue(6, tf.float32, shared_name="q")
    with tf.Session() as sess:
        sess.run(first.size())
        sess.run(second.size())


@fails("has component types float but requested component types were int32")
def shared_queue_of_another_type(tf):
    first = tf.FIFOQueue(5, tf.float32, shared_name="q")
    second = tf.FIFOQueue(5, tf.int32, shared_name="q")
    with tf.Session() as sess:
        sess.run(first.size())
        sess.run(second.size())


def shared_queue(tf):
    first = tf.FIFOQueue(5, tf.float32, shared_name="q", name="a")
    second = tf.FIFOQueue(5, tf.float32, shared_name="q", name="b")
    with tf.Session() as sess, tf.Session() as other:
        sess.run(first.enqueue(3.0))
        return sess.run(second.size()), other.run(second.size()), sess.run(second.dequeue())


def random_order_of_a_seed(tf):
    queue = tf.RandomShuffleQueue(20, 3, tf.int32, shapes=(), seed=11)
    with tf.Session() as sess:
        sess.run(queue.enqueue_many([list(range(12))]))
        first = sess.run(queue.dequeue_many(5))
        singles = [sess.run(queue.dequeue()) for _ in range(4)]
        sess.run(queue.close())
        return first, singles, sess.run(queue.dequeue_up_to(5))


def random_order_of_a_graph_seed(tf):
    tf.set_random_seed(4)
    queue = tf.RandomShuffleQueue(500, 0, tf.int32, shapes=())
    named = tf.RandomShuffleQueue(500, 0, tf.int32, shapes=(), shared_name="shuffled")
    with tf.Session() as sess:
        sess.run([queue.enqueue_many([list(range(300))]), named.enqueue_many([list(range(300))])])
        return sess.run(queue.dequeue_many(290)), sess.run(named.dequeue_many(10))


@fails("min_after_dequeue 7 must be < capacity 5")
def shuffled_queue_that_keeps_all(tf):
    tf.Session().run(tf.RandomShuffleQueue(5, 7, tf.int32).size())


def padding(tf):
    queue = tf.PaddingFIFOQueue(5, [tf.int32, tf.string], [[None], [None, 1]])
    numbers, words = tf.placeholder(tf.int32, [None]), tf.placeholder(tf.string, [None, 1])
    with tf.Session() as sess:
        put = queue.enqueue([numbers, words])
        sess.run(put, {numbers: [1, 2, 3], words: [["a"]]})
        sess.run(put, {numbers: [], words: [["b"], ["c"]]})
        return sess.run(queue.dequeue_many(2))


@fails("Shape mismatch in tuple component 1. Expected [?,1], got [1,2]")
def padding_of_a_fixed_dimension(tf):
    queue = tf.PaddingFIFOQueue(5, [tf.int32, tf.string], [[None], [None, 1]])
    numbers, words = tf.placeholder(tf.int32), tf.placeholder(tf.string)
    tf.Session().run(queue.enqueue([numbers, words]), {numbers: [1], words: [["a", "b"]]})


def priorities(tf):
    queue = tf.PriorityQueue(10, tf.string, shapes=())
    with tf.Session() as sess:
        sess.run(queue.enqueue_many([np.array([5, -2, 3], np.int64), ["five", "minus two", "three"]]))
        sess.run(queue.enqueue([np.int64(0), "zero"]))
        return sess.run(queue.dequeue()), sess.run(queue.dequeue_many(3))


def one_of_several_queues(tf):
    queues = [tf.FIFOQueue(3, tf.int32, shapes=()) for _ in range(3)]
    which = tf.placeholder(tf.int32, [])
    chosen = tf.QueueBase.from_list(which, queues)
    with tf.Session() as sess:
        sess.run([queue.enqueue(10 * i) for i, queue in enumerate(queues)])
        return [sess.run(chosen.dequeue(), {which: i}) for i in (2, 0, 1)]


def older_ops(tf):
    queue = tf.raw_ops.FIFOQueue(component_types=[tf.int32], shapes=[[]], capacity=3, shared_name="old")
    with tf.Session() as sess:
        sess.run(tf.raw_ops.QueueEnqueueMany(handle=queue, components=[[1, 2]]))
        taken = tf.raw_ops.QueueDequeueMany(handle=queue, n=2, component_types=[tf.int32])
        return queue.shape.as_list(), sess.run(tf.raw_ops.QueueSize(handle=queue)), sess.run(taken)


def dequeue_and_enqueue_in_one_run(tf):
    queue = tf.FIFOQueue(1, tf.int32)
    taken = queue.dequeue()
    put = queue.enqueue(3)
    return tf.Session().run([taken, put])


@fails("nothing comes")
def another_op_fails_while_one_waits(tf):
    taken = tf.FIFOQueue(1, tf.int32).dequeue()
    failing = tf.Assert(tf.placeholder_with_default(False, []), ["nothing comes"])
    tf.Session().run([taken, failing])


def waiting_in_order(tf):
    queue = tf.FIFOQueue(2, tf.int32, shapes=())
    with tf.Session() as sess:
        put = queue.enqueue_many([[1, 2, 3, 4, 5]])
        thread = threading.Thread(target=sess.run, args=(put,))
        thread.start()
        taken = [sess.run(queue.dequeue_many(2)), sess.run(queue.dequeue_many(3))]
        thread.join()
        return taken, sess.run(queue.size())


@fails("Timed out waiting for notification")
def time_out(tf):
    queue = tf.FIFOQueue(2, tf.int32)
    tf.Session().run(queue.dequeue(), options=tf.RunOptions(timeout_in_ms=20))


def staging(tf):
    area = tf.contrib.staging.StagingArea([tf.float32, tf.string], shapes=[[2], []], names=["x", "s"])
    put = area.put({"x": tf.constant([1.0, 2.0]), "s": tf.constant("a")})
    taken = area.get()
    with tf.Session() as sess:
        sess.run(put)
        both = sess.run([taken, put])
        return both, sess.run(area.peek(0)), sess.run(area.size()), sess.run(area.clear()), sess.run(area.size())


def accumulating(tf):
    total = tf.ConditionalAccumulator(tf.float32, shape=[2])
    with tf.Session() as sess:
        sess.run(total.apply_grad([1.0, 2.0]))
        sess.run(total.apply_grad([4.0, 6.0], local_step=5))
        before = sess.run(total.num_accumulated())
        mean = sess.run(total.take_grad(1))
        sess.run(total.apply_grad([9.0, 9.0], local_step=0))  # too old by now
        return before, mean, sess.run(total.num_accumulated())


def accumulating_sparsely(tf):
    total = tf.SparseConditionalAccumulator(tf.float32, shape=[5, 2])
    summed = tf.SparseConditionalAccumulator(tf.float32, reduction_type="SUM")
    with tf.Session() as sess:
        for accumulator in (total, summed):
            sess.run(accumulator.apply_grad([0, 3], [[1.0, 2.0], [3.0, 4.0]], [5, 2]))
            sess.run(accumulator.apply_grad([1, 3, 4], [[1.0, 1.0], [5.0, 5.0], [2.0, 2.0]]))
        return [list(sess.run(accumulator.take_grad(2))) for accumulator in (total, summed)]


@fails("Shape mismatch: expected [2], got [3]")
def accumulating_another_shape(tf):
    total = tf.ConditionalAccumulator(tf.float32, shape=[2])
    x = tf.placeholder(tf.float32)
    tf.Session().run(total.apply_grad(x), {x: [1.0, 2.0, 3.0]})


@fails("Argument num_required must be positive, but was 0")
def taking_no_gradients(tf):
    tf.Session().run(tf.ConditionalAccumulator(tf.float32).take_grad(0))


def values_with_handles(tf):
    x = tf.placeholder(tf.float32)
    with tf.Session() as sess:
        handle = sess.run(tf.get_session_handle(x * 2.0), {x: [1.0, 2.0]})
        holder, value = tf.get_session_tensor(handle.handle, tf.float32)
        return sess.run(value + 1.0, {holder: handle.handle}), handle.eval(), sess.run(x + 1.0, {x: handle})


@fails("is not in the session store")
def value_whose_handle_is_gone(tf):
    with tf.Session() as sess:
        handle = sess.run(tf.get_session_handle(tf.constant(1)))
        holder, value = tf.get_session_tensor(handle.handle, tf.int32)
        name = handle.handle
        handle.delete()
        sess.run(value, {holder: name})


def _barrier(tf):
    return tf.raw_ops.Barrier(component_types=[tf.float32, tf.int32], shapes=[[], [2]], shared_name="b")


def _insert(tf, barrier, component, keys, values):
    return tf.raw_ops.BarrierInsertMany(handle=barrier, component_index=component, keys=keys, values=values)


def barrier_gives_what_is_complete(tf):
    barrier = _barrier(tf)
    sizes = [tf.raw_ops.BarrierReadySize(handle=barrier), tf.raw_ops.BarrierIncompleteSize(handle=barrier)]
    take = tf.raw_ops.BarrierTakeMany(handle=barrier, num_elements=2, component_types=[tf.float32, tf.int32])
    with tf.Session() as sess:
        sess.run(_insert(tf, barrier, 0, ["a", "b", "c"], [1.0, 2.0, 3.0]))
        found = [sess.run(sizes)]
        sess.run(_insert(tf, barrier, 1, ["c"], [[5, 6]]))
        sess.run(_insert(tf, barrier, 1, ["a"], [[7, 8]]))
        found.append(sess.run(sizes))
        # The keys came in one call, so their order is left open.
        return found, sorted(sess.run(take).keys.tolist())


def barrier_keeps_the_order_of_calls(tf):
    barrier = _barrier(tf)
    take = tf.raw_ops.BarrierTakeMany(handle=barrier, num_elements=2, component_types=[tf.float32, tf.int32])
    with tf.Session() as sess:
        for key, value in (("b", 1.0), ("a", 2.0)):
            sess.run(_insert(tf, barrier, 0, [key], [value]))
        for key, value in (("a", [5, 6]), ("b", [7, 8])):
            sess.run(_insert(tf, barrier, 1, [key], [value]))
        taken = sess.run(take)
        return [taken.indices, taken.keys, list(taken.values)]


@fails("Key a already has a value for component 0 in barrier b")
def barrier_component_twice(tf):
    barrier = _barrier(tf)
    with tf.Session() as sess:
        for _ in range(2):
            sess.run(_insert(tf, barrier, 0, ["a"], [1.0]))


@fails("is closed, but attempted to insert a brand new key: z")
def barrier_that_is_closed(tf):
    barrier = _barrier(tf)
    with tf.Session() as sess:
        sess.run(_insert(tf, barrier, 0, ["a"], [1.0]))
        sess.run(tf.raw_ops.BarrierClose(handle=barrier))
        sess.run(_insert(tf, barrier, 0, ["z"], [1.0]))


@fails("Barrier 'b' is closed and has insufficient elements (requested 1, total size 0)")
def barrier_that_is_closed_and_empty(tf):
    barrier = _barrier(tf)
    take = tf.raw_ops.BarrierTakeMany(handle=barrier, num_elements=1, component_types=[tf.float32, tf.int32])
    with tf.Session() as sess:
        sess.run(tf.raw_ops.BarrierClose(handle=barrier, cancel_pending_enqueues=True))
        sess.run(take.keys)


def _keyed(tf, prefix="OrderedMap"):
    types = [tf.float32, tf.string]
    attrs = {"shared_name": "area", "dtypes": types}

    def put(key, indices, *values):
        stage = getattr(tf.raw_ops, prefix + "Stage")
        return stage(key=tf.constant(key, tf.int64), indices=indices, values=list(values), **attrs)

    def get(key, indices):
        unstage = getattr(tf.raw_ops, prefix + "Unstage")
        chosen = dict(attrs, dtypes=[types[i] for i in indices])
        return unstage(key=tf.constant(key, tf.int64), indices=indices, **chosen)

    def size():
        return [getattr(tf.raw_ops, prefix + what)(**attrs) for what in ("Size", "IncompleteSize")]

    return put, get, size, attrs


def elements_under_keys(tf):
    put, get, size, attrs = _keyed(tf)
    with tf.Session() as sess:
        sess.run(put(7, [0, 1], [1.0], "seven"))
        sess.run(put(3, [1], "three"))
        found = [sess.run(size())]
        sess.run(put(3, [0], [2.0]))
        found.append(sess.run(size()))
        least = sess.run(tf.raw_ops.OrderedMapUnstageNoKey(indices=[0, 1], **attrs))
        part = sess.run(get(7, [1]))
        return found, [least.key, list(least.values)], part, sess.run(size()), sess.run(get(7, [0])), sess.run(size())


@fails("Indices are not strictly ordered")
def indices_in_disorder(tf):
    put, *_ = _keyed(tf)
    tf.Session().run(put(7, [1, 0], "seven", [1.0]))


@fails("Tensor at index '1' for key '7' has already been removed.")
def part_that_is_gone(tf):
    put, get, *_ = _keyed(tf, "Map")
    with tf.Session() as sess:
        sess.run(put(7, [0, 1], [1.0], "seven"))
        sess.run(get(7, [1]))
        sess.run(get(7, [1]))


@fails("bytes into Staging Area with a memory limit of '8'.")
def element_above_the_memory_limit(tf):
    area = tf.contrib.staging.StagingArea([tf.float32], memory_limit=8)
    tf.Session().run(area.put([tf.ones([3])]))
