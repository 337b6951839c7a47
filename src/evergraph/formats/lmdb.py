"""LMDB databases: keys and values in order, in a B+ tree of pages. Reading alone.

page 0, 1    each says where the tree's root is; the one with the higher transaction number holds
branch       numbers of pages, in the order of the keys below them
leaf         keys with values; a long value is in overflow pages of its own

page   number (8 bytes)  -  flags (2, at 10)  end of the pointers (2, at 12)  ...  pointers to nodes (2 each, from 16)
node   low (2)  high (2)  flags (2)  length of the key (2)  key  value
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator

from evergraph.formats.files import data_loss, local, translated
from evergraph.framework import errors

_MAGIC, _VERSION = 0xBEEFC0DE, 1
_BRANCH, _LEAF = 1, 2
_BIG, _SUB, _DUPLICATES = 1, 2, 4
_HEAD = 16
_NO_PAGE = 0xFFFF_FFFF_FFFF_FFFF
_META_AT = struct.Struct("<IIQQ48s48sQQ")  # magic, version, address, size of the map, two trees, last page, transaction
_TREE = struct.Struct("<IHHQQQQQ")  # page size, flags, depth, pages of three kinds, entries, root


def read_lmdb(path: str) -> Iterator[tuple[bytes, bytes]]:
    """All keys and values of a database, in order.

    Args:
        path: its file, or the directory that holds `data.mdb`.

    Raises:
        NotFoundError: if there is no such file.
        DataLossError: for what is no database, or a damaged one.
        UnimplementedError: for a database with several values of one key.
    """
    path = local(path)
    if os.path.isdir(path):
        path = os.path.join(path, "data.mdb")
    with translated(path), open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < 2 * (_HEAD + _META_AT.size):
            raise data_loss(path, f"no LMDB database: it has {size} bytes")
        with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as pages:
            try:
                yield from _Tree(path, pages).items()
            except struct.error as error:
                raise data_loss(path, f"damaged LMDB database: {error}") from None


class _Tree:
    def __init__(self, path: str, pages: mmap.mmap) -> None:
        self._path, self._pages = path, pages
        first = self._meta(0)
        page_size = _TREE.unpack(first[4])[0]
        if not 256 <= page_size <= 65_536 or page_size & (page_size - 1):
            raise self._damaged(f"pages of {page_size} bytes")
        newest = max(first, self._meta(page_size), key=lambda meta: meta[7])
        self._size = page_size
        _, flags, self._depth, _, _, _, self.entries, self._root = _TREE.unpack(newest[5])
        if flags & _DUPLICATES:
            raise errors.UnimplementedError(None, None, f"{path}: an LMDB database with several values of one key")

    def _damaged(self, what: str) -> errors.OpError:
        return data_loss(self._path, f"damaged LMDB database: {what}")

    def _meta(self, at: int) -> tuple[int, int, int, int, bytes, bytes, int, int]:
        found = _META_AT.unpack_from(self._pages, at + _HEAD)
        if found[0] != _MAGIC:
            raise data_loss(self._path, "no LMDB database, or one of a machine with the other byte order")
        if found[1] != _VERSION:
            raise self._damaged(f"version {found[1]}, not {_VERSION}")
        return found

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        if self._root == _NO_PAGE:
            return
        left = self.entries  # no more than the database says: damaged pages may lead in circles
        pages_left = len(self._pages) // self._size  # each is in the tree once
        waiting = [(self._root, 1)]
        while waiting:
            number, depth = waiting.pop()
            at = number * self._size
            pages_left -= 1
            if depth > min(self._depth, 64) or pages_left < 0 or at + self._size > len(self._pages):
                raise self._damaged(f"page {number} is not in the tree, or not in the file")
            flags, end = struct.unpack_from("<HH", self._pages, at + 10)
            if not _HEAD <= end <= self._size:
                raise self._damaged(f"the pointers of page {number} end at {end}")
            nodes = struct.unpack_from(f"<{(end - _HEAD) // 2}H", self._pages, at + _HEAD)
            if flags & _BRANCH:
                waiting.extend((self._child(at + node), depth + 1) for node in reversed(nodes))
            elif flags & _LEAF:
                for node in nodes:
                    left -= 1
                    if left < 0:
                        raise self._damaged(f"more than {self.entries} entries")
                    yield self._entry(at, node)
            else:
                raise self._damaged(f"page {number} is of no kind that a tree has ({flags:#x})")
        if left:
            raise self._damaged(f"{left} of {self.entries} entries are missing")

    def _child(self, at: int) -> int:
        low, high, flags = struct.unpack_from("<HHH", self._pages, at)
        return low | high << 16 | flags << 32

    def _entry(self, page: int, node: int) -> tuple[bytes, bytes]:
        at = page + node
        low, high, flags, key_size = struct.unpack_from("<HHHH", self._pages, at)
        start, size = at + 8 + key_size, low | high << 16
        key = self._pages[at + 8 : start]
        if flags & (_SUB | _DUPLICATES):
            raise errors.UnimplementedError(None, None, f"{self._path}: an LMDB database with databases in it")
        if flags & _BIG:
            (number,) = struct.unpack_from("<Q", self._pages, start)
            start = number * self._size + _HEAD
        elif start + size > page + self._size:
            raise self._damaged(f"an entry of {key_size} and {size} bytes does not fit into its page")
        value = self._pages[start : start + size]
        if len(value) < size or len(key) < key_size:
            raise self._damaged(f"an entry of {key_size} and {size} bytes ends outside of the file")
        return key, value
