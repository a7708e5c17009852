"""Forms on the CPU: comparing them, float64, and what stands in for a kernel in the simulator."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from core.failing import failure
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from oracle import tensorflow
from strategies import random_array

import trtnn as nn
import trtnn.functional as F
from trtnn.backends.tensorrt.simulate.network import Layer, NetworkView
from trtnn.backends.tensorrt.simulate.plan import plan
from trtnn.backends.tensorrt.simulate.reading import LayerView, TensorView
from trtnn.custom import check, custom_of
from trtnn.custom.evaluation import evaluator_of
from trtnn.custom.exact import decompose_float64
from trtnn.custom.kernels import checking
from trtnn.errors import CustomOpError, DTypeError, UnsupportedError

from .ops import BiasSwish, PositiveRows, ReferenceSwish, swish


@settings(max_examples=10)
@given(hnp.array_shapes(min_dims=1, max_dims=4, max_side=4), st.integers(0, 99))
def test_forms_of_any_shape_agree(shape: tuple[int, ...], seed: int) -> None:
    x, bias = random_array(shape, seed=seed), random_array(shape[-1:], seed=seed + 1)
    for beta in (1.0, -2.5):
        assert all(row.error <= row.tolerance for row in check(BiasSwish(beta), x, bias).rows)


def test_a_form_that_differs() -> None:
    members = {"decompose": lambda self, x: F.gelu(x), "reference": lambda self, x: x * 0.5}
    op = nn.custom_op("tests::differs")(type("Differs", (), members))()
    text = "tests::differs: the reference in float64 is not what the decomposition in float64 is; expected a relative"
    failure(CustomOpError, text, lambda: check(op, random_array((3, 4))))


def test_a_form_of_another_shape_or_of_integers() -> None:
    members = {"decompose": lambda self, x: F.argmax(x), "reference": lambda self, x: np.argmin(x, -1)}
    op = nn.custom_op("tests::places")(type("Places", (), members))()
    failure(CustomOpError, "expected a relative error of 1e-05, got inf", lambda: check(op, random_array((3, 4))))
    members = {"decompose": lambda self, x: F.argmax(x), "reference": lambda self, x: np.argmax(x, -1)[..., None]}
    op = nn.custom_op("tests::places")(type("Places", (), members))()
    text = "tests::places: expected results of shapes [(3,)], as the decomposition in float64 gives, got [(3, 1)] from"
    failure(CustomOpError, text, lambda: check(op, random_array((3, 4))))


def test_infinities_and_nan_are_compared() -> None:
    x = np.array([[1, np.inf, -np.inf, 0]], np.float32)
    members = {"decompose": lambda self, x: x * 0.5, "reference": lambda self, x: x * x.dtype.type(0.5)}
    op = nn.custom_op("tests::halved")(type("Halved", (), members))()
    assert max(row.error for row in check(op, x).rows) == 0
    members = {**members, "reference": lambda self, x: np.where(np.isinf(x), 1, x * x.dtype.type(0.5)).astype(x.dtype)}
    op = nn.custom_op("tests::halved")(type("Halved", (), members))()
    failure(CustomOpError, "got inf", lambda: check(op, x))


def test_only_a_reference_is_its_own_truth() -> None:
    report = check(PositiveRows(), random_array((3, 4, 5)))
    assert (report.truth, [row.form for row in report.rows]) == ("reference in float64", ["reference"])


def test_kernels_alone_cannot_be_compared() -> None:
    members = {"infer": lambda self, x: x, "kernels": (nn.CudaKernel(source="", entry="e", grid=1, dtypes="float32"),)}
    op = nn.custom_op("tests::kernel_alone")(type("KernelAlone", (), members))()
    text = "there is nothing to compare its kernels with; write decompose or reference"
    failure(CustomOpError, text, lambda: check(op, random_array((2,))))
    with pytest.raises(UnsupportedError, match="which has only kernels; write decompose"):
        evaluator_of(op)(random_array((2,)))


@pytest.mark.parametrize("factor", [2.0, 2.5])
def test_kernels_are_compared_with_the_decomposition(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    """The way of a kernel through `check`, with NumPy in the place of a GPU."""
    kernel = nn.CudaKernel(source="", entry="doubled", grid=1, dtypes="float32")
    members = {"decompose": lambda self, x: x * 2.0, "kernels": (kernel,)}
    op = nn.custom_op("tests::doubled")(type("Doubled", (), members))()
    monkeypatch.setattr(checking.library, "available", lambda: True)
    monkeypatch.setattr(checking, "run_kernel", lambda kernel, op, x: (x * np.float32(factor),))
    if factor == 2.0:
        assert [row.form for row in check(op, random_array((3, 5))).rows] == ["decomposition", "CudaKernel doubled"]
    else:
        text = "tests::doubled: the CudaKernel doubled is not what the decomposition in float64 is"
        failure(CustomOpError, text, lambda: check(op, random_array((3, 5))))


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float16, 2**-10), (ml_dtypes.bfloat16, 2**-7)])
def test_half_precision_may_round(dtype: Any, tolerance: float) -> None:
    halves = nn.custom_op("tests::halves", dtypes=("float16", "bfloat16"))(lambda x: x / 3.0)
    (row,) = check(halves, random_array((5, 7)).astype(dtype)).rows
    assert tolerance / 100 < row.error < row.tolerance == tolerance


def test_float64_operands() -> None:
    text = 'tests::swish: operand 0: expected an array of float32, got float64; use x.astype("float32")'
    failure(DTypeError, text, lambda: check(swish, [1.0, 2.0]))


def test_float64_is_float64() -> None:
    """More exact than float32 by nine digits, through a matrix product, a loop and a constant."""

    @nn.custom_op("tests::deep")
    def deep(x: nn.Tensor, kernel: nn.Tensor) -> nn.Tensor:
        def step(state: nn.Tensor, row: nn.Tensor) -> Any:
            new = F.tanh(row @ kernel + state * np.float32(1 / 3))
            return new, new

        return F.scan(step, x, x[:, 0] * 0.0)[1]

    x, kernel = random_array((2, 4, 3), seed=1), random_array((3, 3), seed=2)
    state, rows = np.zeros((2, 3)), []
    for step in range(4):
        state = np.tanh(x[:, step].astype(np.float64) @ kernel + state * np.float64(np.float32(1 / 3)))
        rows.append(state)
    (got,) = decompose_float64(custom_of(deep), x, kernel)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, np.stack(rows, 1), rtol=1e-13)


def test_float64_where_onnxruntime_has_none() -> None:
    """A convolution, and GELU, neither of which ONNX Runtime has for float64."""

    @nn.custom_op("tests::convolved")
    def convolved(x: nn.Tensor, kernel: nn.Tensor) -> nn.Tensor:
        return F.gelu(F.conv(x, kernel))

    x, kernel = random_array((2, 5, 5, 3), seed=1), random_array((3, 3, 3, 2), seed=2)
    y = np.asarray(tensorflow().nn.conv2d(x.astype(np.float64), kernel.astype(np.float64), 1, "VALID"))
    wanted = y / 2 * (1 + np.vectorize(math.erf)(y / math.sqrt(2)))  # TensorFlow's own rounds the root to float32
    (got,) = decompose_float64(custom_of(convolved), x, kernel)
    np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_float64_takes_every_floating_point_type(dtype: Any) -> None:
    x = random_array((3, 4)).astype(dtype)
    (got,) = decompose_float64(custom_of(swish), x)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(got, exact / (1 + np.exp(-exact)), rtol=1e-12)


def network_of(kind: str) -> NetworkView:
    """A network of one layer called "op", with two operands, as the simulator would have read it."""
    x, bias, y = (TensorView(name, "HALF", shape) for name, shape in (("x", (-1, 4)), ("b", (4,)), ("y", (-1, 4))))
    layer = Layer(LayerView(None, kind, "op", (x, bias), (y,), {}), 0, None)
    return NetworkView((x, bias), (("n", ""), ("",)), (layer,), ("y",), {"y": layer})


@pytest.mark.parametrize("kind", ["PLUGIN_V3", "PLUGIN"])
@pytest.mark.parametrize("member", ["reference", "decompose"])
def test_the_simulator_computes_plugins_with_what_a_cpu_has(kind: str, member: str) -> None:
    """Half-precision operands reach it as float32, and its result is rounded, as with every layer."""
    members = {"infer": lambda self, x, bias: x, member: getattr(BiasSwish, member), "beta": 1.0}
    op = nn.custom_op("tests::one_form")(type("OneForm", (), members))()
    values = {"x": random_array((3, 4)).astype(np.float16), "b": random_array((4,)).astype(np.float16)}
    wanted = BiasSwish().reference(values["x"].astype(np.float32), values["b"].astype(np.float32))
    plan(network_of(kind), {"op": evaluator_of(op)}).run(values, None)
    assert values["y"].dtype == np.float16
    np.testing.assert_allclose(values["y"], wanted, rtol=2e-3, atol=1e-6)


def test_the_simulator_says_which_layer_it_cannot_evaluate() -> None:
    with pytest.raises(UnsupportedError, match="op: the simulator cannot evaluate a layer of type PLUGIN_V3"):
        plan(network_of("PLUGIN_V3"), {"another": evaluator_of(ReferenceSwish())})
