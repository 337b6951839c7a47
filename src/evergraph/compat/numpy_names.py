"""Names that NumPy had when programs for TensorFlow 1 were written, and has no more.

`evergraph run` gives them back to the program that it runs: each is another name of something that is there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# Gone since NumPy 1.24.
_PYTHON_TYPES = {"int": int, "float": float, "complex": complex, "object": object, "str": str, "unicode": str}

# Gone since NumPy 2.0, or later.
_RENAMED = {
    "bool8": "bool_",
    "float_": "float64",
    "longfloat": "longdouble",
    "singlecomplex": "complex64",
    "complex_": "complex128",
    "cfloat": "complex128",
    "clongfloat": "clongdouble",
    "longcomplex": "clongdouble",
    "string_": "bytes_",
    "unicode_": "str_",
    "Inf": "inf",
    "Infinity": "inf",
    "infty": "inf",
    "PINF": "inf",
    "NaN": "nan",
    "round_": "round",
    "product": "prod",
    "cumproduct": "cumprod",
    "sometrue": "any",
    "alltrue": "all",
    "in1d": "isin",
    "row_stack": "vstack",
    "trapz": "trapezoid",
    "mat": "asmatrix",
}


def _asfarray(a: Any, dtype: Any = np.float64) -> np.ndarray:
    """An array of floats."""
    return np.asarray(a, dtype if np.issubdtype(dtype, np.inexact) else np.float64)


def restore() -> None:
    """Put the names back into NumPy, as far as they are not there."""
    found: dict[str, Any] = {**_PYTHON_TYPES, "asfarray": _asfarray, "NINF": -np.inf, "PZERO": 0.0, "NZERO": -0.0}
    found.update({old: getattr(np, new) for old, new in _RENAMED.items() if hasattr(np, new)})
    for name, value in found.items():
        if name not in vars(np):
            setattr(np, name, value)
