"""Variables of models: made with `get_variable`, in the collection `MODEL_VARIABLES`, found again by scope or name."""

from __future__ import annotations

import functools
import re
from typing import Any

from evergraph.contrib.scoped_arguments import add_arg_scope
from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.devices import DeviceSpec
from evergraph.framework.scopes import GraphKeys, add_to_collection, get_collection
from evergraph.framework.scopes import device as device_scope
from evergraph.ops.variable_scope import VariableScope, get_variable, get_variable_scope
from evergraph.ops.variables import Variable, VariableAggregation, VariableSynchronization


def _both(name: str) -> tuple[str, str]:
    return f"contrib.framework.{name}", f"contrib.slim.{name}"


@public(*_both("variable"))
@add_arg_scope
def variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool = True,
    collections: Any = None,
    caching_device: Any = None,
    device: Any = None,
    partitioner: Any = None,
    custom_getter: Any = None,
    use_resource: bool | None = None,
    synchronization: Any = VariableSynchronization.AUTO,
    aggregation: Any = VariableAggregation.NONE,
) -> Any:
    """`tf.get_variable` on a device, once in each of its collections.

    Args:
        device: the device, or a function that chooses one; none by default.
        collections: the collections to join; `[tf.GraphKeys.GLOBAL_VARIABLES]` by default.

    `tf.get_variable` has the other arguments.
    """
    collections = list(dict.fromkeys(collections if collections is not None else [GraphKeys.GLOBAL_VARIABLES]))
    getter = get_variable
    if custom_getter is not None:
        getter = functools.partial(custom_getter, reuse=get_variable_scope().reuse)
    with device_scope(device or ""):
        return getter(
            name,
            shape=shape,
            dtype=dtype,
            initializer=initializer,
            regularizer=regularizer,
            trainable=trainable,
            collections=collections,
            caching_device=caching_device,
            partitioner=partitioner,
            use_resource=use_resource,
            synchronization=synchronization,
            aggregation=aggregation,
        )


@public(*_both("model_variable"))
@add_arg_scope
def model_variable(
    name: str,
    shape: Any = None,
    dtype: Any = dtypes.float32,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool = True,
    collections: Any = None,
    caching_device: Any = None,
    device: Any = None,
    partitioner: Any = None,
    custom_getter: Any = None,
    use_resource: bool | None = None,
    synchronization: Any = VariableSynchronization.AUTO,
    aggregation: Any = VariableAggregation.NONE,
) -> Any:
    """`variable`, also in `GLOBAL_VARIABLES` and `MODEL_VARIABLES`, besides `collections`."""
    return variable(
        name,
        shape=shape,
        dtype=dtype,
        initializer=initializer,
        regularizer=regularizer,
        trainable=trainable,
        collections=[*(collections or []), GraphKeys.GLOBAL_VARIABLES, GraphKeys.MODEL_VARIABLES],
        caching_device=caching_device,
        device=device,
        partitioner=partitioner,
        custom_getter=custom_getter,
        use_resource=use_resource,
        synchronization=synchronization,
        aggregation=aggregation,
    )


def _plain_variable(initial_value: Any, collection: str, validate_shape: bool, name: Any, use_resource: Any) -> Any:
    return Variable(
        initial_value,
        trainable=False,
        collections=[collection],
        validate_shape=validate_shape,
        use_resource=use_resource,
        name=name,
    )


@public(*_both("local_variable"))
def local_variable(
    initial_value: Any, validate_shape: bool = True, name: str | None = None, use_resource: bool | None = None
) -> Any:
    """A variable that is not trained and not saved."""
    return _plain_variable(initial_value, GraphKeys.LOCAL_VARIABLES, validate_shape, name, use_resource)


@public(*_both("global_variable"))
def global_variable(
    initial_value: Any, validate_shape: bool = True, name: str | None = None, use_resource: bool | None = None
) -> Any:
    """A variable that is not trained."""
    return _plain_variable(initial_value, GraphKeys.GLOBAL_VARIABLES, validate_shape, name, use_resource)


@public(*_both("add_model_variable"))
def add_model_variable(var: Any) -> None:
    """Put a variable into `MODEL_VARIABLES`."""
    if not any(var is v for v in get_collection(GraphKeys.MODEL_VARIABLES)):
        add_to_collection(GraphKeys.MODEL_VARIABLES, var)


@public(*_both("get_variables"))
def get_variables(scope: Any = None, suffix: str | None = None, collection: str = GraphKeys.GLOBAL_VARIABLES) -> Any:
    """The variables of a scope, or whose names end with `suffix`.

    Args:
        scope: a scope, or the start of a name (a regular expression).
        suffix: the end of a name.
        collection: the collection to look in.
    """
    if isinstance(scope, VariableScope):
        scope = scope.name
    if suffix is not None:
        suffix = suffix if ":" in suffix else suffix + ":"
        scope = (scope or "") + ".*" + suffix
    return get_collection(collection, scope)


