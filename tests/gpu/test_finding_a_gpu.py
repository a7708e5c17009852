"""cuda-core that is missing, broken, old or finds no GPU; and what "auto" makes of it. Needs no GPU."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import trtnn as nn
from trtnn.backends.select import choose
from trtnn.backends.tensorrt import library as tensorrt_library
from trtnn.backends.tensorrt.runtime import starting
from trtnn.errors import DeviceError, LibraryError
from trtnn.gpu import library


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Nothing is remembered from test to test."""
    for cached in (library.load, library.why_not):
        cached.cache_clear()
    yield
    for cached in (library.load, library.why_not):
        cached.cache_clear()


def core(monkeypatch: pytest.MonkeyPatch, version: str = "1.2.0", **members: Any) -> None:
    """Makes a module ``cuda.core``."""
    module = SimpleNamespace(__version__=version, **members)
    monkeypatch.setitem(sys.modules, "cuda", SimpleNamespace(core=module, __path__=[]))
    monkeypatch.setitem(sys.modules, "cuda.core", module)


class Gpu:
    """A GPU that can be made current."""

    name, compute_capability = "NVIDIA H200", (9, 0)

    def __init__(self, ordinal: int) -> None:
        assert ordinal == 0

    def set_current(self) -> None:
        pass


def failing(error: Exception) -> Any:
    def device(ordinal: int) -> None:
        raise error

    return device


def test_a_gpu_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    core(monkeypatch, Device=Gpu)
    assert library.available()
    assert library.why_not() is None
    assert library.device().name == "NVIDIA H200"
    assert library.compute_capability() == (9, 0)
    assert library.load().version == "1.2.0"


def test_cuda_core_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library.importlib, "import_module", failing(ModuleNotFoundError("no", name="cuda")))
    monkeypatch.setattr(library.ctypes, "CDLL", failing(OSError("libcuda.so.1: cannot open shared object file")))
    assert library.why_not() == "no NVIDIA GPU was found"
    library.why_not.cache_clear()
    monkeypatch.setattr(library.ctypes, "CDLL", lambda name: object())
    assert library.why_not() == 'cuda-core is not installed: pip install "trtnn[gpu]"'
    assert not library.available()
    with pytest.raises(LibraryError, match="cuda-core is not installed"):
        library.load()


@pytest.mark.parametrize(
    "error", [ImportError("bad symbol"), OSError("bad symbol"), ModuleNotFoundError("bad symbol", name="numpy")]
)
def test_cuda_core_that_is_broken(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(library.importlib, "import_module", failing(error))
    with pytest.raises(LibraryError, match="cuda-core is installed but cannot be imported: bad symbol; reinstall it"):
        library.load()


def test_cuda_core_that_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    core(monkeypatch, "0.7.1")
    text = 'cuda-core: expected version 1.0 or newer, got 0.7.1; pip install --upgrade "trtnn\\[gpu\\]"'
    with pytest.raises(LibraryError, match=text):
        library.load()


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RuntimeError("CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected"), "no NVIDIA GPU was found"),
        (RuntimeError('"cuda" is an NVIDIA driver library'), "no NVIDIA GPU was found"),
        (RuntimeError("CUDA_ERROR_ECC:\n uncorrectable"), "the GPU cannot be used: CUDA_ERROR_ECC: uncorrectable"),
    ],
)
def test_no_gpu_or_one_in_trouble(monkeypatch: pytest.MonkeyPatch, error: Exception, text: str) -> None:
    core(monkeypatch, Device=failing(error))
    assert library.why_not() == text
    with pytest.raises(DeviceError, match=f"GPU 0: {text}"):
        library.device()


def auto(monkeypatch: pytest.MonkeyPatch, *installed: str, why_not: str | None = None) -> str:
    monkeypatch.setattr(tensorrt_library, "available", lambda target: target in installed)
    monkeypatch.setattr(library, "why_not", lambda: why_not)
    return str(choose("auto"))


