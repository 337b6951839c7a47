"""Batch normalization as a function, in three forms: through `tf.layers`, as one fused op, or in pieces."""

from __future__ import annotations

from typing import Any

from evergraph.contrib.layer_toolkit.convolutions import IMAGES, check_layout
from evergraph.contrib.layer_toolkit.model_getter import collect_variable, model_variable_getter
from evergraph.contrib.layer_toolkit.names import both
from evergraph.contrib.layer_toolkit.normalizations import scale_or_shift
from evergraph.contrib.layer_toolkit.outputs import (
    collect_named_outputs,
    constant_value,
    get_variable_collections,
    smart_cond,
)
from evergraph.contrib.model_variables import model_variable
from evergraph.contrib.scoped_arguments import add_arg_scope
from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import GraphKeys, add_to_collections, control_dependencies
from evergraph.layers.scoped_core import BatchNormalization
from evergraph.ops import array
from evergraph.ops.constant import constant
from evergraph.ops.initializers import Ones, Zeros
from evergraph.ops.normalization import batch_normalization, fused_batch_norm, moments, weighted_moments
from evergraph.ops.variable_scope import get_variable_scope, variable_scope
from evergraph.training.moving_averages import assign_moving_average


@public(*both("batch_norm"), "contrib.layers.python.layers.batch_norm")
@add_arg_scope
def batch_norm(
    inputs: Any,
    decay: float = 0.999,
    center: bool = True,
    scale: bool = False,
    epsilon: float = 0.001,
    activation_fn: Any = None,
    param_initializers: Any = None,
    param_regularizers: Any = None,
    updates_collections: Any = GraphKeys.UPDATE_OPS,
    is_training: Any = True,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    batch_weights: Any = None,
    fused: bool | None = None,
    data_format: str = "NHWC",
    zero_debias_moving_mean: bool = False,
    scope: Any = None,
    renorm: bool = False,
    renorm_clipping: Any = None,
    renorm_decay: Any = 0.99,
    adjustment: Any = None,
) -> Any:
    """Normalize each channel over the batch in training, and by moving averages otherwise.

    Args:
        inputs: floats, channels last, or second for "NCHW".
        decay: of the moving averages.
        center: whether there is a shift, `beta`.
        scale: whether there is a scale, `gamma`.
        epsilon: added to the variance.
        activation_fn: a function of the outputs.
        param_initializers: what the variables start with, by name.
        param_regularizers: functions of `beta` and `gamma` that give a loss, by name.
        updates_collections: collections for the ops that update the averages; None to run them with the outputs.
        is_training: a bool, or a bool scalar.
        reuse: as in `tf.variable_scope`.
        variables_collections: collections for the variables, or a dictionary of such by name.
        outputs_collections: collections for the outputs.
        trainable: whether optimizers change the variables.
        batch_weights: how much each example counts.
        fused: whether to use one fused op where that is possible; it is by default.
        data_format: "NHWC" or "NCHW".
        zero_debias_moving_mean: make up for the moving mean having started with zeros.
        scope: the variable scope.
        renorm, renorm_clipping, renorm_decay, adjustment: as for `tf.layers.batch_normalization`.

    Raises:
        ValueError: if the arguments do not fit.
    """
    fused = True if fused is None else fused
    inputs = convert_to_tensor(inputs)
    rank = inputs.shape.rank
    is_usual = updates_collections is GraphKeys.UPDATE_OPS or updates_collections == GraphKeys.UPDATE_OPS
    can_fuse = batch_weights is None and not renorm and rank in (2, 4) and adjustment is None
    if fused and can_fuse and (zero_debias_moving_mean or rank == 2 or not is_usual):
        return _fused(
            inputs, decay, center, scale, epsilon, activation_fn, param_initializers, param_regularizers,
            updates_collections, is_training, reuse, variables_collections, outputs_collections, trainable, data_format,
            zero_debias_moving_mean, scope,
        )  # fmt: skip
    check_layout(data_format, IMAGES)
    with variable_scope(scope, "BatchNorm", [inputs], reuse=reuse, custom_getter=model_variable_getter()) as sc:
        inputs = convert_to_tensor(inputs)
        initializers = param_initializers or {}
        regularizers = param_regularizers or {}
        if batch_weights is None and is_usual and not zero_debias_moving_mean:
            layer = BatchNormalization(
                axis=1 if data_format == "NCHW" else -1,
                momentum=decay,
                epsilon=epsilon,
                center=center,
                scale=scale,
                beta_initializer=initializers.get("beta", Zeros()),
                gamma_initializer=initializers.get("gamma", Ones()),
                moving_mean_initializer=initializers.get("moving_mean", Zeros()),
                moving_variance_initializer=initializers.get("moving_variance", Ones()),
                beta_regularizer=regularizers.get("beta"),
                gamma_regularizer=regularizers.get("gamma"),
                trainable=trainable,
                renorm=renorm,
                renorm_clipping=renorm_clipping,
                renorm_momentum=renorm_decay,
                adjustment=adjustment,
                name=sc.name,
                _scope=sc,
                _reuse=reuse,
                fused=fused,
            )
            outputs = layer.apply(inputs, training=is_training)
            for name in ("moving_mean", "moving_variance", "beta", "gamma"):
                if getattr(layer, name) is not None:
                    collect_variable(getattr(layer, name), variables_collections, name)
            return _activated(outputs, activation_fn, outputs_collections, sc)
        if renorm:
            raise ValueError(
                "renorm is not supported with batch_weights, updates_collections or zero_debias_moving_mean"
            )
        if rank is None:
            raise ValueError(f"Inputs {inputs.name} has undefined rank.")
        outputs = _in_pieces(
            inputs, decay, center, scale, epsilon, initializers, updates_collections, is_training,
            variables_collections, trainable, batch_weights, data_format, zero_debias_moving_mean,
        )  # fmt: skip
        return _activated(outputs, activation_fn, outputs_collections, sc)


