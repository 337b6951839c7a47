"""Programs on disk, whole: a second process neither traces nor compiles what an earlier one did.

JAX's own cache (disk_cache.py) is asked after a program was traced and lowered, and for a network of some hundred
layers that takes seconds. So most executables are kept here instead, under a name that is made of what tracing starts
from:

- the stage: its instructions with attributes, registers, constants and static shapes, and loops with all they hold;
- shapes and types of everything that comes in, and the values of what is known while tracing;
- Evergraph's own source files, the versions of JAX and NumPy, Python's, all settings of JAX, the environment variables
  of JAX, XLA and Evergraph, and how many cores there are; the kind of machine is in the folder's name.

Whatever of that changes, the name changes. What has no such description (an attribute of an unknown kind, a kernel from
outside) is not kept. A file that cannot be read is one that is not there.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from evergraph.compiler import disk_cache
from evergraph.compiler.plan import Instruction, LoopProgram, Stage
from evergraph.framework.dtypes import DType
from evergraph.ops.control_flow import DEAD
from evergraph.ops.processors import processors

# A stage of fewer instructions is traced before its file is found.
FEWEST = 8
_SUFFIX = ".program"


class _Indescribable(Exception):
    """Something that a program follows from, and that has no bytes to stand for it."""


def name_of(stage: Stage, about: Any) -> str | None:
    """The name of the program that `stage` becomes; `about` is what else it follows from. None: it is not kept."""
    if len(stage.instructions) < FEWEST or disk_cache.folder() is None:
        return None
    digest = hashlib.sha256(_surroundings())
    digest.update(_settings())
    try:
        for part in _parts((_described_stage(stage), about)):
            digest.update(part)
    except _Indescribable:
        return None
    return digest.hexdigest()


def load(name: str) -> Any:
    """What was kept under `name`, or None."""
    path = _path(name)
    try:
        data = path.read_bytes()
        if hashlib.sha256(data[32:]).digest() != data[:32]:
            raise ValueError(f"{path} is damaged")
        os.utime(path)
        return pickle.loads(data[32:])
    except FileNotFoundError:
        return None
    except Exception:  # damaged, or by another version of something: made anew, and written over
        return None


def save(name: str, make: Callable[[], Any]) -> None:
    """Keep what `make()` gives; a disk that is full or read-only keeps nothing."""
    path = _path(name)
    temporary = path.with_suffix(f".{os.getpid()}.part")
    try:
        data = pickle.dumps(make(), protocol=5)
        temporary.write_bytes(hashlib.sha256(data).digest() + data)
        os.replace(temporary, path)
    except Exception:  # e.g. an executable that cannot be serialised
        temporary.unlink(missing_ok=True)


class Compiling:
    """While a program is compiled that is to be kept: JAX keeps none, and `is_new` says whether it found none either.

    (What was read from a file cannot be written to another: XLA:CPU leaves functions out.)
    """

    _hits = 0

    def __enter__(self) -> Compiling:
        import jax

        _watch_hits()
        self._before = Compiling._hits
        self._least = jax.config.values["jax_persistent_cache_min_compile_time_secs"]
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _NEVER)
        return self

    def __exit__(self, *_: object) -> None:
        import jax

        if self._least != _NEVER:  # unless another thread is at it, which then puts it back
            jax.config.update("jax_persistent_cache_min_compile_time_secs", self._least)

    @property
    def is_new(self) -> bool:
        return Compiling._hits == self._before


_NEVER = 1e9


@cache
def _watch_hits() -> None:
    import jax.monitoring

    def note(event: str, **_: object) -> None:
        if event == "/jax/compilation_cache/cache_hits":
            Compiling._hits += 1

    jax.monitoring.register_event_listener(note)


def serialized(compiled: Any) -> Any:
    from jax.experimental import serialize_executable

    return serialize_executable.serialize(compiled)


def deserialized(kept: Any) -> Any:
    from jax.experimental import serialize_executable

    return serialize_executable.deserialize_and_load(*kept)


def _path(name: str) -> Path:
    folder = disk_cache.folder()
    assert folder is not None
    return folder / (name + _SUFFIX)


@cache
def _surroundings() -> bytes:
    """What every program follows from."""
    import jax

    about: list[Any] = [sys.version, np.__version__, jax.__version__, version("jaxlib"), jax.default_backend()]
    about.append([d.device_kind for d in jax.local_devices()])
    about.append(processors())
    about.append(sorted((k, v) for k, v in os.environ.items() if k.startswith(("JAX_", "XLA_", "EVERGRAPH_"))))
    source = Path(__file__).parents[1]
    about.append(sorted(_versions(source)))
    return hashlib.sha256(repr(about).encode()).digest()


def _settings() -> bytes:
    """JAX's, as they are now, in this thread."""
    import jax

    names = sorted(
        k for k in jax.config.values if not k.startswith(("jax_compilation_cache_", "jax_persistent_cache_"))
    )
    return repr([(k, repr(getattr(jax.config, k, None))) for k in names]).encode()


