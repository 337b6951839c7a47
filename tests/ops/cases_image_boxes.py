"""Boxes in images: which to keep of many, drawing them, and windows around points."""

import numpy as np
from ops.case import Case, floats, ints

IMAGES = floats(2, 9, 11, 3, low=0.0, high=1.0)
CASES = []


def case(name, call, *inputs, **options):
    options.setdefault("gradient", False)
    CASES.append(Case(name, call, *inputs, **options))


# Suppression


def suppressed(tf, boxes, scores, iou, least):
    count = 20
    return [
        tf.image.non_max_suppression(boxes, scores, count, iou),
        tf.image.non_max_suppression(boxes, scores, 5, iou, least),
        *tf.image.non_max_suppression_with_scores(boxes, scores, count, iou, least),
        *tf.image.non_max_suppression_with_scores(boxes, scores, count, iou, least, soft_nms_sigma=0.5),
        *tf.image.non_max_suppression_padded(boxes, scores, count, iou, least, pad_to_max_output_size=True),
        *tf.image.non_max_suppression_padded(boxes, scores, count, iou, least),
        tf.raw_ops.NonMaxSuppression(boxes=boxes, scores=scores, max_output_size=count, iou_threshold=0.4),
        tf.raw_ops.NonMaxSuppressionV2(boxes=boxes, scores=scores, max_output_size=count, iou_threshold=iou),
    ]


BOXES = floats(40, 4, low=0.0, high=1.0)
SCORES = floats(40, low=0.0, high=1.0, seed=1)
LIMITS = np.array(0.3, np.float32), np.array(0.1, np.float32)
case("suppression", suppressed, BOXES, SCORES, *LIMITS)
case("suppression_open", suppressed, BOXES, SCORES, *LIMITS, shapes={0: [None, 4], 1: [None]})
case("suppression_of_equal_scores", suppressed, BOXES, ints(40, low=0, high=4).astype(np.float32) / 4, *LIMITS)
case("suppression_of_points", suppressed, np.tile(BOXES[:6, :2], 2), SCORES[:6], *LIMITS)
case("suppression_of_nothing", suppressed, BOXES[:0], SCORES[:0], *LIMITS)
case("suppression_at_zero", suppressed, BOXES, SCORES, np.array(0, np.float32), LIMITS[1])
case("suppression_at_one", suppressed, BOXES, SCORES, np.array(1, np.float32), LIMITS[1])
case("suppression_above_one", suppressed, BOXES, SCORES, np.array(1.5, np.float32), LIMITS[1])
case("suppression_wrong_boxes", suppressed, BOXES[:, :3], SCORES, *LIMITS)
case("suppression_wrong_scores", suppressed, BOXES, SCORES[1:], *LIMITS)
case("suppression_wrong_scores_open", suppressed, BOXES, SCORES[1:], *LIMITS, shapes={1: [None]})
case(
    "suppression_negative_sigma",
    lambda tf, b, s: tf.image.non_max_suppression_with_scores(b, s, 3, soft_nms_sigma=-1.0),
    BOXES,
    SCORES,
)
_OVERLAPS = floats(12, 12, low=0.0, high=1.0)
np.fill_diagonal(_OVERLAPS, 1)
case(
    "suppression_by_overlaps",
    lambda tf, x, y, s: [tf.image.non_max_suppression_overlaps(v, s, 8, 0.5, 0.1) for v in (x, y)],
    _OVERLAPS,
    (_OVERLAPS + _OVERLAPS.T) / 2,
    SCORES[:12],
)
case(
    "suppression_by_oblong_overlaps",
    lambda tf, x, s: tf.image.non_max_suppression_overlaps(x, s, 8),
    _OVERLAPS[:, 1:],
    SCORES[:12],
)
case(
    "combined_suppression",
    lambda tf, one, each, scores: [
        output
        for boxes in (one, each)
        for per_class in (False, True)
        for output in tf.image.combined_non_max_suppression(
            boxes, scores, 3, 12, 0.3, 0.2, pad_per_class=per_class, clip_boxes=per_class
        )
    ],
    floats(2, 15, 1, 4, low=-0.2, high=1.2),
    floats(2, 15, 3, 4, low=-0.2, high=1.2, seed=2),
    floats(2, 15, 3, low=0.0, high=1.0, seed=3),
)
case(
    "combined_suppression_wrong_classes",
    lambda tf, b, s: tf.image.combined_non_max_suppression(b, s, 3, 12),
    floats(2, 15, 2, 4),
    floats(2, 15, 3),
)
case(
    "combined_suppression_of_nothing",
    lambda tf, b, s: tf.image.combined_non_max_suppression(b, s, 3, 0),
    floats(2, 15, 1, 4),
    floats(2, 15, 3),
)

