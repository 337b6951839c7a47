"""Give variables values that come from outside: arrays, or a checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from evergraph.contrib.model_variables import get_variable_full_name
from evergraph.framework.api import public
from evergraph.framework.scopes import GraphKeys, get_collection
from evergraph.ops.grouping import group
from evergraph.ops.identity import placeholder

_log = logging.getLogger("tensorflow")


def _both(name: str) -> tuple[str, str]:
    return f"contrib.framework.{name}", f"contrib.slim.{name}"


def _assignment(variable: Any) -> tuple[Any, Any]:
    """A placeholder for a variable's value, and the op that assigns it."""
    value = placeholder(dtype=variable.dtype.base_dtype, shape=variable.shape, name="placeholder/" + variable.op.name)
    return value, variable.assign(value)


@public(*_both("assign_from_values"))
def assign_from_values(var_names_to_values: Any) -> tuple[Any, dict[Any, Any]]:
    """The op that assigns arrays to variables by name, and what to feed it.

    Raises:
        ValueError: if there is no such variable, or several.
    """
    feeds, assigns = {}, []
    for name, value in var_names_to_values.items():
        found = get_collection(GraphKeys.GLOBAL_VARIABLES, name)
        if not found:
            raise ValueError(f"Variable {name} wasn't found")
        if len(found) > 1:
            found = [v for v in found if v.op.name == name]
            if not found:
                raise ValueError(f"Variable {name} doesn't uniquely identify a variable")
        variable = found[0]
        fed, assign = _assignment(variable)
        assigns.append(assign)
        feeds[fed] = value.reshape(variable.shape.as_list())
    return group(*assigns), feeds


@public(*_both("assign_from_values_fn"))
def assign_from_values_fn(var_names_to_values: Any) -> Callable[[Any], Any]:
    """A function of a session that assigns arrays to variables by name."""
    assign, feeds = assign_from_values(var_names_to_values)
    return lambda session: session.run(assign, feeds)


def _reader(model_path: str) -> Any:
    from evergraph.training.checkpoint_reader import NewCheckpointReader

    return NewCheckpointReader(model_path)


@public(*_both("assign_from_checkpoint"))
def assign_from_checkpoint(
    model_path: str, var_list: Any, ignore_missing_vars: bool = False
) -> tuple[Any, dict[Any, Any]]:
    """The op that assigns a checkpoint's values to variables, and what to feed it.

    Args:
        model_path: the checkpoint.
        var_list: variables, or names in the checkpoint to variables (or lists of parts of one).
        ignore_missing_vars: leave out variables that the checkpoint lacks.

    Raises:
        ValueError: if the checkpoint lacks a variable, or has another shape.
    """
    by_name: dict[str, list[Any]] = {}
    if isinstance(var_list, list | tuple):
        for variable in var_list:
            by_name.setdefault(get_variable_full_name(variable), []).append(variable)
    else:
        by_name = {name: list(v) if isinstance(v, list | tuple) else [v] for name, v in var_list.items()}
    reader = _reader(model_path)
    feeds, assigns = {}, []
    for name, variables in by_name.items():
        if not reader.has_tensor(name):
            message = f"Checkpoint is missing variable [{name}]"
            if not ignore_missing_vars:
                raise ValueError(message)
            _log.warning(message)
            continue
        value = reader.get_tensor(name)
        for variable in variables:
            fed, assign = _assignment(variable)
            assigns.append(assign)
            part = variable._save_slice_info
            if part:
                where = tuple(slice(i, i + n) for i, n in zip(part.var_offset, part.var_shape, strict=True))
                feeds[fed] = value[where].reshape(part.var_shape)
            else:
                if tuple(variable.shape.as_list()) != value.shape:
                    raise ValueError(
                        f"Total size of new array must be unchanged for {name} lh_shape: [{value.shape}], "
                        f"rh_shape: [{variable.shape}]"
                    )
                feeds[fed] = value
    return group(*assigns), feeds


@public(*_both("assign_from_checkpoint_fn"))
def assign_from_checkpoint_fn(
    model_path: str, var_list: Any, ignore_missing_vars: bool = False, reshape_variables: bool = False
) -> Callable[[Any], None] | None:
    """A function of a session that restores variables from a checkpoint; None if there is nothing to restore.

    Args:
        model_path: the checkpoint.
        var_list: variables, or names in the checkpoint to variables.
        ignore_missing_vars: leave out variables that the checkpoint lacks.
        reshape_variables: accept another shape of the same size.

    Raises:
        ValueError: if `var_list` is empty.
    """
    if not var_list:
        raise ValueError("var_list cannot be empty")
    if ignore_missing_vars:
        reader = _reader(model_path)
        named = var_list if isinstance(var_list, dict) else {v.op.name: v for v in var_list}
        for name in named:
            if not reader.has_tensor(name):
                _log.warning("Variable %s missing in checkpoint %s", name, model_path)
        var_list = {name: v for name, v in named.items() if reader.has_tensor(name)}
    if not var_list:
        _log.warning("No Variables to restore")
        return None
    from evergraph.training.saver import Saver

    saver = Saver(var_list, reshape=reshape_variables, write_version=1)
    return lambda session: saver.restore(session, model_path)
