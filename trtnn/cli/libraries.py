"""The libraries that trtnn works with: which are installed, and whether they are new enough."""

from __future__ import annotations

import re
from importlib import metadata

import attrs


@attrs.frozen
class Library:
    """A library by the name that pip knows: what it is for, and trtnn's extra that installs it, "" when it is
    required, None when nothing of trtnn's does."""

    name: str
    purpose: str
    extra: str | None = ""


@attrs.frozen
class Installed:
    """A library as it is here: its version, None when it is not installed, and the oldest that trtnn takes."""

    library: Library
    version: str | None
    oldest: str | None

    @property
    def is_too_old(self) -> bool:
        """Whether it is older than trtnn needs."""
        if self.version is None or self.oldest is None:
            return False
        return _numbers(self.version) < _numbers(self.oldest)

    @property
    def is_missing(self) -> bool:
        """Whether it is required and not installed."""
        return self.version is None and self.library.extra == ""

    @property
    def state(self) -> str:
        """One word or two on it."""
        if self.is_missing:
            return "missing"
        if self.is_too_old:
            return f"too old, needs {self.oldest}"
        return "" if self.version is not None else "not installed"

    @property
    def fix(self) -> str | None:
        """The command that mends it; None when nothing is wrong."""
        if not (self.is_missing or self.is_too_old):
            return None
        wanted = self.library.name if not self.library.extra else f"trtnn[{self.library.extra}]"
        bound = f">={self.oldest}" if self.oldest is not None and not self.library.extra else ""
        return f'pip install --upgrade "{wanted}{bound}"'


LIBRARIES = (
    Library("numpy", "arrays"),
    Library("attrs", "data classes"),
    Library("ml_dtypes", "bfloat16 and other small types"),
    Library("h5py", "Keras files"),
    Library("google-crc32c", "TensorFlow checkpoints"),
    Library("onnx", "target onnxruntime"),
    Library("onnxruntime", "target onnxruntime"),
    Library("onnxruntime-gpu", "target onnxruntime on a GPU, in the place of onnxruntime", None),
    Library("tensorrt_rtx", "target tensorrt-rtx", "rtx"),
    Library("tensorrt", "target tensorrt", "tensorrt"),
    Library("cuda-core", "running TensorRT plans", "gpu"),
    Library("cuda-toolkit", "headers for custom kernels in CUDA C++", "gpu"),
    Library("triton", "custom kernels in Triton", "triton"),
    Library("matplotlib", "pictures", "plot"),
    Library("rich", "progress bars of TensorRT builds", "rtx"),
    Library("tensorflow", "trtnn bench, for comparison", None),
)


def installed() -> list[Installed]:
    """All of them, as they are here."""
    oldest = _oldest()
    return [Installed(one, _version(one.name), oldest.get(_normal(one.name))) for one in LIBRARIES]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _oldest() -> dict[str, str]:
    """The lower bounds that trtnn's own metadata has; none when trtnn is not installed but only on Python's path."""
    try:
        requirements = metadata.requires("trtnn") or []
    except metadata.PackageNotFoundError:
        return {}
    found = (re.match(r"([\w.-]+)\s*>=\s*([\d.]+)", requirement) for requirement in requirements)
    return {_normal(one[1]): one[2] for one in found if one is not None}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _numbers(version: str) -> tuple[int, ...]:
    """The release of a version, without zeros at its end: 1.23 and 1.23.0 are the same."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(part) for part in found[0].split(".")] if found else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
