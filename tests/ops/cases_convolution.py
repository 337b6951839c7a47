"""Convolutions and poolings, and the gradients of their gradients."""

import numpy as np
from ops.case import Case, floats, ints

F64 = np.float64
CASES = []


def case(name, call, *inputs, **options):
    CASES.append(Case(name, call, *inputs, **options))


# Convolutions: (input, filter, strides, padding) and the rest as keywords

X = floats(2, 7, 6, 4)
CONV2D = {
    "same": (X, (3, 3, 4, 5), [1, 1, 1, 1], "SAME", {}),
    "valid": (X, (3, 2, 4, 5), [1, 1, 1, 1], "VALID", {}),
    "even_filter": (X, (2, 2, 4, 3), [1, 1, 1, 1], "SAME", {}),
    "strided": (X, (3, 3, 4, 5), [1, 2, 2, 1], "SAME", {}),
    "strided_valid": (X, (3, 3, 4, 5), [1, 2, 3, 1], "VALID", {}),
    "stride_above_window": (X, (2, 2, 4, 5), [1, 3, 3, 1], "SAME", {}),
    "pointwise": (X, (1, 1, 4, 5), [1, 1, 1, 1], "SAME", {}),
    "pointwise_strided": (X, (1, 1, 4, 5), [1, 2, 2, 1], "SAME", {}),
    "explicit": (X, (3, 3, 4, 5), [1, 1, 1, 1], [[0, 0], [1, 2], [0, 3], [0, 0]], {}),
    "one_image": (X[:1], (3, 3, 4, 5), [1, 1, 1, 1], "SAME", {}),
    "stem": (floats(3, 20, 20, 3), (7, 7, 3, 4), [1, 2, 2, 1], "SAME", {}),
    "many_images": (floats(40, 6, 6, 1), (5, 5, 1, 2), [1, 1, 1, 1], "SAME", {}),
    "images_in_steps": (floats(5, 24, 24, 1), (3, 3, 1, 2), [1, 1, 1, 1], "SAME", {}),
}
for _name, (_x, _w, _strides, _padding, _rest) in CONV2D.items():
    _call = lambda tf, x, w, s=_strides, p=_padding, r=_rest: tf.nn.conv2d(x, w, s, p, **r)  # noqa: E731
    case("conv2d_" + _name, _call, _x, floats(*_w, seed=1), atol=2e-5)
    if _x.size < 400:
        case("conv2d_" + _name + "_float64", _call, _x.astype(F64), floats(*_w, seed=1, dtype=F64))
case(
    "conv2d_dilated", lambda tf, x, w: tf.nn.conv2d(x, w, 1, "SAME", dilations=2), X, floats(3, 3, 4, 2), gradient=False
)
case(
    "conv2d_half",
    lambda tf, x, w: tf.nn.conv2d(x, w, 1, "SAME"),
    X.astype(np.float16),
    floats(3, 3, 4, 2, dtype=np.float16),
    atol=2e-2,
)
case(
    "conv2d_open_shapes",
    lambda tf, x, w: tf.nn.conv2d(x, w, 2, "SAME"),
    X,
    floats(3, 3, 4, 2),
    shapes={0: [None, None, None, 4]},
    atol=2e-5,
)
case(
    "conv2d_unknown_rank",
    lambda tf, x, w: tf.nn.conv2d(x, w, 2, "SAME"),
    X,
    floats(3, 3, 4, 2),
    shapes={0: None, 1: None},
    atol=2e-5,
)
case("conv2d_depths_differ", lambda tf, x, w: tf.nn.conv2d(x, w, 1, "SAME"), X, floats(3, 3, 3, 2))
case(
    "conv2d_depths_differ_at_run",
    lambda tf, x, w: tf.nn.conv2d(x, w, 1, "SAME"),
    X,
    floats(3, 3, 3, 2),
    shapes={0: None},
)
case("conv2d_window_too_large", lambda tf, x, w: tf.nn.conv2d(x, w, 1, "VALID"), X, floats(9, 3, 4, 2))
case("conv2d_three_strides", lambda tf, x, w: tf.nn.conv2d(x, w, [1, 1, 1], "VALID"), X, floats(2, 3, 4, 2))
case("conv2d_bad_padding", lambda tf, x, w: tf.nn.conv2d(x, w, 1, "FULL"), X, floats(2, 3, 4, 2))


def _second_derivatives(call):
    """The gradients of a gradient: what a penalty on gradients needs."""

    def build(tf, x, w):
        y = call(tf, x, w)
        dx, dw = tf.gradients(y * y, [x, w])
        return [dx * dx, dw * dw]

    return build


