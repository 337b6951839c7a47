"""Pipelines whose positions TensorFlow 1.15 saved (tools/record_positions.py). Runs under Python 3.7 too."""

COUNTS = (0, 1, 3, 4, 7, 20)


def write_files(tf, folder):
    with tf.python_io.TFRecordWriter(folder + "/records") as writer:
        for i in range(8):
            writer.write(b"r" * i)
    with open(folder + "/lines", "w") as file:
        file.write("".join(f"line {i}\n" for i in range(9)))


def pipelines(tf, folder):
    """Names to functions that make datasets, of at most 20 elements."""
    data = tf.data.Dataset
    records, lines = [folder + "/records"] * 2, [folder + "/lines"]
    scan = tf.data.experimental.scan
    return {
        "range": lambda: data.range(3, 40, 4),
        "slices": lambda: data.from_tensor_slices(list(range(20))).skip(2).take(15),
        "map": lambda: data.range(12).map(lambda x: x * 2),
        "parallel": lambda: data.range(12).map(lambda x: x * 2, num_parallel_calls=2).prefetch(2),
        "batch": lambda: data.range(20).batch(3).prefetch(1),
        "whole_batches": lambda: data.range(20).batch(3, drop_remainder=True),
        "map_and_batch": lambda: data.range(23).apply(tf.data.experimental.map_and_batch(lambda x: x * 2, 4)),
        "padded": lambda: data.range(9).padded_batch(2, []).apply(tf.data.experimental.unbatch()),
        "repeat": lambda: data.range(4).repeat(3),
        "zip": lambda: data.zip((data.range(6), data.range(20))).map(lambda a, b: a + b),
        "concatenate": lambda: data.range(3).concatenate(data.range(10, 15)),
        "filter": lambda: data.range(20).filter(lambda x: tf.equal(x % 3, 0)),
        "flat_map": lambda: data.range(5).flat_map(data.range),
        "interleave": lambda: data.range(6).interleave(data.range, cycle_length=3, block_length=2),
        "shuffle": lambda: data.range(12).shuffle(5, seed=3),
        "shuffle_and_repeat": lambda: data.range(6).apply(tf.data.experimental.shuffle_and_repeat(4, 2, seed=3)),
        "cache": lambda: data.range(5).cache().repeat(3),
        "scan": lambda: data.range(9).apply(scan(tf.constant(0, tf.int64), lambda s, x: (s + x, s))),
        "records": lambda: tf.data.TFRecordDataset(records),
        "lines": lambda: tf.data.TextLineDataset(lines),
        "training": lambda: (
            tf.data.TFRecordDataset(records).shuffle(4, seed=7).map(tf.strings.length, num_parallel_calls=2).batch(3)
        ),
    }
