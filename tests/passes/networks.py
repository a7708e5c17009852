"""Random networks of the kind that people build: a strategy of blocks inside blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import strategies as own
from hypothesis import strategies as st
from ops.harness import fill

import trtnn as nn
import trtnn.functional as F


@attrs.frozen(eq=False)
class Block:
    """A part of a network that takes and gives (N, H, W, C): channels in and out, and how often it halves the sizes."""

    module: nn.Module
    inputs: int
    outputs: int
    halvings: int = 0


class Apply(nn.Module):
    """A function of the tensor and of the modules."""

    def __init__(self, function: Callable[..., Any], *parts: Any) -> None:
        self.function, self.parts = function, list(parts)

    def forward(self, x: nn.Tensor) -> Any:
        return self.function(x, *self.parts)


def simple_functions(channels: int) -> dict[str, Callable[[nn.Tensor], nn.Tensor]]:
    """Functions without weights that keep the shape; several have one number per channel, as preprocessing does."""
    row = own.random_array((channels,), low=0.5, high=2)
    return {
        "relu": F.relu,
        "leaky_relu": F.leaky_relu,
        "relu6": F.relu6,
        "swish": F.swish,
        "rescale": lambda x: x / 1.275 - 1,
        "multiply": lambda x: 0.7 * x,
        "negate": lambda x: -x,
        "per channel": lambda x: (x - row) * row,
        "softmax": F.softmax,
        "softmax of rows": lambda x: F.softmax(x, 2),
        "half the mean removed": lambda x: x - 0.5 * F.reduce_mean(x, (1, 2), keepdims=True),
        "channels first and back": lambda x: F.tanh(x.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1),
        "pixels as a sequence": lambda x: F.softmax(x.reshape(x.shape[0], -1, channels), 1).reshape(x.shape),
        "reversed": lambda x: x[:, ::-1, :, :],
        "larger and smaller": lambda x: F.relu(F.pad(x, [(0, 0), (1, 0), (0, 2), (0, 0)], value=0.5))[:, 1:, :-2],
        "squared": lambda x: F.tanh(x) * x,
    }


def squeeze_and_excite(x: nn.Tensor, layer: nn.Module) -> nn.Tensor:
    """Every channel scaled by a number that a convolution makes of all means."""
    return x * F.sigmoid(layer(F.reduce_mean(x, (1, 2), keepdims=True)))


def squeeze_and_excite_dense(x: nn.Tensor, layer: nn.Linear) -> nn.Tensor:
    """The same with a dense layer and a reshape, as Keras's applications have it."""
    scale = F.sigmoid(layer(F.global_average_pool(x)))
    return x * scale.reshape(x.shape[0], 1, 1, x.shape[3])


@st.composite
def convolutions(draw: own.Draw, channels: int, keep: bool) -> Block:
    """A convolution; one that keeps channels and sizes when ``keep``."""
    groups = draw(st.sampled_from([one for one in (1, 1, channels) if keep or one == 1 or channels > 1]))
    outputs = channels if keep else groups * draw(st.integers(1, 3))
    stride = 1 if keep else draw(st.integers(1, 2))
    padding = draw(st.sampled_from(["same"] if keep else ["same", "same", 1, ((0, 1), (1, 0)), "valid"]))
    window = draw(st.sampled_from([1, 3] if keep else [1, 2, 3]))
    dilation = draw(st.integers(1, 2)) if stride == 1 and padding == "same" else 1
    layer = nn.Conv2d(channels, outputs, window, stride, padding, dilation, groups, bias=draw(st.booleans()))
    return Block(layer, channels, outputs, halvings=1 if stride == 2 or padding != "same" else 0)


@st.composite
def norms(draw: own.Draw, channels: int) -> Block:
    """A BatchNorm, with or without gamma and beta."""
    return Block(nn.BatchNorm(channels, scale=draw(st.booleans()), center=draw(st.booleans())), channels, channels)


@st.composite
def pools(draw: own.Draw, channels: int) -> Block:
    """A pooling that halves."""
    function = draw(st.sampled_from([F.max_pool, F.average_pool]))
    window, padding = draw(st.sampled_from([(2, "valid"), (3, "same"), (3, 1), (3, ((0, 1), (0, 1))), (2, "same")]))
    return Block(Apply(lambda x: function(x, window, 2, padding)), channels, channels, halvings=1)


