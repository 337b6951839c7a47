"""`tf.gfile` and `tf.io.gfile`: files by name, with TF's errors.

A file is opened at the first read or write. Reading and writing go through two openings of their own, as in TF: what
was written is seen by `read` after `flush`.
"""

from __future__ import annotations

import binascii
import os
import shutil
import stat as modes
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from evergraph.framework import errors
from evergraph.framework.api import public
from evergraph.framework.convert import as_bytes, as_text
from evergraph.ops.files.paths import errors_of, matching_paths

_MODES = ("r", "w", "a", "r+", "w+", "a+")
_COPY_BLOCK = 1 << 20


def _path(name: Any) -> str:
    """The path that a program gave: text or bytes."""
    return os.fsdecode(as_bytes(name))


class FileIO:
    """A file, to be read from or written to.

    Args:
        name: its path.
        mode: "r", "w", "a", "r+", "w+" or "a+", and "b" to read bytes rather than text.

    Raises:
        InvalidArgumentError: for another mode.
    """

    def __init__(self, name: Any, mode: str) -> None:
        self._name = name
        self._mode = mode
        self._is_binary = "b" in mode
        plain = mode.replace("b", "")
        if plain not in _MODES:
            raise errors.InvalidArgumentError(None, None, "mode is not 'r' or 'w' or 'a' or 'r+' or 'w+' or 'a+'")
        self._can_read = plain in ("r", "r+", "a+", "w+")
        self._can_write = plain != "r"
        self._reader: Any = None
        self._writer: Any = None

    @property
    def name(self) -> Any:
        return self._name

    @property
    def mode(self) -> str:
        return self._mode

    def _open_to_read(self) -> Any:
        if self._reader is None:
            if not self._can_read:
                raise errors.PermissionDeniedError(None, None, "File isn't open for reading")
            path = _path(self._name)
            with errors_of(path):
                self._reader = open(path, "rb")  # noqa: SIM115
        return self._reader

    def _open_to_write(self) -> Any:
        if self._writer is None:
            if not self._can_write:
                raise errors.PermissionDeniedError(None, None, "File isn't open for writing")
            path = _path(self._name)
            with errors_of(path):
                self._writer = open(path, "ab" if "a" in self._mode else "wb")  # noqa: SIM115
        return self._writer

    def _given(self, data: bytes) -> Any:
        return data if self._is_binary else as_text(data)

    def size(self) -> int:
        """The size of the file in bytes."""
        return stat(self._name).length

    def write(self, file_content: Any) -> None:
        """Write text or bytes at the end."""
        file = self._open_to_write()
        with errors_of(_path(self._name)):
            file.write(as_bytes(file_content))

    def read(self, n: int = -1) -> Any:
        """Read `n` bytes, or all that is left: text, or bytes in a binary mode."""
        file = self._open_to_read()
        with errors_of(_path(self._name)):
            return self._given(file.read(n))

    def seek(self, offset: int | None = None, whence: int = 0, position: int | None = None) -> None:
        """Go to a position for the next read: `offset` from the start (0), from here (1) or from the end (2).

        Raises:
            InvalidArgumentError: for another `whence`, or a position before the start.
            OutOfRangeError: for a position after the end.
        """
        file = self._open_to_read()
        if offset is None and position is None:
            raise TypeError("seek(): offset argument required")
        if offset is not None and position is not None:
            raise TypeError("seek(): offset and position may not be set simultaneously.")
        to = position if offset is None else offset
        assert to is not None
        if whence == 1:
            to += self.tell()
        elif whence == 2:
            to += self.size()
        elif whence:
            raise errors.InvalidArgumentError(
                None, None, f"Invalid whence argument: {whence}. Valid values are 0, 1, or 2."
            )
        if to < 0:
            raise errors.InvalidArgumentError(None, None, f"Seeking to a negative position: {to}")
        if to > self.size():
            raise errors.OutOfRangeError(None, None, "reached end of file")
        with errors_of(_path(self._name)):
            file.seek(to)

    def readline(self) -> Any:
        """Read a line, with the line break at its end; nothing at the end of the file."""
        file = self._open_to_read()
        with errors_of(_path(self._name)):
            return self._given(file.readline())

    def readlines(self) -> list[Any]:
        """Read all lines that are left."""
        return list(self)

    def tell(self) -> int:
        """Where the next read, or in a mode without reading the next write, is."""
        if self._can_read:
            return self._open_to_read().tell()
        return self._open_to_write().tell()

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        if self._writer is not None:
            with errors_of(_path(self._name)):
                self._writer.flush()

    def close(self) -> None:
        """Close the file; a later read or write opens it again."""
        reader, writer = self._reader, self._writer
        self._reader = self._writer = None
        with errors_of(_path(self._name)):
            if reader is not None:
                reader.close()
            if writer is not None:
                writer.close()

    def seekable(self) -> bool:
        return True

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    next = __next__

    def __del__(self) -> None:
        for file in (getattr(self, "_reader", None), getattr(self, "_writer", None)):
            if file is not None:
                file.close()


