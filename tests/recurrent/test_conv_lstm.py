"""Keras's ConvLSTM1D and ConvLSTM2D."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ops.harness import fill

import trtnn as nn
from recurrent.harness import Called, check
from trtnn.errors import ArgumentError

OURS = {1: nn.ConvLSTM1d, 2: nn.ConvLSTM2d}
flags = st.fixed_dictionaries({name: st.booleans() for name in ("return_sequences", "return_state", "go_backwards")})


@pytest.mark.parametrize("spatial", [1, 2])
@settings(max_examples=7)
@given(data=st.data(), options=flags, masked=st.booleans())
def test_options(spatial: int, data: st.DataObject, options: dict[str, bool], masked: bool) -> None:
    """Windows, strides, padding, dilation and a mask, with every size but the channels a named dim."""
    window = tuple(data.draw(st.integers(1, 3)) for _ in range(spatial))
    stride = data.draw(st.integers(1, 2))
    dilation = data.draw(st.integers(1, 2)) if stride == 1 else 1
    padding = data.draw(st.sampled_from(["same", "valid"]))
    layer = OURS[spatial](2, 3, window, stride=stride, padding=padding, dilation=dilation, **options)
    fill(layer)
    given_to_keras = {"strides": stride, "padding": padding, "dilation_rate": dilation, **options}
    arguments = ["mask"] if masked else []
    calls = [arrays(sizes, spatial, masked) for sizes in ((2, 3, 6, 5), (1, 4, 7, 6))]
    inputs = [nn.Input("batch", "time", *("height", "width")[:spatial], 2)]
    inputs += [nn.Input("batch", "time", dtype="bool")] if masked else []

    def reference(x: np.ndarray, mask: np.ndarray | None = None) -> Any:
        result = keras_layer_of(spatial, layer, window, x.shape, **given_to_keras)(x, mask=mask)
        return tuple(map(np.asarray, result)) if isinstance(result, (tuple, list)) else np.asarray(result)

    check(Called(layer, arguments), reference, *calls, inputs=inputs)


def keras_layer_of(
    spatial: int, layer: nn.Module, window: tuple[int, ...], shape: tuple[int, ...], **options: Any
) -> Any:
    """Keras's layer, built for the shape, since it keeps the sizes of its states."""
    from oracle import keras

    theirs = getattr(keras().layers, f"ConvLSTM{spatial}D")(3, window, **options)
    theirs.build(shape)
    theirs.set_weights([parameter.data for parameter in layer.parameters()])
    return theirs


def arrays(sizes: tuple[int, ...], spatial: int, masked: bool) -> list[np.ndarray]:
    rng = np.random.default_rng(sizes)
    x = rng.normal(0, 1, (*sizes[: 2 + spatial], 2)).astype(np.float32)
    return [x, rng.random(sizes[:2]) < 0.6] if masked else [x]


def test_channels_first() -> None:
    """TensorFlow on a CPU convolves channels last only, so the oracle is the same layer the other way round."""
    layer = nn.ConvLSTM2d(2, 3, 3, padding="same", data_format="channels_first", return_sequences=True)
    fill(layer)
    theirs = keras_layer_of(2, layer, (3, 3), (2, 3, 5, 4, 2), padding="same", return_sequences=True)
    x = np.random.default_rng(0).normal(0, 1, (2, 3, 2, 5, 4)).astype(np.float32)
    check(
        layer,
        lambda x: np.asarray(theirs(np.moveaxis(x, 2, -1))).transpose(0, 1, 4, 2, 3),
        [x],
        inputs=[nn.Input("batch", "time", 2, "height", "width")],
    )


def test_time_major_is_refused() -> None:
    with pytest.raises(ArgumentError, match="ConvLSTM2d: expected batch-major sequences"):
        nn.ConvLSTM2d(2, 3, 3, time_major=True)
