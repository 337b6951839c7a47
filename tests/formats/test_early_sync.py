"""Large checkpoints go to the disk while they are written, and the files they replace go later."""

import errno
import os
import threading

import numpy as np
import pytest

from evergraph.formats import early_sync, freeing
from evergraph.formats.bundle import BundleReader, BundleWriter
from evergraph.framework import errors


@pytest.fixture(autouse=True)
def small_steps(monkeypatch):
    monkeypatch.setattr(early_sync, "STEP", 4_000)
    monkeypatch.setattr(early_sync, "CHUNK", 1_000)
    monkeypatch.setattr(freeing, "LARGE", 1_000)


def write(prefix, seed):
    rng = np.random.default_rng(seed)
    values = {f"v{i}": rng.normal(size=size) for i, size in enumerate((3, 900, 0, 5_000))}
    values["text"] = np.array([b"x" * 7_000, b""], object)
    with BundleWriter(prefix) as writer:
        for name, value in values.items():
            writer.add(name, value)
    return values


def test_what_is_synced_while_it_is_written_reads_back(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(early_sync.os, "fdatasync", lambda fd: synced.append(os.fstat(fd).st_size))
    for seed in 0, 1:  # the second takes the place of the first
        values = write(str(tmp_path / "m"), seed)
        with BundleReader(str(tmp_path / "m")) as reader:
            assert reader.check() == []
            for name, value in values.items():
                assert np.array_equal(reader.read(name), value)
    assert synced and max(synced) >= 4_000
    freeing.wait()
    assert sorted(os.listdir(tmp_path)) == ["m.data-00000-of-00001", "m.index"]
    assert not [t for t in threading.enumerate() if t.name.startswith(("evergraph_sync", "evergraph_close"))]


def test_failed_sync_fails_the_save_and_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    old = write(str(tmp_path / "m"), 0)

    def fails(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(early_sync.os, "fdatasync", fails)
    with pytest.raises(errors.UnknownError, match=r"m\.data.*Input/output error"):
        write(str(tmp_path / "m"), 1)
    with BundleReader(str(tmp_path / "m")) as reader:
        assert np.array_equal(reader.read("v3"), old["v3"])
    assert sorted(os.listdir(tmp_path)) == ["m.data-00000-of-00001", "m.index"]


def test_full_disk_is_noticed_before_anything_is_written(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(early_sync, "_reserved", lambda fd, at, size: asked.append((at, size)) or errno.ENOSPC)
    with (
        pytest.raises(errors.ResourceExhaustedError, match="No space left"),
        BundleWriter(str(tmp_path / "m")) as writer,
    ):
        writer.add("small", np.zeros(3))
        writer.add("v", np.zeros(5_000))
    assert asked == [(24, 40_000)] * 2  # again, once the blocks of removed files are free
    assert not os.listdir(tmp_path)


def test_sizes_of_files_are_exact_although_room_is_reserved(tmp_path):
    with BundleWriter(str(tmp_path / "m")) as writer:
        writer.add("v", np.zeros(5_000))
        writer.add("w", np.zeros(1))
    assert os.path.getsize(tmp_path / "m.data-00000-of-00001") == 40_008


def test_names_go_at_once(tmp_path):
    for name in "ab":
        (tmp_path / name).write_bytes(bytes(5_000))
    freeing.replace(str(tmp_path / "a"), str(tmp_path / "b"))
    assert os.listdir(tmp_path) == ["b"]
    freeing.remove(str(tmp_path / "b"))
    assert not os.listdir(tmp_path)
    freeing.wait()
    with pytest.raises(FileNotFoundError):
        freeing.remove(str(tmp_path / "b"))
    with pytest.raises(FileNotFoundError):
        freeing.replace(str(tmp_path / "b"), str(tmp_path / "c"))
