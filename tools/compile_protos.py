"""Compile the message definitions of `evergraph.formats` into the one descriptor set that ships with the package.

The `.proto` files are the source, `messages.binpb` is what is read at run time: so a user needs the protobuf runtime
alone, of any version from 4.25 on, and never code that one version of a compiler generated for it.

    python tools/compile_protos.py           write messages.binpb
    python tools/compile_protos.py --check   fail if messages.binpb is not what the sources give

Needs grpcio-tools, which is among the development dependencies.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

FORMATS = Path(__file__).resolve().parent.parent / "src" / "evergraph" / "formats"
SOURCES = FORMATS / "protos"
COMPILED = FORMATS / "messages.binpb"


def descriptor_set() -> bytes:
    """Compile every file under `protos/`, with what they import, in dependency order."""
    import grpc_tools
    from grpc_tools import protoc

    well_known = Path(grpc_tools.__file__).parent / "_proto"
    files = sorted(path.name for path in SOURCES.glob("*.proto"))
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory, "messages.binpb")
        arguments = [f"-I{SOURCES}", f"-I{well_known}", "--include_imports", f"--descriptor_set_out={out}", *files]
        if status := protoc.main(["protoc", *arguments]):
            sys.exit(status)
        return out.read_bytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the compiled file is out of date")
    check = parser.parse_args().check
    compiled = descriptor_set()
    if not check:
        COMPILED.write_bytes(compiled)
    elif COMPILED.read_bytes() != compiled:
        sys.exit(f"{COMPILED.name} is out of date: run python tools/compile_protos.py")


if __name__ == "__main__":
    main()
