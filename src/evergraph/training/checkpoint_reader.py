"""`tf.train.NewCheckpointReader`: what a checkpoint holds, without a graph."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from evergraph.formats.checkpoint import open_checkpoint
from evergraph.framework import convert, errors
from evergraph.framework.api import public
from evergraph.framework.dtypes import DType


class CheckpointReader:
    """Names, types, shapes and values of the tensors in a checkpoint. `tf.train.NewCheckpointReader` makes one."""

    def __init__(self, filepattern: Any) -> None:
        self._reader = open_checkpoint(convert.as_text(filepattern))

    def has_tensor(self, tensor_str: Any) -> bool:
        """Whether there is a tensor of that name."""
        return self._reader.has(convert.as_text(tensor_str))

    def get_tensor(self, tensor_str: Any) -> Any:
        """The value of a tensor: an array, a NumPy scalar, or bytes for a string scalar.

        Raises:
            NotFoundError: if there is none of that name.
            DataLossError: if it is damaged.
        """
        name = convert.as_text(tensor_str)
        if not self._reader.has(name):
            near = get_close_matches(name, self._reader.names(), 3)
            hint = f" {self._reader.prefix}" + (f"; there are {', '.join(near)}" if near else "")
            raise errors.NotFoundError(None, None, f"Key {name} not found in checkpoint{hint}")
        value = self._reader.read(name)
        if value.ndim == 0:
            return value[()]
        value.flags.writeable = True  # nobody else has it
        return value

    def get_variable_to_shape_map(self) -> dict[str, list[int]]:
        """Name to shape, a list of ints."""
        return {name: list(self._reader.shape(name)) for name in self._reader.names()}

    def get_variable_to_dtype_map(self) -> dict[str, DType]:
        """Name to type."""
        return {name: self._reader.dtype(name) for name in self._reader.names()}

    _GetVariableToShapeMap = get_variable_to_shape_map

    def debug_string(self) -> bytes:
        """A line for each tensor: name, type, shape."""
        return "".join(
            f"{name} (DT_{_enum_name(self._reader.dtype(name))}) {_bracketed(self._reader.shape(name))}\n"
            for name in self._reader.names()
        ).encode()

    def __repr__(self) -> str:
        return f"<CheckpointReader {self._reader.prefix!r}: {len(self._reader.names())} tensors>"


def _bracketed(shape: tuple[int, ...]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


def _enum_name(dtype: DType) -> str:
    return {"float32": "FLOAT", "float64": "DOUBLE", "float16": "HALF"}.get(dtype.name, dtype.name.upper())


@public("train.NewCheckpointReader")
def NewCheckpointReader(filepattern: Any) -> CheckpointReader:
    """Open a checkpoint to look into it.

    Args:
        filepattern: the checkpoint's name, as `tf.train.latest_checkpoint` gives it.

    Raises:
        NotFoundError: if there is no such checkpoint.
        DataLossError: if its index is damaged.

    >>> v = tf.Variable([1.0, 2.0], name="v")
    >>> saver = tf.train.Saver()
    >>> sess.run(tf.global_variables_initializer())
    >>> reader = tf.train.NewCheckpointReader(saver.save(sess, folder + "/model"))
    >>> reader.get_variable_to_shape_map()
    {'v': [2]}
    >>> reader.get_tensor("v")
    array([1., 2.], dtype=float32)
    """
    return CheckpointReader(filepattern)
