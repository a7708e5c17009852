"""What is in a Keras file: inputs, layers and parameters, and what trtnn cannot convert."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trtnn.cli.console import Console, fields, table
from trtnn.cli.failures import FAILED
from trtnn.cli.wording import on_the_command_line
from trtnn.errors import FileFormatError, UnsupportedError
from trtnn.importers.keras import from_keras
from trtnn.importers.keras.archive import open_archive
from trtnn.importers.keras.spec import ModelSpec, parse_model
from trtnn.weights.hdf5 import Hdf5File

HDF5_SUFFIXES = (".h5", ".hdf5")


def is_keras_model(path: Path) -> bool:
    """Whether a path is a whole model by its name, or, of an HDF5 file, by its having a model's config."""
    if path.suffix in HDF5_SUFFIXES and path.is_file():
        return Hdf5File.at(path).attribute("", "model_config") is not None
    return path.suffix == ".keras"


def inspect_keras(path: Path, console: Console) -> int:
    """Prints the model, or its layers and what is in the way of converting it."""
    try:
        model = from_keras(path)
    except UnsupportedError as error:
        return _inspect_unsupported(path, error, console)
    outputs = {name: str(value.type) for name, value in model.trace().outputs}
    inputs = {name: str(one) for name, one in model.inputs.items()}
    count = sum(parameter.size for parameter in model.parameters())
    console.say(f"{path.name}: Keras model {model.keras_name}, which trtnn can convert")
    console.say(
        fields(
            {
                "inputs": [f"{name}: {one}" for name, one in inputs.items()],
                "outputs": [f"{name}: {one}" for name, one in outputs.items()],
                "trained in": model.keras_precision,
            }
        )
    )
    console.say(f"\n{on_the_command_line(str(model.summary()))}")
    console.finish(
        {
            "kind": "keras",
            "name": model.keras_name,
            "convertible": True,
            "inputs": inputs,
            "outputs": outputs,
            "parameters": count,
            "layers": [
                {"name": name, "class": type(layer).__name__, "parameters": sum(p.size for p in layer.parameters())}
                for name, layer in model.layers.items()
            ],
        }
    )
    return 0


def _inspect_unsupported(path: Path, error: UnsupportedError, console: Console) -> int:
    """The layers as the file has them, and what is in the way."""
    layers = _layers(path)
    console.say(f"{path.name}: a Keras model that trtnn cannot convert")
    if layers:
        console.say(table(("layer", "class"), layers))
        console.say()
    console.say(str(error))
    console.finish(
        {
            "kind": "keras",
            "convertible": False,
            "problem": str(error),
            "layers": [{"name": name, "class": class_name} for name, class_name in layers],
        }
    )
    return FAILED


def _layers(path: Path) -> list[tuple[str, str]]:
    """Names and classes, nested models' too; none of a model that is Python code, whose layers the file does not
    list."""
    try:
        return list(_named(parse_model(open_archive(path).config), ""))
    except FileFormatError:
        return []


def _named(model: ModelSpec, prefix: str) -> Iterator[tuple[str, str]]:
    for layer in model.layers:
        yield prefix + layer.name, layer.class_name
        if layer.model is not None:
            yield from _named(layer.model, f"{prefix}{layer.name}.")
