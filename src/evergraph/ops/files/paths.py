"""Files by name: patterns, and the errors of the operating system as TF's."""

from __future__ import annotations

import errno
import fnmatch
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from evergraph.framework import errors

_KINDS: dict[int, type[errors.OpError]] = {
    code: kind
    for kind, codes in {
        errors.InvalidArgumentError: (
            *(errno.EINVAL, errno.ENAMETOOLONG, errno.E2BIG, errno.EDOM, errno.EFAULT, errno.EILSEQ),
        ),
        errors.DeadlineExceededError: (errno.ETIMEDOUT,),
        errors.NotFoundError: (errno.ENODEV, errno.ENOENT, errno.ENXIO, errno.ESRCH),
        errors.AlreadyExistsError: (errno.EEXIST, errno.EALREADY),
        errors.PermissionDeniedError: (errno.EPERM, errno.EACCES, errno.EROFS),
        errors.FailedPreconditionError: (
            *(errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR, errno.EBADF, errno.EBUSY, errno.ETXTBSY, errno.EPIPE),
        ),
        errors.ResourceExhaustedError: (errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.EMLINK, errno.ENOMEM),
        errors.OutOfRangeError: (errno.EFBIG, errno.EOVERFLOW, errno.ESPIPE),
        errors.UnimplementedError: (errno.ENOSYS, errno.ENOTSUP, errno.EXDEV),
        errors.UnavailableError: (errno.EAGAIN, errno.EINTR, errno.ENETDOWN),
        errors.AbortedError: (errno.EDEADLK, errno.ESTALE),
    }.items()
    for code in codes
}


def file_error(path: str | bytes, error: OSError) -> errors.OpError:
    """TF's error for what the operating system says of `path`."""
    kind = _KINDS.get(error.errno or 0, errors.UnknownError)
    reason = os.strerror(error.errno) if error.errno else str(error)
    return kind(None, None, f"{os.fsdecode(path)}; {reason}")


@contextmanager
def errors_of(path: str | bytes) -> Iterator[None]:
    """A context in which the errors of the operating system are raised as TF's."""
    try:
        yield
    except OSError as error:
        raise file_error(path, error) from None


# Patterns


def matching_paths(pattern: str) -> list[str]:
    """The paths that match `pattern`, in order: `*`, `?` and `[...]` stand for characters other than a slash.

    A pattern without a directory gives paths that start with "./", as TF does.

    Raises:
        NotFoundError: if the directory that the fixed beginning of `pattern` names is not there.
    """
    if not pattern:
        return []
    fixed = re.split(r"[*?\[\\]", pattern, maxsplit=1)[0]
    directory = os.path.dirname(fixed)
    if directory:
        rest = pattern[len(directory) :].lstrip("/")
        root = directory if directory.endswith("/") else directory + "/"
    elif pattern.startswith("/"):
        rest, root = pattern.lstrip("/"), "/"
    else:
        rest, root = pattern, "./"
    with errors_of(directory or root):
        os.scandir(root).close()
    found = [root]
    parts = [part for part in rest.split("/") if part]
    for i, part in enumerate(parts):
        matches = _matcher(part)
        last = i == len(parts) - 1
        found = [path for base in found for path in _entries(base, matches, last)]
    return sorted(found)


def _entries(base: str, matches: Callable[[str], object], last: bool) -> list[str]:
    """What matches in one directory; unless it is for the last part of a pattern, directories alone, with a slash."""
    try:
        with os.scandir(base) as entries:
            chosen = [entry for entry in entries if matches(entry.name)]
            return [base + e.name for e in chosen] if last else [base + e.name + "/" for e in chosen if e.is_dir()]
    except OSError:  # a directory that went away meanwhile, or may not be read
        return []


def _matcher(part: str) -> Callable[[str], object]:
    unescaped = re.sub(r"\\(.)", lambda m: f"[{m[1]}]" if m[1] in "*?[" else m[1], part)
    return re.compile(fnmatch.translate(unescaped.replace("[^", "[!"))).match


__all__ = ["errors_of", "file_error", "matching_paths"]
