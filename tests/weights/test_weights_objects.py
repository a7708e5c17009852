"""Object-based checkpoints that Keras 3 and tf.Module really wrote: names from the object graph, what is ignored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trtnn.errors import WeightsError
from trtnn.weights import Slot, list_weights, load

INPUT = (5, 5, 1)
DIGITS = {
    "conv1.kernel": (3, 3, 1, 2),
    "conv1.bias": (2,),
    "bn1.gamma": (2,),
    "bn1.beta": (2,),
    "bn1.moving_mean": (2,),
    "bn1.moving_variance": (2,),
    "fc.kernel": (18, 4),
    "fc.bias": (4,),
}
Arrays = Mapping[str, np.ndarray]


def slots(shapes: Mapping[str, tuple[int, ...]]) -> list[Slot]:
    return [Slot(path, (path.replace(".", "/"),), shape, "float32") for path, shape in shapes.items()]


def randomize(model: Any) -> None:
    rng = np.random.default_rng(0)
    for variable in model.weights:
        if "seed" not in variable.path:
            variable.assign(rng.normal(size=variable.shape).astype(np.float32))


def values(owner: Any, layers: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Slot path -> value for ``layers``: slot scope -> the layer's attribute or Keras name."""
    found = {}
    for scope, name in layers.items():
        layer = (
            owner.get_layer(name) if hasattr(owner, "get_layer") and not hasattr(owner, name) else getattr(owner, name)
        )
        found |= {f"{scope}.{variable.name}": np.asarray(variable) for variable in layer.weights}
    return found


def assert_loaded(got: Arrays, expected: Arrays) -> None:
    assert got.keys() == expected.keys()
    for path, array in got.items():
        np.testing.assert_array_equal(array, expected[path], err_msg=path)


