"""Nodes in the order of a report.

Nodes that are equal in what they are sorted by come in the order that the C++ standard library of TensorFlow's
packages leaves them in: its sort is not stable beyond 16 elements. So a report can be compared line by line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.training.profiler import profile

_SHORT = 16  # runs up to this length are left to the insertion sort at the end

_BY = {
    "bytes": profile.BYTES, "peak_bytes": profile.PEAK, "residual_bytes": profile.RESIDUAL,
    "output_bytes": profile.OUTPUT, "micros": profile.MICROS, "accelerator_micros": profile.ACCELERATOR_MICROS,
    "cpu_micros": profile.CPU_MICROS, "params": profile.PARAMETERS, "float_ops": profile.FLOAT_OPS,
}  # fmt: skip


def ordered(nodes: list[Any], order_by: str) -> list[Any]:
    """`nodes` by name, or by a total, the greatest first."""
    if not order_by:
        return nodes
    if order_by in _BY:
        measure = _BY[order_by]
        found = [(-node.totals[measure], node) for node in nodes]
    elif order_by == "occurrence" and nodes and hasattr(nodes[0], "picked"):
        found = [(-len(node.picked), node) for node in nodes]
    else:
        return sorted(nodes, key=lambda node: node.name)
    _sort(found, lambda a, b: a[0] < b[0])
    return [node for _, node in found]


def _sort(items: list[Any], less: Callable[[Any, Any], bool]) -> None:
    """Introspective sort: quicksort on the median of three, heap sort when that goes too deep, then insertion."""
    waiting = [(0, len(items), 2 * (len(items).bit_length() - 1))] if items else []
    while waiting:
        first, last, depth = waiting.pop()
        if last - first <= _SHORT:
            continue
        if depth == 0:
            _heap_sort(items, first, last, less)
            continue
        cut = _partition(items, first, last, less)
        waiting.append((first, cut, depth - 1))
        waiting.append((cut, last, depth - 1))
    for i in range(1, len(items)):
        item, j = items[i], i
        while j > 0 and less(item, items[j - 1]):
            items[j] = items[j - 1]
            j -= 1
        items[j] = item


def _partition(items: list[Any], first: int, last: int, less: Callable[[Any, Any], bool]) -> int:
    """Bring the median of three to the front, and what is not less than it behind the index that is given back."""
    a, b, c = first + 1, first + (last - first) // 2, last - 1
    if less(items[a], items[b]):
        median = b if less(items[b], items[c]) else c if less(items[a], items[c]) else a
    else:
        median = a if less(items[a], items[c]) else c if less(items[b], items[c]) else b
    items[first], items[median] = items[median], items[first]
    pivot, left, right = items[first], first + 1, last
    while True:
        while less(items[left], pivot):
            left += 1
        right -= 1
        while less(pivot, items[right]):
            right -= 1
        if left >= right:
            return left
        items[left], items[right] = items[right], items[left]
        left += 1


def _heap_sort(items: list[Any], first: int, last: int, less: Callable[[Any, Any], bool]) -> None:
    size = last - first
    for parent in range((size - 2) // 2, -1, -1):
        _sift(items, first, parent, size, items[first + parent], less)
    for end in range(size - 1, 0, -1):
        item, items[first + end] = items[first + end], items[first]
        _sift(items, first, 0, end, item, less)


def _sift(items: list[Any], first: int, hole: int, size: int, item: Any, less: Callable[[Any, Any], bool]) -> None:
    """Move the hole down along the greater children, then `item` up from there to its place."""
    top, child = hole, hole
    while child < (size - 1) // 2:
        child = 2 * child + 2
        if less(items[first + child], items[first + child - 1]):
            child -= 1
        items[first + hole], hole = items[first + child], child
    if size % 2 == 0 and child == (size - 2) // 2:
        child = 2 * child + 1
        items[first + hole], hole = items[first + child], child
    while hole > top and less(items[first + (hole - 1) // 2], item):
        parent = (hole - 1) // 2
        items[first + hole], hole = items[first + parent], parent
    items[first + hole] = item
