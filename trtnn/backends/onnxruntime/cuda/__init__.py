"""ONNX Runtime on a GPU: calls in the order of the caller's stream, without copies, captured as CUDA graphs."""
