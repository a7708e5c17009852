"""How a converted layer is called where Keras calls the original, and what becomes of the masks.

Keras keeps a mask, (batch, time) and bool, on a tensor. A layer that has an argument ``mask``, or ``<argument>_mask``,
gets the masks of its inputs there; afterwards its outputs get a mask from the layer's rule. `Masks` is that, without a
tensor that changes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from trtnn import functional as F
from trtnn.graph import Size, Value
from trtnn.graph.dims import DimExpr, is_int
from trtnn.module import Module
from trtnn.tensor import Tensor


class Masks:
    """The masks of a model's tensors while it is traced."""

    def __init__(self) -> None:
        self._held: dict[Value, Tensor] = {}

    def of(self, tree: Any) -> Any:
        """The mask of a tensor, or None; of a list or dict of tensors a list or dict."""
        if isinstance(tree, Tensor):
            return self._held.get(tree.value)
        if isinstance(tree, Mapping):
            return {name: self.of(one) for name, one in tree.items()}
        return [self.of(one) for one in tree] if isinstance(tree, (list, tuple)) else None

    def set(self, tensor: Tensor, mask: Tensor | None) -> None:
        """Gives a tensor a mask, or takes it away."""
        if mask is None:
            self._held.pop(tensor.value, None)
        else:
            self._held[tensor.value] = mask


@attrs.frozen
class Sizes:
    """A shape as ``tf.shape`` gives it to functions of Keras 2: sizes, known or named while the model is traced."""

    values: tuple[Size, ...]


def is_size(value: Any) -> bool:
    """Whether a value is a shape or one of its sizes."""
    return isinstance(value, (Sizes, DimExpr)) or is_int(value)


@attrs.frozen(eq=False)
class Called:
    """A call that has been made: ``inputs`` is the first argument, ``masks`` what came with it, ``tensors`` are those
    of all arguments. ``option`` is the layer's own, ``keras_version`` the major version; ``held`` has all masks."""

    option: Callable[..., Any]
    keras_version: int
    inputs: Any
    masks: Any
    tensors: Sequence[Any]
    outputs: Sequence[Tensor]
    held: Masks


Caller: TypeAlias = Callable[[Module, tuple[Any, ...], dict[str, Any], Masks], Any]
MaskRule: TypeAlias = Callable[[Called], Any]  # -> one mask, or one per output


def call_plainly(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], masks: Masks) -> Any:
    """``module(*args, **kwargs)``, the tensors of a list one by one, and with the masks that ``forward`` takes."""
    given = kwargs.pop("mask", None)
    if args and isinstance(args[0], (list, tuple)):
        args = (*args[0], *args[1:])
    parameters = inspect.signature(module.forward).parameters
    if "mask" in parameters:
        given = masks.of(args[0]) if given is None and args else given
        if given is not None:
            kwargs["mask"] = given
    named = [*zip(parameters, args, strict=False), *kwargs.items()]
    for name, tensor in named:
        if f"{name}_mask" in parameters and kwargs.get(f"{name}_mask") is None and masks.of(tensor) is not None:
            kwargs[f"{name}_mask"] = masks.of(tensor)
    return module(*args, **kwargs)


def call_with_floats(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], masks: Masks) -> Any:
    """`call_plainly` with a first argument of integers or bools as float32, of which Keras makes floats too."""
    x = args[0] if args else None
    if isinstance(x, Tensor) and not x.dtype.is_float:
        kwargs.setdefault("mask", masks.of(x))
        args = (F.cast(x, "float32"), *args[1:])
    return call_plainly(module, args, kwargs, masks)


def pass_mask(called: Called) -> Any:
    """The mask of a single input goes on; that of several is lost."""
    return called.masks if isinstance(called.inputs, Tensor) else None


def no_mask(called: Called) -> Any:
    """No mask comes out: of layers that do not know masks, or that remove the time axis."""
    return None


def leaves(tree: Any) -> Iterator[Any]:
    """What is in nested lists, tuples and dicts."""
    if isinstance(tree, Mapping):
        tree = list(tree.values())
    if isinstance(tree, (list, tuple)):
        for one in tree:
            yield from leaves(one)
    else:
        yield tree


def any_mask(called: Called) -> Any:
    """Where any of several inputs counts, if all have masks: Add and its like."""
    found = list(leaves(called.masks))
    if not isinstance(called.inputs, (list, tuple)) or any(mask is None for mask in found):
        return None
    merged = found[0]
    for mask in found[1:]:
        merged = F.logical_or(merged, mask)
    return merged
