"""Our ONNX Runtime engine on a GPU against plain ONNX Runtime and PyTorch, all in one process and in turns.

    python -m benchmarks.onnxruntime_cuda [--cpu] [overhead] [lstm] [resnet50]

ResNet-50 in float16 and a bidirectional LSTM of 512 units over 80 steps in float32, with random weights; arrays are on
the GPU before and after. A call ends when the GPU is done. "plain ONNX Runtime" is a session with its best settings
(CUDA graph, channels last for float16, its stream given, fixed buffers) on the same network by another road: exported
by PyTorch, and for the LSTM a single ONNX node. A ratio is a contestant's time over plain ONNX Runtime's, so that below
1 is faster; the goal for trtnn is 1.0 at the most. ``--cpu`` tries the program out on a small network without a GPU.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import attrs
import numpy as np
import onnxruntime as ort
import torch

import trtnn as nn
from benchmarks.bilstm import FEATURES, STEPS, UNITS
from benchmarks.common import Race, race, stored_results, write_results
from benchmarks.torch_resnet50 import ResNet50 as TorchResNet50
from examples.resnet50 import ResNet50

CPU = "--cpu" in sys.argv
DEVICE = "cpu" if CPU else "cuda"
HALF = torch.float32 if CPU else torch.float16
SIZE = 64 if CPU else 224
STORED = "onnxruntime_cuda"
Contestant = Callable[[], Any]
TYPES = {torch.float16: np.float16, torch.float32: np.float32}


def resnet50() -> Any:
    """``examples/resnet50.py`` with random weights that keep the activations' size."""
    model, rng = ResNet50(logits=True), np.random.default_rng(50)
    for parameter in model.parameters():
        shape = parameter.shape
        if len(shape) > 1:
            array = rng.normal(0, (1 / np.prod(shape[:-1])) ** 0.5, shape)
        else:
            array = rng.uniform(0.5, 1.0, shape)
        parameter.assign(array.astype(np.float32))
    return model


class AsKeras:
    """The model as `TorchResNet50` wants it: layers by Keras's names, with their weights."""

    def __init__(self, model: Any) -> None:
        self._layers = {module.name: module for _, module in model.named_modules() if getattr(module, "name", None)}
        self._layers["predictions"] = model.predictions

    def get_layer(self, name: str) -> Any:
        """What a Keras layer of that name would have."""
        module = self._layers[name]
        arrays = {key: SimpleNamespace(numpy=lambda one=one: np.array(one.data)) for key, one in _own(module).items()}
        order = ("gamma", "beta", "mean", "variance") if "gamma" in arrays else ("kernel", "bias")
        return SimpleNamespace(weights=[arrays[key] for key in order], **arrays)


def _own(module: Any) -> dict[str, Any]:
    names = {"scale": "gamma", "moving_mean": "mean", "moving_variance": "variance", "var": "variance"}
    return {names.get(path.split(".")[-1], path.split(".")[-1]): one for path, one in module.named_parameters()}


def exported(model: Any, x: torch.Tensor) -> bytes:
    """The network as PyTorch exports it, its BatchNorm folded."""
    file = io.BytesIO()
    torch.onnx.export(model, (x,), file, input_names=["x"], output_names=["y"], dynamo=False, opset_version=17)
    return file.getvalue()


def plain_onnx_runtime(proto: bytes, x: torch.Tensor, y: torch.Tensor) -> Contestant:
    """ONNX Runtime alone: the CUDA graph is captured by the first call and replayed by the others."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    if CPU:
        session = ort.InferenceSession(proto, options, providers=["CPUExecutionProvider"])
        return lambda: session.run(None, {session.get_inputs()[0].name: x.numpy()})
    stream = torch.cuda.Stream()
    provider = {
        "prefer_nhwc": str(int(x.dtype is torch.float16)),
        "use_tf32": "0",
        "enable_cuda_graph": "1",
        "user_compute_stream": str(stream.cuda_stream),
    }
    session = ort.InferenceSession(proto, options, providers=[("CUDAExecutionProvider", provider)], enable_fallback=0)
    torch.cuda.synchronize()  # x is there
    binding = session.io_binding()
    binding.bind_input(session.get_inputs()[0].name, DEVICE, 0, TYPES[x.dtype], tuple(x.shape), x.data_ptr())
    binding.bind_output(session.get_outputs()[0].name, DEVICE, 0, TYPES[y.dtype], tuple(y.shape), y.data_ptr())
    run_options = ort.RunOptions()
    run_options.add_run_config_entry("disable_synchronize_execution_providers", "1")

    def call(held: Any = (stream, x, y)) -> None:
        session.run_with_iobinding(binding, run_options)
        stream.synchronize()

    return call


def synchronized(call: Callable[[], Any]) -> Contestant:
    """The call until the GPU is done."""
    if CPU:
        return call

    def until_done() -> Any:
        result = call()
        torch.cuda.current_stream().synchronize()
        return result

    return until_done


def inference(model: Any, x: torch.Tensor) -> Callable[[], Any]:
    """PyTorch's forward without gradients."""

    def call() -> Any:
        with torch.inference_mode():
            return model(x)

    return call


