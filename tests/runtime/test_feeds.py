"""What may be fed to a tensor of strings, and what comes back."""

import numpy as np
import pytest

import evergraph as tf


@pytest.fixture
def session():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("caf\u00e9", b"caf\xc3\xa9"),
        (b"a\0", b"a\0"),
        (["a", b"b\0"], [b"a", b"b\0"]),
        (np.array(["a", "bc"]), [b"a", b"bc"]),
        (np.array([b"a", b"bc"]), [b"a", b"bc"]),
        (np.array([["a", b"b"]], object), [[b"a", b"b"]]),
        ([], []),
    ],
)
def test_ops_get_bytes_and_a_fetch_of_what_is_fed_gets_it_back(session, value, expected):
    x = tf.placeholder(tf.string)
    given, seen = session.run([x, tf.identity(x)], {x: value})
    assert given.dtype == object
    assert given.tolist() == np.asarray(value, object).tolist()
    assert (seen if isinstance(seen, bytes) else seen.tolist()) == expected


@pytest.mark.parametrize("value", [[1, 2], 1.5, None, np.array(["a", 3], object), [["a"], ["b", "c"]]])
def test_what_is_no_string_is_refused(session, value):
    x = tf.placeholder(tf.string)
    with pytest.raises(tf.errors.InternalError, match="Unsupported object type"):
        session.run(x, {x: value})


def test_an_int_is_refused_by_its_type(session):
    x = tf.placeholder(tf.string)
    with pytest.raises(TypeError, match="not compatible with Tensor type"):
        session.run(x, {x: 3})
