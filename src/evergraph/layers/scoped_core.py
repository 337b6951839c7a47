"""`tf.layers`' dense layers, dropout, flattening and batch normalization: classes and functions that call one."""

from __future__ import annotations

from typing import Any

import evergraph.layers.core as core
import evergraph.layers.normalization as normalization
from evergraph.framework.api import public, publish
from evergraph.layers.layer_functions import layer_function
from evergraph.layers.scoped_layer import ScopedLayer
from evergraph.ops.initializers import Ones, Zeros

ZEROS, ONES = Zeros(), Ones()


@public("layers.Dense")
class Dense(core.Dense, ScopedLayer):
    """`activation(inputs * kernel + bias)`, over the last axis; `core.Dense` has the arguments."""

    def __init__(
        self,
        units: Any,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = ZEROS,
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        trainable: bool = True,
        name: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units=units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            trainable=trainable,
            name=name,
            **kwargs,
        )


dense = layer_function("dense", Dense, "`activation(inputs * kernel + bias)`, over the last axis.")
publish("layers.dense", dense)


@public("layers.Dropout")
class Dropout(core.Dropout, ScopedLayer):
    """In training, zero a random fraction of the inputs and scale up the rest.

    Args:
        rate: the fraction.
        noise_shape: the shape of the choices, broadcast over the inputs.
        seed: a seed of the op's own.
        name: the layer's name.
        **kwargs: options of all layers.
    """

    def __init__(
        self, rate: Any = 0.5, noise_shape: Any = None, seed: int | None = None, name: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(rate=rate, noise_shape=noise_shape, seed=seed, name=name, **kwargs)

    def call(self, inputs: Any, training: Any = False) -> Any:
        return super().call(inputs, training=training)


@public("layers.dropout")
def dropout(
    inputs: Any,
    rate: Any = 0.5,
    noise_shape: Any = None,
    seed: int | None = None,
    training: Any = False,
    name: str | None = None,
) -> Any:
    """In training, zero a random fraction `rate` of the inputs and scale up the rest.

    Args:
        inputs: floats.
        rate: the fraction.
        noise_shape: the shape of the choices, broadcast over the inputs.
        seed: a seed of the op's own.
        training: a bool, or a bool scalar.
        name: the layer's name.
    """
    return Dropout(rate, noise_shape=noise_shape, seed=seed, name=name).apply(inputs, training=training)


@public("layers.Flatten")
class Flatten(core.Flatten, ScopedLayer):
    """Make one axis of all but the first; `core.Flatten` has the arguments."""


@public("layers.flatten")
def flatten(inputs: Any, name: str | None = None, data_format: str = "channels_last") -> Any:
    """Make one axis of all but the first: `[batch, a, b]` becomes `[batch, a * b]`.

    Args:
        inputs: rank 1 at least.
        name: the layer's name.
        data_format: "channels_first" to move the channels to the end before.
    """
    return Flatten(name=name, data_format=data_format).apply(inputs)


@public("layers.BatchNormalization")
class BatchNormalization(normalization.BatchNormalization, ScopedLayer):
    """Normalize each channel over the batch; `normalization.BatchNormalization` has the arguments."""

    def __init__(
        self,
        axis: Any = -1,
        momentum: Any = 0.99,
        epsilon: Any = 1e-3,
        center: Any = True,
        scale: Any = True,
        beta_initializer: Any = ZEROS,
        gamma_initializer: Any = ONES,
        moving_mean_initializer: Any = ZEROS,
        moving_variance_initializer: Any = ONES,
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: Any = False,
        renorm_clipping: Any = None,
        renorm_momentum: Any = 0.99,
        fused: Any = None,
        trainable: bool = True,
        virtual_batch_size: Any = None,
        adjustment: Any = None,
        name: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            axis=axis,
            momentum=momentum,
            epsilon=epsilon,
            center=center,
            scale=scale,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            moving_mean_initializer=moving_mean_initializer,
            moving_variance_initializer=moving_variance_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
            renorm=renorm,
            renorm_clipping=renorm_clipping,
            renorm_momentum=renorm_momentum,
            fused=fused,
            trainable=trainable,
            virtual_batch_size=virtual_batch_size,
            adjustment=adjustment,
            name=name,
            **kwargs,
        )

    def call(self, inputs: Any, training: Any = False) -> Any:
        return super().call(inputs, training=training)


@public("layers.batch_normalization")
def batch_normalization(
    inputs: Any,
    axis: Any = -1,
    momentum: Any = 0.99,
    epsilon: Any = 1e-3,
    center: Any = True,
    scale: Any = True,
    beta_initializer: Any = ZEROS,
    gamma_initializer: Any = ONES,
    moving_mean_initializer: Any = ZEROS,
    moving_variance_initializer: Any = ONES,
    beta_regularizer: Any = None,
    gamma_regularizer: Any = None,
    beta_constraint: Any = None,
    gamma_constraint: Any = None,
    training: Any = False,
    trainable: Any = True,
    name: Any = None,
    reuse: Any = None,
    renorm: Any = False,
    renorm_clipping: Any = None,
    renorm_momentum: Any = 0.99,
    fused: Any = None,
    virtual_batch_size: Any = None,
    adjustment: Any = None,
) -> Any:
    """Normalize each channel over the batch in training, and by moving averages otherwise.

    The ops that update the averages join `tf.GraphKeys.UPDATE_OPS`: a training step must run them too.

    Args:
        inputs: floats.
        training: a bool, or a bool scalar.
        reuse: as in `tf.variable_scope`.

    `tf.layers.BatchNormalization` has the other arguments.

    >>> x = tf.placeholder(tf.float32, [None, 3])
    >>> y = tf.layers.batch_normalization(x, training=True)
    >>> updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    """
    layer = BatchNormalization(
        axis=axis,
        momentum=momentum,
        epsilon=epsilon,
        center=center,
        scale=scale,
        beta_initializer=beta_initializer,
        gamma_initializer=gamma_initializer,
        moving_mean_initializer=moving_mean_initializer,
        moving_variance_initializer=moving_variance_initializer,
        beta_regularizer=beta_regularizer,
        gamma_regularizer=gamma_regularizer,
        beta_constraint=beta_constraint,
        gamma_constraint=gamma_constraint,
        renorm=renorm,
        renorm_clipping=renorm_clipping,
        renorm_momentum=renorm_momentum,
        fused=fused,
        trainable=trainable,
        virtual_batch_size=virtual_batch_size,
        adjustment=adjustment,
        name=name,
        _reuse=reuse,
        _scope=name,
    )
    return layer.apply(inputs, training=training)
