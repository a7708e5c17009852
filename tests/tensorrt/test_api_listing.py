"""The source against the listings of TensorRT's versions; and the proof itself, against planted mistakes."""

from __future__ import annotations

import textwrap
from pathlib import Path

import api_listing
import numpy as np
import pytest

from trtnn.backends.tensorrt.simulate import evaluate
from trtnn.backends.tensorrt.simulate.reading import READABLE

NEW_LAYERS = {"ATTENTION_INPUT", "ATTENTION_OUTPUT"}  # not in TensorRT 10.9


def test_every_name_in_the_source_is_in_every_version():
    assert not api_listing.static_problems()


def test_every_class_that_layers_are_cast_to_is_in_every_version():
    for listing in api_listing.listings().values():
        for kind, readable in READABLE.items():
            if kind not in NEW_LAYERS:
                assert readable.layer_class in listing
                assert kind in listing["LayerType"]


def problems_in(tmp_path: Path, source: str) -> list[str]:
    (tmp_path / "module.py").write_text(textwrap.dedent(source))
    return api_listing.static_problems(tmp_path)


@pytest.mark.parametrize(
    "source",
    [
        "flag = trt.BuilderFlag.FP16",
        "flag = self.library.trt.BuilderFlag.FP16",
        "flag = getattr(trt.BuilderFlag, 'FP16')",
    ],
)
def test_a_name_that_is_gone_is_found(tmp_path, source):
    (problem,) = problems_in(tmp_path, source)
    assert problem == "module.py:1: trt.BuilderFlag.FP16 is not in 11.0.0.114, 11.4.0.106, rtx-1.7.1.116"


@pytest.mark.parametrize(
    "source",
    [
        "flag = trt.BuilderFlag.FP16 if hasattr(trt.BuilderFlag, 'FP16') else None",
        "flag = getattr(trt.BuilderFlag, 'FP16', None)",
        "kind = trt.DataType.FLOAT; same = trt.float32; name = trt.__version__; t = trt.ILayer.type.__get__(layer)",
    ],
)
def test_a_name_that_is_probed_or_everywhere_is_fine(tmp_path, source):
    assert not problems_in(tmp_path, source)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("f(self: a.B, x: a.C, y: a.D = None) -> a.E", ["x", "y="]),
        ("2. f(self: a.B, x: dict[str, int], y: a.D = <D.FLOAT: 0>) -> None", ["x", "y="]),
        ("f() -> int", []),
        ("f(arg0: tuple[int, ...]) -> detail::accessor<a, b>", ["arg0"]),
    ],
)
def test_signatures_are_understood(text, names):
    assert api_listing.parse_signature(text) == names


def uses_of(build) -> set[api_listing.Use]:
    trt = pytest.importorskip("tensorrt_rtx")
    builder = trt.Builder(trt.Logger(trt.Logger.ERROR))
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    with api_listing.recording(trt) as uses:
        build(trt, network)
    return uses


def test_calls_properties_and_values_are_recorded():
    def build(trt, network):
        layer = network.add_activation(network.add_input("x", trt.float32, (3,)), type=trt.ActivationType.RELU)
        layer.alpha = 0.5

    got = {str(use) for use in uses_of(build)}
    assert {
        "INetworkDefinition.add_input(3 positional)",
        "INetworkDefinition.add_activation(1 positional, type=)",
        "value ActivationType.RELU",
        "value DataType.FLOAT",
        "set IActivationLayer.alpha",
    } <= got


def test_the_classes_are_as_before_afterwards():
    trt = pytest.importorskip("tensorrt_rtx")
    before = dict(vars(trt.INetworkDefinition))
    with api_listing.recording(trt):
        assert dict(vars(trt.INetworkDefinition)) != before
    assert dict(vars(trt.INetworkDefinition)) == before


def test_a_method_that_some_version_lacks_is_found():
    def build(trt, network):
        x = network.add_input("x", trt.float32, (1, 2, 3, 4))
        network.add_attention(x, x, x, trt.AttentionNormalizationOp.SOFTMAX, False)

    with pytest.raises(AssertionError, match=r"^10\.9\.0\.34: INetworkDefinition\.add_attention.*: no such member$"):
        api_listing.check(uses_of(build))


def test_a_signature_that_some_version_lacks_is_found():
    def build(trt, network):
        network.add_topk(network.add_input("x", trt.float32, (4,)), trt.TopKOperation.MAX, 2, 1, trt.int64)

    with pytest.raises(
        AssertionError, match=r"^10\.9\.0\.34: INetworkDefinition\.add_topk\(5 positional\): does not fit"
    ):
        api_listing.check(uses_of(build))


def test_an_argument_of_another_name_is_found():
    use = api_listing.Use("call", "INetworkDefinition", "add_cast", 1, frozenset({"dtype"}))
    with pytest.raises(
        AssertionError, match="add_cast\\(1 positional, dtype=\\): does not fit \\[\\['input', 'to_type'\\]\\]"
    ):
        api_listing.check([use])


def test_a_property_that_is_read_only_cannot_be_set():
    with pytest.raises(AssertionError, match=r"set ITensor\.dtype: cannot be set: it is a property \(read-only\)"):
        api_listing.check([api_listing.Use("set", "ITensor", "dtype")])


def test_a_value_that_some_version_lacks_is_found():
    with pytest.raises(AssertionError, match=r"10\.9\.0\.34: value DataType\.E8M0: no such member"):
        api_listing.check([api_listing.Use("value", "DataType", "E8M0")])


def test_the_simulator_reads_what_every_version_has():
    """The other half of this proof is in each module of simulator tests, which is recorded as a whole."""

    def build(trt, network):
        x = network.add_input("x", trt.float32, (2, 3))
        network.mark_output(network.add_softmax(x).get_output(0))
        evaluate(trt, network, {"x": np.ones((2, 3), np.float32)})

    uses = uses_of(build)
    assert "get ISoftMaxLayer.axes" in {str(use) for use in uses}
    api_listing.check(uses)
