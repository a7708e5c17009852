"""How layers are put together: sequences, graphs, several inputs and outputs, nested and shared layers, operations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import keras

from importers.harness import check, data
from trtnn.errors import DeviceError

k = keras()
L, ops, Input, Model = k.layers, k.ops, k.Input, k.Model


def test_sequential(tmp_path: Path) -> None:
    """With an Input, and built by its first call."""
    model = k.Sequential([Input((8, 8, 3), name="image"), L.Conv2D(4, 3, activation="relu"), L.Flatten(), L.Dense(5)])
    model.name = "small"
    ours = check(model, tmp_path, [data(2, 8, 8, 3)], [data(1, 8, 8, 3)], simulate=True)
    assert list(ours.inputs) == ["image"]
    assert ours.trace().name == "small"
    assert [str(dim) for dim in ours.inputs["image"].shape][1:] == ["8", "8", "3"]
    later = k.Sequential([L.Dense(4), L.Dense(3)])
    later.build((None, 6))
    check(later, tmp_path, [data(2, 6)])


def test_several_inputs_and_outputs_in_lists(tmp_path: Path) -> None:
    """Lists of tensors are tuples of arrays."""
    a, b = Input((5,), name="a"), Input((6,), name="b")
    x, y = L.Dense(4)(a), L.Dense(4)(b)
    ours = check(Model([a, b], [x + y, x * y]), tmp_path, [data(3, 5), data(3, 6)], simulate=True)
    engine = ours.compile(target="onnxruntime")
    result = engine(b=data(3, 6), a=data(3, 5))
    assert isinstance(result, tuple) and len(result) == 2


def test_inputs_and_outputs_in_dicts(tmp_path: Path) -> None:
    """Dicts keep their names."""
    inputs = {"left": Input((5,), name="left"), "right": Input((5,), name="right")}
    merged = L.Subtract()([inputs["left"], inputs["right"]])
    ours = check(Model(inputs, {"sum": L.Dense(2)(merged), "raw": merged}), tmp_path, [data(2, 5), data(2, 5, seed=1)])
    assert set(ours.compile(target="onnxruntime")(data(2, 5), data(2, 5))) == {"sum", "raw"}


def test_one_output_in_a_list(tmp_path: Path) -> None:
    """Stays a tuple of one."""
    a = Input((5,))
    ours = check(Model(a, [L.Dense(2)(a)]), tmp_path, [data(2, 5)])
    assert isinstance(ours.compile(target="onnxruntime")(data(2, 5)), tuple)


def test_a_layer_called_several_times(tmp_path: Path) -> None:
    """One set of weights."""
    a, b = Input((5,)), Input((5,))
    shared = L.Dense(5, activation="tanh", name="shared")
    ours = check(
        Model([a, b], L.Concatenate()([shared(a), shared(shared(b))])), tmp_path, [data(2, 5), data(2, 5, seed=1)]
    )
    assert len(ours.parameters()) == 2


def test_nested_models(tmp_path: Path) -> None:
    """Functional in Sequential in Functional, called twice."""
    x = Input((6,))
    inner = Model(x, [L.Dense(4)(x), L.Dense(4, activation="relu")(x)], name="inner")
    stack = k.Sequential([Input((4,)), L.Dense(6), L.LayerNormalization()], name="stack")
    a = Input((6,), name="a")
    p, q = inner(a)
    r, s = inner(stack(p + q))
    ours = check(Model(a, [r, s]), tmp_path, [data(2, 6)], simulate=True)
    assert "inner" in ours.layers and "stack" in ours.layers
    assert (
        type(ours.inner.layers["dense" if "dense" in ours.inner.layers else next(iter(ours.inner.layers))]).__name__
        == "Linear"
    )


def test_open_sizes_are_named_after_their_inputs(tmp_path: Path) -> None:
    """The batch is batch, the others <input>_<axis>."""
    a = Input((None, None, 3), name="image")
    ours = check(Model(a, L.Conv2D(4, 3, padding="same")(a)), tmp_path, [data(1, 5, 7, 3)], [data(2, 8, 4, 3)])
    assert [getattr(one, "name", one) for one in ours.inputs["image"].shape] == ["batch", "image_1", "image_2", 3]


def test_the_tree_shows_keras_names_and_can_be_edited(tmp_path: Path) -> None:
    """A layer is an attribute; another module may take its place."""
    import trtnn as nn

    a = Input((5,))
    model = Model(a, L.Dense(2, name="head")(L.Dense(4, name="body")(a)), name="net")
    ours = check(model, tmp_path, [data(2, 5)])
    assert "body: Linear(5, 4)" in repr(ours)
    head = nn.Linear(4, 3)
    head.kernel.assign(data(4, 3))
    head.bias.assign(data(3))
    ours.layers["head"] = head
    body = model.layers[1]
    want = np.asarray(body(data(2, 5))) @ data(4, 3) + data(3)
    np.testing.assert_allclose(ours.compile(target="onnxruntime")(data(2, 5)), want, rtol=1e-4, atol=1e-5)


def test_a_model_inside_a_module_of_ones_own(tmp_path: Path) -> None:
    """An import is a Module like any other."""
    import trtnn as nn
    from importers.harness import imported

    a = Input((8, 8, 3), name="image")
    model = Model(a, L.GlobalAveragePooling2D()(L.Conv2D(4, 3)(a)))
    backbone = imported(model, tmp_path)

    class Net(nn.Module):
        def __init__(self) -> None:
            self.backbone = backbone

        def forward(self, image: nn.Tensor = nn.Input("batch", 8, 8, 3)) -> nn.Tensor:
            return self.backbone(image) * 2.0

    images = data(2, 8, 8, 3)
    np.testing.assert_allclose(Net().compile(target="onnxruntime")(images), 2 * np.asarray(model(images)), rtol=1e-4)


def test_a_u_net_of_open_size(tmp_path: Path) -> None:
    """Halves that are enlarged again meet the whole; with an odd size neither Keras nor the engine can."""
    image = Input((None, None, 3), name="image")
    a = L.Conv2D(4, 3, padding="same", activation="relu")(image)
    b = L.Conv2D(4, 3, padding="same")(L.MaxPooling2D(2)(a))
    c = L.Conv2DTranspose(4, 2, strides=2)(L.Conv2D(4, 3, padding="same")(L.MaxPooling2D(2)(b)))
    d = L.UpSampling2D(2)(L.Concatenate()([c, b]))
    model = Model(image, L.Conv2D(1, 1)(L.Add()([L.Conv2D(4, 1)(d), a])))
    ours = check(model, tmp_path, [data(2, 8, 12, 3)], [data(1, 16, 4, 3)], simulate=True)
    engine = ours.compile(target="onnxruntime")
    with pytest.raises(DeviceError, match="ONNX Runtime failed"):
        engine(data(1, 9, 8, 3))


OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "operators": lambda x: (x + 1) * 2.0 - x / 3 + (1 - x) ** 2,
    "comparison": lambda x: ops.where(x > 0.1, x, -x),
    "integers": lambda x: ops.cast(x * 3, "int32") + 1.5,
    "mean": lambda x: ops.mean(x, axis=-1, keepdims=True) + ops.max(x, axis=(1, 2), keepdims=True),
    "std": lambda x: ops.std(x, axis=1) + ops.var(x, axis=1) + ops.sum(x, axis=1) - ops.min(x, axis=1),
    "bool": lambda x: (
        ops.cast(ops.any(x > 1, axis=1), "float32") + ops.cast(ops.logical_not(ops.all(x > -1, axis=1)), "float32")
    ),
    "reshape": lambda x: ops.reshape(x, (-1, 6, 4)) + ops.transpose(ops.reshape(x, (-1, 4, 6)), (0, 2, 1)),
    "index": lambda x: x[:, 1:3, ::2] + x[..., 0, None][:, :2],
    "slices": lambda x: ops.concatenate([x[:, -1], x[:, 0, ::-1]], axis=-1),
    "stack": lambda x: ops.stack([x, x * 2], axis=1),
    "split": lambda x: ops.split(x, 2, axis=-1)[1] + ops.split(x, [2, 4], axis=-1)[1][:, :, :1],
    "expand": lambda x: ops.squeeze(ops.expand_dims(x, 1), 1) + ops.repeat(x[:, :1], 4, axis=1),
    "matmul": lambda x: ops.matmul(x, ops.transpose(x, (0, 2, 1))),
    "einsum": lambda x: ops.einsum("bij,bkj->bik", x, x),
    "take": lambda x: ops.take(x, [2, 0, -1], axis=-1),
    "pad": lambda x: ops.pad(x, [[0, 0], [1, 2], [0, 1]], constant_values=3.0),
    "flip": lambda x: ops.flip(x, axis=1) + ops.roll(x, 2, axis=-1),
    "argmax": lambda x: ops.argmax(x, axis=-1),
    "top_k": lambda x: ops.top_k(x, 3)[0],
    "sort": lambda x: ops.sort(x, axis=-1) + ops.cumsum(x, axis=-1),
    "softmax": lambda x: ops.softmax(x, axis=1) + ops.relu(x) + ops.gelu(x) + ops.silu(x),
    "activations": lambda x: (
        k.activations.relu(x, max_value=1.0) + k.activations.gelu(x) + k.activations.threshold(x, 0.1, 0.2)
    ),
    "clip": lambda x: ops.clip(x, -0.5, 0.5) + ops.maximum(x, 0.2) + ops.minimum(0.1, x),
    "transcendental": lambda x: (
        ops.exp(x) + ops.tanh(x) + ops.sqrt(ops.abs(x)) + ops.log1p(ops.square(x)) + ops.arctan2(x, x + 1)
    ),
    "norm": lambda x: ops.normalize(x, axis=-1) + ops.logsumexp(x, axis=-1, keepdims=True),
    "one_hot": lambda x: ops.one_hot(ops.cast(ops.abs(x), "int32"), 4),
    "tile": lambda x: ops.tile(x, [1, 2, 1]) + ops.concatenate([x, x], axis=1),
    "moments": lambda x: ops.moments(x, axes=[1])[1],
    "attention": lambda x: ops.dot_product_attention(*[ops.reshape(x, (-1, 4, 2, 3))] * 3, is_causal=True),
    "rounding": lambda x: ops.round(x * 3) + ops.floor(x) + ops.ceil(x) + ops.sign(x) + x // 0.3 + x % 0.7,
    "swapaxes": lambda x: ops.swapaxes(x, 1, 2) + ops.moveaxis(x, 1, 2),
    "tri": lambda x: ops.tril(x) - ops.triu(x, k=1),
    "like": lambda x: ops.ones_like(x) + ops.zeros_like(x) + ops.full_like(x, 2.0),
    "unstack": lambda x: ops.unstack(x, axis=1)[2],
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations(name: str, tmp_path: Path) -> None:
    """``keras.ops`` and operators in a functional model."""
    a = Input((4, 6))
    check(Model(a, OPERATIONS[name](a)), tmp_path, [data(2, 4, 6)], [data(3, 4, 6)], simulate=len(name) % 2 == 0)


@pytest.mark.filterwarnings("ignore")
def test_a_legacy_file_of_keras_3(tmp_path: Path) -> None:
    """It names no modules, so that the operation Multiply and the layer Multiply look alike."""
    a = Input((4, 6), name="a")
    inner = k.Sequential([Input((4, 6)), L.Dense(6), L.LSTM(6, return_sequences=True)], name="inner")
    x = L.Multiply()([a, inner(a) * 2.0])
    y = L.Bidirectional(L.GRU(3))(L.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True))
    check(Model(a, L.BatchNormalization()(y) + 1), tmp_path, [data(2, 4, 6)], name="model.h5")


INTEGERS: dict[str, Callable[[Any], Any]] = {
    "dense": lambda x: L.Dense(3)(x),
    "batch_norm": lambda x: L.BatchNormalization()(x),
    "activation": lambda x: L.Activation("tanh")(x),
    "lstm": lambda x: L.LSTM(2)(x),
    "mean": lambda x: L.GlobalAveragePooling1D()(x),
    "add": lambda x: L.Add()([x, L.Dense(6)(x)]),
    "concatenate": lambda x: L.Concatenate()([x, x * 0.5]),
    "rescaling": lambda x: L.Dense(2)(L.Rescaling(0.1)(x)),
}


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_become_floats(name: str, tmp_path: Path) -> None:
    """Where Keras makes floats of them."""
    a = Input((4, 6), dtype="int32")
    check(Model(a, INTEGERS[name](a)), tmp_path, [data(2, 4, 6, dtype="int32", high=9)])


IMAGE_OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "conv": lambda x: ops.conv(x, np.ones((3, 3, 4, 2), "float32"), padding="same"),
    "pool": lambda x: ops.max_pool(x, 2) + ops.average_pool(x, 2, padding="same"),
    "resize": lambda x: ops.image.resize(x, (4, 9)),
    "space_to_depth": lambda x: ops.nn.depth_to_space(ops.nn.space_to_depth(x, 2), 2) + x,
}


@pytest.mark.parametrize("name", IMAGE_OPERATIONS)
def test_image_operations(name: str, tmp_path: Path) -> None:
    """Those of images."""
    a = Input((6, 8, 4))
    check(Model(a, IMAGE_OPERATIONS[name](a)), tmp_path, [data(2, 6, 8, 4)])