# Drawing

DRAWN = np.array(
    [[[0, 0, 1, 1], [0.2, 0.3, 0.6, 0.7], [-0.5, 0.2, 0.5, 1.5], [0.9, 0.9, 0.1, 0.1], [2, 2, 3, 3]]] * 2, np.float32
)
case(
    "drawn",
    lambda tf, x, gray, boxes, colours: [
        tf.image.draw_bounding_boxes(x, boxes),
        tf.image.draw_bounding_boxes(gray, boxes),
        tf.image.draw_bounding_boxes(x, boxes, colors=colours),
    ],
    IMAGES,
    IMAGES[..., :1].copy(),
    DRAWN,
    floats(2, 4, low=0.0, high=1.0),
    shapes={0: [None, None, None, 3]},
)
case("drawn_on_two_channels", lambda tf, x, b: tf.image.draw_bounding_boxes(x, b), IMAGES[..., :2].copy(), DRAWN)
case("drawn_on_other_batch", lambda tf, x, b: tf.image.draw_bounding_boxes(x, b), IMAGES, DRAWN[:1])
case("drawn_on_one_image", lambda tf, x, b: tf.image.draw_bounding_boxes(x, b), IMAGES[0].copy(), DRAWN)

# Windows

OFFSETS = np.array([[0.1, -0.03], [0.07, 0.2]], np.float32)
case(
    "glimpse",
    lambda tf, x, offsets: [
        tf.image.extract_glimpse(x, [4, 3], offsets),
        tf.image.extract_glimpse(x, [3, 3], offsets + 0.4, centered=False),
        tf.image.extract_glimpse(x, [3, 4], offsets + 4, centered=False, normalized=False),
        tf.image.extract_glimpse(x, [0, 4], offsets),
    ],
    IMAGES,
    OFFSETS,
)
case(
    "glimpse_with_zeros",
    lambda tf, x, offsets, size: [
        tf.raw_ops.ExtractGlimpse(input=x, size=s, offsets=offsets * 9, uniform_noise=False, noise="zero")
        for s in (size, [20, 20])
    ],
    IMAGES,
    OFFSETS,
    np.array([5, 6], np.int32),
    shapes={0: [None, None, None, None]},
)
case("glimpse_wrong_offsets", lambda tf, x, o: tf.image.extract_glimpse(x, [2, 2], o), IMAGES, OFFSETS[:1])
case(
    "glimpse_wrong_offsets_open",
    lambda tf, x, o: tf.image.extract_glimpse(x, [2, 2], o),
    IMAGES,
    OFFSETS[:1],
    shapes={1: [None, 2]},
)
case(
    "glimpse_two_noises",
    lambda tf, x, o: tf.raw_ops.ExtractGlimpse(input=x, size=[2, 2], offsets=o, uniform_noise=True, noise="zero"),
    IMAGES,
    OFFSETS,
)
case(
    "glimpse_unknown_noise",
    lambda tf, x, o: tf.raw_ops.ExtractGlimpse(input=x, size=[2, 2], offsets=o, uniform_noise=False, noise="pink"),
    IMAGES,
    OFFSETS,
)

# Random boxes: what is wrong with them (`cases_random.py` has what is right)

case(
    "sampled_without_boxes",
    lambda tf, size, boxes: tf.image.sample_distorted_bounding_box(size, boxes, seed=1),
    np.array([9, 9, 3], np.int32),
    np.zeros((1, 0, 4), np.float32),
)
case(
    "sampled_outside",
    lambda tf, size, boxes: tf.image.sample_distorted_bounding_box(size, boxes, seed=1),
    np.array([9, 9, 3], np.int32),
    DRAWN[:1],
)
case(
    "sampled_of_two_sizes",
    lambda tf, size, boxes: tf.image.sample_distorted_bounding_box(size, boxes, seed=1),
    np.array([9, 9], np.int32),
    DRAWN[:1],
)
case(
    "sampled_from_bad_ranges",
    lambda tf, size, boxes: tf.image.sample_distorted_bounding_box(size, boxes, seed=1, area_range=[0.5, 1.5]),
    np.array([9, 9, 3], np.int32),
    DRAWN[:1, :1],
)
