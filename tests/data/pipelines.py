"""Datasets whose elements, graphs and errors are recorded from TensorFlow 1.15.5 (tools/record_datasets.py).

Each is a function of `tf` and of a folder with the files that `write_files` puts there. It gives a dataset.
"""

import gzip
import os
import struct
import zlib

import numpy as np

CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def _masked_crc32c(data):
    crc = 0xFFFFFFFF
    for byte in bytearray(data):
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def record(data):
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", _masked_crc32c(length)) + data + struct.pack("<I", _masked_crc32c(data))


def write_files(folder):
    def put(name, data):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)

    records = [b"record %d" % i for i in range(5)]
    whole = b"".join(map(record, records))
    put("a.tfrecord", whole)
    put("b.tfrecord", b"".join(record(b"other %d" % i) for i in range(3)))
    put("cut.tfrecord", whole[:-7])
    put("wrong.tfrecord", whole.replace(b"record 2", b"rec0rd 2"))
    put("a.gz", gzip.compress(whole))
    put("a.zlib", zlib.compress(whole))
    put("cut.gz", gzip.compress(whole[:-7]))
    put("lines.txt", b"first\nsecond\r\n\nlast")
    put("more.txt", b"one\ntwo\n")
    put("fixed.bin", b"HEADabcdefghiFT")
    put("table.csv", b'id,name,x\n1,"a ""b""",0.5\n2,,1e3\n3,"c,d",\n')
    put("bad.csv", b"1,2\n3\n4,5\nx,7\n8,9,10\n11,12\n")


def path(folder, *names):
    joined = [os.path.join(folder, name) for name in names]
    return joined if len(joined) > 1 else joined[0]


# Sources


@case
def from_tensors(tf, folder):
    return tf.data.Dataset.from_tensors((np.arange(6).reshape(2, 3), {"b": np.float32(1.5), "a": "text"}))


@case
def from_tensor_slices(tf, folder):
    return tf.data.Dataset.from_tensor_slices({"x": np.arange(6.0).reshape(3, 2), "y": ["a", "b", "c"], "z": [1, 2, 3]})


@case
def sparse_slices(tf, folder):
    s = tf.SparseTensor([[0, 0], [0, 2], [2, 1]], [1, 2, 3], [4, 3])
    return tf.data.Dataset.from_tensor_slices(s).map(tf.sparse.to_dense)


@case
def from_sparse_tensor_slices(tf, folder):
    return tf.data.Dataset.from_sparse_tensor_slices(tf.SparseTensor([[0, 0], [0, 2], [2, 1]], [1, 2, 3], [4, 3]))


@case
def ranges(tf, folder):
    D = tf.data.Dataset
    return D.zip((D.range(5), (D.range(2, 9), D.range(10, 0, -3))))


@case
def from_generator(tf, folder):
    def generate(n):
        for i in range(int(n)):
            yield i, [i] * i

    kinds, shapes = (tf.int64, tf.int32), (tf.TensorShape([]), tf.TensorShape([None]))
    return tf.data.Dataset.from_generator(generate, kinds, shapes, args=(4,))


@case
def generator_yields_another_type(tf, folder):
    return tf.data.Dataset.from_generator(lambda: iter([1, "a", 3]), tf.int64)


@case
def list_files(tf, folder):
    found = tf.data.Dataset.list_files(os.path.join(folder, "*.tfrecord"), seed=3)
    return found.map(lambda name: tf.string_split([name], "/").values[-1])


@case
def random_numbers(tf, folder):
    return tf.data.experimental.RandomDataset(seed=7).take(5)


@case
def counter(tf, folder):
    return tf.data.experimental.Counter(start=3, step=2).take(4)


# Files


@case
def tf_records(tf, folder):
    return tf.data.TFRecordDataset(path(folder, "a.tfrecord", "b.tfrecord"))


@case
def tf_records_in_turn(tf, folder):
    return tf.data.TFRecordDataset(path(folder, "a.tfrecord", "b.tfrecord"), num_parallel_reads=2)


@case
def tf_records_compressed(tf, folder):
    zipped = tf.data.TFRecordDataset(path(folder, "a.gz"), compression_type="GZIP")
    return zipped.concatenate(tf.data.TFRecordDataset(path(folder, "a.zlib"), "ZLIB", 100).skip(3))


@case
def compressed_files_in_turn(tf, folder):
    names = path(folder, "a.gz", "a.gz", "cut.gz", "a.gz")
    return tf.data.TFRecordDataset(names, compression_type="GZIP", num_parallel_reads=3)


@case
def tf_record_cut_off(tf, folder):
    return tf.data.TFRecordDataset(path(folder, "cut.tfrecord", "b.tfrecord"))


@case
def tf_record_with_a_wrong_byte(tf, folder):
    return tf.data.TFRecordDataset(path(folder, "wrong.tfrecord", "b.tfrecord"))


