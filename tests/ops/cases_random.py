"""Random ops under fixed seeds: a call each, whose first two runs are compared.

They are kept apart from the other tables because a second run gives other numbers.
"""


def crop(tf):
    return tf.random_crop(tf.reshape(tf.range(36), [6, 6]), [2, 3], seed=3)


def image(tf):
    return tf.reshape(tf.range(60.0) / 60 * tf.constant([1.0, 0.3, 0.7] * 20), [4, 5, 3])


CALLS = {
    "uniform": lambda tf: tf.random_uniform([2, 3], -1.0, 3.0),
    "uniform_of_graph_seed": lambda tf: tf.random.uniform([3], dtype=tf.float64),
    "uniform_half": lambda tf: tf.random_uniform([5], dtype=tf.float16, seed=4),
    "uniform_int": lambda tf: tf.random_uniform([4], 5, 100, dtype=tf.int32, seed=2),
    "uniform_int64": lambda tf: tf.random_uniform([3], maxval=2**40, dtype=tf.int64),
    "uniform_of_a_shape_tensor": lambda tf: tf.random_uniform(tf.shape(tf.zeros([2, 2])), seed=1),
    "normal": lambda tf: tf.random_normal([3, 2], 1.0, 0.5),
    "normal_float64": lambda tf: tf.random.normal([3], dtype=tf.float64, seed=9),
    "truncated_normal": lambda tf: tf.truncated_normal([7], stddev=0.1),
    "shuffle": lambda tf: tf.random_shuffle(tf.range(9), seed=8),
    "shuffle_rows": lambda tf: tf.random.shuffle(tf.reshape(tf.range(12), [6, 2])),
    "multinomial": lambda tf: tf.multinomial([[1.0, 2.0, 0.5], [0.0, 9.0, 0.0]], 5),
    "categorical": lambda tf: tf.random.categorical([[1.0, 2.0, 0.5]], 4, dtype=tf.int32, seed=5),
    "dropout": lambda tf: tf.nn.dropout(tf.ones([3, 4]), keep_prob=0.5),
    "dropout_rate": lambda tf: tf.nn.dropout(tf.ones([3, 4]), rate=0.25, seed=1),
    "dropout_of_rows": lambda tf: tf.nn.dropout(tf.ones([3, 4]), 0.5, noise_shape=[None, 1], seed=1),
    "dropout_of_a_tensor": lambda tf: tf.nn.dropout(tf.ones([6]), tf.constant(0.5), seed=6),
    "gamma": lambda tf: tf.random_gamma([3], [0.5, 1.0, 3.0]),
    "gamma_with_scale": lambda tf: tf.random.gamma([2], [[2.0], [20.0]], beta=[[3.0, 4.0]], seed=2),
    "poisson": lambda tf: tf.random_poisson([0.5, 3.0, 20.0], [3]),
    "poisson_int": lambda tf: tf.random.poisson([30.0, 0.1], [3], dtype=tf.int32, seed=2),
    "crop": crop,
    "image_brightness": lambda tf: tf.image.random_brightness(image(tf), 0.3),
    "image_contrast": lambda tf: tf.image.random_contrast(image(tf), 0.2, 1.8, seed=2),
    "image_hue": lambda tf: tf.image.random_hue(image(tf), 0.4),
    "image_saturation": lambda tf: tf.image.random_saturation(image(tf), 0.5, 2.0, seed=3),
    "image_flips": lambda tf: [tf.image.random_flip_left_right(image(tf)), tf.image.random_flip_up_down(image(tf), 4)],
    "image_flips_of_a_batch": lambda tf: tf.image.random_flip_left_right(tf.stack([image(tf)] * 5), seed=5),
    "image_jpeg_quality": lambda tf: tf.image.random_jpeg_quality(tf.cast(image(tf) * 255, tf.uint8), 5, 95),
    "image_distorted_box": lambda tf: tf.image.sample_distorted_bounding_box(
        [37, 50, 3], [[[0.1, 0.2, 0.8, 0.9], [0.3, 0.3, 0.4, 0.4]]], seed=3, seed2=4
    ),
    "image_distorted_box_of_ranges": lambda tf: tf.image.sample_distorted_bounding_box(
        tf.constant([300, 20, 3], tf.int64),
        tf.zeros([1, 0, 4]),
        9,
        0,
        tf.constant(0.7),
        [0.5, 3.0],
        [0.1, 0.6],
        7,
        True,
    ),
    "stateless_uniform": lambda tf: tf.random.stateless_uniform([3], seed=[1, 2]),
    "stateless_uniform_int": lambda tf: tf.random.stateless_uniform([3], [5, 2], maxval=100, dtype=tf.int64),
    "stateless_normal": lambda tf: tf.random.stateless_normal([3], seed=[1, -2], stddev=2.0),
    "stateless_truncated_normal": lambda tf: tf.random.stateless_truncated_normal([3], seed=[1, 2**40]),
    "stateless_categorical": lambda tf: tf.random.stateless_categorical([[1.0, 2.0]], 5, seed=[1, 2]),
    "log_uniform_sampler": lambda tf: tf.nn.log_uniform_candidate_sampler([[1], [4]], 1, 8, True, 20),
    "log_uniform_sampler_repeating": lambda tf: tf.nn.log_uniform_candidate_sampler([[1, 2]], 2, 6, False, 500, seed=3),
    "uniform_sampler": lambda tf: tf.nn.uniform_candidate_sampler([[1], [4]], 1, 8, True, 9),
    "uniform_sampler_repeating": lambda tf: tf.random.uniform_candidate_sampler([[1], [4]], 1, 4, False, 16),
    "fixed_unigram_sampler": lambda tf: tf.nn.fixed_unigram_candidate_sampler(
        [[1], [4]], 1, 6, False, 5, unigrams=[1.0, 2.0, 3.0, 4.0, 0.5], distortion=0.75
    ),
    "fixed_unigram_sampler_with_reserved": lambda tf: tf.nn.fixed_unigram_candidate_sampler(
        [[1], [4]], 1, 4, True, 5, unigrams=[2.0, 3.0, 4.0, 0.5], num_reserved_ids=1
    ),
    "nce_loss": lambda tf: tf.nn.nce_loss(
        tf.ones([50, 2]), tf.range(50.0) / 50, tf.constant([[1], [4]], tf.int64), tf.ones([2, 2]), 8, 50
    ),
}


def run_twice(tf, call):
    """The values of the first two runs under graph seed 7, a list of arrays each."""
    with tf.Graph().as_default():
        tf.set_random_seed(7)
        made = call(tf)
        fetches = list(made) if isinstance(made, (list, tuple)) else [made]
        with tf.Session() as session:
            return [session.run(fetches) for _ in range(2)]
