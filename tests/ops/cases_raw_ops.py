"""Ops that no function of TF 1's builds any more, but graphs of older programs hold, through `tf.raw_ops`."""

import numpy as np
from ops.case import Case, floats, ints

F32, F64 = np.float32, np.float64
CASES = []
IMAGES = floats(2, 5, 6, 3, dtype=F32)
MATRICES = floats(2, 3, 4, dtype=F64)


def case(name, call, *inputs, **options):
    CASES.append(Case(name, call, *inputs, **options))


case("all_candidate_sampler", lambda tf, x: tf.raw_ops.AllCandidateSampler(
    true_classes=x, num_true=2, num_sampled=5, unique=True, seed=1, seed2=2),
    np.int64([[1, 2], [4, 0]]), gradient=False)  # fmt: skip
case("approximate_equal", lambda tf, x, y: tf.raw_ops.ApproximateEqual(x=x, y=y, tolerance=0.1),
     F32([1, 1.05, 2, np.nan]), F32([1, 1.1, 2.2, np.nan]), gradient=False)  # fmt: skip
for _x, _y in ((False, False), (True, False), (False, True), (True, True)):
    case(f"batch_mat_mul_{_x}_{_y}",
         lambda tf, a, b, _x=_x, _y=_y: tf.raw_ops.BatchMatMul(x=a, y=b, adj_x=_x, adj_y=_y),
         MATRICES.transpose(0, 2, 1) if _x else MATRICES,
         MATRICES if _y else MATRICES.transpose(0, 2, 1))  # fmt: skip
case("batch_mat_mul_complex", lambda tf, a, b: tf.raw_ops.BatchMatMul(x=a, y=b, adj_x=True),
     (MATRICES + 1j * MATRICES[::-1]).astype(np.complex128), MATRICES.astype(np.complex128),
     gradient=False)  # fmt: skip
case("space_to_batch", lambda tf, x, p: tf.raw_ops.SpaceToBatch(input=x, paddings=p, block_size=2),
     floats(1, 3, 4, 2, dtype=F64), np.int32([[0, 1], [0, 0]]))  # fmt: skip
case("batch_to_space", lambda tf, x, c: tf.raw_ops.BatchToSpace(input=x, crops=c, block_size=2),
     floats(4, 2, 2, 1, dtype=F64), np.int32([[0, 1], [1, 0]]))  # fmt: skip
case(
    "bias_add_v1", lambda tf, x, b: tf.raw_ops.BiasAddV1(value=x, bias=b), floats(2, 3, dtype=F64), floats(3, dtype=F64)
)
case("bucketize", lambda tf, x: tf.raw_ops.Bucketize(input=x, boundaries=[0.0, 1.5, 4.0]),
     F32([[-1, 0, 1.4], [1.5, 4, 9]]), gradient=False)  # fmt: skip
case("bucketize_int", lambda tf, x: tf.raw_ops.Bucketize(input=x, boundaries=[0.0, 2.0]), ints(5), gradient=False)
case("clip_by_value", lambda tf, x: tf.raw_ops.ClipByValue(t=x, clip_value_min=tf.cast(-0.5, x.dtype),
     clip_value_max=tf.cast(0.5, x.dtype)), floats(3, 4, dtype=F64), smooth=False)  # fmt: skip
case("clip_by_value_broadcast", lambda tf, x, lo, hi: tf.raw_ops.ClipByValue(t=x, clip_value_min=lo, clip_value_max=hi),
     floats(3, 4, dtype=F32), np.full((3, 4), -0.2, F32), np.full((3, 4), 0.4, F32), gradient=False)  # fmt: skip
case("concat_v1", lambda tf, a, b: tf.raw_ops.Concat(concat_dim=1, values=[a, b]),
     floats(2, 3, dtype=F64), floats(2, 1, dtype=F64))  # fmt: skip
case("div_int", lambda tf, x, y: tf.raw_ops.Div(x=x, y=y), np.int32([7, -7, 7, -7]), np.int32([2, 2, -2, -2]))
case("div_float", lambda tf, x, y: tf.raw_ops.Div(x=x, y=y), floats(3, 1, dtype=F64), floats(2, dtype=F64) + 2)
case("div_int_by_zero", lambda tf, x, y: tf.raw_ops.Div(x=x, y=y), np.int32([7]), np.int32([0]))
case("mod_int", lambda tf, x, y: tf.raw_ops.Mod(x=x, y=y), np.int32([7, -7, 7, -7]), np.int32([3, 3, -3, -3]))
case("mod_float", lambda tf, x, y: tf.raw_ops.Mod(x=x, y=y), F64([7.5, -7.5]), F64([2, 2]), gradient=False)
case("inv", lambda tf, x: tf.raw_ops.Inv(x=x), floats(3, dtype=F64) + 2)
case("inv_grad", lambda tf, y, dy: tf.raw_ops.InvGrad(y=y, dy=dy), floats(3, dtype=F64) + 2, floats(3, dtype=F64))
case("gather_v1", lambda tf, x, i: tf.raw_ops.Gather(params=x, indices=i), floats(4, 2, dtype=F64),
     np.int32([[3, 0], [1, 1]]))  # fmt: skip
