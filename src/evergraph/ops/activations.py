"""Activations: the element-wise functions that stand between layers. (`sigmoid` and `tanh` are in `elementwise.py`.)

The gradient op of each takes the incoming gradient and either the activation's input or its output, as TF 1's does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import merge
from evergraph.framework.tensor import Tensor
from evergraph.ops import math
from evergraph.ops.filling import zeros, zeros_like
from evergraph.ops.identity import identity, identity_n
from evergraph.ops.joining import concat
from evergraph.ops.opdef import op, raw_op, unchanged_shape
from evergraph.ops.shaping import shape


def _constant(x: Any, value: Any) -> Any:
    return x.dtype.type(value)


_SELU_SCALE = 1.0507009873554804934193349852946
_SELU_SCALE_ALPHA = 1.7580993408473768599402175208123


@public("nn.relu")
@op("Relu", shape=unchanged_shape)
def relu(xp: Any, features: Any) -> Any:
    """`max(features, 0)`, element by element."""
    return xp.maximum(features, _constant(features, 0))


@op("Relu6", shape=unchanged_shape)
def relu6_op(xp: Any, features: Any) -> Any:
    """`min(max(features, 0), 6)`."""
    return xp.minimum(xp.maximum(features, _constant(features, 0)), _constant(features, 6))


@op("LeakyRelu", shape=unchanged_shape)
def leaky_relu_op(xp: Any, features: Any, *, alpha: float) -> Any:
    """The features, the negative ones times `alpha`, which as an attribute has 32 bits."""
    return xp.where(features > 0, features, features * _constant(features, np.float32(alpha)))


@public("nn.elu")
@op("Elu", shape=unchanged_shape)
def elu(xp: Any, features: Any) -> Any:
    """`exp(x) - 1` where `x` is negative, else `x`."""
    return xp.where(features < 0, xp.expm1(xp.minimum(features, _constant(features, 0))), features)


@public("nn.selu")
@op("Selu", shape=unchanged_shape)
def selu(xp: Any, features: Any) -> Any:
    """Scaled Elu: with it and LeCun's initial weights, activations keep mean 0 and variance 1."""
    below = _constant(features, _SELU_SCALE_ALPHA) * xp.expm1(xp.minimum(features, _constant(features, 0)))
    return xp.where(features < 0, below, _constant(features, _SELU_SCALE) * features)


@public("math.softplus", "nn.softplus")
@op("Softplus", shape=unchanged_shape)
def softplus(xp: Any, features: Any) -> Any:
    """`log(exp(features) + 1)`."""
    return xp.maximum(features, _constant(features, 0)) + xp.log1p(xp.exp(-xp.abs(features)))


@public("math.softsign", "nn.softsign")
@op("Softsign", shape=unchanged_shape)
def softsign(xp: Any, features: Any) -> Any:
    """`features / (abs(features) + 1)`."""
    return features / (xp.abs(features) + _constant(features, 1))


# The gradient ops


def _merged_shape(gradients: Any, other: Any) -> Any:
    return merge(gradients, other)


@op("ReluGrad", shape=_merged_shape)
def relu_grad_op(xp: Any, gradients: Any, features: Any) -> Any:
    """The gradient where the feature (or the activation: it does not matter) is positive."""
    # As TensorFlow does it: the gradient inf becomes nan where the feature is not positive. (And NumPy multiplies
    # 131,072 numbers in 42 us, and chooses among them in 520.)
    return gradients * (features > 0).astype(gradients.dtype)


@op("Relu6Grad", shape=_merged_shape)
def relu6_grad_op(xp: Any, gradients: Any, features: Any) -> Any:
    """The gradient where the feature (or the activation) is between 0 and 6."""
    return gradients * ((features > 0) & (features < 6)).astype(gradients.dtype)


@op("LeakyReluGrad", shape=_merged_shape)
def leaky_relu_grad_op(xp: Any, gradients: Any, features: Any, *, alpha: float) -> Any:
    """The gradient, times `alpha` where the feature is not positive."""
    return xp.where(features > 0, gradients, gradients * _constant(gradients, np.float32(alpha)))


@op("EluGrad", shape=_merged_shape)
def elu_grad_op(xp: Any, gradients: Any, outputs: Any) -> Any:
    """The gradient, times `output + 1` where the output is negative."""
    return xp.where(outputs < 0, gradients * (outputs + _constant(outputs, 1)), gradients)


@op("SeluGrad", shape=_merged_shape)
def selu_grad_op(xp: Any, gradients: Any, outputs: Any) -> Any:
    """The gradient of Selu, from its outputs."""
    below = gradients * (outputs + _constant(outputs, _SELU_SCALE_ALPHA))
    return xp.where(outputs < 0, below, gradients * _constant(gradients, _SELU_SCALE))


@op("SoftplusGrad", shape=_merged_shape)
def softplus_grad_op(xp: Any, gradients: Any, features: Any) -> Any:
    """`gradients / (exp(-features) + 1)`."""
    return gradients / (xp.exp(-features) + _constant(features, 1))


@op("SoftsignGrad", shape=_merged_shape)
def softsign_grad_op(xp: Any, gradients: Any, features: Any) -> Any:
    """`gradients / (1 + abs(features)) ** 2`."""
    size = xp.abs(features) + _constant(features, 1)
    return gradients / (size * size)


