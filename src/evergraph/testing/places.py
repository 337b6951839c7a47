"""What tests ask about their surroundings: directories, GPUs, how the package was built."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import unittest
import unittest.mock
from functools import cache
from typing import Any

from evergraph.framework.api import public, publish
from evergraph.runtime import devices

publish("test.mock", unittest.mock)


@public("test.get_temp_dir")
@cache
def get_temp_dir() -> str:
    """A directory for the files of tests, the same for the whole process; it is removed at the end."""
    path = tempfile.mkdtemp(prefix="evergraph_test_")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


@public("test.test_src_dir_path")
def test_src_dir_path(relative_path: str) -> str:
    """`relative_path` inside the package."""
    return os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), relative_path)


@public("test.is_gpu_available")
def is_gpu_available(cuda_only: bool = False, min_cuda_compute_capability: Any = None) -> bool:
    """Whether this process can use a GPU."""
    return devices.gpu_count() > 0


@public("test.gpu_device_name")
def gpu_device_name() -> str:
    """`/device:GPU:0`, or an empty string without a GPU."""
    return "/device:GPU:0" if devices.gpu_count() else ""


@public("test.is_built_with_cuda", "test.is_built_with_gpu_support")
def is_built_with_cuda() -> bool:
    """Whether XLA has a CUDA GPU here."""
    return devices.gpu_count() > 0


@public("test.is_built_with_rocm")
def is_built_with_rocm() -> bool:
    """False."""
    return False


@public("test.main")
def main(argv: Any = None) -> None:
    """Run the tests of the program and exit."""
    unittest.main(argv=argv)
