"""Lookup tables: what they find, how they are filled, what is refused."""

import os
import tempfile

import numpy as np
from session.outcome import fails


def _words(tf, **more):
    lookup = tf.contrib.lookup
    return lookup.HashTable(lookup.KeyValueTensorInitializer(["a", "b"], np.array([10, 20])), -1, **more)


def _file(text):
    with tempfile.NamedTemporaryFile("wb", delete=False, suffix=".txt") as file:
        file.write(text)
    return file.name


def _filled_from(tf, text, *columns, **more):
    lookup = tf.contrib.lookup
    path = _file(text)
    try:
        default = "none" if columns[2] is tf.string else -1
        table = lookup.HashTable(lookup.TextFileInitializer(path, *columns, **more), default)
        with tf.Session() as sess:
            sess.run(tf.tables_initializer())
            keys, values = sess.run(table.export())
            order = np.argsort(keys)
            return keys[order], values[order], sess.run(table.size())
    except tf.errors.OpError as error:
        raise type(error)(None, None, error.message.replace(path, "words.txt")) from None
    finally:
        os.unlink(path)


def find(tf):
    table = _words(tf)
    with tf.Session() as sess:
        sess.run(tf.tables_initializer())
        return sess.run([table.lookup(tf.constant([["a"], ["c"]])), table.lookup(tf.constant("b")), table.size()])


def find_in_a_sparse_tensor(tf):
    table = _words(tf)
    sparse = tf.SparseTensor([[0, 0], [1, 2]], ["b", "x"], [2, 3])
    with tf.Session() as sess:
        sess.run(tf.tables_initializer())
        return list(sess.run(table.lookup(sparse)))


def find_many_numbers(tf):
    lookup = tf.contrib.lookup
    keys = np.arange(0, 3000, 3, dtype=np.int64)
    table = lookup.HashTable(lookup.KeyValueTensorInitializer(keys, keys.astype(np.float32) / 2), -1.0)
    with tf.Session() as sess:
        sess.run(tf.tables_initializer())
        return sess.run(table.lookup(tf.constant(np.arange(1000, 0, -1), tf.int64)))


@fails("Table not initialized.")
def find_before_it_is_filled(tf):
    tf.Session().run(_words(tf).lookup(tf.constant(["a"])))


def each_session_fills_its_own(tf):
    table = _words(tf)
    with tf.Session() as first, tf.Session() as second:
        first.run(tf.tables_initializer())
        return first.run(table.size()), second.run(table.size())


@fails("HashTable has different value for same key. Key a has 1 and trying to add value 2")
def two_values_for_a_key(tf):
    lookup = tf.contrib.lookup
    table = lookup.HashTable(lookup.KeyValueTensorInitializer(["a", "a"], np.array([1, 2])), -1)
    tf.Session().run(table.init)


@fails("Table was already initialized with different data.")
def filled_with_other_entries(tf):
    table = _words(tf)
    with tf.Session() as sess:
        sess.run(table.init)
        sess.run(tf.raw_ops.InitializeTableV2(table_handle=table.resource_handle, keys=["x"], values=np.array([1])))


@fails("Insert not supported")
def insert_into_a_table_that_is_filled_once(tf):
    table = _words(tf)
    insert = tf.raw_ops.LookupTableInsertV2(table_handle=table.resource_handle, keys=["x"], values=np.array([1]))
    tf.Session().run(insert)


@fails("Signature mismatch. Keys must be dtype")
def keys_of_another_type(tf):
    _words(tf).lookup(tf.constant([1]))


def lines_to_numbers(tf):
    return _filled_from(tf, b"salad\r\nbrain\nsurgery", tf.string, -2, tf.int64, -1)


def columns(tf):
    return _filled_from(tf, b"x 1 0.5\ny 2 0.25\n", tf.int64, 1, tf.float32, 2, delimiter=" ")


def numbers_to_lines(tf):
    return _filled_from(tf, b"salad\nbrain\n", tf.int64, -1, tf.string, -2)


def some_of_the_lines(tf):
    return _filled_from(tf, b"a\nb\nc\n", tf.string, -2, tf.int64, -1, vocab_size=2)


@fails("expected 5 but got 3")
def too_few_lines(tf):
    _filled_from(tf, b"a\nb\nc\n", tf.string, -2, tf.int64, -1, vocab_size=5)


@fails("empty line found at position 5.")
def empty_line(tf):
    _filled_from(tf, b"a\nb\n\nc\n", tf.string, -2, tf.int64, -1)


@fails("line 1 (b) : expected 1 got 1")
def too_few_columns(tf):
    _filled_from(tf, b"a 1\nb\n", tf.string, 0, tf.int64, 1, delimiter=" ")


@fails("Field x in line 0 is not a valid int64.")
def column_that_is_no_number(tf):
    _filled_from(tf, b"a x\n", tf.string, 0, tf.int64, 1, delimiter=" ")


