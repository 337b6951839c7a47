"""The same value again: placeholders for what is fed, and identities that stop, check or rename what goes through."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes, sparse
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.shapes import merge
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import kernel_error, op, require, unchanged_shape

# What is fed


@op("Placeholder", differentiable=False)
def placeholder_op(xp: Any, *, dtype: Any, shape: Any) -> Any:
    """A value that every run has to feed."""
    raise kernel_error(f"You must feed a value for a placeholder tensor with dtype {dtype.name}")


_LAST_WITHOUT_UNKNOWN_SHAPES = 21


def _given_shape(made: Any) -> Any:
    return made.attrs["shape"]


@placeholder_op.shape_from_op
def placeholder_shape(made: Any) -> Any:
    # Graphs of TF 0.12 and before write an unknown shape as that of a scalar.
    shape = made.attrs["shape"]
    return None if shape == () and made.graph._producer <= _LAST_WITHOUT_UNKNOWN_SHAPES else shape


@op("PlaceholderV2", differentiable=False)
def placeholder_v2_op(xp: Any, *, dtype: Any, shape: Any) -> Any:
    """A value that every run has to feed."""
    raise kernel_error(f"You must feed a value for a placeholder tensor with dtype {dtype.name}")


placeholder_v2_op.shape_from_op(_given_shape)


@public("placeholder")
def placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> Tensor:
    """A tensor that every run which needs it must feed.

    Args:
        dtype: the type of the values to be fed.
        shape: their static shape; None where it may vary.
        name: the op's name.
    """
    return placeholder_op(dtype, shape, name)


@op("PlaceholderWithDefault")
def placeholder_with_default_op(xp: Any, input: Any) -> Any:
    """`input`, unless a run feeds another value."""
    return input


@placeholder_with_default_op.shape_from_op
def placeholder_with_default_shape(made: Any) -> Any:
    merge(made.inputs[0].static_shape, made.attrs["shape"])
    return made.attrs["shape"]


@placeholder_with_default_op.gradient
def placeholder_with_default_grad(made: Any, grad: Tensor) -> Tensor:
    return grad


@public("placeholder_with_default")
def placeholder_with_default(input: Any, shape: Any, name: str | None = None) -> Tensor:
    """A tensor that is `input` in the runs that do not feed it.

    Args:
        input: the default value.
        shape: the static shape of what may be fed; the shape of `input` must fit it.
        name: the op's name.
    """
    return placeholder_with_default_op(input, shape, name)


@public("sparse.placeholder", "sparse_placeholder")
def sparse_placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> sparse.SparseTensor:
    """A `SparseTensor` that every run which needs it must feed, with a `SparseTensorValue`.

    Args:
        dtype: the type of the values.
        shape: the dense shape: a list of ints, None where a size may vary, or an int64 tensor. By default even its
            rank is open.
        name: the common start of the three ops' names.
    """
    part = "{}/{}".format
    rank: Any = None
    dense_shape = None
    if shape is not None:
        rank = shape.get_shape()[0] if isinstance(shape, Tensor) else len(shape)
        if isinstance(shape, Tensor) or None not in shape:
            dense_shape = convert_to_tensor(shape, dtypes.int64, name=None if name is None else part(name, "shape"))
    if dense_shape is None:
        dense_shape = placeholder(dtypes.int64, [rank], None if name is None else part(name, "shape"))
    values = placeholder(dtype, [None], None if name is None else part(name, "values"))
    indices = placeholder(dtypes.int64, [None, rank], None if name is None else part(name, "indices"))
    return sparse.SparseTensor(indices=indices, values=values, dense_shape=dense_shape)


# The same value again


@op("Identity", shape=unchanged_shape)
def identity_op(xp: Any, input: Any) -> Any:
    """The same value again."""
    return input


@identity_op.gradient
def identity_grad(made: Any, grad: Tensor) -> Tensor:
    return grad


@public("identity")
def identity(input: Any, name: str | None = None) -> Tensor:
    """A tensor with the same value as `input`: under another name, on another device or after other ops."""
    same = identity_op(input, name=name)
    if getattr(input, "_handle_data", None) is not None:
        same._handle_data = input._handle_data
    return same


@op("IdentityN", shape=unchanged_shape)
def identity_n(xp: Any, input: Any) -> Any:
    """The same values again: all of them at once, so that one is there only when all are."""
    return input


@identity_n.gradient
def identity_n_grad(made: Any, *grads: Any) -> Any:
    return list(grads)


@op("Snapshot", shape=unchanged_shape)
def snapshot(xp: Any, input: Any) -> Any:
    """The same value again."""
    return input


@snapshot.gradient
def snapshot_grad(made: Any, grad: Tensor) -> Tensor:
    return grad


@op("DebugGradientIdentity", shape=unchanged_shape)
def debug_gradient_identity(xp: Any, input: Any) -> Any:
    """The same value again, marked for a debugger of gradients."""
    return input


@op("DeepCopy", shape=unchanged_shape, differentiable=False)
def deep_copy(xp: Any, x: Any) -> Any:
    """A copy of `x`. Values are never written in place here, so `x` itself is one."""
    return x


@op("StopGradient", shape=unchanged_shape, differentiable=False)
def stop_gradient(xp: Any, input: Any) -> Any:
    """The same value again, as a constant in the eyes of `tf.gradients`."""
    return input


@op("PreventGradient", shape=unchanged_shape)
def prevent_gradient(xp: Any, input: Any) -> Any:
    """The same value again; asking for a gradient through it is an error."""
    return input


@prevent_gradient.gradient
def prevent_gradient_grad(made: Any, grad: Tensor) -> Tensor:
    raise LookupError(f"Gradient explicitly disabled. Reason: {made.attrs['message']!r}")


@op("GuaranteeConst", shape=unchanged_shape, differentiable=False)
def guarantee_const(xp: Any, input: Any) -> Any:
    """The same value again, which the program promises never to change."""
    return input


@op("CheckNumerics", shape=unchanged_shape)
def check_numerics(xp: Any, tensor: Any, *, message: bytes) -> Any:
    """The same value again; the run fails if an element is infinite or not a number."""

    def error() -> Exception:
        bad = [word for word, found in (("Inf", np.isinf), ("NaN", np.isnan)) if np.any(found(np.asarray(tensor)))]
        return kernel_error(f"{message.decode()} : Tensor had {' and '.join(bad) or 'Inf or NaN'} values")

    require(xp, xp.all(xp.isfinite(tensor)), error)
    return tensor


@check_numerics.gradient
def check_numerics_grad(made: Any, grad: Tensor) -> Tensor:
    message = made.attrs["message"]
    return check_numerics(grad, f"Not a number (NaN) or infinity (Inf) values detected in gradient. {message!r}")


public("identity_n")(identity_n)
public("stop_gradient")(stop_gradient)
public("guarantee_const")(guarantee_const)
public("check_numerics", "debugging.check_numerics")(check_numerics)
