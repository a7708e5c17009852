"""Random networks of convolutions, normalization, arithmetic and movements, as graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from ops.harness import traced

import trtnn as nn
import trtnn.functional as F
from trtnn.graph import Graph

Step = Callable[[nn.Tensor, np.random.Generator], nn.Tensor]


def weights(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(0, 0.3, shape).astype(np.float32)


def scanned(x: nn.Tensor, rng: np.random.Generator) -> nn.Tensor:
    """A loop over rows with a product inside."""
    kernel = weights(rng, 4, 4)
    rows = F.reduce_mean(x, 2)
    _, stacked = F.scan(
        lambda state, row: ((state := F.tanh(F.matmul(row, kernel) + state)), state), rows[:, 0] * 0.0, rows, axis=1
    )
    return x + F.expand_dims(stacked, 2)


STEPS: dict[str, Step] = {
    "conv": lambda x, rng: F.conv2d(x, weights(rng, 3, 3, 4, 4), weights(rng, 4), padding="same"),
    "strided": lambda x, rng: F.conv2d(x, weights(rng, 1, 1, 4, 4), padding="same"),
    "linear": lambda x, rng: F.linear(x, weights(rng, 4, 4), weights(rng, 4)),
    "norm": lambda x, rng: F.batch_norm(x, *(abs(weights(rng, 4)) + 0.5 for _ in range(4))),
    "relu": lambda x, rng: F.relu(x),
    "tanh": lambda x, rng: F.tanh(x),
    "exp": lambda x, rng: F.exp(F.minimum(x, 2.0)),
    "softmax": lambda x, rng: F.softmax(x),
    "pool": lambda x, rng: F.max_pool(x, 3, stride=1, padding="same"),
    "average": lambda x, rng: F.average_pool(x, 3, stride=1, padding="same"),
    "scale": lambda x, rng: x * weights(rng, 4) + 0.5,
    "gate": lambda x, rng: x * F.sigmoid(F.reduce_mean(x, (1, 2), keepdims=True)),
    "square": lambda x, rng: x * x,
    "flip": lambda x, rng: x[:, ::-1],
    "shuffle": lambda x, rng: x.transpose(0, 2, 1, 3),
    "join": lambda x, rng: F.concat([x, -x], -1)[..., 2:6],
    "pad": lambda x, rng: F.pad(x, ((0, 0), (1, 0), (0, 1), (0, 0)))[:, 1:, :-1],
    "where": lambda x, rng: F.where(x > 0.1, x, 0.1),
    "count": lambda x, rng: x + F.cast(F.argmax(x), "float32").expand_dims(-1),
}


@st.composite
def random_networks(draw: Any) -> Graph:
    """A traced network of images (batch, 6, 6, 4): steps one after the other, some with a way around them."""
    chosen = draw(st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.booleans()), min_size=1, max_size=8))
    several = draw(st.booleans())

    def network(x: nn.Tensor) -> Any:
        rng, middle = np.random.default_rng(0), x
        for number, (name, around) in enumerate(chosen):
            y = STEPS[name](x, rng)
            x = x + y if around else y
            middle = x if number == len(chosen) // 2 else middle
        return (x, middle) if several else x

    return traced(network, [nn.Input("batch", 6, 6, 4)])