@fails("No such file or directory")
def file_that_is_not_there(tf):
    lookup = tf.contrib.lookup
    table = lookup.HashTable(lookup.TextFileInitializer("/no/such/file", tf.string, -2, tf.int64, -1), -1)
    tf.Session().run(table.init)


def vocabulary_with_buckets(tf):
    table = tf.contrib.lookup.index_table_from_tensor(["emerson", "lake", "palmer"], num_oov_buckets=3)
    strong = tf.contrib.lookup.index_table_from_tensor(
        ["a"], num_oov_buckets=5, hasher_spec=tf.contrib.lookup.StrongHashSpec([1, 2])
    )
    words = tf.constant(["emerson", "lake", "and", "palmer", "king crimson"])
    with tf.Session() as sess:
        sess.run(tf.tables_initializer())
        return sess.run([table.lookup(words), table.size(), strong.lookup(words)])


def vocabulary_of_integers(tf):
    table = tf.contrib.lookup.index_table_from_tensor([42, 1, -1000], num_oov_buckets=2, dtype=tf.int32)
    with tf.Session() as sess:
        sess.run(tf.tables_initializer())
        return sess.run(table.lookup(tf.constant([42, 7, -1000, 8])))


def numbers_back_to_words(tf):
    table = tf.contrib.lookup.index_to_string_table_from_tensor(["brain", "salad"], default_value="?")
    with tf.Session() as sess:
        sess.run(tf.tables_initializer())
        return sess.run(table.lookup(tf.constant([1, 0, 7], tf.int64)))


def mutable(tf):
    table = tf.contrib.lookup.MutableHashTable(tf.string, tf.int64, -1)
    with tf.Session() as sess:
        sess.run(table.insert(["a", "b", "a"], np.array([1, 2, 3])))
        found = sess.run(table.lookup(["a", "b", "c"]))
        sess.run(table.remove(tf.constant(["b", "z"])))
        return found, sess.run(table.size()), sess.run(table.export())


def mutable_vectors(tf):
    table = tf.contrib.lookup.MutableHashTable(tf.int64, tf.float32, [0.0, -1.0])
    with tf.Session() as sess:
        sess.run(table.insert([4], [[1.0, 2.0]]))
        return sess.run(table.lookup([[4], [5]])), sess.run(table.export())


@fails("Expected shape [1,2] for value, got [1]")
def values_of_another_shape(tf):
    table = tf.contrib.lookup.MutableHashTable(tf.int64, tf.float32, [0.0, -1.0])
    x = tf.placeholder(tf.float32)
    tf.Session().run(table.insert([4], x), {x: [1.0]})


def buckets_of_a_dense_table(tf):
    table = tf.contrib.lookup.MutableDenseHashTable(
        tf.int64, tf.int64, -1, empty_key=0, deleted_key=-3, initial_num_buckets=4
    )
    with tf.Session() as sess:
        sess.run(table.insert([1, 5, 9], [10, 50, 90]))
        states = [sess.run(table.export())]
        sess.run(table.remove(tf.constant([5], tf.int64)))
        states.append(sess.run(table.export()))
        sess.run(table.insert([13, 5], [130, 51]))
        states.append(sess.run(table.export()))
        return [list(state) for state in states], sess.run(table.lookup([1, 5, 2])), sess.run(table.size())


def dense_table_of_strings_and_vectors(tf):
    table = tf.contrib.lookup.MutableDenseHashTable(
        tf.string, tf.float32, [-1.0, 0.0], empty_key="", deleted_key="x", initial_num_buckets=8
    )
    with tf.Session() as sess:
        sess.run(table.insert(["a", "b", "c"], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
        return list(sess.run(table.export())), sess.run(table.lookup(["b", "q"]))


def dense_table_of_vectors_as_keys(tf):
    table = tf.contrib.lookup.MutableDenseHashTable(
        tf.int64, tf.int64, -1, empty_key=[0, 0], deleted_key=[-3, 1], initial_num_buckets=8
    )
    with tf.Session() as sess:
        sess.run(table.insert([[1, 5], [9, 1]], [10, 50]))
        return list(sess.run(table.export())), sess.run(table.lookup([[1, 5], [2, 2]]))


@fails("Using the empty_key as a table key is not allowed")
def empty_key_as_a_key(tf):
    table = tf.contrib.lookup.MutableDenseHashTable(tf.int64, tf.int64, -1, empty_key=0, deleted_key=-3)
    tf.Session().run(table.insert([0], [1]))


@fails("Number of buckets must be at least 4 and a power of 2, got: 12")
def odd_number_of_buckets(tf):
    table = tf.contrib.lookup.MutableDenseHashTable(
        tf.int64, tf.int64, -1, empty_key=0, deleted_key=1, initial_num_buckets=12
    )
    tf.Session().run(table.size())
