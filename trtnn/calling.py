"""Checks the arrays that an engine is called with, quickly when they fit and with a full explanation when they do
not.

Arrays on the GPU, for engines that take them, are checked as NumPy arrays are, but for NaN: looking for it would mean
to wait for the GPU.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
import numpy as np

from trtnn.errors import DimError, InputError
from trtnn.graph import DType, Size, TensorType, shape_text
from trtnn.graph.dims import names

if TYPE_CHECKING:
    from trtnn.gpu.arrays import DeviceView

Ranges: TypeAlias = Mapping[str, tuple[int, int, int]]  # named dim -> (min, opt, max)
Look: TypeAlias = Callable[..., Any]  # trtnn.gpu.arrays.reader
_MOST_PASSED = 1024
_NUMPY = frozenset([np.ndarray])
_SIGN = 0x8000
_INFINITY = {DType.float16: 0x7C00, DType.bfloat16: 0x7F80}
"""The bits of infinity in the types of 16 bits."""
_LARGE = 8 << 20
"""Arrays of at least this many bytes are looked through by several threads."""


@attrs.frozen
class _Parameter:
    """One input, prepared for checking: its fixed sizes and its named dims by axis; and whether it may hold NaN, with
    the bits of infinity where it has 16 of them."""

    name: str
    type: TensorType
    dtype: np.dtype
    fixed: tuple[tuple[int, int], ...]
    named: tuple[tuple[int, str], ...]
    is_float: bool
    infinity: int | None


class Arguments:
    """The inputs of an engine as a function's parameters.

    ``gpu`` is the number of the GPU that the engine runs on; None for an engine that takes arrays in host memory only.
    """

    def __init__(
        self, inputs: Mapping[str, TensorType], profiles: Sequence[Ranges], check_nan: bool, gpu: int | None = None
    ) -> None:
        self._parameters = [_prepare(name, type) for name, type in inputs.items()]
        self._names = list(inputs)
        self._profiles, self._check_nan = profiles, check_nan
        self.gpu = gpu
        self._passed: set[tuple[tuple[tuple[int, ...], np.dtype], ...]] = set()

    def check(self, arrays: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
        """The arrays by input name, contiguous: NumPy arrays, or `DeviceView`s of arrays on the GPU.

        Raises InputError or DimError. NaN is looked for in NumPy arrays alone.
        """
        if named or len(arrays) != len(self._parameters):
            arrays = self._bind(arrays, named)
        if self.gpu is not None and not _NUMPY.issuperset(map(type, arrays)):
            arrays, on_gpu = self._look_into(arrays, _looker())
            if on_gpu:
                return dict(zip(self._names, arrays, strict=True))
        feeds: dict[str, Any] = {}
        sizes: dict[str, int] = {}
        check_nan = self._check_nan
        for parameter, array in zip(self._parameters, arrays, strict=True):
            if type(array) is not np.ndarray or array.dtype != parameter.dtype or not array.dtype.isnative:
                array = _require_array(parameter, array)
            _read_sizes(parameter, array, sizes)
            if parameter.is_float and check_nan and array.size and _holds_nan(array, parameter.infinity):
                raise _nan(parameter, array)
            feeds[parameter.name] = array if array.flags.c_contiguous else np.ascontiguousarray(array)
        self._require_ranges(sizes)
        return feeds

    def _look_into(self, arrays: Sequence[Any], look: Look) -> tuple[list[Any], bool]:
        """Arrays of other libraries: checked views when all are on the GPU, NumPy's views of those in host memory."""
        found = [look(type(array))(name, array, self.gpu) for name, array in zip(self._names, arrays, strict=True)]
        on_gpu = tuple([(one.shape, one.dtype) for one in found if hasattr(one, "pointer")])
        if on_gpu in self._passed:  # shapes and types that were right before are not checked again
            return found, True
        if not on_gpu:
            return [array if one is None else one for array, one in zip(arrays, found, strict=True)], False
        if len(on_gpu) < len(found):
            raise InputError(
                next(name for name, one in zip(self._names, found, strict=True) if not hasattr(one, "pointer")),
                expected="an array on the GPU, where the other inputs are",
                got="one in host memory",
                remedy="give all inputs on the GPU, or all of them as NumPy arrays",
            )
        self._check_views(found)
        if len(self._passed) >= _MOST_PASSED:
            self._passed.clear()
        self._passed.add(on_gpu)
        return found, True

    def _check_views(self, views: Sequence[DeviceView]) -> None:
        sizes: dict[str, int] = {}
        for parameter, view in zip(self._parameters, views, strict=True):
            if view.dtype != parameter.dtype:
                raise InputError(parameter.name, expected=f"an array of {parameter.dtype}", got=str(view.dtype))
            _read_sizes(parameter, view, sizes)
        self._require_ranges(sizes)

    def _require_ranges(self, sizes: Mapping[str, int]) -> None:
        if sizes and not any(_within(sizes, ranges) for ranges in self._profiles):
            raise _outside(sizes, self._profiles)

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


