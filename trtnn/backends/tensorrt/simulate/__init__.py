"""Evaluating a TensorRT network in NumPy, with no GPU: the very network that is compiled, read back layer by layer.

``evaluate`` reads and runs a network once; ``Simulation`` reads it once and runs it many times. The meaning of every
layer is TensorRT's documentation of it; results of layers on half-precision tensors are rounded to the tensor's type,
after computing in float32.
"""

from trtnn.backends.tensorrt.simulate.simulation import Simulation, evaluate

__all__ = ["Simulation", "evaluate"]
