"""Messages that speak of Python's keywords, in the words of the command line."""

from __future__ import annotations

import re
from collections.abc import Callable

from trtnn.cli.compile_options import PRECISIONS, TARGET_OPTIONS, option_of

_KEYWORDS = "|".join((*TARGET_OPTIONS, *PRECISIONS, "keep_fp32", "keep_fp16", "io_dtype"))
_PHRASES: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (
        r'compile with dims=\{"([^"]+)": \(min, opt, max\)\}(?: or declare trtnn\.Dim\([^)]*\))?',
        r"give --dim \1=MIN,OPT,MAX",
    ),
    (r'compile with dims=\{"([^"]+)": \((\d+), (\d+), (\d+)\)\}', r"build it with --dim \1=\2,\3,\4"),
    (r'give dims=\{"([^"]+)": \.\.\.\}, or arrays', r"give --size \1=N"),
    (r"use engine\.simulate\(\.\.\.\) to evaluate the network in NumPy", "compare the network with trtnn verify"),
    (r"\bpass inputs= to compile", "give --input NAME=DIM,..."),
    (r"; ask for summary\(\w+=\.\.\.\)", ""),
    (r"\bgive Engine\.load\(\.\.\., target=\.\.\.\): ", "give --target: "),
    (r'\b(target|device)="([\w:-]+)"', r"--\1 \2"),
    (rf"\b({_KEYWORDS})=(?:True\b|(?=[ ,]|$))", lambda found: option_of(found[1])),
    (r"\b(workspace)=(\d+)", r"--\1 \2"),
    (rf"^({_KEYWORDS})(?=: )", lambda found: option_of(found[1])),
    (r"^compile: ", ""),
)


def on_the_command_line(message: str) -> str:
    """The message with options in the place of keywords: "--fp16" for "fp16=True"."""
    for pattern, replacement in _PHRASES:
        message = re.sub(pattern, replacement, message)
    return message
