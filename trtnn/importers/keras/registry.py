"""Which function converts which Keras layer, and what such a function is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

import attrs
import numpy as np

from trtnn.errors import FileFormatError, UnsupportedError
from trtnn.importers.keras.calling import Caller, MaskRule, call_plainly, pass_mask
from trtnn.importers.keras.spec import LayerSpec
from trtnn.importers.keras.variables import Variables
from trtnn.module import Module
from trtnn.parameter import Parameter

Converter: TypeAlias = Callable[["KerasLayer"], "Module | Callable[..., Any]"]
T = TypeVar("T")


@attrs.frozen
class Conversion:
    """A converter, and how Keras calls such a layer and passes masks on."""

    convert: Converter
    call: Caller = call_plainly
    masks: MaskRule = pass_mask

    @property
    def is_own(self) -> bool:
        """Whether trtnn itself brings the converter, which then knows every option of the layer."""
        function = getattr(self.convert, "func", self.convert)
        return str(function.__module__).startswith("trtnn.importers.keras.")


_CONVERSIONS: dict[str, Conversion] = {}


def keras_layer(
    *class_names: str, call: Caller = call_plainly, masks: MaskRule = pass_mask
) -> Callable[[Converter], Converter]:
    """Registers a converter for Keras layers of these classes, your own custom ones included::

    @trtnn.keras_layer("MyLayer")
    def convert(layer):
        kernel, bias = layer.take("kernel", "bias")
        return layer.fill(MyLayer(*kernel.shape), kernel=kernel, bias=bias)

    The converter gets a `KerasLayer` and returns a Module, or a function of tensors such as a custom op, which is
    called with the tensors that the Keras layer is called with (those of a list one by one) and with its keyword
    arguments. A later registration replaces an earlier one. Operations of ``keras.ops`` in functional models have the
    class name "ops." and their own ("ops.Mean").

    ``call`` and ``masks`` are for layers that are called in another way, or that do more with a mask than to pass that
    of their only input on; see `trtnn.importers.keras.calling`.
    """

    def register(converter: Converter) -> Converter:
        for class_name in class_names:
            _CONVERSIONS[class_name] = Conversion(converter, call, masks)
        return converter

    return register


def find_conversion(spec: LayerSpec) -> Conversion | None:
    """How to convert a layer, or None. A class of the user's own is only taken for what the user registered."""
    import trtnn.importers.keras.converters
    import trtnn.importers.keras.operations  # noqa: F401  # both register their converters

    found = _CONVERSIONS.get(conversion_name(spec))
    return None if found is not None and found.is_own and spec.is_custom else found


def conversion_name(spec: LayerSpec) -> str:
    """The name under which a layer's converter is registered."""
    name = spec.class_name.rpartition(">")[2]  # Keras 2 writes "Package>MyLayer"
    return f"ops.{name}" if spec.is_operation else name


_TRAINING_ENDINGS = ("_initializer", "_regularizer", "_constraint")
_TRAINING = frozenset(
    [
        "name",
        "trainable",
        "dtype",
        "autocast",
        "batch_shape",
        "batch_input_shape",
        "input_length",
        "batch_size",
        "sparse",
        "ragged",
        "seed",
        "dropout",
        "recurrent_dropout",
        "rate",
        "noise_shape",
        "stddev",
        "momentum",
        "l1",
        "l2",
        "unit_forget_bias",
        "unroll",
        "implementation",
        "use_cudnn",
        "flash_attention",
        "synchronized",
        "fused",
        "lora_rank",
        "lora_alpha",
        "gptq_unpacked_column_size",
        "weights",
        "build_config",
    ]
)
"""Options that change nothing at inference, or nothing that the variables do not show."""


