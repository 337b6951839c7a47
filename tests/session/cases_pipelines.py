"""Data that goes through readers, queues and batches, driven by threads; Python functions and printing."""

import contextlib
import gzip
import os
import struct
import tempfile
import zlib

import numpy as np
from session.outcome import fails


def _file(data):
    with tempfile.NamedTemporaryFile("wb", delete=False) as file:
        file.write(data)
    return file.name


def _read(tf, reader, files, reads=20):
    """All records of some files: what stands before the file's name in a key is left out."""
    paths = [_file(data) for data in files]
    try:
        names = tf.FIFOQueue(10, tf.string, shapes=())
        key, value = reader.read(names)
        with tf.Session() as sess:
            sess.run(names.enqueue_many([paths]))
            sess.run(names.close())
            records = []
            for _ in range(reads):
                try:
                    k, v = sess.run([key, value])
                except tf.errors.OutOfRangeError:
                    counts = [reader.num_records_produced(), reader.num_work_units_completed()]
                    return records, sess.run(counts)
                path, _, number = k.decode().rpartition(":")
                records.append([paths.index(path) if path else paths.index(k.decode()), number if path else "", v])
            return records, None
    finally:
        for path in paths:
            os.unlink(path)


def lines(tf):
    return _read(tf, tf.TextLineReader(), [b"one\ntwo\r\n\nfour", b"", b"last\n"])


def lines_after_a_header(tf):
    return _read(tf, tf.TextLineReader(skip_header_lines=1), [b"head\none\n", b"head", b"head\ntwo\n"])


def whole_files(tf):
    return _read(tf, tf.WholeFileReader(), [b"one\ntwo", b""])


def pieces(tf):
    reader = tf.FixedLengthRecordReader(3, header_bytes=2, footer_bytes=1)
    return _read(tf, reader, [b"HHabcdefF", b"HHabF", b"HHabcdF"])


def pieces_that_overlap(tf):
    return _read(tf, tf.FixedLengthRecordReader(4, hop_bytes=2), [b"abcdefgh", b"abc"])


def pieces_of_compressed_files(tf):
    return _read(tf, tf.FixedLengthRecordReader(2, encoding="ZLIB"), [zlib.compress(b"aabbcc")])


def _masked(data):
    crc = 0xFFFFFFFF
    for byte in bytearray(data):
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 & -(crc & 1))
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def _records(*records):
    out = b""
    for record in records:
        length = struct.pack("<Q", len(record))
        out += length + _masked(length) + record + _masked(record)
    return out


def records(tf):
    return _read(tf, tf.TFRecordReader(), [_records(b"one", b"", b"three"), _records(b"four")])


def records_of_compressed_files(tf):
    options = tf.python_io.TFRecordOptions(tf.python_io.TFRecordCompressionType.GZIP)
    return _read(tf, tf.TFRecordReader(options=options), [gzip.compress(_records(b"one", b"two"))])


@fails("corrupted record at 0")
def damaged_record(tf):
    _read(tf, tf.TFRecordReader(), [b"x" * 40])


@fails("No such file or directory")
def file_that_is_not_there(tf):
    names = tf.FIFOQueue(10, tf.string, shapes=())
    with tf.Session() as sess:
        sess.run(names.enqueue("/no/such/file"))
        sess.run(tf.TextLineReader().read(names))


def reading_goes_on_after_a_missing_file(tf):
    path = _file(b"line\n")
    names = tf.FIFOQueue(10, tf.string, shapes=())
    _, value = tf.TextLineReader().read(names)
    with tf.Session() as sess:
        sess.run(names.enqueue_many([["/no/such/file", path]]))
        try:
            sess.run(value)
        except tf.errors.NotFoundError:
            return sess.run(value)
        finally:
            os.unlink(path)


def several_records_at_once(tf):
    path = _file(b"a\nb\nc\n")
    names = tf.FIFOQueue(10, tf.string, shapes=())
    _, values = tf.TextLineReader().read_up_to(names, 2)
    with tf.Session() as sess:
        sess.run(names.enqueue_many([[path, path]]))
        found = [sess.run(values) for _ in range(4)]
    os.unlink(path)
    return found


def state_of_a_reader(tf):
    names = tf.FIFOQueue(10, tf.string, shapes=())
    reader, other = tf.IdentityReader(), tf.IdentityReader()
    with tf.Session() as sess:
        sess.run(names.enqueue_many([["x", "y", "z"]]))
        sess.run(reader.read(names))
        sess.run(reader.read(names))
        state = sess.run(reader.serialize_state())
        sess.run(other.restore_state(state))
        counts = sess.run([other.num_records_produced(), other.num_work_units_completed()])
        sess.run(other.reset())
        return state, counts, sess.run(other.num_records_produced()), sess.run(other.read(names))


@fails("Could not parse state for IdentityReader 'reader'")
def state_that_is_none(tf):
    tf.Session().run(tf.IdentityReader(name="reader").restore_state(b"\x08"))


def _run_out(tf, *fetches):
    """What a pipeline gives until its data is over."""
    found = []
    with tf.Session() as sess:
        sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess, coord)
        try:
            while not coord.should_stop():
                found.append(sess.run(list(fetches)))
        except tf.errors.OutOfRangeError as error:
            coord.request_stop(error)
        coord.join(threads)
    return found


def epochs_in_batches(tf):
    names = tf.train.string_input_producer(["a", "b", "c"], num_epochs=2, shuffle=False)
    return _run_out(tf, tf.train.batch([names.dequeue(), tf.constant(1.5)], 2))


