"""Programs whose data goes through queues: producers, batches, readers, staging areas, accumulators, tables, prints."""

import numpy as np


def files_of_names_in_batches(tf):
    names = tf.train.string_input_producer(["a.txt", "b.txt"], num_epochs=2)
    key, line = tf.TextLineReader(skip_header_lines=1).read(names)
    tf.train.batch([key, line], batch_size=4, capacity=64, num_threads=2)


def records_shuffled(tf):
    tf.set_random_seed(7)
    names = tf.train.string_input_producer(tf.constant(["a", "b"]), shuffle=True, seed=3, name="names")
    reader = tf.TFRecordReader()
    _, record = reader.read(names)
    value = tf.strings.to_number(record)
    images, labels = tf.train.shuffle_batch(
        [tf.reshape(value, [1]), tf.constant(3)], batch_size=8, capacity=100, min_after_dequeue=20, num_threads=3
    )
    reader.num_records_produced(), reader.num_work_units_completed(), reader.reset()
    images * 2.0, labels + 1


def slices_of_arrays(tf):
    images = np.zeros([6, 2], np.float32)
    labels = np.arange(6, dtype=np.int64)
    image, label = tf.train.slice_input_producer([images, labels], num_epochs=1, shuffle=False)
    tf.train.batch({"image": image, "label": label}, 2, allow_smaller_final_batch=True)
    tf.train.batch_join([(image, label), (image, label)], 3, name="joined")


def numbers_and_limits(tf):
    queue = tf.train.range_input_producer(10, num_epochs=3, seed=5, shared_name="range")
    tf.train.limit_epochs(tf.constant([1, 2]), 2)
    tf.train.shuffle_batch_join([[queue.dequeue()], [queue.dequeue()]], 4, 20, 5, seed=9)
    tf.train.maybe_batch([queue.dequeue()], tf.constant(True), 2)
    tf.train.input_producer(tf.ones([3, 2]), summary_name="full of it", capacity=5)


def batches_that_pad(tf):
    text = tf.placeholder(tf.string, [None], name="text")
    tf.train.batch([text, tf.constant(1.0)], 3, dynamic_pad=True)
    tf.train.batch([tf.ones([4, 2])], 3, enqueue_many=True)


def batches_under_a_condition(tf):
    keep = tf.placeholder(tf.bool, [], name="keep")
    tf.train.maybe_batch([tf.constant(1.0), tf.constant("a")], keep, 2)
    many = tf.placeholder(tf.bool, [4], name="many")
    tf.train.maybe_shuffle_batch([tf.ones([4, 2])], 2, 10, 3, many, enqueue_many=True)


def queues_of_all_kinds(tf):
    fifo = tf.FIFOQueue(10, [tf.float32, tf.int32], shapes=[[2], []], shared_name="fifo")
    fifo.enqueue([[1.0, 2.0], 3])
    fifo.enqueue_many([[[1.0, 2.0]], [3]])
    fifo.dequeue(), fifo.dequeue_many(3), fifo.dequeue_up_to(3, name="some"), fifo.size(), fifo.is_closed()
    fifo.close(), fifo.close(cancel_pending_enqueues=True)
    named = tf.RandomShuffleQueue(10, 2, tf.float32, shapes=(), names="x", seed=4)
    named.enqueue({"x": 1.0})
    named.dequeue()
    tf.RandomShuffleQueue(10, 2, tf.float32, shared_name="shuffled")
    tf.PaddingFIFOQueue(5, [tf.int32, tf.string], [[None], [2, None]]).dequeue_many(2)
    priority = tf.PriorityQueue(5, [tf.string], [()])
    priority.enqueue([np.int64(3), "a"])
    priority.dequeue()
    other = tf.FIFOQueue(10, [tf.float32, tf.int32], shapes=[[3], []])
    tf.QueueBase.from_list(tf.constant(1), [fifo, other]).dequeue()


def readers(tf):
    names = tf.FIFOQueue(3, tf.string, shapes=())
    whole = tf.WholeFileReader(name="whole")
    whole.read(names), whole.serialize_state(), whole.restore_state("x")
    fixed = tf.FixedLengthRecordReader(8, header_bytes=2, footer_bytes=1, hop_bytes=4)
    fixed.read_up_to(names, 5)
    tf.IdentityReader().read(names.queue_ref)


