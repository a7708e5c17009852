"""Reading weights that TensorFlow or NumPy wrote, without TensorFlow, and matching them to a model by name.

The names below are imported when they are first used: a program that loads a ready engine needs none of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trtnn.weights.file import Variable, WeightsFile
    from trtnn.weights.listing import WeightsTable, list_weights
    from trtnn.weights.loading import load
    from trtnn.weights.report import LoadReport
    from trtnn.weights.slot import Slot
    from trtnn.weights.sources import open_weights

__all__ = ["LoadReport", "Slot", "Variable", "WeightsFile", "WeightsTable", "list_weights", "load", "open_weights"]

_HOMES = {
    "LoadReport": "report",
    "Slot": "slot",
    "Variable": "file",
    "WeightsFile": "file",
    "WeightsTable": "listing",
    "list_weights": "listing",
    "load": "loading",
    "open_weights": "sources",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
