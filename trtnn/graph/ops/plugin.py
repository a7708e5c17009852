"""Plugins of TensorRT, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import attrs
import numpy as np

from trtnn.errors import CustomOpError, TrtnnError
from trtnn.graph.ops.base import Op
from trtnn.graph.ops.custom import inferred_types
from trtnn.graph.types import TensorType

FieldValue: TypeAlias = int | float | str | np.ndarray


@attrs.frozen(eq=False, repr=False)
class TensorRTPlugin(Op):
    """A plugin that TensorRT or a user's library has, with the values of its fields.

    ``results`` is the user's typing rule: operands' types to the type of the result, or a tuple of them.
    """

    plugin: str
    version: str
    namespace: str
    fields: Mapping[str, FieldValue]
    results: Callable[..., Any]

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        """What the user's rule says. Raises what it raises of trtnn's errors, and CustomOpError when it fails in
        another way or gives no type."""
        try:
            return inferred_types(self.results(*inputs))
        except TrtnnError as error:
            error.path = f"{self.plugin}: {error.path}" if error.path else self.plugin
            raise
        except Exception as error:
            raise CustomOpError(self.plugin, problem=f"infer raised {type(error).__name__}: {error}") from error

    @property
    def name(self) -> str:
        """``tensorrt_plugin``."""
        return "tensorrt_plugin"

    @property
    def attributes(self) -> dict[str, object]:
        """The plugin's name, version and fields."""
        return {"plugin": self.plugin, "version": self.version, **self.fields}
