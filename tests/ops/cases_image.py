"""Images resized, cut, turned, converted and adjusted."""

import numpy as np
from ops.case import Case, floats, ints

IMAGES = floats(2, 5, 6, 3, low=0.0, high=1.0)
ONE = IMAGES[0].copy()
BYTES = ints(2, 5, 6, 3, low=0, high=256, dtype=np.uint8)
CASES = []


def case(name, call, *inputs, **options):
    CASES.append(Case(name, call, *inputs, **options))


# Resizing

SIZES = [[3, 4], [8, 13]]
OTHER_SIZES = [[1, 1], [3, 110], [5, 6]]
for _name in ("bilinear", "nearest_neighbor", "bicubic"):
    for _where, _options in (
        ("", {}),
        ("_corners", {"align_corners": True}),
        ("_centers", {"half_pixel_centers": True}),
    ):
        _call = lambda tf, x, _n=_name, _o=_options: [  # noqa: E731
            getattr(tf.image, "resize_" + _n)(x, size, **_o) for size in SIZES
        ]
        case(f"resize_{_name}{_where}", _call, IMAGES)
    case(
        f"resize_{_name}_sizes",
        lambda tf, x, _n=_name: [getattr(tf.image, "resize_" + _n)(x, size) for size in OTHER_SIZES],
        IMAGES[:1, ..., :1].copy(),
    )
    case(
        f"resize_{_name}_types",
        lambda tf, x, y, z, _n=_name: [getattr(tf.image, "resize_" + _n)(v, [7, 3]) for v in (x, y, z)],
        BYTES,
        IMAGES.astype(np.float64),
        ints(1, 3, 4, 1, dtype=np.int16),
        smooth=False,
        rtol=1e-5,
        atol=1e-6,
    )
    case(
        f"resize_{_name}_open",
        lambda tf, x, size, _n=_name: getattr(tf.image, "resize_" + _n)(x, size),
        IMAGES,
        np.array([4, 9], np.int32),
        shapes={0: [None, None, None, 3]},
    )
case("resize_half", lambda tf, x: [tf.image.resize_bilinear(x, [4, 9])], IMAGES.astype(np.float16), gradient=False)
case(
    "resize_area",
    lambda tf, x, y: [tf.image.resize_area(v, s) for v in (x, y) for s in SIZES] + [tf.image.resize_area(x, [3, 110])],
    IMAGES,
    BYTES,
    gradient=False,
)
case(
    "resize_area_corners",
    lambda tf, x: [tf.image.resize_area(x, s, align_corners=True) for s in SIZES],
    floats(1, 23, 31, 2),
    gradient=False,
)
case("resize_no_images", lambda tf, x: tf.image.resize_bilinear(x, [4, 4]), IMAGES[:0])
case("resize_empty_images", lambda tf, x: tf.image.resize_bilinear(x, [4, 4]), IMAGES[:, :0])
case("resize_no_channels", lambda tf, x: tf.image.resize_bicubic(x, [4, 4]), IMAGES[..., :0])
case("resize_to_nothing", lambda tf, x: tf.image.resize_bilinear(x, [0, 4]), IMAGES)
case("resize_to_minus_one", lambda tf, x: tf.image.resize_area(x, [4, -1]), IMAGES)
case("resize_of_a_matrix", lambda tf, x: tf.image.resize_bilinear(x, [4, 4]), ONE[0])
case("resize_to_one_number", lambda tf, x: tf.image.resize_bilinear(x, [4]), IMAGES)
case("resize_unknown_rank", lambda tf, x: tf.image.resize_bilinear(x, [4, 4]), ONE, shapes={0: None})
case(
    "resize_corners_and_centers",
    lambda tf, x: tf.image.resize_bilinear(x, [4, 4], align_corners=True, half_pixel_centers=True),
    IMAGES,
)
for _method in range(4):
    case(
        f"resize_images_{_method}",
        lambda tf, x, y, _m=_method: [
            tf.image.resize_images(x, [4, 8], _m),
            tf.image.resize_images(y, [5, 6], _m),
            tf.image.resize_images(y, [9, 9], _m, align_corners=True, preserve_aspect_ratio=True),
        ],
        IMAGES,
        ONE,
        gradient=_method != 3,
    )
