"""Finding TensorRT: what is said when it is missing, broken or too old."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from trtnn.backends.tensorrt import library
from trtnn.errors import ArgumentError, LibraryError


@pytest.mark.parametrize(
    ("target", "module", "message"),
    [
        ("tensorrt", "tensorrt", 'TensorRT is not installed: pip install "trtnn[tensorrt]"'),
        ("tensorrt-rtx", "tensorrt_rtx", 'TensorRT-RTX is not installed: pip install "trtnn[rtx]"'),
    ],
)
def test_missing(monkeypatch, target, module, message):
    def find_nothing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(library.importlib, "import_module", find_nothing)
    with pytest.raises(LibraryError) as caught:
        library.load(target)
    assert str(caught.value) == message


@pytest.mark.parametrize("error", [ImportError("libnvinfer.so.10: cannot open"), ModuleNotFoundError("x", name="x")])
def test_broken(monkeypatch, error):
    def fail(name: str) -> None:
        raise error

    monkeypatch.setattr(library.importlib, "import_module", fail)
    with pytest.raises(LibraryError, match=r"TensorRT is installed but cannot be imported: .*; reinstall it: pip"):
        library.load("tensorrt")


@pytest.mark.parametrize("version", ["8.6.1", "10.8.0.43"])
def test_too_old(monkeypatch, version):
    monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace(__version__=version))
    message = f"TensorRT: expected version 10.9 or newer, got {version}; pip install --upgrade"
    with pytest.raises(LibraryError, match=message):
        library.load("tensorrt")


def test_found(monkeypatch):
    module = SimpleNamespace(__version__="10.13.2.6")
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    found = library.load("tensorrt")
    assert (found.trt, found.target) == (module, "tensorrt")
    assert (found.version, found.version_info) == ("10.13.2.6", (10, 13, 2, 6))


def test_the_real_one():
    trt = pytest.importorskip("tensorrt_rtx")
    assert library.available("tensorrt-rtx")
    assert library.load("tensorrt-rtx").trt is trt


def test_looking_imports_nothing():
    code = (
        "import sys; from trtnn.backends.tensorrt import library; library.available('tensorrt-rtx'); "
        "library.available('tensorrt'); sys.exit('tensorrt' in sys.modules or 'tensorrt_rtx' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unknown_target():
    with pytest.raises(ArgumentError, match="target: expected 'tensorrt' or 'tensorrt-rtx', got 'tensorflow'"):
        library.load("tensorflow")


def test_a_folder_that_only_has_the_name(monkeypatch, tmp_path):
    (tmp_path / "tensorrt").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    assert not library.available("tensorrt")
    with pytest.raises(
        LibraryError, match=r'TensorRT is not installed, and .*tensorrt has its name: pip install "trtn'
    ):
        library.load("tensorrt")
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
