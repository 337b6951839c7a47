"""Batches of records in random order. TensorFlow's order depends on its threads; here the seed decides."""

import pytest

import evergraph as tf
from evergraph.ops.readers.record_input import RecordInput


@pytest.fixture
def files(tmp_path):
    for name in "abc":
        with tf.python_io.TFRecordWriter(str(tmp_path / f"{name}.rec")) as writer:
            for i in range(4):
                writer.write(f"{name}{i}".encode())
    return str(tmp_path / "*.rec")


def batches(files, count, **more):
    with tf.Graph().as_default(), tf.Session() as sess:
        records = RecordInput(files, **more).get_yield_op()
        return [sess.run(records) for _ in range(count)]


def test_each_epoch_has_each_record_once(files):
    found = [r for batch in batches(files, 6, batch_size=4, buffer_size=5) for r in batch.tolist()]
    everything = sorted(f"{name}{i}".encode() for name in "abc" for i in range(4))
    assert sorted(found[:12]) == sorted(found[12:]) == everything
    assert found[:12] != found[12:]


def test_the_seed_decides(files):
    first, again, other = (
        [r for b in batches(files, 3, batch_size=4, buffer_size=12, seed=seed) for r in b] for seed in (1, 1, 2)
    )
    assert first == again != other


def test_several_batches(files):
    made = batches(files, 1, batch_size=2, batches=3)[0]
    assert [len(batch) for batch in made] == [2, 2, 2] and made[0][0][:1] in (b"a", b"b", b"c")


def test_no_files(tmp_path):
    with pytest.raises(tf.errors.NotFoundError, match="Found no files at"):
        batches(str(tmp_path / "*.rec"), 1)
