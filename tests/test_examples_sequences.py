"""The examples with recurrent networks: what they read and translate, and how close they come to TensorFlow."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trtnn as nn
from trtnn.graph import verify
from trtnn.passes import lower
from trtnn.passes.recurrent import lower_recurrent

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@pytest.fixture(scope="module")
def crnn() -> Any:
    """The example that reads strips of digits."""
    return importlib.import_module("crnn.run")


@pytest.fixture(scope="module")
def nmt() -> Any:
    """The example that translates number words, whose folder is on the path as when it is started."""
    sys.path.insert(0, str(EXAMPLES / "nmt"))
    try:
        return importlib.import_module("nmt.run")
    finally:
        sys.path.pop(0)


def output_of(example: Any, capsys: pytest.CaptureFixture[str]) -> str:
    """What the example prints."""
    example.main()
    return capsys.readouterr().out


def relative_differences(text: str) -> dict[str, float]:
    """The printed relative differences from TensorFlow, by what ran."""
    return {name: float(number) for name, number in re.findall(r"^(.*?): .*\((\S+) relative\)$", text, re.M)}


def percentage(pattern: str, text: str) -> float:
    """The number that a pattern finds."""
    (found,) = re.findall(pattern, text)
    return float(found)


def count_layers(network: nn.Module, **inputs: nn.Input) -> int:
    """How many layers, those of loops included, the TensorRT network has for these inputs."""
    emitting = pytest.importorskip("trtnn.backends.tensorrt.emit")
    library = pytest.importorskip("trtnn.backends.tensorrt.library").load("tensorrt-rtx")
    graph = lower_recurrent(lower(network.trace(inputs), verify))
    return int(emitting.emit(graph, library).definition.num_layers)


def test_crnn_reads_strips_of_3_to_40_digits(crnn: Any, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorrt_rtx")
    text = output_of(crnn, capsys)
    assert text.startswith("crnn.ckpt: 10 of 10 parameters loaded, 0 missing, 1 ignored (step counters)\n")
    assert percentage(r"held-out strips of 3 to 40 digits, 817 in all: (.*)% wrong", text) <= 2
    differences = relative_differences(text)
    assert list(differences) == [
        "onnxruntime, one by one",
        "onnxruntime, all in one batch",
        "tensorrt-rtx, simulated at widths 31, 166, 338",
    ]
    assert max(differences.values()) <= 1e-5


def test_ctc_decoding(crnn: Any) -> None:
    blank = crnn.BLANK
    steps = np.eye(11, dtype=np.float32)[[blank, 1, 1, blank, 1, 0, 0, blank, blank, 9]]
    assert crnn.decode(steps) == "1109"
    assert crnn.decode(steps[:1]) == ""


@pytest.mark.parametrize(
    ("got", "want", "count"),
    [("", "", 0), ("", "12", 2), ("12", "", 2), ("123", "123", 0), ("123", "133", 1), ("23", "1234", 2)],
)
def test_edits(crnn: Any, got: str, want: str, count: int) -> None:
    assert crnn.edits(got, want) == count


def test_crnn_layers_do_not_grow_with_width(crnn: Any) -> None:
    pytest.importorskip("tensorrt_rtx")
    model = crnn.Reader()
    model.load_weights(EXAMPLES / "crnn" / "checkpoint" / "crnn.ckpt")
    widths = nn.Input(2, dtype="int32")
    narrow, wide = (count_layers(model, strips=nn.Input(2, 12, size, 1), widths=widths) for size in (16, 512))
    assert narrow == wide


def test_nmt_translates_held_out_sentences(nmt: Any, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorrt_rtx")
    text = output_of(nmt, capsys)
    assert text.startswith("nmt: 24 of 24 parameters loaded, 0 missing\n")
    assert "seven hundred and two thousand and nineteen\n    -> 702019 (" in text
    assert percentage(r"greedy: (.*)% of 400 held-out", text) >= 99
    assert percentage(r"beam search: (.*)% of 400 held-out", text) >= 99
    assert re.findall(r"(\S+)% of tokens are TensorFlow's", text) == ["100.00"] * 4
    differences = relative_differences(text)
    assert list(differences) == [
        "onnxruntime, greedy",
        "tensorrt-rtx, greedy, simulated",
        "onnxruntime, beam search",
        "tensorrt-rtx, beam search, simulated",
    ]
    assert max(differences.values()) <= 1e-5
    assert text.endswith("make 691,888,976 parameters\n")


def test_nmt_layers_do_not_grow_with_the_steps(nmt: Any) -> None:
    pytest.importorskip("tensorrt_rtx")
    model = nmt.Translator(len(nmt.WORDS), nmt.TOKENS, embedding=32, hidden=96)
    model.load_weights(EXAMPLES / "nmt" / "checkpoint" / "nmt")
    searches = [(nmt.BeamSearch(model, nmt.START, nmt.END, steps, nmt.BEAMS), 2 * steps) for steps in (7, 100)]
    lengths = nn.Input(2, dtype="int32")
    few, many = (
        count_layers(search, words=nn.Input(2, time, dtype="int32"), lengths=lengths) for search, time in searches
    )
    assert few == many
