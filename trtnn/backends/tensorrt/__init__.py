"""The TensorRT target: emit a graph as a network, build its plan, run it on a GPU, simulate the network in NumPy."""
