"""What loading did: every parameter and every variable of the file is in exactly one list of the report."""

from __future__ import annotations

import attrs

from trtnn.text import aligned

Shape = tuple[int, ...]


@attrs.frozen
class Match:
    """A parameter that was filled. ``dtype`` is the file's; ``converted`` is what it was converted to, or empty."""

    path: str
    name: str
    shape: Shape
    dtype: str
    converted: str = ""

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """A row of the report's table."""
        dtype = f"{self.dtype} -> {self.converted}" if self.converted else self.dtype
        return self.path, str(self.shape), dtype, self.name


@attrs.frozen
class Missing:
    """A parameter that the file has nothing for: the names that were looked for and the nearest ones there."""

    path: str
    names: tuple[str, ...]
    near: tuple[str, ...] = ()

    def __str__(self) -> str:
        near = f"; the nearest there: {', '.join(self.near)}" if self.near else ""
        return f"{self.path}: the file has no {' or '.join(self.names)}{near}"


@attrs.frozen
class Misfit:
    """A parameter whose variable has another shape or a type that cannot be converted."""

    path: str
    name: str
    expected: Shape | str
    got: Shape | str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.path}: expected {self.expected}, got {self.got}{remedy}"


@attrs.frozen
class Unused:
    """A variable of the file that went nowhere. ``reason`` says why that is as it should be, or is empty."""

    name: str
    shape: Shape
    dtype: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.shape} {self.dtype}"


@attrs.frozen
class LoadReport:
    """What ``load_weights`` did with the model's parameters and the file's variables; prints as a table.

    ``unexpected`` variables are in the file and not in the model; ``ignored`` ones belong to training (optimizer
    slots, step counters, moving averages, metrics) or are second copies of a variable that was loaded. ``hint`` may
    explain what is missing.
    """

    title: str
    matched: tuple[Match, ...] = ()
    missing: tuple[Missing, ...] = ()
    unexpected: tuple[Unused, ...] = ()
    wrong_shape: tuple[Misfit, ...] = ()
    wrong_dtype: tuple[Misfit, ...] = ()
    ignored: tuple[Unused, ...] = ()
    hint: str = ""

    @property
    def complete(self) -> bool:
        """Whether every parameter of the model was filled."""
        return not (self.missing or self.wrong_shape or self.wrong_dtype)

    @property
    def headline(self) -> str:
        """``digits.ckpt: 14 of 14 parameters loaded, 0 missing, 3 ignored (optimizer slots, step counters)``."""
        loaded, missing = len(self.matched), len(self.missing)
        wanted = loaded + missing + len(self.wrong_shape) + len(self.wrong_dtype)
        said = [f"{loaded} of {wanted} parameters loaded", f"{missing} missing"]
        for count, words in (
            (len(self.wrong_shape), "of a wrong shape"),
            (len(self.wrong_dtype), "of a wrong data type"),
            (len(self.unexpected), "unexpected"),
        ):
            if count:
                said.append(f"{count} {words}")
        if self.ignored:
            reasons = ", ".join(dict.fromkeys(unused.reason for unused in self.ignored))
            said.append(f"{len(self.ignored)} ignored ({reasons})")
        return f"{self.title}: {', '.join(said)}"

    def trouble(self) -> list[str]:
        """One line per parameter that was not filled, and the hint."""
        lines = [str(line) for line in (*self.wrong_shape, *self.wrong_dtype, *self.missing)]
        return [*lines, self.hint] if self.missing and self.hint else lines

    def __str__(self) -> str:
        rows = [match.cells for match in self.matched]
        lines = [self.headline, *(f"  {line}" for line in self.trouble())]
        lines += [f"  unexpected: {unused}" for unused in self.unexpected]
        if rows:
            lines += [f"  {line}" for line in aligned([("parameter", "shape", "dtype", "name in the file"), *rows])]
        return "\n".join(lines)
