"""Values of one component of many elements that are vectors of different lengths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class RaggedColumn:
    """Args:
    flat: the numbers or strings of all elements, one element after the other.
    lengths: int64, how many each element has.
    """

    __slots__ = ("flat", "lengths")

    ndim = 2

    def __init__(self, flat: np.ndarray, lengths: np.ndarray) -> None:
        self.flat, self.lengths = flat, lengths

    @classmethod
    def of(cls, vectors: Sequence[np.ndarray]) -> RaggedColumn:
        """Vectors of one type, one after the other."""
        return cls(np.concatenate(vectors), np.fromiter(map(len, vectors), np.int64, len(vectors)))

    @property
    def nbytes(self) -> int:
        return self.flat.nbytes

    @property
    def starts(self) -> np.ndarray:
        return np.cumsum(self.lengths) - self.lengths

    def astype(self, dtype: np.dtype) -> RaggedColumn:
        return self if self.flat.dtype == dtype else RaggedColumn(self.flat.astype(dtype), self.lengths)

    def separate(self) -> list[np.ndarray]:
        """The vectors, each in memory of its own."""
        ends = np.cumsum(self.lengths).tolist()
        return [self.flat[start:end].copy() for start, end in zip([0, *ends], ends, strict=False)]

    def together(self) -> np.ndarray | None:
        """The vectors as rows, if they have one length."""
        n = len(self.lengths)
        if not n or (self.lengths != self.lengths[0]).any():
            return None
        return self.flat.reshape(n, int(self.lengths[0]))


class LooseColumn(list[np.ndarray]):
    """Values of one component of many elements, of different shapes: images, say."""

    @property
    def nbytes(self) -> int:
        return sum(value.nbytes for value in self if value is not None)

    def compressed(self, chosen: np.ndarray) -> LooseColumn:
        """Those of the elements that are chosen."""
        return LooseColumn(value for value, is_chosen in zip(self, chosen.tolist()) if is_chosen)
