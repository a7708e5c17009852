"""What cannot be imported: one error that names everything, with what to do about it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import keras, randomize

import trtnn as nn
from importers.harness import data, imported
from trtnn.errors import FileFormatError, UnsupportedError
from trtnn.importers.keras import from_keras, keras_layer, registry

k = keras()
L, Input, Model = k.layers, k.Input, k.Model


class Scale(L.Layer):
    """A layer of one's own, with a weight."""

    def build(self, shape: Any) -> None:
        self.factor = self.add_weight(shape=(shape[-1],), name="factor")

    def call(self, x: Any) -> Any:
        return x * self.factor


class Dense(L.Layer):
    """A layer of one's own that has the name of one of Keras's."""

    def call(self, x: Any) -> Any:
        return x * 3.0


def test_all_unknown_layers_are_listed_at_once(tmp_path: Path) -> None:
    """By name, class and option."""
    x = Input((4,))
    y = Scale(name="mine")(x)
    y = L.Lambda(lambda one: one * 2, name="code")(y)
    y = k.Sequential([Input((4,)), Dense(name="impostor")], name="inner")(y)
    model = Model(x, k.ops.erfinv(L.Dense(4, dtype="float64", name="wide")(y)))
    model.save(tmp_path / "model.keras")
    with pytest.raises(UnsupportedError) as caught:
        from_keras(tmp_path / "model.keras")
    said = str(caught.value)
    assert "5 layers cannot be converted" in said
    for line in (
        "mine (Scale): no converter for Scale",
        "code (Lambda): no converter for Lambda (its code is not in the file as data, and code from a file is never "
        "run)",
        "impostor (Dense): no converter for Dense",
        "wide (Dense): dtype='float64' is not supported",
        "erfinv (Erfinv): no converter for ops.Erfinv",
    ):
        assert line in said
    assert 'register a converter with @trtnn.keras_layer("Dense")' in said


def test_options_that_are_not_supported_are_listed_too(tmp_path: Path) -> None:
    """With the layer's name."""
    x = Input((6, 4), batch_size=2)
    model = Model(
        x, L.Concatenate()([L.LSTM(3, stateful=True, name="keeps")(x), L.GRU(3, activation="softmax", name="odd")(x)])
    )
    model.save(tmp_path / "model.keras")
    with pytest.raises(UnsupportedError) as caught:
        from_keras(tmp_path / "model.keras")
    assert "keeps (LSTM): stateful=True is not supported" in str(caught.value)
    assert "odd (GRU): activation='softmax' in a recurrent cell is not supported" in str(caught.value)


@pytest.fixture
def registered() -> Any:
    """Forgets converters that a test registers."""
    before = dict(registry._CONVERSIONS)
    yield
    registry._CONVERSIONS.clear()
    registry._CONVERSIONS.update(before)


class MyScale(nn.Module):
    """The twin of Scale."""

    def __init__(self, features: int) -> None:
        self.factor = nn.Parameter((features,))

    def forward(self, x: nn.Tensor) -> nn.Tensor:
        """x (..., features)."""
        return x * self.factor


def test_a_converter_of_ones_own(registered: Any, tmp_path: Path) -> None:
    """By the class's name, whatever package it was registered under."""

    @keras_layer("Scale")
    def convert(layer: Any) -> nn.Module:
        (factor,) = layer.take("factor")
        return layer.fill(MyScale(factor.size), factor=factor)

    x = Input((4,))
    model = Model(x, Scale()(L.Dense(4)(x)))
    ours = imported(model, tmp_path)
    want = np.asarray(model(data(2, 4)))
    np.testing.assert_allclose(ours.compile(target="onnxruntime")(data(2, 4)), want, rtol=1e-5, atol=1e-6)


