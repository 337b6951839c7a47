"""A file that a program reads and a SavedModel takes along: the tensor of its path stands for it."""

from __future__ import annotations

from typing import Any

from evergraph.framework import convert, dtypes
from evergraph.framework.scopes import device, init_scope
from evergraph.framework.tensor import Tensor


class TrackableAsset:
    """A file to be saved with the objects that have it as an attribute. (The name is TensorFlow 2's.)

    Args:
        path: where it is: a string, or a constant.

    >>> notes = folder + "/notes.txt"
    >>> with open(notes, "w") as file:
    ...     _ = file.write("read me")
    >>> model = tf.train.Checkpoint(notes=tf.saved_model.Asset(notes))
    >>> tf.saved_model.save(model, folder + "/with_notes")
    >>> loaded = tf.saved_model.load_v2(folder + "/with_notes")
    >>> sess.run(tf.read_file(loaded.notes.asset_path))
    b'read me'
    """

    def __init__(self, path: Any) -> None:
        with init_scope(), device("CPU"):
            self._path = convert.converted(path, dtypes.string, "asset_path")

    @property
    def asset_path(self) -> Tensor:
        """The path; after loading, that of the copy in the SavedModel."""
        return self._path

    @property
    def _checkpoint_dependencies(self) -> list[Any]:
        return []


def _as_tensor(asset: TrackableAsset, dtype: Any = None, name: str | None = None, as_ref: bool = False) -> Tensor:
    return convert.converted(asset.asset_path, dtype, name, as_ref)


convert.register_tensor_conversion_function(TrackableAsset, _as_tensor)
