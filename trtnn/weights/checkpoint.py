"""TensorFlow checkpoints and SavedModels as a source of weights: finding the files, and the names inside them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from trtnn.errors import FileFormatError
from trtnn.weights.bundle import Bundle
from trtnn.weights.file import Hit, Variable, WeightsFile, plain_name
from trtnn.weights.noise import METRIC, SLOT, why_ignored
from trtnn.weights.object_graph import EXPORT_LIST, GRAPH_KEY, KEY_SUFFIX, ObjectGraph
from trtnn.weights.wire import DamagedError

_KEEP_LISTS = (
    "if these layers are kept in a Python list: Keras 3 leaves them out of a tf.train.Checkpoint without a word; make "
    "each an attribute as well (setattr(self, 'block0', layer)) and save again"
)
_KEEP_LAYERS = (
    "model.export keeps no layers, only the variables' own names, which in a subclassed Keras 3 model are not unique: "
    "save the model with tf.train.Checkpoint(model=model).write(path)"
)
BUNDLE_FILE = re.compile(r"\.(index|data-\d{5}-of-\d{5})$")
_STATE = re.compile(rb'^\s*model_checkpoint_path\s*:\s*"((?:[^"\\]|\\.)*)"', re.MULTILINE)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)


def open_checkpoint(prefix: Path, title: str) -> WeightsFile:
    """The checkpoint ``PREFIX.index`` and its shards, called ``title`` in messages; raises FileFormatError."""
    bundle = Bundle.open(prefix)
    if GRAPH_KEY in bundle.entries:
        try:
            graph = ObjectGraph.parse(bytes(bundle.read(GRAPH_KEY).item()))
        except DamagedError as error:
            raise FileFormatError(str(prefix), problem=f"its object graph is damaged: {error}") from error
        return ObjectCheckpoint(title, bundle, graph)
    names = bundle.entries.keys()
    ignored = {name: why_ignored(name, names, bundle.entries[name].shape) for name in names}
    return WeightsFile(title, (_variable(bundle, name, name, ignored[name]) for name in names))


def _variable(bundle: Bundle, key: str, name: str, ignored: str) -> Variable:
    entry = bundle.entries[key]
    return Variable(name, entry.shape, entry.dtype, partial(bundle.read, key), ignored)


class ObjectCheckpoint(WeightsFile):
    """A checkpoint of tf.train.Checkpoint, tf.saved_model.save or Keras: keys are object paths.

    A variable is found by its key, by its own name (also without the model's), and by the attributes that lead to it in
    the object graph. Messages call it by its own name, or by the attributes where several have the same name.
    """

    def __init__(self, title: str, bundle: Bundle, graph: ObjectGraph) -> None:
        own_names, paths = graph.full_names(), graph.paths()
        keys = _without_second_copies(bundle, graph, own_names)
        uses = Counter(own_names.get(key, "") for key in keys)
        self._graph = graph
        self._by_key: dict[str, Variable] = {}
        for key in keys:
            own_name, path = own_names.get(key, ""), paths.get(key, key.removesuffix(KEY_SUFFIX))
            name = own_name if own_name and uses[own_name] == 1 else path
            self._by_key[key] = _variable(
                bundle, key, name, _why_ignored(key, own_name, bundle.entries[key].shape, graph)
            )
        hint = _KEEP_LISTS if graph.is_keras3() else _KEEP_LAYERS if graph.is_keras3_export() else ""
        super().__init__(title, self._by_key.values(), hint)
        self._index_names(own_names)

    def _index_names(self, own_names: Mapping[str, str]) -> None:
        by_key = self._by_key
        weights = {key: name for key, name in own_names.items() if name and key in by_key and not by_key[key].ignored}
        model_name = _common_first_part(weights.values())
        for key, variable in by_key.items():
            self.index(key.removesuffix(KEY_SUFFIX), variable)
            if key in weights:
                self.index(weights[key], variable)
                self.index(weights[key].removeprefix(model_name), variable)

    def find(self, name: str) -> list[Hit]:
        """By the complete key, which is unique; else by names and object paths."""
        if name in self._by_key:
            return [Hit(self._by_key[name])]
        keys = self._graph.find(plain_name(name).split("/"))
        return super().find(name) + [Hit(self._by_key[key], "path") for key in keys if key in self._by_key]


def _common_first_part(names: Iterable[str]) -> str:
    """``sequential/`` when that is what all names with a slash start with, as in a Keras model that has been called."""
    first_parts = {name.partition("/")[0] for name in names if "/" in name}
    return first_parts.pop() + "/" if len(first_parts) == 1 else ""


def _without_second_copies(bundle: Bundle, graph: ObjectGraph, own_names: Mapping[str, str]) -> list[str]:
    """The keys of all variables. ``model.export`` writes each one twice: the list ``_all_variables`` is left out."""
    keys = [key for key in bundle.entries if key != GRAPH_KEY]
    if not graph.is_keras3_export():
        return keys

    def identity(key: str) -> tuple[object, ...]:
        entry = bundle.entries[key]
        return own_names.get(key), entry.dtype, entry.shape, entry.crc

    others = {identity(key) for key in keys if not key.startswith(EXPORT_LIST + "/")}
    return [key for key in keys if not (key.startswith(EXPORT_LIST + "/") and identity(key) in others)]


def _why_ignored(key: str, own_name: str, shape: tuple[int, ...], graph: ObjectGraph) -> str:
    path = key.removesuffix(KEY_SUFFIX)
    if key in graph.optimizer_keys or "/.OPTIMIZER_SLOT/" in key:
        return why_ignored(path.replace("_iterations", "iterations"), (), shape) or SLOT
    if path.startswith("keras_api/metrics/") or "/keras_api/metrics/" in path:
        return METRIC
    return why_ignored(path, (), shape) or why_ignored(own_name, (), shape)


def checkpoint_prefix(path: Path) -> Path | None:
    """The prefix of the checkpoint that ``path`` means: a prefix, one of its files or a folder; None without one."""
    if BUNDLE_FILE.search(path.name):
        return path.with_name(BUNDLE_FILE.sub("", path.name))
    if path.is_dir():
        return _prefix_in(path)
    return path if path.with_name(path.name + ".index").exists() else None


def _prefix_in(folder: Path) -> Path | None:
    """A SavedModel's variables; else what the ``checkpoint`` file names as the latest; else the only one there is."""
    if (folder / "saved_model.pb").exists() or (folder / "variables" / "variables.index").exists():
        return folder / "variables" / "variables"
    latest = _latest(folder)
    if latest is not None:
        return latest
    prefixes = sorted(file.with_suffix("") for file in folder.glob("*.index"))
    if len(prefixes) > 1:
        names = ", ".join(prefix.name for prefix in prefixes)
        raise FileFormatError(str(folder), problem=f"holds several checkpoints: {names}", remedy="name one of them")
    return prefixes[0] if prefixes else None


def _latest(folder: Path) -> Path | None:
    state = folder / "checkpoint"
    match = _STATE.search(state.read_bytes()) if state.is_file() else None
    if match is None:
        return None
    prefix = folder / _unescape(match[1]).decode(errors="replace")
    if not prefix.with_name(prefix.name + ".index").exists():
        prefix = folder / prefix.name  # the folder was moved, and the path in the file is absolute
    return prefix


def _unescape(escaped: bytes) -> bytes:
    named = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
    return _ESCAPE.sub(lambda m: bytes([int(m[1], 8) & 0xFF]) if m[1].isdigit() else named.get(m[1], m[1]), escaped)
