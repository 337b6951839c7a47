"""Images: reading, augmenting, resizing and comparing them."""


def image_reading(tf):
    contents = tf.placeholder(tf.string, [], name="contents")
    image = tf.image.decode_jpeg(contents, channels=3)
    image.set_shape([None, None, 3])
    tf.image.decode_png(contents, 1, dtype=tf.uint16)
    tf.image.decode_image(contents, channels=3)
    tf.io.decode_image(contents, dtype=tf.float32, name="any", expand_animations=False)
    tf.image.is_jpeg(contents)
    tf.image.extract_jpeg_shape(contents)
    tf.image.encode_png(image)
    tf.image.encode_jpeg(image, quality=90)
    tf.image.adjust_jpeg_quality(image, 50)
    tf.image.random_jpeg_quality(image, 20, 80)


def image_augmentation(tf):
    tf.set_random_seed(11)
    image = tf.placeholder(tf.uint8, [None, None, 3], name="image")
    image = tf.image.convert_image_dtype(image, tf.float32)
    begin, size, box = tf.image.sample_distorted_bounding_box(
        tf.shape(image), tf.zeros([1, 1, 4]), min_object_covered=0.3, use_image_if_no_bounding_boxes=True
    )
    tf.image.draw_bounding_boxes(tf.expand_dims(image, 0), box)
    image = tf.slice(image, begin, size)
    image = tf.image.resize_images(image, [40, 40], method=tf.image.ResizeMethod.BICUBIC)
    image.set_shape([40, 40, 3])
    image = tf.random_crop(image, [32, 32, 3], seed=2)
    image = tf.image.random_flip_left_right(image)
    image = tf.image.random_flip_up_down(image, seed=3)
    image = tf.image.random_brightness(image, 0.2)
    image = tf.image.random_contrast(image, 0.5, 1.5)
    image = tf.image.random_hue(image, 0.1)
    image = tf.image.random_saturation(image, 0.5, 1.5)
    image = tf.image.rot90(image, tf.random_uniform([], 0, 4, tf.int32))
    tf.image.per_image_standardization(image)
    tf.image.rgb_to_grayscale(image)
    tf.image.grayscale_to_rgb(image[..., :1])
    tf.image.adjust_gamma(image, 2.0)
    tf.image.random_flip_left_right(tf.placeholder(tf.uint8, [None, 5, 5, 3]))


def image_sizes(tf):
    images = tf.placeholder(tf.float32, [None, 20, 30, 3])
    image = tf.placeholder(tf.uint8, [None, None, 3])
    height = tf.placeholder(tf.int32, [])
    tf.image.resize_images(images, [20, 30])
    tf.image.resize_images(image, [height, 9], tf.image.ResizeMethod.NEAREST_NEIGHBOR, align_corners=True)
    tf.image.resize(image, [8, 9], preserve_aspect_ratio=True)
    tf.image.resize_image_with_crop_or_pad(image, 10, height)
    tf.image.resize_image_with_crop_or_pad(images, 32, 32)
    tf.image.resize_image_with_pad(image, 10, 12)
    tf.image.central_crop(image, 0.5)
    tf.image.central_crop(images, 0.5)
    tf.image.crop_to_bounding_box(image, height, 2, 3, 4)
    tf.image.pad_to_bounding_box(images, 1, 2, 30, 40)
    tf.image.transpose_image(images)
    tf.image.rot90(images)


def image_gradients_of_resizing(tf):
    images = tf.placeholder(tf.float32, [2, 20, 30, 3])
    others = tf.placeholder(tf.float32, [None, None, None, 3])
    boxes = tf.placeholder(tf.float32, [None, 4])
    loss = 0.0
    for x in (images, others):
        loss += tf.reduce_sum(tf.image.resize_bilinear(x, [5, 6]))
        loss += tf.reduce_sum(tf.image.resize_nearest_neighbor(x, [5, 6], align_corners=True))
        loss += tf.reduce_sum(tf.image.resize_bicubic(x, [5, 6], half_pixel_centers=True))
        loss += tf.reduce_sum(tf.image.crop_and_resize(x, boxes, tf.zeros([3], tf.int32), [4, 4]))
        loss += tf.reduce_sum(tf.extract_image_patches(x, [1, 3, 3, 1], [1, 2, 2, 1], [1, 1, 1, 1], "SAME"))
        loss += tf.reduce_sum(tf.nn.erosion2d(x, tf.zeros([2, 2, 3]), [1, 1, 1, 1], [1, 1, 1, 1], "SAME"))
    loss += tf.reduce_sum(tf.image.rgb_to_hsv(images))
    tf.gradients(loss, [images, others, boxes])


def image_likeness(tf):
    a = tf.placeholder(tf.float32, [None, 180, 190, 3])
    b = tf.placeholder(tf.float32, [None, 180, 190, 3])
    tf.image.psnr(a, b, max_val=1.0)
    tf.image.ssim(a, b, max_val=1.0)
    tf.image.ssim_multiscale(tf.cast(a, tf.uint8), tf.cast(b, tf.uint8), 255, power_factors=(0.4, 0.6))
    tf.image.sobel_edges(a)
    dy, dx = tf.image.image_gradients(a)
    tf.gradients(tf.image.total_variation(a) + tf.reduce_mean(dy * dx), [a])


def image_boxes(tf):
    boxes = tf.placeholder(tf.float32, [None, 4])
    scores = tf.placeholder(tf.float32, [None])
    chosen = tf.image.non_max_suppression(boxes, scores, 10, iou_threshold=0.6)
    tf.gather(boxes, chosen)
    tf.image.non_max_suppression_with_scores(boxes, scores, 10, soft_nms_sigma=0.5)
    tf.image.non_max_suppression_padded(boxes, scores, 10, pad_to_max_output_size=True)
    tf.image.combined_non_max_suppression(tf.reshape(boxes, [1, -1, 1, 4]), tf.reshape(scores, [1, -1, 1]), 5, 6)
    tf.image.extract_glimpse(tf.placeholder(tf.float32, [2, 8, 8, 1]), [3, 3], tf.placeholder(tf.float32, [2, 2]))
