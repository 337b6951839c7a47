"""Saving tensors to checkpoints and restoring them.

`SaveV2` and `RestoreV2` are what a Saver builds. The older ones write and read the older format; `RestoreV2` reads
both. What is saved or restored may be a part of a tensor: `"4 3 0,2:-"` (formats/slices.py), or "" for a whole one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

import numpy as np

from evergraph.formats import files
from evergraph.formats.bundle import BundleReader, BundleWriter, merge_bundles
from evergraph.formats.checkpoint import CheckpointReader, open_checkpoint
from evergraph.formats.checkpoint_v1 import CheckpointV1Reader, CheckpointV1Writer
from evergraph.formats.slices import parse
from evergraph.framework import errors
from evergraph.framework.dtypes import DType, variant
from evergraph.framework.shapes import Shape, ShapeError, merge, with_rank
from evergraph.ops.opdef import kernel_error, op


def _text(value: Any) -> str:
    item = np.asarray(value, object).reshape(-1)[0]
    return files.local(os.fsdecode(item))


def _texts(value: Any) -> list[str]:
    return [item.decode("utf-8", "surrogateescape") for item in np.asarray(value, object).reshape(-1).tolist()]


def _part(spec: str) -> tuple[tuple[int, ...], Any]:
    try:
        return parse(spec)
    except ValueError as error:
        raise kernel_error(f"Need to have a shape and a slice in a shape_and_slice specification: {error}") from None


# Saving


@op("SaveV2", host=True, differentiable=False)
def save_v2(
    xp: Any, prefix: Any, tensor_names: Any, shape_and_slices: Any, tensors: Any, *, dtypes: Sequence[DType]
) -> None:
    """Write tensors to the checkpoint `prefix`. It appears under its name when all are written, or not at all."""
    specs = _texts(shape_and_slices)
    with BundleWriter(_text(prefix)) as writer:
        _add_all(writer, _texts(tensor_names), specs, tensors, dtypes)


@op("Save", host=True, differentiable=False)
def save_v1(xp: Any, filename: Any, tensor_names: Any, data: Any, *, T: Sequence[DType]) -> None:
    """Write tensors to a file of the older format."""
    names = _texts(tensor_names)
    with CheckpointV1Writer(_text(filename)) as writer:
        _add_all(writer, names, [""] * len(names), data, T)


@op("SaveSlices", host=True, differentiable=False)
def save_slices(
    xp: Any, filename: Any, tensor_names: Any, shapes_and_slices: Any, data: Any, *, T: Sequence[DType]
) -> None:
    """Write tensors and parts of tensors to a file of the older format."""
    with CheckpointV1Writer(_text(filename)) as writer:
        _add_all(writer, _texts(tensor_names), _texts(shapes_and_slices), data, T)


@save_v1.shape
def save_v1_shape(filename: Shape, tensor_names: Shape, data: list[Shape]) -> None:
    with_rank(filename, 0)
    merge(with_rank(tensor_names, 1), (len(data),))


@save_v2.shape
@save_slices.shape
def save_slices_shape(filename: Shape, tensor_names: Shape, shapes_and_slices: Shape, tensors: list[Shape]) -> None:
    with_rank(filename, 0)
    for shape in tensor_names, shapes_and_slices:
        merge(with_rank(shape, 1), (len(tensors),))


def _add_all(writer: Any, names: list[str], specs: list[str], arrays: Any, kinds: Sequence[DType]) -> None:
    if not len(names) == len(specs) == len(arrays):
        raise kernel_error(f"Got {len(names)} tensor names and {len(specs)} slices but {len(arrays)} tensors.")
    if isinstance(writer, BundleWriter) and not any(specs):
        writer.add_all(names, list(map(_as_array, arrays)), kinds)
        return
    order = sorted(range(len(names)), key=lambda i: names[i]) if isinstance(writer, CheckpointV1Writer) else None
    for i in order or range(len(names)):
        array = _as_array(arrays[i])
        if not specs[i]:
            writer.add(names[i], array, kinds[i])
            continue
        shape, part = _part(specs[i])
        if part.shape(shape) != array.shape:
            raise kernel_error(
                "Slice in shape_and_slice specification does not match the shape of the tensor to  save: "
                f"{specs[i]}, tensor: {list(array.shape)}"
            )
        writer.add_slice(names[i], shape, part, array, kinds[i])


def _as_array(value: Any) -> np.ndarray:
    if type(value) is np.ndarray:
        return value
    if isinstance(value, np.ndarray | np.generic) or hasattr(value, "__array__"):
        return np.asarray(value)
    array = np.empty((), object)
    array[()] = value
    return array


@op("MergeV2Checkpoints", host=True, differentiable=False)
def merge_v2_checkpoints(xp: Any, checkpoint_prefixes: Any, destination_prefix: Any, *, delete_old_dirs: bool) -> None:
    """Make one checkpoint of several. With `delete_old_dirs`, the folders they were in are removed when empty."""
    prefixes = [_text(p) for p in np.asarray(checkpoint_prefixes, object).reshape(-1).tolist()]
    destination = _text(destination_prefix)
    merge_bundles(prefixes, destination)
    if delete_old_dirs:
        kept = os.path.dirname(os.path.abspath(destination))
        for folder in dict.fromkeys(os.path.dirname(p) for p in prefixes):
            if folder and os.path.abspath(folder) != kept:
                with suppress(OSError):  # something else is in it
                    os.rmdir(folder)


@merge_v2_checkpoints.shape
def merge_v2_checkpoints_shape(checkpoint_prefixes: Shape, destination_prefix: Shape) -> None:
    with_rank(checkpoint_prefixes, 1)
    with_rank(destination_prefix, 0)


# Restoring


@op("RestoreV2", host=True, differentiable=False, static=("shape_and_slices",))
def restore_v2(
    xp: Any, prefix: Any, tensor_names: Any, shape_and_slices: Any, *, dtypes: Sequence[DType]
) -> list[np.ndarray]:
    """Read tensors from the checkpoint `prefix`, of either format.

    All that is wrong is said at once: tensors that are not there (with near names), types that differ.
    """
    names, specs = _texts(tensor_names), _texts(shape_and_slices)
    if len(names) != len(dtypes):
        raise kernel_error(f"Got {len(names)} tensor names, but {len(dtypes)} expected dtypes.")
    if len(names) != len(specs):
        raise kernel_error(
            f"tensor_names and shape_and_slices have different number of elements: {len(names)} vs. {len(specs)}"
        )
    with open_checkpoint(_text(prefix)) as reader:
        _refuse_missing(reader, names)
        _refuse_other_types(reader, names, dtypes)
        if isinstance(reader, BundleReader) and not any(specs):
            values = reader.read_all(names)
        else:
            values = [_read(reader, name, spec) for name, spec in zip(names, specs)]
    return [v[()] if kind is variant and not v.shape else v for v, kind in zip(values, dtypes)]


@restore_v2.shape
def restore_v2_shape(prefix: Shape, tensor_names: Shape, specs: Any, *, dtypes: Sequence[DType]) -> list[Shape]:
    with_rank(prefix, 0)
    names = with_rank(tensor_names, 1)
    if specs is None:
        return [None] * len(dtypes)
    merge(names, (len(specs),))
    if len(specs) != len(dtypes):
        raise ShapeError("The number of shape_and_slice doesn't match tensor outputs.")
    return [_shape_of(spec) for spec in specs]


def _shape_of(spec: Any) -> Shape:
    if not spec:
        return None
    try:
        shape, part = parse(spec.decode())
    except ValueError as error:
        raise ShapeError(str(error)) from None
    return part.shape(shape)


@op("Restore", host=True, differentiable=False)
def restore_v1(xp: Any, file_pattern: Any, tensor_name: Any, *, dt: DType) -> np.ndarray:
    """Read a tensor from files of the older format."""
    return _restore_one(file_pattern, tensor_name, "", dt)


@restore_v1.shape
def restore_v1_shape(file_pattern: Shape, tensor_name: Shape) -> Shape:
    with_rank(file_pattern, 0)
    with_rank(tensor_name, 0)
    return None


@op("RestoreSlice", host=True, differentiable=False, static=("shape_and_slice",))
def restore_slice(xp: Any, file_pattern: Any, tensor_name: Any, shape_and_slice: Any, *, dt: DType) -> np.ndarray:
    """Read a tensor or a part of one from files of the older format."""
    return _restore_one(file_pattern, tensor_name, _text(shape_and_slice), dt)


@restore_slice.shape
def restore_slice_shape(file_pattern: Shape, tensor_name: Shape, spec: Any) -> Shape:
    with_rank(file_pattern, 0)
    with_rank(tensor_name, 0)
    return None if spec is None else _shape_of(np.asarray(spec, object).reshape(-1)[0])


def _restore_one(file_pattern: Any, tensor_name: Any, spec: str, dtype: DType) -> np.ndarray:
    name = _texts(tensor_name)[0]
    with CheckpointV1Reader(_text(file_pattern)) as reader:
        _refuse_missing(reader, [name])
        _refuse_other_types(reader, [name], [dtype])
        return _read(reader, name, spec)


def _read(reader: CheckpointReader, name: str, spec: str) -> np.ndarray:
    if not spec:
        return reader.read(name)
    shape, part = _part(spec)
    stored = reader.shape(name)
    if shape != stored:
        raise kernel_error(
            f"tensor_name = {name}; shape in shape_and_slice spec {_bracketed(shape)} does not match the shape stored "
            f"in checkpoint: {_bracketed(stored)}"
        )
    return reader.read_slice(name, part)


def _bracketed(shape: tuple[int, ...]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


def _refuse_missing(reader: CheckpointReader, names: list[str]) -> None:
    missing = [name for name in dict.fromkeys(names) if not reader.has(name)]
    if not missing:
        return
    if isinstance(reader, CheckpointV1Reader):
        head = f'Tensor name "{missing[0]}" not found in checkpoint files {reader.prefix}'
    else:
        head = f"Key {missing[0]} not found in checkpoint {reader.prefix}"
    there = reader.names()
    lines = [head, f"  {len(missing)} of {len(names)} tensors to restore are not in it, which has {len(there)}:"]
    for name in missing[:20]:
        near = get_close_matches(name, there, 3, 0.6) or [t for t in there if t.endswith("/" + name.split("/")[-1])][:3]
        lines.append(f"    {name}" + (f" (there are {', '.join(near)})" if near else ""))
    if len(missing) > 20:
        lines.append(f"    and {len(missing) - 20} more")
    extra = sorted(set(there) - set(names))
    if extra:
        lines.append(
            f"  {len(extra)} that it has are not restored: {', '.join(extra[:10])}" + (", ..." if extra[10:] else "")
        )
    raise kernel_error("\n".join(lines), errors.NotFoundError)


def _refuse_other_types(reader: CheckpointReader, names: list[str], kinds: Sequence[DType]) -> None:
    wrong = [(n, k, reader.dtype(n)) for n, k in zip(names, kinds) if reader.dtype(n) is not k._base]
    if wrong:
        lines = [
            f"tensor_name = {name}; expected dtype {_tf_name(wanted)} does not equal original dtype {_tf_name(there)}"
            for name, wanted, there in wrong
        ]
        raise kernel_error("\n".join(lines))


def _tf_name(kind: DType) -> str:
    return {"float32": "float", "float64": "double", "float16": "half"}.get(kind._base.name, kind._base.name)
