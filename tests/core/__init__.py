"""Tests of the core that need neither TensorFlow nor TensorRT."""