def _activated(outputs: Any, activation_fn: Any, outputs_collections: Any, scope: Any) -> Any:
    if activation_fn is not None:
        outputs = activation_fn(outputs)
    return collect_named_outputs(outputs_collections, scope.name, outputs)


def _averages(shape: Any, dtype: Any, initializers: Any, variables_collections: Any) -> tuple[Any, Any]:
    """The moving mean and variance: never cut into parts."""
    with variable_scope(get_variable_scope()) as local_scope:
        local_scope.set_partitioner(None)

        def average(name: str, default: Any) -> Any:
            return model_variable(
                name,
                shape=shape,
                dtype=dtype,
                initializer=initializers.get(name, default),
                trainable=False,
                collections=get_variable_collections(variables_collections, name),
            )

        return average("moving_mean", Zeros()), average("moving_variance", Ones())


def _updates(
    moving_mean: Any, mean: Any, moving_variance: Any, variance: Any, decay: Any, zero_debias: bool
) -> tuple[Any, Any]:
    new_mean = assign_moving_average(moving_mean, mean, decay, zero_debias=zero_debias)
    return new_mean, assign_moving_average(moving_variance, variance, decay, zero_debias=False)


def _fused(
    inputs: Any,
    decay: Any,
    center: bool,
    scale: bool,
    epsilon: float,
    activation_fn: Any,
    param_initializers: Any,
    param_regularizers: Any,
    updates_collections: Any,
    is_training: Any,
    reuse: Any,
    variables_collections: Any,
    outputs_collections: Any,
    trainable: bool,
    data_format: str,
    zero_debias: bool,
    scope: Any,
) -> Any:
    check_layout(data_format, IMAGES)
    with variable_scope(scope, "BatchNorm", [inputs], reuse=reuse) as sc:
        inputs = original = convert_to_tensor(inputs)
        is_matrix = inputs.shape.rank == 2
        if is_matrix:
            channels = inputs.shape.as_list()[-1]
            if channels is None:
                raise ValueError("`C` dimension must be known but is None")
            inputs = array.reshape(inputs, [-1, channels, 1, 1] if data_format == "NCHW" else [-1, 1, 1, channels])
        sizes = inputs.shape
        shape = sizes[-1:] if data_format == "NHWC" else sizes[1:2]
        if not shape.is_fully_defined():
            raise ValueError(f"Inputs {inputs.name} has undefined `C` dimension {shape}.")
        initializers = param_initializers or {}
        regularizers = param_regularizers or {}

        def parameter(name: str, wanted: bool, value: float) -> Any:
            if not wanted:
                return constant(value, dtype=dtypes.float32, shape=shape)
            return scale_or_shift(
                name, shape, dtypes.float32, initializers, variables_collections, trainable,
                regularizer=regularizers.get(name),
            )  # fmt: skip

        beta = parameter("beta", center, 0.0)
        gamma = parameter("gamma", scale, 1.0)
        moving_mean, moving_variance = _averages(shape, dtypes.float32, initializers, variables_collections)

        def in_training() -> Any:
            return fused_batch_norm(inputs, gamma, beta, epsilon=epsilon, data_format=data_format)

        def in_inference() -> Any:
            return fused_batch_norm(
                inputs,
                gamma,
                beta,
                mean=moving_mean,
                variance=moving_variance,
                epsilon=epsilon,
                is_training=False,
                data_format=data_format,
            )

        outputs, mean, variance = smart_cond(is_training, in_training, in_inference)
        known = constant_value(is_training)
        if known is None or known:
            if updates_collections is None:
                plain = outputs

                def updated() -> Any:
                    updates = _updates(moving_mean, mean, moving_variance, variance, decay, zero_debias)
                    with control_dependencies(list(updates)):
                        return array.identity(plain)

                outputs = smart_cond(is_training, updated, lambda: plain)
            else:
                updates = smart_cond(
                    is_training,
                    lambda: _updates(moving_mean, mean, moving_variance, variance, decay, zero_debias),
                    lambda: (moving_mean, moving_variance),
                )
                for update in updates:
                    add_to_collections(updates_collections, update)
        outputs.set_shape(sizes)
        if is_matrix:
            outputs = array.reshape(outputs, array.shape(original))
        return _activated(outputs, activation_fn, outputs_collections, sc)


