"""What a plugin knows of a node, as text and back; and sizes in TensorRT's terms."""

from __future__ import annotations

import pytest
from custom_ops.deformable_conv import DeformableConv
from hypothesis import given
from hypothesis import strategies as st

import trtnn
from custom_kernels import bindings
from custom_kernels.ops import Scale
from trtnn.backends.tensorrt.plugins.site import Site
from trtnn.backends.tensorrt.plugins.sizes import builder_algebra, translate
from trtnn.custom.definition import custom_of
from trtnn.errors import CustomOpError
from trtnn.graph import DType, TensorType
from trtnn.graph.dims import evaluate, floor_div, maximum, symbol

TRT = bindings.make()
BATCH, WIDTH = symbol("batch"), symbol("width")
WIDE = TensorType(DType.float16, (BATCH, maximum(WIDTH - 1, 2) // 3 + 2 * WIDTH, WIDTH, 1))


@st.composite
def sizes(draw, depth=3):
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from([1, 2, 3, 7, BATCH, WIDTH]))
    left, right = draw(sizes(depth - 1)), draw(sizes(depth - 1))
    kind = draw(st.sampled_from(["+", "-", "*", "//", "max"]))
    if kind == "//":
        return floor_div(left, draw(st.integers(1, 5)))
    return {"+": left + right, "-": left - right, "*": left * right, "max": maximum(left, right)}[kind]


@given(size=sizes(), batch=st.integers(1, 9), width=st.integers(1, 9))
def test_a_size_means_the_same_in_tensorrts_terms(size, batch, width):
    dims = {"batch": bindings.IDimensionExpr(batch), "width": bindings.IDimensionExpr(width)}
    found = translate(size, dims, builder_algebra(TRT, bindings.IExprBuilder()))
    assert found.value == evaluate(size, {"batch": batch, "width": width})


def traced_site(shape, change=lambda x: x):
    class Network(trtnn.Module):
        def forward(self, x=trtnn.Input(*shape)):
            return Scale(factor=3.0)(change(x))

    (node,) = [one for one in Network().trace().nodes if one.op.name == "scale"]
    return Site.of(node)


def test_a_site_of_a_node():
    found = traced_site(("batch", "width", 3))
    assert found.inputs == (TensorType(DType.float32, (BATCH, WIDTH, 3)),) == found.outputs
    assert found.axes == {"batch": (0, 0), "width": (0, 1)}
    assert found.dims([(4, 5, 3)]) == {"batch": 4, "width": 5}


def test_an_expression_of_dims_that_no_axis_has_gets_a_name():
    """Another than the dims have, and equal ones the same."""
    shape = ("batch", "width", "size_0")
    found = traced_site(shape, lambda x: x[:, 1:])
    assert found.axes == {"batch": (0, 0), "size_1": (0, 1), "size_0": (0, 2)}
    assert found.outputs[0].shape == (BATCH, symbol("size_1"), symbol("size_0"))
    assert found.dims([(2, 9, 5)]) == {"batch": 2, "size_1": 9, "size_0": 5}


def test_an_expression_of_dims_that_an_axis_has_stays():
    """So an op can infer from one operand what another must be."""
    found = deformable_site()
    assert found.axes == {"batch": (0, 0), "height": (0, 1)}
    assert found.inputs[1].shape == (BATCH, (symbol("height") + 1) // 2, 5, 18)
    assert found.outputs[0].shape == (BATCH, (symbol("height") + 1) // 2, 5, 8)


def deformable_site():
    class Network(trtnn.Module):
        def forward(
            self,
            x=trtnn.Input("batch", "height", 9, 4),
            places=trtnn.Input("batch", "height", 9, 27),
            kernel=trtnn.Input(3, 3, 4, 8),
        ):
            places = places[:, ::2, ::2]
            return DeformableConv(stride=2)(x, places[..., :18], places[..., 18:], kernel)

    (node,) = [one for one in Network().trace().nodes if one.op.name == "deformable_conv"]
    return Site.of(node)


@pytest.mark.parametrize("site", [deformable_site(), Site(custom_of(Scale(factor=3.0)), (WIDE,))])
def test_text_and_back(site):
    again = Site.from_text(site.to_text())
    assert again == site and again.op.attributes == site.op.attributes and again.outputs == site.outputs
    shapes = [one.concrete({"batch": 7, "height": 9, "width": 3}) for one in site.inputs]
    assert [one.shape for one in again.concrete(shapes)] == shapes


def test_an_op_that_is_not_registered_here():
    text = traced_site((3,)).to_text().replace("kernel_tests::scale", "kernel_tests::gone")
    with pytest.raises(CustomOpError, match="needs the custom op kernel_tests::gone, not registered here"):
        Site.from_text(text)


def test_only_the_kernels_that_serve_the_types():
    ints = Site(custom_of(Scale()), (TensorType(DType.int32, (3,)),))
    assert ints.kernels == []
