"""What a benchmark measures: this engine, and whatever else is installed that runs the same network."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import numpy as np

from trtnn import gpu
from trtnn.cli.engines import short
from trtnn.cli.source import KERAS_SUFFIXES
from trtnn.engine import Engine
from trtnn.errors import UnsupportedError
from trtnn.graph import DType
from trtnn.module import Module

Arrays: TypeAlias = Mapping[str, np.ndarray]
Call: TypeAlias = Callable[[Arrays], list[np.ndarray]]


@attrs.frozen
class Contestant:
    """Something that runs the network: ``call`` takes the inputs by name and gives the outputs as NumPy arrays, in
    order. ``absent`` says why it does not take part, or is empty."""

    name: str
    call: Call | None = None
    absent: str = ""


def of_engine(engine: Engine) -> Contestant:
    """The engine as a program calls it: with its checks, arrays in and out."""
    return Contestant(f"trtnn, {engine.target}, {short(engine.precision)}", lambda feeds: flat(engine(**feeds)))


def others(engine: Engine, source: str, model: Module | None) -> list[Contestant]:
    """Every other way to run the network of ``source``, whether it is possible here or not."""
    found = [_plain_onnxruntime(engine, source, model), _tensorflow(source), _torch()]
    return found if source.lower().endswith(".onnx") else [_in_float32(one) for one in found]


def _in_float32(one: Contestant) -> Contestant:
    """The contestant with float32 inputs where the engine takes half precision."""
    call = one.call
    if call is None:
        return one
    return attrs.evolve(one, call=lambda feeds: call({name: _widened(array) for name, array in feeds.items()}))


def _widened(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype in (DType.float16.numpy, DType.bfloat16.numpy) else array


def flat(result: Any) -> list[np.ndarray]:
    """The arrays of a result, whatever its structure, in order."""
    if isinstance(result, Mapping):
        result = list(result.values())
    return [one for part in result for one in flat(part)] if isinstance(result, (tuple, list)) else [np.asarray(result)]


def _plain_onnxruntime(engine: Engine, source: str, model: Module | None) -> Contestant:
    """A session with ONNX Runtime's own defaults, of the saved engine or else of the network in float32."""
    name = "ONNX Runtime alone"
    if source.lower().endswith(".onnx"):
        return _session(name, source)
    if model is None:
        return Contestant(name, absent="a plan holds no network that it could run")
    inputs = engine.recipe.inputs if engine.recipe is not None else None
    try:
        plain = model.compile(inputs, target="onnxruntime", quiet=True)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.onnx"
            plain.save(path)
            return _session(f"{name}, float32", str(path))
    except UnsupportedError as error:
        return Contestant(name, absent=str(error))


def _session(name: str, path: str) -> Contestant:
    import onnxruntime

    has_cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers() and gpu.available()
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"] if has_cuda else ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(path, providers=providers)
    names = [output.name for output in session.get_outputs()]
    return Contestant(f"{name}, {'CUDA' if has_cuda else 'CPU'}", lambda feeds: session.run(names, dict(feeds)))


def _tensorflow(source: str) -> Contestant:
    name = "TensorFlow, tf.function"
    if not source.endswith(KERAS_SUFFIXES):
        return Contestant(name, absent="it runs Keras files, and this is none")
    if importlib.util.find_spec("tensorflow") is None:
        return Contestant(name, absent="not installed: pip install tensorflow")
    return Contestant(name, _keras_call(Path(source)))


def _keras_call(path: Path) -> Call:
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # or it takes all of the GPU's memory from the others
    with _silent_stderr():
        tf = importlib.import_module("tensorflow")
        model = tf.keras.models.load_model(path, compile=False)
    function = tf.function(lambda tensors: model(tensors, training=False))

    def call(feeds: Arrays) -> list[np.ndarray]:
        tensors = [tf.constant(array) for array in feeds.values()]  # in Keras's order, as the importer keeps it
        result = function(tensors if len(tensors) > 1 else tensors[0])
        return flat(tf.nest.map_structure(lambda one: one.numpy(), result))

    return call


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Sends what libraries write on standard error to nowhere: TensorFlow greets, whatever its log level is."""
    if sys.stderr is None:  # it is closed
        yield
        return
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _torch() -> Contestant:
    return Contestant("torch", absent="not applicable: nothing runs a TensorFlow network in it")
