"""`tf.layers.Layer`: a layer whose variables live in variable scopes, and whose losses and updates join collections.

The scope is settled when the layer is first used: the one it was given, or its name made unique in the variable scope
around. Variables are got with `get_variable` inside it, so they are shared as the scopes say.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from evergraph.framework import dtypes, nest
from evergraph.framework.api import public
from evergraph.framework.scopes import GraphKeys, get_collection_ref, name_scope
from evergraph.framework.tensor import Tensor
from evergraph.layers.layer import Layer
from evergraph.layers.layer_variables import checked_trainable
from evergraph.layers.object_names import snake_case, unique_object_name
from evergraph.ops.partitioned import PartitionedVariable
from evergraph.ops.variable_scope import VariableScope, get_variable, variable_scope
from evergraph.ops.variables import (
    VariableAggregation,
    VariableSynchronization,
    global_variables,
    trainable_variables,
)

_keras_style = [False]


@public("layers.experimental.keras_style_scope")
@contextmanager
def keras_style_scope() -> Iterator[None]:
    """Layers and cells made inside keep their variables themselves, as Keras's do, outside variable scopes."""
    before = _keras_style[0]
    _keras_style[0] = True
    try:
        yield
    finally:
        _keras_style[0] = before


@public("layers.experimental.set_keras_style")
def set_keras_style() -> None:
    """From now on, layers and cells keep their variables themselves, as Keras's do."""
    _keras_style[0] = True


