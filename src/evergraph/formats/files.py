"""Files that are replaced as a whole, and the errors of files as TensorFlow's classes.

A file is written under a temporary name beside its own, synced to the disk, and renamed: whoever opens it finds the old
contents or the new ones, never a part, whenever the process may be killed.
"""

from __future__ import annotations

import errno
import glob
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from evergraph.framework import errors

_CLASSES: dict[int, type[errors.OpError]] = {
    errno.ENOENT: errors.NotFoundError,
    errno.EEXIST: errors.AlreadyExistsError,
    errno.EACCES: errors.PermissionDeniedError,
    errno.EPERM: errors.PermissionDeniedError,
    errno.EROFS: errors.PermissionDeniedError,
    errno.ENOSPC: errors.ResourceExhaustedError,
    errno.EDQUOT: errors.ResourceExhaustedError,
    errno.EMFILE: errors.ResourceExhaustedError,
    errno.ENFILE: errors.ResourceExhaustedError,
    errno.EFBIG: errors.ResourceExhaustedError,
    errno.ENOTDIR: errors.FailedPreconditionError,
    errno.EISDIR: errors.FailedPreconditionError,
    errno.ENOTEMPTY: errors.FailedPreconditionError,
    errno.EINVAL: errors.InvalidArgumentError,
}


def file_error(error: OSError, path: Any) -> errors.OpError:
    """The error of TensorFlow's class that stands for `error`; its message names the file, as TF's does."""
    kind = _CLASSES.get(error.errno or 0, errors.UnknownError)
    return kind(None, None, f"{os.fsdecode(path)}; {error.strerror or error}")


@contextmanager
def translated(path: Any) -> Iterator[None]:
    """Inside, an `OSError` becomes an error of TensorFlow's class that names `path`."""
    try:
        yield
    except OSError as error:
        raise file_error(error, path) from None


def local(path: str) -> str:
    """`path` without the scheme that TensorFlow's names of local files may have: `file:///tmp/x` is `/tmp/x`."""
    return path.removeprefix("file://")


def data_loss(path: Any, what: str) -> errors.DataLossError:
    return errors.DataLossError(None, None, f"{os.fsdecode(path)}: {what}")


def temporary_name(path: str) -> str:
    """A name that no other writer uses, in the same directory."""
    return f"{path}.tempstate{secrets.randbits(64)}"


def sync(file: Any) -> None:
    """Put what was written to `file` on the disk."""
    file.flush()
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a pipe, or a file system without it
            raise


def sync_directory(path: str) -> None:
    """Put renames in the directory of `path` on the disk, where the system can."""
    try:
        descriptor = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    except OSError:
        return
    try:
        with suppress(OSError):  # not every file system has it; the rename itself is done
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: str) -> Iterator[Any]:
    """A new binary file that takes the place of `path` when the block ends, and leaves nothing if the block raises."""
    path = local(path)
    temporary = temporary_name(path)
    with translated(path):
        try:
            with open(temporary, "wb") as file:
                yield file
                sync(file)
            os.replace(temporary, path)
        except BaseException:
            remove_quietly(temporary)
            raise
        sync_directory(path)


def write_file(path: str, contents: bytes) -> None:
    """Replace the file `path` as a whole."""
    with replacing(path) as file:
        file.write(contents)


def read_file(path: str) -> bytes:
    path = local(path)
    with translated(path), open(path, "rb") as file:
        return file.read()


def remove_quietly(path: str) -> None:
    with suppress(OSError):  # the file is junk either way
        os.remove(path)


def matching(pattern: str) -> list[str]:
    """The files that TensorFlow's pattern matches (`*`, `?`, `[abc]`, `[^a]`), sorted. A plain name matches itself."""
    pattern = local(pattern)
    if not re.search(r"[*?\[]", pattern):
        return [pattern] if os.path.exists(pattern) else []
    if os.path.exists(pattern):
        return [pattern]
    return sorted(glob.glob(pattern.replace("[^", "[!")))
