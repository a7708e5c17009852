"""Reading PTX: what a compiled function takes, checked against what will be handed to it.

A launch hands over an array of addresses, one per parameter, and nobody checks it: a function that expects one more
reads past its end. So the signature in the PTX is compared first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs

from trtnn.errors import KernelError

_PARAMETER = re.compile(r"\.param\s+(?:\.align\s+\d+\s+)?\.(\w+)\s+[^,]*?(\w+)(?:\[(\d+)\])?\s*$")


@attrs.frozen
class Parameter:
    """One parameter of a compiled function: what it is for, and its size in bytes."""

    title: str
    bytes: int


def entries(ptx: str) -> list[str]:
    """The names of the functions that can be launched."""
    return re.findall(r"\.entry\s+([\w$]+)\s*\(", ptx)


def parameters(ptx: str, entry: str) -> list[Parameter]:
    """The parameters of a function by their names in the PTX. Raises KernelError when there is no such function."""
    return [_parse(text) for text in _signature(ptx, entry).split(",") if text.strip()]


def require_parameters(kernel: str, ptx: str, entry: str, wanted: Sequence[Parameter]) -> None:
    """Raises KernelError unless the function takes parameters of just these sizes."""
    found = parameters(ptx, entry)
    if [one.bytes for one in found] == [one.bytes for one in wanted]:
        return
    listed = ", ".join(f"{one.title} ({one.bytes} B)" for one in wanted)
    raise KernelError(
        kernel,
        expected=f"a function of {len(wanted)} parameters: {listed}",
        got=f"{entry} with {len(found)} of {', '.join(str(one.bytes) for one in found) or 'no'} bytes",
        remedy="a kernel takes pointers to its inputs, then arguments=, then pointers to its outputs, then workspace=",
    )


def keep_parameters(ptx: str, entry: str, count: int) -> str:
    """The PTX with the function's parameters after the first ``count`` removed; Triton adds pointers to scratch memory
    that most kernels do not use. Raises KernelError when one of them is used."""
    signature = _signature(ptx, entry)
    parts = signature.split(",")
    if len(parts) <= count:
        return ptx
    for text in parts[count:]:
        name = _name(text)
        if len(re.findall(rf"\b{re.escape(name)}\b", ptx)) > 1:
            raise KernelError(
                entry,
                problem=f"the compiler gave the kernel a parameter of its own, {name}, and uses it",
                remedy="write the kernel without global scratch memory (device-side tensor descriptors need it)",
            )
    return ptx.replace(f"({signature})", f"({','.join(parts[:count])}\n)", 1)


def _signature(ptx: str, entry: str) -> str:
    found = re.search(rf"\.entry\s+{re.escape(entry)}\s*\(([^)]*)\)", ptx)
    if found is None:
        raise KernelError(
            entry,
            expected=f"a function {entry} that can be launched",
            got=", ".join(entries(ptx)) or "none",
            remedy='declare it extern "C" __global__ void',
        )
    return found.group(1)


def _parse(text: str) -> Parameter:
    found = _PARAMETER.search(text.strip())
    if found is None:
        raise KernelError(problem=f"cannot read the parameter {text.strip()!r} in the compiled kernel")
    kind, name, array = found.groups()
    return Parameter(name, int(re.sub(r"\D", "", kind)) // 8 * int(array or 1))


def _name(text: str) -> str:
    return text.strip().split()[-1].split("[")[0]
