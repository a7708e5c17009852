"""Which target to compile for."""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

import attrs

from trtnn.engine import Choice, Engine
from trtnn.errors import ArgumentError
from trtnn.text import did_you_mean

BUILDERS = {  # target -> the module whose `build` makes its engines
    "onnxruntime": "trtnn.backends.onnxruntime.engine",
    "tensorrt": "trtnn.backends.tensorrt.build",
    "tensorrt-rtx": "trtnn.backends.tensorrt.build",
}


COMMON = (
    "inputs",
    "target",
    "dims",
    "quiet",
    "fp16",
    "bf16",
    "int8",
    "fp8",
    "int4",
    "keep_fp32",
    "keep_fp16",
    "io_dtype",
)
"""The options of ``compile`` that all targets have."""


def choose(target: str) -> Choice:
    """The target to compile for, and why. Raises ArgumentError for an unknown one."""
    if target == "auto":
        return _best()
    if not isinstance(target, str) or target not in BUILDERS:
        names = ["auto", *BUILDERS]
        raise ArgumentError(
            "target", expected=", ".join(names), got=repr(target), remedy=did_you_mean(str(target), names)
        )
    return Choice(target, "asked for")


def _best() -> Choice:
    """TensorRT where it can run, ONNX Runtime elsewhere; nothing is imported that is not installed."""
    from trtnn.backends.tensorrt.library import available

    installed = [target for target in ("tensorrt", "tensorrt-rtx") if available(target)]
    if not installed:
        return Choice("onnxruntime", "TensorRT is not installed")
    from trtnn.backends.tensorrt.runtime.starting import why_unsupported
    from trtnn.gpu import library

    problem = library.why_not()
    for target in installed if problem is None else ():
        problem = why_unsupported(target)
        if problem is None:
            return Choice(target, f"it is installed, and there is a GPU for it: {library.device().name}")
    return Choice("onnxruntime", problem or "TensorRT is not installed")


def placed(choice: Choice, options: Mapping[str, Any]) -> Choice:
    """The choice with the device that the options name, for the target that also runs on others than its usual one."""
    return attrs.evolve(choice, device=options.get("device")) if choice.target == "onnxruntime" else choice


def builder_of(choice: Choice) -> Callable[..., Engine]:
    """The function that builds engines for the target."""
    build: Any = import_module(BUILDERS[choice.target]).build
    return build  # type: ignore[no-any-return]


@contextlib.contextmanager
def warming_up(choice: Choice) -> Iterator[None]:
    """Lets the target do in a second thread what it can do before it has a graph, such as loading its library."""
    warm_up = getattr(import_module(BUILDERS[choice.target]), "warm_up", None)
    if warm_up is None:
        yield
        return
    thread = threading.Thread(target=warm_up, args=(choice,))
    thread.start()
    try:
        yield
    finally:
        thread.join()


def options_of(choice: Choice) -> list[str]:
    """The options that the target's ``build`` has."""
    parameters = inspect.signature(builder_of(choice)).parameters.values()
    return [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]


def require_options(choice: Choice, options: Iterable[str]) -> None:
    """Raises ArgumentError for an option that the target's ``build`` does not have."""
    known = options_of(choice)
    for name in options:
        if name not in known:
            raise ArgumentError(
                "compile",
                expected=f"an option of the target {choice.target}: {', '.join(known)}",
                got=repr(name),
                remedy=did_you_mean(name, [*known, *COMMON]),
            )