@pytest.fixture(scope="module")
def functional(keras: Any) -> Any:
    """A compiled and trained Sequential whose kernels TensorFlow saves below the optimizer."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input(INPUT),
            layers.Conv2D(2, 3, name="conv1"),
            layers.BatchNormalization(name="bn1"),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(4, name="fc"),
        ]
    )
    _train(model)
    return model


@pytest.fixture(scope="module")
def subclassed(keras: Any) -> Any:
    """A compiled and trained subclass: all kernels are called ``digits/kernel``, and lists are left out."""

    class Digits(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="digits")
            self.conv1 = keras.layers.Conv2D(2, 3)
            self.bn1 = keras.layers.BatchNormalization()
            self.blocks = [keras.layers.Dense(2), keras.layers.Dense(2)]
            self.flatten = keras.layers.Flatten()
            self.fc = keras.layers.Dense(4)

        def call(self, x: Any) -> Any:
            x = self.bn1(self.conv1(x))
            for block in self.blocks:
                x = block(x)
            return self.fc(self.flatten(x))

    model = Digits()
    _train(model)
    return model


def _train(model: Any) -> None:
    model.compile("adam", "mse")
    model.train_on_batch(np.ones((2, *INPUT), np.float32), np.ones((2, 4), np.float32))
    randomize(model)


LAYERS = {"conv1": "conv1", "bn1": "bn1", "fc": "fc"}


@pytest.mark.parametrize("how", ["model", "model and optimizer", "the model itself", "saved_model", "export"])
def test_a_functional_model(tf: Any, functional: Any, tmp_path: Path, how: str) -> None:
    path = tmp_path / "digits"
    match how:
        case "model":
            tf.train.Checkpoint(model=functional).write(str(path))
        case "model and optimizer":
            step = tf.Variable(3, dtype=tf.int64)
            path = Path(tf.train.Checkpoint(net=functional, opt=functional.optimizer, step=step).save(str(path)))
        case "the model itself":
            tf.train.Checkpoint(functional).write(str(path))
        case "saved_model":
            tf.saved_model.save(functional, str(path))
        case "export":
            functional.export(str(path), verbose=False)
    arrays, report = load(slots(DIGITS), path)
    assert_loaded(arrays, values(functional, LAYERS))
    assert report.unexpected == ()
    assert report.title == path.name
    assert all(reason in report.headline for reason in ("optimizer slots", "step counters") if how != "export")


@pytest.mark.parametrize("how", ["model", "the model itself", "saved_model"])
def test_a_subclassed_model(tf: Any, subclassed: Any, tmp_path: Path, how: str) -> None:
    path = str(tmp_path / "digits")
    match how:
        case "model":
            tf.train.Checkpoint(model=subclassed).write(path)
        case "the model itself":
            tf.train.Checkpoint(subclassed).write(path)
        case "saved_model":
            tf.saved_model.save(subclassed, path)
    arrays, report = load(slots(DIGITS), path)
    assert_loaded(arrays, values(subclassed, LAYERS))
    assert {unused.shape for unused in report.unexpected} == {(2, 2), (2,)}  # the blocks, which the slots leave out


BLOCKS = {"blocks.0.kernel": (2, 2), "blocks.1.kernel": (2, 2)}


def test_layers_in_python_lists(tf: Any, subclassed: Any, tmp_path: Path) -> None:
    tf.train.Checkpoint(model=subclassed).write(str(tmp_path / "lists"))
    with pytest.raises(WeightsError) as caught:
        load(slots(DIGITS | BLOCKS), tmp_path / "lists")
    assert str(caught.value).splitlines()[1:] == [
        "  blocks.0.kernel: the file has no blocks/0/kernel",
        "  blocks.1.kernel: the file has no blocks/1/kernel",
        "  if these layers are kept in a Python list: Keras 3 leaves them out of a tf.train.Checkpoint without a word; "
        "make each an attribute as well (setattr(self, 'block0', layer)) and save again",
    ]
    tf.saved_model.save(subclassed, str(tmp_path / "all"))
    arrays, _ = load(slots(BLOCKS), tmp_path / "all")
    assert_loaded(arrays, {f"blocks.{i}.kernel": np.asarray(subclassed.blocks[i].kernel) for i in range(2)})


def test_an_export_that_lost_the_names(subclassed: Any, tmp_path: Path) -> None:
    subclassed.export(str(tmp_path / "digits"), verbose=False)
    with pytest.raises(WeightsError, match=r"model\.export keeps no layers, only the variables' own names") as caught:
        load(slots(DIGITS), tmp_path / "digits")
    assert "0 of 8 parameters loaded" in str(caught.value)
    arrays, _ = load(slots({"conv1.kernel": (3, 3, 1, 2)}), tmp_path / "digits", {"conv1.kernel": "variables/0"})
    assert_loaded(arrays, {"conv1.kernel": np.asarray(subclassed.conv1.kernel)})


def test_names_in_the_table(tf: Any, functional: Any, subclassed: Any, tmp_path: Path) -> None:
    functional.export(str(tmp_path / "export"), verbose=False)
    table = list_weights(tmp_path / "export")
    assert [re.sub(r"sequential(_\d+)?/", "", name) for name, _, _ in table if "seed" not in name] == [
        name.replace(".", "/") for name in DIGITS
    ]
    tf.train.Checkpoint(model=subclassed).write(str(tmp_path / "paths"))
    names = {name for name, _, _ in list_weights(tmp_path / "paths")}
    assert {"model/conv1/_kernel", "digits/gamma", "model/fc/bias"} <= names


def test_two_models_in_one_file(tf: Any, functional: Any, keras: Any, tmp_path: Path) -> None:
    other = keras.models.clone_model(functional)
    tf.train.Checkpoint(model=functional, ema=other).write(str(tmp_path / "two"))
    wanted = slots({"conv1.kernel": (3, 3, 1, 2)})
    with pytest.raises(WeightsError, match=r"conv1\.kernel: 2 different variables in two may be meant: "):
        load(wanted, tmp_path / "two")


def net(tf: Any, *values: float, **modules: Any) -> Any:
    """A tf.Module with variables ``kernel`` in a list ``layers``, and further attributes."""
    module = tf.Module()
    module.layers = [tf.Module() for _ in values]
    for layer, value in zip(module.layers, values, strict=True):
        layer.kernel = tf.Variable([float(value)], name="kernel")
    for name, attribute in modules.items():
        setattr(module, name, attribute)
    return module


LIST_SLOTS = slots({"layers.0.kernel": (1,), "layers.1.kernel": (1,)})


@pytest.mark.parametrize("root", [None, "model", "whatever"])
def test_lists_and_the_attribute_above(tf: Any, tmp_path: Path, root: str | None) -> None:
    model = net(tf, 1, 2)
    checkpoint = tf.train.Checkpoint(**{root: model}) if root else tf.train.Checkpoint(model)
    path = checkpoint.save(str(tmp_path / "lists"))
    arrays, report = load(LIST_SLOTS, path)
    assert [array.item() for array in arrays.values()] == [1, 2]
    assert report.headline == "lists-1: 2 of 2 parameters loaded, 0 missing, 1 ignored (step counters)"


def test_two_modules_above(tf: Any, tmp_path: Path) -> None:
    path = tf.train.Checkpoint(generator=net(tf, 1, 2), critic=net(tf, 3, 4)).write(str(tmp_path / "gan"))
    with pytest.raises(WeightsError, match=r'under "critic/" and "generator/": pass name_map=\[\("\^", "critic/"\)\]'):
        load(LIST_SLOTS, path)
    arrays, report = load(LIST_SLOTS, path, [("^", "generator/")])
    assert [array.item() for array in arrays.values()] == [1, 2]
    assert [unused.name for unused in report.unexpected] == ["critic/layers/0/kernel", "critic/layers/1/kernel"]


def test_names_and_paths_that_contradict_each_other(tf: Any, tmp_path: Path) -> None:
    """Whether ``stem/kernel`` is the attribute or the layer that calls itself so, nobody can tell."""
    first, second = tf.Module(), tf.Module()
    first.kernel, second.kernel = tf.Variable([1.0], name="second/kernel"), tf.Variable([2.0], name="first/kernel")
    path = tf.train.Checkpoint(first=first, second=second).write(str(tmp_path / "swapped"))
    with pytest.raises(
        WeightsError, match=r"first\.kernel: 2 different variables .*: first/kernel, second/kernel; say"
    ):
        load(slots({"first.kernel": (1,), "second.kernel": (1,)}), path)
    name_map = {f"{name}.kernel": f"{name}/kernel/.ATTRIBUTES/VARIABLE_VALUE" for name in ("first", "second")}
    arrays, _ = load(slots({"first.kernel": (1,), "second.kernel": (1,)}), path, name_map)
    assert [array.item() for array in arrays.values()] == [1, 2]


def test_shared_variables_and_odd_names(tf: Any, tmp_path: Path) -> None:
    shared = tf.Variable([3.0], name="shared")
    model = tf.Module()
    model.one, model.two = tf.Module(), tf.Module()
    model.one.kernel = model.two.kernel = shared
    model.table = {"a/b.c": tf.Variable([4.0], name="odd")}
    model.unnamed = tf.Variable([5.0])
    path = tf.train.Checkpoint(model=model).write(str(tmp_path / "shared"))
    wanted = slots({"one.kernel": (1,), "two.kernel": (1,)})
    arrays, report = load([*wanted, Slot("odd", ("odd",), (1,), "float32")], path)
    assert {path: array.item() for path, array in arrays.items()} == {"one.kernel": 3, "two.kernel": 3, "odd": 4}
    assert [unused.name for unused in report.unexpected] == ["model/unnamed"]


TF1_NOISE = {
    "global_step": "step counters",
    "train/beta1_power": "step counters",
    "beta2_power_1": "step counters",
    "c/W/Adam": "optimizer slots",
    "c/W/Adam_1": "optimizer slots",
    "opt/c/W/Momentum": "optimizer slots",
    "c/W/RMSProp_1": "optimizer slots",
    "c/W/MyOwnOptimizer": "optimizer slots",
    "c/W/whatever": "optimizer slots",
    "c/W/ExponentialMovingAverage": "moving averages",
    "d/b/ExponentialMovingAverage/biased": "moving averages",
    "learning_rate": "optimizer slots",
    "step": "step counters",
    "seed_generator/seed_generator_state": "random seeds",
    "d/kernel": "",
    "iteration/kernel": "",
    "c/Wide": "",
}


def test_what_is_ignored(tf: Any, tmp_path: Path) -> None:
    scalars = ("global_step", "train/beta1_power", "beta2_power_1", "learning_rate", "step")
    arrays = {"c/W": np.ones(2)} | {name: np.float32(1) if name in scalars else np.ones(2) for name in TF1_NOISE}
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "tf1"),
        tensor_names=list(arrays),
        shape_and_slices=[""] * len(arrays),
        tensors=list(arrays.values()),
    )
    for source in (tmp_path / "tf1", arrays):
        _, report = load([Slot("c.W", ("c/W",), (2,), "float32")], source)
        assert {unused.name: unused.reason for unused in report.ignored + report.unexpected} == TF1_NOISE
