"""Convolutions, products, poolings, ... of quantized integers, and what moves them to another range."""

from ops.case import Case, floats

CASES = []


def case(name, call, *inputs, **options):
    CASES.append(Case(name, call, *inputs, **dict({"gradient": False}, **options)))


def ends(tf, made):
    """The floats that quantized integers stand for, and the range."""
    return [tf.quantization.dequantize(*made, mode="MIN_FIRST"), made[1], made[2]]


def quantized(tf, x, low=-1.5, high=2.0, kind="quint8"):
    return tf.quantization.quantize(x, low, high, getattr(tf, kind), mode="MIN_FIRST")


IMAGES = floats(2, 5, 6, 3, low=-1.5, high=2.0)
FILTER = floats(3, 2, 3, 4, low=-1.0, high=1.0, seed=1)
MATRIX = floats(4, 5, low=-1.5, high=2.0)
OTHER = floats(5, 3, low=-0.7, high=0.9, seed=2)

for _padding in ("SAME", "VALID"):
    for _stride in (1, 2):

        def _conv(tf, x, w, p=_padding, s=_stride):
            x, w = quantized(tf, x), quantized(tf, w, -1.0, 1.0)
            made = tf.nn.quantized_conv2d(x[0], w[0], x[1], x[2], w[1], w[2], [1, s, s, 1], p)
            return ends(tf, made)

        case(f"conv_{_padding}_{_stride}", _conv, IMAGES, FILTER)


def _conv_open(tf, x, w):
    x, w = quantized(tf, x), quantized(tf, w, -1.0, 1.0)
    return ends(tf, tf.nn.quantized_conv2d(x[0], w[0], x[1], x[2], w[1], w[2], [1, 1, 1, 1], "VALID"))


case("conv_open", _conv_open, IMAGES, FILTER, shapes={0: [None, None, 6, None]})
case("conv_depths_differ", _conv_open, IMAGES, FILTER[:, :, :2].copy())


def _matmul(tf, a, b, ta=False, tb=False):
    a, b = quantized(tf, a), quantized(tf, b, -1.0, 1.0)
    return ends(
        tf,
        tf.raw_ops.QuantizedMatMul(
            a=a[0], b=b[0], min_a=a[1], max_a=a[2], min_b=b[1], max_b=b[2], transpose_a=ta, transpose_b=tb
        ),
    )


case("matmul", _matmul, MATRIX, OTHER)
case("matmul_transposed", lambda tf, a, b: _matmul(tf, a, b, True, True), MATRIX.T.copy(), OTHER.T.copy())
case("matmul_wrong", _matmul, MATRIX, MATRIX)


def _bias(tf, x, b):
    x, b = quantized(tf, x), quantized(tf, b, -0.3, 0.9)
    made = tf.raw_ops.QuantizedBiasAdd(
        input=x[0], bias=b[0], min_input=x[1], max_input=x[2], min_bias=b[1], max_bias=b[2], out_type=tf.qint32
    )
    return ends(tf, made)


case("bias_add", _bias, MATRIX, floats(5, low=-0.3, high=0.9, seed=3))
for _kind in ("quint8", "qint32"):
    for _name in ("QuantizedRelu", "QuantizedRelu6"):

        def _relu(tf, x, k=_kind, n=_name):
            made = quantized(tf, x, -3.0, 9.0, k)
            op = getattr(tf.raw_ops, n)
            return ends(tf, op(features=made[0], min_features=made[1], max_features=made[2], out_type=getattr(tf, k)))

        case(_name + "_" + _kind, _relu, floats(4, 5, low=-3.0, high=9.0))


for _padding in ("SAME", "VALID"):
    for _name in ("quantized_max_pool", "quantized_avg_pool"):

        def _pool(tf, x, p=_padding, n=_name):
            made = quantized(tf, x)
            return ends(tf, getattr(tf.nn, n)(*made, ksize=[1, 2, 3, 1], strides=[1, 2, 2, 1], padding=p))

        case(_name + "_" + _padding, _pool, IMAGES)


def _reshape(tf, x):
    made = quantized(tf, x)
    return ends(tf, tf.raw_ops.QuantizedReshape(tensor=made[0], shape=[5, 4], input_min=made[1], input_max=made[2]))


case("reshape", _reshape, MATRIX)
for _kind in ("quint8", "qint32"):
    for _high in (2.0, 3.0):

        def _concat(tf, x, y, k=_kind, h=_high):
            a, b = quantized(tf, x, kind=k), quantized(tf, y, -0.5, h, kind=k)
            return ends(tf, tf.quantization.quantized_concat(1, [a[0], b[0]], [a[1], b[1]], [a[2], b[2]]))

        case(f"concat_{_kind}_{_high:.0f}", _concat, MATRIX, floats(4, 2, low=-0.5, high=2.0, seed=4), rtol=1e-5)


def _requantized(tf, a, b, how):
    a, b = quantized(tf, a), quantized(tf, b, -1.0, 1.0)
    wide = tf.raw_ops.QuantizedMatMul(a=a[0], b=b[0], min_a=a[1], max_a=a[2], min_b=b[1], max_b=b[2])
    return how(tf, *wide)


def _requantize(tf, x, low, high):
    used = tf.raw_ops.RequantizationRange(input=x, input_min=low, input_max=high)
    made = tf.raw_ops.Requantize(
        input=x, input_min=low, input_max=high, requested_output_min=used[0], requested_output_max=used[1],
        out_type=tf.quint8,
    )  # fmt: skip
    return list(used) + ends(tf, made)


case("requantize", lambda tf, a, b: _requantized(tf, a, b, _requantize), MATRIX, OTHER)
case(
    "quantize_down",
    lambda tf, a, b: _requantized(
        tf,
        a,
        b,
        lambda tf, x, low, high: ends(
            tf,
            tf.raw_ops.QuantizeDownAndShrinkRange(input=x, input_min=low, input_max=high, out_type=tf.quint8),
        ),
    ),
    MATRIX,
    OTHER,
)
