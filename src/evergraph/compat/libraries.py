"""`tf.load_op_library` and its kin: compiled kernels cannot be loaded, and say so."""

from __future__ import annotations

import os
from typing import Any

from evergraph.framework import errors
from evergraph.framework.api import public


@public("load_op_library", "load_library", "load_file_system_library")
def load_op_library(library_filename: str) -> Any:
    """Refuse to load a library of compiled ops: its kernels are written against TensorFlow's own C++ classes.

    Raises:
        NotFoundError: if there is no such file.
        UnimplementedError: if there is.
    """
    if not os.path.exists(library_filename):
        raise errors.NotFoundError(
            None, None, f"{library_filename}: cannot open shared object file: No such file or directory"
        )
    raise errors.UnimplementedError(
        None,
        None,
        f"{library_filename} holds kernels compiled for TensorFlow, which cannot run here. Replace the op by others, "
        "or by a tf.py_func with tf.RegisterGradient for its gradient.",
    )
