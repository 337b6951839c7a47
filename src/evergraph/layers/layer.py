"""The layer: variables made when it is first called, from what its input looks like, and a computation on its inputs.

    __call__ ──► check the inputs ──► open the name scope ──► build(shapes), once ──► call(inputs) ──► losses, masks

`Layer` here is `tf.keras.layers.Layer` as TF 1.15 has it; `ScopedLayer` (scoped_layer.py) is `tf.layers.Layer`, whose
variables live in variable scopes. What belongs to models alone (the history of tensors, metrics) is plugged in by
`keras/` through `connect`.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.framework import dtypes, nest
from evergraph.framework.convert import convert_to_tensor, is_tensor_like
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.layers.dependencies import WithDependencies
from evergraph.layers.input_spec import InputSpec, check_inputs
from evergraph.layers.layer_variables import (
    checked_trainable,
    default_session,
    make_variable,
    reachable_from,
    track_variable,
)
from evergraph.layers.named import constraint_of, initializer_of, regularizer_of
from evergraph.layers.object_names import snake_case, unique_object_name
from evergraph.ops import initializers, math
from evergraph.ops.partitioned import PartitionedVariable
from evergraph.ops.shaping import shape as shape_of
from evergraph.ops.variables import VariableAggregation, VariableSynchronization

OPTIONS = {"input_shape", "batch_input_shape", "batch_size", "weights", "activity_regularizer", "autocast"}

# Called as `connect[0](layer, inputs, outputs, arguments)` when all inputs have a history; gives inputs and outputs.
connect: list[Callable[..., Any]] = []


class _Calls(threading.local):
    """The layers whose `call` is running in this thread, innermost last: `(layer, inputs, training)`."""

    def __init__(self) -> None:
        self.stack: list[tuple[Any, Any, Any]] = []


calls = _Calls()


def default(method: Any) -> Any:
    """Mark a method as one that a subclass has not replaced."""
    method._is_default = True
    return method


class Layer(WithDependencies):
    """What all layers are.

    Args:
        trainable: whether optimizers change its variables.
        name: its name; by default that of its class in snake case, with a number.
        dtype: the type of its variables; by default that of its first input.
        dynamic: not used: everything is built into graphs.
        **kwargs: `input_shape`, `batch_input_shape`, `batch_size`, `weights`, `activity_regularizer`, `autocast`.
    """

    _updates: list[Any]
    _losses: list[Any]
    _callable_losses: list[Any]
    _metrics: list[Any]
    _inbound_nodes: list[Any]
    _call_fn_args: list[str]
    _expects_mask_arg: bool
    _expects_training_arg: bool
    _initial_weights: Any
    _input_spec: Any
    inputs: Any

    def __init__(
        self, trainable: bool = True, name: str | None = None, dtype: Any = None, dynamic: bool = False, **kwargs: Any
    ) -> None:
        for option in kwargs:
            if option not in OPTIONS:
                raise TypeError("Keyword argument not understood:", option)
        self._trainable = trainable
        self.stateful = False
        self.built = False
        self.input_spec = None
        self.supports_masking = False
        self._init_set_name(name)
        self._activity_regularizer = kwargs.pop("activity_regularizer", None)
        for attribute in ("_trainable_weights", "_non_trainable_weights", "_layers"):
            if not hasattr(self, attribute):
                object.__setattr__(self, attribute, [])
        object.__setattr__(self, "_updates", [])
        object.__setattr__(self, "_callable_losses", [])
        object.__setattr__(self, "_losses", [])
        object.__setattr__(self, "_metrics", [])
        object.__setattr__(self, "_inbound_nodes", [])
        object.__setattr__(self, "_outbound_nodes", [])
        self._dtype_name = None if dtype is None else dtypes.as_dtype(dtype).name
        self._autocast = kwargs.get("autocast", False)
        self._dynamic = dynamic
        self._init_call_fn_args()
        if "batch_input_shape" in kwargs:
            object.__setattr__(self, "_batch_input_shape", tuple(kwargs["batch_input_shape"]))
        elif "input_shape" in kwargs:
            shape = (kwargs.get("batch_size"), *kwargs["input_shape"])
            object.__setattr__(self, "_batch_input_shape", shape)
        object.__setattr__(self, "_initial_weights", kwargs.get("weights"))

    # What a subclass defines

    @default
    def build(self, input_shape: Any) -> None:
        """Make the layer's variables, for inputs of the given shape (or structure of shapes)."""
        self.built = True

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The layer's computation on `inputs`."""
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the output, for an input of the given shape."""
        raise NotImplementedError(f"layer {self.name} does not say the shape of its output")

    @default
    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the output, for inputs with the given mask."""
        if not self.supports_masking:
            if any(m is not None for m in nest.flatten(mask)):
                raise TypeError(f"Layer {self.name} does not support masking, but was passed an input_mask: {mask}")
            return None
        return mask

    @default
    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments that make this layer again, without its weights."""
        config = {"name": self.name, "trainable": self.trainable}
        if hasattr(self, "_batch_input_shape"):
            config["batch_input_shape"] = self._batch_input_shape
        config["dtype"] = self.dtype
        if self._dynamic:
            config["dynamic"] = True
        expected = set(inspect.signature(self.__init__).parameters)  # type: ignore[misc]  # of the own class
        if len(expected - {"args", "kwargs"} - set(config)) > 0 and hasattr(self.get_config, "_is_default"):
            raise NotImplementedError("Layers with arguments in `__init__` must override `get_config`.")
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer that `get_config` described."""
        return cls(**config)

    # Names and types

    def _init_set_name(self, name: Any, zero_based: bool = True) -> None:
        self._name = name or unique_object_name(snake_case(type(self).__name__), zero_based=zero_based)

    def _name_scope(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return self._name

    @property
    def dtype(self) -> str | None:
        """The name of the type of the layer's variables; None until it is known."""
        return self._dtype_name

    @property
    def _dtype(self) -> str | None:
        return self._dtype_name

    @_dtype.setter
    def _dtype(self, value: Any) -> None:
        self._dtype_name = dtypes.as_dtype(value).name

    @property
    def _compute_dtype(self) -> str | None:
        return self._dtype_name

    @property
    def dynamic(self) -> bool:
        return self._dynamic

    @property
    def trainable(self) -> bool:
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = value
        for layer in self._layers:
            layer.trainable = value

    @property
    def activity_regularizer(self) -> Any:
        """A function of the layer's output that gives a loss, or None."""
        return self._activity_regularizer

    @activity_regularizer.setter
    def activity_regularizer(self, regularizer: Any) -> None:
        self._activity_regularizer = regularizer

    @property
    def input_spec(self) -> Any:
        """What the layer asks of its inputs."""
        return self._input_spec

    @input_spec.setter
    def input_spec(self, value: Any) -> None:
        for spec in nest.flatten(value):
            if spec is not None and not isinstance(spec, InputSpec):
                raise TypeError(f"Layer input_spec must be an instance of InputSpec. Got: {spec}")
        object.__setattr__(self, "_input_spec", value)

    # Variables

    def add_weight(
        self,
        name: str | None = None,
        shape: Any = None,
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        trainable: bool | None = None,
        constraint: Any = None,
        partitioner: Any = None,
        use_resource: bool | None = None,
        synchronization: Any = VariableSynchronization.AUTO,
        aggregation: Any = VariableAggregation.NONE,
        **kwargs: Any,
    ) -> Any:
        """Make a variable of this layer.

        Args:
            name: its name.
            shape: its shape, scalar by default.
            dtype: its type, the layer's by default, else float32.
            initializer: a function `(shape, dtype)`, or the name of one; Glorot's uniform one (zeros for integers) by
                default.
            regularizer: a function of the variable that gives a loss.
            trainable: whether optimizers change it; True unless `synchronization` is ON_READ.
            constraint: a function from its value after an update to the value to keep.
            partitioner: a function of shape and type that cuts it into parts.
            use_resource: whether it is a resource variable.
            synchronization: when copies on several machines are brought together.
            aggregation: how they are.
            **kwargs: `getter`, the function that makes it, and `collections`, those it joins.

        Raises:
            ValueError: for a type without a default initializer, or a trainable ON_READ variable.
        """
        for key in kwargs:
            if key not in ("getter", "collections", "experimental_autocast"):
                raise TypeError("Unknown keyword argument:", key)
        shape = () if shape is None else shape
        kind = dtypes.as_dtype(dtype or self.dtype or dtypes.float32)
        if self._dtype_name is None:
            self._dtype_name = kind.base_dtype.name
        initializer = initializer_of(initializer)
        regularizer = regularizer_of(regularizer)
        constraint = constraint_of(constraint)
        trainable = checked_trainable(trainable, synchronization)
        if initializer is None:
            if kind.is_floating:
                initializer = initializers.GlorotUniform()
            elif kind.is_integer or kind.is_bool:
                initializer = initializers.Zeros()
            else:
                raise ValueError(
                    f"An initializer for variable {name} of type {kind.base_dtype} is required for layer {self.name}"
                )
        made = kwargs.get("getter", make_variable)(
            name=name,
            shape=shape,
            dtype=kind,
            initializer=initializer,
            constraint=constraint,
            trainable=trainable,
            partitioner=partitioner,
            use_resource=use_resource,
            collections=kwargs.get("collections"),
            synchronization=synchronization,
            aggregation=aggregation,
        )
        self._track_trackable(
            made, made.name.partition(":")[0].rpartition("/")[2] if name is None else name, overwrite=True
        )
        track_variable(made)
        if regularizer is not None:
            self._handle_weight_regularization(made.name.partition(":")[0], made, regularizer)
        (self._trainable_weights if trainable else self._non_trainable_weights).append(made)
        return made

    def add_variable(self, *args: Any, **kwargs: Any) -> Any:
        """An older name of `add_weight`."""
        return self.add_weight(*args, **kwargs)

    def _children(self) -> list[Any]:
        found: list[Any] = []
        for layer in self._layers:
            found += [layer] if hasattr(layer, "losses") else list(getattr(layer, "layers", [layer]))
        return found

    def _gather_children_attribute(self, attribute: str) -> list[Any]:
        return [item for layer in self._children() for item in getattr(layer, attribute)]

    @property
    def trainable_weights(self) -> list[Any]:
        """The variables that optimizers change."""
        if not self.trainable:
            return []
        return self._trainable_weights + self._gather_children_attribute("trainable_weights")

    @property
    def non_trainable_weights(self) -> list[Any]:
        """The variables that optimizers leave alone."""
        if self.trainable:
            return self._non_trainable_weights + self._gather_children_attribute("non_trainable_weights")
        own = self._trainable_weights + self._non_trainable_weights
        return own + self._gather_children_attribute("weights")

    @property
    def weights(self) -> list[Any]:
        """All variables, the trainable ones first."""
        return self.trainable_weights + self.non_trainable_weights

    @property
    def variables(self) -> list[Any]:
        return self.weights

    @property
    def trainable_variables(self) -> list[Any]:
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Any]:
        return self.non_trainable_weights

    def count_params(self) -> int:
        """How many numbers the layer's variables hold."""
        if not self.built:
            raise ValueError(
                f"You tried to call `count_params` on {self.name}, but the layer isn't built. You can build it "
                f"manually via: `{self.name}.build(batch_input_shape)`."
            )
        return int(sum(np.prod(v.shape.as_list()) for v in self.weights))

    def get_weights(self) -> list[np.ndarray]:
        """The values of the layer's variables in the default session."""
        return default_session().run(self.weights)

    def set_weights(self, weights: Any) -> None:
        """Give the layer's variables values in the default session.

        Raises:
            ValueError: if their number or shapes differ.
        """
        variables = self.weights
        if len(variables) != len(weights):
            raise ValueError(
                f'You called `set_weights(weights)` on layer "{self.name}" with a  weight list of length '
                f"{len(weights)}, but the layer was expecting {len(variables)} weights. Provided weights: "
                f"{str(weights)[:50]}..."
            )
        for variable, value in zip(variables, weights, strict=True):
            if not variable.shape.is_compatible_with(np.shape(value)):
                raise ValueError(
                    f"Layer weight shape {variable.shape} not compatible with provided weight shape {np.shape(value)}"
                )
        session = default_session() if variables else None
        for variable, value in zip(variables, weights, strict=True):
            variable.load(value, session)

    # Losses and updates

    @property
    def updates(self) -> list[Any]:
        """The ops that a step of training must run too."""
        if not self.trainable and not self.stateful:
            return []
        return [u() if callable(u) else u for u in self._updates] + self._gather_children_attribute("updates")

    @property
    def losses(self) -> list[Any]:
        """The losses of this layer; those of regularized variables are built when this is asked for."""
        found = list(self._losses)
        found += [loss for loss in (make() for make in self._callable_losses) if loss is not None]
        return found + self._gather_children_attribute("losses")

    def add_loss(self, losses: Any, inputs: Any = None) -> None:
        """Add losses: scalars, or functions that give one.

        Args:
            losses: a loss or several.
            inputs: what they depend on; None for losses that hold for every call.
        """

        def tagged(loss: Any) -> Any:
            loss = loss() if callable(loss) else loss
            if loss is None:
                return None
            if not is_tensor_like(loss):
                loss = convert_to_tensor(loss, dtype=dtypes.float32)
            loss._unconditional_loss = inputs is None
            return loss

        for loss in nest.flatten(losses):
            if callable(loss):
                self._callable_losses.append(functools.partial(tagged, loss))
            elif loss is not None:
                self._losses.append(tagged(loss))

    def add_update(self, updates: Any, inputs: Any = None) -> None:
        """Add ops (or functions that give one) that a step of training must run too."""
        if calls.stack:
            relevant = calls.stack[-1][1]
        else:
            relevant = [node.input_tensors for node in self._inbound_nodes]
        for update in updates if isinstance(updates, list | tuple) else [updates]:
            while callable(update):
                update = update()
            if not isinstance(update, Operation):
                update = update.op if hasattr(update, "op") else convert_to_tensor(update).op
            update._unconditional_update = update not in reachable_from(relevant, [update])
            self._updates.append(update)

    def get_updates_for(self, inputs: Any) -> list[Any]:
        """The updates that depend on `inputs`; for None, those that depend on no input."""
        if inputs is None:
            return [u for u in self.updates if u._unconditional_update]
        updates = [u for u in self.updates if not u._unconditional_update]
        reachable = reachable_from(inputs, updates)
        return [u for u in updates if u in reachable]

    def get_losses_for(self, inputs: Any) -> list[Any]:
        """The losses that depend on `inputs`; for None, those that depend on no input."""
        if inputs is None:
            return [loss for loss in self.losses if loss._unconditional_loss]
        losses = [loss for loss in self.losses if not loss._unconditional_loss]
        reachable = reachable_from(inputs, losses)
        return [loss for loss in losses if loss in reachable]

    def _handle_weight_regularization(self, name: str, variable: Any, regularizer: Any) -> None:
        def loss_of(v: Any) -> Any:
            with name_scope(name + "/Regularizer"):
                return regularizer(v)

        parts = list(variable) if isinstance(variable, PartitionedVariable) else [variable]
        for part in parts:
            self.add_loss(functools.partial(loss_of, part))

    def _handle_activity_regularization(self, inputs: Any, outputs: Any) -> None:
        if not self._activity_regularizer:
            return
        with name_scope("ActivityRegularizer"):
            for output in nest.flatten(outputs):
                loss = self._activity_regularizer(output)
                batch = math.cast(shape_of(output)[0], loss.dtype)
                self.add_loss(loss / batch, inputs=inputs)

    # Calling

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Apply the layer to `inputs`; further arguments go to `call`.

        Raises:
            ValueError: if the inputs are not what the layer asks for, or `call` gives None.
        """
        if any(isinstance(x, np.ndarray | float | int) for x in nest.flatten(inputs)):
            inputs = nest.map_structure(
                lambda x: convert_to_tensor(x) if isinstance(x, np.ndarray | float | int) else x, inputs
            )
        masks = self._collect_input_masks(inputs, args, kwargs)
        passed = set()
        if self._expects_mask_arg and masks is not None and not self._call_arg_was_passed("mask", args, kwargs):
            kwargs["mask"] = masks
            passed.add("mask")
        if self._call_arg_was_passed("training", args, kwargs):
            training = self._get_call_arg_value("training", args, kwargs)
            if not self._expects_training_arg:
                kwargs.pop("training")
        else:
            training = calls.stack[-1][2] if calls.stack else None
            if self._expects_training_arg and training is not None:
                is_symbol = is_tensor_like(training)
                kwargs["training"] = math.cast(training, dtypes.bool) if is_symbol else bool(training)
                passed.add("training")
        calls.stack.append((self, inputs, training))
        try:
            check_inputs(self.input_spec, inputs, self.name)
            with name_scope(self._name_scope()):
                self._maybe_build(inputs)
                outputs = self.call(self._cast_inputs(inputs), *args, **kwargs)
                if outputs is None:
                    raise ValueError(
                        "A layer's `call` method should return a Tensor or a list of Tensors, not None "
                        f"(layer: {self.name})."
                    )
                if connect and nest.flatten(inputs) and all(hasattr(x, "_keras_history") for x in nest.flatten(inputs)):
                    arguments = dict(zip(self._call_fn_args[1:], args, strict=False))
                    arguments.update((key, value) for key, value in kwargs.items() if key not in passed)
                    inputs, outputs = connect[0](self, inputs, outputs, arguments)
                self._handle_activity_regularization(inputs, outputs)
                self._set_mask_metadata(inputs, outputs, masks)
                if hasattr(self, "_set_inputs") and not self.inputs:
                    self._set_inputs(inputs, outputs)
        finally:
            calls.stack.pop()
        return outputs

    def apply(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The same as calling the layer."""
        return self.__call__(inputs, *args, **kwargs)

    def _maybe_build(self, inputs: Any) -> None:
        if not self.built:
            check_inputs(self.input_spec, inputs, self.name)
            tensors = nest.flatten(inputs)
            if tensors and self._dtype_name is None and hasattr(tensors[0], "dtype"):
                self._dtype_name = dtypes.as_dtype(tensors[0].dtype).base_dtype.name
            shapes = None
            if all(hasattr(x, "shape") for x in tensors):
                shapes = nest.map_structure(lambda x: x.shape, inputs)
            if not hasattr(self.build, "_is_default"):
                self.build(shapes)
            self.built = True
        if self._initial_weights is not None:
            self.set_weights(self._initial_weights)
            object.__setattr__(self, "_initial_weights", None)

    def _cast_inputs(self, inputs: Any) -> Any:
        wanted = self._compute_dtype
        if not (self._autocast and wanted and dtypes.as_dtype(wanted).is_floating):
            return inputs

        def converted(x: Any) -> Any:
            is_float = is_tensor_like(x) and x.dtype.is_floating
            return math.cast(x, wanted) if is_float and x.dtype.base_dtype.name != wanted else x

        return nest.map_structure(converted, inputs)

    def _init_call_fn_args(self) -> None:
        parameters = inspect.signature(self.call).parameters.values()
        positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        names = [p.name for p in parameters if p.kind in positional]
        takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
        object.__setattr__(self, "_call_fn_args", names)
        object.__setattr__(self, "_call_accepts_kwargs", takes_any)
        object.__setattr__(self, "_expects_training_arg", "training" in names or takes_any)
        object.__setattr__(self, "_expects_mask_arg", "mask" in names or takes_any)

    def _call_arg_was_passed(self, name: str, args: Any, kwargs: Any, inputs_in_args: bool = False) -> bool:
        names = self._call_fn_args if inputs_in_args else self._call_fn_args[1:]
        return name in kwargs or name in dict(zip(names, args, strict=False))

    def _get_call_arg_value(self, name: str, args: Any, kwargs: Any, inputs_in_args: bool = False) -> Any:
        names = self._call_fn_args if inputs_in_args else self._call_fn_args[1:]
        return kwargs[name] if name in kwargs else dict(zip(names, args, strict=False))[name]

    # Masks

    def _collect_input_masks(self, inputs: Any, args: Any, kwargs: Any) -> Any:
        if self._call_arg_was_passed("mask", args, kwargs):
            return self._get_call_arg_value("mask", args, kwargs)
        masks = nest.map_structure(lambda t: getattr(t, "_keras_mask", None), inputs)
        return None if all(m is None for m in nest.flatten(masks)) else masks

    def _set_mask_metadata(self, inputs: Any, outputs: Any, previous: Any) -> None:
        tensors = nest.flatten(outputs)
        if getattr(self, "_compute_output_and_mask_jointly", False) or (
            tensors and all(getattr(x, "_keras_mask", None) is not None for x in tensors)
        ):
            return
        if self.supports_masking or not hasattr(self.compute_mask, "_is_default"):
            masks = self.compute_mask(inputs, previous)
            flat = [None] * len(tensors) if masks is None else nest.flatten(masks)
        else:
            flat = [None] * len(tensors)
        for tensor, mask in zip(tensors, flat, strict=False):
            if mask is not None or getattr(tensor, "_keras_mask", None) is not None:
                tensor._keras_mask = mask

    # Sublayers and variables are found where they are set as attributes
