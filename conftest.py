"""What the examples in docstrings may use: `tf`, and `sess`, a session on a fresh default graph."""

import pytest


@pytest.fixture(autouse=True)
def doctest_names(request):
    """A fresh default graph with a session for each docstring; other tests make their own."""
    if not isinstance(request.node, pytest.DoctestItem):
        yield
        return
    import evergraph as tf

    names = request.getfixturevalue("doctest_namespace")
    with tf.Graph().as_default(), tf.Session() as sess:
        names.update(tf=tf, sess=sess)
        yield
