"""A graph of its own for a test, and a session for it."""

import pytest

import evergraph as tf


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


@pytest.fixture
def sess(graph):
    with tf.Session() as sess:
        yield sess
