"""The options of ``compile`` on the command line: what they are called, and the keywords that they become."""

from __future__ import annotations

import argparse
from argparse import BooleanOptionalAction
from typing import Any

from trtnn.cli.values import byte_count, dim_range, integer, number, one_of

TARGETS = ("auto", "onnxruntime", "tensorrt", "tensorrt-rtx")
PRECISIONS = ("fp16", "bf16", "int8", "fp8", "int4")
TARGET_OPTIONS = (
    "device",
    "threads",
    "prefer_nhwc",
    "optimization_level",
    "workspace",
    "timing_cache",
    "compute_capabilities",
    "refittable",
    "kernels",
    "tf32",
    "sparsity",
    "cuda_graphs",
    "max_contexts",
    "check_nan",
)


def add_compile_options(parser: argparse.ArgumentParser) -> None:
    """Adds what ``build``, ``verify`` and ``bench`` have in common."""
    parser.add_argument(
        "--target", type=one_of(*TARGETS), default="auto", metavar="NAME", help=f"{', '.join(TARGETS)} (default: auto)"
    )
    _add_precision(parser.add_argument_group("precision"))
    _add_sizes(parser.add_argument_group("sizes"))
    _add_target_options(parser.add_argument_group("options of a target"))


def _add_precision(group: Any) -> None:
    group.add_argument("--fp16", action="store_true", help="half precision, and float32 where half would hurt")
    group.add_argument("--bf16", action="store_true", help="the same in bfloat16")
    for name in ("int8", "fp8"):
        group.add_argument(
            f"--{name}",
            metavar="SAMPLES",
            help=f"{name} with ranges found on samples: .npz, .npy, or a saved calibration's .json",
        )
    group.add_argument("--int4", action="store_true", help="weights of linear layers in 4 bits")
    methods = ("entropy", "percentile", "minmax")
    group.add_argument(
        "--calibration-method",
        type=one_of(*methods),
        default="entropy",
        metavar="NAME",
        help=f"{', '.join(methods)} (default: entropy)",
    )
    group.add_argument(
        "--percentile", type=number, default=99.99, metavar="P", help="of that method (default: %(default)s)"
    )
    for kept, what in (("keep-fp32", "in float32"), ("keep-fp16", "out of int8, fp8 and int4")):
        group.add_argument(
            f"--{kept}",
            action="append",
            default=[],
            metavar="PATH",
            help=f"module path or pattern, such as 'encoder.*', to leave {what}; repeatable",
        )
    types = ("float32", "float16", "bfloat16")
    group.add_argument(
        "--io-dtype",
        type=one_of(*types),
        default="float32",
        metavar="DTYPE",
        help=f"of inputs and outputs: {', '.join(types)} (default: float32)",
    )


def _add_sizes(group: Any) -> None:
    group.add_argument(
        "--dim",
        type=dim_range,
        action="append",
        default=[],
        metavar="NAME=MIN,OPT,MAX",
        help="range of a named dim, such as batch=1,8,64; repeatable",
    )
    group.add_argument(
        "--optimization-profile",
        type=dim_range,
        action="append",
        nargs="+",
        default=[],
        metavar="NAME=MIN,OPT,MAX",
        help="one more TensorRT profile; dims that it leaves out are as in --dim; repeatable",
    )


def _add_target_options(group: Any) -> None:
    """Left at None, an option is not passed on, and the target's own default holds."""
    group.add_argument("--device", metavar="NAME", help="ONNX Runtime: cpu, cuda or cuda:1 (default: cpu)")
    group.add_argument("--threads", type=integer(0), metavar="N", help="ONNX Runtime: threads of one call on the CPU")
    group.add_argument(
        "--prefer-nhwc", action=BooleanOptionalAction, help="ONNX Runtime on CUDA: convolve channels last, or do not"
    )
    group.add_argument(
        "--optimization-level", type=integer(0, 5), metavar="N", help="TensorRT: 0 builds fastest, 5 runs fastest"
    )
    group.add_argument("--workspace", type=byte_count, metavar="BYTES", help="TensorRT: scratch memory, such as 4GiB")
    group.add_argument("--timing-cache", metavar="FILE", help="TensorRT: measurements that the next build reuses")
    group.add_argument(
        "--compute-capability",
        dest="compute_capabilities",
        action="append",
        metavar="X.Y",
        help="TensorRT-RTX: kind of GPU to build for, such as 8.9, or current; repeatable",
    )
    group.add_argument("--max-contexts", type=integer(1), metavar="N", help="TensorRT: calls that may run at once")
    for name, what in (
        ("refittable", "TensorRT: weights can be replaced later"),
        ("kernels", "TensorRT: note the plan's kernels, by which a profile finds the modules; a little larger"),
        ("sparsity", "TensorRT: kernels for 2:4 sparse weights"),
        ("tf32", "on a GPU: float32 products may round to 10 bits"),
        ("cuda-graphs", "on a GPU: capture each shape's work once and replay it"),
    ):
        group.add_argument(f"--{name}", action="store_const", const=True, help=what)
    group.add_argument("--no-check-nan", dest="check_nan", action="store_const", const=False, help="let NaN through")


def option_of(name: str) -> str:
    """What a keyword of ``compile`` is called on the command line."""
    return {"compute_capabilities": "--compute-capability", "check_nan": "--no-check-nan", "dims": "--dim"}.get(
        name, f"--{name.replace('_', '-')}"
    )


def target_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of a target that were given, as keywords."""
    given = {name: getattr(arguments, name) for name in TARGET_OPTIONS}
    return {name: value for name, value in given.items() if value is not None}
