"""The names of wanted features, looked up for many entries of many records at once.

Names are compared as 64-bit words. A product of the words says which of the wanted ones a name may be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

_FACTOR = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio


class Names:
    """Different names.

    Attributes:
        words: how many words the longest one has.
    """

    def __init__(self, names: Sequence[bytes]) -> None:
        self.words = max(1, -(-max(map(len, names), default=0) // 8))
        size = 8 * self.words
        self._sizes = np.array([len(name) for name in names], np.int64)
        self._names = _as_words([name.ljust(size, b"\0") for name in names], self.words)
        self._masks = _as_words([b"\xff" * n + bytes(size - n) for n in range(size + 1)], self.words)
        self._factor, self._bits = _FACTOR, len(names).bit_length() + 1
        slots, tries = self._slots(self._sizes, self._names), 0
        while len(set(slots.tolist())) < len(names):  # two names at one place: try others, then a larger table
            self._factor, tries = self._factor * _FACTOR % 2**64, tries + 1
            self._bits += tries % 16 == 0
            slots = self._slots(self._sizes, self._names)
        self._table = np.zeros(1 << self._bits, np.int64)
        self._table[slots] = np.arange(len(names))

    def _slots(self, sizes: np.ndarray, words: Iterable[np.ndarray]) -> np.ndarray:
        """Where names are in the table: the first bits of a product."""
        product = sizes.astype(np.uint64)
        for word in words:
            product *= self._factor
            product ^= word
        product *= self._factor
        return (product >> 64 - self._bits).view(np.int64)

    def places(self, sizes: np.ndarray, word_at: Callable[[int], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Which of some entries have one of the names, and where it is among the names.

        Args:
            sizes: how long the name of each entry is.
            word_at: the words that begin so many bytes after the start of each entry's name.
        """
        capped = np.minimum(sizes, 8 * self.words)
        words = [word_at(8 * i) & mask[capped] for i, mask in enumerate(self._masks)]
        place = self._table[self._slots(sizes, words)]
        same = self._sizes[place] == sizes
        for ours, theirs in zip(self._names, words, strict=True):
            same &= ours[place] == theirs
        which = same.nonzero()[0]
        return which, place[which]


def _as_words(padded: Sequence[bytes], count: int) -> np.ndarray:
    """The first words of all, the second words of all, ..."""
    return np.frombuffer(b"".join(padded), "<u8").reshape(-1, count).T.copy()


__all__ = ["Names"]