class Written(k.Model):
    """A subclassed model."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = L.Dense(2)

    def call(self, x: Any) -> Any:
        return self.dense(x)


def test_subclassed_models(tmp_path: Path) -> None:
    """Their forward pass is not in the file."""
    model = Written()
    model(data(1, 3))
    model.save(tmp_path / "model.keras")
    with pytest.raises(UnsupportedError, match=r"Written is a subclassed model, whose forward pass is Python code"):
        from_keras(tmp_path / "model.keras")


def test_other_things(tmp_path: Path) -> None:
    """Folders, weights without a model, files of another kind, nothing."""
    model = k.Sequential([Input((3,)), L.Dense(2)])
    model.export(tmp_path / "saved", verbose=False)
    model.save_weights(tmp_path / "model.weights.h5")
    (tmp_path / "text.keras").write_text("no model at all")
    with pytest.raises(FileFormatError, match="a SavedModel holds TensorFlow functions, not layers"):
        from_keras(tmp_path / "saved")
    with pytest.raises(FileFormatError, match=r"holds weights but no model; .* load_weights"):
        from_keras(tmp_path / "model.weights.h5")
    with pytest.raises(FileFormatError, match=r"expected a .keras archive \(zip\) or a whole-model .h5 file"):
        from_keras(tmp_path / "text.keras")
    with pytest.raises(FileFormatError, match="cannot be read: No such file"):
        from_keras(tmp_path / "nothing.keras")


def rewritten(source: Path, target: Path, change: Callable[[Any], Any]) -> Path:
    """A .keras file with its config changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.infolist():
            content = old.read(member)
            if member.filename == "config.json":
                config = json.loads(content)
                content = json.dumps(change(config) or config).encode()
            new.writestr(member.filename, content)
    return target


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound file to spoil: an input, two dense layers, one operation."""
    x = Input((4,), name="x")
    model = Model(x, L.Dense(2, name="b")(L.Dense(3, name="a")(x)) + 1.0)
    randomize(model, np.random.default_rng(0))
    path = tmp_path_factory.mktemp("good") / "good.keras"
    model.save(path)
    return path


def layer(config: Any, name: str) -> Any:
    """A layer of the config."""
    return next(one for one in config["config"]["layers"] if one["config"]["name"] == name)


SPOILED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a list": (lambda config: [1], r"config.json: \$.class_name: expected a string"),
    "no layers": (
        lambda config: config["config"].pop("layers") and None,
        r"\$.config.layers: expected a list, got nothing",
    ),
    "layers is text": (
        lambda config: config["config"].update(layers="x"),
        r"\$.config.layers: expected a list, got str",
    ),
    "a layer is a number": (
        lambda config: config["config"]["layers"].append(3),
        r"\$.config.layers\[4\]: expected an object, got int",
    ),
    "no class": (
        lambda config: layer(config, "a").pop("class_name") and None,
        r"\$.config.layers\[1\].class_name: expected a string, got nothing",
    ),
    "a name twice": (
        lambda config: layer(config, "b").update(name="a"),
        "expected distinct layer names, got 'a' twice",
    ),
    "an unknown tensor": (
        lambda config: config["config"].update(output_layers=["nobody", 0, 0]),
        "a tensor of call 0 of 'nobody' is used",
    ),
    "a missing call": (
        lambda config: config["config"].update(output_layers=["b", 7, 0]),
        "a tensor of call 7 of 'b' is used, and there is none",
    ),
    "no reference": (
        lambda config: config["config"].update(output_layers=["b", "0"]),
        r"\$.config.output_layers\[0\]: expected \[layer, call, tensor\]",
    ),
    "a cycle": (
        lambda config: layer(config, "a")["inbound_nodes"][0]["args"][0]["config"].update(keras_history=["b", 0, 0]),
        "the calls of .*a, add, b.* wait for each other|the calls of a, .*wait",
    ),
    "an input that is a layer": (
        lambda config: config["config"].update(input_layers=["a", 0, 0]),
        "expected distinct InputLayers as inputs, got 'a'",
    ),
    "a shape of text": (
        lambda config: layer(config, "x")["config"].update(batch_shape=[None, "4"]),
        r"batch_shape: expected a list of positive ints and null",
    ),
    "a negative size": (
        lambda config: layer(config, "x")["config"].update(batch_shape=[None, -4]),
        r"batch_shape: expected a list of positive ints and null",
    ),
    "a wrong shape": (lambda config: layer(config, "x")["config"].update(batch_shape=[None, 5]), "got|expected"),
    "an option of another type": (
        lambda config: layer(config, "a")["config"].update(activation=7),
        r"a \(Dense\): activation=7 is not supported",
    ),
    "a bias that is not there": (
        lambda config: layer(config, "a")["config"].update(use_bias=False),
        "expected 1 variables of a: kernel, got 2",
    ),
    "another class": (
        lambda config: layer(config, "a").update(class_name="BatchNormalization"),
        "expected 4 variables of a",
    ),
    "an unknown option": (
        lambda config: layer(config, "a")["config"].update(twist=3),
        r"a \(Dense\): twist=3 is not supported",
    ),
    "too deep": (
        lambda config: layer(config, "a")["inbound_nodes"][0].update(args=[nested(100)]),
        "expected at most 64 levels",
    ),
}


def nested(depth: int) -> Any:
    """Lists in lists."""
    return [nested(depth - 1)] if depth else 1


@pytest.mark.parametrize("name", SPOILED)
def test_malformed_configs(name: str, good: Path, tmp_path: Path) -> None:
    """An error with the place in the JSON, where there is one; at the latest when the network is traced."""
    change, said = SPOILED[name]
    path = rewritten(good, tmp_path / "bad.keras", change)
    with pytest.raises(nn.errors.TrtnnError, match=said):
        from_keras(path).trace()


def test_half_precision_is_imported_as_float32(tmp_path: Path) -> None:
    """mixed_float16, float16 and bfloat16 policies; the input too."""
    for policy in ("mixed_float16", "bfloat16", "float16"):
        x = Input((4,), dtype="float32")
        model = Model(x, L.Dense(3, dtype=policy)(x))
        ours = imported(model, tmp_path, f"{policy}.keras")
        assert [one.dtype.value for one in ours.inputs.values()] == ["float32"]
        assert f"float32 for Keras's {policy}" in repr(ours)
        got, want = ours.compile(target="onnxruntime")(data(2, 4)), np.asarray(k.ops.cast(model(data(2, 4)), "float32"))
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, want, rtol=0.05, atol=0.05)
