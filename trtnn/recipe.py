"""How an engine was made, so that it can be made again with other weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from trtnn.calling import Ranges
from trtnn.engine import Choice, Engine
from trtnn.graph import Graph
from trtnn.inputs import Input
from trtnn.passes import lower
from trtnn.precision.options import Precision

if TYPE_CHECKING:
    from trtnn.module import Module


@attrs.frozen(eq=False)
class Recipe:
    """All that went into an engine.

    ``inputs`` are the module's Inputs by name, ``profiles`` the ranges of the named dims, ``options`` those of the
    target's ``build``. ``weights`` are the parameters' arrays by path as the engine has them, not copies; None where
    that is not known, since the engine comes from a file.
    """

    module: Module = attrs.field(repr=False)
    inputs: Mapping[str, Input]
    profiles: tuple[Ranges, ...]
    precision: Precision
    options: Mapping[str, Any]
    weights: Mapping[str, np.ndarray] | None = attrs.field(repr=False)

    def renewed(self) -> Recipe:
        """The recipe with the weights that the module has now, which need a calibration of their own."""
        precision = attrs.evolve(
            self.precision,
            int8=self.precision.int8 and self.precision.int8.again(),
            fp8=self.precision.fp8 and self.precision.fp8.again(),
        )
        return attrs.evolve(self, precision=precision, weights=weights_of(self.module))

    def lowered(self, choice: Choice) -> tuple[Graph, Choice]:
        """The graph that the target gets, from the module's present weights, and the choice with its precision."""
        traced = self.module.trace(self.inputs)
        return in_precision(lower(traced), traced, self.precision, choice)

    def engine(self, choice: Choice) -> Engine:
        """A new engine from the module's present weights. Raises what compiling does."""
        from trtnn.backends.select import builder_of

        graph, choice = self.lowered(choice)
        engine = builder_of(choice)(graph, choice, self.profiles, **self.options)
        engine.recipe = self
        return engine


def weights_of(module: Module) -> dict[str, np.ndarray]:
    """The arrays of a module's loaded parameters by path, as references."""
    return {path: one.data for path, one in module.named_parameters() if one.data is not None}


def in_precision(lowered: Graph, traced: Graph, precision: Precision, choice: Choice) -> tuple[Graph, Choice]:
    """The lowered graph in the precision, and the choice with a note of it. See `apply_precision`."""
    if precision.is_float32:
        return lowered, choice
    from trtnn.precision.apply import apply_precision  # a float32 engine does without all that quantizes

    return apply_precision(lowered, precision, traced, choice)