def _in_pieces(
    inputs: Any,
    decay: Any,
    center: bool,
    scale: bool,
    epsilon: float,
    initializers: Any,
    updates_collections: Any,
    is_training: Any,
    variables_collections: Any,
    trainable: bool,
    batch_weights: Any,
    data_format: str,
    zero_debias: bool,
) -> Any:
    sizes = inputs.shape
    rank = sizes.rank
    dtype = inputs.dtype.base_dtype
    if batch_weights is not None:
        batch_weights = convert_to_tensor(batch_weights)
        sizes[0:1].assert_is_compatible_with(batch_weights.shape)
        batch_weights = array.reshape(batch_weights, [-1, *[1] * (rank - 1)])
    first = data_format == "NCHW"
    axes = [0, *range(2, rank)] if first else list(range(rank - 1))
    shape = sizes[1:2] if first else sizes[-1:]
    if not shape.is_fully_defined():
        raise ValueError(f"Inputs {inputs.name} has undefined channels dimension {shape}.")
    beta = gamma = None
    if center:
        beta = scale_or_shift("beta", shape, dtype, initializers, variables_collections, trainable)
    if scale:
        gamma = scale_or_shift("gamma", shape, dtype, initializers, variables_collections, trainable)
    moving_mean, moving_variance = _averages(shape, dtype, initializers, variables_collections)
    known = constant_value(is_training)
    if known is None or known:
        if batch_weights is None:
            found = moments(inputs, axes, keep_dims=True) if first else moments(inputs, axes)
        elif first:
            found = weighted_moments(inputs, axes, batch_weights, keepdims=True)
        else:
            found = weighted_moments(inputs, axes, batch_weights)
        batch_mean, batch_variance = (array.reshape(t, [-1]) for t in found) if first else found

        def averages() -> Any:
            return moving_mean, moving_variance

        def updates() -> Any:
            return _updates(moving_mean, batch_mean, moving_variance, batch_variance, decay, zero_debias)

        def of_batch() -> Any:
            return batch_mean, batch_variance

        def of_batch_updated() -> Any:
            with control_dependencies(list(updates())):
                return array.identity(batch_mean), array.identity(batch_variance)

        if updates_collections is None:
            mean, variance = smart_cond(is_training, of_batch_updated, averages)
        else:
            for update in smart_cond(is_training, updates, averages):
                add_to_collections(updates_collections, update)
            mean, variance = smart_cond(is_training, of_batch, averages)
    else:
        mean, variance = moving_mean, moving_variance
    if first:
        spread = [1, sizes.as_list()[1], *[1] * (rank - 2)]
        mean, variance = array.reshape(mean, spread), array.reshape(variance, spread)
        beta = None if beta is None else array.reshape(beta, spread)
        gamma = None if gamma is None else array.reshape(gamma, spread)
    outputs = batch_normalization(inputs, mean, variance, beta, gamma, epsilon)
    outputs.set_shape(sizes)
    return outputs