def test_auto_takes_tensorrt_where_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    core(monkeypatch, Device=Gpu)
    why = "it is installed, and there is a GPU for it: NVIDIA H200"
    assert auto(monkeypatch, "tensorrt") == f"trtnn: target tensorrt: {why}"
    assert auto(monkeypatch, "tensorrt", "tensorrt-rtx") == f"trtnn: target tensorrt: {why}"


@pytest.mark.parametrize("capability", [(7, 5), (8, 0), (8, 6), (8, 9), (12, 0), (12, 1)])
def test_auto_takes_rtx_on_the_gpus_that_it_supports(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int]
) -> None:
    monkeypatch.setattr(Gpu, "compute_capability", capability)
    core(monkeypatch, Device=Gpu)
    assert auto(monkeypatch, "tensorrt-rtx").startswith("trtnn: target tensorrt-rtx: it is installed")


def test_auto_takes_onnx_runtime_elsewhere_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    core(monkeypatch, Device=Gpu)
    start = "trtnn: target onnxruntime: "
    assert auto(monkeypatch) == start + "TensorRT is not installed"
    assert auto(monkeypatch, "tensorrt", why_not="no NVIDIA GPU was found") == start + "no NVIDIA GPU was found"
    said = start + "TensorRT-RTX does not run on compute capability 9.0"
    assert auto(monkeypatch, "tensorrt-rtx") == said
    assert auto(monkeypatch, "tensorrt-rtx", why_not="no NVIDIA GPU was found") == start + "no NVIDIA GPU was found"


def test_the_engine_says_why_it_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from gpu.runtimes import signature
    from gpu.standin import Network
    from trtnn import gpu
    from trtnn.backends.tensorrt.engine import TensorRTEngine
    from trtnn.engine import Choice

    core(monkeypatch, Device=Gpu)
    import numpy as np

    x = np.ones((2, 3), np.float32)
    profiles = ({"batch": (1, 2, 4), "width": (1, 2, 4)},)
    engine = TensorRTEngine(signature(Network()), Choice("tensorrt-rtx", "asked for"), profiles, memoryview(b""))
    monkeypatch.setattr(gpu, "why_not", lambda: "no NVIDIA GPU was found")
    with pytest.raises(DeviceError, match="standin: running a TensorRT plan needs an NVIDIA GPU: no NVIDIA GPU was f"):
        engine(x)
    monkeypatch.setattr(gpu, "why_not", lambda: None)
    text = "needs an NVIDIA GPU: TensorRT-RTX does not run on compute capability 9.0; use engine.simulate"
    with pytest.raises(DeviceError, match=text):
        engine(x)
    engine.close()
    with pytest.raises(DeviceError, match="standin: the engine has been closed"):
        engine(x)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"max_contexts": 0}, "max_contexts: expected an int >= 1, got 0"),
        ({"max_contexts": True}, "max_contexts: expected an int >= 1, got True"),
        ({"cuda_graphs": 1}, "cuda_graphs: expected True or False, got 1"),
    ],
)
def test_options_of_the_runtime_are_checked(options: dict[str, Any], text: str) -> None:
    pytest.importorskip("tensorrt_rtx")
    model = nn.Sequential(nn.ReLU())
    with pytest.raises(nn.errors.ArgumentError, match=text):
        model.compile(nn.Input(2, 3), target="tensorrt-rtx", **options)
    engine = model.compile(nn.Input(2, 3), target="tensorrt-rtx", cuda_graphs=True, max_contexts=2)
    assert engine.runtime_options == {"cuda_graphs": True, "max_contexts": 2}


@pytest.mark.parametrize(
    ("capability", "runs"),
    [((7, 5), True), ((8, 0), True), ((8, 9), True), ((12, 0), True), ((12, 1), True)]
    + [((7, 0), False), ((8, 7), False), ((9, 0), False), ((10, 0), False), ((13, 0), False)],
)
def test_which_gpus_tensorrt_rtx_is_for(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], runs: bool
) -> None:
    monkeypatch.setattr(starting, "compute_capability", lambda: capability)
    said = f"TensorRT-RTX does not run on compute capability {capability[0]}.{capability[1]}"
    assert starting.why_unsupported("tensorrt-rtx") == (None if runs else said)
    assert starting.why_unsupported("tensorrt") is None
