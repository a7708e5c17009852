"""A user's mistakes: the exit code, the words, and never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from trtnn.cli import main

from .conftest import Trtnn

TO = ("--target", "onnxruntime", "--output", "net.onnx")
USAGE: list[tuple[list[str], str]] = [
    ([], "trtnn: error: the following arguments are required: COMMAND"),
    (["bild"], "trtnn: error: unknown command bild; did you mean build?"),
    (["build"], "trtnn build: error: the following arguments are required: SOURCE, --output"),
    (["build", "model.keras", *TO, "--fp61"], "unknown option --fp61; did you mean --fp16"),
    (["build", "model.keras", *TO, "more"], "unknown argument more"),
    (["build", "model.keras", "--out", "a.onnx"], "required: --output"),  # no abbreviations
    (["build", "model.keras", "--target", "tensort"], "got 'tensort'; did you mean tensorrt"),
    (["build", "model.keras", *TO, "--calibration-method", "entropie"], "did you mean entropy?"),
    (["build", "model.keras", *TO, "--io-dtype", "float61"], "got 'float61'; did you mean float16"),
    (
        ["build", "model.keras", *TO, "--dim", "batch"],
        "--dim: expected NAME=MIN,OPT,MAX such as batch=1,8,64, got 'batch'",
    ),
    (["build", "model.keras", *TO, "--dim", "batch=8,4,2"], "expected 1 <= MIN <= OPT <= MAX, got 'batch=8,4,2'"),
    (["build", "model.keras", *TO, "--input", "x"], "--input: expected NAME=DIM,DIM,... or NAME=DTYPE[DIM,DIM,...]"),
    (["build", "model.keras", *TO, "--workspace", "4 potatoes"], "expected a number of bytes such as 4GiB"),
    (["build", "model.keras", *TO, "--optimization-level", "9"], "expected an integer from 0 to 5, got '9'"),
    (["build", "model.keras", *TO, "--threads", "-1"], "expected an integer >= 0, got '-1'"),
    (["build", "model.keras", *TO, "--name-map", "(=a"], "'(' is not a regular expression"),
    (["build", "model.keras", *TO, "--arg", "units=3"], "--arg is for a class; a Keras file needs none"),
    (["build", "model.keras", "--target", "tensorrt", "--output", "a.onnx"], "give --target onnxruntime"),
    (["build", "model.keras", "--output", "nowhere/a.onnx"], "--output: there is no folder nowhere"),
    (["build", "nets.py", *TO], "nets.py: name the class too: nets.py:Class"),
    (["build", "nets.py:", *TO], "nets.py: name the class too: nets.py:Class"),
    (["build", "weights.npz", *TO], "weights are given with --weights"),
    (["build", "model.kears", *TO], "model.kears: there is no such file; expected a Keras file (.keras, .h5)"),
    (["build", "nets:Net", *TO], "nets:Net has 4 parameters without values: give --weights FILE"),
    (["build", "nets:Named", *TO], "Named(features): missing a required argument: 'features': give --arg KEY=VALUE"),
    (["build", "nets:Net", *TO, "--arg", "width=3"], "got an unexpected keyword argument 'width'"),
    (["build", "no-module:Net", *TO], "no-module: expected a module's name"),
    (["verify", "model.keras", "--each"], "--each: give the precisions to try: --fp16, --bf16"),
    (["verify", "model.keras", "--inputs", "samples.npy", "--size", "batch=2"], "--size is for random inputs"),
    (["verify", "model.keras", "--size", "batch=1,2"], "expected NAME=N such as time=8, got 'batch=1,2'"),
    (["verify", "model.keras", "--size", "batch=0"], "argument --size: expected an integer >= 1, got '0'"),
    (["verify", "model.keras", "--size", "bach=2"], "no dim named bach (they have batch)"),
    (["verify", "model.keras", "--tolerance", "-1"], "expected a number >= 0, got '-1'"),
    (["inspect"], "trtnn inspect: error: the following arguments are required: FILE"),
    (["bench"], "trtnn bench: error: the following arguments are required: ENGINE_OR_SOURCE"),
    (["bench", "net.onnx", "--keep-fp32", "out"], "--keep-fp32: is for a network, and net.onnx is an engine"),
    (["bench", "net.onnx", "--batch", "1,0"], "argument --batch: expected an integer >= 1, got '0'"),
    (["bench", "model.keras", "--plot", "nowhere/a.png"], "--plot: there is no folder nowhere"),
    (
        ["bench", "model.keras", "--plot", "a.jpg"],
        "--plot: expected a path that ends in .png or .svg or .pdf, got a.jpg",
    ),
    (["bench", "model.keras", "--trace", "nowhere/a.json"], "--trace: there is no folder nowhere"),
    (["verify", "model.keras", "--plot", "errors.gif"], "--plot: expected a path that ends in .png or .svg"),
    (["inspect", "net.onnx.json"], "net.onnx.json is the sidecar of an engine: inspect net.onnx"),
    (
        ["build", "model.keras", *TO, "--workspace", "1GiB"],
        "--workspace: the target onnxruntime (asked for) has no such option; it has --device, --threads",
    ),
    (["build", "model.keras", "-o", "a.onnx", "--target", "tensorrt"], "give --target onnxruntime"),
    (["doctor", "--jsn"], "unknown option --jsn; did you mean --json?"),
]
FAILED: list[tuple[list[str], str]] = [
    (["build", "missing.keras", *TO], "missing.keras: cannot be read: No such file or directory"),
    (["build", "nets.py:Nett", *TO], "nets.py: there is no Nett in it; did you mean Net?"),
    (["build", "nets.py:Zebra", *TO], "it has Net, Two, Named, BadForward, BadInit, Bare"),
    (["build", "nets:constant", *TO], "constant: expected a trtnn.Module or a function that makes one, got int"),
    (["build", "nets:number", *TO], "number: expected a trtnn.Module or a function that makes one, got int"),
    (["build", "no.such.module:Net", *TO], "no.such.module: there is no such module"),
    (["build", "nowhere/nets.py:Net", *TO], "nowhere/nets.py: there is no such file"),
    (["build", "model.keras", *TO, "--import", "plugins"], "plugins: there is no such module"),
    (["build", "nets:Net", *TO, "--weights", "weights.np"], "in that folder there is weights.npz"),
    (
        ["build", "nets:Net", *TO, "--weights", "weights.npz", "--arg", "features=5"],
        "hidden.kernel: expected (4, 5), got",
    ),
    (["build", "model.keras", *TO, "--dim", "bach=1,2,3"], "bach: expected one of the named dims: batch"),
    (["build", "model.keras", *TO, "--fp16", "--bf16"], "error: expected --fp16 or --bf16, got both"),
    (["build", "model.keras", *TO, "--fp16", "--keep-fp32", "q"], "error: --keep-fp32: expected patterns of module"),
    (["build", "model.keras", *TO, "--device", "gpu"], 'error: --device: expected "cpu", "cuda" or "cuda:1"'),
    (["build", "nets:Bare", *TO], "no shape is declared for x"),
    (["build", "nets:Bare", *TO], "or give --input NAME=DIM,..."),
    (["build", "model.keras", *TO, "--int8", "nothing.npy"], "nothing.npy: No such file or directory"),
    (["build", "model.keras", *TO, "--int8", "nets.py"], "nets.py: expected a .npz or .npy file"),
    (["build", "model.keras", *TO, "--int8", "weights.npz"], "weights.npz: expected arrays named x, got hidden/kernel"),
    (["build", "model.keras", *TO, "--int8", "weights.npz:q"], "expected arrays named q, got hidden/kernel"),
    (["build", "model.keras", *TO, "--int8", "ranges.json"], "expected a calibration that trtnn saved"),
    (["build", "model.keras", *TO, "--input", "y=batch,4"], "expected Inputs for its arguments x"),
    (["verify", "model.keras", "--inputs", "weights.npz:hidden/kernel"], "x: expected shape (batch, 4)"),
    (["verify", "nets:Two", "--inputs", "samples.npy"], "expected arrays named x, index, got the only array"),
    (["verify", "model.keras", "--reference", "samples.npy"], "reference: expected output (1, 2), got output (16, 4)"),
    (["inspect", "nothing.plan"], "nothing.plan: No such file or directory"),
    (["inspect", "nets.py"], "got a file of another kind"),
    (["inspect", "."], ".: there is no checkpoint and no SavedModel in this folder"),
    (["inspect", ""], ".: there is no checkpoint and no SavedModel in this folder"),
    (["inspect", "/"], "/: there is no checkpoint and no SavedModel in this folder"),
    (["inspect", "folder.onnx"], "folder.onnx: is a folder"),
    (["bench", "folder.onnx"], "folder.onnx: is a folder"),
    (["inspect", "broken.keras"], "broken.keras: expected a .keras archive (zip)"),
    (["bench", "missing.onnx"], "missing.onnx: there is no such file"),
    (["bench", "missing.keras"], "missing.keras: cannot be read: No such file or directory"),
]


@pytest.mark.parametrize(("argv", "text"), USAGE, ids=[" ".join(argv) or "nothing" for argv, _ in USAGE])
def test_a_command_line_that_makes_no_sense_exits_with_2(trtnn: Trtnn, argv: list[str], text: str) -> None:
    ran = trtnn(*argv)
    assert (ran.code, ran.out) == (2, "")
    assert text in ran.err


@pytest.mark.parametrize(("argv", "text"), FAILED, ids=[" ".join(argv) for argv, _ in FAILED])
def test_files_and_networks_that_do_not_fit_exit_with_1(trtnn: Trtnn, folder: Path, argv: list[str], text: str) -> None:
    (folder / "broken.keras").write_bytes(b"not a zip archive")
    (folder / "folder.onnx").mkdir()
    ran = trtnn(*argv)
    assert ran.code == 1
    assert text in ran.err
    assert ran.err.splitlines()[0].startswith((f"trtnn {argv[0]}: error: ", "warning: ")) or ran.out


def test_an_error_is_json_too(trtnn: Trtnn) -> None:
    ran = trtnn("inspect", "nothing.ckpt", "--json")
    assert ran.code == 1
    assert ran.json["error"]["kind"] == "FileFormatError"
    assert "nothing.ckpt" in ran.json["error"]["message"]


@pytest.mark.parametrize(
    ("name", "code", "said", "line"),
    [
        ("missing", "import numpy\nimport not_installed\n", "No module named 'not_installed'", "2, in <module>"),
        ("syntax", "x = 1\ny = = 2\n", "SyntaxError: invalid syntax", "2, in <module>\n    y = = 2"),
        ("raises", "def f():\n    return {}['a']\n\nf()\n", "KeyError: 'a'", "2, in f\n    return {}['a']"),
        ("exits", "import sys\nsys.exit(3)\n", "SystemExit: 3", "2, in <module>"),
    ],
)
@pytest.mark.parametrize("source", ["{}.py:Net", "{}:Net"])
def test_an_error_in_the_users_module_shows_its_line(
    trtnn: Trtnn, folder: Path, name: str, code: str, said: str, line: str, source: str
) -> None:
    (folder / f"{name}.py").write_text(code)
    ran = trtnn("build", source.format(name), *TO)
    assert ran.code == 1
    assert f"{said}\n  at " in ran.err
    assert f"{name}.py:{line}" in ran.err


def test_an_error_in_the_users_network_shows_its_line(trtnn: Trtnn, folder: Path) -> None:
    ran = trtnn("build", "nets:BadInit", *TO)
    assert ran.code == 1
    assert "cannot make BadInit: RuntimeError: no licence\n" in ran.err
    assert 'raise RuntimeError("no licence")' in ran.err
    ran = trtnn("build", "nets:BadForward", *TO, "--weights", "weights.npz")
    assert ran.code == 1
    assert "KeyError: 'half'\n" in ran.err
    assert 'in half\n    return x[{}["half"]]' in ran.err


def test_debug_shows_the_traceback(folder: Path) -> None:
    with pytest.raises(RuntimeError, match="no licence"):
        try:
            main(["build", "nets:BadInit", *TO, "--debug"])
        except Exception as error:
            raise error.__cause__ or error from None


def test_damaged_samples_are_an_error_of_the_file(trtnn: Trtnn, folder: Path) -> None:
    np.savez(folder / "cut.npz", x=np.ones((8, 4), np.float32))
    whole = (folder / "cut.npz").read_bytes()
    (folder / "cut.npz").write_bytes(whole[: len(whole) // 2])
    ran = trtnn("verify", "model.keras", "--inputs", "cut.npz")
    assert ran.code == 1
    assert "cut.npz: cannot be read" in ran.err


def test_pickled_samples_are_not_unpickled(trtnn: Trtnn, folder: Path) -> None:
    np.save(folder / "objects.npy", np.array([{"a": 1}], object), allow_pickle=True)
    ran = trtnn("verify", "model.keras", "--inputs", "objects.npy")
    assert ran.code == 1
    assert "objects.npy: cannot be read" in ran.err


def test_ctrl_c_exits_with_130_and_no_words(folder: Path) -> None:
    (folder / "slow.py").write_text("import time\nprint('started', flush=True)\ntime.sleep(60)\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "trtnn", "build", "slow.py:Net", *TO],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "")


def test_ctrl_c_that_a_library_makes_another_error_of_is_ctrl_c(
    trtnn: Trtnn, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("initialization failed") from None

    monkeypatch.setattr("trtnn.cli.commands.inspect.run", interrupted)
    ran = trtnn("inspect", "weights.npz")
    assert (ran.code, ran.out, ran.err) == (130, "", "")


def test_a_library_that_is_missing_is_named(trtnn: Trtnn, monkeypatch: pytest.MonkeyPatch) -> None:
    """As between the two commands that put onnxruntime-gpu in the place of onnxruntime."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "trtnn.backends.onnxruntime.engine", raising=False)
    ran = trtnn("build", "model.keras", *TO)
    assert ran.code == 1
    assert ran.err == "trtnn build: error: onnxruntime is not installed: pip install onnxruntime\n"


def test_names_that_the_terminal_cannot_show(folder: Path) -> None:
    np.savez(folder / "große.npz", schön=np.zeros(1))
    done = subprocess.run(
        [sys.executable, "-m", "trtnn", "inspect", "große.npz"],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        cwd=folder,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"gro\\xdfe.npz: 1 variable, 1 values, 8 B\n")


def test_without_standard_output(trtnn: Trtnn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["inspect", "weights.npz"]) == 0


def test_a_closed_pipe_is_no_error(folder: Path) -> None:
    np.savez(folder / "many.npz", **{f"variable_{i:05}": np.zeros(1) for i in range(5000)})
    process = subprocess.Popen(
        [sys.executable, "-m", "trtnn", "inspect", "many.npz"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    process.wait(timeout=30)
