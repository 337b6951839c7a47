"""Which checkpoints a directory holds: the `checkpoint` file, and finding and removing checkpoints by name."""

from __future__ import annotations

import os
import re
from typing import Any

from evergraph.formats import files, freeing
from evergraph.formats.text import from_text, to_text
from evergraph.framework import convert, errors, log
from evergraph.framework.api import public

V1, V2 = 1, 2


@public("train.generate_checkpoint_state_proto")
def generate_checkpoint_state_proto(
    save_dir: str,
    model_checkpoint_path: str,
    all_model_checkpoint_paths: Any = None,
    all_model_checkpoint_timestamps: Any = None,
    last_preserved_timestamp: float | None = None,
) -> Any:
    """The `CheckpointState` message that a `checkpoint` file holds.

    Args:
        save_dir: the directory; relative paths are made relative to it.
        model_checkpoint_path: the newest checkpoint.
        all_model_checkpoint_paths: all that are kept, oldest first; the newest is added where it is not the last.
        all_model_checkpoint_timestamps: when each was written, in seconds since 1970.
        last_preserved_timestamp: when the last one that is kept for good was written.

    Raises:
        ValueError: if there are timestamps, but not one for each path.
    """
    from evergraph.formats import messages

    # The caller's own list gets the newest one added, as in TensorFlow.
    given = all_model_checkpoint_paths
    paths: list[str] = given if isinstance(given, list) else list(given or ())
    if not paths or paths[-1] != model_checkpoint_path:
        log.info("%s is not in all_model_checkpoint_paths. Manually adding it.", model_checkpoint_path)
        paths.append(model_checkpoint_path)
    if all_model_checkpoint_timestamps and len(all_model_checkpoint_timestamps) != len(paths):
        raise ValueError(
            f"Checkpoint timestamps, if provided, must match checkpoint paths (got paths {paths} and timestamps "
            f"{all_model_checkpoint_timestamps})"
        )
    if not os.path.isabs(save_dir):
        model_checkpoint_path = _relative(model_checkpoint_path, save_dir)
        paths = [_relative(path, save_dir) for path in paths]
    return messages.CheckpointState(
        model_checkpoint_path=model_checkpoint_path,
        all_model_checkpoint_paths=paths,
        all_model_checkpoint_timestamps=all_model_checkpoint_timestamps,
        last_preserved_timestamp=last_preserved_timestamp,
    )


def _relative(path: str, directory: str) -> str:
    return path if os.path.isabs(path) else os.path.relpath(path, directory or ".")


def _state_file(save_dir: Any, latest_filename: str | None) -> str:
    return os.path.join(convert.as_text(save_dir), latest_filename or "checkpoint")


@public("train.update_checkpoint_state")
def update_checkpoint_state(
    save_dir: str,
    model_checkpoint_path: str,
    all_model_checkpoint_paths: Any = None,
    latest_filename: str | None = None,
    all_model_checkpoint_timestamps: Any = None,
    last_preserved_timestamp: float | None = None,
) -> None:
    """Write the `checkpoint` file of a directory; the arguments are those of `generate_checkpoint_state_proto`."""
    write_checkpoint_state(
        save_dir,
        model_checkpoint_path,
        all_model_checkpoint_paths,
        latest_filename,
        False,
        all_model_checkpoint_timestamps,
        last_preserved_timestamp,
    )


def write_checkpoint_state(
    save_dir: str,
    model_checkpoint_path: str,
    all_model_checkpoint_paths: Any = None,
    latest_filename: str | None = None,
    save_relative_paths: bool = False,
    all_model_checkpoint_timestamps: Any = None,
    last_preserved_timestamp: float | None = None,
) -> None:
    """As `update_checkpoint_state`; with `save_relative_paths`, absolute paths become relative too.

    Raises:
        RuntimeError: if the checkpoint has the name of the file.
    """
    path = _state_file(save_dir, latest_filename)
    paths = list(all_model_checkpoint_paths or ())
    if save_relative_paths:
        if os.path.isabs(model_checkpoint_path):
            model_checkpoint_path = os.path.relpath(model_checkpoint_path, save_dir)
        paths = [os.path.relpath(p, save_dir) if os.path.isabs(p) else p for p in paths]
    state = generate_checkpoint_state_proto(
        save_dir, model_checkpoint_path, paths, all_model_checkpoint_timestamps, last_preserved_timestamp
    )
    if path == state.model_checkpoint_path:
        raise RuntimeError(
            f"Save path '{model_checkpoint_path}' conflicts with path used for checkpoint state.  "
            "Please use a different save path."
        )
    files.write_file(path, to_text(state).encode())


