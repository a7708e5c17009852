"""Where ONNX Runtime's engines run: the options, and what is said where there is no CUDA."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

import trtnn as nn
import trtnn.functional as F
from trtnn.backends.onnxruntime import placement
from trtnn.backends.onnxruntime.placement import CPU, CUDA, Placement, providers_for, require_cuda, require_on_cuda
from trtnn.backends.select import choose, placed
from trtnn.errors import ArgumentError, LibraryError
from trtnn.graph import DType
from trtnn.graph import ops as g
from trtnn.passes import lower
from trtnn.precision.apply import apply_precision
from trtnn.precision.options import Precision


class Tiny(nn.Module):
    def forward(self, x: nn.Tensor = nn.Input("batch", 3)) -> nn.Tensor:
        return F.relu(x)


@pytest.mark.parametrize(("device", "ordinal"), [("cpu", None), ("cuda", 0), ("cuda:0", 0), ("cuda:12", 12)])
def test_a_device_has_a_number(device: str, ordinal: int | None) -> None:
    assert Placement(device).ordinal == ordinal


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:-1", "CUDA", "", 0, None, ["cuda"]])
def test_what_is_no_device(device: Any) -> None:
    with pytest.raises(ArgumentError, match=r'^device: expected "cpu", "cuda" or "cuda:1", got'):
        Tiny().compile(target="onnxruntime", device=device)


@pytest.mark.parametrize("option", ["cuda_graphs", "prefer_nhwc", "tf32"])
def test_options_of_cuda_mean_nothing_on_a_cpu(option: str) -> None:
    with pytest.raises(ArgumentError, match=f'^{option}: is an option of CUDA; compile with device="cuda"$'):
        Tiny().compile(target="onnxruntime", **{option: True})
    with pytest.raises(ArgumentError, match=f"^{option}: expected True or False, got 'yes'$"):
        Placement("cuda", **{option: "yes"})
    assert Tiny().compile(target="onnxruntime", **{option: False}).target == "onnxruntime"


def test_onnx_runtime_is_told_the_options() -> None:
    (name, options), cpu = providers_for(Placement("cuda:1", tf32=True), stream=4096, nhwc=True, capturable=True)
    assert (name, cpu) == (CUDA, CPU)
    assert options == {
        "device_id": "1",
        "use_tf32": "1",
        "prefer_nhwc": "1",
        "enable_cuda_graph": "1",
        "cudnn_conv_algo_search": "HEURISTIC",
        "user_compute_stream": "4096",
    }
    (_, options), _ = providers_for(Placement("cuda", cuda_graphs=True), stream=None, nhwc=False, capturable=False)
    assert options == {
        "device_id": "0",
        "use_tf32": "0",
        "prefer_nhwc": "0",
        "enable_cuda_graph": "0",
        "cudnn_conv_algo_search": "EXHAUSTIVE",
    }


@pytest.mark.skipif(CUDA in ort.get_available_providers(), reason="ONNX Runtime has CUDA here")
def test_without_the_gpu_package_it_is_said_what_to_install() -> None:
    with pytest.raises(
        LibraryError, match=r'onnxruntime: ONNX Runtime \S+ as installed here has no CUDA.*"trtnn\[gpu\]"'
    ):
        Tiny().compile(target="onnxruntime", device="cuda")


def test_both_packages_side_by_side_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [SimpleNamespace(metadata={"Name": name}) for name in ("onnxruntime", "numpy", "onnxruntime-gpu")]
    monkeypatch.setattr(placement.importlib.metadata, "distributions", lambda: both)
    monkeypatch.setattr(placement.ort, "get_available_providers", lambda: [CPU])
    with pytest.raises(
        LibraryError, match=r"both installed, and one has replaced files of the other; .*pip uninstall -y"
    ):
        require_cuda()


def test_a_session_that_fell_back_to_the_cpu_is_refused() -> None:
    with pytest.raises(
        LibraryError, match=r"cannot load its CUDA provider: .*missing; pip install \"onnxruntime-gpu\["
    ):
        require_on_cuda(SimpleNamespace(get_providers=lambda: [CPU]))
    require_on_cuda(SimpleNamespace(get_providers=lambda: [CUDA, CPU]))


class Reader(nn.Module):
    def __init__(self) -> None:
        self.conv = nn.Conv1d(4, 8, 3, padding="same")
        self.lstm = nn.LSTM(8, 6)

    def forward(self, x: nn.Tensor = nn.Input("batch", 10, 4)) -> nn.Tensor:
        return self.lstm(self.conv(x))


def in_precision(device: str | None, **precision: Any) -> tuple[Any, str]:
    model = Reader()
    for parameter in model.parameters():
        parameter.assign(np.ones(parameter.shape, np.float32))
    traced = model.trace()
    options = {} if device is None else {"device": device}
    choice = placed(choose("onnxruntime"), options)
    graph, choice = apply_precision(lower(traced), Precision.of(**precision), traced, choice)
    return graph, choice.precision


def test_half_precision_is_real_on_cuda_and_recurrent_layers_stay_whole_in_float32() -> None:
    graph, said = in_precision("cuda", fp16=True)
    assert said == "float16"
    ops = {type(node.op): node for node in graph.nodes}
    assert ops[g.Conv].output.type.dtype is DType.float16
    assert ops[g.LSTM].outputs[0].type.dtype is DType.float32


@pytest.mark.parametrize(("device", "option"), [(None, "fp16"), ("cpu", "fp16"), ("cpu", "bf16"), ("cuda", "bf16")])
def test_elsewhere_half_precision_is_emulated(device: str | None, option: str) -> None:
    graph, said = in_precision(device, **{option: True})
    assert said.endswith("(emulated: computed in float32, rounded after every operation)")
    kinds = Counter(type(node.op) for node in graph.nodes)
    assert kinds[g.LSTM] == 0
    assert all(node.output.type.dtype is DType.float32 for node in graph.nodes if isinstance(node.op, g.Conv))
