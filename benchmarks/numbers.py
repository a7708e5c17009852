"""Writes the results into the README's section of numbers, which a test compares with them.

    python -m benchmarks.numbers

after ``compile_resnet50``, ``engine_speed``, ``call_overhead`` and ``import_time`` have stored theirs.
"""

from __future__ import annotations

import re

from benchmarks.common import RESULTS

README = RESULTS.parent.parent / "README.md"
SHOWN = ("compile_resnet50", "engine_speed", "call_overhead", "import_time")
SECTION = re.compile(r"(?<=^## Numbers\n\n).*?(?=^## )", re.M | re.S)
INTRODUCTION = """\
Medians, each with the command that measures it (`python -m benchmarks.NAME`; see there for what it needs). The network
is Keras's ResNet50 with random weights. A ratio is the median over the rounds of this one's time / the first one's in
the same round, so above 1 is slower.
"""


def numbers() -> str:
    """The text of the section: every shown result under the name of its benchmark."""
    parts = [INTRODUCTION]
    for name in SHOWN:
        parts.append(f"`{name}`\n")
        parts.append((RESULTS / f"{name}.md").read_text(encoding="utf-8").replace("## ", "### "))
    return "\n".join(parts) + "\n"


def main() -> None:
    """Rewrite the section."""
    text, count = SECTION.subn(lambda _: numbers(), README.read_text(encoding="utf-8"))
    if count != 1:
        raise SystemExit(f"{README.name}: expected one section of numbers, got {count}")
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
