"""What the examples in docstrings may use: `tf`; `sess`, a session on a fresh default graph; `folder`, an empty one."""

import os

import numpy as np
import pytest

os.environ.setdefault("EVERGRAPH_CACHE", "off")  # tests compile what they run, and leave nothing behind


@pytest.fixture(autouse=True)
def doctest_names(request):
    """A fresh default graph with a session for each docstring; other tests make their own."""
    if not isinstance(request.node, pytest.DoctestItem):
        yield
        return
    import evergraph as tf
    from evergraph import _api

    for path in sorted(
        {*_api.LAZY, *(path.partition(".")[0] for path in _api.LAZY)} - {""}
    ):  # pytest imports packages such as evergraph/data once more, in place of the namespaces
        _api._namespace(path)
    names = request.getfixturevalue("doctest_namespace")
    # Numbers without their NumPy type, `1.0` rather than `np.float32(1.0)`, so that the examples stay easy to read.
    with np.printoptions(legacy="1.25"), tf.Graph().as_default(), tf.Session() as sess:
        names.update(tf=tf, sess=sess, folder=str(request.getfixturevalue("tmp_path")))
        yield