@public(*_both("get_model_variables"))
def get_model_variables(scope: Any = None, suffix: str | None = None) -> Any:
    """`get_variables` among the model's variables."""
    return get_variables(scope, suffix, GraphKeys.MODEL_VARIABLES)


@public(*_both("get_local_variables"))
def get_local_variables(scope: Any = None, suffix: str | None = None) -> Any:
    """`get_variables` among the local variables."""
    return get_variables(scope, suffix, GraphKeys.LOCAL_VARIABLES)


@public(*_both("get_trainable_variables"))
def get_trainable_variables(scope: Any = None, suffix: str | None = None) -> Any:
    """`get_variables` among those that optimizers change."""
    return get_variables(scope, suffix, GraphKeys.TRAINABLE_VARIABLES)


@public(*_both("get_variables_to_restore"))
def get_variables_to_restore(include: Any = None, exclude: Any = None) -> list[Any]:
    """The variables of the scopes in `include` (all by default) that are not of those in `exclude`.

    Raises:
        TypeError: if one is neither None nor a list or tuple.
    """
    for name, scopes in (("include", include), ("exclude", exclude)):
        if scopes is not None and not isinstance(scopes, list | tuple):
            raise TypeError(f"{name} is provided but is not a list or a tuple.")
    wanted = get_variables() if include is None else [v for scope in include for v in get_variables(scope)]
    unwanted = {v for scope in exclude or () for v in get_variables(scope)}
    return [v for v in wanted if v not in unwanted]


@public(*_both("get_variables_by_suffix"))
def get_variables_by_suffix(suffix: str, scope: Any = None) -> Any:
    """The variables whose names end with `suffix`."""
    return get_variables(scope=scope, suffix=suffix)


@public(*_both("get_variables_by_name"))
def get_variables_by_name(given_name: str, scope: Any = None) -> Any:
    """The variables whose name, without the scopes before it, is `given_name`."""
    return get_variables(scope=scope, suffix=f"/{given_name}:|^{given_name}:")


@public(*_both("get_unique_variable"))
def get_unique_variable(var_op_name: str) -> Any:
    """The variable of that full name.

    Raises:
        ValueError: if there is none.
    """
    candidates = get_variables(scope=var_op_name)
    if not candidates:
        raise ValueError(f"Couldn't find variable {var_op_name}")
    for candidate in candidates:
        if candidate.op.name == var_op_name:
            return candidate
    raise ValueError(f"Variable {var_op_name} does not uniquely identify a variable")


@public(*_both("get_variable_full_name"))
def get_variable_full_name(var: Any) -> str:
    """A variable's name in a checkpoint: for a part of a larger one, the larger one's."""
    return var._save_slice_info.full_name if var._save_slice_info else var.op.name


@public(*_both("filter_variables"))
def filter_variables(
    var_list: Any, include_patterns: Any = None, exclude_patterns: Any = None, reg_search: bool = True
) -> list[Any]:
    """The variables whose names fit a pattern of `include_patterns` and none of `exclude_patterns`.

    Args:
        var_list: variables.
        include_patterns: regular expressions; all by default.
        exclude_patterns: regular expressions; none by default.
        reg_search: whether a pattern may fit anywhere in the name, or at its start only.
    """
    fits = re.search if reg_search else re.match
    found = list(var_list)
    if include_patterns is not None:
        found = [v for v in found if any(fits(pattern, v.name) for pattern in include_patterns)]
    if exclude_patterns is not None:
        found = [v for v in found if not any(fits(pattern, v.name) for pattern in exclude_patterns)]
    return found


@public(*_both("VariableDeviceChooser"))
class VariableDeviceChooser:
    """A device function that places variables on parameter servers in turn.

    Args:
        num_tasks: how many servers there are; none by default.
        job_name: their job.
        device_type: "CPU" or "GPU".
        device_index: the number of the device.
        replica: the number of the replica.
    """

    def __init__(
        self,
        num_tasks: int = 0,
        job_name: str = "ps",
        device_type: str = "CPU",
        device_index: int = 0,
        replica: int | None = None,
    ) -> None:
        self._job_name = job_name
        self._device_type = device_type
        self._device_index = device_index
        self._replica = replica
        self._num_tasks = num_tasks
        self._next_task_id = 0

    def __call__(self, op: Any) -> str:
        job = task = None
        if self._num_tasks > 0:
            job, task = self._job_name, self._next_task_id
            self._next_task_id = (self._next_task_id + 1) % self._num_tasks
        return DeviceSpec(
            job=job, task=task, replica=self._replica, device_type=self._device_type, device_index=self._device_index
        ).to_string()
