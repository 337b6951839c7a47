"""`tf.resource_loader`: files that lie beside the program."""

from __future__ import annotations

import os
import sys

from evergraph.framework.api import public


def _directory(depth: int) -> str:
    return os.path.dirname(os.path.abspath(sys._getframe(depth).f_code.co_filename))


@public("resource_loader.get_data_files_path")
def get_data_files_path() -> str:
    """The directory of the file that calls this."""
    return _directory(2)


@public("resource_loader.get_path_to_datafile")
def get_path_to_datafile(path: str) -> str:
    """`path`, which is relative to the directory of the file that calls this."""
    return os.path.join(_directory(2), path)


@public("resource_loader.get_root_dir_with_all_resources")
def get_root_dir_with_all_resources() -> str:
    """The directory of the file that calls this."""
    return _directory(2)


@public("resource_loader.load_resource")
def load_resource(path: str) -> bytes:
    """The bytes of a file, relative to the directory of the file that calls this.

    Raises:
        OSError: if it cannot be read.
    """
    with open(os.path.join(_directory(2), path), "rb") as file:
        return file.read()


@public("resource_loader.readahead_file_path")
def readahead_file_path(path: str, readahead: str = "128M") -> str:
    """`path`."""
    return path