@case
def missing_file(tf, folder):
    return tf.data.TFRecordDataset(path(folder, "nowhere"))


@case
def lines(tf, folder):
    return tf.data.TextLineDataset(path(folder, "lines.txt", "more.txt"))


@case
def fixed_length_records(tf, folder):
    return tf.data.FixedLengthRecordDataset(path(folder, "fixed.bin"), 3, header_bytes=4, footer_bytes=2)


@case
def fixed_length_records_that_do_not_fit(tf, folder):
    return tf.data.FixedLengthRecordDataset(path(folder, "fixed.bin"), 4, header_bytes=4, footer_bytes=2)


@case
def csv(tf, folder):
    defaults = [tf.int64, tf.constant(["none"]), tf.constant([-1.0], tf.float32)]
    return tf.data.experimental.CsvDataset(path(folder, "table.csv"), defaults, header=True)


@case
def csv_with_errors(tf, folder):
    return tf.data.experimental.CsvDataset(path(folder, "bad.csv"), [tf.int32, tf.int32])


@case
def csv_columns(tf, folder):
    return tf.data.experimental.CsvDataset(path(folder, "bad.csv"), [tf.string], select_cols=[1])


@case
def csv_batches(tf, folder):
    return tf.data.experimental.make_csv_dataset(
        path(folder, "table.csv"), 2, label_name="x", num_epochs=1, shuffle=False
    )


# Order


@case
def shuffled(tf, folder):
    return tf.data.Dataset.range(12).shuffle(5, seed=42)


@case
def shuffled_under_a_graph_seed(tf, folder):
    tf.set_random_seed(1234)
    return tf.data.Dataset.range(12).shuffle(5)


@case
def shuffled_and_repeated(tf, folder):
    return tf.data.Dataset.range(5).shuffle(4, seed=1).repeat(3)


@case
def shuffled_the_same_way_each_time(tf, folder):
    return tf.data.Dataset.range(5).shuffle(4, seed=1, reshuffle_each_iteration=False).repeat(2)


@case
def shuffled_batches_repeated(tf, folder):
    return tf.data.Dataset.range(6).shuffle(6, seed=5).batch(4).repeat(2)


@case
def shuffle_and_repeat(tf, folder):
    return tf.data.Dataset.range(4).apply(tf.data.experimental.shuffle_and_repeat(3, 3, seed=9))


@case
def shuffled_twice_after_repeat(tf, folder):
    return tf.data.Dataset.range(3).repeat(3).shuffle(4, seed=2).shuffle(3, seed=8)


@case
def shuffled_inside_flat_map(tf, folder):
    D = tf.data.Dataset
    return D.range(3).flat_map(lambda x: D.range(4).shuffle(4, seed=3).repeat(2).map(lambda y: 10 * x + y))


@case
def shuffled_slices_in_batches(tf, folder):
    rows = (np.arange(24).reshape(12, 2), np.array(list("abcdefghijkl")))
    return tf.data.Dataset.from_tensor_slices(rows).shuffle(7, seed=11).repeat(2).batch(5)


@case
def taken_skipped_sharded(tf, folder):
    D = tf.data.Dataset
    return D.range(20).skip(2).shard(3, 1).take(4).concatenate(D.range(3).take(0)).concatenate(D.range(2).take(-1))


@case
def repeated_and_enumerated(tf, folder):
    return tf.data.Dataset.from_tensor_slices([5, 6]).repeat(2).enumerate(start=10)


@case
def cached(tf, folder):
    tf.set_random_seed(5)
    return tf.data.Dataset.range(3).map(lambda x: tf.random_uniform([], seed=2)).cache().repeat(2)


@case
def prefetched(tf, folder):
    return tf.data.Dataset.range(5).prefetch(2).map(lambda x: -x).prefetch(1)


# Functions


@case
def mapped(tf, folder):
    d = tf.data.Dataset.from_tensor_slices(({"a": [1, 2, 3]}, [4.0, 5.0, 6.0]))
    return d.map(lambda x, y: (x["a"] * 2, {"sum": tf.cast(x["a"], tf.float32) + y}))


@case
def mapped_with_captures(tf, folder):
    table = tf.constant([10, 20, 30])
    return tf.data.Dataset.from_tensor_slices([2, 0, 1]).map(lambda i: tf.gather(table, i), num_parallel_calls=2)


@case
def mapped_with_random_numbers(tf, folder):
    tf.set_random_seed(7)
    d = tf.data.Dataset.range(3)
    return d.map(lambda x: (tf.random_uniform([2], seed=4), tf.random_normal([]))).repeat(2)


@case
def mapped_with_an_error(tf, folder):
    return tf.data.Dataset.from_tensor_slices([1.0, 0.0, 2.0]).map(lambda x: tf.check_numerics(1.0 / x, "not finite"))


