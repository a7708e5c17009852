"""Refit: other weights in an engine that is in use."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from trtnn.engine import Engine
from trtnn.errors import ArgumentError
from trtnn.weights.pages import release_pages

if TYPE_CHECKING:
    from trtnn.weights import LoadReport

CHANGING = threading.RLock()
"""Held while engines are refitted or saved: they may share a module."""


def refit(engine: Engine, source: Any, name_map: Any = None) -> LoadReport:
    """Puts TensorFlow weights into the engine. See `Engine.refit`."""
    if engine.recipe is None:
        raise ArgumentError(
            engine.signature.name,
            problem="cannot be refitted: it comes from a file, and the names and layouts of weights from its module",
            remedy="load it with Engine.load(path, module=model)",
        )
    with CHANGING:
        parameters = engine.recipe.module.parameters()
        before = [parameter.data for parameter in parameters]
        try:
            report = engine.recipe.module.load_weights(source, name_map)
            recipe = engine.recipe.renewed()
            engine._refit(recipe)
        except BaseException:
            for parameter, data in zip(parameters, before, strict=True):
                parameter.data = data
            raise
        engine.recipe, engine._sidecar, engine._home = recipe, None, None
        release_pages(parameter.data for parameter in parameters)
    return report
