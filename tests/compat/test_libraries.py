"""Compiled ops are refused by name."""

import pytest

import evergraph as tf


def test_a_library_that_is_not_there(tmp_path):
    with pytest.raises(tf.errors.NotFoundError, match="none.so"):
        tf.load_op_library(str(tmp_path / "none.so"))


def test_a_library_that_is_there(tmp_path):
    (tmp_path / "ops.so").write_bytes(b"")
    with pytest.raises(tf.errors.UnimplementedError, match="ops.so"):
        tf.load_op_library(str(tmp_path / "ops.so"))
