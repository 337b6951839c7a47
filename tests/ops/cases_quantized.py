"""Numbers as small integers and back."""

import numpy as np
from ops.case import Case

CASES = []


def case(name, call, *inputs, **options):
    CASES.append(Case(name, call, *inputs, **dict({"gradient": False}, **options)))


REALS = np.array([-3.0, -1.26, -0.51, -0.5, 0.0, 0.24, 0.5, 0.75, 1.0, 1.49, 2.5, 7.0], np.float32).reshape(3, 4)
for _type in ("quint8", "qint8", "qint32"):
    for _mode in ("MIN_COMBINED", "MIN_FIRST", "SCALED"):

        def _round_trip(tf, x, t=_type, m=_mode):
            made = tf.quantization.quantize(x, -1.5, 2.5, getattr(tf, t), mode=m)
            return [tf.quantization.dequantize(*made, mode=m), made[1], made[2]]

        case("round_trip_" + _type + "_" + _mode, _round_trip, REALS)


def _half_to_even(tf, x):
    made = tf.quantization.quantize(x, -1.0, 1.0, tf.qint8, mode="SCALED", round_mode="HALF_TO_EVEN")
    return tf.quantization.dequantize(*made, mode="SCALED")


case("quantize_half_to_even", _half_to_even, REALS / 4)
case("quantize_narrow", lambda tf, x: tf.quantization.quantize(x, 1.0, 1.0, tf.quint8)[1:], REALS)
case("quantize_refused", lambda tf, x: tf.quantization.quantize(x, 2.0, 1.0, tf.quint8)[1:], REALS)
for _signed in (True, False):
    for _bits in (3, 8):
        for _given in (True, False):
            case(
                "_".join(["fake", str(_signed), str(_bits), str(_given)]),
                lambda tf, x, s=_signed, b=_bits, g=_given: tf.quantization.quantize_and_dequantize(
                    x, -1.0, 2.0, signed_input=s, num_bits=b, range_given=g
                ),
                REALS,
            )
case(
    "fake_narrow",
    lambda tf, x: tf.quantization.quantize_and_dequantize(
        x, -1.0, 2.0, num_bits=4, range_given=True, narrow_range=True, round_mode="HALF_UP"
    ),
    REALS,
)
case(
    "fake_gradient",
    lambda tf, x: tf.gradients(tf.quantization.quantize_and_dequantize(x, -1.0, 2.0, range_given=True), x),
    REALS,
)
case(
    "fake_fed_bits",
    lambda tf, x, n: tf.raw_ops.QuantizeAndDequantizeV3(input=x, input_min=-1.0, input_max=2.0, num_bits=n),
    REALS,
    np.int32(5),
)
case(
    "compare_and_bitpack",
    lambda tf, x, t: tf.raw_ops.CompareAndBitpack(input=x, threshold=t),
    np.arange(-8, 8, dtype=np.float32).reshape(2, 8),
    np.float32(0.5),
)
case(
    "compare_and_bitpack_refused",
    lambda tf, x, t: tf.raw_ops.CompareAndBitpack(input=x, threshold=t),
    np.arange(6, dtype=np.float32),
    np.float32(0.5),
)
case("dim_map", lambda tf, x: tf.raw_ops.DataFormatDimMap(x=x), np.array([0, 1, 2, 3, -1, -4], np.int32))
case(
    "dim_map_back",
    lambda tf, x: tf.raw_ops.DataFormatDimMap(x=x, src_format="NCHW", dst_format="NHWC"),
    np.array([[0, 1], [2, 3]], np.int64),
)
case("vec_permute", lambda tf, x: tf.raw_ops.DataFormatVecPermute(x=x), np.array([7, 4, 9, 3], np.int32))
case(
    "vec_permute_pairs",
    lambda tf, x: tf.raw_ops.DataFormatVecPermute(x=x, src_format="NCHW", dst_format="NHWC"),
    np.arange(8, dtype=np.int32).reshape(4, 2),
)
