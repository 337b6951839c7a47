"""Compiled programs on disk, so that a second process starts the same program without compiling.

JAX keeps them itself, each under a key of everything it was made from: the program, the compiler's version and flags,
the kind of device. A program for a CPU also depends on which instructions that CPU has; so each kind of machine has a
folder of its own. JAX's settings belong to whoever imported it: they are left alone if that was not Evergraph, or if
they name a place already.

    EVERGRAPH_CACHE=DIR     another place than ~/.cache/evergraph
    EVERGRAPH_CACHE=off     none
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

_done = False


def keep_programs() -> None:
    """Have JAX, which is about to be imported, keep compiled programs on disk; once per process."""
    global _done
    if _done:
        return
    _done = True
    place = os.environ.get(_SWITCH, "")
    if place.lower() in ("off", "0", "no") or "jax" in sys.modules or os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return
    folder = Path(place or Path.home() / ".cache" / "evergraph") / _machine()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _forget_oldest(folder)
    except OSError:
        return  # a place where nothing can be written: programs are compiled each time
    import jax

    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", SHORTEST)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def _machine() -> str:
    """A name for machines with the same instructions."""
    about = [platform.machine(), platform.system()]
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