def ours(engine: Any, given: torch.Tensor) -> Contestant:
    """Our engine, from the tensor to a new one."""
    return synchronized(lambda: engine(given.numpy() if CPU else given))


def resnet50_race(batch: int, engines: dict[str, Any], model: Any) -> Race:
    """ResNet-50 at one batch size."""
    reference = TorchResNet50(AsKeras(model)).eval().to(DEVICE, HALF)
    x = torch.randn(batch, 3, SIZE, SIZE, device=DEVICE, dtype=HALF)
    images, y = x.permute(0, 2, 3, 1).contiguous(), torch.empty(batch, 1000, device=DEVICE, dtype=HALF)
    plain = plain_onnx_runtime(exported(reference, x), x, y)
    last = reference.to(memory_format=torch.channels_last)
    given = x.to(memory_format=torch.channels_last)
    contestants = {"plain ONNX Runtime": plain}
    contestants |= {name: ours(engine, images) for name, engine in engines.items()}
    contestants["torch eager, channels last"] = synchronized(inference(last, given))
    if not CPU:
        compiled = torch.compile(last, mode="reduce-overhead", dynamic=False)
        contestants['torch.compile(mode="reduce-overhead")'] = synchronized(inference(compiled, given))
    check({name: contestants[name]() for name in contestants}, y)
    calls = 2 if CPU else 20 if batch < 100 else 5
    return measured(contestants, f"ResNet-50, float16, batch {batch}", calls)


def lstm_layer() -> Any:
    """The layer in trtnn with random weights."""
    layer, rng = nn.Bidirectional(nn.LSTM(FEATURES, UNITS, return_sequences=True)), np.random.default_rng(0)
    for parameter in layer.parameters():
        parameter.assign(rng.normal(0, 0.04, parameter.shape).astype(np.float32))
    return layer


