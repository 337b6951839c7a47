"""What slides over images: patches, dilation and erosion, edges, pooling over uneven cells, likeness of images."""

import numpy as np
from ops.case import Case, floats, ints

IMAGES = floats(2, 7, 8, 2, low=0.0, high=1.0)
VOLUMES = floats(1, 4, 5, 4, 2)
FILTER = floats(2, 3, 2, seed=1)
GEOMETRIES = (([1, 3, 3, 1], [1, 2, 2, 1], [1, 1, 1, 1]), ([1, 2, 3, 1], [1, 1, 3, 1], [1, 2, 1, 1]))
CASES = []


def case(name, call, *inputs, **options):
    CASES.append(Case(name, call, *inputs, **options))


# Patches, dilation and erosion

for _i, (_size, _strides, _rates) in enumerate(GEOMETRIES):
    for _padding in ("SAME", "VALID"):
        _name = f"{_padding.lower()}_{_i}"
        case(
            "patches_" + _name,
            lambda tf, x, _a=(_size, _strides, _rates, _padding): tf.extract_image_patches(x, *_a),
            IMAGES.astype(np.float64) if _i else IMAGES,
            gradient=(_padding == "SAME") != bool(_i),
        )
        case(
            "dilation_" + _name,
            lambda tf, x, w, _a=(_strides, _rates, _padding): [tf.nn.dilation2d(x, w, *_a), tf.nn.erosion2d(x, w, *_a)],
            IMAGES,
            FILTER,
            gradient=(_padding == "SAME") != bool(_i),
        )
case(
    "patches_types",
    lambda tf, x, y: [
        tf.image.extract_image_patches(x, sizes=[1, 2, 2, 1], strides=[1, 1, 1, 1], rates=[1, 1, 1, 1], padding="SAME"),
        tf.image.extract_patches(y, [1, 2, 1, 1], [1, 3, 2, 1], [1, 1, 1, 1], "VALID"),
    ],
    ints(1, 4, 3, 2, low=0, high=256, dtype=np.uint8),
    ints(2, 5, 5, 1, dtype=np.int64),
)
case(
    "patches_open",
    lambda tf, x: tf.extract_image_patches(x, [1, 2, 2, 1], [1, 1, 1, 1], [1, 1, 1, 1], "VALID"),
    IMAGES,
    shapes={0: [None, None, None, None]},
)
case(
    "patches_of_nothing",
    lambda tf, x: tf.extract_image_patches(x, [1, 2, 2, 1], [1, 1, 1, 1], [1, 1, 1, 1], "SAME"),
    IMAGES[:0],
    gradient=False,
)
case("patches_too_large", lambda tf, x: tf.extract_image_patches(x, [1, 9, 2, 1], [1] * 4, [1] * 4, "VALID"), IMAGES)
case("patches_of_three_sizes", lambda tf, x: tf.extract_image_patches(x, [1, 2, 2], [1] * 4, [1] * 4, "VALID"), IMAGES)
case("patches_of_batches", lambda tf, x: tf.extract_image_patches(x, [2, 2, 2, 1], [1] * 4, [1] * 4, "VALID"), IMAGES)
case(
    "patches_of_a_matrix",
    lambda tf, x: tf.extract_image_patches(x, [1, 2, 2, 1], [1] * 4, [1] * 4, "VALID"),
    IMAGES[0, 0],
)
for _padding in ("SAME", "VALID"):
    case(
        "volume_patches_" + _padding.lower(),
        lambda tf, x, _p=_padding: tf.extract_volume_patches(x, [1, 2, 2, 3, 1], [1, 1, 2, 1, 1], _p),
        VOLUMES,
        gradient=_padding == "SAME",
    )
