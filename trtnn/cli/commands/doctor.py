"""``trtnn doctor``: what is installed, which targets work here, why not, and what mends it."""

from __future__ import annotations

import platform
import re
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs

import trtnn
from trtnn import gpu
from trtnn.cli.console import Console, fields, table
from trtnn.cli.failures import FAILED
from trtnn.cli.libraries import Installed, installed
from trtnn.cli.trial import TARGETS, Trial, try_apart
from trtnn.errors import DeviceError, LibraryError, TrtnnError

DRIVER = Path("/proc/driver/nvidia/version")
_COMMAND = re.compile(r"""pip (?:un)?install (?:--?\S+ )*(?:"[^"]+"|[^\s,;]+)""")
CPU_ORT, CUDA_ORT = "onnxruntime", "onnxruntime-gpu"
APART = "pip uninstall -y onnxruntime && pip install --force-reinstall --no-deps onnxruntime-gpu"


@attrs.frozen
class Problem:
    """Something that is wrong, and the command that mends it, if there is one."""

    text: str
    fix: str | None = None


@attrs.frozen
class Gpu:
    """The GPU: what it is called, or why there is none, and its driver's version."""

    name: str | None
    capability: str | None
    driver: str | None
    why_not: str | None


def run(arguments: Namespace, console: Console) -> int:
    """Prints the findings; 1 when a library is missing or broken or no target runs."""
    console.note("trying each target on a tiny network ...")
    with ThreadPoolExecutor(len(TARGETS)) as pool:
        trials = list(pool.map(try_apart, TARGETS))
    libraries, found = installed(), find_gpu()
    problems = find_problems(libraries, trials)
    console.say(fields(_machine(found)))
    console.say("\n" + _library_table(libraries))
    console.say("\n" + _target_fields(trials))
    if problems:
        console.say("\nwhat is wrong:")
        console.say("\n".join(_problem_lines(problems)))
    console.finish(_document(libraries, found, trials, problems))
    return FAILED if problems else 0


def find_gpu() -> Gpu:
    """The first GPU. The driver's version does not need cuda-core, so that one can see which of the two is missing."""
    driver = None
    if DRIVER.is_file():
        found = re.search(r"\b\d+\.\d+(?:\.\d+)?\b", DRIVER.read_text())
        driver = found[0] if found else None
    reason = gpu.why_not()
    if reason is not None:
        return Gpu(None, None, driver, reason)
    try:
        major, minor = gpu.compute_capability()
        return Gpu(str(gpu.library.device().name), f"{major}.{minor}", driver, None)
    except TrtnnError as error:
        return Gpu(None, None, driver, str(error))


def find_problems(libraries: Sequence[Installed], trials: Sequence[Trial]) -> list[Problem]:
    """What is installed and wrong. A target whose library is not installed is none: nobody needs all of them."""
    versions = {one.library.name: one.version for one in libraries}
    problems = [
        Problem(f"{one.library.name}{f' {one.version}' if one.version else ''}: {one.state}", one.fix)
        for one in libraries
        if one.fix is not None and not (one.is_missing and one.library.name == CPU_ORT and versions[CUDA_ORT])
    ]
    if versions[CPU_ORT] and versions[CUDA_ORT]:
        problems.append(Problem("onnxruntime and onnxruntime-gpu are both installed, and write the same files", APART))
    problems += [
        Problem(f"{trial.target}: {_reason(trial)}", _command(trial.problem))
        for trial in trials
        if not (trial.runs or trial.simulated or _may_be_absent(trial, versions))
    ]
    return problems


def _may_be_absent(trial: Trial, versions: Mapping[str, str | None]) -> bool:
    """Whether what does not run lacks a GPU, or a library that is not there at all or is named as a problem already."""
    if trial.error == DeviceError.__name__:
        return True
    return trial.error == LibraryError.__name__ and not _is_broken(trial, versions)


def _is_broken(trial: Trial, versions: Mapping[str, str | None]) -> bool:
    library = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}.get(trial.target)
    return library is not None and versions.get(library) is not None


def _command(text: str) -> str | None:
    """All commands in a text as one."""
    return " && ".join(dict.fromkeys(_COMMAND.findall(text))) or None


def _machine(found: Gpu) -> dict[str, str]:
    python = f"{platform.python_implementation()} {platform.python_version()} in {sys.prefix}"
    capability = f", compute capability {found.capability}" if found.capability else ""
    return {
        "trtnn": f"{trtnn.__version__} in {Path(trtnn.__file__).parent}",
        "Python": python,
        "system": f"{platform.system()} {platform.machine()}",
        "GPU": f"{found.name}{capability}" if found.name else f"none: {found.why_not}",
        "driver": found.driver or "",
    }


def _library_table(libraries: Sequence[Installed]) -> str:
    rows = [(one.library.name, one.version or "-", one.state, _purpose(one)) for one in libraries]
    return table(("library", "version", "", "for"), rows)


def _purpose(one: Installed) -> str:
    extra = one.library.extra
    return f'{one.library.purpose}; pip install "trtnn[{extra}]"' if extra and not one.version else one.library.purpose


def _target_fields(trials: Sequence[Trial]) -> str:
    return fields({one.target: [_outcome(one), *([_reason(one)] if one.problem else [])] for one in trials})


def _outcome(trial: Trial) -> str:
    if trial.simulated:
        return "builds plans, which simulated in NumPy give the right numbers, and cannot run them here"
    return "builds and runs" if trial.runs else "builds, and does not run" if trial.builds else "does not work here"


def _reason(trial: Trial) -> str:
    return " ".join(trial.problem.split())


def _problem_lines(problems: Sequence[Problem]) -> list[str]:
    return [line for one in problems for line in (f"  {one.text}", *([f"    {one.fix}"] if one.fix else []))]


def _document(
    libraries: Sequence[Installed], found: Gpu, trials: Sequence[Trial], problems: Sequence[Problem]
) -> dict[str, Any]:
    return {
        "trtnn": trtnn.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "processor": platform.machine(),
        "gpu": attrs.asdict(found),
        "libraries": {one.library.name: {"version": one.version, "oldest": one.oldest} for one in libraries},
        "targets": [{**attrs.asdict(one), "fix": _command(one.problem)} for one in trials],
        "problems": [attrs.asdict(one) for one in problems],
    }
