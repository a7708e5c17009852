"""One application of Keras by the other road, in a process of its own: tf2onnx, the ONNX parser, a TensorRT-RTX plan.

    python -m benchmarks.applications_onnx NAME

It may take 14 GB of memory, which is not enough for VGG16: without a bound tf2onnx takes all that this machine has. It
leaves ``files/NAME.onnx``, and prints seconds and peak memory up to the plan, and its kernels, as one line of JSON.
"""

from __future__ import annotations

import resource
import sys
from typing import Any

from benchmarks.common import FILES, THREADS, report
from benchmarks.tf2onnx_route import Phases, convert
from trtnn.backends.tensorrt.errors import logger_of
from trtnn.backends.tensorrt.kernels import recorded_kernels
from trtnn.backends.tensorrt.library import load

MEMORY_GB = 14


def build(content: bytes, image: tuple[int, ...], phases: Phases) -> int:
    """Builds a plan for batch 1 to 16 and counts its kernels. Raises RuntimeError with the parser's complaint."""
    library = load("tensorrt-rtx")
    trt = library.trt
    logger = logger_of(trt)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(content):
        raise RuntimeError(f"the ONNX parser: {parser.get_error(0).desc()}")
    phases.done("parse")
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()
    profile.set_shape("image", *((batch, *image) for batch in (1, 8, 16)))
    config.add_optimization_profile(profile)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    with recorded_kernels() as kernels:
        plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise RuntimeError("TensorRT made no plan; its messages are above")
    phases.done("build")
    return len(kernels)


def main(name: str) -> None:
    """Go the whole way and print what it took."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_GB * 10**9,) * 2)
    phases = Phases()
    from tests.oracle import keras

    model: Any = keras(THREADS).models.load_model(FILES / f"{name}.keras")
    phases.done("load")
    content = convert(model)
    phases.done("tf2onnx")
    (FILES / f"{name}.onnx").write_bytes(content)
    kernels = build(content, tuple(model.input_shape[1:]), phases)
    report(wall_s=round(phases.last - phases.start, 3), kernels=kernels, **phases.reached)


if __name__ == "__main__":
    main(*sys.argv[1:])