case(
    "dilation_types",
    lambda tf, x, v, y, w: [tf.nn.dilation2d(*a, [1] * 4, [1] * 4, "SAME") for a in ((x, v), (y, w))],
    ints(1, 4, 5, 2, dtype=np.int32),
    ints(2, 2, 2, dtype=np.int32),
    IMAGES.astype(np.float64),
    FILTER.astype(np.float64),
)
case(
    "dilation_of_equals",
    lambda tf, x, w: tf.nn.dilation2d(x, w, [1] * 4, [1] * 4, "SAME"),
    ints(1, 5, 5, 1, low=0, high=2).astype(np.float32),
    np.zeros((2, 3, 1), np.float32),
)
case(
    "dilation_new_names",
    lambda tf, x, w: tf.nn.dilation2d(x, filters=w, strides=[1] * 4, dilations=[1] * 4, padding="VALID"),
    IMAGES,
    FILTER,
    shapes={0: [None, None, None, 2]},
)
case("dilation_other_depth", lambda tf, x, w: tf.nn.dilation2d(x, w, [1] * 4, [1] * 4, "SAME"), IMAGES, FILTER[..., :1])
case("dilation_of_batches", lambda tf, x, w: tf.nn.dilation2d(x, w, [2, 1, 1, 1], [1] * 4, "SAME"), IMAGES, FILTER)
case("dilation_too_large", lambda tf, x, w: tf.nn.dilation2d(x, w, [1] * 4, [1, 9, 1, 1], "VALID"), IMAGES, FILTER)

# Edges and likeness

case(
    "edges",
    lambda tf, x: [tf.image.sobel_edges(x), *tf.image.image_gradients(x)],
    IMAGES,
    shapes={0: [None, None, None, 2]},
)
case("edges_of_one_image", lambda tf, x: tf.image.image_gradients(x), IMAGES[0])
case(
    "total_variation",
    lambda tf, x, y: [tf.image.total_variation(x), tf.image.total_variation(y)],
    IMAGES,
    IMAGES[1].astype(np.float64),
)
case("total_variation_of_a_matrix", lambda tf, x: tf.image.total_variation(x), IMAGES[0, 0])
PICTURES = floats(2, 10, 11, 2, low=0.0, high=1.0, seed=1)
LIKE = (PICTURES + floats(2, 10, 11, 2, low=-0.2, high=0.2, seed=2)).clip(0, 1).astype(np.float32)
case(
    "likeness",
    lambda tf, x, y: [
        tf.image.psnr(x, y, 1.0),
        tf.image.ssim(x, y, 1.0, filter_size=4, filter_sigma=1.0, k1=0.02, k2=0.05),
        tf.image.ssim_multiscale(x, y, 1.0, power_factors=(0.3, 0.7), filter_size=3),
    ],
    PICTURES,
    LIKE,
    rtol=1e-4,
    atol=1e-5,
    gradient=False,
)
case(
    "likeness_gradients",
    lambda tf, x, y: [tf.image.psnr(x, y, 1.0), tf.image.ssim(x, y, 1.0, filter_size=3)],
    PICTURES[:, :6, :7].copy(),
    LIKE[:, :6, :7].copy(),
    rtol=1e-4,
    atol=1e-5,
)
case(
    "likeness_of_bytes",
    lambda tf, x, y: [tf.image.psnr(x, y, 255), tf.image.ssim(x, y, 255, filter_size=3)],
    (PICTURES * 255).astype(np.uint8),
    (LIKE[:1] * 255).astype(np.uint8),
    rtol=1e-4,
)
case("likeness_to_other_size", lambda tf, x, y: tf.image.psnr(x, y, 1.0), PICTURES, LIKE[:, 1:].copy())
case("likeness_to_other_batch", lambda tf, x, y: tf.image.ssim(x, y, 1.0), PICTURES[:, None].repeat(3, 1), LIKE)
case("likeness_too_small", lambda tf, x, y: tf.image.ssim(x, y, 1.0), PICTURES, LIKE)

# Uneven cells

for _name in ("fractional_max_pool", "fractional_avg_pool"):
    for _is_even in (False, True):
        case(
            _name + ("_by_one_number" if _is_even else ""),
            lambda tf, x, y, _n=_name, _e=_is_even: [
                output
                for v in (x, y)
                for overlapping in (False, True)
                for output in getattr(tf.nn, _n)(v, [1.0, 1.6, 2.3, 1.0], _e, overlapping, True, 3, 5)
            ],
            floats(2, 9, 11, 2, low=0.1, high=1.0),
            ints(1, 6, 10, 1, dtype=np.int32),
        )
    case(_name + "_of_channels", lambda tf, x, _n=_name: getattr(tf.nn, _n)(x, [2, 1, 1, 2]), IMAGES, gradient=False)
    case(
        _name + "_with_needless_seed",
        lambda tf, x, _n=_name: getattr(tf.nn, _n)(x, [1, 2, 2, 1], seed=4),
        IMAGES,
        gradient=False,
    )
