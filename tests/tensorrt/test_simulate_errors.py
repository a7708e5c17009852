"""What the simulator refuses: layers it does not have, inputs that do not fit, networks that make no sense."""

from __future__ import annotations

import numpy as np
import pytest
from hand_network import HandNetwork, in_every_listing, random, trt  # noqa: F401

from trtnn.backends.tensorrt.simulate import Simulation
from trtnn.backends.tensorrt.simulate.network import _BOUNDARIES
from trtnn.backends.tensorrt.simulate.reading import READABLE
from trtnn.errors import GraphError, InputError, UnsupportedError


def doubling() -> HandNetwork:
    """y = a + b, over (batch, 3)."""
    net = HandNetwork()
    a, b = net.input("a", (-1, 3)), net.input("b", (-1, 3))
    for tensor in (a, b):
        tensor.set_dimension_name(0, "batch")
    net.mark(net.network.add_elementwise(a, b, trt.ElementWiseOperation.SUM).get_output(0))
    return net


A = random(2, 3)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"a": A}, r"inputs: expected arrays named \['a', 'b'\], got \['a'\]"),
        ({"a": A, "b": A, "c": A}, r"inputs: expected arrays named \['a', 'b'\], got \['a', 'b', 'c'\]"),
        ({"a": A, "b": A.astype(np.float64)}, "b: expected dtype float32, got float64"),
        ({"a": A, "b": A[0]}, r"b: expected shape \(-1, 3\), got \(3,\)"),
        ({"a": A, "b": A[:, :2]}, r"b: expected shape \(-1, 3\), got \(2, 2\)"),
        ({"a": A, "b": A[:1]}, "b: dim 'batch' is 1; expected 2 as in a, got 1"),
    ],
)
def test_inputs_that_do_not_fit(inputs, message):
    with pytest.raises(InputError, match=message):
        doubling().simulate(**inputs)


def test_a_layer_that_the_simulator_does_not_have():
    net = HandNetwork()
    boxes, scores = net.input("boxes", (1, 4, 1, 4)), net.input("scores", (1, 4, 2))
    layer = net.network.add_nms(boxes, scores, net.constant(3, np.int32))
    layer.name = "suppress"
    net.mark(layer.get_output(0))
    with pytest.raises(UnsupportedError, match="suppress: the simulator cannot evaluate a layer of type NMS"):
        net.simulate(boxes=random(1, 4, 1, 4), scores=random(1, 4, 2))


def test_a_layer_that_nobody_needs_is_not_read():
    net = doubling()
    net.network.add_nms(net.input("boxes", (1, 4, 1, 4)), net.input("scores", (1, 4, 2)), net.constant(3, np.int32))
    inputs = {"a": A, "b": A, "boxes": random(1, 4, 1, 4), "scores": random(1, 4, 2)}
    np.testing.assert_array_equal(net.simulate(**inputs), 2 * A)


def test_an_operation_that_the_simulator_does_not_have():
    net = HandNetwork()
    layer = net.network.add_fill((2,), trt.FillOperation.RANDOM_UNIFORM, trt.DataType.FLOAT)
    layer.name = "noise"
    net.mark(layer.get_output(0))
    with pytest.raises(UnsupportedError, match="noise: the simulator does not have the fill operation RANDOM_UNIFORM"):
        net.simulate()


def test_values_that_do_not_fit_a_layer():
    net = HandNetwork()
    layer = net.network.add_shuffle(net.input("x", (-1,)))
    layer.name = "fold"
    layer.reshape_dims = (-1, 3)
    net.mark(layer.get_output(0))
    with pytest.raises(GraphError, match="fold: the SHUFFLE layer cannot be evaluated: cannot reshape array of size 4"):
        net.simulate(x=random(4))


def test_an_assertion_of_the_network():
    net = HandNetwork()
    x = net.input("x", (-1,))
    size = net.network.add_shape(x).get_output(0)
    even = net.network.add_elementwise(size, net.constant([4], np.int64), trt.ElementWiseOperation.EQUAL).get_output(0)
    net.network.add_assertion(even, "x has four elements").name = "check"
    net.mark(net.network.add_identity(x).get_output(0))
    assert net.simulate(x=random(4)).shape == (4,)
    with pytest.raises(InputError, match="check: the network's own assertion fails: x has four elements"):
        net.simulate(x=random(5))


def test_a_simulation_runs_many_times_and_shows_what_it_computes():
    net = doubling()
    simulation = Simulation.of(trt, net.network)
    for size in (1, 4):
        seen: dict[str, np.ndarray] = {}
        x = random(size, 3)
        result = simulation.run({"a": x, "b": x}, seen.__setitem__)
        assert list(seen) == list(result) == ["y"]
        np.testing.assert_array_equal(seen["y"], 2 * x)


def test_every_layer_class_fits_its_type():
    """A wrong class would crash the process, so the table is compared with TensorRT's own names."""
    table = {kind: readable.layer_class for kind, readable in READABLE.items()}
    table |= {kind: layer_class for kind, (layer_class, _) in _BOUNDARIES.items()}
    irregular = {
        "ELEMENTWISE": "IElementWiseLayer", "SOFTMAX": "ISoftMaxLayer", "PARAMETRIC_RELU": "IParametricReLULayer",
        "TOPK": "ITopKLayer", "LRN": "ILRNLayer", "CONDITIONAL_INPUT": "IIfConditionalInputLayer",
        "CONDITIONAL_OUTPUT": "IIfConditionalOutputLayer",
    }  # fmt: skip
    for kind, layer_class in table.items():
        regular = f"I{kind.title().replace('_', '')}Layer"
        assert layer_class == irregular.get(kind, regular)
        assert hasattr(trt, layer_class)
        assert hasattr(trt.LayerType, kind)
