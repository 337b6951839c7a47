"""Where `formats` plugs in: graph objects as protocol messages and back.

The framework knows no file format. `formats.graphdef` fills this in when it is imported, so that
`op.node_def`, `op.get_attr` and `graph.as_graph_def()` can give TF's messages.
"""

from __future__ import annotations

from typing import Any, Protocol


class Codec(Protocol):
    def node_def(self, op: Any) -> Any: ...
    def attr_for_python(self, op: Any, name: str) -> Any: ...
    def op_def(self, opdef: Any) -> Any: ...
    def graph_def(self, graph: Any, from_version: int | None, add_shapes: bool) -> Any: ...
    def attr_from_proto(self, value: Any) -> Any: ...


_codec: list[Codec] = []


def install(codec: Codec) -> None:
    _codec[:] = [codec]


def codec() -> Codec:
    return _codec[0]
