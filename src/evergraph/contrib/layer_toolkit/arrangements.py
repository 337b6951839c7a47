"""Functions around layers: repeating and stacking them, softmax over places, groups of units, other shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.contrib.layer_toolkit.convolutions import IMAGES, check_layout
from evergraph.contrib.layer_toolkit.names import both
from evergraph.contrib.layer_toolkit.outputs import collect_named_outputs, get_variable_collections, last_dimension
from evergraph.contrib.model_variables import model_variable
from evergraph.contrib.scoped_arguments import add_arg_scope
from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.shapes import dimension_value
from evergraph.framework.sparse import SparseTensor
from evergraph.ops import array, initializers, math
from evergraph.ops.checks import assert_rank_at_least
from evergraph.ops.constant import constant
from evergraph.ops.softmax import softmax as softmax_of
from evergraph.ops.variable_scope import variable_scope


def _name_of(layer: Any, default: str) -> str:
    """The name of a layer function, or of the one inside a `functools.partial`."""
    if hasattr(layer, "__name__"):
        return layer.__name__
    return getattr(getattr(layer, "func", None), "__name__", default)


@public(*both("repeat"))
def repeat(inputs: Any, repetitions: int, layer: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Apply a layer function again and again: `repeat(x, 3, conv2d, 64, [3, 3], scope="conv1")`.

    Args:
        inputs: a tensor.
        repetitions: how often.
        layer: the function.
        *args: its arguments after the inputs.
        **kwargs: further arguments; `scope` is the variable scope around, inside which scopes are numbered.
    """
    scope = kwargs.pop("scope", None)
    with variable_scope(scope, "Repeat", [inputs]):
        outputs = convert_to_tensor(inputs)
        name = _name_of(layer, "repeat") if scope is None else scope
        for i in range(repetitions):
            kwargs["scope"] = f"{name}_{i + 1}"
            outputs = layer(outputs, *args, **kwargs)
        return outputs


@public(*both("stack"))
def stack(inputs: Any, layer: Callable[..., Any], stack_args: Any, **kwargs: Any) -> Any:
    """Apply a layer function with other arguments each time: `stack(x, fully_connected, [32, 64], scope="fc")`.

    Args:
        inputs: a tensor.
        layer: the function.
        stack_args: for each time, its argument, or the list of its arguments.
        **kwargs: further arguments; `scope` is the variable scope around, inside which scopes are numbered.

    Raises:
        ValueError: if `stack_args` is no list or tuple.
    """
    scope = kwargs.pop("scope", None)
    if not isinstance(stack_args, list | tuple):
        raise ValueError("stack_args need to be a list or tuple")
    with variable_scope(scope, "Stack", [inputs]):
        outputs = convert_to_tensor(inputs)
        name = _name_of(layer, "stack") if scope is None else scope
        for i, given in enumerate(stack_args):
            kwargs["scope"] = f"{name}_{i + 1}"
            outputs = layer(outputs, *(given if isinstance(given, list | tuple) else [given]), **kwargs)
        return outputs


@public(*both("one_hot_encoding"))
@add_arg_scope
def one_hot_encoding(
    labels: Any,
    num_classes: int,
    on_value: float = 1.0,
    off_value: float = 0.0,
    outputs_collections: Any = None,
    scope: Any = None,
) -> Any:
    """`tf.one_hot`, in a name scope.

    Args:
        labels: ints.
        num_classes: how many there are.
        on_value: what stands at the label.
        off_value: what stands elsewhere.
        outputs_collections: collections for the outputs.
        scope: the name scope.
    """
    with name_scope(scope, "OneHotEncoding", [labels, num_classes]) as sc:
        labels = convert_to_tensor(labels)
        if labels.dtype == dtypes.int32:
            labels = math.to_int64(labels)
        outputs = array.one_hot(labels, num_classes, on_value=on_value, off_value=off_value)
        return collect_named_outputs(outputs_collections, sc, outputs)


@public(*both("softmax"))
@add_arg_scope
def softmax(logits: Any, scope: Any = None) -> Any:
    """Softmax over the last axis, for any rank above 1."""
    with variable_scope(scope, "softmax", [logits]):
        count = last_dimension(logits.shape, min_rank=2)
        rows = array.reshape(logits, [-1, count])
        predictions = array.reshape(softmax_of(rows), array.shape(logits))
        predictions.set_shape(logits.shape)
        return predictions


