"""``trtnn`` as a user has it: from a wheel, in an environment of its own, in another folder than the repository."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest

from .files import NETS, expected, samples, weights, write_keras

ROOT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of an environment with the wheel of this tree.

    All other libraries are those of the environment that runs the tests: a path to them is cheaper than installing
    them again, and does not lead to this tree, as editable installations count in the environment's own folder only.
    """
    folder = tmp_path_factory.mktemp("installed")
    built = run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder / "dist", ROOT, cwd=folder)
    assert built.returncode == 0, built.stderr
    (wheel,) = (folder / "dist").glob("trtnn-*.whl")
    venv.create(folder / "env", with_pip=False)
    programs = folder / "env" / ("Scripts" if sys.platform == "win32" else "bin")
    python = programs / "python"
    done = run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", wheel, cwd=folder)
    assert done.returncode == 0, done.stderr
    own = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).stdout.strip()
    (Path(own) / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return programs


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """A user's folder."""
    (tmp_path / "nets.py").write_text(NETS)
    np.savez(tmp_path / "weights.npz", **weights())
    write_keras(tmp_path / "model.keras")
    return tmp_path


def test_from_a_wheel(installed: Path, user: Path) -> None:
    trtnn = installed / "trtnn"
    doctor = run(trtnn, "doctor", "--json", cwd=user)
    found = json.loads(doctor.stdout)
    assert doctor.returncode == 0, doctor.stdout
    assert {one["target"]: one["runs"] for one in found["targets"]}["onnxruntime"]
    assert found["libraries"]["h5py"]["oldest"] == "3.11", "the wheel's metadata says what it needs"
    assert str(installed.parent) in run(trtnn, "doctor", cwd=user).stdout, "it is the wheel's trtnn, not the tree's"

    for number, source in enumerate((["model.keras"], ["nets.py:Net", "--weights", "weights.npz"])):
        output = f"net{number}.onnx"
        built = run(trtnn, "build", *source, "--target", "onnxruntime", "--output", output, cwd=user)
        assert built.returncode == 0, built.stderr
        assert (output in built.stdout, built.stderr) == (True, "")
        inspected = run(installed / "python", "-m", "trtnn", "inspect", output, "--json", cwd=user)
        assert json.loads(inspected.stdout)["outputs"] == {"output": "f32[batch, 2]"}
        code = f"import numpy, trtnn; print(trtnn.Engine.load('{output}')(numpy.load('x.npy')).tolist())"
        np.save(user / "x.npy", samples())
        computed = run(installed / "python", "-c", code, cwd=user)
        np.testing.assert_allclose(json.loads(computed.stdout), expected(samples()), rtol=1e-5, atol=1e-5)

    for command, code, text in (
        (["build", "nets.py:Net", "--output", "a.onnx"], 2, "give --weights FILE"),
        (["inspect", "no.plan"], 1, "trtnn inspect: error: no.plan: No such file or directory"),
        (["verify", "model.keras", "--bf16", "--tolerance", "1e-9"], 1, ""),
        (["bench", "net9.onnx"], 1, "net9.onnx: there is no such file"),
        (["dokter"], 2, "unknown command dokter; did you mean doctor?"),
    ):
        wrong = run(trtnn, *command, cwd=user)
        assert wrong.returncode == code
        assert text in wrong.stderr and "Traceback" not in wrong.stderr
