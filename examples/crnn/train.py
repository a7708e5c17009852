"""Train a reader of digit strips with TensorFlow and write the files that the example reads.

    python examples/crnn/train.py

needs ``tensorflow-cpu``, ``tf_keras`` (which has TensorFlow 1's LSTM cells now) and ``scikit-learn`` and takes some
minutes. Strips are composed while training from a part of the UCI handwritten digits; they have 1 to 8 digits, and
what is learned from them reads strips of any length. It writes, next to this file,

- ``checkpoint/crnn.ckpt*``: a name-based checkpoint by ``tf.compat.v1.train.Saver``: ``conv1/kernel``,
  ``bidirectional_rnn/fw/basic_lstm_cell/kernel``, ..., and ``global_step``;
- ``held_out.npz``: one strip of every length from 3 to 40, composed from digits that training never saw, side by side
  in one array, with their widths and digits, and TensorFlow's own logits for every strip.

The seeds are fixed, but TensorFlow may sum in another order the next time, so weights come out slightly different.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # tf.compat.v1.nn.rnn_cell is tf_keras's
import tensorflow as tf

HERE = Path(__file__).resolve().parent
SEED = 0
HEIGHT = 12
CLASSES = 11
"""The digits, and CTC's blank as the last one."""
UNITS = 48
STEPS = 2400
BATCH = 32
RATE = 4e-3

Float32 = NDArray[np.float32]
v1: Any = tf.compat.v1


@attrs.frozen
class Strips:
    """A batch of strips: images (n, HEIGHT, widest, 1) of values 0..1, blank on the right where a strip is narrower,
    and of each strip its width (n,) and its digits."""

    images: Float32
    widths: NDArray[np.int32]
    digits: tuple[Sequence[int], ...]


@attrs.frozen
class Pen:
    """Writes strips with given images (m, 8, 8) of single digits and their labels (m,)."""

    images: Float32
    labels: NDArray[np.int64]

    def write(self, count: int, rng: np.random.Generator) -> tuple[Float32, list[int]]:
        """A strip (HEIGHT, width) and its digits: each without the empty columns around it, higher or lower at random,
        1 to 4 columns from the next."""
        chosen = rng.integers(len(self.labels), size=count)
        pieces = [np.zeros((HEIGHT, rng.integers(1, 5)), np.float32)]
        for image in self.images[chosen]:
            ink = np.flatnonzero(image.any(axis=0))
            top, gap = rng.integers(HEIGHT - 8, endpoint=True), rng.integers(1, 5)
            pieces.append(np.pad(image[:, ink[0] : ink[-1] + 1], ((top, HEIGHT - 8 - top), (0, gap))))
        return np.concatenate(pieces, axis=1), self.labels[chosen].tolist()

    def batch(self, counts: Sequence[int], rng: np.random.Generator) -> Strips:
        """Strips of so many digits each."""
        strips, digits = zip(*(self.write(count, rng) for count in counts), strict=True)
        widths = np.array([strip.shape[1] for strip in strips], np.int32)
        images = [np.pad(strip, ((0, 0), (0, widths.max() - strip.shape[1]))) for strip in strips]
        return Strips(np.stack(images)[..., np.newaxis], widths, digits)


def load_pens() -> tuple[Pen, Pen]:
    """A pen with the digits to train with, and one with a fifth of the 1,797 that is held out."""
    digits = load_digits()
    images = (digits.images / 16).astype(np.float32)
    labels = digits.target.astype(np.int64)
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels, test_size=0.2, stratify=labels, random_state=SEED
    )
    return Pen(train_x, train_y), Pen(test_x, test_y)


def conv(x: Any, name: str, filters: int) -> Any:
    """3x3 convolution, SAME, NHWC, HWIO kernel, and ReLU."""
    with v1.variable_scope(name):
        kernel = v1.get_variable("kernel", (3, 3, x.shape[-1], filters), initializer=tf.initializers.HeNormal(SEED))
        bias = v1.get_variable("bias", (filters,), initializer=tf.initializers.Zeros())
        return tf.nn.relu(tf.nn.conv2d(x, kernel, strides=1, padding="SAME") + bias)


def dense(x: Any, name: str, units: int) -> Any:
    """x @ kernel + bias, with x (batch, time, in) and kernel (in, units)."""
    with v1.variable_scope(name):
        kernel = v1.get_variable("kernel", (x.shape[-1], units), initializer=tf.initializers.GlorotUniform(SEED))
        bias = v1.get_variable("bias", (units,), initializer=tf.initializers.Zeros())
        return tf.tensordot(x, kernel, 1) + bias