@public(*both("spatial_softmax"))
@add_arg_scope
def spatial_softmax(
    features: Any,
    temperature: Any = None,
    name: str | None = None,
    variables_collections: Any = None,
    trainable: bool = True,
    data_format: str = "NHWC",
) -> Any:
    """Where in the image each channel is large: the mean place under a softmax over all places.

    Args:
        features: floats, `[batch, height, width, channels]`, or channels first for "NCHW".
        temperature: what features are divided by; a variable that starts with 1 by default.
        name: the variable scope.
        variables_collections: collections for the temperature.
        trainable: whether optimizers change the temperature.
        data_format: "NHWC" or "NCHW".

    Returns:
        `[batch, 2 * channels]`: x and y of each channel, between -1 and 1.
    """
    with variable_scope(name, "spatial_softmax"):
        sizes = array.shape(features)
        static = features.shape
        if data_format == "NHWC":
            height, width, channels = sizes[1], sizes[2], static[3]
        elif data_format == "NCHW":
            channels, height, width = static[1], sizes[2], sizes[3]
        else:
            raise ValueError("data_format has to be either NCHW or NHWC.")
        count = dimension_value(channels)
        if count is None:
            raise ValueError(
                "The num_channels dimension of the inputs to `spatial_softmax` should be defined. Found `None`."
            )
        with name_scope("spatial_softmax_op", "spatial_softmax_op", [features]):
            x, y = array.meshgrid(
                math.lin_space(-1.0, 1.0, num=height), math.lin_space(-1.0, 1.0, num=width), indexing="ij"
            )
            x = array.reshape(x, [height * width])
            y = array.reshape(y, [height * width])
            start = initializers.Ones() if temperature is None else initializers.Constant(temperature)
            heat = model_variable(
                "temperature",
                shape=(),
                dtype=dtypes.float32,
                initializer=start,
                collections=get_variable_collections(variables_collections, "temperature") if trainable else None,
                trainable=trainable,
            )
            if data_format == "NHWC":
                features = array.transpose(features, [0, 3, 1, 2])
            features = array.reshape(features, [-1, height * width])
            attention = softmax_of(features / heat)
            expected_x = math.reduce_sum(x * attention, [1], keepdims=True)
            expected_y = math.reduce_sum(y * attention, [1], keepdims=True)
            places = array.concat([expected_x, expected_y], 1)
            places = array.reshape(places, [-1, count * 2])
            places.set_shape([None, count * 2])
    return places


@public(*both("unit_norm"))
@add_arg_scope
def unit_norm(inputs: Any, dim: int, epsilon: float = 1e-7, scope: Any = None) -> Any:
    """Inputs of length 1 along an axis.

    Args:
        inputs: floats.
        dim: the axis, not negative.
        epsilon: added to the sum of squares.
        scope: the variable scope.
    """
    with variable_scope(scope, "UnitNorm", [inputs]):
        if not inputs.shape:
            raise ValueError("The input rank must be known.")
        rank = len(inputs.shape.as_list())
        if dim < 0 or dim >= rank:
            raise ValueError("dim must be positive but smaller than the input rank.")
        lengths = math.sqrt(epsilon + math.reduce_sum(math.square(inputs), dim, True))
        multiples = []
        if dim > 0:
            multiples.append(array.ones([dim], dtypes.int32))
        multiples.append(array.strided_slice(array.shape(inputs), [dim], [dim + 1]))
        if dim < rank - 1:
            multiples.append(array.ones([rank - 1 - dim], dtypes.int32))
        return math.div(inputs, array.tile(lengths, array.concat(multiples, 0)))