def lstm_node(arrays: list[np.ndarray]) -> bytes:
    """One ONNX LSTM node between transposes, from Keras's weights in order: (batch, time, features) to (batch, time,
    2 * units)."""
    from onnx import TensorProto, helper, numpy_helper

    def stacked(weights: list[np.ndarray]) -> np.ndarray:
        return np.stack([np.concatenate([np.split(w, 4, -1)[i] for i in (0, 3, 1, 2)], -1).T for w in weights])

    kernel, recurrent, bias = (stacked(list(pair)) for pair in zip(arrays[:3], arrays[3:], strict=True))
    weights = {"W": kernel, "R": recurrent, "B": np.concatenate([bias, np.zeros_like(bias)], -1)}
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=(1, 0, 2)),
        helper.make_node("LSTM", ["t", *weights], ["o"], direction="bidirectional", hidden_size=UNITS),
        helper.make_node("Transpose", ["o"], ["p"], perm=(2, 0, 1, 3)),
        helper.make_node("Reshape", ["p", "shape"], ["y"]),
    ]
    held = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    held.append(numpy_helper.from_array(np.array([0, 0, -1]), "shape"))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", STEPS, FEATURES])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", STEPS, 2 * UNITS])
    graph = helper.make_graph(nodes, "lstm", [x], [y], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(model.SerializeToString())


def torch_lstm(arrays: list[np.ndarray]) -> Any:
    """``torch.nn.LSTM`` with Keras's weights, in order."""
    lstm = torch.nn.LSTM(FEATURES, UNITS, batch_first=True, bidirectional=True)
    for suffix, weights in (("", arrays[:3]), ("_reverse", arrays[3:])):
        kernel, recurrent, bias = (torch.from_numpy(weight.T.copy()) for weight in weights)
        values = {"weight_ih_l0": kernel, "weight_hh_l0": recurrent, "bias_ih_l0": bias, "bias_hh_l0": 0 * bias}
        lstm.load_state_dict({name + suffix: value for name, value in values.items()}, strict=False)
    return lstm.eval().to(DEVICE)


def lstm_race(batch: int, engine: Any, layer: Any) -> Race:
    """The LSTM at one batch size."""
    arrays = [np.array(parameter.data) for parameter in layer.parameters()]
    x = torch.randn(batch, STEPS, FEATURES, device=DEVICE)
    y = torch.empty(batch, STEPS, 2 * UNITS, device=DEVICE)
    lstm = torch_lstm(arrays)
    contestants = {"plain ONNX Runtime": plain_onnx_runtime(lstm_node(arrays), x, y)}
    contestants["trtnn"] = ours(engine, x)
    contestants["torch eager (cuDNN)"] = synchronized(inference(lambda x: lstm(x)[0], x))
    check({name: contestants[name]() for name in contestants}, y)
    title = f"Bidirectional LSTM, {FEATURES} to {UNITS}, {STEPS} steps, float32, batch {batch}"
    return measured(contestants, title, 2 if CPU else 20)


def overhead_race() -> Race:
    """What a call costs where the GPU has next to nothing to do."""
    layer, rng = nn.Sequential(nn.Linear(16, 16)), np.random.default_rng(0)
    for parameter in layer.parameters():
        parameter.assign(rng.normal(size=parameter.shape).astype(np.float32))
    x = torch.randn(1, 16, device=DEVICE)
    y = torch.empty(1, 16, device=DEVICE)
    weight = torch.from_numpy(np.array(next(iter(layer.parameters())).data).T.copy()).to(DEVICE)
    linear = torch.nn.Linear(16, 16).to(DEVICE)
    linear.weight.data.copy_(weight)
    linear.bias.data.copy_(torch.from_numpy(np.array(list(layer.parameters())[1].data)))
    contestants = {"plain ONNX Runtime": plain_onnx_runtime(exported(linear.eval(), x), x, y)}
    for name, options in {"trtnn": graphs(), "trtnn without graphs": {"device": DEVICE}}.items():
        engine = layer.compile(nn.Input("batch", 16), target="onnxruntime", **options)
        contestants[name] = ours(engine, x)
    contestants["torch eager"] = synchronized(inference(linear, x))
    check({name: contestants[name]() for name in contestants}, y)
    return measured(contestants, "A dense layer of 16 by 16, batch 1", 20 if CPU else 500)


def graphs() -> dict[str, Any]:
    """Our best settings."""
    return {"device": DEVICE, **({} if CPU else {"cuda_graphs": True})}


def check(results: dict[str, Any], y: torch.Tensor) -> None:
    """All contestants compute the same; plain ONNX Runtime's result on a GPU is in ``y``."""
    found = {name: _host(y if one is None else one) for name, one in results.items()}
    want = found["plain ONNX Runtime"].astype(np.float32)
    for name, one in found.items():
        error = np.abs(one.astype(np.float32) - want).max() / np.abs(want).max()
        print(f"  {name}: differs by {error:.1e} of the largest")
        assert error < 0.05, name


def _host(one: Any) -> np.ndarray:
    one = one[0] if isinstance(one, list) else one
    return one if isinstance(one, np.ndarray) else one.detach().cpu().numpy()


def measured(contestants: dict[str, Contestant], title: str, calls: int) -> Race:
    """The race, with the GPU's name."""
    found = race(contestants, title=title, rounds=3 if CPU else 15, calls=calls)
    if not CPU:
        gpu = torch.cuda.get_device_name()
        versions = f"ONNX Runtime {ort.__version__}, PyTorch {torch.__version__}"
        found = attrs.evolve(found, machine=f"{gpu}, {versions}; {found.machine}")
    print(found, flush=True)
    return found


def main(names: Sequence[str]) -> None:
    """Run the named races, and keep the stored results of the others."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    if not CPU:
        torch.cuda.set_stream(torch.cuda.Stream())
    stored = {} if CPU else {one.title: one for one in stored_results(STORED)}
    for name in names:
        for found in RACES[name]():
            stored[found.title] = found
            if not CPU:
                write_results(STORED, list(stored.values()))


def overhead_races() -> Iterator[Race]:
    """One race."""
    yield overhead_race()


def lstm_races() -> Iterator[Race]:
    """One race per batch size."""
    layer = lstm_layer()
    engine = layer.compile(nn.Input("batch", "time", FEATURES), target="onnxruntime", **graphs())
    for batch in (1, 2) if CPU else (1, 16, 64):
        yield lstm_race(batch, engine, layer)


def resnet50_races() -> Iterator[Race]:
    """One race per batch size."""
    model = resnet50()
    half = {} if CPU else {"fp16": True, "io_dtype": "float16"}
    inputs = nn.Input("batch", SIZE, SIZE, 3)
    engines = {"trtnn": model.compile(inputs, target="onnxruntime", **graphs(), **half)}
    engines["trtnn without graphs"] = model.compile(inputs, target="onnxruntime", device=DEVICE, **half)
    for batch in (1, 2) if CPU else (1, 16, 128):
        yield resnet50_race(batch, engines, model)


RACES = {"overhead": overhead_races, "lstm": lstm_races, "resnet50": resnet50_races}

if __name__ == "__main__":
    main([name for name in sys.argv[1:] if name != "--cpu"] or list(RACES))
