"""OpenNMT's default network, with greedy decoding and beam search as loops inside the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import attrs
import numpy as np

import trtnn as nn
import trtnn.functional as F

UNREACHABLE = -1e9
"""A score that nothing recovers from."""

State: TypeAlias = Any  # ((h, c) of both layers, the last attentional vector), each with a row for every hypothesis


@attrs.frozen
class Source:
    """What the decoder attends to: ``memory`` and ``keys`` (B, T, hidden); ``inside`` (B, 1, T), bool, which count."""

    memory: nn.Tensor
    keys: nn.Tensor
    inside: nn.Tensor


class Translator(nn.Module):
    """A bidirectional LSTM encoder and an LSTM decoder, of two layers each, with Luong's "general" attention.

    ``words`` and ``tokens`` are the sizes of the source and the target vocabulary. Each direction of the encoder has
    half of ``hidden``. Input feeding: the decoder sees its last attentional vector beside the last token's embedding.
    The attributes are called as in the checkpoint.
    """

    def __init__(self, words: int, tokens: int, embedding: int, hidden: int) -> None:
        self.source = nn.Embedding(words, embedding)
        self.target = nn.Embedding(tokens, embedding)
        self.encoder_0 = _encoder_layer(embedding, hidden)
        self.encoder_1 = _encoder_layer(hidden, hidden)
        self.decoder_0 = nn.LSTMCell(embedding + hidden, hidden)
        self.decoder_1 = nn.LSTMCell(hidden, hidden)
        self.attention = nn.Linear(hidden, hidden, bias=False)
        self.combine = nn.Linear(2 * hidden, hidden, bias=False)
        self.tokens = nn.Linear(hidden, tokens)

    def encode(self, words: nn.Tensor, lengths: nn.Tensor) -> tuple[Source, State]:
        """The sentences of words (B, T), of which ``lengths`` (B,) count, and the decoder's first state."""
        memory, states = self.source(words), []
        for layer in (self.encoder_0, self.encoder_1):
            memory, h_forward, c_forward, h_backward, c_backward = layer(memory, lengths=lengths)
            states.append((F.concat([h_forward, h_backward]), F.concat([c_forward, c_backward])))
        inside = F.sequence_mask(lengths, words.shape[1]).expand_dims(1)
        return Source(memory, self.attention(memory), inside), (tuple(states), F.zeros_like(states[0][0]))

    def step(self, source: Source, state: State, token: nn.Tensor) -> tuple[nn.Tensor, State]:
        """(logits (rows, tokens), new state) after a token (rows,); every sentence has the same number of rows."""
        (first, second), attentional = state
        x, first = self.decoder_0(F.concat([self.target(token), attentional]), first)
        x, second = self.decoder_1(x, second)
        query = x.reshape(source.memory.shape[0], -1, x.shape[1])
        scores = F.where(source.inside, F.matmul(query, source.keys, transpose_y=True), UNREACHABLE)
        context = F.matmul(F.softmax(scores), source.memory).reshape(x.shape)
        attentional = F.tanh(self.combine(F.concat([context, x])))
        return self.tokens(attentional), ((first, second), attentional)


