"""Files with valid checksums and lying contents, and messages with any byte changed: known errors, at once."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evergraph as tf
from evergraph.formats import messages, snappy, variants, varint
from evergraph.formats.bundle import BundleReader, BundleWriter
from evergraph.formats.events import read_events
from evergraph.formats.slices import Slice
from evergraph.formats.tfrecord import RecordWriter
from evergraph.framework import errors

NUMBERS = st.one_of(st.integers(0, 70), st.sampled_from([2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1]))
SIGNED = st.one_of(NUMBERS, NUMBERS.map(lambda n: -n - 1 if n < 2**63 - 1 else -(2**63)))
# What a string with a stray backslash makes Python say, inside of protobuf.
pytestmark = pytest.mark.filterwarnings(
    "ignore:decoding with:DeprecationWarning", "ignore:invalid escape:DeprecationWarning"
)
REFUSED = errors.OpError, ValueError, TypeError, OSError


def changed(raw, data):
    """`raw` with a byte changed, cut, or with a piece of it repeated."""
    raw = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "double", "junk"])):
            case "flip":
                raw[at] ^= data.draw(st.integers(1, 255))
            case "cut":
                del raw[max(at, 1) :]
            case "double":
                raw[at:at] = raw[at : at + data.draw(st.integers(1, 40))]
            case _:
                raw[at : at + 4] = data.draw(st.binary(min_size=1, max_size=8))
    return bytes(raw)


@settings(max_examples=60)
@given(
    st.sampled_from(["a", "s", "v", "p"]),
    st.lists(SIGNED, max_size=3),
    st.integers(0, 30),
    SIGNED,
    SIGNED,
    st.integers(-1, 3),
)
def test_index_that_lies_is_refused_without_allocating(tmp_path_factory, name, shape, kind, offset, size, shard):
    prefix = str(tmp_path_factory.getbasetemp() / "lies")
    variant = np.empty((), object)
    variant[()] = variants.StoredVariant("t", b"meta", [np.arange(3)])
    with BundleWriter(prefix) as writer:
        writer.add("a", np.arange(6.0))
        writer.add("s", np.array([b"text", b""], object))
        writer.add("v", variant, tf.variant)
        writer.add_slice("p", [4, 2], Slice((0, 0), (2, 2)), np.zeros([2, 2]))
        writer.add_slice("p", [4, 2], Slice((2, 0), (2, 2)), np.ones([2, 2]))
        entry = writer._entries[name.encode()]
        entry.dtype, entry.offset, entry.size, entry.shard, entry.shape = kind, offset, size, shard, tuple(shape)
    with contextlib.suppress(*REFUSED), BundleReader(prefix) as reader:
        for known in reader.names():
            with contextlib.suppress(*REFUSED):
                reader.dtype(known), reader.shape(known), reader.slices(known), reader.stored_size(known)
            with contextlib.suppress(*REFUSED):
                assert reader.read(known).nbytes < 10_000


@settings(max_examples=100)
@given(st.binary(max_size=400), st.data())
def test_snappy_blocks_with_changes_are_refused_or_short(text, data):
    parts = [varint.encoded(len(text))]
    for i in range(0, len(text), 50):
        piece = text[i : i + 50]
        parts.append(bytes([(len(piece) - 1) << 2]) + piece)
    block = b"".join(parts)
    assert snappy.decompress(block) == text
    with contextlib.suppress(ValueError):
        assert len(snappy.decompress(changed(block, data))) <= 64 * (len(block) + 200)


@given(st.data())
def test_variants_with_changes_are_refused(data):
    array = np.empty(2, object)
    array[:] = [variants.StoredVariant("t", b"m", [np.arange(3)]), variants.StoredVariant("u")]
    raw, _ = variants.encoded(array)
    with contextlib.suppress(ValueError):
        variants.decoded(changed(raw, data), data.draw(st.integers(0, 5)))


@given(st.data())
def test_events_with_changes_are_refused(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "events"
    event = messages.Event(step=3, wall_time=1.0)
    event.summary.value.add(tag="loss", simple_value=2.0)
    with RecordWriter(str(path)) as writer:
        writer.write(changed(event.SerializeToString(), data))  # the checksum is right, what it is of is not
    with contextlib.suppress(errors.DataLossError):
        list(read_events(str(path)))
    path.write_bytes(changed(path.read_bytes(), data))
    with contextlib.suppress(errors.DataLossError):
        list(read_events(str(path)))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A SavedModel and a meta graph of a model with variables, a loop, a branch and a function."""
    folder = tmp_path_factory.mktemp("model")
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        v = tf.get_variable("v", [3, 2], initializer=tf.ones_initializer())
        y = tf.cond(tf.reduce_sum(x) > 0, lambda: tf.matmul(x, v), lambda: tf.matmul(-x, v))
        y = tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, tf.tanh(y)), [0, y])[1]
        tf.data.make_one_shot_iterator(tf.data.Dataset.range(3).map(lambda n: n + 1)).get_next()
        sess.run(tf.global_variables_initializer())
        tf.saved_model.simple_save(sess, str(folder / "saved"), {"x": x}, {"y": y})
        tf.train.Saver().save(sess, str(folder / "m"))
        tf.train.export_meta_graph(str(folder / "m.pbtxt"), as_text=True)
    return folder


@settings(max_examples=30)
@given(st.data(), st.sampled_from(["m.meta", "m.pbtxt"]))
def test_meta_graphs_with_changes_are_imported_or_refused(model, data, name):
    path = model / ("changed-" + name)
    path.write_bytes(changed((model / name).read_bytes(), data))
    with contextlib.suppress(*REFUSED, LookupError), tf.Graph().as_default():
        tf.train.import_meta_graph(str(path))


@settings(max_examples=20)
@given(st.data())
def test_saved_models_with_changes_are_loaded_or_refused(model, data):
    path = model / "saved" / "saved_model.pb"
    good = path.read_bytes()
    path.write_bytes(changed(good, data))
    try:
        with contextlib.suppress(*REFUSED, LookupError, RuntimeError, AssertionError):
            with tf.Graph().as_default(), tf.Session() as sess:
                tf.saved_model.load(sess, ["serve"], str(model / "saved"))
    finally:
        path.write_bytes(good)


@given(st.data())
def test_checkpoint_state_with_changes_is_read_or_is_none(model, data):
    folder = model / "state"
    folder.mkdir(exist_ok=True)
    Path(folder / "checkpoint").write_bytes(changed((model / "checkpoint").read_bytes(), data))
    with contextlib.suppress(*REFUSED):
        tf.train.latest_checkpoint(str(folder))
