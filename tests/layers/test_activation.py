"""Activations against Keras's functions and layers, on values to both sides of every kink and on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ops.harness import check
from oracle import keras

import trtnn as nn
import trtnn.functional as F
from layers.twins import data, plain, same
from trtnn.errors import DTypeError, ShapeError

activations, layers = keras().activations, keras().layers
KINKS = np.array([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0], np.float32)


def values() -> np.ndarray:
    """(4, 6): random ones and all kinks."""
    return np.concatenate([data(16, low=-8, high=8), KINKS]).reshape(4, 6)


SAME_NAME = [
    "celu",
    "elu",
    "exponential",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "tanh",
    "tanh_shrink",
]


@pytest.mark.parametrize("name", SAME_NAME)
def test_named_activation(name: str) -> None:
    """Every activation of Keras with its defaults; linear is no operation, threshold has no defaults."""
    check(getattr(F, name), getattr(activations, name), [values()], inputs=[nn.Input("batch", 6)])


def test_all_names_of_keras() -> None:
    """Nothing that Keras can name is left out."""
    from keras.src.activations import ALL_OBJECTS_DICT

    assert set(ALL_OBJECTS_DICT) - set(SAME_NAME) == {"linear", "threshold", "swish", "hard_swish"}


OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("celu", {"alpha": 0.4}),
    ("elu", {"alpha": 0.4}),
    ("gelu", {"approximate": True}),
    ("glu", {"axis": 0}),
    ("hard_shrink", {"threshold": 1.0}),
    ("leaky_relu", {"negative_slope": 0.3}),
    ("log_softmax", {"axis": 0}),
    ("soft_shrink", {"threshold": 1.0}),
    ("softmax", {"axis": 0}),
    ("sparsemax", {"axis": 0}),
    ("squareplus", {"b": 0.5}),
    *(
        ("relu", options)
        for options in (
            {"negative_slope": 0.2},
            {"max_value": 2.0},
            {"threshold": 0.5},
            {"max_value": 2.0, "threshold": 0.5},
            {"negative_slope": 0.2, "threshold": 0.5},
            {"negative_slope": 0.2, "max_value": 2.0},
            {"negative_slope": 0.2, "max_value": 2.0, "threshold": 0.5},
        )
    ),
]


@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=str)
def test_options(name: str, options: dict[str, Any]) -> None:
    """Every option away from its default."""
    function, twin = getattr(F, name), getattr(activations, name)
    check(lambda x: function(x, **options), lambda x: twin(x, **options), [values()])


@pytest.mark.parametrize("default", [0.0, -2.0])
def test_threshold(default: float) -> None:
    """What lies at the threshold gives the default too."""
    check(lambda x: F.threshold(x, 0.5, default), lambda x: activations.threshold(x, 0.5, default), [values()])


@pytest.mark.parametrize("name", ["ReLU", "LeakyReLU", "ELU"])
def test_layers_of_keras(name: str) -> None:
    """Keras's activation layers with an option."""
    options = {"ELU": {"alpha": 0.4}}.get(name, {"negative_slope": 0.3})
    same(getattr(nn, name)(**options), getattr(layers, name)(**options), [values()], inputs=[nn.Input("batch", 6)])


@pytest.mark.parametrize("shared", [None, [1, 2], [2], [3]])
def test_prelu(shared: list[int] | None) -> None:
    """A slope per element, per channel, and others; channels-first neighbours included."""
    shape = [1 if shared and axis in shared else size for axis, size in enumerate((4, 5, 3), start=1)]
    same(
        nn.PReLU(tuple(shape)),
        layers.PReLU(shared_axes=shared),
        [data(2, 4, 5, 3)],
        inputs=[nn.Input("batch", 4, 5, 3)],
    )

    class Block(nn.Module):
        def __init__(self) -> None:
            self.conv, self.act = nn.Conv2d(2, 3, 1), nn.PReLU(tuple(shape))

        def forward(self, x: nn.Tensor) -> nn.Tensor:
            return self.act(self.conv(x))

    twin = keras().Sequential(
        [layers.Conv2D(3, 1, name="conv"), layers.PReLU(shared_axes=shared, name="act")], name="block"
    )
    twin.build((None, 4, 5, 2))
    same(Block(), twin, [data(2, 4, 5, 2)])


@pytest.mark.parametrize("axis", [-1, 1, (1, 2)])
@pytest.mark.parametrize("masked", [False, True])
def test_softmax_layer(axis: Any, masked: bool) -> None:
    """One axis and two, with a mask that leaves one row nothing."""
    x, mask = data(2, 4, 5), data(2, 4, 5, dtype="bool")
    mask[0, 1], mask[:, :, 2] = False, True
    mask[1] = False
    arrays = [x, mask] if masked else [x]
    same(nn.Softmax(axis), layers.Softmax(axis), arrays, call=plain, twin_call=_with_mask)


def _with_mask(layer: Any, x: Any, mask: Any = None) -> Any:
    return layer(x, mask=mask)


def test_every_function_is_a_layer_too() -> None:
    """The layers of functions take the function's options and show them."""
    for name in [
        "CELU",
        "CReLU",
        "Exponential",
        "GLU",
        "HardShrink",
        "HardTanh",
        "LogSigmoid",
        "SoftShrink",
        "SparsePlus",
        "SparseSigmoid",
        "TanhShrink",
    ]:
        assert getattr(nn, name)().trace(nn.Input(2, 4)).outputs
    assert str(nn.Threshold(theta=0.5)) == "Threshold(theta=0.5)"
    check(nn.Identity(), lambda x: x, [values()])


def test_errors() -> None:
    """What is said about shapes and data types that do not fit."""
    with pytest.raises(ShapeError, match=r"glu: expected an even size on axis -1, got \(2, 5\)"):
        nn.GLU().trace(nn.Input(2, 5))
    with pytest.raises(ShapeError, match=r"sort: expected a fixed size on axis 1, got \(2, n\)"):
        nn.Sparsemax().trace(nn.Input(2, "n"))
    with pytest.raises(DTypeError, match="expected an input of a floating-point type, got int32"):
        nn.PReLU(3).trace(nn.Input(2, 3, dtype="int32"))
