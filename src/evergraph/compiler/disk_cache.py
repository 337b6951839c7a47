"""Compiled programs on disk, so that a second process starts the same program without compiling.

JAX keeps them itself, each under a key of everything it was made from: the program, the compiler's version and flags,
the kind of device. A program for a CPU also depends on which instructions that CPU has; so each kind of machine has a
folder of its own. JAX's settings belong to whoever imported it: they are left alone if that was not Evergraph, or if
they name a place already.

    EVERGRAPH_CACHE=DIR     another place than ~/.cache/evergraph
    EVERGRAPH_CACHE=off     none

Beside them is a list of the stages that it took long to run op by op (`notes.txt`): a process that finds its stage
there compiles it for the first run already, since that is only reading it.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from pathlib import Path

_SWITCH = "EVERGRAPH_CACHE"
LARGEST = 2 << 30  # bytes; beyond that the oldest programs go
# Shorter compilations are not worth a file.
SHORTEST = 0.05  # s

_NOTES = "notes.txt"
_MOST_NOTES = 10_000

_done = False
_folder: Path | None = None
_noted: set[str] | None = None


def keep_programs() -> None:
    """Have JAX, which is about to be imported, keep compiled programs on disk; once per process."""
    place = folder()
    global _done
    if _done or place is None:
        _done = True
        return
    _done = True
    import jax

    jax.config.update("jax_compilation_cache_dir", str(place))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", SHORTEST)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def note(stage: str) -> None:
    """Have later processes know that `stage` was compiled, and what it was made of put on disk."""
    place = folder()
    if place is None or is_noted(stage):
        return
    assert _noted is not None
    _noted.add(stage)
    try:
        with open(place / _NOTES, "a") as notes:
            notes.write(stage + "\n")
    except OSError:
        pass  # the next process will go the long way, too


def is_noted(stage: str) -> bool:
    """Whether `stage` was noted, by this process or one before."""
    return stage in _notes()


def has_notes() -> bool:
    return bool(_notes())


def _notes() -> set[str]:
    global _noted
    if _noted is None:
        place = folder()
        try:
            lines = (place / _NOTES).read_text().split() if place is not None else []
            if len(lines) > _MOST_NOTES and place is not None:
                lines = lines[-_MOST_NOTES // 2 :]
                (place / _NOTES).write_text("\n".join(lines) + "\n")
        except OSError:
            lines = []
        _noted = set(lines)
    return _noted


def folder() -> Path | None:
    """The folder, which is there; None if nothing is to be kept."""
    global _folder
    if _folder is None and not _done:
        place = os.environ.get(_SWITCH, "")
        if place.lower() in ("off", "0", "no") or "jax" in sys.modules or os.environ.get("JAX_COMPILATION_CACHE_DIR"):
            return None
        found = Path(place or Path.home() / ".cache" / "evergraph") / _machine()
        try:
            found.mkdir(parents=True, exist_ok=True)
            _forget_oldest(found)
        except OSError:
            return None  # a place where nothing can be written: programs are compiled each time
        _folder = found
    return _folder


def _machine() -> str:
    """A name for machines with the same instructions."""
    about = ["3", platform.machine(), platform.system()]  # the number grows when what is in the files changes
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        about.append(platform.processor())
    else:
        wanted = ("flags", "features", "model name", "cpu part")
        about += sorted({line for line in lines if line.lower().startswith(wanted)})
    return hashlib.sha256("\n".join(about).encode()).hexdigest()[:16]


def _forget_oldest(folder: Path) -> None:
    files = sorted((entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in os.scandir(folder))
    size = sum(length for _, length, _ in files)
    for _, length, path in files:
        if size <= LARGEST:
            break
        os.unlink(path)
        size -= length