def network(strips: Any, widths: Any, keep: Any = 1.0) -> tuple[Any, Any]:
    """Logits (batch, steps, CLASSES) of strips (batch, HEIGHT, width, 1), and how many steps (batch,) of each count.

    There is a step for every two columns. ``keep`` is the part of the features that dropout keeps.
    """
    inside = tf.sequence_mask(widths, tf.shape(strips)[2], tf.float32)[:, tf.newaxis, :, tf.newaxis]
    x = tf.nn.max_pool2d(conv(strips, "conv1", 16) * inside, 2, 2, padding="SAME")
    x = tf.nn.max_pool2d(conv(x, "conv2", 32), (2, 1), (2, 1), padding="SAME")
    rows, channels = x.shape[1], x.shape[3]
    x = tf.reshape(tf.transpose(x, (0, 2, 1, 3)), (tf.shape(x)[0], tf.shape(x)[2], rows * channels))
    steps = (widths + 1) // 2
    cells = [v1.nn.rnn_cell.BasicLSTMCell(UNITS) for _ in range(2)]
    both, _ = v1.nn.bidirectional_dynamic_rnn(*cells, v1.nn.dropout(x, keep), steps, dtype=tf.float32)
    return dense(v1.nn.dropout(tf.concat(both, axis=2), keep), "logits", CLASSES), steps


def train_operation(logits: Any, steps: Any, digits: Any) -> tuple[Any, Any]:
    """(one step of Adam that also counts in ``global_step``, the mean CTC loss); ``digits`` is a SparseTensor."""
    loss = tf.reduce_mean(tf.nn.ctc_loss(digits, logits, None, steps, logits_time_major=False, blank_index=-1))
    step = v1.train.get_or_create_global_step()
    optimizer = v1.train.AdamOptimizer(v1.train.cosine_decay(RATE, step, STEPS))
    gradients, variables = zip(*optimizer.compute_gradients(loss), strict=True)
    gradients, _ = tf.clip_by_global_norm(gradients, 5.0)
    return optimizer.apply_gradients(zip(gradients, variables, strict=True), global_step=step), loss


def sparse(digits: Sequence[Sequence[int]]) -> Any:
    """Ragged digits as the value of a SparseTensor."""
    places = [(row, column) for row, several in enumerate(digits) for column in range(len(several))]
    values = np.concatenate(digits).astype(np.int32)
    return v1.SparseTensorValue(np.array(places, np.int64), values, (len(digits), max(map(len, digits))))


def main() -> None:
    """Train, then write the checkpoint and the held-out file."""
    training, held_out = load_pens()
    rng = np.random.default_rng(SEED)
    v1.disable_eager_execution()
    v1.set_random_seed(SEED)
    with v1.Session(config=v1.ConfigProto(intra_op_parallelism_threads=1)) as session:
        strips = v1.placeholder(tf.float32, (None, HEIGHT, None, 1), "strips")
        widths = v1.placeholder(tf.int32, (None,), "widths")
        digits = v1.sparse_placeholder(tf.int32, name="digits")
        keep = v1.placeholder_with_default(1.0, (), "keep")
        logits, steps = network(strips, widths, keep)
        step, loss = train_operation(logits, steps, digits)
        session.run(v1.global_variables_initializer())
        for i in range(STEPS):
            batch = training.batch(rng.integers(1, 2 + min(7, i // 50), BATCH), rng)
            feeds = {strips: batch.images, widths: batch.widths, digits: sparse(batch.digits), keep: 0.8}
            _, now = session.run((step, loss), feeds)
            if (i + 1) % 200 == 0:
                print(f"step {i + 1}: loss {now:.3f}", flush=True)
        saver = v1.train.Saver([*v1.trainable_variables(), v1.train.get_global_step()], save_relative_paths=True)
        saver.save(session, str(HERE / "checkpoint" / "crnn.ckpt"), write_meta_graph=False)
        one_by_one = [held_out.batch([count], rng) for count in range(3, 41)]
        results = [session.run(logits, {strips: one.images, widths: one.widths})[0] for one in one_by_one]
    np.savez_compressed(
        HERE / "held_out.npz",
        pixels=np.concatenate([np.rint(one.images[0, :, :, 0] * 16) for one in one_by_one], axis=1).astype(np.uint8),
        widths=np.concatenate([one.widths for one in one_by_one]),
        digits=["".join(map(str, one.digits[0])) for one in one_by_one],
        logits=np.concatenate(results),
    )


if __name__ == "__main__":
    main()
