"""Train a translator from number words to digits with TensorFlow and write the files that the example reads.

    python examples/nmt/train.py

needs ``tensorflow-cpu`` and takes some minutes. It writes, next to this file,

- ``checkpoint/nmt*``: the weights, by ``tf.train.Checkpoint(model=model).write(...)``;
- ``words.txt``: the words of the source language, the number of a word being its line's, from 0;
- ``held_out.npz``: sentences whose numbers training never saw, their translations, and TensorFlow's own results for
  them: tokens and logits of greedy decoding, tokens and scores of beam search.

The seeds are fixed, but TensorFlow may sum in another order the next time, so weights come out slightly different.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
SEED = 0
EMBEDDING, HIDDEN = 32, 96
START, END, TOKENS = 10, 11, 12
"""The target language: the digits 0 to 9 and these two."""
MAX_STEPS = 7
"""The digits of 999,999 and END."""
BEAMS = 4
STEPS = 3000
BATCH = 128
RATE = 4e-3

ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
ONES += ["thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
WORDS = ["<pad>", *ONES, *TENS, "hundred", "thousand", "and"]

Int32 = NDArray[np.int32]
State = Any  # (((h, c) of every layer), the last attentional vector), rows as the tokens


def in_words(number: int, joiner: Sequence[str]) -> list[str]:
    """A number below a million in English; ``joiner`` is ["and"] or []: "two hundred (and) three"."""
    if number < 20:
        return [ONES[number]]
    if number < 100:
        return [TENS[number // 10 - 2], *([ONES[number % 10]] if number % 10 else [])]
    unit, name = (100, "hundred") if number < 1000 else (1000, "thousand")
    rest = number % unit
    link = joiner if 0 < rest < 100 else ()
    return [*in_words(number // unit, joiner), name, *link, *(in_words(rest, joiner) if rest else ())]


def draw_number(rng: np.random.Generator) -> int:
    """A number of up to six digits, half of them with as many zeros as other digits."""
    count, kept = rng.integers(1, 7), rng.choice((0.5, 1.0))
    digits = rng.integers(0, 10, count) * (rng.random(count) < kept)
    return int("".join(map(str, digits)))


def draw_batch(count: int, rng: np.random.Generator, without: frozenset[int]) -> tuple[list[list[str]], list[str]]:
    """Sentences, and their translations."""
    numbers: list[int] = []
    while len(numbers) < count:
        number = draw_number(rng)
        numbers += [number] if number not in without else []
    joiners = [["and"][: rng.integers(2)] for _ in numbers]
    return [in_words(number, joiner) for number, joiner in zip(numbers, joiners, strict=True)], list(map(str, numbers))


def as_source(sentences: Sequence[Sequence[str]]) -> tuple[Int32, Int32]:
    """Word numbers (n, longest), padded with 0, and lengths (n,)."""
    lengths = np.array([len(words) for words in sentences], np.int32)
    numbers = np.zeros((len(sentences), lengths.max()), np.int32)
    for row, words in zip(numbers, sentences, strict=True):
        row[: len(words)] = [WORDS.index(word) for word in words]
    return numbers, lengths


def as_target(translations: Sequence[str]) -> Int32:
    """Tokens (n, MAX_STEPS): the digits, then END until the last column."""
    return np.array([[*map(int, text)] + [END] * (MAX_STEPS - len(text)) for text in translations], np.int32)


class Translator(keras.Model):  # type: ignore[misc]
    """OpenNMT's default model: a bidirectional LSTM encoder and an LSTM decoder of two layers each, Luong's "general"
    attention, and input feeding: the decoder also sees its last attentional vector."""

    def __init__(self) -> None:
        super().__init__()
        layers = keras.layers
        self.source = layers.Embedding(len(WORDS), EMBEDDING, name="source")
        self.target = layers.Embedding(TOKENS, EMBEDDING, name="target")
        self.encoder_0, self.encoder_1 = (
            layers.Bidirectional(
                layers.LSTM(HIDDEN // 2, return_sequences=True, return_state=True, name="lstm"), name=f"encoder_{i}"
            )
            for i in range(2)
        )
        self.decoder_0, self.decoder_1 = (layers.LSTMCell(HIDDEN, name=f"decoder_{i}") for i in range(2))
        self.attention = layers.Dense(HIDDEN, use_bias=False, name="attention")
        self.combine = layers.Dense(HIDDEN, use_bias=False, activation="tanh", name="combine")
        self.tokens = layers.Dense(TOKENS, name="tokens")

    def encode(self, words: Any, lengths: Any, beams: int = 1) -> tuple[tuple[Any, Any, Any], State]:
        """((memory (B, T, H), keys (B, T, H), which of them count (B, 1, T)), the decoder's first state)."""
        inside = tf.sequence_mask(lengths, tf.shape(words)[1])
        memory, states = self.source(words), []
        for layer in (self.encoder_0, self.encoder_1):
            memory, *halves = layer(memory, mask=inside)
            h_forward, c_forward, h_backward, c_backward = halves
            states.append((tf.concat((h_forward, h_backward), 1), tf.concat((c_forward, c_backward), 1)))
        states = tf.nest.map_structure(lambda state: tf.repeat(state, beams, 0), tuple(states))
        memory = memory * tf.cast(inside, tf.float32)[..., tf.newaxis]
        return (memory, self.attention(memory), inside[:, tf.newaxis]), (states, tf.zeros_like(states[0][0]))

    def step(self, source: tuple[Any, Any, Any], state: State, token: Any, beams: int = 1) -> tuple[Any, State]:
        """(logits (B * beams, TOKENS), new state) after a token (B * beams,)."""
        memory, keys, inside = source
        (first, second), fed = state
        x, first = self.decoder_0(tf.concat((self.target(token), fed), 1), first)
        x, second = self.decoder_1(x, second)
        query = tf.reshape(x, (-1, beams, HIDDEN))
        scores = tf.where(inside, tf.matmul(query, keys, transpose_b=True), -1e9)
        context = tf.reshape(tf.matmul(tf.nn.softmax(scores), memory), (-1, HIDDEN))
        fed = self.combine(tf.concat((context, x), 1))
        return self.tokens(fed), ((tuple(first), tuple(second)), fed)

    def cross_entropy(self, words: Any, lengths: Any, target: Any) -> Any:
        """The mean cross-entropy of the tokens up to the first END, each step seeing the right token before it."""
        source, state = self.encode(words, lengths)
        token, losses = tf.fill((tf.shape(words)[0],), START), []
        for wanted in tf.unstack(target, MAX_STEPS, 1):
            logits, state = self.step(source, state, token)
            losses.append(tf.nn.sparse_softmax_cross_entropy_with_logits(wanted, logits))
            losses[-1] *= tf.cast(token != END, tf.float32)
            token = wanted
        return tf.reduce_mean(tf.stack(losses))

    def greedy(self, words: Any, lengths: Any) -> tuple[Any, Any]:
        """Tokens (B, MAX_STEPS) and logits (B, MAX_STEPS, TOKENS), each step seeing the best token before it."""
        source, state = self.encode(words, lengths)
        token, tokens, steps = tf.fill((tf.shape(words)[0],), START), [], []
        for _ in range(MAX_STEPS):
            logits, state = self.step(source, state, token)
            token = tf.argmax(logits, 1, tf.int32)
            tokens.append(token)
            steps.append(logits)
        return tf.stack(tokens, 1), tf.stack(steps, 1)

    def beam_search(self, words: Any, lengths: Any) -> tuple[Any, Any]:
        """The BEAMS best tokens (B, BEAMS, MAX_STEPS), END after the end, and their log-probabilities (B, BEAMS)."""
        batch = tf.shape(words)[0]
        source, state = self.encode(words, lengths, BEAMS)
        scores = tf.tile([[0.0] + [-1e9] * (BEAMS - 1)], (batch, 1))
        token, tokens = tf.fill((batch * BEAMS,), START), tf.zeros((batch * BEAMS, 0), tf.int32)
        finished = tf.where(tf.range(TOKENS) == END, 0.0, -1e9)
        for _ in range(MAX_STEPS):
            logits, state = self.step(source, state, token, BEAMS)
            gains = tf.where((token == END)[:, tf.newaxis], finished, tf.nn.log_softmax(logits))
            totals = scores[..., tf.newaxis] + tf.reshape(gains, (batch, BEAMS, TOKENS))
            scores, best = tf.math.top_k(tf.reshape(totals, (batch, BEAMS * TOKENS)), BEAMS)
            rows = tf.reshape(tf.range(batch)[:, tf.newaxis] * BEAMS + best // TOKENS, (-1,))
            token = tf.reshape(best % TOKENS, (-1,))
            state = tf.nest.map_structure(lambda one, rows=rows: tf.gather(one, rows), state)
            tokens = tf.concat((tf.gather(tokens, rows), token[:, tf.newaxis]), 1)
        return tf.reshape(tokens, (batch, BEAMS, MAX_STEPS)), scores


def train(model: Translator, rng: np.random.Generator, without: frozenset[int]) -> None:
    """Adam on random numbers except those that are held out."""
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(RATE, STEPS), clipnorm=1.0)

    @tf.function(reduce_retracing=True)
    def update(words: Any, lengths: Any, target: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = model.cross_entropy(words, lengths, target)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    for i in range(STEPS):
        sentences, translations = draw_batch(BATCH, rng, without)
        words, lengths = as_source(sentences)
        words = np.pad(words, ((0, 0), (0, 11 - words.shape[1])))  # one shape: traced once
        loss = update(words, lengths, as_target(translations))
        if (i + 1) % 200 == 0:
            print(f"step {i + 1}: loss {float(loss):.4f}", flush=True)


def main() -> None:
    """Train, then write the checkpoint, the words and the held-out file."""
    keras.utils.set_random_seed(SEED)
    rng = np.random.default_rng(SEED)
    held_out = rng.choice(np.arange(1000, 1_000_000), 400, replace=False).tolist()
    model = Translator()
    train(model, rng, frozenset(held_out))
    tf.train.Checkpoint(model=model).write(str(HERE / "checkpoint" / "nmt"))
    (HERE / "words.txt").write_text("\n".join(WORDS) + "\n")

    sentences = [in_words(number, ["and"][: i % 2]) for i, number in enumerate(held_out)]
    source = as_source(sentences)
    tokens, logits = model.greedy(*source)
    beam_tokens, beam_scores = model.beam_search(*source)
    np.savez_compressed(
        HERE / "held_out.npz",
        sentences=[" ".join(words) for words in sentences],
        translations=list(map(str, held_out)),
        greedy_tokens=tokens,
        greedy_logits=logits,
        beam_tokens=beam_tokens,
        beam_scores=beam_scores,
    )
    right = np.all(tokens == as_target(list(map(str, held_out))), axis=1)
    print(f"greedy, held out: {np.mean(right):.2%} of {len(right)} sentences right")


if __name__ == "__main__":
    main()
