"""Tracing: what forward may do, what the graph then says, and where every operation says it comes from."""

from __future__ import annotations

import linecache
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import trtnn as nn
import trtnn.functional as F
from trtnn.errors import ShapeError, TraceError
from trtnn.graph import verify


class Call(nn.Module):
    """A module that applies one function to its inputs."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def forward(self, x: nn.Tensor = nn.Input("batch", 4, 6)) -> Any:
        return self.function(x)


def run(function: Callable[..., Any], x: np.ndarray) -> Any:
    return Call(function).compile(target="onnxruntime")(x)


ARRAY = np.random.default_rng(0).uniform(0.5, 3, (2, 4, 6)).astype(np.float32)
ROW = np.arange(1, 7, dtype=np.float32)

OPERATORS: list[Callable[[Any], Any]] = [
    lambda x: x + 2,
    lambda x: 2 + x,
    lambda x: x - 2.5,
    lambda x: 2.5 - x,
    lambda x: x * ROW,
    lambda x: ROW * x,
    lambda x: ROW - x,
    lambda x: np.float32(3) - x,
    lambda x: x / 4,
    lambda x: 4 / x,
    lambda x: ROW / x,
    lambda x: x // 0.7,
    lambda x: 2 // x,
    lambda x: x % 0.7,
    lambda x: ROW % x,
    lambda x: x**2,
    lambda x: 2**x,
    lambda x: ROW**x,
    lambda x: -x,
    lambda x: abs(x - 1),
    lambda x: x @ np.eye(6, 3, dtype=np.float32),
    lambda x: np.eye(3, 4, dtype=np.float32) @ x,
    lambda x: x < 1,
    lambda x: x <= 1,
    lambda x: x > 1,
    lambda x: x >= ROW,
    lambda x: ROW < x,  # noqa: SIM300  # the reflected comparison
    lambda x: 1 < x,  # noqa: SIM300
    lambda x: (x > 1) & (x < 2),
    lambda x: (x < 1) | (x > 2),
    lambda x: (x < 1) ^ (x < 2),
    lambda x: ~(x < 1),
    lambda x: x.sum(1),
    lambda x: x.mean((1, 2), keepdims=True),
    lambda x: x.max(-1),
    lambda x: x.min(),
    lambda x: x.transpose(0, 2, 1),
    lambda x: x.transpose(),
    lambda x: x.reshape(-1, 12),
    lambda x: x.reshape((x.shape[0], -1)),
]


@pytest.mark.parametrize("function", OPERATORS, ids=range(len(OPERATORS)))
def test_an_operator_means_what_it_means_in_numpy(function: Callable[[Any], Any]) -> None:
    want = np.asarray(function(ARRAY))
    got = run(function, ARRAY)
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


SLICES: list[Any] = [
    np.s_[0],
    np.s_[:, 1],
    np.s_[:, -1],
    np.s_[..., 2],
    np.s_[:, 1:3],
    np.s_[:, -3:],
    np.s_[:, :-1, ::2],
    np.s_[:, ::-1],
    np.s_[:, 3:0:-2],
    np.s_[..., 5:1:-1],
    np.s_[:, None, 1],
    np.s_[None],
    np.s_[1:],
    np.s_[::-1],
    np.s_[-1],
    np.s_[:, 2:99],
    np.s_[:, np.int64(1), 0],
    np.s_[...],
]


@pytest.mark.parametrize("index", SLICES, ids=str)
def test_a_slice_means_what_it_means_in_numpy(index: Any) -> None:
    np.testing.assert_array_equal(run(lambda x: x[index], ARRAY), ARRAY[index])


def test_a_slice_with_bounds_from_the_shape() -> None:
    class Halves(nn.Module):
        def forward(self, x: nn.Tensor = nn.Input("batch", "width", 3)) -> tuple[nn.Tensor, nn.Tensor]:
            half = x.shape[1] // 2
            return x[:, :half], x[:, half:]

    x = np.random.default_rng(1).normal(size=(2, 7, 3)).astype(np.float32)
    left, right = Halves().compile(target="onnxruntime")(x)
    np.testing.assert_array_equal(left, x[:, :3])
    np.testing.assert_array_equal(right, x[:, 3:])


def test_a_static_axis_can_be_iterated_over_and_unpacked() -> None:
    class Rows(nn.Module):
        def forward(self, x: nn.Tensor = nn.Input(2, 3)) -> nn.Tensor:
            first, second = x
            assert len(x) == 2
            return first - second

    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(Rows().compile(target="onnxruntime")(x), x[0] - x[1])


@pytest.mark.parametrize(
    ("function", "names", "returns"),
    [
        (lambda x: x + 1, ["output"], "tensor"),
        (lambda x: (x + 1, x), ["output_0", "output_1"], "tuple"),
        (lambda x: [x, x], ["output_0", "output_1"], "tuple"),
        (lambda x: {"logits": x + 1, "features": x}, ["logits", "features"], "dict"),
    ],
    ids=["tensor", "tuple", "list", "dict"],
)
def test_what_forward_returns(function: Callable[[Any], Any], names: list[str], returns: str) -> None:
    graph = verify(Call(function).trace())
    assert [name for name, _ in graph.outputs] == names
    assert graph.returns == returns


class Block(nn.Module):
    """Convolution and relu."""

    def __init__(self) -> None:
        self.conv = nn.Conv2d(3, 4, 3, padding="same")

    def forward(self, x: nn.Tensor) -> nn.Tensor:
        return F.relu(self.conv(x))


class Net(nn.Module):
    """Two blocks of a list and a sum."""

    def __init__(self) -> None:
        self.blocks = [Block(), nn.Sequential(nn.Conv2d(4, 4, 1, bias=False))]

    def forward(self, image: nn.Tensor = nn.Input("batch", nn.Dim("width", 4, 8, 64), 8, 3)) -> nn.Tensor:
        x = self.blocks[0](image)
        return x[:, ::2] + self.blocks[1](x)[:, 1::2]  # both are (width + 1) // 2 and width // 2 long: see the test


def test_sizes_that_cannot_be_proved_equal_do_not_broadcast() -> None:
    text = r"Net: add: expected shapes that broadcast, .*\(width \+ 1\) // 2 and width // 2 must be equal"
    with pytest.raises(ShapeError, match=text):
        Net().trace()


class Documented(Net):
    """The same blocks with a sum that fits."""

    def forward(self, image: nn.Tensor = nn.Input("batch", nn.Dim("width", 4, 8, 64), 8, 3)) -> nn.Tensor:
        x = self.blocks[0](image)
        return x[:, ::2] + self.blocks[1](x)[:, ::2]


def test_text_of_a_traced_graph() -> None:
    text = re.sub(r"test_trace\.py:\d+", "test_trace.py:0", str(verify(Documented().trace())))
    assert text.splitlines() == [
        "graph Documented(%image: f32[batch, width, 8, 3])",
        "  where width in 4..64",
        "  %blocks.0.conv.kernel = constant : f32[3, 3, 3, 4]",
        "  %blocks.0.conv.bias = constant : f32[4]",
        "  %blocks.0.conv.conv = conv(%image, %blocks.0.conv.kernel, %blocks.0.conv.bias) strides=(1, 1) padding=same"
        " dilations=(1, 1) : f32[batch, width, 8, 4]  # blocks.0.conv, test_trace.py:0",
        "  %blocks.0.relu = relu(%blocks.0.conv.conv) : f32[batch, width, 8, 4]  # blocks.0, test_trace.py:0",
        "  %slice = slice(%blocks.0.relu) starts=(0, 0, 0, 0) sizes=(batch, (width + 1) // 2, 8, 4) steps=(1, 2, 1, 1)"
        " : f32[batch, (width + 1) // 2, 8, 4]  # test_trace.py:0",
        "  %blocks.1.0.kernel = constant : f32[1, 1, 4, 4]",
        "  %blocks.1.0.conv = conv(%blocks.0.relu, %blocks.1.0.kernel) strides=(1, 1) padding=((0, 0), (0, 0))"
        " dilations=(1, 1) : f32[batch, width, 8, 4]  # blocks.1.0, test_trace.py:0",
        "  %slice_1 = slice(%blocks.1.0.conv) starts=(0, 0, 0, 0) sizes=(batch, (width + 1) // 2, 8, 4)"
        " steps=(1, 2, 1, 1) : f32[batch, (width + 1) // 2, 8, 4]  # test_trace.py:0",
        "  %add = add(%slice, %slice_1) : f32[batch, (width + 1) // 2, 8, 4]  # test_trace.py:0",
        "  return output=%add",
    ]


def test_every_operation_knows_its_module_and_the_users_line() -> None:
    graph = Documented().trace()
    origins = {node.output.name: node.origin for node in graph.nodes}
    assert origins["blocks.0.conv.conv"].path == "blocks.0.conv"
    lines = {name: origin.line for name, origin in origins.items() if origin.line}
    assert lines["blocks.0.conv.conv"].code == "return F.relu(self.conv(x))"
    assert lines["blocks.0.relu"].function == "forward"
    assert all(line.file == __file__ for line in lines.values())
    assert lines["add"].code == linecache.getline(__file__, lines["add"].line).strip()


class Adder(nn.Module):
    """Two tensors, the second of them optional for a caller inside a network."""

    def forward(
        self, x: nn.Tensor = nn.Input("batch", 3), y: nn.Tensor = nn.Input(3), *, scale: float = 1.0
    ) -> nn.Tensor:
        return x + y * scale


def test_inputs_are_overridden_by_order_by_name_or_alone() -> None:
    by_order = Adder().trace([nn.Input(5, 3), nn.Input(5, 1)])
    assert [str(value.type) for value in by_order.inputs] == ["f32[5, 3]", "f32[5, 1]"]
    by_name = Adder().trace({"y": nn.Input("batch", 3)})
    assert [str(value.type) for value in by_name.inputs] == ["f32[batch, 3]", "f32[batch, 3]"]
    alone = Adder().trace(nn.Input("rows", 3, dtype="float32"))
    assert [str(value.type) for value in alone.inputs] == ["f32[rows, 3]", "f32[3]"]


def test_compile_takes_inputs_too() -> None:
    engine = Adder().compile({"x": nn.Input(2, 3)}, target="onnxruntime")
    assert str(engine.inputs["x"]) == "f32[2, 3]"


def test_arguments_with_other_defaults_stay_arguments() -> None:
    assert list(Adder().inputs) == ["x", "y"]

    class Uses(nn.Module):
        def __init__(self) -> None:
            self.adder = Adder()

        def forward(self, x: nn.Tensor = nn.Input("batch", 3)) -> nn.Tensor:
            return self.adder(x, x, scale=3.0)

    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(Uses().compile(target="onnxruntime")(x), 4 * x)


def test_tensors_in_lists_and_dicts_reach_a_module() -> None:
    class Sum(nn.Module):
        def forward(self, parts: list[nn.Tensor], named: dict[str, nn.Tensor]) -> nn.Tensor:
            return parts[0] + named["other"]

    class Uses(nn.Module):
        def __init__(self) -> None:
            self.sum = Sum()

        def forward(self, x: nn.Tensor = nn.Input("batch", 3)) -> nn.Tensor:
            return self.sum([x], named={"other": x})

    graph = Uses().trace()
    assert graph.nodes[0].origin.path == "sum"


def test_an_input_left_at_its_default_inside_a_network_is_an_error() -> None:
    class Uses(nn.Module):
        def __init__(self) -> None:
            self.adder = Adder()

        def forward(self, x: nn.Tensor = nn.Input("batch", 3)) -> nn.Tensor:
            return self.adder(x)

    text = r"adder: y, declared as f32\[3\], was not given; pass a tensor for it where the module is called"
    with pytest.raises(TraceError, match=text) as caught:
        Uses().trace()
    assert str(caught.value).endswith("in forward\n    return self.adder(x)")


def test_constants_take_the_data_type_of_the_tensor_beside_them() -> None:
    class Types(nn.Module):
        def forward(self, x: nn.Tensor = nn.Input(3, dtype="float16")) -> tuple[nn.Tensor, ...]:
            return x + 1, x * np.arange(3.0), x.cast("int32") + 2, x.cast("int64") * 3

    assert [value.type.dtype.short for _, value in Types().trace().outputs] == ["f16", "f16", "i32", "i64"]


def test_threads_trace_at_the_same_time() -> None:
    module = Documented()
    want = str(module.trace())
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda _: str(module.trace()), range(32)))
    assert set(texts) == {want}


def test_tracing_leaves_no_trace_behind() -> None:
    module = Documented()
    before = {path: dict(vars(one)) for path, one in module.named_modules()}
    assert str(module.trace()) == str(module.trace())
    assert {path: dict(vars(one)) for path, one in module.named_modules()} == before


def test_a_tensor_of_another_trace_is_refused() -> None:
    kept: list[nn.Tensor] = []
    Call(lambda x: kept.append(x) or x).trace()
    with pytest.raises(TraceError, match=r"Call: a tensor of another trace, .* is used here") as caught:
        Call(lambda x: x + kept[0]).trace()
    assert "x + kept[0]" in str(caught.value)


def test_a_tensor_prints_its_type() -> None:
    seen: list[str] = []
    Call(lambda x: seen.append(repr(x[:, 1:])) or x).trace()
    assert seen == ["Tensor(f32[batch, 3, 6])"]


def test_the_users_own_exceptions_pass_through_unchanged() -> None:
    def fail(x: nn.Tensor) -> nn.Tensor:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        Call(fail).trace()