def _encoder_layer(inputs: int, hidden: int) -> nn.Bidirectional:
    return nn.Bidirectional(nn.LSTM(inputs, hidden // 2, return_sequences=True, return_state=True))


class Greedy(nn.Module):
    """The best token after the best tokens before it, ``max_steps`` times.

    Gives tokens (B, max_steps), int32, and their logits (B, max_steps, tokens). What follows the first end token has no
    meaning.
    """

    def __init__(self, translator: Translator, start: int, max_steps: int) -> None:
        self.translator, self.start, self.max_steps = translator, start, max_steps

    def forward(
        self,
        words: nn.Tensor = nn.Input("batch", "time", dtype="int32"),
        lengths: nn.Tensor = nn.Input("batch", dtype="int32"),
    ) -> tuple[nn.Tensor, nn.Tensor]:
        """See the class."""
        source, state = self.translator.encode(words, lengths)

        def step(carried: tuple[nn.Tensor, State], _: None) -> tuple[Any, Any]:
            token, state = carried
            logits, state = self.translator.step(source, state, token)
            token = F.argmax(logits).cast("int32")
            return (token, state), (token, logits)

        first = F.zeros_like(lengths) + self.start
        _, (tokens, logits) = F.scan(step, None, (first, state), length=self.max_steps, axis=0)
        return tokens.transpose(1, 0), logits.transpose(1, 0, 2)


class BeamSearch(nn.Module):
    """The ``beams`` most probable translations that a search of this width finds, best first.

    Gives tokens (B, beams, max_steps), int32, with ``end`` from the end on, and log-probabilities (B, beams). Stops
    when all of them have ended.
    """

    def __init__(self, translator: Translator, start: int, end: int, max_steps: int, beams: int) -> None:
        self.translator, self.start, self.end = translator, start, end
        self.max_steps, self.beams = max_steps, beams

    def forward(
        self,
        words: nn.Tensor = nn.Input("batch", "time", dtype="int32"),
        lengths: nn.Tensor = nn.Input("batch", dtype="int32"),
    ) -> tuple[nn.Tensor, nn.Tensor]:
        """See the class."""
        source, state = self.translator.encode(words, lengths)
        logits, state = self.translator.step(source, state, F.zeros_like(lengths) + self.start)
        scores, token = F.top_k(F.log_softmax(logits), self.beams)
        token = token.cast("int32")
        places = F.arange(words, self.max_steps, "int32")
        tokens = F.where(F.equal(places, 0), token.expand_dims(2), self.end)
        state = _each(state, lambda one: F.repeat(one, self.beams, 0))

        def unfinished(carried: tuple[Any, ...]) -> nn.Tensor:
            return F.any(F.not_equal(carried[1], self.end))

        def extend(carried: tuple[Any, ...]) -> tuple[Any, ...]:
            place, token, tokens, scores, state = carried
            logits, state = self.translator.step(source, state, token.reshape(-1))
            parents, token, scores = self._best(scores, token, F.log_softmax(logits))
            state = _each(state, lambda one: F.take(one, parents))
            tokens = F.take(tokens.reshape(-1, self.max_steps), parents).reshape(tokens.shape)
            tokens = F.where(F.equal(places, place), token.expand_dims(2), tokens)
            return place + 1, token, tokens, scores, state

        carried = (np.ones((), np.int32), token, tokens, scores, state)
        _, _, tokens, scores, _ = F.while_loop(unfinished, extend, carried, max_steps=self.max_steps - 1)
        return tokens, scores

    def _best(self, scores: nn.Tensor, token: nn.Tensor, gains: nn.Tensor) -> tuple[nn.Tensor, nn.Tensor, nn.Tensor]:
        """The best continuations: the rows (B * beams,) of what they continue, their tokens and scores (B, beams).

        ``gains`` (B * beams, tokens) are log-probabilities. What has ended continues with ``end`` alone, at no cost.
        """
        batch, count = scores.shape[0], gains.shape[-1]
        ended = F.equal(token, self.end).expand_dims(2)
        stay = F.where(F.equal(F.arange(scores, count), self.end), 0.0, UNREACHABLE)
        totals = scores.expand_dims(2) + F.where(ended, stay, gains.reshape(batch, self.beams, count))
        scores, best = F.top_k(totals.reshape(batch, -1), self.beams)
        rows = best // count + F.arange(scores, batch).expand_dims(1) * self.beams
        return rows.reshape(-1), (best % count).cast("int32"), scores


def _each(state: State, function: Callable[[nn.Tensor], nn.Tensor]) -> State:
    """The function's results for every tensor of a state, in the state's structure."""
    return tuple(_each(one, function) for one in state) if isinstance(state, tuple) else function(state)
