"""The module tree: what belongs to it, under which paths, and how weights find their places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import trtnn as nn
import trtnn.functional as F
from trtnn.errors import WeightsError
from trtnn.graph.ops import Constant, MatMul


class Scale(nn.Module):
    """A module with a parameter of its own."""

    def __init__(self, features: int) -> None:
        self.factor = nn.Parameter((features,))

    def forward(self, x: nn.Tensor) -> nn.Tensor:
        return x * self.factor


class Containers(nn.Module):
    """Modules and parameters in every kind of container."""

    def __init__(self) -> None:
        self.first = nn.Linear(4, 4)
        self.blocks = [nn.Linear(4, 4), (nn.Linear(4, 4), {"gate": Scale(4)})]
        self.heads = {"left": nn.Linear(4, 2), "right": nn.Linear(4, 2)}
        self.offsets = (nn.Parameter((4,)), [nn.Parameter((4,))])
        self.size, self.note, self.nothing = 4, "no module", None

    def forward(self, x: nn.Tensor = nn.Input("batch", 4)) -> dict[str, nn.Tensor]:
        x = self.blocks[1][1]["gate"](self.blocks[1][0](self.blocks[0](self.first(x))))
        x = x + self.offsets[0] + self.offsets[1][0]
        return {name: head(x) for name, head in self.heads.items()}


def weights_of(module: nn.Module, seed: int = 0) -> dict[str, np.ndarray]:
    """Random values for every parameter, by path with slashes."""
    rng = np.random.default_rng(seed)
    pairs = module.named_parameters()
    return {path.replace(".", "/"): rng.normal(size=one.shape).astype(np.float32) for path, one in pairs}


def run(module: nn.Module, *arrays: np.ndarray, **options: Any) -> Any:
    return module.compile(target="onnxruntime", **options)(*arrays)


def test_modules_and_parameters_are_found_in_lists_tuples_and_dicts() -> None:
    paths = [path for path, _ in Containers().named_modules()]
    assert paths == ["", "first", "blocks.0", "blocks.1.0", "blocks.1.1.gate", "heads.left", "heads.right"]
    layers = [f"{path}.{name}" for path in ("first", "blocks.0", "blocks.1.0") for name in ("kernel", "bias")]
    heads = [f"heads.{side}.{name}" for side in ("left", "right") for name in ("kernel", "bias")]
    assert [path for path, _ in Containers().named_parameters()] == [
        *("offsets.0", "offsets.1.0"),
        *layers,
        "blocks.1.1.gate.factor",
        *heads,
    ]


def test_a_tree_of_containers_computes() -> None:
    module, x = Containers(), np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
    w = weights_of(module)
    module.load_weights(w)
    y = x
    for path in ("first", "blocks/0", "blocks/1/0"):
        y = y @ w[f"{path}/kernel"] + w[f"{path}/bias"]
    y = y * w["blocks/1/1/gate/factor"] + w["offsets/0"] + w["offsets/1/0"]
    result = run(module, x)
    assert list(result) == ["left", "right"]
    for name, array in result.items():
        np.testing.assert_allclose(array, y @ w[f"heads/{name}/kernel"] + w[f"heads/{name}/bias"], rtol=1e-4, atol=1e-5)


def test_a_module_added_after_construction_belongs_to_the_tree() -> None:
    module = Containers()
    module.late = nn.Linear(4, 4)
    assert "late" in dict(module.named_modules())
    module.blocks.append(Scale(4))
    assert "blocks.2" in dict(module.named_modules())


class Twice(nn.Module):
    """The same layer, twice in a row."""

    def __init__(self) -> None:
        self.fc = nn.Linear(3, 3)

    def forward(self, x: nn.Tensor = nn.Input("batch", 3)) -> nn.Tensor:
        return self.fc(F.relu(self.fc(x)))


def constants_with_paths(graph: nn.Graph) -> list[str]:
    return [op.parameter for op in (node.op for node in graph.nodes) if isinstance(op, Constant) and op.parameter]


def test_calling_a_module_twice_uses_one_constant() -> None:
    module = Twice()
    graph = module.trace()
    assert sorted(constants_with_paths(graph)) == ["fc.bias", "fc.kernel"]
    assert sum(isinstance(node.op, MatMul) for node in graph.nodes) == 2
    w = weights_of(module)
    module.load_weights(w)
    x = np.random.default_rng(2).normal(size=(2, 3)).astype(np.float32)
    inner = np.maximum(x @ w["fc/kernel"] + w["fc/bias"], 0)
    np.testing.assert_allclose(run(module, x), inner @ w["fc/kernel"] + w["fc/bias"], rtol=1e-5, atol=1e-6)


class Tied(nn.Module):
    """An encoder and a decoder that share a module, and two layers that share a parameter."""

    def __init__(self) -> None:
        shared = nn.Linear(3, 3)
        self.encoder = {"fc": shared}
        self.decoder = [shared]
        self.one, self.other = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
        self.other.kernel = self.one.kernel

    def forward(self, x: nn.Tensor = nn.Input("batch", 3)) -> nn.Tensor:
        return self.other(self.one(self.decoder[0](self.encoder["fc"](x))))


def test_shared_modules_and_parameters_are_loaded_once_and_are_one_constant() -> None:
    module = Tied()
    assert [path for path, _ in module.named_parameters()] == ["encoder.fc.kernel", "encoder.fc.bias", "one.kernel"]
    assert len(module.parameters()) == 3
    assert len(module.modules()) == 4
    assert "decoder.0" in dict(module.named_modules())
    assert sorted(constants_with_paths(module.trace())) == ["encoder.fc.bias", "encoder.fc.kernel", "one.kernel"]
    w = weights_of(module)
    report = module.load_weights(w)
    assert len(report.matched) == 3
    x = np.random.default_rng(3).normal(size=(2, 3)).astype(np.float32)
    y = x
    for _ in range(2):
        y = y @ w["encoder/fc/kernel"] + w["encoder/fc/bias"]
    for _ in range(2):
        y = y @ w["one/kernel"]
    np.testing.assert_allclose(run(module, x), y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scope", ["decoder/0", "encoder/fc"])
def test_a_shared_module_is_found_under_either_of_its_paths(scope: str) -> None:
    module = Tied()
    rng = np.random.default_rng(4)
    kernel, bias = rng.normal(size=(3, 3)).astype(np.float32), rng.normal(size=3).astype(np.float32)
    module.load_weights({f"{scope}/kernel": kernel, f"{scope}/bias": bias, "other/kernel": kernel})
    np.testing.assert_array_equal(module.encoder["fc"].kernel.data, kernel)
    np.testing.assert_array_equal(module.one.kernel.data, kernel)


def test_sequential_runs_modules_and_functions_in_order() -> None:
    module = nn.Sequential(nn.Linear(3, 5), F.relu, nn.Linear(5, 2), nn.Softmax())
    assert [path for path, _ in module.named_modules()] == ["", "0", "2", "3"]
    assert len(module) == 4
    assert isinstance(module[0], nn.Linear)
    assert list(module)[1] is F.relu
    w = weights_of(module)
    module.load_weights(w)
    x = np.random.default_rng(5).normal(size=(4, 3)).astype(np.float32)
    logits = np.maximum(x @ w["0/kernel"] + w["0/bias"], 0) @ w["2/kernel"] + w["2/bias"]
    want = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(run(module, x, inputs=nn.Input("batch", 3)), want, rtol=1e-5)


def test_module_list_indexes_slices_and_appends() -> None:
    modules = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 3)])
    modules.append(nn.Linear(3, 4)).append(nn.ReLU())
    assert len(modules) == 4
    assert isinstance(modules[1:], nn.ModuleList)
    assert list(modules[1:]) == list(modules)[1:]
    assert [path for path, _ in modules.named_parameters()][-1] == "2.bias"


def test_repr_shows_the_tree_and_its_options() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, (3, 5), stride=2, padding="same", groups=1, bias=False),
        nn.BatchNorm(8, eps=1e-5, scale=False),
        nn.MaxPool2d(2),
        nn.Sequential(nn.LeakyReLU(negative_slope=0.3), nn.Linear(8, 4, bias=False)),
    )
    assert repr(model) == (
        "Sequential(\n"
        "  0: Conv2d(3, 8, 3x5, stride=2, padding='same', bias=False)\n"
        "  1: BatchNorm(8, eps=1e-05, scale=False)\n"
        "  2: MaxPool2d(2, stride=2, padding='valid')\n"
        "  3: Sequential(\n"
        "    0: LeakyReLU(negative_slope=0.3)\n"
        "    1: Linear(8, 4, bias=False)\n"
        "  )\n"
        ")"
    )
    assert repr(nn.Parameter((3, 4))) == "Parameter((3, 4), float32, not loaded)"


class Declared(nn.Module):
    """A forward with declared inputs beside other arguments."""

    def forward(
        self,
        image: nn.Tensor = nn.Input("batch", nn.Dim("width", 8, 16, 32), 3),
        lengths: nn.Tensor = nn.Input("batch", dtype="int32"),
        *,
        flip: bool = False,
    ) -> tuple[nn.Tensor, nn.Tensor]:
        return (image[:, ::-1] if flip else image), lengths


def test_inputs_are_the_declared_arguments() -> None:
    inputs = Declared().inputs
    assert list(inputs) == ["image", "lengths"]
    assert [str(one) for one in inputs.values()] == ["f32[batch, width=8..32, 3]", "i32[batch]"]
    width = inputs["image"].shape[1]
    assert isinstance(width, nn.Dim)
    assert (width.name, width.min, width.opt, width.max) == ("width", 8, 16, 32)
    assert list(Declared().trace().dims) == ["batch", "width"]


@pytest.mark.parametrize("kernel", ["kernel", "W", "weights", "w", "weight"])
@pytest.mark.parametrize("bias", ["bias", "b", "biases"])
def test_the_usual_names_of_weights_are_known(kernel: str, bias: str) -> None:
    model = nn.Sequential(nn.Linear(2, 3, name="head/logits"))
    k, b = np.ones((2, 3), np.float32), np.arange(3, dtype=np.float32)
    report = model.load_weights({f"head/logits/{kernel}": k, f"head/logits/{bias}:0": b})
    assert report.complete
    np.testing.assert_array_equal(model[0].kernel.data, k)
    np.testing.assert_array_equal(model[0].bias.data, b)


class Scoped(nn.Module):
    """Scopes of TensorFlow that differ from the attributes, one inside the other."""

    def __init__(self) -> None:
        self.name = "resnet"
        self.stem = nn.Conv2d(1, 2, 1, name="conv1/conv")
        self.norm = nn.BatchNorm(2)

    def forward(self, x: nn.Tensor = nn.Input("batch", 4, 4, 1)) -> nn.Tensor:
        return self.norm(self.stem(x))


@pytest.mark.parametrize(
    ("stem", "norm"),
    [("conv1/conv", "norm"), ("resnet/stem", "resnet/norm"), ("stem", "norm"), ("conv1/conv", "resnet/norm")],
)
def test_a_name_is_a_scope_and_attributes_still_count(stem: str, norm: str) -> None:
    model = Scoped()
    report = model.load_weights(
        {
            f"{stem}/W": np.ones((1, 1, 1, 2), np.float32),
            f"{stem}/b": np.ones(2, np.float32),
            f"{norm}/scale": np.ones(2, np.float32),
            f"{norm}/offset": np.ones(2, np.float32),
            f"{norm}/mean": np.ones(2, np.float32),
            f"{norm}/variance": np.ones(2, np.float32),
        }
    )
    assert report.complete


def test_aliases_of_a_parameter_of_ones_own() -> None:
    class Mine(nn.Module):
        def __init__(self) -> None:
            self.alpha = nn.Parameter((2,), aliases=("slope", "prelu/a"))

        def forward(self, x: nn.Tensor) -> nn.Tensor:
            return F.maximum(x, 0) + self.alpha * F.minimum(x, 0)

    model = nn.Sequential(Mine())
    model.load_weights({"0/prelu/a": np.array([0.5, 2], np.float32)})
    x = np.array([[-2, -3], [4, 5]], np.float32)
    np.testing.assert_array_equal(run(model, x, inputs=nn.Input("batch", 2)), [[-1, -6], [4, 5]])


def test_weights_are_taken_over_without_a_copy_of_the_callers_choice() -> None:
    parameter = nn.Parameter((2, 2))
    values = np.eye(2, dtype=np.float32)
    parameter.assign(values)
    assert np.shares_memory(parameter.data, values)
    parameter.assign(np.eye(2))
    assert parameter.data is not None
    assert parameter.data.dtype == np.float32


def test_a_failed_load_leaves_every_parameter_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    model.load_weights(weights_of(model, 1))
    before = [one.data for one in model.parameters()]
    bad = weights_of(model, 2)
    bad["1/kernel"] = bad["1/kernel"].T
    with pytest.raises(WeightsError, match=r"1\.kernel: expected \(3, 2\), got \(2, 3\); this looks like PyTorch's"):
        model.load_weights(bad)
    del bad["1/kernel"]
    with pytest.raises(WeightsError, match=r"(?s)3 of 4 parameters loaded, 1 missing.*1\.kernel: the file has no 1/ke"):
        model.load_weights(bad)
    assert all(one.data is old for one, old in zip(model.parameters(), before, strict=True))


def test_strict_false_fills_what_it_can() -> None:
    model = nn.Sequential(nn.Linear(2, 3))
    report = model.load_weights({"0/bias": np.ones(3, np.float32), "other": np.ones(1)}, strict=False)
    assert [one.path for one in report.missing] == ["0.kernel"]
    assert [one.name for one in report.unexpected] == ["other"]
    assert model[0].kernel.data is None
    assert model[0].bias.data is not None