case(
    "resize_images_open",
    lambda tf, x, size: [
        tf.image.resize_images(x, size, tf.image.ResizeMethod.NEAREST_NEIGHBOR),
        tf.image.resize(x, [7, 20], preserve_aspect_ratio=True),
        tf.image.resize_images(x, tf.shape(x)[1:3] * 2),
    ],
    IMAGES,
    np.array([3, 3], np.int32),
    shapes={0: [None, None, None, None]},
)
case("resize_images_unknown", lambda tf, x: tf.image.resize_images(x, [3, 3]), IMAGES, shapes={0: None})
case("resize_images_bad_size", lambda tf, x: tf.image.resize_images(x, [3, 3, 1]), IMAGES)
case("resize_images_bad_method", lambda tf, x: tf.image.resize_images(x, [3, 3], 9), IMAGES)
case(
    "resize_with_pad",
    lambda tf, x, y: [tf.image.resize_image_with_pad(v, h, w) for v in (x, y) for h, w in ((8, 8), (3, 20))],
    IMAGES,
    ONE,
    shapes={1: [None, None, 3]},
    gradient=False,
)
for _kernel in ("lanczos1", "lanczos3", "lanczos5", "gaussian", "box", "triangle", "keyscubic", "mitchellcubic"):
    case(
        "scale_and_translate_" + _kernel,
        lambda tf, x, _k=_kernel: [
            tf.raw_ops.ScaleAndTranslate(
                images=x, size=[4, 9], scale=scale, translation=moved, kernel_type=_k, antialias=antialias
            )
            for scale, moved, antialias in (([0.8, 1.5], [0.0, 0.0], True), ([0.5, 0.4], [0.3, -1.2], False))
        ],
        IMAGES,
        gradient=_kernel in ("lanczos3", "triangle"),
        atol=1e-6,
    )

# Cropping

case(
    "crops",
    lambda tf, x, y: [
        tf.image.central_crop(x, 0.5),
        tf.image.central_crop(y, 0.3),
        tf.image.central_crop(y, 1.0),
        tf.image.crop_to_bounding_box(x, 1, 2, 3, 4),
        tf.image.crop_to_bounding_box(y, 0, 0, 5, 6),
        tf.image.pad_to_bounding_box(x, 1, 2, 7, 9),
        tf.image.pad_to_bounding_box(y, 0, 0, 5, 6),
    ],
    IMAGES,
    ONE,
)
case(
    "crops_open",
    lambda tf, x, y, n: [
        tf.image.central_crop(x, 0.5),
        tf.image.crop_to_bounding_box(x, 1, n, 3, 4),
        tf.image.pad_to_bounding_box(y, n, 2, 7, 9),
        tf.image.resize_image_with_crop_or_pad(y, 3, n + 8),
    ],
    IMAGES,
    ONE,
    np.array(1, np.int32),
    shapes={0: [None, None, None, 3], 1: [None, None, None]},
)
case(
    "crop_or_pad",
    lambda tf, x, y: [
        tf.image.resize_image_with_crop_or_pad(v, h, w) for v in (x, y) for h, w in ((3, 3), (4, 11), (5, 6))
    ],
    IMAGES,
    ONE,
)
case("crop_of_unknown", lambda tf, x: tf.image.crop_to_bounding_box(x, 1, 1, 2, 2), ONE, shapes={0: None})
case("crop_too_large", lambda tf, x: tf.image.crop_to_bounding_box(x, 1, 1, 5, 2), ONE)
case(
    "crop_too_large_open",
    lambda tf, x: tf.image.crop_to_bounding_box(x, 1, 1, 5, 2),
    ONE,
    shapes={0: [None, None, 3]},
)
case("pad_too_small", lambda tf, x: tf.image.pad_to_bounding_box(x, 1, 1, 5, 9), ONE)
case("crop_of_nothing", lambda tf, x: tf.image.crop_to_bounding_box(x, 0, 0, 1, 1), ONE[:0])
case("central_crop_of_a_matrix", lambda tf, x: tf.image.central_crop(x, 0.5), ONE[0])
case("central_crop_of_too_much", lambda tf, x: tf.image.central_crop(x, 1.5), ONE)
case("crop_or_pad_to_nothing", lambda tf, x: tf.image.resize_image_with_crop_or_pad(x, 0, 3), ONE)