# TensorFlow's name of it, which programs call.
update_checkpoint_state_internal = write_checkpoint_state


@public("train.get_checkpoint_state")
def get_checkpoint_state(checkpoint_dir: Any, latest_filename: str | None = None) -> Any:
    """The `CheckpointState` message of a directory, with its paths inside of that directory; None if it has none.

    Raises:
        ValueError: if the file names no checkpoint.
    """
    from evergraph.formats import messages

    path = _state_file(checkpoint_dir, latest_filename)
    if not os.path.exists(files.local(path)):
        return None
    try:
        state = from_text(files.read_file(path), messages.CheckpointState)
    except (ValueError, errors.OpError) as error:
        log.warn("%s: %s", type(error).__name__, error)
        log.warn("%s: Checkpoint ignored", path)
        return None
    directory = convert.as_text(checkpoint_dir)
    if not state.model_checkpoint_path:
        raise ValueError("Invalid checkpoint state loaded from " + directory)
    state.model_checkpoint_path = _inside(directory, state.model_checkpoint_path)
    for i, p in enumerate(state.all_model_checkpoint_paths):
        state.all_model_checkpoint_paths[i] = _inside(directory, p)
    return state


def _inside(directory: str, path: str) -> str:
    return path if os.path.isabs(path) else os.path.join(directory, path)


@public("train.latest_checkpoint")
def latest_checkpoint(checkpoint_dir: Any, latest_filename: str | None = None) -> str | None:
    """The newest checkpoint of a directory, as its `checkpoint` file says; None if there is none.

    >>> saver = tf.train.Saver([tf.Variable(1.0)])
    >>> sess.run(tf.global_variables_initializer())
    >>> saver.save(sess, folder + "/model", global_step=3) == tf.train.latest_checkpoint(folder)
    True
    """
    state = get_checkpoint_state(checkpoint_dir, latest_filename)
    if state and state.model_checkpoint_path:
        if checkpoint_exists(state.model_checkpoint_path):
            return str(state.model_checkpoint_path)
        log.error("Couldn't match files for checkpoint %s", state.model_checkpoint_path)
    return None


@public("train.checkpoint_exists")
def checkpoint_exists(checkpoint_prefix: Any) -> bool:
    """Whether there is a checkpoint of this name, of either format."""
    prefix = convert.as_text(checkpoint_prefix)
    return bool(files.matching(prefix + ".index") or files.matching(prefix))


checkpoint_exists_internal = checkpoint_exists


@public("train.get_checkpoint_mtimes")
def get_checkpoint_mtimes(checkpoint_prefixes: Any) -> list[float]:
    """When the checkpoints were written, in seconds since 1970; those that do not exist are left out."""
    times = []
    for prefix in checkpoint_prefixes:
        found = files.matching(prefix + ".index") or files.matching(prefix)
        if found:
            with files.translated(found[0]):
                times.append(os.stat(found[0]).st_mtime_ns / 1e9)
    return times


@public("train.remove_checkpoint")
def remove_checkpoint(
    checkpoint_prefix: str, checkpoint_format_version: int = V2, meta_graph_suffix: str = "meta"
) -> None:
    """Delete the files of a checkpoint, and its meta graph."""
    _remove(meta_graph_filename(checkpoint_prefix, meta_graph_suffix))
    if checkpoint_format_version == V2:
        _remove(checkpoint_prefix + ".index")
        _remove(checkpoint_prefix + ".data-?????-of-?????")
    else:
        _remove(checkpoint_prefix)


def _remove(pattern: str) -> None:
    for path in files.matching(pattern):
        with files.translated(path):
            freeing.remove(path)


def remove_bundle(prefix: str) -> None:
    """Delete the files of a checkpoint of the newer format."""
    _remove(prefix + ".index")
    _remove(prefix + ".data-?????-of-?????")


def meta_graph_filename(checkpoint_filename: str, meta_graph_suffix: str = "meta") -> str:
    """Where the meta graph of a checkpoint is: beside it, without the number of a shard.

    >>> meta_graph_filename("model-7-?????-of-00002")
    'model-7.meta'
    """
    return re.sub(r"-[\d\?]+-of-\d+$", "", checkpoint_filename) + "." + meta_graph_suffix