@public("gfile.GFile", "gfile.Open", "io.gfile.GFile")
class GFile(FileIO):
    __doc__ = FileIO.__doc__

    def __init__(self, name: Any, mode: str = "r") -> None:
        super().__init__(name, mode)


@public("gfile.FastGFile")
class FastGFile(FileIO):
    __doc__ = FileIO.__doc__

    def __init__(self, name: Any, mode: str = "r") -> None:
        super().__init__(name, mode)


class FileStatistics:
    """What is known of a file: its `length` in bytes, `mtime_nsec`, and whether it `is_directory`."""

    def __init__(self, length: int = 0, mtime_nsec: int = 0, is_directory: bool = False) -> None:
        self.length = length
        self.mtime_nsec = mtime_nsec
        self.is_directory = is_directory

    def __repr__(self) -> str:
        return f"FileStatistics(length={self.length}, mtime_nsec={self.mtime_nsec}, is_directory={self.is_directory})"


# What is there


@public("gfile.Exists")
def exists(filename: Any) -> bool:
    """Whether there is a file or directory of this name."""
    return os.path.exists(_path(filename))


@public("gfile.IsDirectory")
def is_directory(dirname: Any) -> bool:
    """Whether there is a directory of this name."""
    return os.path.isdir(_path(dirname))


@public("gfile.ListDirectory")
def list_directory(dirname: Any) -> list[str]:
    """The names of what is in a directory, in no particular order.

    Raises:
        NotFoundError: if there is no such directory.
    """
    path = _path(dirname)
    if not os.path.isdir(path):
        raise errors.NotFoundError(None, None, f"Could not find directory {as_text(dirname)}")
    with errors_of(path):
        return os.listdir(path)


@public("gfile.Glob")
def glob(filename: Any) -> list[str]:
    """The paths that match a pattern, or each of several patterns: `*`, `?` and `[...]` within a name.

    Raises:
        NotFoundError: if the directory that the fixed beginning of a pattern names is not there.
    """
    patterns = [filename] if isinstance(filename, str | bytes) else filename
    return [path for pattern in patterns for path in matching_paths(_path(pattern))]


@public("gfile.Walk")
def walk(top: Any, in_order: bool = True) -> Iterator[tuple[str, list[str], list[str]]]:
    """Go through a directory and all below it; gives (directory, names of directories in it, names of files in it).

    Args:
        top: the directory.
        in_order: whether a directory comes before those in it.
    """
    return walk_v2(top, in_order)


@public("gfile.Stat")
def stat(filename: Any) -> FileStatistics:
    """The size and other facts of a file or directory: `length`, `mtime_nsec`, `is_directory`.

    Raises:
        NotFoundError: if it is not there.
    """
    path = _path(filename)
    with errors_of(path):
        found = os.stat(path)
    return FileStatistics(found.st_size, found.st_mtime_ns, modes.S_ISDIR(found.st_mode))


# Changes


@public("gfile.MkDir")
def make_directory(dirname: Any) -> None:
    """Make a directory; nothing happens if it is there.

    Raises:
        NotFoundError: if the directory that it belongs in is not there.
    """
    path = _path(dirname)
    if not path:
        return
    with errors_of(path):
        try:
            os.mkdir(path)
        except FileExistsError:
            if not os.path.isdir(path):
                raise


@public("gfile.MakeDirs")
def make_directories(dirname: Any) -> None:
    """Make a directory and those above it that are missing."""
    path = _path(dirname)
    if not path or os.path.exists(path):
        return
    with errors_of(path):
        os.makedirs(path, exist_ok=True)


@public("gfile.Remove")
def remove(filename: Any) -> None:
    """Delete a file.

    Raises:
        NotFoundError: if it is not there.
    """
    path = _path(filename)
    with errors_of(path):
        os.remove(path)


@public("gfile.DeleteRecursively")
def delete_recursively(dirname: Any) -> None:
    """Delete a directory and all that is in it.

    Raises:
        NotFoundError: if it is not there.
    """
    path = _path(dirname)
    if not os.path.lexists(path):
        raise errors.NotFoundError(None, None, f"{path} not found")
    with errors_of(path):
        shutil.rmtree(path)


def _refuse_occupied(path: str, overwrite: bool) -> None:
    if not overwrite and os.path.exists(path):
        raise errors.AlreadyExistsError(None, None, "file already exists")


@public("gfile.Copy")
def copy(oldpath: Any, newpath: Any, overwrite: bool = False) -> None:
    """Copy a file.

    Raises:
        AlreadyExistsError: if there is a file of the new name, unless `overwrite`.
        NotFoundError: if there is none of the old name.
    """
    source, target = _path(oldpath), _path(newpath)
    _refuse_occupied(target, overwrite)
    with errors_of(source), open(source, "rb") as old:
        with errors_of(target), open(target, "wb") as new:
            shutil.copyfileobj(old, new, _COPY_BLOCK)


