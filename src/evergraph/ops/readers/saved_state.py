"""How far a reader has come, and the message (`ReaderBaseState`) in which it is kept."""

from __future__ import annotations

from dataclasses import dataclass

from evergraph.formats import wire
from evergraph.formats.varint import decoded


@dataclass
class ReaderCounts:
    """How many names a reader has taken from its queue and finished, how many records it gave, and its current name."""

    work_started: int = 0
    work_finished: int = 0
    num_records_produced: int = 0
    current_work: bytes = b""

    @property
    def in_progress(self) -> bool:
        """Whether a file is being read."""
        return self.work_finished < self.work_started

    def to_bytes(self) -> bytes:
        numbers = (self.work_started, self.work_finished, self.num_records_produced)
        fields = b"".join(wire.number(field, value) for field, value in enumerate(numbers, 1))
        return fields + wire.message(4, self.current_work) if self.current_work else fields

    @staticmethod
    def from_bytes(data: bytes) -> ReaderCounts | None:
        """The counts in a message, or None if it is none."""
        counts = ReaderCounts()
        names = ("work_started", "work_finished", "num_records_produced")
        at = 0
        try:
            while at < len(data):
                tag, at = decoded(data, at)
                value, at = decoded(data, at)
                if tag == 4 << 3 | 2:
                    counts.current_work = data[at : at + value]
                    if len(counts.current_work) < value:
                        return None
                    at += value
                elif tag & 7 == 0 and 1 <= tag >> 3 <= 3:
                    setattr(counts, names[(tag >> 3) - 1], value - 2**64 if value >= 2**63 else value)
                else:
                    return None
        except (IndexError, ValueError):
            return None
        return counts