@st.composite
def functions(draw: own.Draw, channels: int) -> Block:
    """One of `simple_functions`."""
    return Block(
        Apply(simple_functions(channels)[draw(st.sampled_from(sorted(simple_functions(channels))))]), channels, channels
    )


@st.composite
def branches(draw: own.Draw, channels: int, depth: int) -> Block:
    """Residual addition, squeeze and excite, concatenation, a block used twice."""
    kind = draw(st.sampled_from(["residual", "twice", "excite", "excite dense", "concat"]))
    if kind == "excite":
        return Block(Apply(squeeze_and_excite, nn.Conv2d(channels, channels, 1)), channels, channels)
    if kind == "excite dense":
        return Block(Apply(squeeze_and_excite_dense, nn.Linear(channels, channels)), channels, channels)
    inner = draw(chains(channels, depth - 1, keep=True)).module
    if kind == "residual":
        return Block(Apply(lambda x, inner: F.relu(inner(x) + x), inner), channels, channels)
    if kind == "twice":
        return Block(Apply(lambda x, inner: inner(inner(x)), inner), channels, channels)
    other = draw(chains(channels, depth - 1, keep=True)).module
    joined = Apply(lambda x, *parts: F.concat([x, *(one(x) for one in parts)]), inner, other)
    return Block(joined, channels, 3 * channels)


@st.composite
def chains(draw: own.Draw, channels: int, depth: int, keep: bool = False) -> Block:
    """Several blocks one after the other; when ``keep``, ones that keep channels and sizes."""
    steps, halvings, start = [], 0, channels
    for _ in range(draw(st.integers(1, 4 if depth > 1 else 3))):
        options = [convolutions(channels, keep), norms(channels), norms(channels), functions(channels)]
        if not keep and halvings < 3:
            options.append(pools(channels))
        if not keep and depth > 1 and channels < 6:
            options.append(branches(channels, depth))
        if halvings >= 3:
            options[0] = convolutions(channels, keep=True)
        block = draw(st.one_of(options))
        steps.append(block.module)
        channels, halvings = block.outputs, halvings + block.halvings
    return Block(nn.Sequential(*steps), start, channels, halvings)


HEADS: dict[str, Callable[[nn.Tensor], Any]] = {  # sums are of magnitudes: what cancels says nothing
    "nothing": lambda x: x,
    "global average": lambda x: F.global_average_pool(F.abs(x)),
    "global maximum of rows": lambda x: F.reduce_max(x, 1),
    "everything": lambda x: F.reduce_mean(F.abs(x)),
    "two outputs": lambda x: (F.relu(x), F.global_max_pool(x, keepdims=True)),
    "channels": lambda x: F.reduce_sum(F.abs(x), -1),
    "flatten": lambda x: F.flatten(x),
    "transpose": lambda x: F.transpose(x, (3, 0, 1, 2)),
}


@attrs.frozen(eq=False)
class RandomNetwork:
    """A network with weights, and inputs of two sizes that it takes."""

    module: nn.Module
    calls: tuple[list[np.ndarray], ...]

    def inputs(self, dynamic: bool) -> Sequence[nn.Input]:
        """Fixed sizes, those of the first call; or named batch, height and width."""
        (x,) = self.calls[0]
        return [nn.Input("batch", "height", "width", x.shape[3]) if dynamic else nn.Input(*x.shape)]


@st.composite
def networks(draw: own.Draw) -> RandomNetwork:
    """Blocks inside blocks, then a head."""
    channels = draw(st.integers(1, 3))
    body = draw(chains(channels, depth=2))
    head = HEADS[draw(st.sampled_from(sorted(HEADS)))]
    module = Apply(lambda x, body: head(body(x)), body.module)
    fill(module, draw(own.seeds))
    seed = draw(own.seeds)
    least = 3 * 2**body.halvings
    sizes = [(2, least, least + 1), (1, least + 3, least)]
    return RandomNetwork(
        module, tuple([own.random_array((*size, channels), seed=seed + i)] for i, size in enumerate(sizes))
    )
