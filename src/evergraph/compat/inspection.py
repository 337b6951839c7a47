"""What `tensorflow.python.util.tf_inspect` offers: Python's own `inspect`, with the `getargspec` it used to have."""

from __future__ import annotations

import inspect
from collections import namedtuple
from inspect import (
    getcallargs,
    getdoc,
    getfullargspec,
    getmembers,
    getmodule,
    getmro,
    getsource,
    isclass,
    isfunction,
    isgenerator,
    ismethod,
    ismodule,
    isroutine,
    stack,
)
from typing import Any

ArgSpec = namedtuple("ArgSpec", "args varargs keywords defaults")


def getargspec(function: Any) -> ArgSpec:
    """The arguments of a function, keyword-only ones left out."""
    spec = inspect.getfullargspec(function)
    return ArgSpec(spec.args, spec.varargs, spec.varkw, spec.defaults)


__all__ = [
    "ArgSpec", "getargspec", "getcallargs", "getdoc", "getfullargspec", "getmembers", "getmodule", "getmro",
    "getsource", "isclass", "isfunction", "isgenerator", "ismethod", "ismodule", "isroutine", "stack",
]  # fmt: skip
