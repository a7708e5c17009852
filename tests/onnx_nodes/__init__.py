"""The node tests of the ONNX standard, for the operations that ONNX and trtnn have in common."""