case("gather_v1_outside", lambda tf, x, i: tf.raw_ops.Gather(params=x, indices=i), floats(4, 2), np.int32([4]))
case("in_top_k_v1", lambda tf, p, t: tf.raw_ops.InTopK(predictions=p, targets=t, k=2),
     F32([[1, 3, 2], [3, 2, 2], [np.nan, 1, 2]]), np.int32([0, 1, 2]), gradient=False)  # fmt: skip
for _reverse in (False, True):
    case(f"nth_element_{_reverse}", lambda tf, x, _r=_reverse: tf.raw_ops.NthElement(input=x, n=1, reverse=_r),
         floats(3, 5, dtype=F64), gradient=not _reverse)  # fmt: skip
case("ones_like", lambda tf, x: tf.raw_ops.OnesLike(x=x), ints(2, 3), gradient=False)
for _type in ("int8", "uint8", "int16", "uint16", "int32", "int64"):
    case(f"population_count_{_type}", lambda tf, x: tf.raw_ops.PopulationCount(x=x),
         np.array([0, 1, 7, 100, 127]).astype(_type), gradient=False)  # fmt: skip
case("population_count_negative", lambda tf, x: tf.raw_ops.PopulationCount(x=x), np.int32([-1, -2]), gradient=False)
case("reverse_v1", lambda tf, x, d: tf.raw_ops.Reverse(tensor=x, dims=d), floats(2, 3, dtype=F64),
     np.array([True, False]))  # fmt: skip
case("softplus_grad", lambda tf, g, x: tf.raw_ops.SoftplusGrad(gradients=g, features=x),
     floats(5, dtype=F64), 20 * floats(5, dtype=F64))  # fmt: skip
case("scatter_nd_non_aliasing_add",
     lambda tf, x, i, u: tf.raw_ops.ScatterNdNonAliasingAdd(input=x, indices=i, updates=u),
     floats(5, dtype=F64), np.int32([[1], [3], [1]]), floats(3, dtype=F64))  # fmt: skip
case("random_gamma_grad", lambda tf, a, s: tf.raw_ops.RandomGammaGrad(alpha=a, sample=s),
     F64([0.5, 1.0, 3.0]), F64([0.2, 1.5, 2.0]), gradient=False, rtol=1e-9)  # fmt: skip


def _normalized(tf, op, x, scale, offset, mean, variance, training):
    """y, and the mean and variance used."""
    build = getattr(tf.raw_ops, op)
    return list(
        build(x=x, scale=scale, offset=offset, mean=mean, variance=variance, epsilon=1e-3, is_training=training)
    )[:3]


VECTORS = [floats(3, dtype=F32) + 1, floats(3, dtype=F32), floats(3, dtype=F32), floats(3, dtype=F32) + 2]
for _op in ("FusedBatchNorm", "FusedBatchNormV2"):
    case(_op + "_training", lambda tf, x, s, o, _op=_op: _normalized(
        tf, _op, x, s, o, tf.zeros([0]), tf.zeros([0]), True), IMAGES, *VECTORS[:2], rtol=2e-5, atol=2e-5)  # fmt: skip
    case(_op + "_inference", lambda tf, x, s, o, m, v, _op=_op: _normalized(
        tf, _op, x, s, o, m, v, False)[:1], IMAGES, *VECTORS, gradient=False, rtol=1e-5, atol=1e-5)  # fmt: skip
case("max_pool_v2", lambda tf, x, k, s: tf.raw_ops.MaxPoolV2(input=x, ksize=k, strides=s, padding="SAME"),
     IMAGES, np.int32([1, 2, 3, 1]), np.int32([1, 2, 2, 1]))  # fmt: skip
case("max_pool_grad_v2", lambda tf, x, y, g, k, s: tf.raw_ops.MaxPoolGradV2(
    orig_input=x, orig_output=y, grad=g, ksize=k, strides=s, padding="VALID"),
    np.arange(16, dtype=F32).reshape(1, 4, 4, 1), F32([5, 7, 13, 15]).reshape(1, 2, 2, 1),
    floats(1, 2, 2, 1, dtype=F32), np.int32([1, 2, 2, 1]), np.int32([1, 2, 2, 1]), gradient=False)  # fmt: skip