def _versions(folder: Path) -> Iterator[tuple[str, int, int]]:
    for place, _, _ in os.walk(folder):
        for entry in os.scandir(place):
            if entry.name.endswith(".py"):
                status = entry.stat()
                yield os.path.relpath(entry.path, folder), status.st_size, status.st_mtime_ns


def _described_stage(stage: Stage) -> Any:
    return (
        stage.kind,
        [_described(i) for i in stage.instructions],
        stage.inputs,
        stage.static_inputs,
        stage.reads,
        stage.read_registers,
        sorted(stage.optional_reads),
        sorted(stage.guarded_reads),
        stage.writes,
        stage.write_registers,
        sorted(stage.donated),
        stage.outputs,
        len(stage.random_ops),
    )


def _described(i: Instruction) -> Any:
    if not getattr(i.kernel, "__module__", "").startswith("evergraph."):
        raise _Indescribable
    op = i.op
    around = [] if i.loop is not None else [(t.dtype.name, t.static_shape) for t in (*op.inputs, *op.outputs)]
    return (
        op.type,
        i.inputs,
        i.grouped,
        sorted(i.attrs.items()),
        i.outputs,
        [None if t is None else np.dtype(t).str for t in i.types],
        i.random,
        i.static,
        i.pure,
        i.declared_shape,
        i.session,
        i.guards,
        i.bases,
        i.selector,
        None if i.loop is None else _described_loop(i.loop),
        around,
    )


def _described_loop(loop: LoopProgram) -> Any:
    return (
        loop.op.most_trips,
        loop.registers,
        loop.inputs,
        loop.variables,
        loop.starts,
        [_described(i) for i in loop.head],
        loop.go,
        [_described(i) for i in loop.body],
        loop.nexts,
        loop.results,
        sorted(loop.static_inputs),
        sorted(loop.predicates),
    )


def _parts(value: Any) -> Iterator[bytes]:
    """Bytes that differ for values that differ."""
    kind = type(value)
    if kind in (int, float, bool, str, bytes, type(None), complex):
        yield f"{kind.__name__}{value!r};".encode()
    elif kind is tuple or kind is list:
        yield f"[{len(value)}".encode()
        for part in value:
            yield from _parts(part)
    elif kind is dict:
        yield from _parts(sorted(value.items()))
    elif isinstance(value, np.ndarray | np.generic):
        if value.dtype.hasobject:
            yield from _parts(["objects", value.shape, np.asarray(value).ravel().tolist()])
            return
        yield f"array{value.dtype.str}{value.dtype.name}{value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, DType):
        yield f"dtype {value.name};".encode()
    elif isinstance(value, np.dtype):
        yield f"np {value.str} {value.name};".encode()
    elif value is DEAD:
        yield b"dead;"
    else:
        raise _Indescribable
