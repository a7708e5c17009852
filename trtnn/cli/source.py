"""From what a user names on the command line to a module with its weights."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from trtnn.cli.console import Console
from trtnn.cli.failures import UsageError
from trtnn.errors import SourceLine, TrtnnError
from trtnn.inputs import Input
from trtnn.module import Module
from trtnn.text import did_you_mean

KERAS_SUFFIXES = (".keras", ".h5", ".hdf5")
_FORMS = "a Keras file (.keras, .h5), package.module:Class or path/to/file.py:Class"


class SourceError(TrtnnError):
    """A SOURCE that cannot be imported or made."""


def load_source(arguments: Namespace, console: Console) -> Module:
    """The module that SOURCE names, with the weights of ``--weights``; says what was loaded.

    Raises UsageError, SourceError, and what reading a Keras file or weights raises.
    """
    import_modules(arguments.imports)
    model = _make(arguments.source, dict(arguments.arg))
    if arguments.weights is not None:
        report = model.load_weights(arguments.weights, name_map=arguments.name_map)
        console.say(report.headline)
    else:
        missing = sum(parameter.data is None for parameter in model.parameters())
        if missing:
            raise UsageError(f"{arguments.source} has {missing} parameters without values: give --weights FILE")
    return model


def import_modules(names: list[str]) -> None:
    """Imports modules for what they register; they are found from the current folder too."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    for name in names:
        _import(name)


def inputs_of(arguments: Namespace) -> dict[str, Input] | None:
    """The inputs that ``--input`` declares, by name; None without any."""
    return {name: Input(*one.sizes, dtype=one.dtype) for name, one in arguments.input} or None


def _make(source: str, given: dict[str, Any]) -> Module:
    if source.endswith(KERAS_SUFFIXES):
        if given:
            raise UsageError("--arg is for a class; a Keras file needs none")
        from trtnn.importers.keras import from_keras

        return from_keras(source)
    place, separator, name = source.rpartition(":")
    if not separator or not name or os.sep in name:
        raise UsageError(_without_class(source.rstrip(":")))
    return _call(_find(_import(place), place, name), name, given)


def _without_class(source: str) -> str:
    path = Path(source)
    if path.suffix == ".py" and path.is_file():
        return f"{source}: name the class too: {source}:Class"
    if path.exists():
        return f"{source}: expected {_FORMS}; weights are given with --weights"
    return f"{source}: there is no such file; expected {_FORMS}"


def _import(place: str) -> ModuleType:
    """A module by its name, or a file as the module that it would be if its folder were the current one."""
    if place.endswith(".py") or os.sep in place:
        path = Path(place)
        if not path.is_file():
            raise SourceError(place, problem="there is no such file")
        with _users_code(f"cannot import {place}"):
            return _import_file(path)
    if not all(part.isidentifier() for part in place.split(".")):
        raise UsageError(f"{place}: expected a module's name such as package.module, or a file such as nets/digits.py")
    if not _exists(place):
        raise SourceError(place, problem="there is no such module", remedy="run trtnn where it can be found")
    with _users_code(f"cannot import {place}"):
        return importlib.import_module(place)


def _exists(name: str) -> bool:
    with _users_code(f"cannot import {name}"):
        try:
            return importlib.util.find_spec(name) is not None
        except ModuleNotFoundError as error:
            if error.name is not None and f"{name}.".startswith(f"{error.name}."):
                return False
            raise


def _import_file(path: Path) -> ModuleType:
    sys.path.insert(0, str(path.resolve().parent))  # as for a script, so that it finds the files beside it
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    return module


def _find(module: ModuleType, place: str, name: str) -> Callable[..., Any] | Module:
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is None:
        classes = [key for key, one in vars(module).items() if _is_network(one, module)]
        said = did_you_mean(name, classes, most=1) or f"it has {', '.join(classes) or 'no trtnn.Module'}"
        raise SourceError(place, problem=f"there is no {name} in it", remedy=said)
    return found  # type: ignore[no-any-return]


def _is_network(value: Any, module: ModuleType) -> bool:
    return isinstance(value, type) and issubclass(value, Module) and value.__module__ == module.__name__


def _call(found: Any, name: str, given: dict[str, Any]) -> Module:
    if isinstance(found, Module):
        return found
    if not callable(found):
        raise SourceError(name, expected="a trtnn.Module or a function that makes one", got=type(found).__name__)
    try:
        inspect.signature(found).bind(**given)
    except TypeError as error:
        raise UsageError(f"{name}{inspect.signature(found)}: {error}: give --arg KEY=VALUE") from error
    with _users_code(f"cannot make {name}"):
        made = found(**given)
    if not isinstance(made, Module):
        raise SourceError(name, expected="a trtnn.Module or a function that makes one", got=type(made).__name__)
    return made


@contextmanager
def _users_code(what: str) -> Iterator[None]:
    """Turns whatever the user's own code raises into a SourceError with the line of theirs that it came from."""
    try:
        yield
    except TrtnnError:
        raise
    except SyntaxError as error:
        line = SourceLine(error.filename or "", error.lineno or 0, "<module>")
        raise SourceError(problem=f"{what}: {type(error).__name__}: {error.msg}", line=line) from error
    except (Exception, SystemExit) as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_machinery(frame.filename)]
        last = SourceLine(frames[-1].filename, frames[-1].lineno or 0, frames[-1].name) if frames else None
        raise SourceError(problem=f"{what}: {type(error).__name__}: {error}", line=last) from error


def _is_machinery(file: str) -> bool:
    return file == __file__ or file == importlib.__file__ or file.startswith("<")