def staging_areas(tf):
    area = tf.contrib.staging.StagingArea([tf.float32, tf.int32], [[2], []], names=["x", "y"], capacity=3)
    area.put({"x": tf.ones([2]), "y": tf.constant(1)})
    area.get(), area.peek(0), area.size(), area.clear()


def accumulators(tf):
    dense = tf.ConditionalAccumulator(tf.float32, shape=[2], name="dense")
    dense.apply_grad([1.0, 2.0], local_step=3), dense.take_grad(2), dense.num_accumulated(), dense.set_global_step(4)
    sparse = tf.SparseConditionalAccumulator(tf.float32, shape=[4, 2], reduction_type="SUM")
    sparse.apply_grad([0, 1], [[1.0, 2.0], [3.0, 4.0]], [4, 2])
    sparse.apply_indexed_slices_grad(tf.IndexedSlices(tf.ones([1, 2]), tf.constant([1])))
    sparse.take_grad(1), sparse.take_indexed_slices_grad(1), sparse.num_accumulated(), sparse.set_global_step(1)


def tables(tf):
    lookup = tf.contrib.lookup
    words = lookup.HashTable(lookup.KeyValueTensorInitializer(["a", "b"], np.array([1, 2])), -1)
    words.lookup(tf.constant(["a"])), words.size(), words.export(), words.init
    counts = lookup.MutableHashTable(tf.string, tf.int64, -1)
    counts.insert(["a"], [1]), counts.lookup(tf.constant(["a", "b"])), counts.size(), counts.export()
    counts.remove(tf.constant(["a"]))
    vectors = lookup.MutableHashTable(tf.int64, tf.float32, [0.0, 0.0], name="vectors", checkpoint=False)
    vectors.lookup([[3], [4]])
    dense = lookup.MutableDenseHashTable(tf.int64, tf.int64, -1, empty_key=0, deleted_key=-1, name="dense")
    dense.insert([1], [2]), dense.lookup([1]), dense.size(), dense.export()
    tf.tables_initializer()


def vocabularies(tf):
    tf.contrib.lookup.index_to_string_table_from_tensor(["a", "b"]).lookup(tf.constant([1], tf.int64))
    tf.contrib.lookup.index_to_string_table_from_file("words.txt", vocab_size=3)
    ids = tf.contrib.lookup.index_table_from_file("words.txt", num_oov_buckets=2, default_value=5)
    ids.lookup(tf.constant(["a", "c"])), ids.size()
    buckets = tf.contrib.lookup.IdTableWithHashBuckets(None, 4)
    buckets.lookup(tf.SparseTensor([[0, 1]], ["a"], [1, 2])), buckets.size()


def python_functions(tf):
    x = tf.placeholder(tf.float32, [2], name="x")
    y = tf.numpy_function(lambda a: a, [x, 3], tf.float32)
    y.set_shape([2])
    y + 1.0
    tf.numpy_function(lambda: [1, 2], [], [tf.int32, tf.int64], name="two")


def printing(tf):
    x = tf.placeholder(tf.float32, [2], name="x")
    tf.Print(x, [x, "text", 3], "values: ", first_n=3)
    tf.gradients(tf.Print(x * 2.0, [x]), x)
    tf.print("x is", x, {"x": x, "y": [x, 1]}, summarize=-1, name="shown")
    tf.print(tf.constant("alone"), end="")


def session_handles(tf):
    x = tf.constant(3.0)
    tf.get_session_handle(x, name="kept")
    tf.get_session_tensor("kept;0;/job:localhost/replica:0/task:0/device:CPU:0", tf.float32)


def buckets(tf):
    length = tf.placeholder(tf.int32, [], name="length")
    tf.contrib.training.bucket_by_sequence_length(
        length, [tf.ones([length]), length], batch_size=3, bucket_boundaries=[4, 8], dynamic_pad=True
    )
    tf.contrib.training.bucket({"x": tf.constant(1.0)}, 1, [2, 3], 2, keep_input=length > 3, shared_name="b")
