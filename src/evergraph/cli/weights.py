"""Named arrays in files of four formats, read and written in one way."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from evergraph.cli import kinds
from evergraph.cli.printing import BadInput
from evergraph.formats import files
from evergraph.formats.bundle import BundleReader, BundleWriter
from evergraph.formats.checkpoint import open_checkpoint
from evergraph.formats.checkpoint_v1 import CheckpointV1Writer
from evergraph.formats.hdf5 import NO_H5PY, Hdf5Reader
from evergraph.formats.hdf5_process import ZLIB_RATIO
from evergraph.formats.safetensors import SafetensorsReader, can_hold, write_streamed

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"  # of object-based checkpoints: no weight


class Weights(Mapping[str, np.ndarray]):
    """The arrays of a file, each read when it is asked for."""

    format = ""

    def __init__(self, path: str) -> None:
        self.path = path
        self.entries: dict[str, tuple[str, tuple[int, ...], int]] = {}
        """Name to type, shape and bytes."""

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, name: object) -> bool:
        return name in self.entries


class _Checkpoint(Weights):
    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.reader = open_checkpoint(path)
        self.format = "V2" if isinstance(self.reader, BundleReader) else "V1"
        for name in self.reader.names():
            reader = self.reader
            self.entries[name] = reader.dtype(name).name, reader.shape(name), reader.stored_size(name)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.reader.read(name)


class _Safetensors(Weights):
    format = "safetensors"

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.reader = SafetensorsReader(path)
        for name in self.reader.names():
            dtype, shape = self.reader.dtype(name), self.reader.shape(name)
            self.entries[name] = dtype.name, shape, int(np.prod(shape, dtype=np.int64)) * dtype.itemsize

    def __getitem__(self, name: str) -> np.ndarray:
        return self.reader.read(name)


class _Npz(Weights):
    format = "npz"

    def __init__(self, path: str) -> None:
        super().__init__(path)
        try:
            with zipfile.ZipFile(path) as archive:
                for info in archive.infolist():
                    if info.filename.endswith(".npy"):
                        with archive.open(info) as file:
                            shape, _, dtype = _npy_header(file)
                        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
                        self.entries[info.filename.removesuffix(".npy")] = dtype.name, shape, size
        except Exception as error:  # of the archive, of zlib, or of Python's parser, which reads the headers
            raise BadInput(f"{path}: damaged npz file: {error}") from None

    def __getitem__(self, name: str) -> np.ndarray:
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                return np.asarray(archive[name])
        except Exception as error:
            raise BadInput(f"{self.path}: array {name!r}: {error}") from None


def _npy_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


class _Hdf5(Weights):
    format = "HDF5"

    def __init__(self, path: str) -> None:
        super().__init__(path)
        try:
            self.reader = _of_keras(path) if zipfile.is_zipfile(path) else Hdf5Reader(path)
        except ImportError as error:
            raise BadInput(str(error)) from None
        self.entries = self.reader.entries

    def __getitem__(self, name: str) -> np.ndarray:
        return self.reader.read(name)


def _of_keras(path: str) -> Hdf5Reader:
    """The weights in an archive that Keras wrote."""
    with tempfile.TemporaryDirectory() as folder:
        taken = os.path.join(folder, kinds.KERAS_WEIGHTS)
        try:
            with zipfile.ZipFile(path) as archive:
                size = archive.getinfo(kinds.KERAS_WEIGHTS).file_size
                if size > ZLIB_RATIO * os.path.getsize(path):
                    raise BadInput(f"{path}: damaged archive: {size} bytes of weights cannot be in it")
                with archive.open(kinds.KERAS_WEIGHTS) as source, open(taken, "wb") as target:
                    shutil.copyfileobj(source, target)
        except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError) as error:
            raise BadInput(f"{path}: damaged archive: {error}") from None
        return Hdf5Reader(taken, named=path)  # which has opened it; the file may go


def hdf5() -> Any:
    try:
        import h5py
    except ImportError:
        raise BadInput(NO_H5PY) from None
    return h5py


def open_weights(found: kinds.Found) -> Weights:
    """Open what `found` names for reading."""
    openers: dict[str, Callable[[str], Weights]] = {
        kinds.CHECKPOINT: _Checkpoint,
        kinds.SAFETENSORS: _Safetensors,
        kinds.NPZ: _Npz,
        kinds.HDF5: _Hdf5,
    }
    return openers[found.kind](found.path)


def format_of(path: str, asked: str | None) -> str:
    """The format to write: as asked for, or as the name says; else a checkpoint of the newer format."""
    if asked:
        return asked
    ending = os.path.splitext(path)[1].lower()
    return {".npz": "npz", ".safetensors": "safetensors", ".h5": "h5", ".hdf5": "h5"}.get(ending, "v2")


def write_weights(path: str, kind: str, source: Weights, watch: Any) -> list[str]:
    """Write the arrays of `source` in another format; gives the names of those left out.

    Args:
        watch: takes the names and gives them again, while it shows how far they are.

    Raises:
        BadInput: for arrays that the format cannot hold. It names them all, and nothing is written.
    """
    names = list(source)
    left_out = [n for n in names if n == OBJECT_GRAPH] if kind not in ("v1", "v2") else []
    names = [n for n in names if n not in left_out]
    wrong = [f"{n!r} ({source.entries[n][0]})" for n in names if not _fits(kind, source.entries[n][0])]
    if wrong:
        raise BadInput(f"{kind} cannot hold {', '.join(wrong)}")
    if kind in ("v1", "v2"):
        plain = {n: _plain_name(source, n) for n in names}
        if len(set(plain.values())) < len(plain):
            plain = {n: n for n in names}
        with BundleWriter(path) if kind == "v2" else CheckpointV1Writer(path) as writer:
            for name in watch(names):
                writer.add(plain[name], _as_tensor(source[name]))
    elif kind == "safetensors":
        types = {n: (_numpy_type(source.entries[n][0]), source.entries[n][1]) for n in names}
        write_streamed(path, types, (source[n] for n in watch(names)))
    elif kind == "npz":
        with files.replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name in watch(names):
                with archive.open(name + ".npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, _as_array(source[name]), allow_pickle=False)
    else:
        _write_hdf5(path, source, names, watch)
    return left_out


def _numpy_type(name: str) -> np.dtype:
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


def _fits(kind: str, dtype: str) -> bool:
    is_text = dtype == "string" or dtype.startswith(("bytes", "str"))
    if kind in ("v1", "v2"):
        return not dtype.startswith(("void", "datetime"))
    if kind == "safetensors":
        try:
            return not is_text and can_hold(_numpy_type(dtype))
        except TypeError:
            return False
    try:
        return is_text or np.dtype(dtype).kind in "biufc"
    except TypeError:
        return False


def _plain_name(source: Weights, name: str) -> str:
    """A name in a checkpoint: HDF5 files of ours, and of Keras, end theirs with the number of the output."""
    return name.removesuffix(":0") if isinstance(source, _Hdf5) else name


def _as_tensor(value: np.ndarray) -> np.ndarray:
    """Strings as TensorFlow has them: objects that are bytes."""
    if value.dtype.kind not in "SUO":
        return value
    flat = [v if isinstance(v, bytes) else str(v).encode() for v in value.reshape(-1).tolist()]
    made = np.empty(len(flat), object)
    made[:] = flat
    return made.reshape(value.shape)


def _as_array(value: np.ndarray) -> np.ndarray:
    """Strings as arrays of a fixed width."""
    if value.dtype.kind != "O":
        return value
    if any(v.endswith(b"\0") for v in value.reshape(-1).tolist()):
        raise BadInput("strings that end with a zero byte cannot be held in an array of a fixed width")
    return value.astype("S")


def _write_hdf5(path: str, source: Weights, names: list[str], watch: Any) -> None:
    h5py = hdf5()
    temporary = files.temporary_name(path)
    try:
        with files.translated(path):
            with h5py.File(temporary, "w") as file:
                for name in watch(names):
                    # `w` and `w/Adam` cannot both be there: one would be array and folder. Keras's names end with `:0`.
                    file.create_dataset(name.removesuffix(":0") + ":0", data=_as_array(source[name]))
            os.replace(temporary, path)
    finally:
        files.remove_quietly(temporary)
