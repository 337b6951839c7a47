"""Layers without spatial structure: fully connected ones, biases, dropout, embeddings."""

from __future__ import annotations

import functools
from typing import Any

import evergraph.layers.scoped_core as layers
from evergraph.contrib.layer_toolkit.convolutions import IMAGES, XAVIER, ZEROS, check_layout, finished
from evergraph.contrib.layer_toolkit.model_getter import (
    WEIGHTS_AND_BIASES,
    collect_variable,
    model_variable_getter,
)
from evergraph.contrib.layer_toolkit.names import both
from evergraph.contrib.layer_toolkit.outputs import collect_named_outputs, get_variable_collections
from evergraph.contrib.model_variables import model_variable
from evergraph.contrib.scoped_arguments import add_arg_scope
from evergraph.framework.api import public, publish
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import GraphKeys, add_to_collections, name_scope
from evergraph.ops import activations, array, math
from evergraph.ops.bias import bias_add as add_bias
from evergraph.ops.embedding import embedding_lookup
from evergraph.ops.products import matmul
from evergraph.ops.variable_scope import get_variable, variable_scope


@public(*both("fully_connected"))
@add_arg_scope
def fully_connected(
    inputs: Any,
    num_outputs: int,
    activation_fn: Any = activations.relu,
    normalizer_fn: Any = None,
    normalizer_params: Any = None,
    weights_initializer: Any = XAVIER,
    weights_regularizer: Any = None,
    biases_initializer: Any = ZEROS,
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Any:
    """`activation_fn(inputs * weights + biases)`, over the last axis.

    Args:
        inputs: floats, rank 2 at least, the last size known.
        num_outputs: the size of the last axis of the outputs.
        activation_fn: a function of the outputs; None for none.
        normalizer_fn: a function of the outputs in place of a bias, as `batch_norm`.
        normalizer_params: its arguments.
        weights_initializer: what the weights start with.
        weights_regularizer: a function of the weights that gives a loss.
        biases_initializer: what the biases start with; None for no biases.
        biases_regularizer: a function of the biases that gives a loss.
        reuse: as in `tf.variable_scope`.
        variables_collections: collections for the variables, or a dictionary of such by "weights" and "biases".
        outputs_collections: collections for the outputs.
        trainable: whether optimizers change the variables.
        scope: the variable scope.

    Raises:
        ValueError: if `num_outputs` is no int, or the inputs do not fit.
    """
    if not isinstance(num_outputs, int):
        raise ValueError(f"num_outputs type should be one of {[int]}, got {type(num_outputs)}.")
    getter = model_variable_getter(WEIGHTS_AND_BIASES)
    with variable_scope(scope, "fully_connected", [inputs], reuse=reuse, custom_getter=getter) as sc:
        inputs = convert_to_tensor(inputs)
        layer = layers.Dense(
            units=num_outputs,
            activation=None,
            use_bias=not normalizer_fn and biases_initializer,
            kernel_initializer=weights_initializer,
            bias_initializer=biases_initializer,
            kernel_regularizer=weights_regularizer,
            bias_regularizer=biases_regularizer,
            trainable=trainable,
            name=sc.name,
            dtype=inputs.dtype.base_dtype,
            _scope=sc,
            _reuse=reuse,
        )
        outputs = layer.apply(inputs)
        collect_variable(layer.kernel, variables_collections, "weights")
        if layer.bias is not None:
            collect_variable(layer.bias, variables_collections, "biases")
        return finished(outputs, normalizer_fn, normalizer_params, activation_fn, outputs_collections, sc)


@public(*both("legacy_fully_connected"))
def legacy_fully_connected(
    x: Any,
    num_output_units: int,
    activation_fn: Any = None,
    weight_init: Any = XAVIER,
    bias_init: Any = ZEROS,
    name: str | None = None,
    weight_collections: Any = (GraphKeys.WEIGHTS,),
    bias_collections: Any = (GraphKeys.BIASES,),
    output_collections: Any = (GraphKeys.ACTIVATIONS,),
    trainable: bool = True,
    weight_regularizer: Any = None,
    bias_regularizer: Any = None,
) -> Any:
    """An older form of `fully_connected`, whose variables are called `weights` and `bias`.

    Raises:
        ValueError: if the rank of `x` is below 2, or its last size unknown.
    """
    with variable_scope(name, "fully_connected", [x]):
        x = convert_to_tensor(x)
        sizes = x.static_shape
        if sizes is None:
            raise ValueError("dims of x must be known but is None")
        if len(sizes) < 2:
            raise ValueError(f"rank of x must be at least 2 not: {len(sizes)}")
        if sizes[-1] is None:
            raise ValueError("last dimension of x must be known but is None")
        dtype = x.dtype.base_dtype

        def made(name: str, shape: Any, initializer: Any, collections: Any, regularizer: Any) -> Any:
            return get_variable(
                name,
                shape=shape,
                dtype=dtype,
                initializer=initializer,
                collections={*(collections or []), GraphKeys.GLOBAL_VARIABLES},
                regularizer=regularizer,
                trainable=trainable,
            )

        weights = made("weights", [sizes[-1], num_output_units], weight_init, weight_collections, weight_regularizer)
        y = matmul(x if len(sizes) <= 2 else array.reshape(x, [-1, sizes[-1]]), weights)
        if bias_init is not None:
            y = add_bias(y, made("bias", [num_output_units], bias_init, bias_collections, bias_regularizer))
        if len(sizes) > 2:
            shape = array.unstack(array.shape(x))
            shape[-1] = num_output_units  # type: ignore[call-overload]  # a list of sizes and tensors
            y = array.reshape(y, array.stack(shape))
            y.set_shape([*sizes[:-1], num_output_units])
        if activation_fn is not None:
            y = activation_fn(y)
        add_to_collections([*(output_collections or []), GraphKeys.ACTIVATIONS], y)
        return y


for _name, _function in {
    "elu": functools.partial(fully_connected, activation_fn=activations.elu),
    "relu": functools.partial(fully_connected, activation_fn=activations.relu),
    "relu6": functools.partial(fully_connected, activation_fn=activations.relu6),
    "linear": functools.partial(fully_connected, activation_fn=None),
    "legacy_relu": functools.partial(legacy_fully_connected, activation_fn=activations.relu),
    "legacy_linear": functools.partial(legacy_fully_connected, activation_fn=None),
}.items():
    for _public_name in both(_name):
        publish(_public_name, _function)


@public(*both("bias_add"))
@add_arg_scope
def bias_add(
    inputs: Any,
    activation_fn: Any = None,
    initializer: Any = ZEROS,
    regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    data_format: str = "NHWC",
    scope: Any = None,
) -> Any:
    """Add a bias of its own to each channel. `fully_connected` has the arguments.

    Raises:
        ValueError: if the number of channels is unknown.
    """
    check_layout(data_format, IMAGES)
    with variable_scope(scope, "BiasAdd", [inputs], reuse=reuse) as sc:
        inputs = convert_to_tensor(inputs)
        rank = inputs.shape.rank
        if rank is None:
            raise ValueError("Dims of shape must be known but is None")
        if rank != 4 and data_format == "NCHW":
            raise ValueError("Data format NCHW only supports 4D Tensor")
        channels = inputs.shape.as_list()[1 if data_format == "NCHW" else -1]
        if channels is None:
            raise ValueError("`C` dimension must be known but is None")
        biases = model_variable(
            "biases",
            shape=[channels],
            dtype=inputs.dtype.base_dtype,
            initializer=initializer,
            regularizer=regularizer,
            collections=get_variable_collections(variables_collections, "biases"),
            trainable=trainable,
        )
        outputs = add_bias(inputs, biases, data_format=data_format)
        if activation_fn is not None:
            outputs = activation_fn(outputs)
        return collect_named_outputs(outputs_collections, sc.name, outputs)


@public(*both("dropout"))
@add_arg_scope
def dropout(
    inputs: Any,
    keep_prob: Any = 0.5,
    noise_shape: Any = None,
    is_training: Any = True,
    outputs_collections: Any = None,
    scope: Any = None,
    seed: int | None = None,
) -> Any:
    """In training, keep a random fraction of the inputs, scaled up, and zero the rest.

    Args:
        inputs: floats.
        keep_prob: the fraction.
        noise_shape: the shape of the choices, broadcast over the inputs.
        is_training: a bool, or a bool scalar.
        outputs_collections: collections for the outputs.
        scope: the variable scope.
        seed: a seed of the op's own.
    """
    with variable_scope(scope, "Dropout", [inputs], custom_getter=model_variable_getter()) as sc:
        inputs = convert_to_tensor(inputs)
        layer = layers.Dropout(rate=1 - keep_prob, noise_shape=noise_shape, seed=seed, name=sc.name, _scope=sc)
        outputs = layer.apply(inputs, training=is_training)
        return collect_named_outputs(outputs_collections, sc.name, outputs)


@public(*both("flatten"))
@add_arg_scope
def flatten(inputs: Any, outputs_collections: Any = None, scope: Any = None) -> Any:
    """Make one axis of all but the first.

    Args:
        inputs: rank 1 at least.
        outputs_collections: collections for the outputs.
        scope: the name scope.
    """
    with name_scope(scope, "Flatten", [inputs]) as sc:
        inputs = convert_to_tensor(inputs)
        return collect_named_outputs(outputs_collections, sc, layers.flatten(inputs))


@public(*both("embed_sequence"))
def embed_sequence(
    ids: Any,
    vocab_size: int | None = None,
    embed_dim: int | None = None,
    unique: bool = False,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool = True,
    scope: Any = None,
    reuse: Any = None,
) -> Any:
    """A vector for each id, from a table of variables.

    Args:
        ids: ints, `[batch, time]`.
        vocab_size: how many ids there are.
        embed_dim: the vectors' size.
        unique: whether to look up each id once only.
        initializer: what the table starts with.
        regularizer: a function of the table that gives a loss.
        trainable: whether optimizers change it.
        scope: the variable scope.
        reuse: as in `tf.variable_scope`.

    Returns:
        `[batch, time, embed_dim]`.

    Raises:
        ValueError: if the sizes are missing and the table is not reused.
    """
    if not (reuse or (vocab_size and embed_dim)):
        raise ValueError(
            "Must specify vocab size and embedding dimension when not reusing. Got "
            f"vocab_size={vocab_size} and embed_dim={embed_dim}"
        )
    with variable_scope(scope, "EmbedSequence", [ids], reuse=reuse):
        shape = [vocab_size, embed_dim]
        table = model_variable(
            "embeddings",
            shape=None if reuse and vocab_size is None or embed_dim is None else shape,
            initializer=initializer,
            regularizer=regularizer,
            trainable=trainable,
        )
        if unique:
            return embedding_lookup_unique(table, ids)
        return embedding_lookup(table, ids)


@public(*both("embedding_lookup_unique"))
def embedding_lookup_unique(params: Any, ids: Any, partition_strategy: str = "mod", name: str | None = None) -> Any:
    """`tf.nn.embedding_lookup` that looks up each id once only."""
    with name_scope(name, "EmbeddingLookupUnique", [params, ids]):
        ids = convert_to_tensor(ids)
        shape = array.shape(ids)
        flat = array.reshape(ids, math.reduce_prod(shape, keepdims=True))
        unique_ids, where = array.unique(flat)
        found = embedding_lookup(params, unique_ids, partition_strategy)
        rows = array.gather(found, where)
        result = array.reshape(rows, array.concat([shape, array.shape(found)[1:]], 0))
        result.set_shape(ids.shape.concatenate(found.shape[1:]))
        return result
