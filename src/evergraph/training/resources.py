"""Resources that are made by an op of their own and can be asked whether they are there, by collection."""

from __future__ import annotations

import os
from collections import namedtuple
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.scopes import GraphKeys, add_to_collection, device, get_collection, name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import math
from evergraph.ops.constant import constant
from evergraph.ops.grouping import group, no_op
from evergraph.ops.opdef import raw_op
from evergraph.ops.selecting import boolean_mask

Resource = namedtuple("Resource", ("handle", "create", "is_initialized"))


def register_resource(handle: Any, create_op: Any, is_initialized_op: Any, is_shared: bool = True) -> None:
    """Have the default initialisers make the resource `handle` with `create_op`."""
    key = GraphKeys.RESOURCES if is_shared else GraphKeys.LOCAL_RESOURCES
    add_to_collection(key, Resource(handle, create_op, is_initialized_op))


def shared_resources() -> list[Any]:
    """The resources that all sessions on a server share."""
    return get_collection(GraphKeys.RESOURCES)


def local_resources() -> list[Any]:
    """The resources of one worker."""
    return get_collection(GraphKeys.LOCAL_RESOURCES)


def report_uninitialized_resources(
    resource_list: list[Any] | None = None, name: str = "report_uninitialized_resources"
) -> Tensor:
    """The names of the resources that are not made yet, by default among all of the graph."""
    if resource_list is None:
        resource_list = shared_resources() + local_resources()
    with name_scope(name), device(os.environ.get("TF_DEVICE_FOR_UNINITIALIZED_VARIABLE_REPORTING", "/cpu:0")):
        if not resource_list:
            return constant([], dtype=dtypes.string)
        missing = math.logical_not(raw_op("Pack")([r.is_initialized for r in resource_list]))
        return boolean_mask(constant([r.handle.name for r in resource_list]), missing)


def initialize_resources(resource_list: list[Any], name: str = "init") -> Any:
    """The op that makes all of `resource_list`."""
    return group(*(r.create for r in resource_list), name=name) if resource_list else no_op(name=name)
