"""Looking into checkpoints, waiting for them, and initializing variables from them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from evergraph.framework import convert, log
from evergraph.framework.api import public
from evergraph.framework.scopes import device
from evergraph.ops.opdef import raw_op
from evergraph.ops.variable_store import variable_store
from evergraph.ops.variables import Variable
from evergraph.training.checkpoint_management import latest_checkpoint
from evergraph.training.checkpoint_reader import CheckpointReader, NewCheckpointReader
from evergraph.training.saveable import op_list_to_dict, saveable_objects_for_op


@public("train.load_checkpoint", "contrib.framework.load_checkpoint")
def load_checkpoint(ckpt_dir_or_file: Any) -> CheckpointReader:
    """Open a checkpoint, or the newest one of a directory, to look into it.

    Raises:
        ValueError: if a directory has no checkpoint.
    """
    filename = checkpoint_in(ckpt_dir_or_file)
    if filename is None:
        raise ValueError(f"Couldn't find 'checkpoint' file or checkpoints in given directory {ckpt_dir_or_file}")
    return NewCheckpointReader(filename)


def checkpoint_in(ckpt_dir_or_file: Any) -> str | None:
    """A checkpoint, or the newest one of a directory."""
    path = convert.as_text(os.fspath(ckpt_dir_or_file))
    return latest_checkpoint(path) if os.path.isdir(path) else path


@public("train.load_variable", "contrib.framework.load_variable")
def load_variable(ckpt_dir_or_file: Any, name: str) -> Any:
    """The value of a variable in a checkpoint, or in the newest one of a directory."""
    return load_checkpoint(ckpt_dir_or_file).get_tensor(name.removesuffix(":0"))


@public("train.list_variables", "contrib.framework.list_variables")
def list_variables(ckpt_dir_or_file: Any) -> list[tuple[str, list[int]]]:
    """(name, shape) of all variables in a checkpoint, or in the newest one of a directory.

    >>> v = tf.Variable([1.0, 2.0], name="v")
    >>> saver = tf.train.Saver()
    >>> sess.run(tf.global_variables_initializer())
    >>> tf.train.list_variables(saver.save(sess, folder + "/model"))
    [('v', [2])]
    """
    return sorted(load_checkpoint(ckpt_dir_or_file).get_variable_to_shape_map().items())


# Waiting


@public("contrib.training.wait_for_new_checkpoint")
def wait_for_new_checkpoint(
    checkpoint_dir: str, last_checkpoint: str | None = None, seconds_to_sleep: float = 1, timeout: float | None = None
) -> str | None:
    """Wait until the newest checkpoint of a directory is another than `last_checkpoint`.

    Returns:
        Its name; None if `timeout` seconds have passed.
    """
    log.info("Waiting for new checkpoint at %s", checkpoint_dir)
    stop_time = None if timeout is None else time.time() + timeout
    while True:
        found = latest_checkpoint(checkpoint_dir)
        if found is not None and found != last_checkpoint:
            log.info("Found new checkpoint at %s", found)
            return found
        if stop_time is not None and time.time() + seconds_to_sleep > stop_time:
            return None
        time.sleep(seconds_to_sleep)


@public("train.checkpoints_iterator", "contrib.training.checkpoints_iterator")
def checkpoints_iterator(
    checkpoint_dir: str,
    min_interval_secs: float = 0,
    timeout: float | None = None,
    timeout_fn: Callable[[], bool] | None = None,
) -> Iterator[str]:
    """Give the newest checkpoint of a directory again and again, each time that there is a new one.

    Args:
        checkpoint_dir: the directory.
        min_interval_secs: how long to wait at least from one to the next.
        timeout: how many seconds to wait for a new one; for ever if None.
        timeout_fn: called when that time has passed; if it gives False, the wait goes on.
    """
    checkpoint = None
    while True:
        new = wait_for_new_checkpoint(checkpoint_dir, checkpoint, timeout=timeout)
        if new is None:
            if timeout_fn is None:
                log.info("Timed-out waiting for a checkpoint.")
                return
            if timeout_fn():
                return
            continue
        start = time.time()
        checkpoint = new
        yield checkpoint
        left = start + min_interval_secs - time.time()
        if left > 0:
            time.sleep(left)


# Initializing


@public("train.init_from_checkpoint", "contrib.framework.init_from_checkpoint")
def init_from_checkpoint(ckpt_dir_or_file: Any, assignment_map: dict[str, Any]) -> None:
    """Make the initializers of variables read a checkpoint.

    Args:
        ckpt_dir_or_file: the checkpoint, or a directory: its newest one.
        assignment_map: name in the checkpoint to variable, list of a variable's parts, or name of a variable; or, with
            a slash at the end, scope in the checkpoint to scope in the graph ("/" is the root).

    Raises:
        ValueError: if something named is not there, or shapes differ.

    >>> v = tf.get_variable("v", initializer=[1.0, 2.0])
    >>> saver = tf.train.Saver()
    >>> sess.run(tf.global_variables_initializer())
    >>> path = saver.save(sess, folder + "/model")
    >>> w = tf.get_variable("w", shape=[2])
    >>> tf.train.init_from_checkpoint(path, {"v": "w"})
    >>> value = sess.run(w.initializer)
    >>> sess.run(w)
    array([1., 2.], dtype=float32)
    """
    path = checkpoint_in(ckpt_dir_or_file)
    shapes = load_checkpoint(ckpt_dir_or_file).get_variable_to_shape_map()
    known = variable_store()._vars
    for saved, wanted in sorted(assignment_map.items(), key=lambda item: item[0]):
        if _is_variable(wanted) or isinstance(wanted, list) and all(_is_variable(v) for v in wanted):
            variable = wanted
        else:
            variable = _found(wanted, known)
        if variable is not None:
            _check(saved, variable, shapes, ckpt_dir_or_file)
            _initialize_from(path, saved, variable)
            names = [v.name for v in (variable if isinstance(variable, list) else [variable])]
            log.debug("Initialize variable %s from checkpoint %s with %s", ",".join(names), ckpt_dir_or_file, saved)
            continue
        for name, full_name in _in_scope(saved, wanted, known):
            if full_name not in shapes:
                scope = wanted.rpartition("/")[0]
                raise ValueError(
                    f"Tensor {full_name} ({name[len(scope) + 1 :]} in {saved}) is not found in {ckpt_dir_or_file} "
                    "checkpoint"
                )
            _initialize_from(path, full_name, _found(name, known))
            log.debug("Initialize variable %s from checkpoint %s with %s", name, ckpt_dir_or_file, full_name)


def _is_variable(value: Any) -> bool:
    return isinstance(value, Variable)


def _found(name: str, known: dict[str, Variable]) -> Any:
    """The variable called `name`, or the list of its parts, or None."""
    if name in known:
        return known[name]
    parts: list[Variable] = []
    while f"{name}/part_{len(parts)}" in known:
        parts.append(known[f"{name}/part_{len(parts)}"])
    return parts or None


def _check(saved: str, variable: Any, shapes: dict[str, list[int]], source: Any) -> None:
    if saved not in shapes:
        raise ValueError(f"Tensor {saved} is not found in {source} checkpoint {shapes}")
    if _is_variable(variable) and not variable.get_shape().is_compatible_with(shapes[saved]):
        raise ValueError(
            f"Shape of variable {variable.name} ({variable.get_shape()}) doesn't match with shape of tensor {saved} "
            f"({shapes[saved]}) from checkpoint reader."
        )


def _in_scope(saved: str, wanted: str, known: dict[str, Variable]) -> list[tuple[str, str]]:
    """(name, name in the checkpoint) of each variable in the scope `wanted`."""
    scope = wanted.rpartition("/")[0]
    if not saved.endswith("/"):
        raise ValueError(
            f"Assignment map with scope only name {scope} should map to scope only {saved}. "
            "Should be 'scope/': 'other_scope/'."
        )
    names = {name.partition("/part_")[0] for name in known if not scope or name.startswith(scope + "/")}
    pairs = []
    for name in sorted(names):
        rest = name[len(scope) :]
        if wanted != "/":
            rest = rest[1:]
        pairs.append((name, (rest if saved == "/" else saved + rest).removesuffix("/")))
    return pairs


def _initialize_from(path: Any, saved: str, variable: Any) -> None:
    if not isinstance(variable, list | tuple):
        setcheckpoint_initializer(variable, path, saved, "")
        return
    whole = None
    for part in variable:
        info = part._save_slice_info
        if whole is None:
            whole = info.full_name
        elif whole != info.full_name:
            raise ValueError(f"Slices must all be from the same tensor: {whole} != {info.full_name}")
        setcheckpoint_initializer(part, path, saved, info.spec)


def setcheckpoint_initializer(
    variable: Any, ckpt_file: Any, tensor_name: str, slice_spec: str, name: str = "checkpoint_initializer"
) -> None:
    """Make the initializer of one variable read `tensor_name`, or the part of it that `slice_spec` says."""
    kind = variable.dtype.base_dtype
    with device(variable.device), device("/cpu:0"):
        restored = raw_op("RestoreV2")(ckpt_file, [tensor_name], [slice_spec], [kind], name=name)[0]
        named = op_list_to_dict([variable])
        saveables = [s for key, op in named.items() for s in saveable_objects_for_op(op, key)]
        assert len(saveables) == 1
    made = saveables[0].restore([restored], restored_shapes=None)
    variable._initializer_op = made
    restored.set_shape(variable.shape)
    variable._initial_value = restored
