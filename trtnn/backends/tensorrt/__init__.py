"""The TensorRT target: emit a graph as a network, build its plan, simulate the network in NumPy."""
