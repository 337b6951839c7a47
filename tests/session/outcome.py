"""What a case came to, as JSON: its result with every type spelled out, or the exception it raised.

A result keeps its structure: a list is a list, and everything else says its type once:

    {"float32": 1.5}                  a NumPy scalar
    {"int32[2,1]": [[1], [2]]}        an array
    {"tuple": [...]}, {"Pair": [...]} a tuple, a named tuple
    {"OrderedDict": [[key, value]]}   a mapping, in its order
    {"bytes": "text"}                 bytes, read as Latin-1

Shared by the recorder, on Python 3.7, and the test.
"""

import re

import numpy as np

_MESSAGE = 200  # characters of a message that are recorded


def fails(fragment):
    """Mark a case that must raise an exception whose message has `fragment`: what a program would match on."""

    def mark(case):
        case.fragment = fragment
        return case

    return mark


def outcome(case, tf):
    """Run `case` in a graph of its own; give `{"result": ...}`, or `{"raises": class name, "message": ...}`."""
    with tf.Graph().as_default():
        try:
            return {"result": described(case(tf))}
        except Exception as error:
            return {"raises": type(error).__name__, "message": str(error)}


def first_line(message):
    """Shorten a message to what is worth recording: its first line, without addresses, host names and paths."""
    line = (message.strip().splitlines() or [""])[0]
    line = re.sub(r"(0x|running on )\w+|(defined at )[^)]+", r"\1\2...", line)
    return line if len(line) <= _MESSAGE else line[:_MESSAGE] + "..."


def described(value):
    """Turn a result into what JSON can hold."""
    if isinstance(value, list):
        return [described(item) for item in value]
    if isinstance(value, tuple):
        return {type(value).__name__: [described(item) for item in value]}
    if isinstance(value, dict):
        return {type(value).__name__: [[key, described(item)] for key, item in value.items()]}
    if isinstance(value, np.ndarray):
        shape = ",".join(str(size) for size in value.shape)
        return {f"{value.dtype}[{shape}]": _elements(value)}
    if isinstance(value, np.generic):
        return {str(value.dtype): _element(value)}
    return _element(value)


def _elements(array):
    if not isinstance(array, np.ndarray):
        return _element(array)
    return [_elements(row) for row in array] if array.ndim else _element(array[()])


def _element(value):
    if isinstance(value, bytes):
        return {"bytes": value.decode("latin-1")}
    if isinstance(value, (complex, np.complexfloating)):
        return [float(str(value.real)), float(str(value.imag))]
    if isinstance(value, np.floating):
        return float(str(value))  # the shortest decimal that reads back as this value
    return value.item() if isinstance(value, np.generic) else value
