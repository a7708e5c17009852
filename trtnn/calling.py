"""Checks the arrays that an engine is called with, quickly when they fit and with a full explanation when they do
not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import attrs
import numpy as np

from trtnn.errors import DimError, InputError
from trtnn.graph import Size, TensorType, shape_text
from trtnn.graph.dims import names

Ranges: TypeAlias = Mapping[str, tuple[int, int, int]]  # named dim -> (min, opt, max)


@attrs.frozen
class _Parameter:
    """One input, prepared for checking: its fixed sizes and its named dims by axis."""

    name: str
    type: TensorType
    dtype: np.dtype
    fixed: tuple[tuple[int, int], ...]
    named: tuple[tuple[int, str], ...]


class Arguments:
    """The inputs of an engine as a function's parameters."""

    def __init__(self, inputs: Mapping[str, TensorType], profiles: Sequence[Ranges], check_nan: bool) -> None:
        self._parameters = [_prepare(name, type) for name, type in inputs.items()]
        self._profiles, self._check_nan = profiles, check_nan

    def check(self, arrays: Sequence[Any], named: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The arrays by input name, contiguous. Raises InputError or DimError."""
        if named or len(arrays) != len(self._parameters):
            arrays = self._bind(arrays, named)
        feeds: dict[str, np.ndarray] = {}
        sizes: dict[str, int] = {}
        for parameter, array in zip(self._parameters, arrays, strict=True):
            if type(array) is not np.ndarray or array.dtype != parameter.dtype or not array.dtype.isnative:
                array = _require_array(parameter, array)
            _read_sizes(parameter, array, sizes)
            if self._check_nan:
                _require_numbers(parameter, array)
            feeds[parameter.name] = array if array.flags.c_contiguous else np.ascontiguousarray(array)
        if sizes and not any(_within(sizes, ranges) for ranges in self._profiles):
            raise _outside(sizes, self._profiles)
        return feeds

    def _bind(self, arrays: Sequence[Any], named: Mapping[str, Any]) -> list[Any]:
        wanted = [parameter.name for parameter in self._parameters]
        unknown = [name for name in named if name not in wanted]
        given = dict(zip(wanted, arrays, strict=False))
        twice = [name for name in named if name in given]
        missing = [name for name in wanted if name not in given and name not in named]
        if unknown or twice or missing or len(arrays) > len(wanted):
            said = [f"unknown: {', '.join(unknown)}"] if unknown else []
            said += [f"given twice: {', '.join(twice)}"] if twice else []
            said += [f"missing: {', '.join(missing)}"] if missing else []
            raise InputError(
                "engine",
                expected=f"{len(wanted)} inputs ({', '.join(wanted)})",
                got=f"{len(arrays) + len(named)}" + (f" ({'; '.join(said)})" if said else ""),
                remedy="give them in that order, or by name",
            )
        given |= named
        return [given[name] for name in wanted]


def _prepare(name: str, type: TensorType) -> _Parameter:
    fixed = tuple((axis, size) for axis, size in enumerate(type.shape) if isinstance(size, int))
    named = tuple((axis, _only_name(size)) for axis, size in enumerate(type.shape) if not isinstance(size, int))
    return _Parameter(name, type, type.dtype.numpy, fixed, named)


def _only_name(size: Size) -> str:
    (name,) = names(size)  # the sizes of inputs are plain named dims
    return name


def _require_array(parameter: _Parameter, array: Any) -> np.ndarray:
    wanted = f"an array of {parameter.dtype}"
    if isinstance(array, np.ma.MaskedArray):
        raise InputError(parameter.name, expected=wanted, got="a masked array", remedy="use x.filled(value)")
    if not isinstance(array, (np.ndarray, np.generic)):
        raise InputError(
            parameter.name,
            expected=wanted,
            got=type(array).__name__,
            remedy=f'use np.asarray(x, dtype="{parameter.dtype}")',
        )
    converted: np.ndarray = np.asarray(array)
    if not converted.dtype.isnative:
        raise InputError(
            parameter.name,
            expected=f"{wanted} in this machine's byte order",
            got=f"big-endian {converted.dtype.name}",
            remedy=f'use x.astype("{parameter.dtype}")',
        )
    if converted.dtype != parameter.dtype:
        raise InputError(
            parameter.name, expected=wanted, got=str(converted.dtype), remedy=f'use x.astype("{parameter.dtype}")'
        )
    return converted


def _read_sizes(parameter: _Parameter, array: np.ndarray, sizes: dict[str, int]) -> None:
    shape = array.shape
    if len(shape) != parameter.type.rank:
        raise InputError(
            parameter.name,
            expected=f"shape {shape_text(parameter.type.shape)}",
            got=f"rank {len(shape)}, shape {shape}",
            remedy="add the batch axis with x[None]"
            if len(shape) == parameter.type.rank - 1
            else "x.reshape(...) gives it the right axes",
        )
    for axis, size in parameter.fixed:
        if shape[axis] != size:
            raise InputError(
                parameter.name,
                expected=f"shape {shape_text(parameter.type.shape)}",
                got=f"{shape} with {shape[axis]} in place of {size} on axis {axis}",
                remedy=_layout_remedy(parameter.type, shape),
            )
    for axis, name in parameter.named:
        size = shape[axis]
        if size == 0:
            raise InputError(
                parameter.name,
                expected=f"at least one element on axis {axis} ({name})",
                got=f"an empty array, shape {shape}",
                remedy="skip the call when there is nothing to compute",
            )
        if sizes.setdefault(name, size) != size:
            raise DimError(
                f"{parameter.name}: {name}",
                expected=f"{sizes[name]} on axis {axis}, as in an earlier input",
                got=str(size),
                remedy="a dim of one name has one size in all inputs",
            )


def _layout_remedy(type: TensorType, shape: tuple[int, ...]) -> str:
    moved = (shape[0], *shape[2:], *shape[1:2])
    fits = all(not isinstance(size, int) or size == got for size, got in zip(type.shape, moved, strict=True))
    if type.rank == 4 and fits:
        return "this looks like NCHW: use x.transpose(0, 2, 3, 1)"
    return 'to take other sizes, compile with a name in the place of the size, such as trtnn.Input("batch", "width", 3)'


def _require_numbers(parameter: _Parameter, array: np.ndarray) -> None:
    """The minimum finds a NaN in one quick pass: it is a NaN where any element is."""
    if not parameter.type.dtype.is_float:
        return
    if array.dtype.kind == "f":
        least = np.minimum.reduce(array, axis=None)
        if least == least:
            return
    elif not np.isnan(array).any():  # a type that is not NumPy's own, such as bfloat16, whose minimum warns of NaN
        return
    where = tuple(int(i) for i in np.argwhere(np.isnan(array))[0])
    raise InputError(
        parameter.name,
        expected="numbers",
        got=f"NaN at index {where}",
        remedy="clean the input, or compile with check_nan=False to let NaN through",
    )


def _within(sizes: Mapping[str, int], ranges: Ranges) -> bool:
    return all(name not in ranges or ranges[name][0] <= size <= ranges[name][2] for name, size in sizes.items())


def _outside(sizes: Mapping[str, int], profiles: Sequence[Ranges]) -> DimError:
    name = next(
        (name for name in sizes if not any(_within({name: sizes[name]}, ranges) for ranges in profiles)),
        next(iter(sizes)),
    )
    ranges = " or ".join(f"{one[name][0]}..{one[name][2]}" for one in profiles if name in one)
    largest = max(sizes[name], *(one[name][2] for one in profiles if name in one))
    return DimError(
        name,
        expected=ranges,
        got=str(sizes[name]),
        remedy=f'compile with dims={{"{name}": (1, {sizes[name]}, {largest})}}',
    )