@public("layers.Layer")
class ScopedLayer(Layer):
    """What all layers of `tf.layers` are.

    Args:
        trainable: whether optimizers change its variables.
        name: its name, and that of its variable scope, made unique; by default its class's in snake case.
        dtype: the type of its variables; by default that of its first input.
        **kwargs: options of `tf.keras.layers.Layer`; `_scope`, the variable scope to use; `_reuse`, whether to reuse
            the variables there.
    """

    _tracks_attributes = False

    def __init__(self, trainable: bool = True, name: Any = None, dtype: Any = None, **kwargs: Any) -> None:
        self._use_resource_variables = False
        scope = kwargs.pop("_scope", None)
        self._reuse = kwargs.pop("_reuse", None)
        self._trainable_weights: list[Any] = []
        self.built = False
        kwargs.setdefault("autocast", False)
        super().__init__(trainable=trainable, name=name, dtype=dtype, **kwargs)
        self._keras_style = _keras_style[0]
        if self._keras_style:
            for argument, value in (("scope", scope), ("reuse", self._reuse)):
                if value is not None:
                    raise ValueError(
                        f"{argument} argument not allowed when keras style layers are enabled, but saw: {value}"
                    )
        self._scope: VariableScope | None = None
        self._current_scope: Any = None
        if scope:
            with variable_scope(scope) as captured:
                self._scope = captured

    @property
    def graph(self) -> None:
        """None: a layer belongs to no graph."""
        return

    def _init_set_name(self, name: Any, zero_based: bool = True) -> None:
        base = snake_case(type(self).__name__)
        if not name:
            self._name, self._base_name = unique_object_name(base), base
        elif isinstance(name, VariableScope):
            self._name, self._base_name = unique_object_name(base), name.name
        else:
            self._name = self._base_name = name

    def _make_unique_name(
        self, name_uid_map: Any = None, avoid_names: Any = None, namespace: str = "", zero_based: bool = False
    ) -> tuple[str, str]:
        base = snake_case(type(self).__name__)
        return unique_object_name(base, name_uid_map, avoid_names, namespace, zero_based), base

    @property
    def scope_name(self) -> str:
        """The name of the layer's variable scope.

        Raises:
            ValueError: before the layer is first called.
        """
        if not self._scope:
            raise ValueError(
                f'No name available for layer scope because the layer "{self._name}" has not been used yet. The scope '
                "name is determined the first time the layer instance is called. You must therefore call the layer "
                "before querying `scope_name`."
            )
        return self._scope.name

    def add_loss(self, losses: Any, inputs: Any = None) -> None:
        """Add losses, and put them into the graph's collection of regularization losses."""
        known, known_functions = len(self._losses), len(self._callable_losses)
        super().add_loss(losses, inputs=inputs)
        new = self._losses[known:]
        new += [loss for loss in (make() for make in self._callable_losses[known_functions:]) if loss is not None]
        _add_to_collection(new, GraphKeys.REGULARIZATION_LOSSES)

    def _name_scope(self) -> str:
        return super()._name_scope() if self._keras_style else self._current_scope.original_name_scope

    def _set_scope(self, scope: Any = None) -> None:
        if self._scope is not None:
            return
        if self._reuse:
            opened = variable_scope(self._base_name if scope is None else scope)
        else:
            opened = variable_scope(scope, default_name=self._base_name)
        with opened as captured:
            self._scope = captured

    def add_weight(  # type: ignore[override]  # other arguments, as in TF
        self,
        name: str,
        shape: Any,
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        trainable: bool | None = None,
        constraint: Any = None,
        use_resource: bool | None = None,
        synchronization: Any = VariableSynchronization.AUTO,
        aggregation: Any = VariableAggregation.NONE,
        partitioner: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Get a variable in the layer's scope: a new one, or the one that is there.

        Args:
            name: its name in the scope.
            shape: its shape.
            dtype: its type, the layer's by default.
            initializer: a function `(shape, dtype)`; by default the scope's, else Glorot's uniform one.
            regularizer: a function of the variable that gives a loss.
            trainable: whether optimizers change it; True by default.
            constraint: a function from its value after an update to the value to keep.
            use_resource: whether it is a resource variable.
            synchronization: when copies on several machines are brought together.
            aggregation: how they are.
            partitioner: a function of shape and type that cuts it into parts.
            **kwargs: none that has an effect.
        """
        for key in kwargs:
            if key != "experimental_autocast":
                raise TypeError("Unknown keyword argument:", key)
        if self._keras_style:
            return super().add_weight(
                name=name,
                shape=shape,
                dtype=dtype,
                initializer=initializer,
                regularizer=regularizer,
                trainable=trainable and self.trainable,
                constraint=constraint,
                use_resource=use_resource,
                partitioner=partitioner,
                **kwargs,
            )
        trainable = checked_trainable(trainable, synchronization)
        existing = set(global_variables()) if regularizer else set()
        self._set_scope(None)
        known = len(self._trainable_weights)
        assert self._scope is not None
        with variable_scope(self._scope, reuse=self.built or self._reuse, auxiliary_name_scope=False) as scope:
            self._current_scope = scope
            with name_scope(self._name_scope()):
                made = super().add_weight(
                    name,
                    shape,
                    dtype=dtypes.as_dtype(dtype or self.dtype or dtypes.float32),
                    initializer=scope.initializer if initializer is None else initializer,
                    trainable=trainable and self.trainable,
                    constraint=constraint,
                    partitioner=partitioner,
                    use_resource=use_resource or self._use_resource_variables or scope.use_resource,
                    synchronization=synchronization,
                    aggregation=aggregation,
                    getter=get_variable,
                    **kwargs,
                )
                parts = list(made) if isinstance(made, PartitionedVariable) else [made]
                if regularizer and not any(part in existing for part in parts):
                    self._handle_weight_regularization(name, made, regularizer)
                if trainable and self.trainable and made not in trainable_variables():
                    # A custom getter made it one that is not trained.
                    extra = self._trainable_weights[known:]
                    self._trainable_weights = self._trainable_weights[:known]
                    self._non_trainable_weights += extra
        return made

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Apply the layer to `inputs`. `scope=` names its variable scope, if it has none yet."""
        scope = kwargs.pop("scope", None)
        if self._keras_style:
            if scope is not None:
                raise ValueError(f"scope argument not allowed when keras style layers are enabled, but saw: {scope}")
            return super().__call__(inputs, *args, **kwargs)
        self._set_scope(scope)
        if self.built:
            if not hasattr(self, "_always_reuse_variable_scope"):
                self._always_reuse_variable_scope = variable_scope(self._scope, reuse=True, auxiliary_name_scope=False)
            opened = self._always_reuse_variable_scope
        else:
            opened = variable_scope(self._scope, reuse=self._reuse, auxiliary_name_scope=False)
        with opened as entered:
            self._current_scope = entered
            if not hasattr(self, "_call_has_scope_arg"):
                self._call_has_scope_arg = "scope" in inspect.signature(self.call).parameters
                self._init_call_fn_args()
            if self._call_has_scope_arg:
                kwargs["scope"] = entered
            outputs = super().__call__(inputs, *args, **kwargs)
        _add_to_collection(self.updates, GraphKeys.UPDATE_OPS)
        return outputs

    def __deepcopy__(self, memo: Any) -> Any:
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        for key, value in self.__dict__.items():
            if key in ("_scope", "_always_reuse_variable_scope"):
                value = copy.copy(value)
            elif not _holds_tensors(value):
                value = copy.deepcopy(value, memo)
            object.__setattr__(made, key, value)
        return made

    @property
    def _is_legacy_layer(self) -> bool:
        return True


def _holds_tensors(value: Any) -> bool:
    try:
        flat = nest.flatten(value)
    except (TypeError, ValueError):
        return False
    return bool(flat) and isinstance(flat[0], Tensor)


def _add_to_collection(elements: Any, name: str) -> None:
    """Put into a collection of the default graph what is not in it yet."""
    collection = get_collection_ref(name)
    elements = nest.flatten(elements)
    known = {id(item) for item in collection} if elements else set()
    for element in elements:
        if id(element) not in known:
            collection.append(element)
            known.add(id(element))
