"""Several compressed files read at once: each in a thread of its own, which hands over records by the chunk.

Decompression runs outside Python's lock, so the threads do run at once; handing over single records would cost more
than reading them.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from evergraph.ops.datasets.context import Context
from evergraph.ops.datasets.dataset import Element, Iterator

_CHUNK = 64
_CHUNKS = 4


class _Shared:
    """What the thread and the iterator share; the iterator itself must be free to go."""

    def __init__(self, source: Iterator) -> None:
        self.source = source
        self.condition = threading.Condition()
        self.chunks: deque[tuple[list[Element], Exception | None]] = deque()  # elements, then an error perhaps
        self.ended = self.left = False


class ReadAhead(Iterator):
    """The elements of `source`, read ahead in a thread that starts at once."""

    def __init__(self, context: Context, source: Iterator) -> None:
        self.context = context
        self._shared = shared = _Shared(source)
        self._elements: deque[Element] = deque()
        self._error: Exception | None = None
        context.start(lambda: _read(context, shared), "reader")

    def __next__(self) -> Element:
        shared = self._shared
        while True:
            if self._elements:
                return self._elements.popleft()
            error, self._error = self._error, None
            if error is not None:
                raise error
            with shared.condition:
                if not shared.chunks:
                    self.context.wait_for(shared.condition, lambda: shared.chunks or shared.ended)
                if not shared.chunks:
                    raise StopIteration
                elements, self._error = shared.chunks.popleft()
                shared.condition.notify_all()
            self._elements.extend(elements)

    def __del__(self) -> None:
        self._shared.left = True


def _read(context: Context, shared: _Shared) -> None:
    condition = shared.condition
    while True:
        chunk: list[Any] = []
        failure: Exception | None = None
        ended = False
        try:
            for _ in range(_CHUNK):
                chunk.append(next(shared.source))
        except StopIteration:
            ended = True
        except Exception as error:
            failure = error
        with condition:
            if chunk or failure is not None:
                shared.chunks.append((chunk, failure))
            shared.ended = ended
            condition.notify_all()
            while len(shared.chunks) >= _CHUNKS and not shared.left and not context.is_closed:
                condition.wait(1.0)
            if ended or shared.left or context.is_closed:
                return
