"""From precision options to passes: what happens to a lowered graph before its target gets it."""

from __future__ import annotations

import warnings

import attrs

from trtnn.engine import Choice
from trtnn.errors import ArgumentError, UnsupportedError
from trtnn.graph import DType, Graph
from trtnn.graph import ops as g
from trtnn.passes.casts import cast_border, collapse_casts
from trtnn.passes.dead import remove_dead
from trtnn.passes.emulate import emulate_half
from trtnn.passes.half import to_half
from trtnn.passes.quantize import observed, quantize
from trtnn.passes.quantize_plan import Keep
from trtnn.passes.recurrent import lower_recurrent
from trtnn.passes.scales import Scheme
from trtnn.passes.weight_only import BLOCKS, quantize_weights_only
from trtnn.precision.calibration import Calibration
from trtnn.precision.options import Precision, PrecisionWarning
from trtnn.precision.patterns import chooser, require_known

SCHEMES = {"onnxruntime": Scheme(DType.uint8, closed=True)}
"""What a target wants quantized, where that differs from TensorRT's int8 around zero."""

FP8 = Scheme(DType.float8, kinds=(g.MatMul,))
"""FP8 is for matrix products, which is what GPUs have it for."""


def on_cpu(choice: Choice) -> bool:
    """Whether the engine runs on a CPU, which has no arithmetic for half precision: it is computed in float32 there."""
    return choice.target == "onnxruntime" and choice.device in (None, "cpu")


def apply_precision(graph: Graph, precision: Precision, traced: Graph, choice: Choice) -> tuple[Graph, Choice]:
    """The lowered graph in the precision, and the choice with a note of it.

    ``traced`` is the graph before lowering, whose modules the patterns name. Weights that leave float16's range are
    reported with a PrecisionWarning. Raises ArgumentError for an unknown pattern and UnsupportedError for what the
    target does not have.
    """
    for option in ("keep_fp32", "keep_fp16"):
        require_known(option, getattr(precision, option), traced)
    if precision.io_dtype is DType.bfloat16 and choice.target == "onnxruntime":
        raise UnsupportedError(
            "io_dtype", problem="ONNX Runtime takes no bfloat16 arrays", remedy='use io_dtype="float16" or "float32"'
        )
    said = str(precision)
    keep = chooser((*precision.keep_fp32, *precision.keep_fp16))
    if precision.int8 is not None:
        graph = _to_8_bits(graph, "int8", precision.int8, SCHEMES.get(choice.target, Scheme()), keep)
    if precision.fp8 is not None:
        graph = _to_8_bits(graph, "fp8", precision.fp8, FP8, keep)
    if precision.int4:
        graph = _to_int4(graph, keep)
    if precision.half is not None:
        graph = _to_half(graph, precision.half, precision, choice)
    if precision.io_dtype is not DType.float32:
        graph = cast_border(graph, precision.io_dtype)
    graph = remove_dead(collapse_casts(graph))
    if precision.half is not None and _emulates(choice, precision.half):
        graph = remove_dead(emulate_half(graph))
        said += " (emulated: computed in float32, rounded after every operation)"
    return graph, attrs.evolve(choice, precision=said)


def _to_8_bits(graph: Graph, option: str, calibration: Calibration, scheme: Scheme, keep: Keep) -> Graph:
    values = observed(graph)
    if not values:
        raise ArgumentError(option, problem=f"{graph.name} has no convolution and no linear layer to quantize")
    graph, quantized = quantize(graph, calibration.collect(graph, values), scheme, keep)
    if not quantized:
        warnings.warn("keep_fp32 and keep_fp16 leave nothing to quantize", PrecisionWarning, stacklevel=6)
    return graph


def _to_int4(graph: Graph, keep: Keep) -> Graph:
    graph, count = quantize_weights_only(graph, keep)
    if not count:
        blocks = " or ".join(map(str, BLOCKS))
        raise ArgumentError(
            "int4", problem=f"{graph.name} has no linear layer of a multiple of {blocks} inputs to quantize"
        )
    return graph


def _emulates(choice: Choice, half: DType) -> bool:
    """ONNX Runtime has no convolution in bfloat16 on any device."""
    return on_cpu(choice) or (choice.target == "onnxruntime" and half is DType.bfloat16)


def _to_half(graph: Graph, half: DType, precision: Precision, choice: Choice) -> Graph:
    """Recurrent layers become loops with half products; but ONNX Runtime's loops are slow on a GPU, where it has
    recurrent layers of cuDNN instead: they stay, in float32."""
    loops = graph if choice.target == "onnxruntime" and not _emulates(choice, half) else lower_recurrent(graph)
    graph, report = to_half(loops, half, chooser(precision.keep_fp32))
    if report.overflowed or report.underflowed:
        warnings.warn(f"{half} does not hold all weights:\n{report}", PrecisionWarning, stacklevel=6)
    return graph