@case
def mapped_with_an_error_in_batches(tf, folder):
    d = tf.data.Dataset.from_tensor_slices([1.0, 2.0, 0.0, 4.0, 5.0, 8.0])
    return d.map(lambda x: tf.check_numerics(1.0 / x, "not finite")).batch(2)


@case
def mapped_with_loops(tf, folder):
    def collatz(x):
        body = lambda n, v: (n + 1, tf.cond(tf.equal(v % 2, 0), lambda: v // 2, lambda: 3 * v + 1))  # noqa: E731
        return tf.while_loop(lambda n, v: v > 1, body, [tf.constant(0), x])[0]

    return tf.data.Dataset.range(1, 8).map(collatz)


@case
def python_function_fails(tf, folder):
    def half(x):
        if x == 2:
            raise ValueError("two")
        return x / 2.0

    return tf.data.Dataset.range(4).map(lambda x: tf.py_func(half, [x], tf.float64))


@case
def python_function_ends_the_dataset(tf, folder):
    def first_two(x):
        if x == 2:
            raise StopIteration()
        return x

    return tf.data.Dataset.range(4).map(lambda x: tf.py_func(first_two, [x], tf.int64))


@case
def ignored_errors(tf, folder):
    d = tf.data.Dataset.from_tensor_slices([1.0, 0.0, 2.0]).map(lambda x: tf.check_numerics(1.0 / x, "not finite"))
    return d.apply(tf.data.experimental.ignore_errors())


@case
def filtered(tf, folder):
    return tf.data.Dataset.range(10).filter(lambda x: tf.equal(x % 3, 1))


@case
def taken_while(tf, folder):
    return tf.data.Dataset.range(10).apply(tf.data.experimental.take_while(lambda x: x < 4))


@case
def flat_mapped(tf, folder):
    D = tf.data.Dataset
    return D.range(4).flat_map(lambda n: D.range(n).map(lambda i: (n, i)))


@case
def interleaved(tf, folder):
    D = tf.data.Dataset
    return D.range(1, 6).interleave(lambda n: D.from_tensors(n).repeat(n), cycle_length=3, block_length=2)


@case
def interleaved_in_parallel(tf, folder):
    D = tf.data.Dataset
    d = D.range(1, 6)
    return d.interleave(lambda n: D.from_tensors(n).repeat(n), cycle_length=3, num_parallel_calls=2)


@case
def parallel_interleave(tf, folder):
    D = tf.data.Dataset
    transformation = tf.data.experimental.parallel_interleave(lambda n: D.from_tensors(n).repeat(n), 2, block_length=2)
    return D.range(5).apply(transformation)


@case
def scanned(tf, folder):
    return tf.data.Dataset.range(5).apply(tf.data.experimental.scan(np.int64(1), lambda s, x: (s + x, (s, x))))


# Batches


@case
def batches(tf, folder):
    return tf.data.Dataset.from_tensor_slices((np.arange(14).reshape(7, 2), list("abcdefg"))).batch(3)


@case
def whole_batches(tf, folder):
    return tf.data.Dataset.range(7).batch(3, drop_remainder=True)


@case
def batch_of_different_shapes(tf, folder):
    return tf.data.Dataset.range(1, 5).map(lambda n: tf.fill([n // 2], n)).batch(2)


@case
def batches_of_sparse(tf, folder):
    d = tf.data.Dataset.range(4).map(lambda i: tf.SparseTensor([[0], [i]], [i, 2 * i], [5]))
    return d.batch(3).map(lambda s: (s.indices, s.values, s.dense_shape))


@case
def padded_batches(tf, folder):
    d = tf.data.Dataset.range(1, 6).map(lambda n: (tf.fill([n], n), tf.fill([1, n], tf.as_string(n))))
    return d.padded_batch(2, ([None], [2, None]), (np.int64(-1), "-"))


@case
def padded_batch_too_small(tf, folder):
    return tf.data.Dataset.range(1, 5).map(lambda n: tf.fill([n], n)).padded_batch(2, [tf.constant(3, tf.int64)])


@case
def map_and_batch(tf, folder):
    return tf.data.Dataset.range(7).apply(tf.data.experimental.map_and_batch(lambda x: (x, x * x), 3))


@case
def unbatched(tf, folder):
    return tf.data.Dataset.from_tensors((np.arange(6).reshape(3, 2), list("abc"))).unbatch()


@case
def windows(tf, folder):
    d = tf.data.Dataset.range(10).window(3, shift=2, stride=2)
    return d.flat_map(lambda w: w.batch(3))


@case
def sliding_batches(tf, folder):
    slide = tf.contrib.data.sliding_window_batch(window_size=3, window_shift=2, window_stride=2)
    return tf.data.Dataset.from_tensor_slices((np.arange(11), np.arange(11.0))).apply(slide)


@case
def sliding_batches_far_apart(tf, folder):
    return tf.data.Dataset.range(11).apply(tf.contrib.data.sliding_window_batch(2, 4))


@case
def dense_to_sparse_batches(tf, folder):
    d = tf.data.Dataset.range(1, 5).map(lambda n: tf.fill([n], n))
    d = d.apply(tf.data.experimental.dense_to_sparse_batch(2, [6]))
    return d.map(lambda s: (s.indices, s.values, s.dense_shape))


# Groups


@case
def grouped_by_window(tf, folder):
    group = tf.data.experimental.group_by_window(lambda x: x % 3, lambda key, w: w.batch(2), window_size=2)
    return tf.data.Dataset.range(11).apply(group)


@case
def buckets(tf, folder):
    d = tf.data.Dataset.from_tensor_slices([1, 5, 2, 7, 3, 9, 4, 2]).map(lambda n: tf.fill([n], n))
    return d.apply(tf.data.experimental.bucket_by_sequence_length(lambda x: tf.shape(x)[0], [3, 6], [2, 2, 2]))


@case
def grouped_by_reducer(tf, folder):
    reducer = tf.data.experimental.Reducer(
        lambda key: (np.int64(0), np.int64(1)), lambda s, x: (s[0] + x, s[1] * 2), lambda total, power: (total, power)
    )
    return tf.data.Dataset.range(10).apply(tf.data.experimental.group_by_reducer(lambda x: x % 3, reducer))


@case
def unique(tf, folder):
    return tf.data.Dataset.from_tensor_slices(["a", "b", "a", "c", "b"]).apply(tf.data.experimental.unique())


@case
def sampled(tf, folder):
    D = tf.data.Dataset
    parts = [D.range(0, 4), D.range(10, 14), D.range(20, 24)]
    return tf.data.experimental.sample_from_datasets(parts, [0.2, 0.5, 0.3], seed=6)


@case
def chosen(tf, folder):
    D = tf.data.Dataset
    choice = D.from_tensor_slices(np.array([1, 0, 0, 1, 1, 0], np.int64))
    return tf.data.experimental.choose_from_datasets([D.range(3), D.range(10, 12)], choice)


@case
def rejected(tf, folder):
    tf.set_random_seed(3)
    d = tf.data.Dataset.from_tensor_slices([0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0]).repeat(2)
    resample = tf.data.experimental.rejection_resample(lambda x: x, [0.5, 0.5], [0.75, 0.25], seed=5)
    return d.apply(resample)


@case
def optional_features_off(tf, folder):
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    options.experimental_optimization.autotune = False
    return tf.data.Dataset.range(5).shuffle(4, seed=1).repeat(2).with_options(options)


@case
def contrib_names(tf, folder):
    data = tf.contrib.data if hasattr(tf, "contrib") else tf.data.experimental
    d = tf.data.Dataset.range(6).apply(data.shuffle_and_repeat(3, 2, seed=1))
    return d.apply(data.map_and_batch(lambda x: x + 1, 4, drop_remainder=True))


def run(tf, make, folder, limit=40):
    """The ops of the graph and what an initializable and a one-shot iterator give: elements, errors, the end."""
    outcomes = []
    for one_shot in (False, True):
        graph = tf.Graph()
        with graph.as_default():
            dataset = make(tf, folder)
            try:
                if one_shot:
                    iterator = tf.data.make_one_shot_iterator(dataset)
                else:
                    iterator = tf.data.make_initializable_iterator(dataset)
            except ValueError as error:
                outcomes.append({"built": type(error).__name__})
                continue
            element = iterator.get_next()
            got = []
            with tf.Session(graph=graph) as session:
                if not one_shot:
                    session.run(iterator.initializer)
                for _ in range(limit):
                    try:
                        got.append(plain(session.run(element)))
                    except tf.errors.OutOfRangeError:
                        got.append(["end"])
                        break
                    except tf.errors.OpError as error:
                        got.append(["error", type(error).__name__])
                        if got[-3:] == [got[-1]] * 3:
                            break
            outcomes.append(
                {
                    "ops": [[op.name, op.type] for op in graph.get_operations()],
                    "types": str(tf.data.get_output_types(dataset)),
                    "shapes": str(tf.data.get_output_shapes(dataset)),
                    "elements": got,
                }
            )
    return outcomes


def plain(value):
    """A fetched value as JSON can hold it."""
    if isinstance(value, dict):
        return {key: plain(value[key]) for key in sorted(value)}
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, str):
        return value
    array = np.asarray(value)
    if array.dtype == object:
        return [array.shape, [item.decode("latin-1") for item in array.ravel()]]
    return [str(array.dtype), list(array.shape), array.ravel().tolist()]
