"""HDF5 files: named arrays, as Keras keeps weights.

They are read with the HDF5 library (`h5py`), which a damaged file can crash: one flipped bit is enough. So another
process does the reading (hdf5_process.py), with limits on its time and memory; what ends it is an error here.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from evergraph.formats import files
from evergraph.framework import errors

NO_H5PY = 'HDF5 files need the package h5py: pip install "evergraph[keras]"'
_SCRIPT = Path(__file__).with_name("hdf5_process.py")


class Hdf5Reader:
    """The arrays of an HDF5 file, each read when it is asked for.

    Args:
        path: the file, which is opened now.
        named: what errors call it, if it is a part of another file.

    Raises:
        NotFoundError, PermissionDeniedError: as the file system says.
        DataLossError: here and in `read`, for a damaged file.
        ImportError: if the package h5py is not there.
    """

    def __init__(self, path: str, named: str = "") -> None:
        path = files.local(path)
        self.path = named or path
        with files.translated(path), open(path, "rb"):
            pass
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_SCRIPT), path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "HDF5_USE_FILE_LOCKING": "FALSE"},
        )
        try:
            found = self._answer("the names of its arrays")
        except BaseException:
            self.close()
            raise
        if "missing" in found:
            self.close()
            raise ImportError(NO_H5PY)
        self.entries: dict[str, tuple[str, tuple[int, ...], int]] = {
            name: (kind, tuple(shape), size) for name, (kind, shape, size) in found["entries"].items()
        }
        """Name to type ("string", or what NumPy calls it), shape and bytes."""

    def __enter__(self) -> Hdf5Reader:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_process"):
            self.close()

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what was not taken by a process that crashed
                    pipe.close()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def read(self, name: str) -> np.ndarray:
        """The value of an array; strings that have no fixed width as objects that are bytes."""
        assert self._process.stdin is not None
        what = f"the array {name!r}"
        try:
            self._process.stdin.write(json.dumps(name).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise self._crashed(what) from None
        found = self._answer(what)
        data = self._bytes(found["size"], what)
        shape = tuple(found["shape"])
        if "lengths" not in found:
            return np.frombuffer(data, np.dtype(found["dtype"])).reshape(shape)
        texts = np.empty(len(found["lengths"]), object)
        at = 0
        for i, length in enumerate(found["lengths"]):
            texts[i] = bytes(data[at : at + length])
            at += length
        return texts.reshape(shape)

    def _answer(self, what: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._crashed(what)
        found = json.loads(line)
        if "error" in found:
            raise files.data_loss(self.path, f"damaged HDF5 file: {what} cannot be read: {found['error']}")
        return found

    def _bytes(self, size: int, what: str) -> bytearray:
        assert isinstance(self._process.stdout, io.BufferedReader)
        data = bytearray(size)
        view, at = memoryview(data), 0
        while at < size:
            got = self._process.stdout.readinto(view[at:])
            if not got:
                raise self._crashed(what)
            at += got
        return data

    def _crashed(self, what: str) -> errors.OpError:
        return files.data_loss(self.path, f"damaged HDF5 file: the HDF5 library could not read {what} and crashed")
