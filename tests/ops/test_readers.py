"""Readers that gave records back: what a run had read ahead of another."""

from types import SimpleNamespace

import numpy as np
import pytest

from evergraph.framework import dtypes
from evergraph.ops.readers.reader_state import IdentityReader
from evergraph.ops.readers.saved_state import ReaderCounts
from evergraph.ops.running import Resources, Running

QUEUE = SimpleNamespace(
    types=[dtypes.string], dequeue=lambda run: [np.array(b"next", object)], take_more=lambda count: []
)


@pytest.fixture
def run():
    return Running(Resources(), lambda *_: [])


@pytest.fixture
def reader(run):
    """A reader that was given back what it read."""
    reader = IdentityReader("r")
    reader.put_back(reader.read_on(1, QUEUE, run), run)
    reader.put_back([(b"ahead", b"ahead")], run)
    return reader


def test_records_given_back_come_first(reader, run):
    assert [reader.read(QUEUE, run)[0] for _ in range(3)] == [b"ahead", b"next", b"next"]


@pytest.mark.parametrize("begin_anew", [lambda r, run: r.reset(run), lambda r, run: r.restore(b"", run)])
def test_reset_and_restored_readers_forget_what_was_given_back(reader, run, begin_anew):
    begin_anew(reader, run)
    assert reader.counts == ReaderCounts()
    assert reader.read(QUEUE, run) == (b"next", b"next")
