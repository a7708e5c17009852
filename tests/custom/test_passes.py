"""What passes do with custom ops: layout, folding, precision, decomposition."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from core.failing import failure
from ops.harness import fill
from oracle import assert_close

import trtnn as nn
import trtnn.functional as F
from trtnn.custom import custom_of
from trtnn.custom.lowering import lower_custom, require_decomposition
from trtnn.errors import CustomOpError, UnsupportedError
from trtnn.graph import DType, Graph, TensorType, verify
from trtnn.graph import ops as g
from trtnn.passes import lower
from trtnn.passes.half import to_half

from .ops import BiasSwish, PositiveRows, ReferenceSwish, free_swish, swish

F16 = DType.float16


class Images(nn.Module):
    """Three convolutions with an op behind each of the first two."""

    def __init__(self, op: Any) -> None:
        self.one, self.two = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding="same")
        self.three, self.op = nn.Conv2d(4, 2, 3), op

    def forward(self, image: nn.Tensor = nn.Input("batch", 8, 8, 3)) -> nn.Tensor:
        x = self.op(self.one(image))
        return self.three(self.op(self.two(x)) + x)


def filled(model: nn.Module) -> Any:
    fill(model)
    return model


def counts(graph: Graph) -> Counter[str]:
    """How often each operation stands in the graph."""
    return Counter(node.op.name for node in graph.nodes if not isinstance(node.op, g.Constant))


def decomposed(graph: Graph) -> Graph:
    return verify(lower_custom(graph, "tests", ("decompose",)))


@pytest.mark.parametrize(("op", "around", "inside"), [(swish, 6, 2), (free_swish, 2, 2), (ReferenceSwish(), 6, 6)])
def test_layout(op: Any, around: int, inside: int) -> None:
    """A plain op takes channels last, with transposes around it, which go when it is decomposed; an elementwise one
    moves along with the convolutions."""
    graph = lower(filled(Images(op)).trace(), verify)
    assert counts(graph)["transpose"] == around
    for node in graph.nodes:
        if isinstance(node.op, g.Custom):
            channels = 1 if op is free_swish else 3
            assert node.inputs[0].type.shape[channels] == 4
    if custom_of(op).has_decomposition:
        assert counts(decomposed(graph))["transpose"] == inside


class Normed(nn.Module):
    """BatchNorms before and behind an op, next to convolutions."""

    def __init__(self) -> None:
        self.conv, self.before = nn.Conv2d(3, 4, 3), nn.BatchNorm(4)
        self.after, self.last = nn.BatchNorm(4), nn.Conv2d(4, 2, 3)

    def forward(self, image: nn.Tensor = nn.Input("batch", 8, 8, 3)) -> nn.Tensor:
        x = swish(self.before(self.conv(image)))
        return self.last(self.after(x))


def test_batchnorm_stays_on_its_side() -> None:
    """Both fold into the convolution on their side: neither crosses the op."""
    model = filled(Normed())
    plain = model.conv.kernel.data.copy()
    graph = lower(model.trace(), verify)
    assert counts(graph) == Counter(conv=2, swish=1, transpose=4)
    kernels = [node.op.data for node in graph.nodes if isinstance(node.op, g.Constant) and node.op.data.ndim == 4]
    scale = model.before.gamma.data / np.sqrt(model.before.moving_variance.data + model.before.eps)
    np.testing.assert_allclose(kernels[0], (plain * scale).transpose(3, 2, 0, 1), rtol=1e-5)


def test_constants_are_left_to_the_op() -> None:
    class Constant(nn.Module):
        def forward(self, x: nn.Tensor = nn.Input(4)) -> nn.Tensor:
            return x + swish(F.add(x, 0.0) * 0.0 + 1.0) + ReferenceSwish()(F.broadcast_to(x * 0.0, (4,)))

    assert counts(lower(Constant().trace(), verify))["reference_swish"] == 1


class Half(nn.Module):
    """One op for float32 alone and one for half precision, both behind convolutions."""

    def __init__(self) -> None:
        self.one, self.two, self.three = (nn.Conv2d(3, 3, 3, padding="same") for _ in range(3))

    def forward(self, image: nn.Tensor = nn.Input("batch", 8, 8, 3)) -> nn.Tensor:
        return self.three(swish(self.two(free_swish(self.one(image)))))


def test_half_precision_follows_the_declared_types() -> None:
    graph = verify(to_half(lower(filled(Half()).trace(), verify), F16)[0])
    types = {node.op.name: node.inputs[0].type.dtype for node in graph.nodes if isinstance(node.op, g.Custom)}
    assert types == {"free_swish": F16, "swish": DType.float32}
    bfloat16 = verify(to_half(lower(filled(Half()).trace(), verify), DType.bfloat16)[0])
    assert {node.inputs[0].type.dtype for node in bfloat16.nodes if isinstance(node.op, g.Custom)} == {DType.float32}


def test_a_decomposition_in_half_precision_computes_in_float32() -> None:
    graph = decomposed(to_half(lower(filled(Half()).trace(), verify), F16)[0])
    computed = [(node.op.name, node.output.type.dtype) for node in graph.nodes if node.op.name in ("sigmoid", "conv")]
    assert computed == [("conv", F16), ("sigmoid", DType.float32)] * 2 + [("conv", F16)]


@pytest.mark.parametrize("op", [free_swish, swish, ReferenceSwish()])
def test_precisions_on_onnxruntime(op: Any) -> None:
    model = filled(Images(op))
    image = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)
    wanted = model.compile(target="onnxruntime")(image)
    assert_close(model.compile(target="onnxruntime", fp16=True)(image), wanted, 1e-2)
    calibration = nn.Calibration([image], least=1)
    assert_close(model.compile(target="onnxruntime", int8=calibration)(image), wanted, 0.1)
    report = nn.verify(model, image, fp16=True)
    assert max(row.relative for row in report.outputs) < 1e-2


def test_a_target_without_a_form() -> None:
    model = filled(Images(ReferenceSwish()))
    text = (
        "reference_swish: the target tests cannot run tests::reference_swish, which has only a reference; write "
        "decompose(self, x) in trtnn's functions or kernels = (trtnn.CudaKernel(...),)"
    )
    error = failure(
        UnsupportedError, text, lambda: lower_custom(lower(model.trace()), "tests", ("decompose", "kernels"))
    )
    assert error.line is not None and error.line.code == "x = self.op(self.one(image))"


def test_a_target_that_cannot_run_the_forms_there_are() -> None:
    """What is missing, and not what is there and does not help."""
    kernel = nn.CudaKernel(source="", entry="e", grid=1, dtypes="uint8")
    members = {"infer": lambda self, x: x, "kernels": (kernel,)}
    op = nn.custom_op("tests::bytes")(type("Bytes", (), members))()

    class Network(nn.Module):
        def forward(self, x: nn.Tensor = nn.Input(4), y: nn.Tensor = nn.Input(4, dtype="uint8")) -> Any:
            return PositiveRows()(x)[0], op(y)

    graph = lower(Network().trace())
    rows, bytes_ = [node for node in graph.nodes if isinstance(node.op, g.Custom)]
    text = (
        "the target tests cannot run tests::positive_rows, whose results have sizes that only running it tells; give "
        "them a fixed size, with a count beside them, and write decompose(self, x) in trtnn's functions or kernels = "
    )
    failure(UnsupportedError, text, lambda: require_decomposition(rows, "tests", ("decompose", "kernels")))
    text = (
        "the target tests cannot run tests::bytes, which has only kernels, and takes no kernel for uint8; write "
        "decompose(self, x) in trtnn's functions\n"
    )
    failure(UnsupportedError, text, lambda: require_decomposition(bytes_, "tests", ("decompose", "kernels")))


def test_only_kernels_on_a_cpu() -> None:
    members = {"infer": lambda self, x: x, "kernels": (nn.CudaKernel(source="", entry="e", grid=1, dtypes="float32"),)}
    op = nn.custom_op("tests::only_kernels")(type("OnlyKernels", (), members))()
    text = (
        "the target onnxruntime cannot run tests::only_kernels, which has only kernels; write decompose(self, x) in "
        "trtnn's functions or reference(self, x) in NumPy"
    )
    failure(UnsupportedError, text, lambda: filled(Images(op)).compile(target="onnxruntime"))


def test_a_decomposition_that_is_not_what_infer_says() -> None:
    members = {"infer": lambda self, x: TensorType(x.dtype, x.shape[:-1]), "decompose": lambda self, x: x * 2.0}
    op = nn.custom_op("tests::liar")(type("Liar", (), members))()

    class Network(nn.Module):
        def forward(self, x: nn.Tensor = nn.Input("batch", 4)) -> nn.Tensor:
            return op(x)

    text = "tests::liar: decompose does not return what infer says; expected f32[batch], got f32[batch, 4]"
    error = failure(CustomOpError, text, lambda: Network().compile(target="onnxruntime"))
    assert error.line is not None and error.line.code == "return op(x)"


def test_a_decomposition_that_does_not_end() -> None:
    members = {"infer": lambda self, x: x, "decompose": lambda self, x: type(self)()(x)}
    op = nn.custom_op("tests::endless")(type("Endless", (), members))()
    text = "tests::endless: decompose does not end; it must not use the op itself"
    failure(CustomOpError, text, lambda: filled(Images(op)).compile(target="onnxruntime"))


def test_decompositions_in_decompositions_and_in_loops() -> None:
    class Network(nn.Module):
        def forward(self, x: nn.Tensor = nn.Input("batch", "time", 4)) -> nn.Tensor:
            def step(state: nn.Tensor, row: nn.Tensor) -> Any:
                new = BiasSwish(beta=2.0)(row + state, np.ones(4, np.float32))
                return new, new

            return F.scan(step, x, x[:, 0] * 0.0)[1]

    graph = decomposed(lower(Network().trace(), verify))
    assert not any(isinstance(node.op, g.Custom) for node in graph.nodes)
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)
    state, rows = x[:, 0] * 0, []
    for step in range(5):
        state = custom_of(BiasSwish(beta=2.0)).reference(x[:, step] + state, np.ones(4, np.float32))[0]
        rows.append(state)
    assert_close(Network().compile(target="onnxruntime")(x), np.stack(rows, 1))