BOXES = np.array(
    [[0, 0, 1, 1], [0.1, 0.2, 0.7, 0.9], [0.9, 0.8, 0.2, 0.1], [-0.2, -0.3, 1.2, 1.4], [0.5, 0.5, 0.5, 0.5]], np.float32
)
WHICH = np.array([0, 1, 1, 0, 1], np.int32)
for _method in ("bilinear", "nearest"):
    case(
        "crop_and_resize_" + _method,
        lambda tf, x, boxes, which, _m=_method: [
            tf.image.crop_and_resize(x, boxes, which, size, method=_m, extrapolation_value=0.5)
            for size in ([[3, 4]] if _m == "bilinear" else [[7, 1]])
        ],
        IMAGES,
        BOXES,
        WHICH,
        rtol=1e-4,
        atol=1e-5,
    )
case(
    "crop_and_resize_types",
    lambda tf, x, y, boxes, which: [tf.image.crop_and_resize(v, boxes, which, [3, 4]) for v in (x, y)],
    BYTES,
    IMAGES.astype(np.float64),
    BOXES,
    WHICH,
    smooth=False,
    rtol=1e-4,
    atol=1e-5,
    gradient=False,
)
case(
    "crop_and_resize_open",
    lambda tf, x, boxes, which, size: tf.image.crop_and_resize(x, boxes, which, size),
    IMAGES,
    BOXES,
    WHICH,
    np.array([2, 3], np.int32),
    shapes={0: [None, None, None, None], 1: [None, 4], 2: [None]},
    rtol=1e-4,
    atol=1e-5,
    gradient=False,
)
case(
    "crop_and_resize_no_boxes",
    lambda tf, x, b, i: tf.image.crop_and_resize(x, b, i, [2, 2]),
    IMAGES,
    BOXES[:0],
    WHICH[:0],
)
case(
    "crop_and_resize_wrong_image",
    lambda tf, x, b, i: tf.image.crop_and_resize(x, b, i, [2, 2]),
    IMAGES,
    BOXES,
    WHICH + 1,
)
case("crop_and_resize_to_nothing", lambda tf, x, b, i: tf.image.crop_and_resize(x, b, i, [0, 2]), IMAGES, BOXES, WHICH)
case(
    "crop_and_resize_wrong_boxes",
    lambda tf, x, b, i: tf.image.crop_and_resize(x, b, i, [2, 2]),
    IMAGES,
    BOXES[:, :3],
    WHICH,
)

# Flipping

case(
    "flips",
    lambda tf, x, y: [
        f(v)
        for f in (tf.image.flip_left_right, tf.image.flip_up_down, tf.image.transpose, tf.image.transpose_image)
        for v in (x, y)
    ],
    IMAGES,
    ONE,
)
case(
    "rot90", lambda tf, x, y: [tf.image.rot90(v, k) for v in (x, y) for k in range(-1, 5)], IMAGES, ONE, gradient=False
)
case(
    "rot90_open",
    lambda tf, x, k: [tf.image.rot90(x, k), tf.image.flip_left_right(x)],
    ONE,
    np.array(3, np.int32),
    shapes={0: None},
    gradient=False,
)
case("flip_of_a_matrix", lambda tf, x: tf.image.flip_left_right(x), ONE[0])
case("flip_of_five_axes", lambda tf, x: tf.image.flip_up_down(x), IMAGES[None])

# Types and colours

KINDS = (np.uint8, np.int8, np.int16, np.uint16, np.int32, np.float16, np.float32, np.float64)
for _kind in KINDS:
    _largest = 1 if np.dtype(_kind).kind == "f" else np.iinfo(_kind).max
    _image = (floats(7, low=-0.2, high=1.2, dtype=np.float64) * _largest).clip(
        *((-9, 9) if _largest == 1 else (np.iinfo(_kind).min, np.iinfo(_kind).max))
    )
    case(
        "convert_" + np.dtype(_kind).name,
        lambda tf, x, _kind=_kind: [
            tf.image.convert_image_dtype(x, dtype, saturate)
            for dtype in (tf.uint8, tf.int16, tf.int32, tf.float16, tf.float32, tf.float64)
            for saturate in (True,) + (() if np.dtype(_kind).kind == "f" else (False,))
        ],
        _image.astype(_kind),
        gradient=False,
    )
