"""Builds that failed, in terms of the user's model: the module and the line, the dims and their sizes, what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from trtnn.backends.tensorrt.emit import Network
from trtnn.backends.tensorrt.errors import REPORT, Blame, build_error, find_blame
from trtnn.backends.tensorrt.options import CURRENT, BuildOptions
from trtnn.calling import Ranges
from trtnn.errors import BuildError

_CORNER = re.compile(r"\bk(MIN|OPT|MAX) values for profile (\d+)")
_CORNERS = ("MIN", "OPT", "MAX")
_REFIT_WITHOUT_GPU = re.compile(r"CUDA_SUCCESS|sm_vers_|not found in the accelerator list")
"""What TensorRT-RTX says of a refittable plan where there is no GPU, depending on the network and the options."""


def build_failure(
    network: Network, messages: list[str], profiles: Sequence[Ranges], options: BuildOptions
) -> BuildError:
    """The exception for a network that TensorRT did not build, from what it said."""
    blame = find_blame(messages, network.nodes)
    return build_error(
        f"{network.library.target} {network.library.version} cannot build the network",
        messages,
        blame,
        _remedy("\n".join(messages), blame, profiles if network.graph.dims else (), options),
    )


def _remedy(text: str, blame: Blame | None, profiles: Sequence[Ranges], options: BuildOptions) -> str:
    if options.workspace is not None and re.search("workspace|scratch", text, re.IGNORECASE):
        return f"raise workspace={options.workspace} (bytes), or leave it out"
    if options.refittable and _REFIT_WITHOUT_GPU.search(text):
        return "TensorRT-RTX builds refittable plans only where there is a GPU: build there, or without refittable=True"
    if CURRENT in options.compute_capabilities and "Cuda Runtime" in text:
        return 'name the compute capability of the GPU, such as "8.9", or build on the machine that has it'
    if re.search(r"Cannot compile (operation|for target)", text) and options.compute_capabilities:
        return f"leave the compute capability out that lacks it: {', '.join(_lacking(text, options))}"
    if not profiles:
        return REPORT
    return (
        f"all shapes must fit at the minimum, optimum and maximum of every named dim{_sizes(text, blame, profiles)}: "
        "check their ranges first"
    )


def _lacking(text: str, options: BuildOptions) -> Sequence[str]:
    """The compute capability that the message names, "SM75", or else all that were asked for."""
    named = [f"{major}.{minor}" for major, minor in re.findall(r"\bSM(\d+)(\d)\b", text)]
    return [one for one in options.compute_capabilities if one in named] or options.compute_capabilities


def _sizes(text: str, blame: Blame | None, profiles: Sequence[Ranges]) -> str:
    """The sizes that a message is about, or else the ranges of the dims around the layer it names."""
    corner = _CORNER.search(text)
    if corner and int(corner[2]) < len(profiles):
        ranges, place = profiles[int(corner[2])], _CORNERS.index(corner[1])
        shown = [f"{name}={ranges[name][place]}" for name in _about(blame, ranges)]
        return f", here {corner[1].lower()}: {', '.join(shown)}"
    shown = [f"{name}={ranges[name]}" for ranges in profiles for name in _about(blame, ranges)]
    return f", here {', '.join(dict.fromkeys(shown))}"


def _about(blame: Blame | None, ranges: Ranges) -> list[str]:
    near = [] if blame is None else [name for name in ranges if name in blame.dims]
    return near or list(ranges)
