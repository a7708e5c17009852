"""How operations of ``keras.ops`` become functions of trtnn, and Keras's rules for mixed data types."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from trtnn import functional as F
from trtnn.errors import UnsupportedError
from trtnn.graph import DType
from trtnn.importers.keras.calling import Masks, leaves, no_mask
from trtnn.importers.keras.function import Function
from trtnn.importers.keras.registry import KerasLayer, keras_layer
from trtnn.module import Module
from trtnn.tensor import Tensor

Operation = TypeVar("Operation", bound=Callable[..., Any])

ORDER = (DType.bool, DType.uint8, DType.int8, DType.int32, DType.int64, DType.float16, DType.float32)
"""Of two data types Keras computes in the later one, here where mixing small integers is left out."""


def operation(*names: str) -> Callable[[Operation], Operation]:
    """Registers a function for operations of ``keras.ops``: it gets the operation's arguments in order, and its options
    by their names."""

    def register(function: Operation) -> Operation:
        for name in names:
            keras_layer(f"ops.{name}", call=call_as_written, masks=no_mask)(partial(_convert, function))
        return function

    return register


def _convert(function: Callable[..., Any], layer: KerasLayer) -> Module:
    known = inspect.signature(function).parameters
    options = {}
    for name, value in layer.spec.config.items():
        if name in known:
            options[name] = _as_tuple(layer.option(name))
        elif name != "name" and value not in (None, False):
            raise layer.unsupported(f"{name}={value!r}")
    return Function(layer.class_name, function, options)


def call_as_written(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], masks: Masks) -> Any:
    """``module(*args, **kwargs)``; a list stays a list. Without a tensor it is a matter of sizes alone."""
    has_tensors = any(isinstance(one, Tensor) for one in leaves([args, kwargs]))
    return module(*args, **kwargs) if has_tensors else module.forward(*args, **kwargs)


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, (list, tuple)) else value


def as_float(x: Any) -> Any:
    """Integers and bools as float32, as Keras takes them where only floats make sense."""
    return F.cast(x, "float32") if isinstance(x, Tensor) and not x.dtype.is_float else x


def as_number(x: Any) -> Any:
    """Bools as int32, as Keras sums them."""
    return F.cast(x, "int32") if isinstance(x, Tensor) and x.dtype is DType.bool else x


def as_bool(x: Any) -> Any:
    """Numbers as whether they are not zero."""
    return F.not_equal(x, 0) if isinstance(x, Tensor) and x.dtype is not DType.bool else x


def promoted(*operands: Any) -> list[Any]:
    """Operands of one data type: the widest among the tensors, and float32 where a plain float meets integers."""
    tensors = [one for one in operands if isinstance(one, Tensor)]
    if not tensors:
        raise UnsupportedError(problem="arithmetic on sizes as data is not supported")
    widest = max((one.dtype for one in tensors), key=ORDER.index)
    numbers = [one for one in operands if not isinstance(one, Tensor)]
    if not widest.is_float and any(_is_float(one) for one in numbers):
        widest = DType.float32
    elif widest is DType.bool and any(not isinstance(one, bool) for one in numbers):
        widest = DType.int32
    return [F.cast(one, widest) if isinstance(one, Tensor) else one for one in operands]


def _is_float(number: Any) -> bool:
    return isinstance(number, float) or getattr(getattr(number, "dtype", None), "kind", "") == "f"
