"""Bodies computed for many elements at once give, bit for bit, what they give for each."""

import numpy as np
import pytest

import evergraph as tf
from evergraph.framework.function_graph import FunctionGraph
from evergraph.runtime.executor import run_plan
from evergraph.runtime.functions import plan_of
from evergraph.runtime.stacked import NotStacked, RaggedColumn, stacked
from evergraph.runtime.state import State


def body_of(function, *kinds):
    body = FunctionGraph("body", tf.Graph())
    with body.as_default():
        arguments = [body.argument(kind, shape) for kind, shape in kinds]
        results = function(*arguments)
        body.finish([tf.convert_to_tensor(r) for r in (results if isinstance(results, list) else [results])])
    return body


RANDOM = np.random.RandomState(0)
NUMBERS, ROWS, TABLE = (tf.float32, ()), (tf.float32, (3,)), (tf.int32, (2, 3))
VALUES = {
    NUMBERS[0]: lambda shape: RANDOM.randn(5, *shape).astype(np.float32),
    TABLE[0]: lambda shape: RANDOM.randint(-9, 9, (5, *shape)).astype(np.int32),
    tf.string: lambda shape: np.array([b"12", b"-1", b"1e3", b"0", b"7"], object),
}
TEXT = (tf.string, ())

FUNCTIONS = {
    "arithmetic": (lambda x, y: [x * 2 + y, x - y / 3.0, tf.maximum(x, y), x > y], (NUMBERS, ROWS)),
    "ranks": (lambda x, y: [x + tf.ones([4, 3]), y * tf.constant([1.0, 2.0, 3.0])], (ROWS, NUMBERS)),
    "integers": (lambda x: [x // 4, x % 4, tf.cast(x, tf.float32), tf.equal(x, 1), -x], (TABLE,)),
    "shapes": (
        lambda x: [tf.reshape(x, [-1]), tf.reshape(x, [3, 2]), tf.expand_dims(x, 1), tf.expand_dims(x, -1)],
        (TABLE,),
    ),
    "places": (
        lambda x: [tf.transpose(x), tf.squeeze(x[:1]), tf.squeeze(x[:1], [0]), tf.transpose(x, [0, 1])],
        (TABLE,),
    ),
    "slices": (lambda x: [x[1], x[:, 1:], x[..., 0], x[::-1], x[:, None, 2], tf.slice(x, [0, 1], [-1, 2])], (TABLE,)),
    "joined": (
        lambda x, y: [
            tf.stack([x, x + 1.0, 2.0]),
            tf.concat([y, [1.0]], 0),
            tf.stack([y, y], -1),
            tf.concat([y, y], -1),
        ],
        (NUMBERS, ROWS),
    ),
    "chosen": (
        lambda x, y: [tf.where(y > 0, y, -y), tf.where(x > 0, y, tf.zeros([3])), tf.one_hot(tf.cast(x, tf.int32), 4)],
        (NUMBERS, ROWS),
    ),
    "one hot": (lambda x: [tf.one_hot(x, 3, axis=0), tf.one_hot(x, 3, 5.0, -5.0, axis=1)], (TABLE,)),
    "gathered": (lambda x: tf.gather(tf.constant([[1, 2], [3, 4], [5, 6]]), x % 3), (TABLE,)),
    "strings": (lambda s: [tf.string_to_number(s), tf.strings.length(s), tf.string_to_hash_bucket_fast(s, 7)], (TEXT,)),
    "texts": (
        lambda s: [
            tf.strings.lower(s),
            tf.strings.upper(s),
            tf.strings.strip(s),
            tf.strings.substr(s, 0, 1),
            tf.strings.regex_replace(s, "[0-9]", "x"),
            tf.strings.regex_full_match(s, "-.*"),
        ],
        (TEXT,),
    ),
    "columns": (lambda s: tf.decode_csv(s, [[0.0]]) + tf.decode_csv(s, [[""]]), (TEXT,)),
    "constants": (lambda x: [tf.constant("a"), x, tf.shape(x), tf.zeros([2]) + 1.0], (ROWS,)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_many_elements_at_once(name):
    function, kinds = FUNCTIONS[name]
    body = body_of(function, *kinds)
    plan = plan_of(body)
    together = stacked(plan, len(body.results), len(kinds))
    assert together is not None and together.is_complete
    columns = [VALUES[kind](shape) for kind, shape in kinds]
    made = together(columns, [], 5)
    for row in range(5):
        single = [np.asarray(c[row], c.dtype) for c in columns]
        for ours, theirs in zip(made, run_plan(plan, State(), single), strict=True):
            theirs = np.asarray(theirs)
            assert ours.dtype == theirs.dtype and ours.shape == (5, *theirs.shape)
            assert np.asarray(ours[row], ours.dtype).tobytes() == theirs.tobytes() or ours.dtype == object
            np.testing.assert_array_equal(ours[row], theirs)


def test_captured_values_are_shared():
    body = body_of(lambda x, c: [x * c, c + 1.0], NUMBERS, ROWS)
    together = stacked(plan_of(body), 2, 1)
    product, shared = together([np.float32([1, 2])], [np.float32([1, 10, 100])], 2)
    assert product.tolist() == [[1, 10, 100], [2, 20, 200]] and shared.tolist() == [[2, 11, 101]] * 2


@pytest.mark.parametrize(
    "function",
    [
        lambda x: tf.py_func(lambda v: v, [x], tf.float32),
        lambda x: tf.exp(x),  # its last bit depends on how many there are, and there is nothing else to gain
        lambda x: tf.while_loop(lambda v: v < 9.0, lambda v: v * 2.0, [x]),
    ],
)
def test_what_is_left_to_single_calls(function):
    body = body_of(function, NUMBERS)
    assert stacked(plan_of(body), 1, 1) is None


def test_the_first_part_of_a_body():
    def function(line):
        a, b = tf.decode_csv(line, [[0.0], [""]])
        return [tf.py_func(np.exp, [a], tf.float32), b, a + 1.0]

    body = body_of(function, TEXT)
    together = stacked(plan_of(body), 3, 1)
    assert not together.is_complete
    made = dict(zip((t.op.type for t in together.given), together([np.array([b"1,a", b"2,b"], object)], [], 2)))
    assert made["Add" if "Add" in made else "AddV2"].tolist() == [2.0, 3.0]


def example(i):
    made = tf.train.Example()
    made.features.feature["n"].int64_list.value.extend(range(i % 4))
    if i != 2:
        made.features.feature["f"].float_list.value.extend([i / 2] * (3 - i % 3))
    made.features.feature["one"].int64_list.value.append(i)
    return made.SerializeToString()


def lists(s):
    features = {
        "n": tf.VarLenFeature(tf.int64),
        "f": tf.FixedLenSequenceFeature([], tf.float32, allow_missing=True),
        "one": tf.FixedLenFeature([], tf.int64),
    }
    found = tf.parse_single_example(s, features)
    return tf.sparse_tensor_to_dense(found["n"]), found["f"], found["one"]


def of_lists(s):
    n, f, one = lists(s)
    return [n, f, one, tf.size(n), tf.shape(f)[0], n[1:], n[:-1], f[-2:], f[0:2], n + one, tf.cast(f, tf.int32) * 2]


def of_lists_together(s):
    n, f, one = lists(s)
    ends = tf.concat([[7], n, tf.stack([one, one])], 0)
    return [ends, tf.concat([f, f], 0), tf.gather([5, 6, 7, 8], n), tf.maximum(f, 1.0), tf.equal(ends, 7)]


def of_words(s):
    words = tf.string_split([s]).values
    hashed = tf.string_to_hash_bucket_fast(tf.strings.lower(words), 9)
    return [words, hashed, tf.strings.length(words), tf.size(words), words[:2], tf.strings.substr(words, 0, 1)]


RAGGED = {
    "lists": (of_lists, example),
    "lists together": (of_lists_together, example),
    "words": (of_words, lambda i: b" ".join([b"w%d" % i] * i)),
    "fields": (lambda s: tf.string_to_number(tf.string_split([s], ",").values), lambda i: b"1,2,3,4,5"[: 2 * i + 1]),
}


@pytest.mark.parametrize("name", RAGGED)
def test_vectors_of_different_lengths(name):
    function, text = RAGGED[name]
    body = body_of(function, TEXT)
    plan = plan_of(body)
    together = stacked(plan, len(body.results), 1)
    assert together is not None and together.is_complete
    texts = np.array([text(i) for i in range(5)], object)
    made = together([texts], [], 5)
    columns = [c.separate() if isinstance(c, RaggedColumn) else list(c) for c in made]
    assert any(isinstance(c, RaggedColumn) for c in made)
    for row in range(5):
        single = run_plan(plan, State(), [np.array(texts[row], object)])
        for ours, theirs, whole in zip(columns, single, made, strict=True):
            np.testing.assert_array_equal(ours[row], theirs)
            assert np.shape(ours[row]) == np.shape(theirs)
            assert (whole.flat if isinstance(whole, RaggedColumn) else whole).dtype == np.asarray(theirs).dtype


def test_sparse_features_given_as_they_are_are_read_one_by_one():
    def function(s):
        found = tf.parse_single_example(s, {"n": tf.VarLenFeature(tf.int64), "one": tf.FixedLenFeature([], tf.int64)})
        return [found["n"].indices, found["n"].values, found["one"]]

    assert stacked(plan_of(body_of(function, TEXT)), 3, 1) is None


def test_vectors_that_do_not_fit_are_not_computed_together():
    def function(s):
        n, f, _ = lists(s)
        return tf.cast(n, tf.float32) + f

    body = body_of(function, TEXT)
    together = stacked(plan_of(body), 1, 1)
    with pytest.raises(NotStacked):
        together([np.array([example(i) for i in range(5)], object)], [], 5)