def _gradient_by(gradient: Any, of_output: bool) -> Callable[..., Tensor]:
    def rule(made: Any, grad: Tensor) -> Tensor:
        return gradient(grad, made.outputs[0] if of_output else made.inputs[0])

    return rule


relu.gradient(_gradient_by(relu_grad_op, of_output=True))
relu6_op.gradient(_gradient_by(relu6_grad_op, of_output=True))
elu.gradient(_gradient_by(elu_grad_op, of_output=True))
selu.gradient(_gradient_by(selu_grad_op, of_output=True))
softsign.gradient(_gradient_by(softsign_grad_op, of_output=False))


@leaky_relu_op.gradient
def leaky_relu_grad(made: Any, grad: Tensor) -> Tensor:
    return leaky_relu_grad_op(grad, made.inputs[0], alpha=made.attrs["alpha"])


@softplus.gradient
def softplus_grad(made: Any, grad: Tensor) -> Tensor:
    return grad * math.sigmoid(made.inputs[0])


@relu_grad_op.gradient
def relu_grad_grad(made: Any, grad: Tensor) -> Any:
    x = made.inputs[1]
    return relu_grad_op(grad, x), zeros(shape(x), x.dtype)


@relu6_grad_op.gradient
def relu6_grad_grad(made: Any, grad: Tensor) -> Any:
    x = made.inputs[1]
    return relu6_grad_op(grad, x), zeros(shape(x), x.dtype)


@leaky_relu_grad_op.gradient
def leaky_relu_grad_grad(made: Any, grad: Tensor) -> Any:
    x = made.inputs[1]
    return leaky_relu_grad_op(grad, x, alpha=made.attrs["alpha"]), zeros(shape(x), x.dtype)


def _where(condition: Tensor, x: Any, y: Any) -> Tensor:
    return raw_op("Select")(condition, x, y)


@elu_grad_op.gradient
def elu_grad_grad(made: Any, grad: Tensor) -> Any:
    dy, y = made.inputs
    return elu_grad_op(grad, y), _where(y < 0, grad * dy, zeros_like(y))


@selu_grad_op.gradient
def selu_grad_grad(made: Any, grad: Tensor) -> Any:
    dy, y = made.inputs
    return selu_grad_op(grad, y), _where(y < 0.0, grad * dy, zeros_like(y))


@softplus_grad_op.gradient
def softplus_grad_grad(made: Any, grad: Tensor) -> Any:
    dy, x = made.inputs
    with get_default_graph().control_dependencies([grad]):
        ddy = softplus_grad_op(grad, x)
        d2x = grad * dy / (math.exp(-x) + 2.0 + math.exp(x))
    return ddy, d2x


# Functions that are more than their op


@public("nn.relu6")
def relu6(features: Any, name: str | None = None) -> Tensor:
    """`min(max(features, 0), 6)`, element by element."""
    with name_scope(name, "Relu6", [features]) as scope:
        features = convert_to_tensor(features, name="features")
        return relu6_op(features, name=scope)


@public("nn.leaky_relu")
def leaky_relu(features: Any, alpha: Any = 0.2, name: str | None = None) -> Tensor:
    """The features, the negative ones times `alpha`; integer features become float32."""
    with name_scope(name, "LeakyRelu", [features, alpha]) as scope:
        features = convert_to_tensor(features, name="features")
        if features.dtype.is_integer:
            features = math.cast(features, dtypes.float32)
        if isinstance(alpha, np.ndarray):
            alpha = alpha.item()
        return leaky_relu_op(features, alpha=alpha, name=scope)


@public("nn.crelu")
def crelu(features: Any, name: str | None = None, axis: int = -1) -> Tensor:
    """`relu` of the features and of their negatives, side by side along `axis`."""
    with name_scope(name, "CRelu", [features]) as scope:
        features = convert_to_tensor(features, name="features")
        both = concat([features, -features], axis, name=scope)
        return relu(both)


@public("nn.swish")
def swish(features: Any) -> Tensor:
    """`features * sigmoid(features)`. Its gradient computes the sigmoid again rather than keeping it."""
    features = convert_to_tensor(features, name="features")
    result = features * math.sigmoid(features)
    identity(result)  # as TF 1 has it here, read by nothing
    outputs = identity_n([result, features])
    outputs[0].op._gradient_function = _swish_grad
    return outputs[0]


def _swish_grad(made: Any, dy: Tensor, _: Any) -> Any:
    features = made.inputs[1]
    with get_default_graph().control_dependencies([dy]):
        squashed = math.sigmoid(features)
    return None, dy * (squashed * (1.0 + features * (1.0 - squashed)))


@public("nn.quantized_relu_x")
def quantized_relu_x(
    features: Any,
    max_value: Any,
    min_features: Any,
    max_features: Any,
    out_type: Any = dtypes.quint8,
    name: str | None = None,
) -> Any:
    """`min(max(features, 0), max_value)` of quantized features, whose range `min_features` and `max_features` give."""
    return raw_op("QuantizedReluX")(features, max_value, min_features, max_features, out_type, name)
