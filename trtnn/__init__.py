"""trtnn: networks trained in TensorFlow, written like PyTorch, compiled to NVIDIA TensorRT.

Names are imported when they are first used, so that ``import trtnn`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trtnn import custom, errors, functional, gpu, layers
    from trtnn.backends.tensorrt.plugins.libraries import load_plugin_library
    from trtnn.containers import ModuleList, Sequential
    from trtnn.custom.declare import custom_op
    from trtnn.custom.kernels import CudaKernel, TritonKernel
    from trtnn.engine import Engine
    from trtnn.graph import Dim, Graph
    from trtnn.importers.keras import from_keras, keras_layer
    from trtnn.inputs import Input
    from trtnn.layers import *  # noqa: F403
    from trtnn.module import Module
    from trtnn.parameter import Parameter
    from trtnn.precision.calibration import Calibration
    from trtnn.precision.compare import verify
    from trtnn.precision.options import PrecisionWarning
    from trtnn.precision.search import find_precision
    from trtnn.tensor import Tensor
    from trtnn.weights import list_weights

__version__ = "0.1.0"
__all__ = [
    "Calibration",
    "CudaKernel",
    "Dim",
    "Engine",
    "Graph",
    "Input",
    "Module",
    "ModuleList",
    "Parameter",
    "PrecisionWarning",
    "Sequential",
    "Tensor",
    "TritonKernel",
    "custom",
    "custom_op",
    "errors",
    "find_precision",
    "from_keras",
    "functional",
    "gpu",
    "keras_layer",
    "layers",
    "list_weights",
    "load_plugin_library",
    "verify",
]

_HOMES = {
    "Calibration": "trtnn.precision.calibration",
    "PrecisionWarning": "trtnn.precision.options",
    "find_precision": "trtnn.precision.search",
    "verify": "trtnn.precision.compare",
    "custom_op": "trtnn.custom.declare",
    "CudaKernel": "trtnn.custom.kernels",
    "TritonKernel": "trtnn.custom.kernels",
    "load_plugin_library": "trtnn.backends.tensorrt.plugins.libraries",
    "Dim": "trtnn.graph",
    "Engine": "trtnn.engine",
    "Graph": "trtnn.graph",
    "Input": "trtnn.inputs",
    "Module": "trtnn.module",
    "ModuleList": "trtnn.containers",
    "Parameter": "trtnn.parameter",
    "Sequential": "trtnn.containers",
    "Tensor": "trtnn.tensor",
    "from_keras": "trtnn.importers.keras",
    "keras_layer": "trtnn.importers.keras",
    "list_weights": "trtnn.weights",
}
_PARTS = ("custom", "errors", "functional", "gpu", "graph", "importers", "layers", "passes", "weights")


def __getattr__(name: str) -> Any:
    """A public name from the module that has it; every layer is one of trtnn's own names too."""
    if name in _PARTS:
        return import_module(f"trtnn.{name}")
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        layers = import_module("trtnn.layers")
        if name not in layers.__all__:
            raise AttributeError(f"module 'trtnn' has no attribute {name!r}")
        value = getattr(layers, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *import_module("trtnn.layers").__all__, "__version__"})