@public("gfile.Rename")
def rename(oldname: Any, newname: Any, overwrite: bool = False) -> None:
    """Give a file or directory another name, or another place.

    Raises:
        AlreadyExistsError: if there is one of the new name, unless `overwrite`.
        NotFoundError: if there is none of the old name.
    """
    source, target = _path(oldname), _path(newname)
    _refuse_occupied(target, overwrite)
    with errors_of(source):
        os.replace(source, target)


# tf.io.gfile: the same under the names that Python gives them


@public("io.gfile.walk")
def walk_v2(
    top: Any, topdown: bool = True, onerror: Callable[[errors.OpError], None] | None = None
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Go through a directory and all below it, as `os.walk` does.

    Args:
        top: the directory.
        topdown: whether a directory comes before those in it.
        onerror: called with the error if there is no such directory; without it nothing happens then.
    """
    directory = as_text(top)
    try:
        names = list_directory(directory)
    except errors.NotFoundError as error:
        if onerror is not None:
            onerror(error)
        return
    is_inner = {name: is_directory(os.path.join(directory, name)) for name in names}
    inner = [name for name in names if is_inner[name]]
    here = directory, inner, [name for name in names if not is_inner[name]]
    if topdown:
        yield here
    for name in inner:
        yield from walk_v2(os.path.join(directory, name), topdown, onerror)
    if not topdown:
        yield here


@public("io.gfile.exists")
def exists_v2(path: Any) -> bool:
    """Whether there is a file or directory of this name."""
    return exists(path)


@public("io.gfile.isdir")
def isdir(path: Any) -> bool:
    """Whether there is a directory of this name."""
    return is_directory(path)


@public("io.gfile.listdir")
def listdir(path: Any) -> list[str]:
    """The names of what is in a directory; see `tf.gfile.ListDirectory`."""
    return list_directory(path)


@public("io.gfile.glob")
def glob_v2(pattern: Any) -> list[str]:
    """The paths that match a pattern, or each of several patterns; see `tf.gfile.Glob`."""
    return glob(pattern)


@public("io.gfile.stat")
def stat_v2(path: Any) -> FileStatistics:
    """The size and other facts of a file or directory; see `tf.gfile.Stat`."""
    return stat(path)


@public("io.gfile.mkdir")
def mkdir(path: Any) -> None:
    """Make a directory; see `tf.gfile.MkDir`."""
    make_directory(path)


@public("io.gfile.makedirs")
def makedirs(path: Any) -> None:
    """Make a directory and those above it that are missing."""
    make_directories(path)


@public("io.gfile.remove")
def remove_v2(path: Any) -> None:
    """Delete a file; see `tf.gfile.Remove`."""
    remove(path)


@public("io.gfile.rmtree")
def rmtree(path: Any) -> None:
    """Delete a directory and all that is in it; see `tf.gfile.DeleteRecursively`."""
    delete_recursively(path)


@public("io.gfile.copy")
def copy_v2(src: Any, dst: Any, overwrite: bool = False) -> None:
    """Copy a file; see `tf.gfile.Copy`."""
    copy(src, dst, overwrite)


@public("io.gfile.rename")
def rename_v2(src: Any, dst: Any, overwrite: bool = False) -> None:
    """Give a file or directory another name; see `tf.gfile.Rename`."""
    rename(src, dst, overwrite)


# What TF's own module has besides


def read_file_to_string(filename: Any, binary_mode: bool = False) -> Any:
    """A whole file as text, or as bytes."""
    with FileIO(filename, "rb" if binary_mode else "r") as file:
        return file.read()


def write_string_to_file(filename: Any, file_content: Any) -> None:
    """Write a whole file."""
    with FileIO(filename, "w") as file:
        file.write(file_content)


def atomic_write_string_to_file(filename: str, contents: Any, overwrite: bool = True) -> None:
    """Write a whole file so that nobody sees a part of it: under another name first."""
    temporary = f"{filename}.tmp{uuid.uuid4().hex}"
    write_string_to_file(temporary, contents)
    try:
        rename(temporary, filename, overwrite)
    except errors.OpError:
        remove(temporary)
        raise


def file_crc32(filename: Any, block_size: int = 16 << 20) -> str:
    """The CRC-32 of a file, in hexadecimal."""
    crc = 0
    with FileIO(filename, "rb") as file:
        while chunk := file.read(block_size):
            crc = binascii.crc32(chunk, crc)
    return hex(crc & 0xFFFFFFFF)


def filecmp(filename_a: Any, filename_b: Any) -> bool:
    """Whether two files have the same contents, by their sizes and CRC-32s."""
    if stat(filename_a).length != stat(filename_b).length:
        return False
    return file_crc32(filename_a) == file_crc32(filename_b)
