"""The process that reads an HDF5 file for `hdf5.py`, which starts it as a script: it imports nothing of Evergraph.

It answers on its standard output, with a line of JSON and, after that of an array, the array's bytes:

    at its start     {"entries": {NAME: [TYPE, SHAPE, BYTES]}}, or {"error": TEXT}
    for a NAME read  {"dtype": TYPE, "shape": SHAPE, "size": BYTES}; for strings {"lengths": [...], ...}; or an error
"""

import json
import os
import sys
from typing import Any

_MOST_AT_ONCE = 64 << 20  # bytes of an array that need no proof
ZLIB_RATIO = 1100  # what a byte of zlib's data can become


def _limit(path: str) -> None:
    """A damaged file may ask for any time and room."""
    try:
        import resource
    except ImportError:  # not a Unix
        return
    size = os.path.getsize(path)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds := 60 + size // (20 << 20), seconds + 5))
    resource.setrlimit(resource.RLIMIT_AS, (room := (4 << 30) + 4 * size, room))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _entries(file: Any) -> dict[str, list[Any]]:
    import h5py

    found: dict[str, list[Any]] = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.shape is not None:
            kind = "string" if item.dtype.kind in "SO" else item.dtype.name
            found[name] = [kind, list(item.shape), int(item.nbytes)]

    file.visititems(note)
    return found


def _array(file: Any, name: str) -> tuple[dict[str, Any], bytes]:
    """An answer, and bytes."""
    import numpy as np

    item = file[name]
    if item.nbytes > _MOST_AT_ONCE and item.nbytes > ZLIB_RATIO * max(1, item.id.get_storage_size()):
        stored = item.id.get_storage_size()
        raise ValueError(f"an array of {item.nbytes} bytes cannot be in the {stored} bytes that the file has of it")
    value = np.asarray(item[()])
    if value.dtype.kind == "O":
        texts = [v if isinstance(v, bytes) else str(v).encode() for v in value.reshape(-1).tolist()]
        data = b"".join(texts)
        return {"lengths": [len(t) for t in texts], "shape": list(value.shape), "size": len(data)}, data
    if value.dtype.kind not in "biufcSV" or value.dtype.names:
        raise ValueError(f"its type {value.dtype} is none of a tensor")
    answer = {"dtype": value.dtype.str, "shape": list(value.shape), "size": value.nbytes}
    return answer, value.tobytes()


def main() -> None:
    path = sys.argv[1]
    out = sys.stdout.buffer

    def answer(message: dict[str, Any], data: bytes = b"") -> None:
        out.write(json.dumps(message).encode() + b"\n")
        out.write(data)
        out.flush()

    try:
        import h5py
    except ImportError:
        answer({"missing": True})
        return
    try:
        _limit(path)
        file = h5py.File(path, "r")
        answer({"entries": _entries(file)})
    except Exception as error:
        answer({"error": str(error)})
        return
    for line in sys.stdin.buffer:
        try:
            message, data = _array(file, json.loads(line))
        except Exception as error:
            answer({"error": str(error) or type(error).__name__})
        else:
            answer(message, data)


if __name__ == "__main__":
    main()
