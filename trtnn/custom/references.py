"""Calling the NumPy form of a custom op, whose results are held against its typing rule every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trtnn.custom.failing import failure_of
from trtnn.errors import CustomOpError, TrtnnError
from trtnn.graph import TensorType, as_dtype
from trtnn.graph.dims import evaluate, names

if TYPE_CHECKING:
    from trtnn.custom.definition import CustomOp

Arrays = tuple[np.ndarray, ...]


def call_reference(op: CustomOp, arrays: Sequence[np.ndarray]) -> Arrays:
    """The results for these arrays. Raises CustomOpError when they are not what ``infer`` says."""
    types = op.infer(*(TensorType(as_dtype(array.dtype), array.shape) for array in arrays))
    return run_reference(op, types, arrays, {}, {dim.name: dim.name for dim in op.sizes})


def run_reference(
    op: CustomOp,
    types: Sequence[TensorType],
    arrays: Sequence[np.ndarray],
    sizes: dict[str, int],
    own: Mapping[str, str],
) -> Arrays:
    """The results, of these types where named dims have these ``sizes``; those that the op makes itself, which are
    called ``own`` in the types, are added.

    The user's function gets views that it cannot write to. Raises CustomOpError when it fails or returns something
    else.
    """
    try:
        results = op.options.reference(*map(_read_only, arrays))
    except TrtnnError:
        raise
    except Exception as error:
        raise failure_of(op.name, "reference", error) from error
    if not isinstance(results, (tuple, list)):
        results = (results,)
    if len(results) != len(types):
        raise _mismatch(op, f"{len(types)} result{'s' * (len(types) != 1)}", str(len(results)))
    found = tuple(
        _checked(op, place, type, result, sizes)
        for place, (type, result) in enumerate(zip(types, results, strict=True))
    )
    for dim in op.sizes:
        if dim.max is not None and sizes[own[dim.name]] > dim.max:
            raise _mismatch(op, f"at most {dim.max} for {dim.name}", str(sizes[own[dim.name]]))
    return found


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view


def _checked(op: CustomOp, place: int, type: TensorType, result: Any, sizes: dict[str, int]) -> np.ndarray:
    array = _as_array(op, place, type, result)
    if array.dtype != type.dtype.numpy:
        raise _mismatch(op, f"result {place} of {type.dtype}", str(array.dtype), f'use .astype("{type.dtype}")')
    if array.ndim != type.rank or not all(map(_fits, type.shape, array.shape, [sizes] * array.ndim)):
        raise _mismatch(op, f"result {place} of shape {_shape_text(type, sizes)}", str(array.shape))
    return array if array.flags.writeable else array.copy()


def _as_array(op: CustomOp, place: int, type: TensorType, result: Any) -> np.ndarray:
    try:
        array = np.asarray(result, order="C")
    except ValueError:  # lists of different lengths
        array = None
    if array is None or array.dtype == object:
        got = f"{result.__class__.__name__} {result!r:.80}"
        raise _mismatch(op, f"an array of {type.dtype} as result {place}", got)
    return array


def _fits(size: Any, got: int, sizes: dict[str, int]) -> bool:
    """Whether an axis has its size; a named dim that has no size yet takes this one."""
    if isinstance(size, int):
        return size == got
    if names(size) <= sizes.keys():
        return evaluate(size, sizes) == got
    sizes.setdefault(str(size), got)
    return True


def _shape_text(type: TensorType, sizes: dict[str, int]) -> str:
    used = frozenset[str]().union(*map(names, type.shape))
    known = [f"{name}={sizes[name]}" for name in sorted(used) if name in sizes]
    shape = ", ".join(map(str, type.shape)) + ("," if type.rank == 1 else "")
    return f"({shape})" + (f" with {', '.join(known)}" if known else "")


def _mismatch(op: CustomOp, expected: str, got: str, remedy: str | None = None) -> CustomOpError:
    return CustomOpError(
        op.name, problem="reference does not return what infer says", expected=expected, got=got, remedy=remedy
    )