SMALL, FILTER = floats(2, 4, 4, 2, dtype=F64), floats(3, 3, 2, 2, dtype=F64, seed=1)
case("conv2d_second_derivatives", _second_derivatives(lambda tf, x, w: tf.nn.conv2d(x, w, 2, "SAME")), SMALL, FILTER)
case(
    "depthwise_second_derivatives",
    _second_derivatives(lambda tf, x, w: tf.nn.depthwise_conv2d(x, w, [1, 1, 1, 1], "SAME")),
    SMALL,
    FILTER,
)
case(
    "conv2d_transpose",
    lambda tf, x, w: tf.nn.conv2d_transpose(x, w, [2, 14, 12, 3], [1, 2, 2, 1]),
    X,
    floats(3, 3, 3, 4),
    atol=2e-5,
)
case(
    "conv2d_transpose_valid",
    lambda tf, x, w: tf.nn.conv2d_transpose(x, w, [2, 16, 13, 3], 2, "VALID"),
    X,
    floats(4, 3, 3, 4),
    atol=2e-5,
)
case(
    "conv2d_transpose_open_batch",
    lambda tf, x, w: tf.nn.conv2d_transpose(x, w, tf.stack([tf.shape(x)[0], 14, 12, 3]), [1, 2, 2, 1]),
    X,
    floats(3, 3, 3, 4),
    shapes={0: [None, 7, 6, 4]},
    atol=2e-5,
)
case(
    "conv2d_transpose_wrong_size",
    lambda tf, x, w: tf.nn.conv2d_transpose(x, w, [2, 99, 12, 3], [1, 2, 2, 1]),
    X,
    floats(3, 3, 3, 4),
)
case("conv1d", lambda tf, x, w: tf.nn.conv1d(x, w, 2, "SAME"), floats(2, 9, 3), floats(3, 3, 4))
case(
    "conv3d",
    lambda tf, x, w: tf.nn.conv3d(x, w, [1, 1, 2, 1, 1], "SAME"),
    floats(2, 3, 5, 4, 2),
    floats(2, 3, 2, 2, 3),
    atol=2e-5,
)
case(
    "conv3d_valid",
    lambda tf, x, w: tf.nn.conv3d(x, w, [1, 1, 1, 1, 1], "VALID"),
    floats(1, 3, 5, 4, 2),
    floats(2, 3, 2, 2, 3),
    atol=2e-5,
)
case(
    "conv3d_transpose",
    lambda tf, x, w: tf.nn.conv3d_transpose(x, w, [1, 6, 6, 6, 2], [1, 2, 2, 2, 1]),
    floats(1, 3, 3, 3, 4),
    floats(3, 3, 3, 2, 4),
    atol=2e-5,
)
case("depthwise", lambda tf, x, w: tf.nn.depthwise_conv2d(x, w, [1, 1, 1, 1], "SAME"), X, floats(3, 3, 4, 2))
case("depthwise_strided", lambda tf, x, w: tf.nn.depthwise_conv2d(x, w, [1, 2, 2, 1], "VALID"), X, floats(3, 3, 4, 1))
case(
    "depthwise_dilated",
    lambda tf, x, w: tf.nn.depthwise_conv2d(x, w, [1, 1, 1, 1], "SAME", rate=[2, 2]),
    X,
    floats(3, 3, 4, 1),
)
case(
    "depthwise_float64",
    lambda tf, x, w: tf.nn.depthwise_conv2d(x, w, [1, 1, 1, 1], "SAME"),
    X.astype(F64),
    floats(3, 3, 4, 2, dtype=F64),
)
case(
    "separable",
    lambda tf, x, d, p: tf.nn.separable_conv2d(x, d, p, [1, 1, 1, 1], "SAME"),
    X,
    floats(3, 3, 4, 2),
    floats(1, 1, 8, 3, seed=1),
    atol=5e-5,
)
case("atrous", lambda tf, x, w: tf.nn.atrous_conv2d(x, w, 2, "SAME"), X, floats(3, 3, 4, 2), atol=2e-5)
case("atrous_valid", lambda tf, x, w: tf.nn.atrous_conv2d(x, w, 2, "VALID"), X, floats(3, 2, 4, 2), atol=2e-5)
case(
    "atrous_open_shapes",
    lambda tf, x, w: tf.nn.atrous_conv2d(x, w, 3, "SAME"),
    X,
    floats(3, 3, 4, 2),
    shapes={0: [None, None, None, 4]},
    atol=2e-5,
)
case(
    "atrous_transpose",
    lambda tf, x, w: tf.nn.atrous_conv2d_transpose(x, w, [2, 7, 6, 3], 2, "SAME"),
    X,
    floats(3, 3, 3, 4),
    atol=2e-5,
)
case(
    "convolution_1d_dilated",
    lambda tf, x, w: tf.nn.convolution(x, w, "SAME", dilation_rate=[2]),
    floats(2, 9, 3),
    floats(3, 3, 4),
)
case(
    "convolution_3d",
    lambda tf, x, w: tf.nn.convolution(x, w, "VALID", strides=[1, 2, 1]),
    floats(2, 3, 5, 4, 2),
    floats(2, 3, 2, 2, 3),
    atol=2e-5,
)
case(
    "convolution_strided_and_dilated",
    lambda tf, x, w: tf.nn.convolution(x, w, "SAME", [2, 2], [2, 2]),
    X,
    floats(3, 3, 4, 2),
)