def smaller_last_batch(tf):
    numbers = tf.train.range_input_producer(5, num_epochs=1, shuffle=False)
    return _run_out(tf, tf.train.batch({"n": numbers.dequeue()}, 2, allow_smaller_final_batch=True))


def shuffled_epochs(tf):
    numbers = tf.train.range_input_producer(6, num_epochs=2, shuffle=True, seed=3)
    return _run_out(tf, numbers.dequeue())


def shuffled_batches(tf):
    tf.set_random_seed(5)
    numbers = tf.train.range_input_producer(12, num_epochs=1, shuffle=False)
    batch = tf.train.shuffle_batch([numbers.dequeue()], 3, capacity=20, min_after_dequeue=19)
    return sorted(int(n) for run in _run_out(tf, batch) for n in run[0])


def rows_that_belong_together(tf):
    pair = tf.train.slice_input_producer([[[1.0], [2.0], [3.0]], ["a", "b", "c"]], num_epochs=1, shuffle=False)
    return _run_out(tf, *pair)


def batches_that_pad(tf):
    number = tf.train.range_input_producer(4, num_epochs=1, shuffle=False).dequeue()
    return _run_out(tf, tf.train.batch([tf.fill([number], number), number], 2, dynamic_pad=True))


def batches_of_some(tf):
    number = tf.train.range_input_producer(8, num_epochs=1, shuffle=False).dequeue()
    return _run_out(tf, tf.train.maybe_batch([number], tf.equal(number % 2, 0), 2))


def batches_of_sparse_tensors(tf):
    number = tf.train.range_input_producer(4, num_epochs=1, shuffle=False).dequeue()
    sparse = tf.SparseTensor([[0]], tf.reshape(number, [1]), [3])
    return [[list(run[0])] for run in _run_out(tf, tf.train.batch([sparse], 2))]


@fails("Need at least two")
def exception_in_a_pipeline(tf):
    number = tf.train.range_input_producer(4, num_epochs=1, shuffle=False).dequeue()
    checked = tf.Assert(tf.greater(number, 1), ["Need at least two"])
    with tf.control_dependencies([checked]):
        number = tf.identity(number)
    batch = tf.train.batch([number], 1)
    with tf.Session() as sess:
        sess.run(tf.local_variables_initializer())
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess, coord)
        with contextlib.suppress(tf.errors.OutOfRangeError):
            sess.run(batch)
        coord.join(threads)


@fails("requires a non-null input tensor")
def no_names(tf):
    tf.train.string_input_producer([])


@fails("capacity 5 must be bigger than min_after_dequeue 5.")
def nothing_to_choose_from(tf):
    tf.train.shuffle_batch([tf.constant(1)], 2, 5, 5)


@fails("Cannot infer Tensor's rank")
def batch_of_unknown_rank(tf):
    tf.train.batch([tf.placeholder(tf.float32)], 2)


def python_function_of_several(tf):
    x = tf.constant([[1.0, 2.0]])
    several = tf.py_func(lambda a, s: [a.T, s + b"!", len(s)], [x, "text"], [tf.float32, tf.string, tf.int64])
    return tf.Session().run(several)


def python_function_of_strings(tf):
    words = tf.constant([["a", "bc"]])
    return tf.Session().run(tf.py_func(lambda w: np.array([[len(x) for x in row] for row in w]), [words], tf.int64))


def python_function_that_gives_text(tf):
    given = ["h\u00e9", b"raw", np.array(["a", "bcd"]), np.array([b"x\0y", b"z"], object)]
    return tf.Session().run(tf.py_func(lambda: given, [], [tf.string] * 4))


@fails("StopIteration: over")
def python_function_at_its_end(tf):
    def over():
        raise StopIteration("over")

    tf.Session().run(tf.py_func(over, [], tf.int64))


@fails("returns 2 values, but expects to see 1 values.")
def python_function_of_too_many(tf):
    tf.Session().run(tf.py_func(lambda: (1, 2), [], [tf.int64]))


def python_function_with_a_gradient(tf):
    @tf.RegisterGradient("TimesThree")
    def times_three(op, grad):
        return 3.0 * grad

    x = tf.constant([1.0, 2.0])
    with tf.get_default_graph().gradient_override_map({"PyFunc": "TimesThree"}):
        y = tf.py_func(lambda a: a**2, [x], tf.float32)
    y.set_shape([2])
    return tf.Session().run([y, tf.gradients(y, x)[0]])


def formatted_strings(tf):
    values = [
        tf.constant(np.arange(24).reshape(2, 3, 4)),
        tf.constant(["a", 'b"\n']),
        tf.constant([0.1, 1.0 / 3, 1e10, float("nan")]),
        tf.constant(True),
    ]
    return tf.Session().run([tf.strings.format("{}", v, summarize=n) for v in values for n in (-1, 1, 3)])


def batches_of_similar_length(tf):
    number = tf.train.range_input_producer(12, num_epochs=1, shuffle=False).dequeue()
    length = number % 5 + 1
    lengths, batch = tf.contrib.training.bucket_by_sequence_length(
        length, [tf.fill([length], number)], 2, [3], dynamic_pad=True, allow_smaller_final_batch=True
    )
    runs = _run_out(tf, lengths, batch)
    return sorted([found.tolist(), rows[0].tolist()] for found, rows in runs)
