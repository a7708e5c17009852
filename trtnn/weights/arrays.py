"""A dict of arrays as a source of weights."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from trtnn.errors import WeightsError
from trtnn.weights.file import Variable, WeightsFile, plain_name
from trtnn.weights.noise import why_ignored
from trtnn.weights.partition import join_parts


def open_arrays(arrays: Mapping[str, Any]) -> WeightsFile:
    """``arrays``: name -> NumPy array or whatever ``numpy.asarray`` takes; shared with the caller, not copied.

    Raises WeightsError for a key that is no name or a value that is no array.
    """
    return WeightsFile("the dict", named_variables(_variable(name, value) for name, value in arrays.items()))


def named_variables(variables: Any) -> list[Variable]:
    """``variables`` of a source that has nothing but names: parts joined, and training's own variables marked."""
    joined = join_parts(variables)
    names = {plain_name(variable.name) for variable in joined}
    return [attrs.evolve(v, ignored=why_ignored(plain_name(v.name), names, v.shape)) for v in joined]


def _variable(name: Any, value: Any) -> Variable:
    if not isinstance(name, str):
        raise WeightsError("the dict", expected="names as keys", got=repr(name))
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise WeightsError(name, expected="an array", got=type(value).__name__) from error
    return Variable(name, array.shape, dtype_name(array), partial(_read_only, array))


def dtype_name(array: NDArray[Any]) -> str:
    """The name of an array's type as TensorFlow has it: text, bytes and objects are "string"."""
    return "string" if array.dtype.kind in "OSU" else array.dtype.name


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view