@attrs.frozen(eq=False)
class KerasLayer:
    """One layer of a Keras file, as a converter sees it: its options, its variables, and the layers inside it.

    ``keras_version`` is the major version of the Keras that wrote the file.
    """

    spec: LayerSpec
    variables: Variables
    keras_version: int
    convert: Callable[[Mapping[str, Any], Variables, str], Module] = attrs.field(repr=False)
    _read: set[str] = attrs.field(factory=set, init=False, repr=False)

    @property
    def name(self) -> str:
        """The layer's name in the Keras model."""
        return self.spec.name

    @property
    def class_name(self) -> str:
        """The layer's Keras class."""
        return self.spec.class_name

    def option(self, name: str, default: T | Any = None) -> Any:
        """An option of the layer, lists of ints as tuples, or the default when the config does not have it."""
        self._read.add(name)
        value = self.spec.config.get(name, default)
        return tuple(value) if isinstance(value, list) and all(isinstance(one, int) for one in value) else value

    def require(self, name: str, *allowed: Any) -> Any:
        """An option that must have one of the allowed values; the first is the default. Raises UnsupportedError."""
        value = self.option(name, allowed[0])
        if value not in allowed:
            raise self.unsupported(f"{name}={value!r}")
        return value

    def require_no_other_options(self) -> None:
        """Raises UnsupportedError for an option that is set and that the converter never asked for."""
        for name, value in self.spec.config.items():
            known = name in self._read or name in _TRAINING or name.endswith(_TRAINING_ENDINGS)
            if not known and value not in (None, False, [], {}, ""):
                raise self.unsupported(f"{name}={_shortened(value)}")

    def unsupported(self, what: str) -> UnsupportedError:
        """The error for an option that cannot be converted; the import collects it with those of other layers."""
        return UnsupportedError(self.spec.title, problem=f"{what} is not supported")

    def take(self, *names: str) -> list[np.ndarray]:
        """The layer's variables, which Keras makes in the order of ``names``. Raises FileFormatError unless all are
        there."""
        return self.variables.take(names)

    def weights(self, **wanted: Any) -> dict[str, np.ndarray]:
        """The variables by name, those left out whose value is false: ``weights(kernel=True, bias=use_bias)``."""
        names = [name for name, there in wanted.items() if there]
        return dict(zip(names, self.take(*names), strict=True)) if names else {}

    def child(self, *attributes: str) -> Variables:
        """The variables of an object in an attribute, which other versions of Keras gave the other names."""
        return self.variables.child(*attributes)

    def fill(self, module: Module, **arrays: np.ndarray) -> Any:
        """The module with arrays in its parameters, by attribute (``cell__kernel`` for one in a child).

        Raises FileFormatError when a shape does not fit.
        """
        for name, array in arrays.items():
            holder: Any = module
            *path, last = name.split("__")
            for part in path:
                holder = getattr(holder, part)
            parameter = getattr(holder, last)
            if not isinstance(parameter, Parameter) or parameter.shape != array.shape:
                expected = getattr(parameter, "shape", "no such parameter")
                raise FileFormatError(f"{self.spec.title}.{name}", expected=str(expected), got=str(array.shape))
            parameter.assign(array)
        return module

    def nested(self, option: str, *attributes: str) -> Module:
        """The converted layer that an option holds (the ``layer`` of TimeDistributed, the ``cell`` of RNN).

        Its variables are those of the object in the attribute of the same name, or in one of ``attributes``.
        """
        raw = self.raw_layer(option)
        children = self.variables.child(*(attributes or (option,)), str(raw.get("class_name", "")))
        return self.convert(raw, children, f"{self.spec.where}.config.{option}")

    def raw_layer(self, option: str) -> Mapping[str, Any]:
        """The config of the layer that an option holds. Raises FileFormatError when it holds something else."""
        raw = self.option(option)
        if not isinstance(raw, Mapping) or not isinstance(raw.get("config"), Mapping):
            where = f"config.json: {self.spec.where}.config.{option}"
            raise FileFormatError(where, expected="a layer", got=_shortened(raw))
        return raw


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