@public(*both("maxout"))
@add_arg_scope
def maxout(inputs: Any, num_units: int, axis: int = -1, scope: Any = None) -> Any:
    """The largest of each group of channels.

    Args:
        inputs: floats.
        num_units: how many groups there are; must divide the number of channels.
        axis: the axis of the channels.
        scope: the variable scope.
    """
    with variable_scope(scope, "MaxOut", [inputs]):
        inputs = convert_to_tensor(inputs)
        sizes: list[Any] = inputs.shape.as_list()
        channels = sizes[axis]
        if channels % num_units:
            raise ValueError(f"number of features({channels}) is not a multiple of num_units({num_units})")
        sizes[axis] = num_units
        sizes.append(channels // num_units)
        sizes = [array.shape(inputs)[i] if n is None else n for i, n in enumerate(sizes)]
        return math.reduce_max(array.reshape(inputs, sizes), -1, keepdims=False)


@public(*both("dense_to_sparse"))
@add_arg_scope
def dense_to_sparse(tensor: Any, eos_token: Any = 0, outputs_collections: Any = None, scope: Any = None) -> Any:
    """The elements that differ from `eos_token`, as a sparse tensor."""
    with variable_scope(scope, "dense_to_sparse", [tensor]) as sc:
        tensor = convert_to_tensor(tensor)
        indices = array.where(math.not_equal(tensor, constant(eos_token, tensor.dtype)))
        values = array.gather_nd(tensor, indices)
        shape = array.shape(tensor, out_type=dtypes.int64)
        return collect_named_outputs(outputs_collections, sc.name, SparseTensor(indices, values, shape))


@public(*both("images_to_sequence"))
@add_arg_scope
def images_to_sequence(
    inputs: Any, data_format: str = "NHWC", outputs_collections: Any = None, scope: Any = None
) -> Any:
    """Images as sequences of columns: `[batch, height, width, depth]` becomes `[width, batch * height, depth]`."""
    check_layout(data_format, IMAGES)
    with name_scope(scope, "ImagesToSequence", [inputs]) as sc:
        inputs = convert_to_tensor(inputs)
        if data_format == "NCHW":
            inputs = array.transpose(inputs, [0, 2, 3, 1])
        _, _, width, depth = inputs.shape.as_list()
        sizes = array.shape(inputs)
        batch, height = sizes[0], sizes[1]
        turned = array.transpose(inputs, [2, 0, 1, 3])
        outputs = array.reshape(turned, [width, batch * height, depth])
        return collect_named_outputs(outputs_collections, sc, outputs)


@public(*both("sequence_to_images"))
@add_arg_scope
def sequence_to_images(
    inputs: Any,
    height: int,
    output_data_format: str = "channels_last",
    outputs_collections: Any = None,
    scope: Any = None,
) -> Any:
    """Sequences of columns as images: `[width, batch * height, depth]` becomes `[batch, height, width, depth]`."""
    with name_scope(scope, "SequenceToImages", [inputs]) as sc:
        inputs = convert_to_tensor(inputs)
        width, batches, depth = inputs.shape.as_list()
        batches = -1 if batches is None else batches // height
        parts = array.reshape(inputs, [width, batches, height, depth])
        order = [1, 3, 2, 0] if output_data_format == "channels_first" else [1, 2, 0, 3]
        return collect_named_outputs(outputs_collections, sc, array.transpose(parts, order))


@public("contrib.layers._inner_flatten")
@add_arg_scope
def inner_flatten(inputs: Any, new_rank: Any, output_collections: Any = None, scope: Any = None) -> Any:
    """Make one axis of the last ones, so that the rank is `new_rank`."""
    with name_scope(scope, "InnerFlatten", [inputs, new_rank]) as sc:
        if isinstance(inputs, SparseTensor):
            from evergraph.ops.sparse.shaping import sparse_reshape

            rank = inputs.dense_shape.shape.as_list()[0]
            if rank < new_rank:
                raise ValueError(
                    f"Inputs has rank less than new_rank. {inputs} must have rank at least {new_rank}. Received rank "
                    f"{rank}, shape {inputs.shape}"
                )
            outer, inner = inputs.dense_shape[: new_rank - 1], inputs.dense_shape[new_rank - 1 :]
            flat: Any = sparse_reshape(inputs, array.concat((outer, [math.reduce_prod(inner)]), 0))
        else:
            inputs = convert_to_tensor(inputs)
            check = assert_rank_at_least(inputs, new_rank, message="inputs has rank less than new_rank")
            with control_dependencies([check]):
                outer = array.strided_slice(array.shape(inputs), [0], [new_rank - 1])
                flat = array.reshape(inputs, array.concat((outer, [-1]), 0))
            if isinstance(new_rank, int) and inputs.static_shape is not None:
                sizes = inputs.static_shape
                size: int | None = 1
                for n in sizes[new_rank - 1 :]:
                    size = None if n is None or size is None else size * n
                flat.set_shape([*sizes[: new_rank - 1], size])
    return collect_named_outputs(output_collections, sc, flat)
