"""An imported Keras model: its layers by name, and the order of their calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs
import numpy as np

from trtnn.errors import ShapeError, TraceError
from trtnn.graph import shape_text
from trtnn.importers.keras.arguments import Literal, TensorRef, references, substitute
from trtnn.importers.keras.calling import Called, Caller, MaskRule, Masks, is_size, leaves
from trtnn.importers.keras.order import Step
from trtnn.inputs import Input
from trtnn.module import Module
from trtnn.tensor import Tensor


@attrs.frozen(eq=False)
class Convention:
    """How Keras calls a layer and passes its masks on, and the options that this depends on."""

    call: Caller
    masks: MaskRule
    option: Callable[..., Any]
    keras_version: int


class KerasModel(Module):
    """A Sequential or Functional Keras model as a module.

    ``layers`` are the layers by their Keras names, in Keras's order; put another Module in a place to replace one. A
    layer is also an attribute: ``model.conv1``. Inputs have Keras's names, and None in a shape is a named dim:
    ``batch``, or ``<input>_<axis>``. ``keras_precision`` names the half or mixed precision that Keras computed in, or
    is empty.
    """

    def __init__(
        self,
        keras_name: str,
        layers: dict[str, Module],
        conventions: Mapping[str, Convention],
        inputs: dict[str, Input],
        ends: tuple[Any, Any],
        steps: list[Step],
        precision: str = "",
    ) -> None:
        self.keras_name, self.keras_precision = keras_name, precision
        self.layers = layers
        self._conventions = conventions
        self._inputs, self._ends, self._steps = inputs, ends, steps

    @property
    def inputs(self) -> dict[str, Input]:
        """The inputs by their Keras names."""
        return dict(self._inputs)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The layers under their Keras names."""
        yield from self.layers.items()

    def _graph_name(self) -> str:
        return self.keras_name

    def _arguments(self) -> dict[str, Any]:
        return dict(self._inputs)

    def _require_inputs(self, count: int, named: Iterable[str]) -> None:
        """Leaves the check to `forward`, which takes inputs in more ways than arguments."""

    def forward(self, /, *tensors: Any, **named: Any) -> Any:
        """Tensors in the order, or under the names, of the model's inputs; gives tensors in the structure of its
        outputs. Inside another imported model that one's `Masks` come last."""
        nested = bool(tensors) and isinstance(tensors[-1], Masks)
        masks, tensors = (tensors[-1], tensors[:-1]) if nested else (Masks(), tensors)
        starts = references(self._ends[0])
        values: dict[TensorRef, Any] = dict(zip(starts, self._bind(tensors, named), strict=True))
        for step in self._steps:
            for i, one in enumerate(self._call(step, values, masks)):
                values[TensorRef(step.layer, step.number, i)] = one
        return substitute(self._ends[1], self._finder("the outputs", values))

    def _call(self, step: Step, values: Mapping[TensorRef, Any], masks: Masks) -> list[Tensor]:
        find = self._finder(step.layer, values)
        args = _literals(substitute(step.call.args, find))
        kwargs = _literals(substitute(step.call.kwargs, find))
        kwargs = {name: one for name, one in kwargs.items() if one is not None and name != "training"}
        convention, inputs = self._conventions[step.layer], args[0] if args else None
        given = kwargs.get("mask")
        before = masks.of(inputs) if given is None else given
        tensors = [one for one in leaves([args, kwargs]) if isinstance(one, Tensor)]
        outputs = list(leaves(convention.call(self.layers[step.layer], args, kwargs, masks)))
        called = Called(convention.option, convention.keras_version, inputs, before, tensors, outputs, masks)
        after = convention.masks(called)
        for tensor, mask in zip(outputs, after if isinstance(after, (list, tuple)) else [after], strict=False):
            if mask is not None:
                masks.set(tensor, mask)
        return outputs

    def _finder(self, user: str, values: Mapping[TensorRef, Any]) -> Callable[[TensorRef], Any]:
        """What finds the tensor that a reference means; ``user`` is who asks."""

        def find(reference: TensorRef) -> Any:
            tensor = values.get(reference)
            if is_size(tensor):
                return tensor
            if not isinstance(tensor, Tensor):
                result = f"result {reference.tensor} of call {reference.call} of {reference.layer}"
                raise TraceError(user, expected=f"a tensor as {result}", got=type(tensor).__name__)
            _require_shape(user, reference, tensor)
            return tensor

        return find

    def _bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Tensor]:
        """The input tensors in order, from however Keras lets a model be called: x, [x, y], {"x": x, "y": y}, or by
        name."""
        if len(args) == 1 and isinstance(args[0], Mapping):
            kwargs, args = args[0], ()
        elif len(args) == 1 and isinstance(args[0], (list, tuple)):
            args = tuple(args[0])
        given = [*args, *(kwargs[name] for name in list(self._inputs)[len(args) :] if name in kwargs)]
        if len(given) != len(self._inputs):
            raise TraceError(
                self.keras_name, expected=f"the inputs {', '.join(self._inputs)}", got=f"{len(given)} tensors"
            )
        return given

    def __getattr__(self, name: str) -> Any:
        layers = self.__dict__.get("layers", {})
        if name in layers:
            return layers[name]
        raise AttributeError(f"{type(self).__name__} has no attribute and no layer {name!r}")

    def describe(self) -> str:
        """The model's Keras name, and the precision that it had in Keras where that was another than float32."""
        trained = f", float32 for Keras's {self.keras_precision}" if self.keras_precision else ""
        return repr(self.keras_name) + trained


def call_model(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], masks: Masks) -> Any:
    """A nested model gets the masks of the tensors around it, and its own stay on its outputs."""
    given = kwargs.pop("mask", None)
    for tensor, mask in zip(leaves(args), leaves(given), strict=False):
        if mask is not None:
            masks.set(tensor, mask)
    return module(*args, masks, **kwargs) if isinstance(module, KerasModel) else module(*args, **kwargs)


class Function(Module):
    """A layer whose converter gave a function of tensors, such as a custom op."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the function gives."""
        return self.function(*args, **kwargs)

    def describe(self) -> str:
        """The function's name, or the op's class."""
        return getattr(self.function, "__name__", type(self.function).__name__)


class Identity(Module):
    """A layer that does nothing at inference: dropout, noise, augmentation, and the inputs themselves."""

    def __init__(self, keras_class: str) -> None:
        self.keras_class = keras_class

    def forward(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """x itself."""
        return x

    def describe(self) -> str:
        """The Keras class that it stands for."""
        return self.keras_class


def _require_shape(user: str, reference: TensorRef, tensor: Tensor) -> None:
    """Raises ShapeError when a tensor is not what Keras noted: a replaced layer, or a file that contradicts itself."""
    if reference.shape is None:
        return
    fits = len(reference.shape) == tensor.ndim and all(
        noted is None or not isinstance(size, int) or noted == size
        for noted, size in zip(reference.shape, tensor.shape, strict=True)
    )
    if not fits:
        noted = ", ".join("None" if size is None else str(size) for size in reference.shape)
        raise ShapeError(
            user, expected=f"({noted}) from {reference.layer}, as the file says", got=shape_text(tensor.shape)
        )


def _literals(tree: Any) -> Any:
    if isinstance(tree, Literal):
        return np.asarray(tree.value, tree.dtype)
    if isinstance(tree, dict):
        return {key: _literals(one) for key, one in tree.items()}
    return type(tree)(_literals(one) for one in tree) if isinstance(tree, (list, tuple)) else tree
