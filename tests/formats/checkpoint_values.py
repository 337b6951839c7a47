"""The values in the recorded checkpoints: what tools/record_checkpoints.py saves, and the tests expect to read."""

import numpy as np

NUMBERS = "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 complex64 complex128".split()


def values():
    """Name to array, for the types that both formats hold."""
    made = {}
    for i, name in enumerate(NUMBERS):
        dtype = np.dtype(name)
        made["numbers/" + name] = (np.arange(12).reshape(3, 4) * (i + 1) - (0 if dtype.kind == "u" else 5)).astype(name)
    made["numbers/complex64"] = made["numbers/complex64"] + np.complex64(2j)
    made["bool"] = np.array([[True, False], [False, False]])
    made["scalar"] = np.array(-1.5, np.float32)
    made["empty"] = np.zeros([0, 3], np.float32)
    made["repeated"] = np.ones([40, 50], np.int32)
    return made


def strings():
    return {
        "text/vector": np.array([b"", b"a\0b\xff", b"x" * 300], object),
        "text/scalar": np.array(b"one", object),
    }


def bfloat16_bits():
    """The bits of what is saved as `bfloat16`."""
    return np.array([0x3F80, 0xC000, 0x7F80, 0x0001], np.uint16)


def partitioned():
    """A tensor that is saved in three parts along its first dimension, and one in two along the second."""
    return {
        "table": np.arange(7 * 2, dtype=np.float32).reshape(7, 2),
        "wide": np.arange(2 * 5, dtype=np.int32).reshape(2, 5),
    }


PARTS = {"table": (3, 0), "wide": (2, 1)}


def records():
    return [b"", b"one", b"\0" * 1000, bytes(range(256))]
