"""Layers that act on whatever shape: a dense product, dropout, flattening."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.shapes import TensorShape, dimension_value
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.layers.geometry import checked_layout
from evergraph.layers.input_spec import InputSpec
from evergraph.layers.layer import Layer
from evergraph.layers.learning_phase import learning_phase
from evergraph.layers.named import activation_of, constraint_of, described, initializer_of, regularizer_of
from evergraph.layers.smart_cond import smart_cond
from evergraph.ops import array, math
from evergraph.ops.bias import bias_add
from evergraph.ops.dropout import dropout
from evergraph.ops.opdef import raw_op
from evergraph.ops.products import tensordot


class Dense(Layer):
    """`activation(inputs * kernel + bias)`, over the last axis of the inputs.

    Args:
        units: the size of the last axis of the output.
        activation: a function, or its name; by default none.
        use_bias: whether there is a bias.
        kernel_initializer, bias_initializer: what the variables start with.
        kernel_regularizer, bias_regularizer: functions of a variable that give a loss.
        activity_regularizer: a function of the output that gives a loss.
        kernel_constraint, bias_constraint: functions from a variable's value after an update to the value to keep.
        **kwargs: options of all layers.
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        if "input_shape" not in kwargs and "input_dim" in kwargs:
            kwargs["input_shape"] = (kwargs.pop("input_dim"),)
        super().__init__(activity_regularizer=regularizer_of(activity_regularizer), **kwargs)
        self.units = int(units)
        self.activation = activation_of(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializer_of(kernel_initializer)
        self.bias_initializer = initializer_of(bias_initializer)
        self.kernel_regularizer = regularizer_of(kernel_regularizer)
        self.bias_regularizer = regularizer_of(bias_regularizer)
        self.kernel_constraint = constraint_of(kernel_constraint)
        self.bias_constraint = constraint_of(bias_constraint)
        self.supports_masking = True
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: Any) -> None:
        kind = dtypes.as_dtype(self.dtype or dtypes.float32)
        if not (kind.is_floating or kind.is_complex):
            raise TypeError(f"Unable to build `Dense` layer with non-floating point dtype {kind}")
        size = dimension_value(TensorShape(input_shape)[-1])
        if size is None:
            raise ValueError("The last dimension of the inputs to `Dense` should be defined. Found `None`.")
        self.input_spec = InputSpec(min_ndim=2, axes={-1: size})
        self.kernel = self.add_weight(
            "kernel",
            shape=[size, self.units],
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            dtype=self.dtype,
            trainable=True,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                "bias",
                shape=[self.units],
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                dtype=self.dtype,
                trainable=True,
            )
        self.built = True

    def call(self, inputs: Any) -> Any:
        rank = inputs.shape.rank
        if rank > 2:
            outputs = tensordot(inputs, self.kernel, [[rank - 1], [0]])
            outputs.set_shape([*inputs.shape.as_list()[:-1], self.units])
        else:
            inputs = math.cast(inputs, self._compute_dtype)
            if isinstance(inputs, SparseTensor):
                outputs = raw_op("SparseTensorDenseMatMul")(
                    inputs.indices,
                    inputs.values,
                    inputs.dense_shape,
                    convert_to_tensor(self.kernel),
                    name="SparseTensorDenseMatMul/SparseTensorDenseMatMul",
                )
            else:
                outputs = raw_op("MatMul")(inputs, self.kernel)
        if self.use_bias:
            outputs = bias_add(outputs, self.bias)
        return self.activation(outputs) if self.activation is not None else outputs

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        sizes = TensorShape(input_shape).with_rank_at_least(2)
        if dimension_value(sizes[-1]) is None:
            raise ValueError(f"The innermost dimension of input_shape must be defined, but saw: {sizes}")
        return sizes[:-1].concatenate(self.units)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "units": self.units,
            "activation": described(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": described(self.kernel_initializer),
            "bias_initializer": described(self.bias_initializer),
            "kernel_regularizer": described(self.kernel_regularizer),
            "bias_regularizer": described(self.bias_regularizer),
            "activity_regularizer": described(self.activity_regularizer),
            "kernel_constraint": described(self.kernel_constraint),
            "bias_constraint": described(self.bias_constraint),
        }


class Dropout(Layer):
    """In training, zero a random fraction of the inputs and scale up the rest.

    Args:
        rate: the fraction.
        noise_shape: the shape of the choices, broadcast over the inputs; None stands for the input's size.
        seed: a seed of the op's own.
        **kwargs: options of all layers.
    """

    def __init__(self, rate: Any, noise_shape: Any = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.noise_shape = noise_shape
        self.seed = seed
        self.supports_masking = True

    def _get_noise_shape(self, inputs: Any) -> Any:
        if self.noise_shape is None:
            return None
        sizes = array.shape(inputs)
        return convert_to_tensor([sizes[i] if n is None else n for i, n in enumerate(self.noise_shape)])

    def call(self, inputs: Any, training: Any = None) -> Any:
        def dropped() -> Tensor:
            return dropout(inputs, noise_shape=self._get_noise_shape(inputs), seed=self.seed, rate=self.rate)

        return smart_cond(learning_phase() if training is None else training, dropped, lambda: array.identity(inputs))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"rate": self.rate, "noise_shape": self.noise_shape, "seed": self.seed}


class Flatten(Layer):
    """Make one axis of all but the first.

    Args:
        data_format: "channels_first" to move the channels to the end before.
        **kwargs: options of all layers.
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = checked_layout(data_format)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Any) -> Tensor:
        rank = inputs.shape.rank
        if self.data_format == "channels_first" and rank is not None and rank > 1:
            inputs = array.transpose(inputs, perm=[0, *range(2, rank), 1])
        rows = dimension_value(inputs.shape[0]) or array.shape(inputs)[0]
        outputs = array.reshape(inputs, (rows, -1))
        outputs.set_shape(self.compute_output_shape(inputs.shape))
        return outputs

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        sizes: list[Any] = TensorShape(input_shape).as_list()
        return TensorShape([sizes[0], int(np.prod(sizes[1:])) if all(sizes[1:]) else None])

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"data_format": self.data_format}
