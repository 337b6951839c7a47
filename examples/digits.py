"""Train a small convolutional network on 1,797 real handwritten digits.

A plain TensorFlow 1 program. It knows nothing of Evergraph:

    evergraph run examples/digits.py [--epochs 15] [--picture digits.png]
"""

import argparse

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits
from tqdm import tqdm


def load(seed):
    """Images in [0, 1] of shape (n, 8, 8, 1) and their labels: four fifths to learn from, and one fifth held back."""
    digits = load_digits()
    order = np.random.RandomState(seed).permutation(len(digits.target))
    images = (digits.images[order] / 16.0).astype(np.float32)[..., np.newaxis]
    labels = digits.target[order].astype(np.int64)
    held_back = len(labels) // 5
    return (images[held_back:], labels[held_back:]), (images[:held_back], labels[:held_back])


def convolution(x, channels, name):
    with tf.variable_scope(name):
        filters = tf.get_variable(
            "filters", [3, 3, x.shape[-1], channels], initializer=tf.variance_scaling_initializer(2.0)
        )
        bias = tf.get_variable("bias", [channels], initializer=tf.zeros_initializer())
        return tf.nn.relu(tf.nn.conv2d(x, filters, [1, 1, 1, 1], "SAME") + bias)


def dense(x, units, name):
    with tf.variable_scope(name):
        weights = tf.get_variable("weights", [x.shape[-1], units])
        bias = tf.get_variable("bias", [units], initializer=tf.zeros_initializer())
        return tf.matmul(x, weights) + bias


def network(images, rate):
    h = convolution(images, 32, "conv1")
    h = tf.nn.max_pool(convolution(h, 64, "conv2"), [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
    h = tf.reshape(h, [-1, 4 * 4 * 64])
    h = tf.nn.dropout(tf.nn.relu(dense(h, 128, "hidden")), rate=rate)
    return dense(h, 10, "logits")


def picture(path, images, labels, predictions, columns=10, scale=6):
    """Save the first digits with what the network took them for; mistakes in red."""
    cell = 8 * scale + 16
    rows = (len(images) + columns - 1) // columns
    sheet = Image.new("RGB", (columns * cell, rows * cell), "white")
    draw = ImageDraw.Draw(sheet)
    for i, (image, label, guess) in enumerate(zip(images, labels, predictions)):
        left, top = i % columns * cell, i // columns * cell
        pixels = Image.fromarray(np.uint8(255 - 255 * image[..., 0])).resize((8 * scale, 8 * scale), Image.BICUBIC)
        sheet.paste(pixels, (left + 8, top + 2))
        colour = "darkgreen" if guess == label else "red"
        draw.text((left + cell // 2 - 3, top + 8 * scale + 3), str(guess), fill=colour)
    sheet.save(path)


def in_terminal(images, predictions):
    """The same, drawn with characters."""
    shades = " .:-=+*#%@"
    for row in range(8):
        print("  ".join("".join(shades[int(9.99 * v)] * 2 for v in image[row, :, 0]) for image in images))
    print("  ".join(f"{guess:^16}" for guess in predictions))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--picture", default="digits.png")
    options = parser.parse_args()

    (train_images, train_labels), (test_images, test_labels) = load(options.seed)
    tf.set_random_seed(options.seed)
    images = tf.placeholder(tf.float32, [None, 8, 8, 1], name="images")
    labels = tf.placeholder(tf.int64, [None], name="labels")
    rate = tf.placeholder_with_default(0.0, [], name="rate")
    logits = network(images, rate)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    guesses = tf.argmax(logits, 1, name="guesses")
    accuracy = tf.reduce_mean(tf.cast(tf.equal(guesses, labels), tf.float32))
    step = tf.train.AdamOptimizer(2e-3).minimize(loss)

    order = np.random.RandomState(options.seed)
    batches = len(train_labels) // options.batch
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        with tqdm(total=options.epochs * batches, unit="step") as bar:
            for epoch in range(options.epochs):
                shuffled = order.permutation(len(train_labels))
                losses = []
                for i in range(batches):
                    rows = shuffled[i * options.batch : (i + 1) * options.batch]
                    feed = {images: train_images[rows], labels: train_labels[rows], rate: 0.3}
                    losses.append(session.run([loss, step], feed)[0])
                    bar.set_postfix(epoch=epoch + 1, loss=f"{np.mean(losses):.4f}", refresh=False)
                    bar.update()
        test = {images: test_images, labels: test_labels}
        print(f"loss of the last epoch: {np.mean(losses):.4f}")
        print(f"test accuracy: {100 * session.run(accuracy, test):.2f} % of {len(test_labels)} digits held back")
        predictions = session.run(guesses, test)
    in_terminal(test_images[:5], predictions[:5])
    picture(options.picture, test_images[:50], test_labels, predictions)
    print(f"a picture of 50 digits with their predictions: {options.picture}")


if __name__ == "__main__":
    main()
