"""A bidirectional LSTM on our ONNX Runtime engine against the other ways to run Keras's on a CPU, in turns.

    python -m benchmarks.bilstm 1 16

512 features to 512 units per direction, 80 steps. A ratio above 1 means slower than trtnn. The goal: none below 1.
"plain ONNX" is a session of the bidirectional LSTM node alone, between transposes in NumPy, since the node takes (time,
batch, features) and gives (time, 2, batch, units).
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import trtnn as nn
from benchmarks.common import THREADS, race, write_results
from tests.oracle import assert_close, keras, randomize, tensorflow

Float32 = NDArray[np.float32]
Peer = Callable[[Float32], Float32]
FEATURES, UNITS, STEPS = 512, 512, 80


def keras_model() -> Any:
    """Keras's layer with random weights, as a model."""
    library = keras(THREADS)
    lstm = library.layers.LSTM(UNITS, return_sequences=True)
    model = library.Sequential([library.Input((STEPS, FEATURES)), library.layers.Bidirectional(lstm)])
    randomize(model, np.random.default_rng(0))
    return model


def trtnn_engine(model: Any) -> Peer:
    """The same layer in trtnn: dynamic batch and time."""
    layer = nn.Bidirectional(nn.LSTM(FEATURES, UNITS, return_sequences=True))
    for parameter, weight in zip(layer.parameters(), model.weights, strict=True):
        parameter.assign(np.asarray(weight))
    engine: Peer = layer.compile(nn.Input("batch", "time", FEATURES), target="onnxruntime", threads=THREADS)
    return engine


def plain_onnx(model: Any) -> Peer:
    """A session of one LSTM node, with the transposes in NumPy."""
    import onnx
    import onnxruntime
    from onnx import helper, numpy_helper

    def stacked(weights: list[Any]) -> Float32:
        return np.stack([np.concatenate([np.split(w, 4, -1)[i] for i in (0, 3, 1, 2)], -1).T for w in weights])

    forward, backward = ([np.asarray(weight) for weight in model.weights[i : i + 3]] for i in (0, 3))
    kernel, recurrent, bias = (stacked(list(pair)) for pair in zip(forward, backward, strict=True))
    arrays = {"W": kernel, "R": recurrent, "B": np.concatenate([bias, np.zeros_like(bias)], -1)}
    node = helper.make_node("LSTM", ["x", *arrays], ["y"], direction="bidirectional", hidden_size=UNITS)
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in "xy")
    x.type.tensor_type.shape.CopyFrom(helper.make_tensor_type_proto(1, ["t", "b", FEATURES]).tensor_type.shape)
    weights = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph([node], "lstm", [x], [y], weights)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), _options(), providers=["CPUExecutionProvider"])

    def call(inputs: Float32) -> Float32:
        (found,) = session.run(None, {"x": np.ascontiguousarray(inputs.swapaxes(0, 1))})
        return found.transpose(2, 0, 1, 3).reshape(len(inputs), STEPS, 2 * UNITS)  # type: ignore[no-any-return]

    return call


def _options() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    return options


@functools.cache
def tf2onnx_model(model: Any) -> bytes:
    """What tf2onnx makes of the Keras model: one LSTM node as well."""
    import tf2onnx

    tf = tensorflow(THREADS)
    signature = [tf.TensorSpec((None, STEPS, FEATURES), tf.float32, name="x")]
    function = tf.function(lambda x: model(x, training=False), input_signature=signature)
    proto, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=17)
    data: bytes = proto.SerializeToString()
    return data


def tf2onnx_onnxruntime(model: Any) -> Peer:
    """tf2onnx's model in ONNX Runtime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(tf2onnx_model(model), _options(), providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, {"x": inputs})[0]


def openvino(model: Any) -> Peer:
    """tf2onnx's model in OpenVINO, in f32 (its default is bf16 where the CPU has it)."""
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": THREADS, "PERFORMANCE_HINT": "LATENCY"}
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(tf2onnx_model(model)), "CPU", settings)
    return lambda inputs: compiled(inputs)[0].copy()  # what it returns is overwritten by the next call


def tf_function(model: Any, xla: bool = False) -> Peer:
    """``tf.function``: a TensorFlow graph, compiled by XLA or not."""
    call = tensorflow(THREADS).function(lambda x: model(x, training=False), jit_compile=xla)
    return lambda inputs: call(inputs).numpy()


def torch_eager(model: Any) -> Peer:
    """``torch.nn.LSTM``, eager. PyTorch's gates are i, f, g, o as Keras's, its weights transposed."""
    import torch

    torch.set_num_threads(THREADS)
    lstm = torch.nn.LSTM(FEATURES, UNITS, batch_first=True, bidirectional=True).eval()
    for suffix, weights in (("", model.weights[:3]), ("_reverse", model.weights[3:])):
        kernel, recurrent, bias = (torch.from_numpy(np.array(weight).T.copy()) for weight in weights)
        values = {"weight_ih_l0": kernel, "weight_hh_l0": recurrent, "bias_ih_l0": bias, "bias_hh_l0": 0 * bias}
        lstm.load_state_dict({name + suffix: value for name, value in values.items()}, strict=False)

    def call(inputs: Float32) -> Float32:
        with torch.inference_mode():
            found: Float32 = lstm(torch.from_numpy(inputs))[0].numpy()
        return found

    return call


PEERS: dict[str, Callable[[Any], Peer]] = {
    "trtnn": trtnn_engine,
    "plain ONNX": plain_onnx,
    "tf2onnx + ONNX Runtime": tf2onnx_onnxruntime,
    "OpenVINO f32": openvino,
    "tf.function": tf_function,
    "XLA": functools.partial(tf_function, xla=True),
    "torch eager": torch_eager,
}


def available(model: Any) -> dict[str, Peer]:
    """The contestants that can run here, each checked against the Keras model."""
    inputs = sequences(2)
    want, peers = np.asarray(model(inputs, training=False)), {}
    for name, make in PEERS.items():
        try:
            peer = make(model)
        except ImportError as error:
            print(f"{name}: left out, {error}")
            continue
        assert_close(peer(inputs), want, 1e-4)
        peers[name] = peer
    return peers


def sequences(batch: int) -> Float32:
    """Random inputs (batch, time, features)."""
    return np.random.default_rng(batch).normal(0, 1, (batch, STEPS, FEATURES)).astype(np.float32)


def main() -> None:
    """Race the contestants at the batch sizes given on the command line."""
    peers, races = available(keras_model()), []
    for batch in map(int, sys.argv[1:] or ("1", "16")):
        contestants = {name: functools.partial(peer, sequences(batch)) for name, peer in peers.items()}
        title = f"Bidirectional LSTM, {FEATURES} to {UNITS}, {STEPS} steps, batch {batch}"
        races.append(race(contestants, title=title, rounds=15, calls=3 if batch < 4 else 1))
        print(races[-1])
    write_results("bilstm", races)


if __name__ == "__main__":
    main()
