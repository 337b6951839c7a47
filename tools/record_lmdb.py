"""Record an LMDB database, for the tests of reading them.

Run by a Python that has the package `lmdb`, which the tests themselves never need:

    python tools/record_lmdb.py

Writes tests/formats/data/lmdb.mdb.gz: 150 entries on several pages, one of them with a long value.
"""

import gzip
import os
import tempfile

import lmdb

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def main():
    with tempfile.TemporaryDirectory() as folder:
        with lmdb.open(folder, map_size=1 << 20) as database, database.begin(write=True) as transaction:
            for i in range(150):
                transaction.put(b"%03d" % i, b"long " * 1000 if i == 77 else b"v" * (i % 50))
        with open(os.path.join(folder, "data.mdb"), "rb") as file:
            contents = file.read()
    with open(os.path.join(ROOT, "tests", "formats", "data", "lmdb.mdb.gz"), "wb") as out:
        out.write(gzip.compress(contents, 9, mtime=0))


main()