@functools.cache
def _looker() -> Look:
    from trtnn.gpu.arrays import reader  # not for those who call with NumPy arrays alone, or only build

    return reader


def _prepare(name: str, type: TensorType) -> _Parameter:
    fixed = tuple((axis, size) for axis, size in enumerate(type.shape) if isinstance(size, int))
    named = tuple((axis, _only_name(size)) for axis, size in enumerate(type.shape) if not isinstance(size, int))
    dtype = type.dtype
    return _Parameter(name, type, dtype.numpy, fixed, named, dtype.is_float, _INFINITY.get(dtype))


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


def _read_sizes(parameter: _Parameter, array: np.ndarray | DeviceView, sizes: dict[str, int]) -> None:
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


def _nan(parameter: _Parameter, array: np.ndarray) -> InputError:
    with np.errstate(invalid="ignore"):  # bfloat16's isnan warns of the NaN that it finds
        where = tuple(int(i) for i in np.argwhere(np.isnan(array))[0])
    return InputError(
        parameter.name,
        expected="numbers",
        got=f"NaN at index {where}",
        remedy="clean the input, or compile with check_nan=False to let NaN through",
    )


def _holds_nan(array: np.ndarray, infinity: int | None) -> bool:
    if array.nbytes < _LARGE or not array.flags.c_contiguous:
        return _some_nan(array, infinity)
    flat, found = array.reshape(-1), []

    def look(start: int, stop: int) -> None:
        if _some_nan(flat[start:stop], infinity):
            found.append(start)

    from trtnn.parallel import in_chunks  # not for small arrays

    in_chunks(look, flat.size, _LARGE // array.itemsize // 4)
    return bool(found)


def _some_nan(array: np.ndarray, infinity: int | None) -> bool:
    """Finds a NaN in quick passes, without a copy. The minimum is a NaN where any element is one. The types of 16 bits
    have no instructions of their own: their NaNs are the patterns behind ``infinity``, the largest ones of signed
    numbers, and behind it with the sign bit, the largest ones of unsigned numbers."""
    if infinity is None:
        least = np.minimum.reduce(array, axis=None)
        return bool(least != least)
    if np.maximum.reduce(array.view(np.int16), axis=None) > infinity:
        return True
    return bool(np.maximum.reduce(array.view(np.uint16), axis=None) > _SIGN + infinity)


def _within(sizes: Mapping[str, int], ranges: Ranges) -> bool:
    return all(name not in ranges or ranges[name][0] <= size <= ranges[name][2] for name, size in sizes.items())


def _outside(sizes: Mapping[str, int], profiles: Sequence[Ranges]) -> DimError:
    """The error for sizes that no profile takes: for the first that none takes alone, else for all of them together."""
    for name, size in sizes.items():
        if not any(_within({name: size}, ranges) for ranges in profiles):
            low, high = (pick(size, *(ranges[name][end] for ranges in profiles)) for pick, end in ((min, 0), (max, 2)))
            remedy = f'compile with dims={{"{name}": ({low}, {profiles[0][name][1]}, {high})}}'
            return DimError(name, expected=_ranges_text(name, profiles), got=str(size), remedy=remedy)
    first, *others = (name for name in sizes if any(name in ranges for ranges in profiles))
    together = ", ".join(f"{name}={sizes[name]}" for name in others)
    return DimError(
        first,
        expected=_ranges_text(first, profiles),
        got=f"{sizes[first]}, which no profile takes together with {together}",
        remedy="compile with one more profile: dims=[..., ...]",
    )


def _ranges_text(name: str, profiles: Sequence[Ranges]) -> str:
    return " or ".join(f"{one[name][0]}..{one[name][2]}" for one in profiles if name in one)
