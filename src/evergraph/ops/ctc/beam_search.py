"""Which labellings are likeliest? A search that keeps the best few beginnings at each time.

A beginning is a node of a tree: its parent with one label added. For each node in the beam two log probabilities are
kept, of all paths that make it and end in a blank, and of those that end in its last label, since these are what a
repeated label tells apart. At each time a node either stays what it is, or gets a child; the best of all stay in the
beam. A child that is in the beam already gains what its parent passes on.
"""

from __future__ import annotations

import numpy as np

LOG_ZERO = -np.inf


class Beam:
    """The best beginnings of one sequence so far, the best first.

    Args:
        width: how many to keep.
        kind: float32 or float64.
    """

    def __init__(self, width: int, kind: np.dtype) -> None:
        self._width = width
        self._parents = [-1]  # of every node ever made; node 0 is the empty beginning
        self._labels = [-1]
        self._numbers: dict[tuple[int, int], int] = {}  # (parent, label) to node
        self.nodes = np.zeros(1, np.int64)  # in the beam
        self.last = np.full(1, -1, np.int64)  # their last labels
        self._parent_at = np.full(1, -1, np.int64)  # where in the beam their parents are, or -1
        self._blank = np.zeros(1, kind)  # log probabilities: of the paths that end in a blank,
        self._label = np.full(1, LOG_ZERO, kind)  # in the last label,
        self.total = np.zeros(1, kind)  # in either

    def step(self, logits: np.ndarray) -> None:
        """Go on by one time: `logits` has the classes, the last of which is the blank."""
        largest = logits.max()
        log_y = logits - (largest + np.log(np.exp(logits - largest).sum()))
        labels = log_y[:-1]
        blank, label, total = self._advanced(log_y)
        # The children: of the paths that end in the same label only those count that have a blank in between.
        grown = np.repeat(self.total[:, None], len(labels), axis=1)
        has_label = np.flatnonzero(self.last >= 0)
        grown[has_label, self.last[has_label]] = self._blank[has_label]
        grown = grown + labels
        inside = np.flatnonzero(self._parent_at >= 0)
        grown[self._parent_at[inside], self.last[inside]] = LOG_ZERO  # these are in the beam themselves
        self._become(self._best(total, grown), blank, label, total, grown)

    def _advanced(self, log_y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The log probabilities of the nodes in the beam as they stay what they are."""
        at, last = self._parent_at, self.last
        passed_on = np.where(last == last[at], self._blank[at], self.total[at])
        label = np.where(at >= 0, np.logaddexp(self._label, passed_on), self._label)
        label = np.where(last >= 0, label + log_y[last], LOG_ZERO).astype(self.total.dtype)
        blank = self.total + log_y[-1]
        return blank, label, np.logaddexp(blank, label)

    def _best(self, total: np.ndarray, grown: np.ndarray) -> np.ndarray:
        """The numbers of the best, best first: those of nodes, and then, row by row, those of their children.

        The nodes get their children in turn, and each child drives out the worst so far. Like TensorFlow's search this
        one forgets a node that was driven out when its parent's turn comes, so that it gets no children of its own.
        """
        width, (old, classes) = self._width, grown.shape
        scores, numbers = total, np.arange(old)
        children: dict[int, list[int]] = {}
        for node in np.flatnonzero(self._parent_at >= 0).tolist():
            children.setdefault(int(self._parent_at[node]), []).append(node)
        is_forgotten = np.zeros(old, np.bool_)
        for node in range(old):
            is_full = len(scores) >= width
            least = scores.min() if is_full else LOG_ZERO
            if is_forgotten[node]:
                continue
            if not self.total[node] > least:
                break  # the nodes that follow are no better, and so are their children
            new = np.flatnonzero(grown[node] > least)
            before, kept = scores, numbers
            if len(new):
                scores = np.concatenate([scores, grown[node, new]])
                numbers = np.concatenate([numbers, old + node * classes + new])
                chosen = np.argsort(-scores, kind="stable")[:width]
                scores, numbers = scores[chosen], numbers[chosen]
            for child in children.get(node, ()):
                if child not in numbers:
                    better = (before > total[child]).sum() + (
                        grown[node, new[new < self.last[child]]] > total[child]
                    ).sum()
                    is_forgotten[child] = child not in kept or better >= width
        order = np.argsort(-scores, kind="stable")
        return numbers[order]

    def _become(
        self, chosen: np.ndarray, blank: np.ndarray, label: np.ndarray, total: np.ndarray, grown: np.ndarray
    ) -> None:
        old, classes = grown.shape
        is_new = chosen >= old
        parent_at, new_label = np.divmod(chosen[is_new] - old, max(classes, 1))
        nodes = np.empty(len(chosen), np.int64)
        nodes[~is_new] = self.nodes[chosen[~is_new]]
        parents = self.nodes[parent_at].tolist()
        nodes[is_new] = [self._child(*pair) for pair in zip(parents, new_label.tolist(), strict=True)]
        kind = total.dtype
        kept = np.where(is_new, 0, chosen)
        flat = grown.ravel()
        added = flat[np.where(is_new, chosen - old, 0)] if len(flat) else np.full(len(chosen), LOG_ZERO, kind)
        self.last = self.last[kept].copy()
        self.last[is_new] = new_label
        self._blank = np.where(is_new, LOG_ZERO, blank[kept]).astype(kind)
        self._label = np.where(is_new, added, label[kept]).astype(kind)
        self.total = np.where(is_new, added, total[kept]).astype(kind)
        self.nodes = nodes
        at = {node: i for i, node in enumerate(nodes.tolist())}
        at[-1] = -1
        self._parent_at = np.array([at.get(self._parents[node], -1) for node in at if node >= 0], np.int64)

    def _child(self, parent: int, label: int) -> int:
        node = self._numbers.get((parent, label))
        if node is None:
            node = self._numbers[parent, label] = len(self._parents)
            self._parents.append(parent)
            self._labels.append(label)
        return node

    def labels_of(self, place: int, merges_repeated: bool) -> list[int]:
        """The labels of the beginning at `place` in the beam."""
        found: list[int] = []
        node, previous = int(self.nodes[place]), -1
        while node:
            label = self._labels[node]
            if not merges_repeated or label != previous:
                found.append(label)
            previous = label
            node = self._parents[node]
        return found[::-1]
