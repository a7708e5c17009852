"""Options that make no sense: of layers, inputs and dims, of trace and compile, and targets that lack something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest

import trtnn as nn
import trtnn.functional as F
from trtnn.errors import (
    ArgumentError,
    DimError,
    DTypeError,
    ShapeError,
    TraceError,
    TrtnnError,
    UnsupportedError,
    WeightsError,
)
from trtnn.graph import TensorType
from trtnn.graph.ops import Op

from .failing import failure

POSITIVE = "expected a positive int, got "
DIMS = "Input: expected dims that are positive ints, names or Dim(...), got "
RANGE = "expected 1 <= min <= opt <= max, got "

Case = tuple[type[TrtnnError], str, Callable[[], Any]]

MADE: list[Case] = [
    (
        ArgumentError,
        "Conv2d: expected channels divisible by groups=3, got in_channels=4, out_channels=8",
        lambda: nn.Conv2d(4, 8, 3, groups=3),
    ),
    (ArgumentError, f"groups: {POSITIVE}0", lambda: nn.Conv2d(4, 8, 3, groups=0)),
    (ArgumentError, f"in_channels: {POSITIVE}0", lambda: nn.Conv2d(0, 8, 3)),
    (ArgumentError, f"in_channels: {POSITIVE}'4'", lambda: nn.Conv2d("4", 8, 3)),
    (ArgumentError, f"out_channels: {POSITIVE}-8", lambda: nn.Conv2d(4, -8, 3)),
    (ArgumentError, "kernel_size: expected a positive int, or 2 of them, got 0", lambda: nn.Conv2d(4, 8, 0)),
    (ArgumentError, "kernel_size: expected a positive int, or 3 of them, got (3, 3)", lambda: nn.Conv3d(4, 8, (3, 3))),
    (ArgumentError, "stride: expected a positive int, or 1 of them, got 0", lambda: nn.Conv1d(4, 8, 3, stride=0)),
    (
        ArgumentError,
        "dilation: expected a positive int, or 2 of them, got 1.5",
        lambda: nn.Conv2d(4, 8, 3, dilation=1.5),
    ),
    (ArgumentError, 'padding: expected "same", "valid", an int', lambda: nn.Conv2d(4, 8, 3, padding="full")),
    (ArgumentError, 'data_format: expected "channels_last"', lambda: nn.Conv2d(4, 8, 3, data_format="NCHW")),
    (ArgumentError, f"in_features: {POSITIVE}4.5", lambda: nn.Linear(4.5, 2)),
    (ArgumentError, f"out_features: {POSITIVE}0", lambda: nn.Linear(4, 0)),
    (ArgumentError, f"features: {POSITIVE}None", lambda: nn.BatchNorm(None)),
    (ArgumentError, "eps: expected a number >= 0, got -0.1", lambda: nn.BatchNorm(4, eps=-0.1)),
    (ArgumentError, "Parameter: expected a shape of positive ints, got (3, -1)", lambda: nn.Parameter((3, -1))),
    (ArgumentError, "Parameter: expected a shape of positive ints, got 3", lambda: nn.Parameter(3)),
    (DTypeError, "dtype: expected one of float32,", lambda: nn.Parameter((3,), dtype="float99")),
    (DTypeError, "got 'float64'", lambda: nn.Input(3, dtype="float64")),
    (ArgumentError, f"{DIMS}0", lambda: nn.Input(0)),
    (ArgumentError, f"{DIMS}-1", lambda: nn.Input("batch", -1)),
    (ArgumentError, f"{DIMS}None", lambda: nn.Input(None, 3)),
    (ArgumentError, f"{DIMS}(1, 2)", lambda: nn.Input((1, 2))),
    (ArgumentError, "Dim('a b'): expected a name such as 'batch' or 'width', got 'a b'", lambda: nn.Input("a b")),
    (ArgumentError, "Dim(3): expected a name such as 'batch'", lambda: nn.Dim(3, 1, 2, 4)),
    (ArgumentError, f"Dim('w'): {RANGE}min=5, opt=3, max=4; give at least max; min is 1", lambda: nn.Dim("w", 5, 3, 4)),
    (ArgumentError, f"Dim('w'): {RANGE}min=9, opt=None, max=4", lambda: nn.Dim("w", min=9, max=4)),
    (ArgumentError, f"Dim('w'): {RANGE}min=0, opt=3, max=4", lambda: nn.Dim("w", 0, 3, 4)),
    (ArgumentError, f"Dim('w'): {RANGE}min=5, opt=None, max=None", lambda: nn.Dim("w", 5)),
    (ArgumentError, f"Dim('w'): {RANGE}min=1.5, opt=2, max=4", lambda: nn.Dim("w", 1.5, 2, 4)),
]


@pytest.mark.parametrize(("kind", "text", "make"), MADE, ids=range(len(MADE)))
def test_what_cannot_be_made(kind: type[TrtnnError], text: str, make: Callable[[], Any]) -> None:
    failure(kind, text, make)


class Net(nn.Module):
    """A layer beside an input of its own dims."""

    def __init__(self, loaded: bool = True) -> None:
        self.fc = nn.Linear(4, 2)
        if loaded:
            self.load_weights({"fc/kernel": np.ones((4, 2), np.float32), "fc/bias": np.ones(2, np.float32)})

    def forward(
        self, x: nn.Tensor = nn.Input("batch", 4), y: nn.Tensor = nn.Input("batch", "time", 4)
    ) -> tuple[nn.Tensor, nn.Tensor]:
        return self.fc(x), y


def compiling(**options: Any) -> Callable[[], Any]:
    return lambda: Net().compile(**{"target": "onnxruntime", **options})


UNKNOWN = "compile: expected an option of the target onnxruntime: "
RANGES = "expected (min, opt, max), (min, max) or one size, got "
INPUTS = "Net.forward: expected Inputs for its arguments x, y, got "

COMPILED: list[Case] = [
    (
        ArgumentError,
        "target: expected auto, onnxruntime, tensorrt, tensorrt-rtx, got 'tensorrt_rtx'; did you mean tensorrt-rtx or",
        compiling(target="tensorrt_rtx"),
    ),
    (ArgumentError, "target: expected auto, onnxruntime,", compiling(target=["onnxruntime"])),
    (ArgumentError, UNKNOWN, compiling(thread=2)),
    (ArgumentError, "got 'thread'; did you mean threads", compiling(thread=2)),
    (ArgumentError, "got 'dim'; did you mean dims", compiling(dim={"batch": 1})),
    (ArgumentError, "got 'checknan'; did you mean check_nan", compiling(checknan=False)),
    (ArgumentError, "check_nan, threads", compiling(precision="fp16")),
    (ArgumentError, "threads: expected an int >= 0, got -1", compiling(threads=-1)),
    (ArgumentError, "threads: expected an int >= 0, got 'all'", compiling(threads="all")),
    (ArgumentError, "dims: expected a dict of names and ranges, or a list of such dicts, got 3", compiling(dims=3)),
    (ArgumentError, "dims: expected a dict of names and ranges, or a list of such dicts, got []", compiling(dims=[])),
    (ArgumentError, "dims: expected a dict of names and ranges, or", compiling(dims=[{"batch": 1}, 2])),
    (DimError, "bach: expected one of the named dims: batch, time, got 'bach'", compiling(dims={"bach": (1, 2, 3)})),
    (DimError, "bach in profile 1: expected one", compiling(dims=[{"batch": 2}, {"bach": 2}])),
    (DimError, f"batch: {RANGES}'many'", compiling(dims={"batch": "many"})),
    (DimError, f"batch: {RANGES}(1, 2, 3, 4)", compiling(dims={"batch": (1, 2, 3, 4)})),
    (DimError, f"batch: {RANGES}(1.0, 2.0, 3.0)", compiling(dims={"batch": (1.0, 2.0, 3.0)})),
    (DimError, f"time: {RANGES}None", compiling(dims={"time": None})),
    (DimError, f"time: {RANGES}True", compiling(dims={"time": True})),
    (ArgumentError, f"Dim('batch'): {RANGE}min=3, opt=2, max=1", compiling(dims={"batch": (3, 2, 1)})),
    (ArgumentError, f"Dim('batch'): {RANGE}min=0, opt=0, max=0", compiling(dims={"batch": 0})),
    (TraceError, f"{INPUTS}(1, 4) for 'x'", compiling(inputs={"x": (1, 4)})),
    (TraceError, f"{INPUTS}f32[4] for 'z'", compiling(inputs={"z": nn.Input(4)})),
    (TraceError, f"{INPUTS}f32[4] for 'argument 2'", compiling(inputs=[nn.Input("batch", 4)] * 2 + [nn.Input(4)])),
    (TraceError, f"{INPUTS}3 for 'x'", compiling(inputs=3)),
    (
        DimError,
        "y: batch: has the range (1, 2, 4) here and (1, 2, 3) in another input; a dim of one name has one size",
        compiling(inputs=[nn.Input(nn.Dim("batch", 1, 2, 3), 4), nn.Input(nn.Dim("batch", 1, 2, 4), 3, 4)]),
    ),
    (DTypeError, "fc: mat_mul: expected operands of one data type", compiling(inputs=nn.Input("b", 4, dtype="int32"))),
    (ShapeError, "fc: mat_mul: expected 4 features on the last axis", compiling(inputs=nn.Input("b", 5))),
    (
        TraceError,
        'Linear.forward: no shape is declared for x; give each a default such as trtnn.Input("batch", 224, 224, 3), or',
        lambda: nn.Linear(3, 3).trace(),
    ),
    (
        TraceError,
        "Add.forward: its argument *tensors: 'Tensor' has no name that could be an input's; compile a module whose",
        lambda: nn.Add().trace([nn.Input(3), nn.Input(3)]),
    ),
    (TraceError, "Module: has no forward; define forward(self, x) in the class", lambda: nn.Module().trace()),
    (
        TraceError,
        "Linear: was called without a traced tensor; compile the model and call the engine: engine = model.compile()",
        lambda: nn.Linear(3, 3)(np.ones((1, 3), np.float32)),
    ),
    (
        WeightsError,
        "Net: 2 of 2 parameters have no values: fc.kernel, fc.bias; call load_weights(...) first",
        lambda: Net(loaded=False).compile(target="onnxruntime"),
    ),
]


@pytest.mark.parametrize(("kind", "text", "call"), COMPILED, ids=range(len(COMPILED)))
def test_what_cannot_be_compiled(kind: type[TrtnnError], text: str, call: Callable[[], Any]) -> None:
    failure(kind, text, call)


def test_a_model_works_after_failed_compiles() -> None:
    model = Net(loaded=False)
    failure(WeightsError, "have no values", lambda: model.compile(target="onnxruntime"))
    with pytest.raises(WeightsError, match=r"1 of 2 parameters loaded, 1 missing\n  fc\.bias: the file has no fc/bias"):
        model.load_weights({"fc/kernel": np.ones((4, 2), np.float32)})
    failure(WeightsError, "have no values: fc.kernel, fc.bias", lambda: model.compile(target="onnxruntime"))
    model.load_weights({"fc/kernel": np.ones((4, 2), np.float32), "fc/bias": np.zeros(2, np.float32)})
    failure(ArgumentError, UNKNOWN, lambda: model.compile(target="onnxruntime", nonsense=1))
    x, y = np.ones((1, 4), np.float32), np.ones((1, 1, 4), np.float32)
    np.testing.assert_array_equal(model.compile(target="onnxruntime")(x, y)[0], [[4, 4]])


def test_many_missing_weights_are_counted_and_some_named() -> None:
    model = nn.Sequential(*[nn.Linear(2, 2) for _ in range(20)])
    text = "Sequential: 40 of 40 parameters have no values: 0.kernel, 0.bias, 1.kernel"
    error = failure(WeightsError, text, lambda: model.compile(nn.Input(2, 2), target="onnxruntime"))
    assert "and 32 more" in str(error)


@pytest.mark.parametrize("target", ["tensorrt", "tensorrt-rtx"])
def test_tensorrt_needs_a_range_for_every_dim_but_the_batch(target: str) -> None:
    failure(
        DimError,
        'time: has no range, and TensorRT builds for one; compile with dims={"time": (min, opt, max)} or declare '
        'trtnn.Dim("time", min, opt, max)',
        lambda: Net().compile(target=target),
    )
    failure(
        DimError,
        "time in profile 1: has no range, and TensorRT builds for one",
        lambda: Net().compile(target=target, dims=[{"time": 3}, {"batch": 2}]),
    )


@attrs.frozen(eq=False)
class Mystery(Op):
    """An operation that no target has."""

    def infer(self, x: TensorType) -> TensorType:  # type: ignore[override]
        return x


class Mysterious(nn.Module):
    """A network with it, two modules deep."""

    def __init__(self) -> None:
        self.stem = nn.Sequential(nn.ReLU(), lambda x: x.tracer.apply(Mystery(), x))

    def forward(self, x: nn.Tensor = nn.Input("batch", 3)) -> nn.Tensor:
        return self.stem(x)


@pytest.mark.parametrize("target", ["onnxruntime", "tensorrt-rtx"])
def test_an_operation_that_the_target_lacks(target: str) -> None:
    if target == "tensorrt-rtx":
        pytest.importorskip("tensorrt_rtx")
    error = failure(UnsupportedError, "mystery", lambda: Mysterious().compile(target=target))
    assert str(error.path).startswith("stem")
    assert "lambda x: x.tracer.apply(Mystery(), x)" in str(error)
    assert error.remedy


def test_a_data_type_that_the_target_lacks() -> None:
    class Casts(nn.Module):
        def forward(self, x: nn.Tensor = nn.Input("batch", 3)) -> nn.Tensor:
            return x.cast("int4").cast("float32")

    error = failure(
        UnsupportedError,
        "cast: the target onnxruntime has no int4; compile for TensorRT, or cast to another data type",
        lambda: Casts().compile(target="onnxruntime"),
    )
    assert 'x.cast("int4")' in str(error)
    failure(
        UnsupportedError,
        'x: the target onnxruntime takes and gives no bfloat16; declare it as float32 and use .cast("bfloat16") inside',
        lambda: nn.ReLU().compile(nn.Input("batch", 3, dtype="bfloat16"), target="onnxruntime"),
    )


KERNELS = [
    (
        nn.Conv2d(3, 8, (5, 7)),
        (8, 3, 5, 7),
        "kernel: expected (5, 7, 3, 8), got (8, 3, 5, 7); this looks like PyTorch's OIHW",
    ),
    (nn.Linear(4, 6), (6, 4), "kernel: expected (4, 6), got (6, 4); this looks like PyTorch's (out, in): transpose it"),
    (nn.Linear(4, 6), (4, 5), "kernel: expected (4, 6), got (4, 5)"),
]


@pytest.mark.parametrize(("layer", "shape", "text"), KERNELS, ids=range(len(KERNELS)))
def test_a_kernel_of_the_wrong_shape(layer: nn.Module, shape: tuple[int, ...], text: str) -> None:
    bias = np.ones(dict(layer.named_parameters())["bias"].shape, np.float32)
    failure(WeightsError, text, lambda: layer.load_weights({"kernel": np.ones(shape, np.float32), "bias": bias}))
    assert all(one.data is None for one in layer.parameters())


def test_a_parameter_keeps_its_values_when_an_assignment_fails() -> None:
    layer = nn.Conv2d(3, 8, (5, 7))
    layer.kernel.assign(np.ones((5, 7, 3, 8)))
    before = layer.kernel.data
    text = "parameter: expected (5, 7, 3, 8), got (8, 3, 5, 7); the layout is HWIO"
    failure(ShapeError, text, lambda: layer.kernel.assign(np.ones((8, 3, 5, 7))))
    failure(
        DTypeError, "parameter: expected float32, got int64", lambda: layer.kernel.assign(np.ones((5, 7, 3, 8), int))
    )
    assert layer.kernel.data is before


def test_functions_outside_a_trace_say_what_they_are_for() -> None:
    with pytest.raises(
        TraceError, match="functions of trtnn record a graph inside forward; compile the model and call"
    ):
        F.relu(np.ones(3, np.float32))
