"""ONNX Runtime: the graph as an ONNX model, run on the CPU or a GPU."""
