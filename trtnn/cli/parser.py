"""argparse with nearest names in its messages, and help that shows examples."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from trtnn.cli.values import near


class Parser(argparse.ArgumentParser):
    """A parser that takes no abbreviations, so that a new option never changes what an old command line means."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        if examples:
            kwargs["epilog"] = "\n".join(["examples:", *(f"  {line}" for line in examples)])
        kwargs |= {"formatter_class": _Formatter, "allow_abbrev": False}
        super().__init__(*args, **kwargs)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's, but what is unknown is an error here, where the command's own options are known."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            name = unknown[0].partition("=")[0]
            known = [text for action in self._actions for text in action.option_strings]
            kind = "option" if name.startswith("-") else "argument"
            self.error(f"unknown {kind} {name}{near(name, known)}")
        return parsed, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """As argparse's, which is told the commands as choices, with the nearest name."""
        if action.choices is not None and value not in action.choices:
            self.error(f"unknown command {value}{near(value, action.choices)}")

    def error(self, message: str) -> NoReturn:
        """Prints the message and where help is, in two lines, and exits with 2."""
        self.exit(2, f"{self.prog}: error: {message}\nsee {self.prog} --help\n")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Examples keep their lines, and options one wide column."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34)