for _name in ("rgb_to_hsv", "hsv_to_rgb"):
    _call = lambda tf, x, _n=_name: getattr(tf.image, _n)(x)  # noqa: E731
    _edges = np.array(
        [[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0.2], [0.2, 0.7, 0.7]], np.float32
    )
    case(_name, _call, IMAGES, rtol=1e-4, atol=1e-5)
    case(_name + "_edges", _call, _edges, gradient=False)
    case(_name + "_float64", _call, IMAGES.astype(np.float64), gradient=False)
    case(_name + "_half", _call, IMAGES.astype(np.float16), gradient=False, rtol=1e-2, atol=4e-3)
    case(_name + "_open", _call, ONE, shapes={0: None}, gradient=False)
    case(_name + "_of_two_channels", _call, ONE[..., :2])
for _name in ("rgb_to_yiq", "yiq_to_rgb", "rgb_to_yuv", "yuv_to_rgb"):
    case(_name, lambda tf, x, y, _n=_name: [getattr(tf.image, _n)(v) for v in (x, y)], IMAGES, ONE.astype(np.float64))
case("rgb_to_grayscale", lambda tf, x, y, z: [tf.image.rgb_to_grayscale(v) for v in (x, y, z)], IMAGES, BYTES, ONE[0])
case(
    "grayscale_to_rgb",
    lambda tf, x, y: [tf.image.grayscale_to_rgb(v) for v in (x, y)],
    IMAGES[..., :1].copy(),
    BYTES[..., :1].copy(),
    shapes={1: [None, None, None, None]},
)
case("grayscale_to_rgb_of_rgb", lambda tf, x: tf.image.grayscale_to_rgb(x), IMAGES)
case("grayscale_to_rgb_of_rgb_open", lambda tf, x: tf.image.grayscale_to_rgb(x), IMAGES, shapes={0: [None] * 4})

# Adjusting

for _name, _factors in (
    ("brightness", (-0.3, 0.2)),
    ("contrast", (0.4, 3.0, 0.0)),
    ("hue", (-0.3, 0.99)),
    ("saturation", (0.3, 10.0)),
    ("gamma", (0.5, 2.0, 0.0)),
):
    case(
        "adjust_" + _name,
        lambda tf, x, y, _n=_name, _f=_factors: [
            getattr(tf.image, "adjust_" + _n)(v, factor) for v, factor in zip((x, y, x), _f)
        ],
        IMAGES,
        BYTES,
        gradient=False,
        rtol=1e-4,
        atol=2e-6,
    )
case(
    "adjust_by_tensors",
    lambda tf, x, f: [
        tf.image.adjust_brightness(x, f),
        tf.image.adjust_contrast(x, f),
        tf.image.adjust_hue(x, f),
        tf.image.adjust_saturation(x, f),
        tf.image.adjust_gamma(x, f, gain=0.5),
    ],
    ONE,
    np.array(0.3, np.float32),
    shapes={0: [None, None, None]},
    gradient=False,
    atol=2e-6,
)
case("adjust_gray_hue", lambda tf, x: tf.image.adjust_hue(x, 0.3), IMAGES[..., :1].copy())
case("adjust_hue_of_a_matrix", lambda tf, x: tf.image.adjust_hue(x, 0.3), ONE[0], gradient=False)
case("adjust_gamma_negative", lambda tf, x, g: tf.image.adjust_gamma(x, g), ONE, np.array(-1.0, np.float32))
case("adjust_gamma_constant_negative", lambda tf, x: tf.image.adjust_gamma(x, -1), ONE)
case(
    "adjust_equal_channels",
    lambda tf, x: [tf.image.adjust_hue(x, 0.4), tf.image.adjust_saturation(x, 2.0)],
    ints(1, 6, 6, 3, low=0, high=3).astype(np.float32) / 2,
    gradient=False,
    atol=2e-6,
)
case(
    "standardization",
    lambda tf, x, y, z: [tf.image.per_image_standardization(v) for v in (x, y, z)],
    IMAGES,
    BYTES,
    np.full((3, 3, 1), 0.5, np.float32),
    gradient=False,
    rtol=1e-4,
    atol=1e-5,
)
case("random_brightness_negative", lambda tf, x: tf.image.random_brightness(x, -1), ONE)
case("random_contrast_upside_down", lambda tf, x: tf.image.random_contrast(x, 2, 1), ONE)
case("random_hue_too_much", lambda tf, x: tf.image.random_hue(x, 0.6), ONE)
case("random_saturation_negative", lambda tf, x: tf.image.random_saturation(x, -1, 1), ONE)
