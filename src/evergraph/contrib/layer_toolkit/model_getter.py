"""How `tf.layers` layers get their variables inside these functions: as model variables, under slim's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.contrib.layer_toolkit.outputs import get_variable_collections
from evergraph.contrib.model_variables import model_variable
from evergraph.framework.scopes import add_to_collection, get_collection
from evergraph.ops.partitioned import PartitionedVariable
from evergraph.ops.variables import VariableAggregation, VariableSynchronization

WEIGHTS_AND_BIASES = {"bias": "biases", "kernel": "weights"}


def model_variable_getter(rename: dict[str, str] | None = None) -> Callable[..., Any]:
    """A custom getter that makes model variables; `rename` has the short names to change."""

    def getter(
        getter: Callable[..., Any],
        name: str,
        shape: Any = None,
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        trainable: bool = True,
        collections: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        use_resource: bool | None = None,
        synchronization: Any = VariableSynchronization.AUTO,
        aggregation: Any = VariableAggregation.NONE,
        **_: Any,
    ) -> Any:
        scope, slash, last = name.rpartition("/")
        if rename:
            name = scope + slash + rename.get(last, last)
        return model_variable(
            name,
            shape=shape,
            dtype=dtype,
            initializer=initializer,
            regularizer=regularizer,
            collections=collections,
            trainable=trainable,
            caching_device=caching_device,
            partitioner=partitioner,
            custom_getter=getter,
            use_resource=use_resource,
            synchronization=synchronization,
            aggregation=aggregation,
        )

    return getter


def collect_variable(variable: Any, variables_collections: Any, name: str) -> None:
    """Put a layer's variable into the collections that the caller named."""
    parts = list(variable) if isinstance(variable, PartitionedVariable) else [variable]
    for collection in get_variable_collections(variables_collections, name) or []:
        for part in parts:
            if not any(part is known for known in get_collection(collection)):
                add_to_collection(collection, part)
