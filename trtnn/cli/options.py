"""All commands and their options, on one page. Nothing but the parser is imported for it."""

from __future__ import annotations

from typing import Any

import trtnn
from trtnn.cli.compile_options import TARGETS, add_compile_options
from trtnn.cli.parser import Parser
from trtnn.cli.values import argument, batch_sizes, declared_input, dim_size, name_rule, number, one_of

_ABOUT = "Networks trained in TensorFlow, compiled to NVIDIA TensorRT or ONNX Runtime."
_SOURCE = """SOURCE is a Keras file (.keras, .h5), or a class: package.module:Class or path/to/file.py:Class,
with --weights FILE for a file that TensorFlow wrote. Modules are found from the current folder too."""


def make_parser() -> Parser:
    """The parser of ``trtnn``; what it returns has the command in ``command``."""
    parser = Parser(
        "trtnn",
        description=_ABOUT,
        examples=[
            "trtnn doctor",
            "trtnn build model.keras --target tensorrt --fp16 --dim batch=1,8,64 --output model.plan",
            "trtnn inspect model.plan",
            "trtnn COMMAND --help    more examples",
        ],
    )
    parser.add_argument("--version", action="version", version=f"trtnn {trtnn.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
    for add in (_add_build, _add_inspect, _add_verify, _add_bench, _add_doctor):
        add(commands)
    return parser


def _add_build(commands: Any) -> None:
    parser = _add(
        commands,
        "build",
        "SOURCE --output FILE [options]",
        "compile a network into an engine file",
        _SOURCE,
        "trtnn build model.keras --target onnxruntime --output model.onnx",
        "trtnn build model.keras --target tensorrt --fp16 --dim batch=1,8,64 --output model.plan",
        "trtnn build nets/digits.py:Digits --weights digits.ckpt --target tensorrt-rtx --output digits.plan",
        "trtnn build nets.resnet:ResNet --arg classes=10 --weights logs/ --int8 samples.npy --output resnet.onnx",
    )
    _add_source(parser)
    parser.add_argument(
        *("--output", "-o"),
        required=True,
        metavar="FILE",
        help="the file to write; FILE.json beside it says what it is",
    )
    add_compile_options(parser)


def _add_inspect(commands: Any) -> None:
    parser = _add(
        commands,
        "inspect",
        "FILE [options]",
        "show what is in an engine, a weights file or a Keras file",
        "FILE is an engine (.plan, .onnx), weights (a checkpoint's prefix or folder, a SavedModel folder, .npz, .h5),\n"
        "or a Keras model (.keras, .h5). Exit code 1 for a Keras model that cannot be converted.",
        "trtnn inspect model.plan",
        "trtnn inspect logs/model.ckpt-100",
        "trtnn inspect model.keras",
    )
    parser.add_argument("file", metavar="FILE", help="the file, or a checkpoint's prefix or folder")
    parser.add_argument(
        "--target",
        type=one_of(*TARGETS[1:]),
        metavar="NAME",
        help=f"what an engine without a sidecar is for: {', '.join(TARGETS[1:])}",
    )
    _add_imports(parser)


def _add_verify(commands: Any) -> None:
    parser = _add(
        commands,
        "verify",
        "SOURCE [options]",
        "compare a compiled network with the float32 network",
        f"{_SOURCE}\nThe inputs are random unless they are given. Exit code 1 when an output is off by more than the "
        "tolerance.",
        "trtnn verify model.keras --fp16",
        "trtnn verify model.keras --each --fp16 --bf16 --int4 --inputs samples.npz --tolerance 0.01",
        "trtnn verify nets.digits:Digits --weights digits.ckpt --target tensorrt-rtx",
    )
    _add_source(parser)
    group = parser.add_argument_group("comparison")
    group.add_argument("--inputs", metavar="FILE", help="arrays by the names of the inputs, .npz or .npy")
    group.add_argument("--reference", metavar="FILE", help="outputs to compare with instead, .npz or .npy")
    group.add_argument(
        "--tolerance",
        type=number,
        default=0.05,
        metavar="RATIO",
        help="largest difference over the largest value that passes (default: %(default)s)",
    )
    group.add_argument("--each", action="store_true", help="try the given precisions one by one, not together")
    _add_size(group)
    group.add_argument("--plot", metavar="FILE", help="picture of every module's error, .png or .svg")
    add_compile_options(parser)


def _add_bench(commands: Any) -> None:
    parser = _add(
        commands,
        "bench",
        "ENGINE_OR_SOURCE [options]",
        "measure speed against other ways to run the network",
        f"ENGINE is a file that trtnn build wrote.\n{_SOURCE}\n"
        "Whatever of ONNX Runtime and TensorFlow is installed and can run the same network takes turns with it in this "
        "process.",
        "trtnn bench model.plan --batch 1,16",
        "trtnn bench model.keras --fp16 --plot bench.png",
        "trtnn bench model.keras --profile --trace trace.json",
    )
    _add_source(parser, metavar="ENGINE_OR_SOURCE")
    group = parser.add_argument_group("measurement")
    group.add_argument(
        "--batch",
        type=batch_sizes,
        action="extend",
        metavar="N,...",
        help="batch sizes to measure, such as 1,16; repeatable (default: the best one of its range)",
    )
    _add_size(group)
    group.add_argument("--seconds", type=number, default=1.0, metavar="S", help="for each row (default: %(default)s)")
    group.add_argument("--alone", action="store_true", help="measure this engine only")
    group.add_argument("--plot", metavar="FILE", help="picture of the throughput by batch size, .png or .svg")
    group.add_argument("--profile", action="store_true", help="time per layer and per module, too")
    group.add_argument("--trace", metavar="FILE", help="write that as a Chrome trace, .json")
    add_compile_options(parser)


def _add_doctor(commands: Any) -> None:
    _add(
        commands,
        "doctor",
        "[options]",
        "find out what works here, why not, and what mends it",
        "Tries every target on a tiny network. Exit code 1 when something that is installed is broken.",
        "trtnn doctor",
        "trtnn doctor --json",
    )


def _add(commands: Any, name: str, usage: str, summary: str, description: str, *examples: str) -> Parser:
    parser: Parser = commands.add_parser(
        name,
        usage=f"trtnn {name} {usage}",
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.\n\n{description}",
        examples=examples,
    )
    parser.add_argument("--json", action="store_true", help="print the result as one JSON document")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _add_source(parser: Parser, metavar: str = "SOURCE") -> None:
    parser.add_argument("source", metavar=metavar, help="see above")
    group = parser.add_argument_group("network")
    group.add_argument("--weights", metavar="FILE", help="checkpoint's prefix or folder, SavedModel folder, .npz, .h5")
    group.add_argument(
        "--name-map",
        type=name_rule,
        action="append",
        metavar="PATTERN=NAME",
        help="regular expression in the network's names, and what the file has for it; repeatable",
    )
    group.add_argument(
        "--arg",
        type=argument,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="argument of the class's constructor; repeatable",
    )
    group.add_argument(
        "--input",
        type=declared_input,
        action="append",
        default=[],
        metavar="NAME=DIM,...",
        help="an input's shape, such as image=batch,224,224,3 or tokens=int32[batch,time]; repeatable",
    )
    _add_imports(group)


def _add_size(group: Any) -> None:
    group.add_argument(
        "--size",
        type=dim_size,
        action="append",
        default=[],
        metavar="NAME=N",
        help="size of a named dim of random inputs; repeatable (default: the best one of its range)",
    )


def _add_imports(parser: Any) -> None:
    parser.add_argument(
        "--import",
        dest="imports",
        action="append",
        default=[],
        metavar="MODULE",
        help="module to import first, for its custom ops and Keras converters; repeatable",
    )
