"""What importing costs: which libraries and rooms of trtnn each room loads, and which extras messages speak of."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "trtnn"


def loaded_by(statement: str) -> set[str]:
    """The modules that a statement loads in a fresh process, Python's own apart."""
    code = f"import sys; before = set(sys.modules); {statement}; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in done.stdout.split() if name.split(".")[0] not in sys.stdlib_module_names}


def libraries(modules: set[str]) -> set[str]:
    """Their distributions' import names, attrs's older name apart."""
    return {name.split(".")[0] for name in modules} - {"attr", "trtnn"}


def test_importing_trtnn_loads_nothing_else() -> None:
    assert loaded_by("import trtnn") == {"trtnn"}


def test_describing_a_network_loads_attrs_and_numpy_only() -> None:
    assert libraries(loaded_by("import trtnn; trtnn.Conv2d(3, 8, 3)")) == {"attrs", "numpy"}


def test_names_of_the_readme_need_no_other_import() -> None:
    names = set(re.findall(r"`@?(trtnn(?:\.[A-Za-z_]+)+)\(", (ROOT / "README.md").read_text()))
    names |= set(re.findall(r"`(trtnn(?:\.[a-z_]+)+)`", (ROOT / "README.md").read_text()))
    assert {"trtnn.from_keras", "trtnn.gpu.empty_pinned"} <= names
    for name in sorted(names):
        loaded_by(f"import trtnn; {name}")


@pytest.mark.parametrize("room", ["graph", "passes"])
def test_rooms_load_attrs_and_numpy_only_and_no_target(room: str) -> None:
    loaded = loaded_by(f"import trtnn.{room}")
    assert libraries(loaded) == {"attrs", "numpy"}
    assert not [name for name in loaded if name.startswith("trtnn.backends")]


def test_the_graph_loads_no_other_room() -> None:
    rooms = {name.split(".")[1] for name in loaded_by("import trtnn.graph") if name.startswith("trtnn.")}
    assert rooms == {"errors", "graph"}


@pytest.mark.parametrize("room", ["graph", "passes"])
def test_no_module_of_these_rooms_names_a_target_in_an_import(room: str) -> None:
    for file in (PACKAGE / room).rglob("*.py"):
        assert not re.search(r"^\s*(from|import) trtnn\.(backends|layers|module)\b", file.read_text(), re.M), file


def test_targets_know_nothing_of_modules() -> None:
    for file in (PACKAGE / "backends").rglob("*.py"):
        assert not re.search(r"^\s*(from|import) trtnn\.(layers|module|parameter)\b", file.read_text(), re.M), file


def test_every_extra_that_a_message_names_exists() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {name for file in PACKAGE.rglob("*.py") for name in re.findall(r"trtnn\[(\w+)\]", file.read_text())}
    named |= set(re.findall(r'pip install[^`\n]* "\.\[(\w+)\]"', (ROOT / "README.md").read_text()))
    assert named and named <= set(extras)
