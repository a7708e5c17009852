"""Networks that cannot be: each error has the module's path, what was expected, what came, and the user's own line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import trtnn as nn
import trtnn.functional as F
from trtnn.errors import ArgumentError, DTypeError, ShapeError, TraceError, TrtnnError

from .failing import Inner, failure, failure_inside

KERNEL = np.ones((3, 3, 4, 6), np.float32)
FOUR = [np.ones(4, np.float32)] * 4
PADDING = 'expected "same", "valid", an int, 2 ints, or 2 (before, after) pairs of ints >= 0, got '
STRIDE = "expected a positive int, or 2 of them, got "
FORMAT = 'data_format: expected "channels_last" or "channels_first", got '
AXIS = "expected an axis from -4 to 3, got "
SIZES = "expected sizes: ints of at least {}, or made of a tensor's shape, such as x.shape[1] // 2, got "
OPERAND = "expected a tensor, a parameter, an array or a number, got "

Case = tuple[type[TrtnnError], str, Callable[[nn.Tensor], Any]]

OPTIONS: list[Case] = [
    (ArgumentError, f"stride: {STRIDE}0", lambda x: F.conv(x, KERNEL, stride=0)),
    (ArgumentError, f"stride: {STRIDE}None", lambda x: F.conv(x, KERNEL, stride=None)),
    (ArgumentError, f"stride: {STRIDE}1.5", lambda x: F.conv(x, KERNEL, stride=1.5)),
    (ArgumentError, f"stride: {STRIDE}(1, 2, 3)", lambda x: F.conv(x, KERNEL, stride=(1, 2, 3))),
    (ArgumentError, f"dilation: {STRIDE}(0, 1)", lambda x: F.conv(x, KERNEL, dilation=(0, 1))),
    (ArgumentError, f"padding: {PADDING}'full'", lambda x: F.conv(x, KERNEL, padding="full")),
    (ArgumentError, f"padding: {PADDING}-1", lambda x: F.conv(x, KERNEL, padding=-1)),
    (ArgumentError, f"padding: {PADDING}None", lambda x: F.conv(x, KERNEL, padding=None)),
    (ArgumentError, f"padding: {PADDING}((1, 2, 3), 0)", lambda x: F.conv(x, KERNEL, padding=((1, 2, 3), 0))),
    (ArgumentError, f"padding: {PADDING}(1.5, 1)", lambda x: F.conv(x, KERNEL, padding=(1.5, 1))),
    (ArgumentError, "groups: expected a positive int, got 0", lambda x: F.conv(x, KERNEL, groups=0)),
    (ArgumentError, f"{FORMAT}'NHWC'", lambda x: F.conv(x, KERNEL, data_format="NHWC")),
    (ArgumentError, f"{FORMAT}'channel_last'", lambda x: F.max_pool(x, 2, data_format="channel_last")),
    (ArgumentError, f"{FORMAT}'NCHW'", lambda x: F.global_average_pool(x, data_format="NCHW")),
    (ArgumentError, f"window: {STRIDE}0", lambda x: F.max_pool(x, 0)),
    (ArgumentError, f"stride: {STRIDE}-2", lambda x: F.average_pool(x, 2, -2)),
    (ArgumentError, f"padding: {PADDING}'full'", lambda x: F.average_pool(x, 2, padding="full")),
    (ArgumentError, "eps: expected a number >= 0, got -1", lambda x: F.batch_norm(x, *FOUR, eps=-1)),
    (ArgumentError, "eps: expected a number >= 0, got '1e-3'", lambda x: F.batch_norm(x, *FOUR, eps="1e-3")),
    (ArgumentError, "clip: expected low <= high, got 2 and 1", lambda x: F.clip(x, 2, 1)),
    (ArgumentError, "clip: expected a number, got None", lambda x: F.clip(x, None, 1)),
    (ArgumentError, "clip: expected a number, got nan", lambda x: F.clip(x, float("nan"), 1)),
    (ArgumentError, "leaky_relu: expected a number, got 'a'", lambda x: F.leaky_relu(x, "a")),
    (ArgumentError, "rate: expected 0 <= rate < 1, got 50", lambda x: F.dropout(x, 50)),
    (
        ArgumentError,
        'pad: expected a mode of "constant", "reflect" or "edge", got \'wrap\'',
        lambda x: F.pad(x, [(0, 0), (1, 1), (0, 0), (0, 0)], "wrap"),
    ),
]

SHAPES: list[Case] = [
    (
        ShapeError,
        "conv: expected 5 input channels, got 4, shape (batch, 8, 8, 4); axis 3 holds the channels (channels last, as",
        lambda x: F.conv(x, np.ones((3, 3, 5, 6), np.float32)),
    ),
    (
        ShapeError,
        'conv: expected 4 input channels, got 8, shape (batch, 8, 8, 4); axis 1 holds the channels (data_format="chan',
        lambda x: F.conv(x, KERNEL, data_format="channels_first"),
    ),
    (ShapeError, "conv: expected 12 input channels (3 groups of 4), got 4", lambda x: F.conv(x, KERNEL, groups=3)),
    (
        ShapeError,
        "conv: expected output channels divisible by groups=4, got 6",
        lambda x: F.conv(x, KERNEL[:, :, :1], groups=4),
    ),
    (ShapeError, "conv: expected a bias of shape (6,), got (3,)", lambda x: F.conv(x, KERNEL, np.ones(3, np.float32))),
    (ShapeError, "conv: expected an input of rank 3, got rank 4", lambda x: F.conv(x, KERNEL[0])),
    (
        ShapeError,
        "expected a kernel (*window, in / groups, out) of rank 3, 4 or 5, got rank 1, shape (6,)",
        lambda x: F.conv(x, KERNEL[0, 0, 0]),
    ),
    (
        ShapeError,
        'conv: expected at least 9 elements for the window to fit, got 8; use padding="same", or a smaller kernel or d',
        lambda x: F.conv(x, KERNEL, dilation=4),
    ),
    (
        ShapeError,
        "conv: expected at least 13 elements for the window to fit, got 8 padded to 10",
        lambda x: F.conv(x, KERNEL, dilation=6, padding=1),
    ),
    (ShapeError, "pool: expected at least 9 elements for the window to fit, got 8", lambda x: F.max_pool(x, 9)),
    (ShapeError, "pool: expected padding smaller than the window, got", lambda x: F.max_pool(x, 2, padding=2)),
    (
        ShapeError,
        "expected an input (N, *spatial, C) of rank 3, 4 or 5, got rank 2, shape (batch, 256)",
        lambda x: F.max_pool(x.flatten(), 2),
    ),
    (ShapeError, "expected an input (N, *spatial, C) of rank 3, 4 or 5", lambda x: F.global_max_pool(x.flatten())),
    (
        ShapeError,
        "mat_mul: expected 5 features on the last axis, for a matrix of shape (5, 3), got 4, shape (batch, 8, 8, 4)",
        lambda x: F.linear(x, np.ones((5, 3), np.float32)),
    ),
    (ShapeError, "mat_mul: expected matrices of one rank, or a second", lambda x: F.linear(x, np.ones(4, np.float32))),
    (
        ShapeError,
        "batch_norm: expected one statistic per channel, shape (4,)",
        lambda x: F.batch_norm(x, *[np.ones(3, np.float32)] * 4),
    ),
    (
        ShapeError,
        "add: expected shapes that broadcast, got (batch, 8, 8, 4) and (1, 1, 1, 3); 4 and 3 must be equal, or one of",
        lambda x: x + np.ones(3, np.float32),
    ),
    (
        ShapeError,
        "reshape: expected sizes that divide the 256*batch elements of (batch, 8, 8, 4), got (3, -1)",
        lambda x: x.reshape(3, -1),
    ),
    (
        ShapeError,
        "reshape: expected a shape of 256*batch elements for an input of shape (batch, 8, 8, 4), got (1, 256) with 256",
        lambda x: x.reshape(1, 256),
    ),
    (ShapeError, "reshape: expected one -1 at the most, got (-1, -1)", lambda x: x.reshape(-1, -1)),
    (ShapeError, "reshape: expected sizes of at least 1, or one -1, got (0, -1)", lambda x: x.reshape(0, -1)),
    (ShapeError, f"reshape: {SIZES.format(-1)}(batch, 256.0)", lambda x: x.reshape(x.shape[0], 256.0)),
    (ShapeError, f"reshape: {SIZES.format(-1)}('batch', 256)", lambda x: x.reshape("batch", 256)),
    (ShapeError, f"reshape: {SIZES.format(-1)}5", lambda x: F.reshape(x, 5)),
    (
        ShapeError,
        "broadcast: expected a shape that stretches to (1, 8, 8, 4)",
        lambda x: F.broadcast_to(x, (1, 8, 8, 4)),
    ),
    (ShapeError, "broadcast_to: expected a rank of at least 4, got (4,)", lambda x: F.broadcast_to(x, (4,))),
    (ShapeError, "transpose: expected a permutation of (0, 1, 2, 3), got (0, 1, 2)", lambda x: x.transpose(0, 1, 2)),
    (ShapeError, "transpose: expected a permutation of (0, 1, 2, 3)", lambda x: x.transpose(0, 1, 1, 2)),
    (ShapeError, "squeeze: expected size 1 on axis 1, got (batch, 8, 8, 4)", lambda x: x.squeeze(1)),
    (ShapeError, "concat: expected shapes equal but for axis 3, got", lambda x: F.concat([x, x[:, :3]])),
    (ShapeError, "concat: expected shapes equal but for axis 3, got", lambda x: F.concat([x, x.flatten()])),
    (ShapeError, "split: expected parts that add up to 4 on axis 3, got 3", lambda x: F.split(x, 3)),
    (ShapeError, "split: expected parts that add up to 4 on axis 3, got 0", lambda x: F.split(x, 0)),
    (ShapeError, "split: expected parts that add up to 4 on axis 3, got [5, -1]", lambda x: F.split(x, [5, -1])),
    (ShapeError, "split: expected parts that add up to 4 on axis 3, got [2.0, 2.0]", lambda x: F.split(x, [2.0, 2.0])),
    (ShapeError, "split: expected a fixed size on axis 0, got batch; slice with computed", lambda x: F.split(x, 2, 0)),
    (ShapeError, f"pad: {SIZES.format(0)}(-1, 0)", lambda x: F.pad(x, [(0, 0), (-1, 0), (0, 0), (0, 0)])),
    (ShapeError, f"pad: {SIZES.format(0)}(1.5, 0)", lambda x: F.pad(x, [(0, 0), (1.5, 0), (0, 0), (0, 0)])),
    (ShapeError, "pad: expected 4 (before, after) pairs, one per axis, got [(0, 0)]", lambda x: F.pad(x, [(0, 0)])),
    (ShapeError, "pad: expected 4 (before, after) pairs, one per axis, got 1", lambda x: F.pad(x, 1)),
    (
        ShapeError,
        "pad: expected reflection by less than 8 on axis 1, got (8, 0)",
        lambda x: F.pad(x, [(0, 0), (8, 0), (0, 0), (0, 0)], "reflect"),
    ),
    (ShapeError, "take: expected indices from 0 to 7 on axis 1, got 0 to 9", lambda x: F.take(x, np.array([0, 9]), 1)),
    (ShapeError, "take: expected indices from 0 to 3 on axis 3, got -1 to -1", lambda x: F.take(x, np.array(-1), 3)),
    (ShapeError, "index: expected an index within 8 on axis 1, got 8", lambda x: x[:, 8]),
    (ShapeError, "index: expected an index within 8 on axis 1, got -9", lambda x: x[:, -9]),
    (ShapeError, "index: expected at most 4 indices, got (0, 0, 0, 0, 0)", lambda x: x[0, 0, 0, 0, 0]),
    (ShapeError, "index: expected at least one element on axis 1, got slice(5, 5, None) of 8", lambda x: x[:, 5:5]),
    (ShapeError, "index: expected at least one element on axis 1, got slice(9, None, None) of 8", lambda x: x[:, 9:]),
    (ShapeError, "index: expected ints or sizes as bounds, and an int other than 0 as step", lambda x: x[:, ::0]),
    (ShapeError, "index: expected ints or sizes as bounds, and an int other than 0 as step", lambda x: x[1.0:]),
    (ShapeError, "index: expected ints, slices, ... or None, got list; use functional.take for", lambda x: x[[0]]),
    (ShapeError, "index: expected ints, slices, ... or None, got Tensor; use functional.take", lambda x: x[:, x]),
    (ShapeError, "index: expected ints, slices, ... or None, got bool", lambda x: x[True]),
]

DTYPES: list[Case] = [
    (
        DTypeError,
        "conv: expected an input of a floating-point type, got int32; use",
        lambda x: F.conv(x.cast("int32"), KERNEL),
    ),
    (
        DTypeError,
        "add: expected operands of one data type, got float32 and int32; convert one with .cast(...); nothing is conv",
        lambda x: x + np.ones(4, np.int32),
    ),
    (DTypeError, "add: expected operands of one data type, got int32 and float32", lambda x: x.cast("int32") + 1.5),
    (DTypeError, "divide: expected operands of a floating-point type, got int64", lambda x: x.cast("int64") / 2),
    (
        DTypeError,
        "sqrt: expected an operand of a floating-point type, got int32; use",
        lambda x: F.sqrt(x.cast("int32")),
    ),
    (DTypeError, "reduce_mean: expected an operand of a floating-point type", lambda x: x.cast("int32").mean()),
    (DTypeError, 'logical_and: expected operands of bool, got float32; use .cast("bool")', lambda x: x & x),
    (DTypeError, "select: expected a condition of bool, got float32", lambda x: F.where(x, x, x)),
    (DTypeError, "select: expected operands of one data type", lambda x: F.where(x > 0, x, x.cast("int32"))),
    (DTypeError, "gather: expected indices of int64 or int32, got float32", lambda x: F.take(x, x)),
    (DTypeError, "concat: expected operands of one data type", lambda x: F.concat([x, x.cast("int32")])),
    (DTypeError, "expected a number that int32 can hold, got 3000000000", lambda x: x.cast("int32") + 3_000_000_000),
    (DTypeError, "dtype: expected one of float32, float16, ", lambda x: x.cast("float33")),
    (DTypeError, f"{OPERAND}str of <U1", lambda x: x + "a"),
    (DTypeError, f"{OPERAND}NoneType", lambda x: x + None),
    (DTypeError, f"{OPERAND}complex of complex128", lambda x: 1j * x),
    (DTypeError, f"{OPERAND}DimExpr; use functional.dim_values for a size as data", lambda x: x * x.shape[0]),
]

VALUES: list[Case] = [
    (
        TraceError,
        "a branch on a tensor's value cannot be traced; use functional.where(condition, a, b), which computes both",
        lambda x: x if x > 0 else -x,
    ),
    (TraceError, "a branch on a tensor's value cannot be traced", lambda x: x and -x),
    (
        TraceError,
        "== compares no elements: a graph has no values to branch on; use functional.equal, or `is`",
        lambda x: x if x == 0 else -x,
    ),
    (TraceError, "== compares no elements", lambda x: x if x != x[:] + 1 else -x),
    (TraceError, "a traced tensor has no value; keep computing with the tensor itself", lambda x: x * float(x)),
    (TraceError, "a traced tensor has no value", lambda x: x * int(x[0, 0, 0, 0])),
    (TraceError, "a traced tensor has no value", lambda x: [x, x][x]),
    (
        TraceError,
        "a traced tensor has no values for NumPy; use trtnn.functional, or compile the model and call the engine",
        lambda x: np.asarray(x),
    ),
    (TraceError, "a traced tensor has no values for NumPy", lambda x: np.exp(x)),
    (TraceError, "a traced tensor has no values for NumPy", lambda x: np.mean(x)),
    (TraceError, "a traced tensor has no values for NumPy", lambda x: np.add(np.ones(4), x)),
    (
        TraceError,
        "the size of axis 0 is not known while tracing: it has no length and cannot be iterated over; use tensor.sha",
        lambda x: [-row for row in x],
    ),
    (TraceError, "the size of axis 0 is not known while tracing", lambda x: len(x)),
    (
        TraceError,
        "batch: is a symbolic dimension and has no value while tracing",
        lambda x: [x for _ in range(x.shape[0])],
    ),
    (TraceError, "batch: cannot be compared with 1: the size is not known", lambda x: x if x.shape[0] > 1 else -x),
    (
        TraceError,
        "batch: cannot be divided with /, since sizes are integers; use //",
        lambda x: x.reshape(x.shape[0] / 2),
    ),
    (TraceError, "arithmetic on sizes: expected ints and other sizes, got float 0.5", lambda x: x[: x.shape[0] * 0.5]),
    (TraceError, "no traced tensor among the operands (float)", lambda x: F.exp(1.0)),
    (TraceError, "no traced tensor among the operands ()", lambda x: F.concat([])),
    (
        TraceError,
        "a Parameter on its own is not a traced tensor; use it together with one",
        lambda x: x * np.sqrt(nn.Parameter((4,))),
    ),
    (
        TraceError,
        "f32[4] declares an input and is no tensor; pass a tensor where the module is called",
        lambda x: F.add(x, nn.Input(4)),
    ),
]

CASES = [*OPTIONS, *SHAPES, *DTYPES, *VALUES]


@pytest.mark.parametrize(("kind", "text", "function"), CASES, ids=range(len(CASES)))
def test_what_forward_may_not_do(kind: type[TrtnnError], text: str, function: Callable[[nn.Tensor], Any]) -> None:
    failure_inside(kind, text, function)


def with_option(option: str) -> list[str]:
    """Functions of one required operand that take the option."""
    found = []
    for name, function in sorted(vars(F).items()):
        if not inspect.isfunction(function) or name.startswith("_"):
            continue
        parameters = inspect.signature(function).parameters.values()
        required = [one.name for one in parameters if one.default is one.empty and one.kind is not one.VAR_POSITIONAL]
        if option in (one.name for one in parameters) and required in (["x"], ["x", option]):
            found.append(name)
    return found


@pytest.mark.parametrize("axis", [4, -5, "channels", 1.0])
@pytest.mark.parametrize("name", with_option("axis"))
def test_every_function_refuses_an_axis_outside_the_rank(name: str, axis: Any) -> None:
    if name == "expand_dims" and axis == 4:
        axis = 5  # the result has one axis more
    if name == "expand_dims" and axis == -5:
        axis = -6
    error = failure(ShapeError, f", got {axis!r}", Inner(lambda x: getattr(F, name)(x, axis=axis)).trace)
    assert str(error.path).startswith("blocks.1")
    assert error.line is not None


@pytest.mark.parametrize("name", with_option("data_format"))
def test_every_function_refuses_an_unknown_data_format(name: str) -> None:
    failure_inside(ArgumentError, f"{FORMAT}'NCHW'", lambda x: getattr(F, name)(x, data_format="NCHW"))


def test_a_value_that_forward_may_not_return() -> None:
    wanted = "expected forward to return a tensor, a tuple of tensors, or a dict of names and tensors, got "
    for function, got in (
        (lambda x: None, "NoneType; nothing else can leave a graph"),
        (lambda x: 3.0, "float"),
        (lambda x: [], "an empty list"),
        (lambda x: (x, 3.0), "a tuple with 3.0; nothing else can leave a graph"),
        (lambda x: {"a": x, "b": (x, x)}, "a dict with (Tensor(f32[batch, 8, 8, 4]), Tensor(f32[batch, 8, 8, 4]))"),
        (lambda x: {1: x}, "a dict with Tensor(f32[batch, 8, 8, 4])"),
    ):
        error = failure(TraceError, f"Inner: {wanted}{got}", Inner(function).trace)
        assert "def forward(self, x: nn.Tensor" in str(error)


class Guilty(nn.Module):
    """Layers whose fault shows only when they meet their input."""

    def __init__(self, *layers: nn.Module) -> None:
        self.stages = {"stem": list(layers)}

    def forward(self, x: nn.Tensor = nn.Input("batch", 8, 8, 4)) -> nn.Tensor:
        for layer in self.stages["stem"]:
            x = layer(x)
        return x


@pytest.mark.parametrize(
    ("layers", "kind", "text"),
    [
        ([nn.Conv2d(3, 8, 3)], ShapeError, "stages.stem.0: conv: expected 3 input channels, got 4"),
        ([nn.ReLU(), nn.Linear(5, 2)], ShapeError, "stages.stem.1: mat_mul: expected 5 features on the last axis"),
        ([nn.BatchNorm(8)], ShapeError, "stages.stem.0: batch_norm: expected one statistic per channel, shape (4,)"),
        ([nn.MaxPool2d(0)], ArgumentError, "stages.stem.0: window: expected a positive int, or 2 of them, got 0"),
        (
            [nn.MaxPool2d(9)],
            ShapeError,
            "stages.stem.0: pool: expected at least 9 elements for the window to fit, got 8",
        ),
        ([nn.LeakyReLU("a")], ArgumentError, "stages.stem.0: leaky_relu: expected a number, got 'a'"),
        ([nn.Softmax(axis=4)], ShapeError, f"stages.stem.0: {AXIS}4"),
        ([nn.Sequential(nn.Conv2d(4, 4, 9))], ShapeError, "stages.stem.0.0: conv: expected at least 9 elements"),
    ],
)
def test_a_layer_is_named_by_its_path_and_the_line_that_calls_it(
    layers: list[nn.Module], kind: type[TrtnnError], text: str
) -> None:
    error = failure(kind, text, Guilty(*layers).trace)
    assert error.line is not None
    assert error.line.code == "x = layer(x)"


def test_a_module_that_is_not_in_the_tree() -> None:
    text = "Linear: uses a parameter of shape (4, 4) that no module of Inner holds; keep the module that holds it in an"
    error = failure(TraceError, text, Inner(lambda x: nn.Linear(4, 4)(x)).trace)
    assert "nn.Linear(4, 4)(x)" in str(error)


def test_a_network_can_be_traced_again_after_an_error() -> None:
    network = Inner(lambda x: x[:, 9])
    for _ in range(2):
        failure(ShapeError, "blocks.1: index: expected an index within 8", network.trace)
    network.blocks[1].function = lambda x: x[:, 7]
    assert str(network.trace().outputs[0][1].type) == "f32[batch, 8, 4]"