# Poolings

P = floats(2, 6, 8, 3)
ODD = floats(2, 7, 9, 3)
TIES = ints(2, 6, 6, 2, low=0, high=3).astype(np.float32)
POOLS = {
    "tiles": (P, [1, 2, 2, 1], [1, 2, 2, 1], "VALID"),
    "edges": (ODD, [1, 2, 2, 1], [1, 2, 2, 1], "SAME"),
    "rest": (ODD, [1, 2, 2, 1], [1, 2, 2, 1], "VALID"),
    "overlap": (ODD, [1, 3, 3, 1], [1, 2, 2, 1], "SAME"),
    "overlap_valid": (ODD, [1, 3, 2, 1], [1, 1, 2, 1], "VALID"),
    "gaps": (ODD, [1, 2, 2, 1], [1, 3, 3, 1], "SAME"),
    "whole": (P, [1, 6, 8, 1], [1, 1, 1, 1], "VALID"),
    "wide": (floats(1, 20, 20, 1), [1, 11, 9, 1], [1, 3, 2, 1], "SAME"),
}
for _name, (_x, *_rest) in POOLS.items():
    case("max_pool_" + _name, lambda tf, x, r=_rest: tf.nn.max_pool(x, *r), _x)
    case("avg_pool_" + _name, lambda tf, x, r=_rest: tf.nn.avg_pool(x, *r), _x)
    case("avg_pool_" + _name + "_float64", lambda tf, x, r=_rest: tf.nn.avg_pool(x, *r), _x.astype(F64))
    if _x.size < 500:
        case("max_pool_" + _name + "_float64", lambda tf, x, r=_rest: tf.nn.max_pool(x, *r), _x.astype(F64))
        case("max_pool_with_argmax_" + _name, lambda tf, x, r=_rest: tf.nn.max_pool_with_argmax(x, *r), _x)
case(
    "max_pool_ties", lambda tf, x: tf.nn.max_pool(x, 2, 2, "VALID"), TIES, note="the first of equals gets the gradient"
)
case("max_pool_ties_overlap", lambda tf, x: tf.nn.max_pool(x, 3, 2, "SAME"), TIES)
case("max_pool_of_negatives_at_edges", lambda tf, x: tf.nn.max_pool(x, 3, 2, "SAME"), -np.abs(ODD) - 1)
case("avg_pool_half", lambda tf, x: tf.nn.avg_pool(x, 2, 2, "SAME"), ODD.astype(np.float16))
case(
    "max_pool_over_channels",
    lambda tf, x: tf.nn.max_pool(x, [1, 1, 1, 3], [1, 1, 1, 3], "SAME"),
    floats(2, 3, 3, 6),
    gradient=False,
)
case("max_pool_open_shapes", lambda tf, x: tf.nn.max_pool(x, 3, 2, "SAME"), ODD, shapes={0: [None, None, 9, 3]})
case("avg_pool_open_shapes", lambda tf, x: tf.nn.avg_pool(x, 3, 2, "SAME"), ODD, shapes={0: [None, None, None, 3]})
case("max_pool_window_too_large", lambda tf, x: tf.nn.max_pool(x, 9, 1, "VALID"), P)
case("max_pool_of_nothing", lambda tf, x: tf.nn.max_pool(x, 0, 1, "VALID"), P)
case("max_pool3d", lambda tf, x: tf.nn.max_pool3d(x, 2, 2, "SAME"), floats(2, 3, 5, 4, 2))
case("avg_pool3d", lambda tf, x: tf.nn.avg_pool3d(x, [1, 2, 3, 2, 1], [1, 1, 2, 2, 1], "SAME"), floats(2, 3, 5, 4, 2))
case("max_pool1d", lambda tf, x: tf.nn.max_pool1d(x, 3, 2, "SAME"), floats(2, 9, 3))
case("avg_pool1d", lambda tf, x: tf.nn.avg_pool1d(x, 3, 2, "SAME"), floats(2, 9, 3))
case("max_pool_v2", lambda tf, x: tf.nn.max_pool_v2(x, 2, 2, "SAME"), ODD)
case("avg_pool_v2", lambda tf, x: tf.nn.avg_pool_v2(x, 2, 2, "SAME"), ODD)
case("pool_dilated", lambda tf, x: tf.nn.pool(x, [2, 2], "MAX", "VALID", dilation_rate=[2, 2]), ODD)
case("pool_1d", lambda tf, x: tf.nn.pool(x, [3], "AVG", "SAME", strides=[2]), floats(2, 9, 3))


def _pool_twice(kind):
    def build(tf, x):
        y = getattr(tf.nn, kind)(x, 2, 2, "SAME")
        (dx,) = tf.gradients(y * y, x)
        return dx * dx

    return build


case("max_pool_second_derivative", _pool_twice("max_pool"), P.astype(F64))
case("avg_pool_second_derivative", _pool_twice("avg_pool"), P.astype(F64))
