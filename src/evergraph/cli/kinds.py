"""What kind of file a path names: from what it holds, not from its name alone."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from evergraph.cli.printing import BadInput

CHECKPOINT, GRAPH, META_GRAPH, SAVED_MODEL = "checkpoint", "graph", "meta graph", "SavedModel"
EVENTS, RECORDS, HDF5, NPZ, SAFETENSORS = "events", "records", "hdf5", "npz", "safetensors"
KERAS_WEIGHTS = "model.weights.h5"  # in the archive that Keras writes as `.keras`
WEIGHTS = (CHECKPOINT, HDF5, NPZ, SAFETENSORS)


class Found(NamedTuple):
    kind: str
    path: str
    """Of a checkpoint: its name, without `.index` and the like."""


def find(path: str) -> Found:
    """What `path` names.

    Raises:
        BadInput: if there is nothing of that name, or nothing that can be told.
    """
    path = path.removeprefix("file://")
    if os.path.isdir(path):
        return _directory(path.rstrip("/") or "/")
    prefix = re.sub(r"\.(index|data-\d{5}-of-\d{5})$", "", path)
    if os.path.exists(prefix + ".index") or os.path.exists(prefix + ".index.pending"):
        return Found(CHECKPOINT, prefix)
    if not os.path.exists(path):
        shards = _like(path)
        raise BadInput(
            f"there is no file, directory or checkpoint {path!r}" + (f"; there are {shards}" if shards else "")
        )
    if prefix != path:
        raise BadInput(f"{path}: the index of this checkpoint, {prefix}.index, is missing")
    return Found(_of_file(path), path)


def _like(path: str) -> str:
    from difflib import get_close_matches

    folder = os.path.dirname(path) or "."
    try:
        names = os.listdir(folder)
    except OSError:
        return ""
    near = get_close_matches(os.path.basename(path), names, 3)
    return ", ".join(repr(os.path.join(os.path.dirname(path), n)) for n in near)


def _directory(path: str) -> Found:
    try:
        names = sorted(os.listdir(path))
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    if "saved_model.pb" in names or "saved_model.pbtxt" in names:
        return Found(SAVED_MODEL, path)
    if "checkpoint" in names:
        from evergraph.training.checkpoint_management import latest_checkpoint

        latest = latest_checkpoint(path)
        if latest:
            return Found(CHECKPOINT, str(latest))
    indexes = [n.removesuffix(".index") for n in names if n.endswith(".index")]
    if len(indexes) == 1:
        return Found(CHECKPOINT, os.path.join(path, indexes[0]))
    if indexes:
        raise BadInput(
            f"{path} holds several checkpoints and no file that says which is the latest: {', '.join(indexes)}"
        )
    events = [n for n in names if "tfevents" in n]
    if events:
        return Found(EVENTS, path)
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    raise BadInput(f"{path} holds no checkpoint, SavedModel or event files: {shown or 'it is empty'}")


def _of_file(path: str) -> str:
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
            size = os.fstat(file.fileno()).st_size
            file.seek(max(size - 8, 0))
            tail = file.read(8)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    name = os.path.basename(path)
    if not head:
        raise BadInput(f"{path} is empty")
    if name in ("saved_model.pb", "saved_model.pbtxt"):
        return SAVED_MODEL
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return HDF5
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _of_archive(path)
    if name.endswith(".safetensors"):
        return SAFETENSORS
    if name.endswith((".h5", ".hdf5", ".npz")):
        raise BadInput(f"{path} is no {'npz' if name.endswith('.npz') else 'HDF5'} file: it starts with {head[:8]!r}")
    if tail == bytes.fromhex("57fb808b247547db"):
        return CHECKPOINT  # the older format: the file is a table
    if name.endswith((".meta", ".meta.pbtxt")):
        return META_GRAPH
    if name.endswith((".pb", ".pbtxt", ".graphdef")):
        return GRAPH
    if starts_a_record(head):
        return EVENTS if b"brain.Event:" in head[12:64] or "tfevents" in name else RECORDS
    if (
        name.endswith((".tfrecord", ".tfrecords", ".record", ".gz"))
        or head.startswith(b"\x1f\x8b")
        or "tfevents" in name
    ):
        return EVENTS if "tfevents" in name else RECORDS
    if len(head) > 9 and int.from_bytes(head[:8], "little") < size and head[8:9] == b"{":
        return SAFETENSORS
    raise BadInput(f"cannot tell what {path} is: it starts with {head[:16]!r}, and its name does not say")


def _of_archive(path: str) -> str:
    """What a zip archive is: NumPy's, or Keras's, which has the weights as an HDF5 file in it."""
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return NPZ  # a damaged one: opening it says what is wrong
    if KERAS_WEIGHTS in names:
        return HDF5
    if names and not any(name.endswith(".npy") for name in names):
        raise BadInput(f"{path} is an archive without arrays: it holds {', '.join(names[:5])}")
    return NPZ


def starts_a_record(head: bytes) -> bool:
    """Whether these bytes are the start of an uncompressed TFRecord file."""
    from evergraph.formats.checksum import masked_crc32c

    return len(head) >= 12 and masked_crc32c(head[:8]) == int.from_bytes(head[8:12], "little")
